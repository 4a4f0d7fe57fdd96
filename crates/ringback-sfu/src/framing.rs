//! Packets on a stream: a 16-bit length before each (RFC 4571), as ICE over TCP wants it (RFC 6544).

/// A frame announced as longer than allowed; the connection is to be closed.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong(
    /// The announced length.
    pub usize,
);

/// Cuts a byte stream into packets.
#[derive(Debug)]
pub struct Deframer {
    buffer: Vec<u8>,
    start: usize,
    longest: usize,
}

impl Deframer {
    /// `longest` is the largest packet taken, in bytes.
    pub fn new(longest: usize) -> Deframer {
        Deframer { buffer: Vec::new(), start: 0, longest }
    }

    /// Add what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole packet, `None` until more is read.
    pub fn next_packet(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let rest = &self.buffer[self.start..];
        let [high, low, ..] = *rest else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > self.longest {
            return Err(TooLong(length));
        }
        if rest.len() < 2 + length {
            return Ok(None);
        }
        let from = self.start + 2;
        self.start = from + length;
        Ok(Some(&self.buffer[from..from + length]))
    }

    /// Whether part of a packet waits for its rest.
    pub fn is_partial(&self) -> bool {
        self.start < self.buffer.len()
    }
}

/// Append a packet with its length; `false` when it is too long to be framed.
pub fn frame(packet: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(packet.len()) else { return false };
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(packet);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut deframer = Deframer::new(1500);
        let mut seen = Vec::new();
        for chunk in chunks {
            deframer.push(chunk);
            while let Some(packet) = deframer.next_packet().unwrap() {
                seen.push(packet.to_vec());
            }
        }
        assert!(!deframer.is_partial());
        seen
    }

    #[test]
    fn packets_come_out_the_same_in_one_piece_and_byte_by_byte() {
        let sent: [&[u8]; 4] = [b"one", b"", b"three", &[9; 1500]];
        let mut wire = Vec::new();
        for packet in sent {
            assert!(frame(packet, &mut wire));
        }

        let single: Vec<&[u8]> = wire.chunks(1).collect();

        assert_eq!(packets(&[&wire]), sent);
        assert_eq!(packets(&single), sent);
    }

    #[test]
    fn an_overlong_frame_is_refused_before_it_is_collected() {
        let mut deframer = Deframer::new(1500);

        deframer.push(&[0x05, 0xdd]);

        assert_eq!(deframer.next_packet(), Err(TooLong(1501)));
    }
}
