//! Winsock's beginnings: starting it, its errors, and addresses in its form.
#![allow(unsafe_code, reason = "system calls")]

use core::mem::size_of;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use core::sync::atomic::{AtomicBool, Ordering};
use underpin_core::{Domain, Error, Kind, Operation, Result};
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, IN_ADDR, IN_ADDR_0, IN6_ADDR, IN6_ADDR_0, SOCKADDR, SOCKADDR_IN,
    SOCKADDR_IN6, SOCKADDR_IN6_0, SOCKADDR_STORAGE, WSADATA, WSAGetLastError, WSAStartup,
};

/// The codes that the rest of the crate asks about.
pub(crate) mod code {
    pub(crate) const WOULD_BLOCK: i32 = 10035;
    pub(crate) const ACCESS_DENIED: i32 = 10013;
    pub(crate) const CONNECTION_RESET: i32 = 10054;
    pub(crate) const SHUT_DOWN: i32 = 10058;
}

/// Version 2.2, low byte first.
const VERSION: u16 = 0x0202;

/// What `raw`, a value of `WSAGetLastError`, means. Total: the rest is `Other`.
pub(crate) const fn kind_of(raw: i32) -> Kind {
    match raw {
        // WSAEINTR
        10004 => Kind::Interrupted,
        // WSAEACCES
        10013 => Kind::PermissionDenied,
        // WSA_INVALID_HANDLE, WSAEBADF, WSAEFAULT, WSAEINVAL, WSAENOTSOCK, WSAEDESTADDRREQ, WSAEISCONN
        6 | 10009 | 10014 | 10022 | 10038 | 10039 | 10056 => Kind::InvalidInput,
        // WSAEMFILE
        10024 => Kind::TooManyHandles,
        // WSAEWOULDBLOCK, WSAEINPROGRESS, WSAEALREADY
        10035..=10037 => Kind::WouldBlock,
        // WSAEPROTOTYPE to WSAEAFNOSUPPORT; WSASYSNOTREADY, WSAVERNOTSUPPORTED
        10041..=10047 | 10091 | 10092 => Kind::Unsupported,
        // WSAEADDRINUSE, WSAEADDRNOTAVAIL
        10048 => Kind::AddressInUse,
        10049 => Kind::AddressNotAvailable,
        // WSAENETDOWN, WSAENETUNREACH, WSAEHOSTDOWN, WSAEHOSTUNREACH
        10050 | 10051 | 10064 | 10065 => Kind::Unreachable,
        // WSAENETRESET, WSAECONNRESET; WSAECONNABORTED
        10052 | 10054 => Kind::ConnectionReset,
        10053 => Kind::ConnectionAborted,
        // WSA_NOT_ENOUGH_MEMORY, WSAENOBUFS
        8 | 10055 => Kind::OutOfMemory,
        // WSAENOTCONN, WSAESHUTDOWN
        10057 => Kind::NotConnected,
        10058 => Kind::BrokenPipe,
        // WSAETIMEDOUT, WSAECONNREFUSED
        10060 => Kind::TimedOut,
        10061 => Kind::ConnectionRefused,
        // WSAEPROCLIM
        10067 => Kind::Limit,
        _ => Kind::Other,
    }
}

/// The error of `operation` that Winsock reported as `raw`.
pub(crate) const fn from_code(operation: Operation, raw: i32) -> Error {
    Error::from_raw(operation, kind_of(raw), Domain::Wsa, raw)
}

/// The calling thread's last Winsock code. Ask at once.
pub(crate) fn last_code() -> i32 {
    // SAFETY: reads a thread-local number.
    unsafe { WSAGetLastError() }
}

/// The error of `operation` from [`last_code`].
pub(crate) fn last_error(operation: Operation) -> Error {
    from_code(operation, last_code())
}

/// Starts Winsock once a process. It is never stopped: sockets may live as long as the process.
pub(crate) fn start(operation: Operation) -> Result<()> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.load(Ordering::Acquire) {
        return Ok(());
    }
    let mut data = WSADATA::default();
    // SAFETY: fills in `data`. Starting twice, by a race or by `std`, counts and does no harm.
    match unsafe { WSAStartup(VERSION, &raw mut data) } {
        0 => {
            STARTED.store(true, Ordering::Release);
            Ok(())
        }
        raw => Err(from_code(operation, raw)),
    }
}

/// An address in Winsock's form, and its length.
pub(crate) struct Address {
    storage: SOCKADDR_STORAGE,
    bytes: i32,
}

/// The length of an address form, which is small.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "at most 128 bytes"
)]
const fn length_of<T>() -> i32 {
    size_of::<T>() as i32
}

impl Address {
    /// Room for any address.
    pub(crate) fn empty() -> Self {
        Self {
            storage: SOCKADDR_STORAGE::default(),
            bytes: length_of::<SOCKADDR_STORAGE>(),
        }
    }

    pub(crate) const fn as_ptr(&self) -> *const SOCKADDR {
        (&raw const self.storage).cast()
    }

    pub(crate) const fn bytes(&self) -> i32 {
        self.bytes
    }

    /// Where a call puts an address and its length. The length is the storage's until then.
    pub(crate) const fn as_mut_ptrs(&mut self) -> (*mut SOCKADDR, *mut i32) {
        ((&raw mut self.storage).cast(), &raw mut self.bytes)
    }

    /// The address, if it is one of IP.
    pub(crate) fn ip(&self) -> Option<SocketAddr> {
        match self.storage.ss_family {
            AF_INET => {
                // SAFETY: the family says which form the storage holds; it is larger and more aligned than each.
                let form = unsafe { (&raw const self.storage).cast::<SOCKADDR_IN>().read() };
                // SAFETY: any bits are a number.
                let bits = unsafe { form.sin_addr.S_un.S_addr };
                let ip = Ipv4Addr::from(u32::from_be(bits));
                Some(SocketAddrV4::new(ip, u16::from_be(form.sin_port)).into())
            }
            AF_INET6 => {
                // SAFETY: as above.
                let form = unsafe { (&raw const self.storage).cast::<SOCKADDR_IN6>().read() };
                // SAFETY: any bits are bytes and numbers.
                let (bytes, scope) =
                    unsafe { (form.sin6_addr.u.Byte, form.Anonymous.sin6_scope_id) };
                let ip = Ipv6Addr::from(bytes);
                let port = u16::from_be(form.sin6_port);
                Some(SocketAddrV6::new(ip, port, form.sin6_flowinfo, scope).into())
            }
            _ => None,
        }
    }
}

impl From<&SocketAddr> for Address {
    fn from(address: &SocketAddr) -> Self {
        let mut new = Self::empty();
        match address {
            SocketAddr::V4(v4) => {
                let form = SOCKADDR_IN {
                    sin_family: AF_INET,
                    sin_port: v4.port().to_be(),
                    sin_addr: IN_ADDR {
                        S_un: IN_ADDR_0 {
                            S_addr: u32::from(*v4.ip()).to_be(),
                        },
                    },
                    sin_zero: [0; 8],
                };
                new.bytes = length_of::<SOCKADDR_IN>();
                // SAFETY: the storage is larger and more aligned than each form.
                unsafe { (&raw mut new.storage).cast::<SOCKADDR_IN>().write(form) };
            }
            SocketAddr::V6(v6) => {
                let form = SOCKADDR_IN6 {
                    sin6_family: AF_INET6,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: IN6_ADDR {
                        u: IN6_ADDR_0 {
                            Byte: v6.ip().octets(),
                        },
                    },
                    Anonymous: SOCKADDR_IN6_0 {
                        sin6_scope_id: v6.scope_id(),
                    },
                };
                new.bytes = length_of::<SOCKADDR_IN6>();
                // SAFETY: as above.
                unsafe { (&raw mut new.storage).cast::<SOCKADDR_IN6>().write(form) };
            }
        }
        new
    }
}

/// The address family that `address` needs.
pub(crate) const fn family_of(address: &SocketAddr) -> i32 {
    match address.ip() {
        IpAddr::V4(_) => AF_INET as i32,
        IpAddr::V6(_) => AF_INET6 as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_there_and_back() {
        for text in [
            "127.0.0.1:80",
            "255.1.2.3:65535",
            "[::1]:1",
            "[fe80::1%7]:9",
        ] {
            let address: SocketAddr = text.parse().expect("an address");
            assert_eq!(Address::from(&address).ip(), Some(address));
        }
        assert_eq!(Address::empty().ip(), None);
    }

    #[test]
    fn every_code_has_a_kind_and_keeps_its_number() {
        for raw in 0..12_000 {
            let error = from_code(Operation::Send, raw);
            assert_eq!((error.raw(), error.domain()), (raw, Domain::Wsa));
        }
        for (raw, kind) in [
            (code::WOULD_BLOCK, Kind::WouldBlock),
            (10048, Kind::AddressInUse),
            (code::CONNECTION_RESET, Kind::ConnectionReset),
            (code::SHUT_DOWN, Kind::BrokenPipe),
        ] {
            assert_eq!(kind_of(raw), kind);
        }
    }
}
