//! Sound that carries what was said before once more (RFC 2198, `audio/red`): taken apart for those who did not agree on
//! it, and passed on as it is to those who did.

use std::sync::Arc;

/// Most earlier blocks of one packet; browsers send one or two.
const MOST_BLOCKS: usize = 32;
/// In the first octet of a block's header: another header follows.
const MORE: u8 = 0x80;
/// Octets of the header of an earlier block.
const HEADER: usize = 4;

/// A packet with earlier sound in it, as its sender wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redundant {
    payload: Arc<[u8]>,
    /// Payload type that all its blocks name.
    pt: u8,
    /// Where the newest block begins.
    newest: usize,
}

impl Redundant {
    /// What a stranger sent: `None` unless its blocks fit and all are of the payload type `pt` (RFC 2198 §3).
    pub fn read(payload: &Arc<[u8]>, pt: u8) -> Option<Redundant> {
        let (mut at, mut earlier) = (0, 0);
        for _ in 0..=MOST_BLOCKS {
            let first = *payload.get(at)?;
            if first & !MORE != pt {
                return None;
            }
            if first & MORE == 0 {
                let newest = at + 1 + earlier;
                return (newest <= payload.len()).then(|| Redundant { payload: payload.clone(), pt, newest });
            }
            let header = payload.get(at..at + HEADER)?;
            earlier += usize::from(header[2] & 0x03) << 8 | usize::from(header[3]);
            at += HEADER;
        }
        None
    }

    /// The newest sound alone.
    pub fn newest(&self) -> Arc<[u8]> {
        self.payload[self.newest..].into()
    }

    /// The same with another payload type in its headers: numbers differ from listener to listener.
    pub fn named(&self, pt: u8) -> Arc<[u8]> {
        if pt == self.pt {
            return self.payload.clone();
        }
        let mut payload: Arc<[u8]> = self.payload[..].into();
        let Some(bytes) = Arc::get_mut(&mut payload) else { return self.payload.clone() };
        let mut at = 0;
        while let Some(first) = bytes.get_mut(at) {
            let more = *first & MORE;
            *first = more | pt & !MORE;
            if more == 0 {
                break;
            }
            at += HEADER;
        }
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two earlier blocks of 3 and 300 octets, and one of four.
    fn packet(pt: u8) -> Arc<[u8]> {
        let heads = [MORE | pt, 0x1e, 0x00, 3, MORE | pt, 0x0f, 0x01, 44, pt];
        [&heads[..], &[1; 3], &[2; 300], &[3; 4]].concat().into()
    }

    #[test]
    fn the_newest_block_is_what_is_left_behind_the_others() {
        let read = Redundant::read(&packet(111), 111).unwrap();

        assert_eq!(*read.newest(), [3; 4]);
        assert_eq!(*read.named(111), *packet(111));
        assert_eq!(*read.named(109), *packet(109));
        assert_eq!(*Redundant::read(&[111, 9].as_slice().into(), 111).unwrap().newest(), [9]);
    }

    #[test]
    fn blocks_beyond_the_packet_too_many_of_them_and_other_codecs_are_refused() {
        let many: Vec<u8> = [[MORE | 111, 0, 0, 0]; MOST_BLOCKS + 1].concat().into_iter().chain([111, 1]).collect();
        let cases: [&[u8]; 7] = [
            &[],
            &[MORE | 111],
            &[MORE | 111, 0, 0],
            &[MORE | 111, 0, 0, 0],
            &[MORE | 111, 0, 0x03, 0xff, 111, 1, 2],
            &[MORE | 96, 0, 0, 1, 111, 1, 2],
            &many,
        ];
        for case in cases {
            assert_eq!(Redundant::read(&case.into(), 111), None, "{case:?}");
        }
        assert!(Redundant::read(&many[HEADER..].into(), 111).is_some());
    }
}
