//! Checks the reverse proxies whose `X-Forwarded-For` is trusted.

use super::{Checker, ConfigError, plain};
use ipnet::IpNet;
use std::net::IpAddr;
use toml::Spanned;

impl Checker<'_> {
    /// Parses an IP address, or a network in CIDR notation. A network that contains all addresses is refused, because
    /// any client would then be trusted to name any address as its own.
    pub(super) fn trusted_proxy(&self, text: &Spanned<String>) -> Result<IpNet, ConfigError> {
        let address = text.get_ref().parse().map(|ip: IpAddr| ip.to_canonical());
        let network = address.map(IpNet::from);
        match network.or_else(|_| text.get_ref().parse()) {
            Ok(network) if network.prefix_len() > 0 => Ok(network.trunc()),
            Ok(_) => self.wrong(
                text,
                "this is every address, so any client could claim any address; list the proxies' own addresses",
            ),
            Err(_) => {
                let right = plain::<IpAddr>(text.get_ref()).or_else(|| plain::<IpNet>(text.get_ref()));
                let right = right.unwrap_or_else(|| {
                    "write it like 127.0.0.1 or 10.0.0.0/8, without a port or a host name".into()
                });
                self.wrong(text, format!("not an IP address or network; {right}"))
            }
        }
    }
}
