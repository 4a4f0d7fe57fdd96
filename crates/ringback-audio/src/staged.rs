//! Media between the jitter buffer and the next frame: samples, and the payload that they came in.

use std::collections::VecDeque;

use crate::opus_packet::OpusFrames;

/// What has left the jitter buffer and not been played. `pcm` and the payload (`bytes`, or `packets` for Opus) cover the
/// same time; `pcm` is empty while nothing is decoded.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    /// In units of the RTP clock.
    pub(crate) ticks: u32,
    pub(crate) pcm: Vec<i16>,
    pub(crate) bytes: Vec<u8>,
    /// Ticks and payload; none for what did not come, or cannot be cut.
    pub(crate) packets: VecDeque<(u32, Option<Vec<u8>>)>,
    /// Whether any of it is made up.
    pub(crate) concealed: bool,
}

/// Whether an Opus packet can travel in packets of `tick`, alone or with a neighbour, as it is.
pub(crate) fn can_be_cut(payload: &[u8], ticks: u32, tick: u32) -> bool {
    ticks == tick || ticks == tick / 2 || OpusFrames::parse(payload).is_some_and(|f| f.repacketise(tick).is_some())
}

impl Staged {
    pub(crate) fn clear(&mut self) {
        self.ticks = 0;
        self.pcm.clear();
        self.bytes.clear();
        self.packets.clear();
        self.concealed = false;
    }

    /// An Opus packet of `ticks`, cut into packets of `tick` where it is longer.
    pub(crate) fn push_opus(&mut self, payload: Vec<u8>, ticks: u32, tick: u32) {
        self.ticks += ticks;
        if ticks <= tick {
            self.packets.push_back((ticks, Some(payload)));
            return;
        }
        match OpusFrames::parse(&payload).and_then(|frames| frames.repacketise(tick)) {
            Some(parts) => self.packets.extend(parts.into_iter().map(|part| (tick, Some(part)))),
            None => self.packets.push_back((ticks, None)),
        }
    }

    /// Take the payload of the next `tick` off, and append it to `out` if one or two whole packets make it up.
    pub(crate) fn cut_opus(&mut self, tick: u32, out: &mut Vec<u8>) {
        let mut need = tick;
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut whole = true;
        while need > 0 {
            let Some((ticks, payload)) = self.packets.front_mut() else {
                whole = false;
                break;
            };
            if *ticks > need {
                *ticks -= need;
                *payload = None;
                whole = false;
                break;
            }
            need -= *ticks;
            match self.packets.pop_front() {
                Some((_, Some(payload))) => parts.push(payload),
                _ => whole = false,
            }
        }
        match parts.as_slice() {
            [only] if whole => out.extend_from_slice(only),
            [first, second] if whole => {
                let joined = OpusFrames::parse(first).zip(OpusFrames::parse(second)).and_then(|(a, b)| a.join(&b));
                out.extend(joined.into_iter().flatten());
            }
            _ => {}
        }
    }
}
