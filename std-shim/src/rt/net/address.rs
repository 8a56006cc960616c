//! What names a peer: addresses, or a name that the system's resolver is asked for, off this thread.
#![forbid(unsafe_code)]

use crate::rt::blocking::blocking;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::io;
use std::net::ToSocketAddrs as _;

/// Addresses, or a name and port to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Addresses {
    /// Known.
    Known(Vec<SocketAddr>),
    /// `name:port`, or a name with its port.
    Name(String, Option<u16>),
}

/// Names a peer, as [`std::net::ToSocketAddrs`] does, without blocking.
pub trait ToAddresses {
    /// What it names.
    fn to_addresses(&self) -> Addresses;
}

macro_rules! known {
    ($($type:ty),*) => {$(
        impl ToAddresses for $type {
            fn to_addresses(&self) -> Addresses {
                Addresses::Known(vec![SocketAddr::from(*self)])
            }
        }
    )*};
}

known!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16)
);

impl ToAddresses for [SocketAddr] {
    fn to_addresses(&self) -> Addresses {
        Addresses::Known(self.to_vec())
    }
}

impl ToAddresses for str {
    fn to_addresses(&self) -> Addresses {
        match self.parse() {
            Ok(address) => Addresses::Known(vec![address]),
            Err(_) => Addresses::Name(self.to_owned(), None),
        }
    }
}

impl ToAddresses for String {
    fn to_addresses(&self) -> Addresses {
        self.as_str().to_addresses()
    }
}

impl ToAddresses for (&str, u16) {
    fn to_addresses(&self) -> Addresses {
        match self.0.parse::<IpAddr>() {
            Ok(ip) => Addresses::Known(vec![SocketAddr::new(ip, self.1)]),
            Err(_) => Addresses::Name(self.0.to_owned(), Some(self.1)),
        }
    }
}

impl ToAddresses for (String, u16) {
    fn to_addresses(&self) -> Addresses {
        (self.0.as_str(), self.1).to_addresses()
    }
}

impl<T: ToAddresses + ?Sized> ToAddresses for &T {
    fn to_addresses(&self) -> Addresses {
        (**self).to_addresses()
    }
}

/// The addresses that `address` names. Names are asked for on a thread for [`blocking`] work. Dropping the future gives up.
///
/// # Errors
/// The resolver's; a text that is no `name:port`.
pub async fn lookup(address: impl ToAddresses) -> io::Result<Vec<SocketAddr>> {
    match address.to_addresses() {
        Addresses::Known(addresses) => Ok(addresses),
        Addresses::Name(name, port) => {
            blocking(move || match port {
                Some(port) => (name.as_str(), port)
                    .to_socket_addrs()
                    .map(Iterator::collect),
                None => name.to_socket_addrs().map(Iterator::collect),
            })
            .await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_at_once_and_names_are_not() {
        let one = SocketAddr::from(([127, 0, 0, 1], 80));
        assert_eq!("127.0.0.1:80".to_addresses(), Addresses::Known(vec![one]));
        assert_eq!(
            ("127.0.0.1", 80).to_addresses(),
            Addresses::Known(vec![one])
        );
        assert_eq!(one.to_addresses(), Addresses::Known(vec![one]));
        let name = Addresses::Name("localhost".into(), Some(80));
        assert_eq!(("localhost".to_owned(), 80).to_addresses(), name);
    }

    #[test]
    fn a_name_is_looked_up_while_others_run_and_nonsense_is_an_error() {
        crate::rt::block_on(async {
            let found = lookup(("localhost", 80))
                .await
                .expect("every system has it");
            assert!(
                found.iter().all(|address| address.ip().is_loopback()),
                "{found:?}"
            );
            assert!(lookup("no port").await.is_err());
        })
        .expect("a runtime");
    }
}
