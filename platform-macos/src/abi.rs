//! The constants and layouts that this crate relies on, as numbers that are checked from three sides.
//!
//! On macOS they are compared with what `libc` declares, at compile time. `xtask/rigs/macos-audit.c` compares the same numbers with Apple's own
//! headers for both processors. A test on every host compares this table with that file, so that neither can drift.
//!
//! Not in the audit: `os/os_sync_wait_on_address.h`, which the headers at hand leave out.
#![cfg_attr(
    target_os = "macos",
    allow(unsafe_code, reason = "takes the addresses of fields")
)]
#![cfg_attr(not(target_os = "macos"), forbid(unsafe_code))]

macro_rules! abi {
    (
        constants { $($constant:ident = $value:literal,)* }
        layouts { $($type:ident $bytes:literal { $($field:ident $offset:literal $width:literal,)* })* }
    ) => {
        #[cfg(target_os = "macos")]
        const _: () = {
            use core::mem::{MaybeUninit, offset_of};
            const fn pointee_bytes<T>(_: *const T) -> usize {
                size_of::<T>()
            }
            $(assert!(libc::$constant as i64 == $value, stringify!($constant));)*
            $(
                assert!(size_of::<libc::$type>() == $bytes, stringify!($type));
                $(
                    assert!(offset_of!(libc::$type, $field) == $offset, stringify!($field));
                    let value = MaybeUninit::<libc::$type>::uninit();
                    // SAFETY: computes an address within `value`; nothing is read.
                    let field = unsafe { &raw const (*value.as_ptr()).$field };
                    assert!(pointee_bytes(field) == $width, stringify!($field));
                )*
            )*
        };

        /// The rows as the audit file has them.
        #[cfg(test)]
        const ROWS: &[&str] = &[
            $(concat!("CONSTANT(", stringify!($constant), ", ", $value, ")"),)*
            $(
                concat!("SIZE(", stringify!($type), ", ", $bytes, ")"),
                $(concat!(
                    "FIELD(", stringify!($type), ", ", stringify!($field), ", ", $offset, ", ", $width, ")"
                ),)*
            )*
        ];
    };
}

abi! {
    constants {
        CLOCK_REALTIME = 0,
        CLOCK_MONOTONIC_RAW = 4,
        CLOCK_UPTIME_RAW = 8,
        CLOCK_THREAD_CPUTIME_ID = 16,
        OS_CLOCK_MACH_ABSOLUTE_TIME = 32,
        PROT_NONE = 0,
        PROT_READ = 1,
        PROT_WRITE = 2,
        MAP_SHARED = 1,
        MAP_PRIVATE = 2,
        MAP_FIXED = 16,
        MAP_NORESERVE = 64,
        MAP_ANON = 4096,
        MS_SYNC = 16,
        _SC_PAGESIZE = 29,
        _SC_NPROCESSORS_ONLN = 58,
        O_RDONLY = 0,
        O_WRONLY = 1,
        O_RDWR = 2,
        O_APPEND = 8,
        O_CREAT = 512,
        O_TRUNC = 1024,
        O_EXCL = 2048,
        O_NOCTTY = 131072,
        O_DIRECTORY = 1048576,
        O_CLOEXEC = 16777216,
        F_PREALLOCATE = 42,
        F_FULLFSYNC = 51,
        F_BARRIERFSYNC = 85,
        F_PUNCHHOLE = 99,
        F_ALLOCATECONTIG = 2,
        F_ALLOCATEALL = 4,
        F_PEOFPOSMODE = 3,
        LOCK_SH = 1,
        LOCK_EX = 2,
        LOCK_NB = 4,
        LOCK_UN = 8,
        S_IFMT = 61440,
        S_IFREG = 32768,
        S_IFDIR = 16384,
        S_IFLNK = 40960,
        DT_DIR = 4,
        DT_REG = 8,
        DT_LNK = 10,
        AF_INET = 2,
        AF_INET6 = 30,
        SOCK_STREAM = 1,
        IPPROTO_TCP = 6,
        SOL_SOCKET = 65535,
        SO_REUSEADDR = 4,
        SO_REUSEPORT = 512,
        SO_ERROR = 4103,
        SO_NOSIGPIPE = 4130,
        TCP_NODELAY = 1,
        SHUT_RD = 0,
        SHUT_WR = 1,
        SHUT_RDWR = 2,
        F_SETFD = 2,
        F_SETFL = 4,
        FD_CLOEXEC = 1,
        O_NONBLOCK = 4,
        POLLIN = 1,
        POLLOUT = 4,
        EVFILT_READ = -1,
        EVFILT_WRITE = -2,
        EVFILT_USER = -10,
        EV_ADD = 1,
        EV_CLEAR = 32,
        EV_EOF = 32768,
        EV_ERROR = 16384,
        NOTE_TRIGGER = 16777216,
        EPROTOTYPE = 41,
        EPROTO = 100,
    }
    layouts {
        timespec 16 {
            tv_sec 0 8,
            tv_nsec 8 8,
        }
        iovec 16 {
            iov_base 0 8,
            iov_len 8 8,
        }
        stat 144 {
            st_mode 4 2,
            st_nlink 6 2,
            st_ino 8 8,
            st_mtime 48 8,
            st_mtime_nsec 56 8,
            st_size 96 8,
            st_blocks 104 8,
        }
        dirent 1048 {
            d_reclen 16 2,
            d_namlen 18 2,
            d_type 20 1,
            d_name 21 1024,
        }
        statfs 2168 {
            f_bsize 0 4,
        }
        fstore_t 32 {
            fst_flags 0 4,
            fst_posmode 4 4,
            fst_offset 8 8,
            fst_length 16 8,
            fst_bytesalloc 24 8,
        }
        fpunchhole_t 24 {
            fp_flags 0 4,
            reserved 4 4,
            fp_offset 8 8,
            fp_length 16 8,
        }
        kevent 32 {
            ident 0 8,
            filter 8 2,
            flags 10 2,
            fflags 12 4,
            data 16 8,
            udata 24 8,
        }
        sockaddr_in 16 {
            sin_len 0 1,
            sin_family 1 1,
            sin_port 2 2,
            sin_addr 4 4,
        }
        sockaddr_in6 28 {
            sin6_len 0 1,
            sin6_family 1 1,
            sin6_port 2 2,
            sin6_flowinfo 4 4,
            sin6_addr 8 16,
            sin6_scope_id 24 4,
        }
        sockaddr_storage 128 {
            ss_len 0 1,
            ss_family 1 1,
        }
        pollfd 8 {
            fd 0 4,
            events 4 2,
            revents 6 2,
        }
        pthread_attr_t 64 {}
        pthread_mutex_t 64 {}
        pthread_cond_t 48 {}
        pthread_key_t 8 {}
        pthread_t 8 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::string::String;

    /// The audit file's assertions, one a line.
    fn audited() -> BTreeSet<String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../xtask/rigs/macos-audit.c");
        let text = std::fs::read_to_string(path).expect("the audit file");
        text.lines()
            .filter(|line| {
                ["CONSTANT(", "SIZE(", "FIELD("]
                    .iter()
                    .any(|row| line.starts_with(row))
            })
            .map(String::from)
            .collect()
    }

    #[test]
    fn the_audit_of_apples_headers_checks_just_these_numbers() {
        let errors = crate::error::TABLE
            .iter()
            .map(|(name, number, _)| format!("CONSTANT({name}, {number})"));
        let ours: BTreeSet<String> = ROWS
            .iter()
            .copied()
            .map(String::from)
            .chain(errors)
            .collect();
        let audited = audited();
        let missing: BTreeSet<_> = ours.difference(&audited).collect();
        let extra: BTreeSet<_> = audited.difference(&ours).collect();
        assert!(missing.is_empty(), "not audited: {missing:#?}");
        assert!(extra.is_empty(), "audited, but not relied on: {extra:#?}");
    }
}
