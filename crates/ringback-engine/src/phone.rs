//! Phone legs.
use std::net::UdpSocket;
use std::time::Instant;
use crate::config::PhoneMedia;
use crate::worker::{LegKey, Worker};

pub struct PhoneLeg { _rtp: UdpSocket, _rtcp: UdpSocket }
impl PhoneLeg { pub fn new(rtp: UdpSocket, rtcp: UdpSocket, _now: Instant) -> PhoneLeg { PhoneLeg { _rtp: rtp, _rtcp: rtcp } } }
impl Worker {
    pub fn phone_opened(&mut self, _key: LegKey) {}
    pub fn set_phone(&mut self, _id: &str, _media: PhoneMedia) {}
    pub fn send_digits(&mut self, _id: &str, _digits: &str, _d: u32, _g: u32) {}
    pub fn read_rtp(&mut self, _key: LegKey) {}
    pub fn read_rtcp(&mut self, _key: LegKey) {}
    pub fn wake_phone(&mut self, _key: LegKey) {}
    pub fn close_phone(&mut self, _phone: PhoneLeg) {}
}
