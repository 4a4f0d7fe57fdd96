//! Datagrams of one turn, sent together; those of one size for one far end in one piece, which the kernel cuts up.

use std::net::{SocketAddr, UdpSocket};

use crate::sys::{Letter, MOST_LETTERS, send_letters};

/// Datagrams that the kernel cuts one piece into, at most (udp(7), `UDP_SEGMENT`).
const MOST_IN_ONE: usize = 64;
/// Bytes of one piece, at most: an IP packet's, less its headers.
const LONGEST: usize = 65_000;

/// What waits to be sent from the WebRTC port.
#[derive(Default)]
pub struct Outbox {
    waiting: Vec<(SocketAddr, Vec<u8>)>,
    /// The kernel, or the network card, has refused to cut pieces.
    whole: bool,
}

impl Outbox {
    pub fn push(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        self.waiting.push((to, datagram));
    }

    /// Send everything. What the kernel does not take now is lost, as the network might lose it.
    pub fn flush(&mut self, socket: &UdpSocket) {
        let mut rest = &self.waiting[..];
        while !rest.is_empty() {
            let mut letters = [Letter::default(); MOST_LETTERS];
            let mut from = rest;
            let mut n = 0;
            while n < MOST_LETTERS && !from.is_empty() {
                let (one, behind) = from.split_at(if self.whole { 1 } else { together(from) });
                (letters[n], from) = (one, behind);
                n += 1;
            }
            let (sent, error) = send_letters(socket, &letters[..n]);
            rest = &rest[letters[..sent].iter().map(|letter| letter.len()).sum()..];
            if let Some(error) = error {
                let refused = letters[sent];
                rest = &rest[refused.len()..];
                if refused.len() > 1 {
                    // No checksums by the card (EIO), or longer than the path takes in one (EINVAL, EMSGSIZE).
                    self.whole |= error.raw_os_error() == Some(libc::EIO);
                    refused.iter().for_each(|(to, datagram)| drop(socket.send_to(datagram, to)));
                }
            }
        }
        self.waiting.clear();
    }
}

/// How many datagrams from the first on go in one piece: all as long as the first for the same far end, and one behind
/// them that is shorter.
fn together(waiting: &[(SocketAddr, Vec<u8>)]) -> usize {
    let Some((to, first)) = waiting.first() else { return 0 };
    let most = MOST_IN_ONE.min(LONGEST / first.len().max(1)).max(1);
    let mut n = 1;
    for (other, datagram) in waiting.iter().take(most).skip(1) {
        if other != to || datagram.len() > first.len() || datagram.is_empty() {
            break;
        }
        n += 1;
        if datagram.len() < first.len() {
            break;
        }
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn bound() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let at = socket.local_addr().unwrap();
        (socket, at)
    }

    fn taken(socket: &UdpSocket, n: usize) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2048];
        (0..n).map(|_| socket.recv(&mut buffer).map(|n| buffer[..n].to_vec()).unwrap()).collect()
    }

    #[test]
    fn datagrams_arrive_as_they_were_and_in_their_order_whatever_goes_in_one_piece() {
        let ((from, _), (a, to_a), (b, to_b)) = (bound(), bound(), bound());
        let sizes = [1100, 1100, 1100, 900, 1100, 80, 80, 81, 1, 1200];
        let said: Vec<Vec<u8>> = sizes.iter().zip(1u8..).map(|(size, n)| vec![n; *size]).collect();
        for whole in [false, true] {
            let mut outbox = Outbox { whole, ..Outbox::default() };
            said.iter().for_each(|datagram| outbox.push(to_a, datagram.clone()));
            said.iter().for_each(|datagram| outbox.push(to_b, datagram.clone()));

            outbox.flush(&from);

            assert_eq!([taken(&a, said.len()), taken(&b, said.len())], [said.clone(), said.clone()]);
            assert!(outbox.waiting.is_empty());
        }
    }

    #[test]
    fn what_goes_to_one_far_end_in_one_size_goes_in_one_piece_of_64_at_most() {
        let (to, other) = (([127, 0, 0, 1], 1000).into(), ([127, 0, 0, 1], 1001).into());
        let of = |sizes: &[(SocketAddr, usize)]| sizes.iter().map(|(to, n)| (*to, vec![0; *n])).collect::<Vec<_>>();

        assert_eq!(together(&of(&[(to, 100), (to, 100), (to, 60), (to, 60)])), 3);
        assert_eq!(together(&of(&[(to, 100), (other, 100)])), 1);
        assert_eq!(together(&of(&[(to, 100), (to, 101)])), 1);
        assert_eq!(together(&of(&[(to, 100); 100])), 64);
        assert_eq!(together(&of(&[(to, 1400); 100])), 46);
        assert_eq!(together(&of(&[(to, 0), (to, 0)])), 1);
    }

    #[test]
    fn one_that_cannot_go_holds_up_none_behind_it() {
        let ((from, _), (a, to)) = (bound(), bound());
        let mut outbox = Outbox::default();
        let nowhere: SocketAddr = ([255, 255, 255, 255], 9).into();
        outbox.push(nowhere, vec![1; 100]);
        outbox.push(nowhere, vec![1; 100]);
        outbox.push(to, vec![2; 100]);

        outbox.flush(&from);

        assert_eq!(taken(&a, 1), [vec![2; 100]]);
    }

    #[test]
    fn more_letters_than_go_at_once_all_go() {
        let ((from, _), (a, to)) = (bound(), bound());
        let mut outbox = Outbox::default();
        for n in 0..100u8 {
            outbox.push(to, vec![n; 100 + usize::from(n)]);
        }

        outbox.flush(&from);

        assert_eq!(taken(&a, 100).iter().map(|datagram| datagram[0]).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    }
}
