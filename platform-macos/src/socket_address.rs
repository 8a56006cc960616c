//! Addresses in the system's form, which begins with its own length.
#![allow(unsafe_code, reason = "one storage, read and written in several forms")]

use core::mem::{size_of, zeroed};
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use libc::{c_int, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t};

/// An address and its length.
pub(crate) struct Address {
    storage: sockaddr_storage,
    bytes: socklen_t,
}

/// The length of an address form: at most 128 bytes.
#[expect(clippy::cast_possible_truncation, reason = "at most 128 bytes")]
const fn length_of<T>() -> socklen_t {
    size_of::<T>() as socklen_t
}

/// The address family that `address` needs.
pub(crate) const fn family_of(address: &SocketAddr) -> c_int {
    match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "families are small positive numbers"
)]
const fn small(family: c_int) -> u8 {
    family as u8
}

impl Address {
    /// Room for any address.
    pub(crate) fn empty() -> Self {
        Self {
            // SAFETY: all zeros are an address of no family.
            storage: unsafe { zeroed() },
            bytes: length_of::<sockaddr_storage>(),
        }
    }

    pub(crate) const fn as_ptr(&self) -> *const sockaddr {
        (&raw const self.storage).cast()
    }

    pub(crate) const fn bytes(&self) -> socklen_t {
        self.bytes
    }

    /// Where a call puts an address and its length. The length is the storage's until then.
    pub(crate) const fn as_mut_ptrs(&mut self) -> (*mut sockaddr, *mut socklen_t) {
        ((&raw mut self.storage).cast(), &raw mut self.bytes)
    }

    /// The address, if it is one of IP.
    pub(crate) fn ip(&self) -> Option<SocketAddr> {
        match c_int::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the family says which form the storage holds; it is larger and more aligned than each.
                let form = unsafe { (&raw const self.storage).cast::<sockaddr_in>().read() };
                let ip = Ipv4Addr::from(u32::from_be(form.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(form.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let form = unsafe { (&raw const self.storage).cast::<sockaddr_in6>().read() };
                let ip = Ipv6Addr::from(form.sin6_addr.s6_addr);
                let port = u16::from_be(form.sin6_port);
                let v6 = SocketAddrV6::new(ip, port, form.sin6_flowinfo, form.sin6_scope_id);
                Some(v6.into())
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
                new.bytes = length_of::<sockaddr_in>();
                let form = sockaddr_in {
                    sin_len: new.bytes as u8,
                    sin_family: small(libc::AF_INET),
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from(*v4.ip()).to_be(),
                    },
                    sin_zero: [0; 8],
                };
                // SAFETY: the storage is larger and more aligned than each form.
                unsafe { (&raw mut new.storage).cast::<sockaddr_in>().write(form) };
            }
            SocketAddr::V6(v6) => {
                new.bytes = length_of::<sockaddr_in6>();
                let form = sockaddr_in6 {
                    sin6_len: new.bytes as u8,
                    sin6_family: small(libc::AF_INET6),
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: libc::in6_addr {
                        s6_addr: v6.ip().octets(),
                    },
                    sin6_scope_id: v6.scope_id(),
                };
                // SAFETY: as above.
                unsafe { (&raw mut new.storage).cast::<sockaddr_in6>().write(form) };
            }
        }
        new
    }
}
