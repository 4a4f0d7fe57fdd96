//! Networks in CIDR form, compared as parsed addresses.

use std::net::IpAddr;

/// A network in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Any address in it.
    pub address: IpAddr,
    /// Leading bits that count.
    pub prefix: u8,
}

impl Network {
    /// The network of one address.
    pub fn host(address: IpAddr) -> Network {
        Network { address, prefix: if address.to_canonical().is_ipv4() { 32 } else { 128 } }
    }

    /// Whether `address` lies in it. IPv4-mapped IPv6 addresses are taken as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let shift = 32 - u32::from(self.prefix.min(32));
                u64::from(u32::from(ours)) >> shift == u64::from(u32::from(theirs)) >> shift
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let shift = 128 - u32::from(self.prefix.min(128));
                let cut = |bits: u128| if shift == 128 { 0 } else { bits >> shift };
                cut(u128::from(ours)) == cut(u128::from(theirs))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_lies_in_a_network_when_its_leading_bits_agree() {
        let lies = |address: &str, prefix, other: &str| {
            Network { address: address.parse().unwrap(), prefix }.contains(other.parse().unwrap())
        };

        assert!(lies("198.51.100.0", 24, "198.51.100.255") && !lies("198.51.100.0", 24, "198.51.101.0"));
        assert!(lies("2001:db8::", 32, "2001:db8:1::5") && !lies("2001:db8::", 32, "2001:db9::5"));
        assert!(lies("10.0.0.0", 0, "8.8.8.8") && !lies("10.0.0.0", 0, "2001:db8::1"));
        assert!(lies("10.0.0.0", 8, "::ffff:10.1.2.3"));
        let one = Network::host("2001:db8::1".parse().unwrap());
        assert!(one.contains("2001:db8::1".parse().unwrap()) && !one.contains("2001:db8::2".parse().unwrap()));
        assert!(lies("10.0.0.1", 200, "10.0.0.1"), "a prefix beyond the address is the whole address");
    }
}
