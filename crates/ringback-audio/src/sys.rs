//! libopus, wrapped: the only unsafe code of the crate.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr::NonNull;

use opusic_sys as ffi;

/// An error of libopus, by its number (−1 bad argument, −4 invalid packet, −7 no memory, …).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub c_int);

fn check(result: c_int) -> Result<usize, Code> {
    usize::try_from(result).map_err(|_| Code(result))
}

/// A mono encoder for speech.
#[derive(Debug)]
pub(crate) struct Encoder(NonNull<ffi::OpusEncoder>);

// SAFETY: an encoder is plain memory without thread affinity; `&mut self` keeps its calls apart.
unsafe impl Send for Encoder {}

impl Encoder {
    pub(crate) fn new(sample_rate: u32) -> Result<Self, Code> {
        let mut error = 0;
        // SAFETY: `error` outlives the call; bad arguments give a null pointer and an error.
        let raw = unsafe { ffi::opus_encoder_create(sample_rate as i32, 1, ffi::OPUS_APPLICATION_VOIP, &mut error) };
        NonNull::new(raw).map(Self).ok_or(Code(error))
    }

    /// One of the `OPUS_SET_…` requests that take an integer.
    pub(crate) fn set(&mut self, request: c_int, value: i32) -> Result<(), Code> {
        // SAFETY: the requests used by this crate take exactly one `opus_int32`.
        check(unsafe { ffi::opus_encoder_ctl(self.0.as_ptr(), request, value) }).map(drop)
    }

    pub(crate) fn reset(&mut self) {
        // SAFETY: this request takes no argument.
        unsafe { ffi::opus_encoder_ctl(self.0.as_ptr(), ffi::OPUS_RESET_STATE) };
    }

    pub(crate) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, Code> {
        let (frame, room) = (pcm.len() as c_int, out.len() as i32);
        // SAFETY: `pcm` holds `frame` mono samples and `out` has room for `room` bytes; libopus refuses odd sizes.
        check(unsafe { ffi::opus_encode(self.0.as_ptr(), pcm.as_ptr(), frame, out.as_mut_ptr(), room) })
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: made by `opus_encoder_create`, destroyed once.
        unsafe { ffi::opus_encoder_destroy(self.0.as_ptr()) };
    }
}

/// A decoder that gives mono, whatever comes.
#[derive(Debug)]
pub(crate) struct Decoder(NonNull<ffi::OpusDecoder>);

// SAFETY: as for `Encoder`.
unsafe impl Send for Decoder {}

impl Decoder {
    pub(crate) fn new(sample_rate: u32) -> Result<Self, Code> {
        let mut error = 0;
        // SAFETY: as in `Encoder::new`.
        let raw = unsafe { ffi::opus_decoder_create(sample_rate as i32, 1, &mut error) };
        NonNull::new(raw).map(Self).ok_or(Code(error))
    }

    /// Decode into `out`; `None` conceals exactly `out.len()` samples. `fec` takes the redundant copy of the packet
    /// before, of exactly `out.len()` samples. Answers with the samples written.
    pub(crate) fn decode(&mut self, packet: Option<&[u8]>, fec: bool, out: &mut [i16]) -> Result<usize, Code> {
        let (data, length) = packet.map_or((std::ptr::null(), 0), |p| (p.as_ptr(), p.len() as i32));
        let room = out.len() as c_int;
        // SAFETY: `data` is null with length 0 or points to `length` bytes; `out` has room for `room` mono samples.
        check(unsafe { ffi::opus_decode(self.0.as_ptr(), data, length, out.as_mut_ptr(), room, c_int::from(fec)) })
    }

    pub(crate) fn reset(&mut self) {
        // SAFETY: this request takes no argument.
        unsafe { ffi::opus_decoder_ctl(self.0.as_ptr(), ffi::OPUS_RESET_STATE) };
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: made by `opus_decoder_create`, destroyed once.
        unsafe { ffi::opus_decoder_destroy(self.0.as_ptr()) };
    }
}
