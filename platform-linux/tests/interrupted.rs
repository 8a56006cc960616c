//! System calls that fail by injection: every second one as if a signal had interrupted it, or one with an errno of choice.
//!
//! A seccomp filter in a child process turns the calls under test into `SIGSYS`. The handler fails the call, or makes it in the
//! caller's stead with a mark in an argument that the filter lets through.
#![cfg(target_arch = "x86_64")]
#![allow(
    unsafe_code,
    reason = "a filter and a signal handler are installed by hand"
)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use core::ffi::{c_int, c_long, c_void};
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::process::Command;
use underpin_core::Kind;
use underpin_core::platform::{
    Clock, ClockId, Completion, Create, Durability, Files, ListenOptions, LockKind, Map, MapAccess,
    MappedBytes, Net, Op, OpenOptions, Reactor, Ring, RingOptions,
};
use underpin_linux::{Linux, Socket};

/// Sixth argument of calls that the handler makes.
const MARK: u32 = 0x7EA5_E1F0;

/// What every second trapped call fails with; 0 for none.
static ERRNO: AtomicI32 = AtomicI32::new(0);
static TRAPPED: AtomicU32 = AtomicU32::new(0);

/// Fails the trapped call or makes it.
extern "C" fn trapped(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands a valid context to a handler with SA_SIGINFO; the call is the one that the program asked for, with
    // its own arguments; errno is this thread's.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let at = |register: c_int| register as usize;
        let errno = ERRNO.load(Ordering::Relaxed);
        let result = if errno != 0 && TRAPPED.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            i64::from(-errno)
        } else {
            let saved = *libc::__errno_location();
            let result = libc::syscall(
                registers[at(libc::REG_RAX)],
                registers[at(libc::REG_RDI)],
                registers[at(libc::REG_RSI)],
                registers[at(libc::REG_RDX)],
                registers[at(libc::REG_R10)],
                registers[at(libc::REG_R8)],
                c_long::from(MARK),
            );
            let failed = i64::from(-*libc::__errno_location());
            *libc::__errno_location() = saved;
            if result == -1 { failed } else { result }
        };
        registers[at(libc::REG_RAX)] = result;
    }
}

/// From now on this thread's calls of these numbers are trapped.
fn trap(numbers: &[c_long]) {
    let instruction = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    let load = |offset| instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let equal = |k, jt, jf| instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, k);
    let give = |k| instruction(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    // The low half of the sixth argument.
    let mut program = vec![
        load(56),
        equal(MARK, 0, 1),
        give(libc::SECCOMP_RET_ALLOW),
        load(0),
    ];
    for &number in numbers {
        program.push(equal(u32::try_from(number).unwrap(), 0, 1));
        program.push(give(libc::SECCOMP_RET_TRAP));
    }
    program.push(give(libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: an all-zero sigaction is valid; the handler is as the flag says; the program is well-formed and lives through the call.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = trapped as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        let installed = libc::sigaction(libc::SIGSYS, &raw const action, core::ptr::null_mut());
        assert_eq!(installed, 0);
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let filter = libc::SECCOMP_MODE_FILTER;
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, filter, &raw const program),
            0
        );
    }
}

/// Runs `call` while every second trapped system call fails with `errno`; it must make one.
fn failing<T>(errno: c_int, what: &str, call: impl FnOnce() -> T) -> T {
    TRAPPED.store(0, Ordering::Relaxed);
    ERRNO.store(errno, Ordering::Relaxed);
    let result = call();
    ERRNO.store(0, Ordering::Relaxed);
    assert!(
        TRAPPED.load(Ordering::Relaxed) > 0,
        "{what} was not trapped"
    );
    result
}

/// Runs `case` in a process of its own, so that the filter is its alone.
fn in_child(name: &str, case: fn()) {
    const VARIABLE: &str = "UNDERPIN_INTERRUPTED_CASE";
    if std::env::var(VARIABLE).as_deref() == Ok(name) {
        return case();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(VARIABLE, name)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn interrupted<T>(what: &str, call: impl FnOnce() -> underpin_core::Result<T>) -> T {
    failing(libc::EINTR, what, call).unwrap_or_else(|error| panic!("{what}: {error}"))
}

#[test]
fn interrupted_calls_on_files_and_names_are_repeated() {
    in_child("interrupted_calls_on_files_and_names_are_repeated", || {
        let directory = std::env::temp_dir().join(format!("underpin-eintr-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let path = |name: &str| directory.join(name).into_os_string().into_encoded_bytes();
        trap(&[
            libc::SYS_open,
            libc::SYS_openat,
            libc::SYS_openat2,
            libc::SYS_stat,
            libc::SYS_fstat,
            libc::SYS_newfstatat,
            libc::SYS_statx,
            libc::SYS_rename,
            libc::SYS_renameat,
            libc::SYS_renameat2,
            libc::SYS_link,
            libc::SYS_linkat,
            libc::SYS_unlink,
            libc::SYS_unlinkat,
            libc::SYS_mkdir,
            libc::SYS_mkdirat,
            libc::SYS_rmdir,
            libc::SYS_getdents64,
            libc::SYS_ftruncate,
            libc::SYS_fallocate,
            libc::SYS_fsync,
            libc::SYS_fdatasync,
            libc::SYS_flock,
            libc::SYS_read,
            libc::SYS_write,
            libc::SYS_pread64,
            libc::SYS_pwrite64,
            libc::SYS_preadv,
            libc::SYS_pwritev,
            libc::SYS_msync,
        ]);
        let options = OpenOptions::read_write().with_create(Create::IfMissing);
        let file = interrupted("open", || Linux.open(&path("a"), &options));
        assert_eq!(interrupted("write", || Linux.write_at(&file, b"abc", 0)), 3);
        let slices: &[&[u8]] = &[b"d", b"ef"];
        assert_eq!(
            interrupted("writev", || Linux.write_vectored_at(&file, slices, 3)),
            3
        );
        let mut bytes = [MaybeUninit::uninit(); 8];
        assert_eq!(
            interrupted("read", || Linux.read_at(&file, &mut bytes, 0)),
            6
        );
        let (mut one, mut two) = ([MaybeUninit::uninit(); 2], [MaybeUninit::uninit(); 2]);
        let mut list: [&mut [MaybeUninit<u8>]; 2] = [&mut one, &mut two];
        assert_eq!(
            interrupted("readv", || Linux.read_vectored_at(&file, &mut list, 0)),
            4
        );
        interrupted("metadata", || Linux.file_metadata(&file));
        interrupted("metadata", || Linux.metadata(&path("a")));
        interrupted("set length", || Linux.set_length(&file, 5000));
        interrupted("sync", || Linux.sync(&file, Durability::Data));
        interrupted("sync", || Linux.sync(&file, Durability::Full));
        interrupted("lock", || Linux.lock(&file, LockKind::Exclusive));
        interrupted("unlock", || Linux.unlock(&file));
        // A file system may lack these; then they say so, and nothing else.
        for result in [
            failing(libc::EINTR, "preallocate", || {
                Linux.preallocate(&file, 0, 4096)
            }),
            failing(libc::EINTR, "punch", || Linux.punch(&file, 0, 4096)),
        ] {
            assert!(result.is_ok() || result.is_err_and(|e| e.kind() == Kind::Unsupported));
        }
        // SAFETY: nobody else knows the file.
        let mapping = unsafe { Linux.map(&file, 0, 4096, MapAccess::ReadWrite) }.unwrap();
        interrupted("flush", || {
            Linux.flush_map(&mapping, 0, MappedBytes::len(&mapping))
        });
        let append = OpenOptions::read_write()
            .with_create(Create::IfMissing)
            .with_append();
        let log = interrupted("open", || Linux.open(&path("log"), &append));
        assert_eq!(interrupted("append", || Linux.append(&log, b"x")), 1);
        interrupted("rename", || Linux.rename(&path("a"), &path("b")));
        interrupted("link", || Linux.hard_link(&path("b"), &path("c")));
        interrupted("directory", || Linux.create_directory(&path("d")));
        let mut names = 0;
        interrupted("list", || {
            Linux.list(&path(""), &mut |_| {
                names += 1;
                ControlFlow::Continue(())
            })
        });
        assert_eq!(names, 4, "b, c, d, log");
        interrupted("sync directory", || Linux.sync_directory(&path("")));
        interrupted("directory", || Linux.remove_directory(&path("d")));
        for name in ["b", "c", "log"] {
            interrupted("remove", || Linux.remove_file(&path(name)));
        }
        std::fs::remove_dir(&directory).unwrap();
    });
}

#[test]
fn interrupted_calls_on_sockets_are_repeated() {
    in_child("interrupted_calls_on_sockets_are_repeated", || {
        trap(&[
            libc::SYS_accept4,
            libc::SYS_sendto,
            libc::SYS_sendmsg,
            libc::SYS_recvfrom,
            libc::SYS_poll,
            libc::SYS_ppoll,
        ]);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Linux.listen(&any, &ListenOptions::default()).unwrap();
        let client = std::net::TcpStream::connect(Linux.local_address(&listener).unwrap()).unwrap();
        let (server, _) = interrupted("accept", || Linux.try_accept(&listener));
        assert_eq!(interrupted("send", || Linux.try_send(&server, b"ab")), 2);
        let slices: &[&[u8]] = &[b"c", b"d"];
        assert_eq!(
            interrupted("sendmsg", || Linux.try_send_vectored(&server, slices)),
            2
        );
        (&client).write_all_to(b"xyz");
        let mut bytes = [MaybeUninit::uninit(); 8];
        assert_eq!(
            interrupted("receive", || Linux.try_receive(&server, &mut bytes)),
            3
        );
    });
}

/// Writes to a socket of `std`'s, whose calls are trapped as well and pass.
trait WriteAllTo {
    fn write_all_to(self, bytes: &[u8]);
}

impl WriteAllTo for &std::net::TcpStream {
    fn write_all_to(mut self, bytes: &[u8]) {
        std::io::Write::write_all(&mut self, bytes).unwrap();
    }
}

#[test]
fn a_queue_that_fails_is_an_error_and_loses_nothing() {
    in_child("a_queue_that_fails_is_an_error_and_loses_nothing", || {
        trap(&[
            libc::SYS_epoll_wait,
            libc::SYS_epoll_pwait,
            libc::SYS_epoll_pwait2,
        ]);
        let mut ring = Linux.ring(&RingOptions::default()).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Linux.listen(&any, &ListenOptions::default()).unwrap();
        let address = Linux.local_address(&listener).unwrap();
        ring.submit(Op::Accept { listener }, 7).unwrap();
        let mut done: Vec<Completion<Socket>> = Vec::new();
        let now = Linux.now(ClockId::Monotonic);
        let failed = failing(libc::EIO, "wait", || ring.wait(Some(now), &mut done));
        assert_eq!(failed.unwrap_err().kind(), Kind::Io);
        assert_eq!((done.len(), ring.pending()), (0, 1));
        let _client = std::net::TcpStream::connect(address).unwrap();
        while done.is_empty() {
            ring.wait(None, &mut done).unwrap();
        }
        assert_eq!(done[0].token, 7);
        done[0].result.as_ref().unwrap();
    });
}
