//! libuv, where its library is installed (Debian: `libuv1`): loaded by name, so that the bench builds without it.
//!
//! Its echo server reads into one buffer for all connections and writes at once (`uv_try_write`), the cheapest that its interface has.
#![allow(
    unsafe_code,
    reason = "a C library's functions, loaded at run time, and its callbacks"
)]

use super::subject::listen;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::net::SocketAddr;
use std::os::fd::IntoRawFd;
use std::sync::mpsc::Sender;

/// A handle or a loop, whose first field is the user's pointer.
type Handle = *mut c_void;

#[repr(C)]
struct Buffer {
    base: *mut c_char,
    len: usize,
}

type OnConnection = unsafe extern "C" fn(Handle, c_int);
type OnAllocate = unsafe extern "C" fn(Handle, usize, *mut Buffer);
type OnRead = unsafe extern "C" fn(Handle, isize, *const Buffer);
type OnClose = unsafe extern "C" fn(Handle);

/// Makes a structure of pointers to the library's functions, each looked up by its name.
macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) -> $output:ty;)*) => {
        #[derive(Clone, Copy)]
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) -> $output,)*
        }

        impl Functions {
            fn load() -> Option<Self> {
                // SAFETY: a C string; the library's initialisers are its own. It is never closed.
                let library = unsafe { libc::dlopen(c"libuv.so.1".as_ptr(), libc::RTLD_NOW) };
                if library.is_null() {
                    return None;
                }
                Some(Self {
                    $($name: {
                        let name = concat!(stringify!($name), "\0");
                        // SAFETY: a library that is open, a C string, and a function of this type (uv.h).
                        unsafe {
                            let found = libc::dlsym(library, name.as_ptr().cast());
                            if found.is_null() {
                                return None;
                            }
                            std::mem::transmute::<
                                *mut c_void,
                                unsafe extern "C" fn($($argument),*) -> $output,
                            >(found)
                        }
                    },)*
                })
            }
        }
    };
}

functions! {
    uv_version_string: fn() -> *const c_char;
    uv_loop_size: fn() -> usize;
    uv_handle_size: fn(c_int) -> usize;
    uv_loop_init: fn(Handle) -> c_int;
    uv_loop_close: fn(Handle) -> c_int;
    uv_run: fn(Handle, c_int) -> c_int;
    uv_tcp_init: fn(Handle, Handle) -> c_int;
    uv_tcp_open: fn(Handle, c_int) -> c_int;
    uv_tcp_nodelay: fn(Handle, c_int) -> c_int;
    uv_listen: fn(Handle, c_int, OnConnection) -> c_int;
    uv_accept: fn(Handle, Handle) -> c_int;
    uv_read_start: fn(Handle, OnAllocate, OnRead) -> c_int;
    uv_try_write: fn(Handle, *const Buffer, c_uint) -> c_int;
    uv_close: fn(Handle, OnClose) -> ();
}

/// `uv_handle_type`'s `UV_TCP`.
const TCP: c_int = 12;

/// What all callbacks reach through their handle.
struct Server {
    functions: Functions,
    events: Handle,
    to_accept: usize,
    buffer: [u8; super::echo::BUFFER_BYTES],
}

/// Which release it is, if it is there.
pub(super) fn version() -> Option<String> {
    let functions = Functions::load()?;
    // SAFETY: it gives a C string that is never freed.
    let text = unsafe { CStr::from_ptr((functions.uv_version_string)()) };
    Some(text.to_string_lossy().into_owned())
}

/// Says where it listens, echoes on so many connections, and ends when all of them have ended.
pub(super) fn serve(where_it_is: &Sender<SocketAddr>, connections: usize) {
    let functions = Functions::load().expect("it was there");
    let listener = listen(where_it_is).into_raw_fd();
    // SAFETY: memory of the sizes that the library names, which lives until the loop has closed what is in it; the server outlives the loop.
    unsafe {
        let events = libc::malloc((functions.uv_loop_size)());
        let mut server = Server {
            functions,
            events,
            to_accept: connections,
            buffer: [0; super::echo::BUFFER_BYTES],
        };
        done((functions.uv_loop_init)(events));
        let handle = tcp(&raw mut server);
        done((functions.uv_tcp_open)(handle, listener));
        done((functions.uv_listen)(handle, 4096, on_connection));
        done((functions.uv_run)(events, 0));
        done((functions.uv_loop_close)(events));
        libc::free(events);
    }
}

fn done(result: c_int) {
    assert_eq!(result, 0, "libuv");
}

/// A handle that is not connected yet.
///
/// # Safety
/// The server is alive, and so is its loop.
unsafe fn tcp(server: *mut Server) -> Handle {
    // SAFETY: the caller's word; the handle's first field is its user's.
    unsafe {
        let functions = (*server).functions;
        let handle = libc::malloc((functions.uv_handle_size)(TCP));
        done((functions.uv_tcp_init)((*server).events, handle));
        handle.cast::<*mut Server>().write(server);
        handle
    }
}

/// # Safety
/// A handle that [`tcp`] made.
unsafe fn server(handle: Handle) -> *mut Server {
    // SAFETY: its first field is what `tcp` put there.
    unsafe { handle.cast::<*mut Server>().read() }
}

unsafe extern "C" fn on_connection(listener: Handle, status: c_int) {
    done(status);
    // SAFETY: the library calls with the listener, whose server outlives the loop; what it gives to accept is accepted once.
    unsafe {
        let server = server(listener);
        let functions = (*server).functions;
        let stream = tcp(server);
        done((functions.uv_accept)(listener, stream));
        done((functions.uv_tcp_nodelay)(stream, 1));
        done((functions.uv_read_start)(stream, on_allocate, on_read));
        (*server).to_accept -= 1;
        if (*server).to_accept == 0 {
            (functions.uv_close)(listener, on_close);
        }
    }
}

unsafe extern "C" fn on_allocate(stream: Handle, _: usize, buffer: *mut Buffer) {
    // SAFETY: the library calls with one of our streams and a place to fill; nobody else has the buffer until `on_read`.
    unsafe {
        let server = server(stream);
        let bytes = &raw mut (*server).buffer;
        buffer.write(Buffer {
            base: bytes.cast(),
            len: super::echo::BUFFER_BYTES,
        });
    }
}

unsafe extern "C" fn on_read(stream: Handle, count: isize, buffer: *const Buffer) {
    // SAFETY: the library calls with one of our streams, and with as many bytes in the buffer as it says.
    unsafe {
        let functions = (*server(stream)).functions;
        let Ok(len) = usize::try_from(count) else {
            return (functions.uv_close)(stream, on_close);
        };
        let bytes = Buffer {
            base: (*buffer).base,
            len,
        };
        let sent = (functions.uv_try_write)(stream, &raw const bytes, 1);
        assert_eq!(sent as isize, count, "a short write of one message");
    }
}

unsafe extern "C" fn on_close(handle: Handle) {
    // SAFETY: it came from `malloc`, and the library has done with it.
    unsafe { libc::free(handle) }
}
