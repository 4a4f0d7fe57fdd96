//! Which of a camera's layers a phone may be passed on: the highest that is within the size, the rate and the bitrate of
//! its settings; and what its sender could change so that a higher one were.

use std::time::Instant;

use ringback_rtp::video::VideoCodec;

use crate::measured::{Measured, WHOLE};
use crate::video_media::VideoMedia;

/// What is passed on already may be so much beyond a limit, in percent of it, and what is not yet so much.
const STAYS: f64 = 110.0;
const ENTERS: f64 = 105.0;
/// Encoders begin with a guess: so much may pass in the first seconds.
const BEGINS: f64 = 150.0;
const BEGINNING: f64 = 3.0;
/// Of what a phone may be sent its picture is asked to be so much: encoders waver.
const ASKED: f64 = 0.95;
/// A layer is worth asking for less of it down to so many bits for each pixel.
const LEAST_BITS: f64 = 0.03;
/// Asked for in steps.
const STEP_BPS: f64 = 10_000.0;

/// What a phone takes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    codec: VideoCodec,
    width: u16,
    height: u16,
    fps: u8,
    bitrate_bps: u32,
}

impl From<&VideoMedia> for Limits {
    fn from(media: &VideoMedia) -> Limits {
        let &VideoMedia { codec, width, height, fps, bitrate_bps, .. } = media;
        Limits { codec, width, height, fps, bitrate_bps }
    }
}

/// What can be passed on of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// This layer, without the temporal layers above.
    Layer { layer: u8, temporal: u8 },
    /// Nobody knows yet; this layer's next whole picture tells more.
    Unknown(u8),
    /// Nothing.
    None,
}

/// What a sender could make of a layer, so that a phone may be passed it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Which, 0 the lowest.
    pub layer: u8,
    /// At most so many bits in a second.
    pub bitrate_bps: u32,
    /// At most so many pictures in a second; 0: as many as it likes.
    pub fps: u8,
}

impl Limits {
    fn holds_size(&self, (width, height): (u16, u16)) -> bool {
        // H.264's sides are told in whole macroblocks.
        let side = |side: u16| if self.codec == VideoCodec::H264 { side.next_multiple_of(16) } else { side };
        width <= side(self.width) && height <= side(self.height)
    }

    /// The highest temporal layer with which a layer has no more pictures than are wanted, and about as many.
    fn temporal(&self, measured: &Measured, layer: u8, share: f64, now: Instant) -> Option<u8> {
        let fps = f64::from(self.fps);
        let rate = |temporal: u8| measured.rate(layer, temporal, now).map(|rate| rate.pictures);
        // One more or less was in the time that is measured.
        let fits = |temporal: &u8| rate(*temporal).is_some_and(|pictures| pictures <= fps * share / 100.0 + 1.0);
        let highest = (0..=WHOLE).rev().find(fits)?;
        let is_whole = rate(highest) == rate(WHOLE);
        (is_whole || rate(highest).is_some_and(|pictures| pictures >= fps / 2.0 - 1.0)).then_some(highest)
    }
}

/// The layer for a phone. `present`: what it is passed on now of this camera; `may_rise`: whether more than that may be
/// tried.
pub fn fit(measured: &Measured, limits: &Limits, present: Option<u8>, may_rise: bool, now: Instant) -> Fit {
    let (mut unknown, mut lowest) = (None, None);
    for layer in measured.live() {
        lowest = Some(layer);
        let is_present = present == Some(layer);
        let Some(size) = measured.size(layer) else {
            unknown = Some(layer);
            continue;
        };
        if !limits.holds_size(size) || !may_rise && present.is_none_or(|present| present < layer) {
            continue;
        }
        let Some(rate) = measured.rate(layer, WHOLE, now) else {
            unknown = Some(layer);
            if is_present {
                return Fit::Layer { layer, temporal: WHOLE };
            }
            continue;
        };
        let share = match is_present {
            true if rate.seconds < BEGINNING => BEGINS,
            true => STAYS,
            false => ENTERS,
        };
        let Some(temporal) = limits.temporal(measured, layer, share, now) else { continue };
        let rate = measured.rate(layer, temporal, now).unwrap_or(rate);
        // Left for what lasts, entered for what is sure.
        let bits = if is_present { rate.bits.min(rate.lately) } else { rate.bits.max(rate.lately) };
        if bits <= f64::from(limits.bitrate_bps) * share / 100.0 {
            return Fit::Layer { layer, temporal };
        }
    }
    match unknown {
        // Nothing speaks against the lowest before it was measured.
        Some(layer) if Some(layer) == lowest && measured.size(layer).is_some() => Fit::Layer { layer, temporal: WHOLE },
        Some(layer) => Fit::Unknown(layer),
        None => Fit::None,
    }
}

/// What its sender is to make of a camera, for a phone.
pub fn ask(measured: &Measured, limits: &Limits, now: Instant) -> Option<Ask> {
    let holds = |layer: &u8| measured.size(*layer).is_some_and(|size| limits.holds_size(size));
    let is_worth = |layer: &u8| {
        let (width, height) = measured.size(*layer).unwrap_or_default();
        f64::from(limits.bitrate_bps) >= LEAST_BITS * f64::from(width) * f64::from(height) * f64::from(limits.fps)
    };
    let fitting: Vec<u8> = measured.live().filter(holds).collect();
    let layer = fitting.iter().copied().find(is_worth).or(fitting.last().copied())?;
    let temporal = limits.temporal(measured, layer, STAYS, now);
    let bits = |temporal| measured.rate(layer, temporal, now).map_or(1.0, |rate| rate.bits);
    let share = temporal.map_or(1.0, |temporal| (bits(temporal) / bits(WHOLE)).clamp(0.25, 1.0));
    let is_fast = temporal.is_none() && measured.rate(layer, WHOLE, now).is_some();
    let bitrate = f64::from(limits.bitrate_bps) * ASKED / share;
    let bitrate_bps = ((bitrate / STEP_BPS).round().max(1.0) * STEP_BPS) as u32;
    Some(Ask { layer, bitrate_bps, fps: if is_fast { limits.fps } else { 0 } })
}
