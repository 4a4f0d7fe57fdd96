//! RTP/RTCP port pairs, chosen at random from the range so that nobody can guess which one comes next.

use std::io;
use std::net::UdpSocket;

use crate::config::Config;
use crate::sys;

/// Bind an even port for RTP and the next one for RTCP (RFC 3550 §11).
pub fn bind_pair(config: &Config) -> io::Result<(UdpSocket, UdpSocket)> {
    let first = config.rtp_first.next_multiple_of(2);
    let pairs = (u32::from(config.rtp_last) + 1).saturating_sub(u32::from(first)) / 2;
    if pairs == 0 {
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "the RTP port range holds no pair"));
    }
    let start = sys::random_u64() % u64::from(pairs);
    let mut last = None;
    for i in 0..u64::from(pairs) {
        // A stride that is odd and large visits every pair once in an order that looks random.
        let pair = (start + i * 7919) % u64::from(pairs);
        let port = first + 2 * pair as u16;
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

fn bind_both(config: &Config, port: u16) -> io::Result<(UdpSocket, UdpSocket)> {
    let rtp = UdpSocket::bind((config.rtp_host, port))?;
    let rtcp = UdpSocket::bind((config.rtp_host, port + 1))?;
    rtp.set_nonblocking(true)?;
    rtcp.set_nonblocking(true)?;
    Ok((rtp, rtcp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u16, last: u16) -> Config {
        let local = [127, 0, 0, 1].into();
        Config {
            webrtc_host: local,
            webrtc_port: 0,
            webrtc_advertised: vec![],
            rtp_host: local,
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
    fn every_pair_of_the_range_is_used_before_it_is_full() {
        let config = range(31200, 31207);

        let held: Vec<_> = (0..4).map(|_| bind_pair(&config).unwrap()).collect();

        assert_eq!(held.len(), 4);
        let error = bind_pair(&config).unwrap_err();
        assert!(error.to_string().contains("no free RTP port in 31200-31207"), "{error}");
    }
}
