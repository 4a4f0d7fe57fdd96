//! In-process participants.
use crate::worker::{LegKey, Worker};
pub struct PcmLeg {}
impl PcmLeg { pub fn new() -> PcmLeg { PcmLeg {} } }
impl Worker {
    pub fn pcm_opened(&mut self, _key: LegKey) {}
    pub fn close_pcm(&mut self, _pcm: PcmLeg) {}
}
