//! Which packets have been taken already (RFC 3711 §3.3.2).

/// Packets remembered behind the newest: more than the 64 the standard asks for, as networks reorder by more.
const WINDOW: u64 = 128;

/// The window of one stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Replay {
    newest: Option<u64>,
    seen: u128,
}

impl Replay {
    /// Whether a packet of this index may be taken. Asked before its tag is checked; nothing changes.
    pub(super) fn is_new(&self, index: u64) -> bool {
        match self.newest {
            Some(newest) if index <= newest => newest - index < WINDOW && self.seen >> (newest - index) & 1 == 0,
            _ => true,
        }
    }

    /// It was genuine, and is taken.
    pub(super) fn take(&mut self, index: u64) {
        let newest = *self.newest.get_or_insert(index);
        if index > newest {
            self.seen = u32::try_from(index - newest).ok().and_then(|by| self.seen.checked_shl(by)).unwrap_or(0);
            self.newest = Some(index);
        }
        let age = self.newest.map_or(0, |newest| newest - index);
        if age < WINDOW {
            self.seen |= 1 << age;
        }
    }

    /// The highest index taken.
    pub(super) fn newest(&self) -> Option<u64> {
        self.newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packet_is_taken_once_in_whatever_order_and_old_ones_never() {
        let mut replay = Replay::default();
        let mut taken = Vec::new();

        for index in [500, 501, 501, 400, 373, 374, 500, 700, 572, 573, 572, 501, 10_000, 9_999, 700] {
            if replay.is_new(index) {
                replay.take(index);
                taken.push(index);
            }
        }

        assert_eq!(taken, [500, 501, 400, 374, 700, 573, 10_000, 9_999]);
    }
}
