//! Which RTP payload types were negotiated.

/// A set of RTP payload types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PayloadTypes(u128);

impl PayloadTypes {
    /// Whether `payload_type` is among them.
    pub fn contains(self, payload_type: u8) -> bool {
        payload_type < 128 && self.0 >> payload_type & 1 == 1
    }
}

impl FromIterator<u8> for PayloadTypes {
    fn from_iter<I: IntoIterator<Item = u8>>(types: I) -> Self {
        Self(types.into_iter().filter(|t| *t < 128).fold(0, |set, t| set | 1 << t))
    }
}
