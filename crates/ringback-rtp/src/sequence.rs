//! Counting past the wrap of sequence numbers and timestamps, and the test for a real source (RFC 3550 A.1).

/// Extends 16-bit sequence numbers to 64 bits, in whatever order they come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extended16 {
    highest: Option<u64>,
}

impl Extended16 {
    /// The extended number: the one nearest to the highest seen so far. The first is placed 2^16 above zero.
    pub fn extend(&mut self, value: u16) -> u64 {
        let extended = self.peek(value);
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }

    /// What `extend` would say, without remembering it.
    pub fn peek(&self, value: u16) -> u64 {
        let Some(highest) = self.highest else { return 0x1_0000 + u64::from(value) };
        highest.saturating_add_signed(i64::from(value.wrapping_sub(highest as u16) as i16))
    }
}

/// Extends 32-bit timestamps to 64 bits, in whatever order they come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extended32 {
    last: Option<u64>,
}

impl Extended32 {
    /// The extended timestamp: the one nearest to the last. The first is placed 2^32 above zero.
    pub fn extend(&mut self, value: u32) -> u64 {
        let extended = self.peek(value);
        self.last = Some(extended);
        extended
    }

    /// What `extend` would say, without remembering it.
    pub fn peek(&self, value: u32) -> u64 {
        let Some(last) = self.last else { return (1 << 32) + u64::from(value) };
        last.saturating_add_signed(i64::from(value.wrapping_sub(last as u32) as i32))
    }
}

/// Which of the last 64 extended sequence numbers have been seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    highest: u64,
    bits: u64,
}

impl Seen {
    /// Note a number; answers whether it is new. Numbers too old to know about count as new.
    pub(crate) fn note(&mut self, sequence: u64) -> bool {
        if sequence > self.highest {
            self.bits = self.bits.checked_shl((sequence - self.highest).min(64) as u32).unwrap_or(0) | 1;
            self.highest = sequence;
            return true;
        }
        let age = self.highest - sequence;
        if age >= 64 {
            return true;
        }
        let new = self.bits >> age & 1 == 0;
        self.bits |= 1 << age;
        new
    }
}

/// What a sequence number says about the packet that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequenceCheck {
    /// In order, or with a tolerable gap, or late but plausible.
    Valid,
    /// The source is not believed yet: it has not sent enough packets in sequence.
    Probation,
    /// A jump nobody explains; a second packet in sequence after it will be believed.
    Jump,
    /// The second packet after a jump: the source started anew.
    Restarted,
}

const MAX_DROPOUT: u16 = 3000;
const MAX_MISORDER: u16 = 100;

/// Believes a source after some packets in sequence and a jump after two (RFC 3550 A.1).
#[derive(Debug, Clone, Copy)]
pub struct SourceValidator {
    highest: u16,
    probation: u8,
    required: u8,
    bad: Option<u16>,
}

impl SourceValidator {
    /// A source whose first packet had `first`; it counts as one of the `required` packets in sequence.
    pub fn new(first: u16, required: u8) -> Self {
        Self { highest: first, probation: required.saturating_sub(1), required, bad: None }
    }

    /// Whether the source has been believed.
    pub fn is_valid(&self) -> bool {
        self.probation == 0
    }

    /// The newest number that was believed.
    pub fn highest(&self) -> u16 {
        self.highest
    }

    /// Judge the next packet.
    pub fn check(&mut self, sequence: u16) -> SequenceCheck {
        let step = sequence.wrapping_sub(self.highest);
        if self.probation > 0 {
            self.probation = if step == 1 { self.probation - 1 } else { self.required.saturating_sub(1) };
            self.highest = sequence;
            return if self.probation == 0 { SequenceCheck::Valid } else { SequenceCheck::Probation };
        }
        if step < MAX_DROPOUT {
            self.highest = sequence;
            self.bad = None;
            SequenceCheck::Valid
        } else if step <= u16::MAX - MAX_MISORDER {
            if self.bad == Some(sequence) {
                *self = Self { highest: sequence, probation: 0, required: self.required, bad: None };
                return SequenceCheck::Restarted;
            }
            self.bad = Some(sequence.wrapping_add(1));
            SequenceCheck::Jump
        } else {
            SequenceCheck::Valid
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_count_on_over_the_wrap_in_both_directions() {
        let mut extended = Extended16::default();

        let seen: Vec<u64> = [65534, 65535, 1, 0, 65533, 2].map(|value| extended.extend(value)).into();

        let first = 0x1_0000 + 65534;
        assert_eq!(seen, [first, first + 1, first + 3, first + 2, first - 1, first + 4]);
    }

    #[test]
    fn timestamps_count_on_over_the_wrap_in_both_directions() {
        let mut extended = Extended32::default();

        let first = extended.extend(u32::MAX - 79);

        assert_eq!(extended.extend(80), first + 160);
        assert_eq!(extended.extend(u32::MAX - 79), first);
        assert_eq!(extended.peek(240), first + 320);
    }

    #[test]
    fn a_number_is_new_once_whatever_the_order() {
        let mut seen = Seen::default();

        let new = [100, 101, 101, 99, 100, 99, 300, 101, 250, 250].map(|sequence| seen.note(sequence));

        assert_eq!(new, [true, true, false, true, false, false, true, true, true, false]);
    }

    #[test]
    fn a_source_is_believed_after_packets_in_sequence() {
        let mut source = SourceValidator::new(10, 3);

        let seen = [12, 13, 14, 16].map(|sequence| source.check(sequence));

        use SequenceCheck::{Probation, Valid};
        assert_eq!(seen, [Probation, Probation, Valid, Valid]);
    }

    #[test]
    fn a_wild_jump_is_believed_only_when_the_next_packet_follows_it() {
        let mut source = SourceValidator::new(10, 1);

        assert_eq!(source.check(30000), SequenceCheck::Jump);
        assert_eq!(source.check(11), SequenceCheck::Valid);
        assert_eq!(source.check(30001), SequenceCheck::Jump);
        assert_eq!(source.check(30002), SequenceCheck::Restarted);
        assert_eq!(source.check(30003), SequenceCheck::Valid);
    }

    #[test]
    fn a_late_packet_is_valid_and_moves_nothing() {
        let mut source = SourceValidator::new(5, 1);

        assert_eq!(source.check(65530), SequenceCheck::Valid);
        assert_eq!(source.check(6), SequenceCheck::Valid);
    }
}
