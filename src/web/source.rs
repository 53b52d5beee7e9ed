//! The address of a request's client, also if the request came through reverse proxies that the configuration lists.

use crate::service::Service;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tracing::error;

/// The header to which each proxy appends the address that connected to it.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Number of leading bits of an IPv6 address that identify a network, all of which is commonly assigned to one client.
const IPV6_NETWORK: u32 = 64;

/// The client's address. If the peer of the connection is in `[server] trusted_proxies`, it is the right-most address
/// of `X-Forwarded-For` that is not. It is the peer's address if the peer is no trusted proxy, if there is no such
/// address, or if an entry to the right of it is not an address. An IPv4 address that is mapped into IPv6 is given as
/// IPv4.
///
/// Requires the listener's [`ConnectInfo`]; without it the request is answered with 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Returns the key for limits per source: an IPv4 address unchanged, or an IPv6 address of which all but the first
    /// 64 bits are cleared, because one client can use all addresses of its network.
    pub fn limit_key(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(address) => {
                let network = address.to_bits() & (u128::MAX << (128 - IPV6_NETWORK));
                Ipv6Addr::from_bits(network).into()
            }
        }
    }
}

impl FromRequestParts<Arc<Service>> for ClientAddress {
    type Rejection = StatusCode;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, Self::Rejection> {
        let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else {
            error!(
                "a request has no peer address: the listener was served without connection info"
            );
            return Err(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let trusted = &service.config.trusted_proxies;
        Ok(Self(client(peer.ip(), &parts.headers, trusted)))
    }
}

fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let peer = peer.to_canonical();
    if !is_trusted(peer) {
        return peer;
    }
    for value in headers.get_all(FORWARDED_FOR).iter().rev() {
        // A value that is not ASCII text has no readable address at its right end.
        let value = value.to_str().unwrap_or("?");
        for hop in value.rsplit(',') {
            match address(hop.trim()) {
                Some(address) if is_trusted(address) => {}
                Some(address) => return address,
                // A trusted proxy did not name its client by address, so nothing to the left can be trusted.
                None => return peer,
            }
        }
    }
    peer
}

/// Parses an address as proxies write it: some add the port, some put IPv6 in brackets. `None` if the text is no
/// address.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let address = text.parse().ok().or_else(with_port).or_else(bracketed)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "127.0.0.1";

    fn found(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["127.0.0.1/32", "10.1.0.0/16"].map(|net| net.parse().unwrap());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn the_right_most_address_that_is_no_trusted_proxy_is_the_client() {
        assert_eq!(found(PROXY, &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(found(PROXY, &["203.0.113.7, 10.1.2.3"]), "203.0.113.7");
        assert_eq!(found(PROXY, &["6.6.6.6, 203.0.113.7"]), "203.0.113.7");
        // Two fields are one list, in their order.
        assert_eq!(found(PROXY, &["6.6.6.6", "203.0.113.7"]), "203.0.113.7");
        assert_eq!(found(PROXY, &["203.0.113.7", "10.1.2.3"]), "203.0.113.7");
        assert_eq!(found("::ffff:127.0.0.1", &["203.0.113.7"]), "203.0.113.7");
    }

    #[test]
    fn a_peer_that_is_no_trusted_proxy_cannot_name_another_client() {
        assert_eq!(found("203.0.113.9", &["203.0.113.7"]), "203.0.113.9");
        assert_eq!(found("203.0.113.9", &["127.0.0.1"]), "203.0.113.9");
        assert_eq!(found("::ffff:203.0.113.9", &[]), "203.0.113.9");
    }

    #[test]
    fn without_an_address_to_be_believed_the_peer_is_the_client() {
        assert_eq!(found(PROXY, &[]), PROXY);
        assert_eq!(found(PROXY, &["10.1.2.3, 127.0.0.1"]), PROXY);
        for unreadable in [
            "unknown",
            "",
            "6.6.6.6, unknown",
            "6.6.6.6,",
            "6.6.6.6, 1.2.3",
        ] {
            assert_eq!(found(PROXY, &[unreadable]), PROXY, "{unreadable}");
        }
    }

    #[test]
    fn ports_and_brackets_are_read() {
        assert_eq!(found(PROXY, &["203.0.113.7:4711"]), "203.0.113.7");
        assert_eq!(found(PROXY, &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(found(PROXY, &["[2001:db8::7]"]), "2001:db8::7");
        assert_eq!(found(PROXY, &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(found(PROXY, &["::ffff:203.0.113.7"]), "203.0.113.7");
    }

    #[test]
    fn one_ipv6_network_counts_as_one_source() {
        let key = |text: &str| ClientAddress(text.parse().unwrap()).limit_key();
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), key("2001:db8:1:2::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("203.0.113.7"), key("203.0.113.8"));
    }
}
