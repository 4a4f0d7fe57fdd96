//! RTP/RTCP port pairs, chosen at random from the range so that nobody can guess which one comes next.
//!
//! One that was given back rests: the far end of a call that is over may send to it for a moment longer, and whoever had
//! it then would hear somebody else's call.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use crate::config::Config;
use crate::sys;

/// How long a port rests, as long as there are others.
const REST: Duration = Duration::from_secs(10);

/// Of this process, since its ports are: whichever thread closes one, and whichever engine opens the next.
static RESTING: Mutex<Resting> = Mutex::new(Resting(BTreeMap::new()));

/// When ports were given back last. There are never more than ports.
#[derive(Debug)]
struct Resting(BTreeMap<u16, Instant>);

impl Resting {
    fn rest(&mut self, now: Instant, port: u16) {
        self.0.insert(port, now);
    }

    /// Since when a port rests.
    fn since(&self, now: Instant, port: u16) -> Option<Instant> {
        self.0.get(&port).copied().filter(|since| now < *since + REST)
    }
}

fn resting() -> MutexGuard<'static, Resting> {
    RESTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One port of a phone, in one IP version or in both.
#[derive(Debug)]
pub struct PhoneSocket {
    main: UdpSocket,
    other: Option<UdpSocket>,
    main_is_ipv4: bool,
}

impl PhoneSocket {
    fn bind(config: &Config, port: u16) -> io::Result<PhoneSocket> {
        let other = config.rtp_other_host.map(|host| bind_one(host, port)).transpose()?;
        Ok(PhoneSocket { main: bind_one(config.rtp_host, port)?, other, main_is_ipv4: config.rtp_host.is_ipv4() })
    }

    /// What there is to be watched.
    pub fn each(&self) -> impl Iterator<Item = &UdpSocket> {
        std::iter::once(&self.main).chain(&self.other)
    }

    /// Where it listens first; the number is the same for both.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.main.local_addr()
    }

    /// Whether this is an address of its own.
    pub fn is_own(&self, address: SocketAddr) -> bool {
        self.each()
            .filter_map(|socket| socket.local_addr().ok())
            .filter(|own| own.port() == address.port())
            .any(|own| own.ip() == address.ip() || own.ip().is_unspecified() && address.ip().is_loopback())
    }

    /// A datagram that waits. An error is none, or an ICMP message about something we sent.
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match (self.main.recv_from(buffer), &self.other) {
            (Err(_), Some(other)) => other.recv_from(buffer),
            (found, _) => found,
        }
    }

    /// Send by the IP version of the address.
    pub fn send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        match &self.other {
            Some(other) if to.is_ipv4() != self.main_is_ipv4 => other.send_to(datagram, to),
            _ => self.main.send_to(datagram, to),
        }
    }
}

impl Drop for PhoneSocket {
    fn drop(&mut self) {
        if let Ok(own) = self.local_addr() {
            resting().rest(Instant::now(), own.port());
        }
    }
}

/// A socket that never waits; one for every IPv6 address leaves IPv4 to another.
fn bind_one(host: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let family = if host.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    if host.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &SocketAddr::new(host, port))?;
    Ok(socket.into())
}

/// Bind an even port for RTP and the next one for RTCP (RFC 3550 §11).
pub fn bind_pair(config: &Config) -> io::Result<(PhoneSocket, PhoneSocket)> {
    let first = config.rtp_first.next_multiple_of(2);
    let pairs = (u32::from(config.rtp_last) + 1).saturating_sub(u32::from(first)) / 2;
    if pairs == 0 {
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "the RTP port range holds no pair"));
    }
    let (start, mut last) = (sys::random_u64() % u64::from(pairs), None);
    // A stride that is odd and large visits every pair once in an order that looks random.
    let all = (0..u64::from(pairs)).map(|i| first + 2 * ((start + i * 7919) % u64::from(pairs)) as u16);
    let now = Instant::now();
    for port in rested_first(all, |port| resting().since(now, port)) {
        match bind_both(config, port) {
            Ok(both) => return Ok(both),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => last = Some(e),
            Err(e) => {
                let text = format!("cannot bind RTP port {}:{port}: {e}", config.rtp_host);
                return Err(io::Error::new(e.kind(), text));
            }
        }
    }
    let text = format!("no free RTP port in {}-{} on {}", config.rtp_first, config.rtp_last, config.rtp_host);
    Err(io::Error::new(last.map_or(io::ErrorKind::AddrInUse, |e| e.kind()), text))
}

/// The ports in their order, those that rest behind the others: the one that has rested longest before the next.
fn rested_first(
    ports: impl Iterator<Item = u16> + Clone,
    since: impl Fn(u16) -> Option<Instant> + Clone,
) -> impl Iterator<Item = u16> {
    let (begins, others) = (since.clone(), ports.clone());
    let tired = std::iter::once_with(move || {
        let mut tired: Vec<_> = others.filter_map(|port| Some((begins(port)?, port))).collect();
        tired.sort_by_key(|(begins, _)| *begins);
        tired.into_iter().map(|(_, port)| port)
    });
    ports.filter(move |port| since(*port).is_none()).chain(tired.flatten())
}

fn bind_both(config: &Config, port: u16) -> io::Result<(PhoneSocket, PhoneSocket)> {
    Ok((PhoneSocket::bind(config, port)?, PhoneSocket::bind(config, port + 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u16, last: u16) -> Config {
        let local = [127, 0, 0, 1].into();
        Config {
            workers: 1,
            webrtc_host: local,
            webrtc_port: 0,
            webrtc_advertised: vec![],
            rtp_host: local,
            rtp_other_host: None,
            rtp_first: first,
            rtp_last: last,
        }
    }

    #[test]
    fn rtp_gets_an_even_port_and_rtcp_the_next() {
        let (rtp, rtcp) = bind_pair(&range(31001, 31100)).unwrap();

        let port = rtp.local_addr().unwrap().port();
        assert_eq!(port % 2, 0);
        assert!((31002..31100).contains(&port));
        assert_eq!(rtcp.local_addr().unwrap().port(), port + 1);
    }

    #[test]
    fn a_pair_of_both_ip_versions_has_one_number_and_speaks_by_the_version_of_the_far_end() {
        let config = Config { rtp_other_host: Some(std::net::Ipv6Addr::LOCALHOST.into()), ..range(31300, 31400) };
        let (rtp, _) = bind_pair(&config).unwrap();
        let port = rtp.local_addr().unwrap().port();

        for host in ["127.0.0.1", "::1"] {
            let host: IpAddr = host.parse().unwrap();
            let far = UdpSocket::bind((host, 0)).unwrap();
            far.send_to(b"hello", (host, port)).unwrap();
            let mut buffer = [0; 16];
            let (length, from) = rtp.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (&b"hello"[..], far.local_addr().unwrap()));

            rtp.send_to(b"answer", from).unwrap();
            let (length, from) = far.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (&b"answer"[..], SocketAddr::new(host, port)));
            assert!(rtp.is_own(from));
        }
        assert!(!rtp.is_own(SocketAddr::new([127, 0, 0, 2].into(), port)));
    }

    #[test]
    fn every_address_of_both_versions_can_be_listened_on_at_once() {
        let (any, any6) = (std::net::Ipv4Addr::UNSPECIFIED, std::net::Ipv6Addr::UNSPECIFIED);
        let config = Config { rtp_host: any.into(), rtp_other_host: Some(any6.into()), ..range(31500, 31600) };

        assert!(bind_pair(&config).is_ok());
    }

    #[test]
    fn a_pair_that_was_given_back_rests_while_there_are_others() {
        let config = range(31600, 31615);
        let number = |rtp: &PhoneSocket| rtp.local_addr().unwrap().port();
        let held: Vec<_> = (0..6).map(|_| bind_pair(&config).unwrap()).collect();

        let mut held = held.into_iter();
        let (first, second) = (held.next().unwrap(), held.next().unwrap());
        let given_back = [number(&first.0), number(&second.0)];
        drop(first);
        drop(second);
        let next: Vec<_> = (0..2).map(|_| bind_pair(&config).unwrap()).collect();
        assert!(next.iter().all(|(rtp, _)| !given_back.contains(&number(rtp))));

        let last = [bind_pair(&config).unwrap(), bind_pair(&config).unwrap()].map(|(rtp, _)| number(&rtp));
        assert_eq!(last, given_back, "where there are no others, the one that has rested longest");
    }

    #[test]
    fn after_ten_seconds_a_port_is_like_any_other() {
        let (now, mut resting) = (Instant::now(), Resting(BTreeMap::new()));
        resting.rest(now, 4000);
        resting.rest(now + Duration::from_secs(1), 4002);

        let order = |now| -> Vec<u16> {
            rested_first([4002, 4000, 4004].into_iter(), |port| resting.since(now, port)).collect()
        };

        assert_eq!(order(now), [4004, 4000, 4002]);
        assert_eq!(order(now + REST), [4000, 4004, 4002]);
    }

    #[test]
    fn every_pair_of_the_range_is_used_before_it_is_full() {
        let config = range(31200, 31207);

        let held: Vec<_> = (0..4).map(|_| bind_pair(&config).unwrap()).collect();

        assert_eq!(held.len(), 4);
        let error = bind_pair(&config).unwrap_err();
        assert!(error.to_string().contains("no free RTP port in 31200-31207"), "{error}");
    }
}
