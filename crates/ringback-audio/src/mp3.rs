//! MP3 files from strangers, read into one channel at one rate: hold music that a customer named.

use std::f64::consts::PI;
use std::fmt;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia_bundle_mp3::{MpaDecoder, MpaReader};
use symphonia_core::audio::SampleBuffer;
use symphonia_core::codecs::{Decoder, DecoderOptions};
use symphonia_core::errors::Error;
use symphonia_core::formats::{FormatOptions, FormatReader};
use symphonia_core::io::MediaSourceStream;

/// Zero crossings of the interpolating filter on either side.
const SPAN: f64 = 16.0;
/// What of the lower of both rates' bandwidth is kept.
const KEPT: f64 = 0.92;

/// Why a file is none that can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mp3Error {
    /// No MP3, or nothing in it that can be decoded.
    NotMp3,
    /// It lasts longer than allowed.
    TooLong,
}

impl fmt::Display for Mp3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mp3Error::NotMp3 => "it is no MP3 file",
            Mp3Error::TooLong => "it lasts too long",
        })
    }
}

/// The samples of an MP3 file, int16 mono at `rate`. Stops reading as soon as it has lasted `most_seconds`.
pub fn decode_mp3(data: Vec<u8>, rate: u32, most_seconds: u32) -> Result<Vec<i16>, Mp3Error> {
    // The reader is not ours: whatever a stranger's file makes it do costs that file.
    let read = catch_unwind(AssertUnwindSafe(|| read(data, most_seconds))).unwrap_or(Err(Mp3Error::NotMp3));
    read.map(|(sound, from)| resample(&sound, from, rate))
}

fn read(data: Vec<u8>, most_seconds: u32) -> Result<(Vec<f32>, u32), Mp3Error> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(data)), Default::default());
    let mut reader = MpaReader::try_new(stream, &FormatOptions::default()).map_err(|_| Mp3Error::NotMp3)?;
    let track = reader.default_track().ok_or(Mp3Error::NotMp3)?;
    let mut decoder =
        MpaDecoder::try_new(&track.codec_params, &DecoderOptions::default()).map_err(|_| Mp3Error::NotMp3)?;
    let (mut sound, mut rate) = (Vec::new(), 0);
    while let Ok(packet) = reader.next_packet() {
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(Error::DecodeError(_)) => continue,
            Err(_) => break,
        };
        let spec = *decoded.spec();
        let channels = spec.channels.count();
        if channels == 0 || (rate != 0 && spec.rate != rate) {
            continue;
        }
        rate = spec.rate;
        let mut samples = SampleBuffer::<f32>::new(decoded.capacity() as u64, spec);
        samples.copy_interleaved_ref(decoded);
        sound.extend(samples.samples().chunks_exact(channels).map(|frame| {
            let sum: f32 = frame.iter().sum();
            sum / channels as f32
        }));
        if sound.len() as u64 > u64::from(most_seconds) * u64::from(rate) {
            return Err(Mp3Error::TooLong);
        }
    }
    if sound.is_empty() { Err(Mp3Error::NotMp3) } else { Ok((sound, rate)) }
}

/// The whole of a sound at another rate, by a windowed sinc at any ratio.
fn resample(sound: &[f32], from: u32, to: u32) -> Vec<i16> {
    let step = f64::from(from) / f64::from(to);
    // Wider by as much as the rate falls, so that nothing folds back.
    let scale = step.recip().min(1.0) * if from == to { 1.0 } else { KEPT };
    let reach = SPAN / scale;
    let length = (sound.len() as f64 / step).floor() as usize;
    (0..length)
        .map(|at| {
            let centre = at as f64 * step;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach).floor() as usize).min(sound.len().saturating_sub(1));
            let sum: f64 = (first..=last)
                .map(|tap| {
                    let away = tap as f64 - centre;
                    f64::from(sound[tap]) * sinc(away * scale) * scale * (0.5 + 0.5 * (PI * away / reach).cos())
                })
                .sum();
            (sum * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16
        })
        .collect()
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_and_level_at_another_rate() {
        for from in [8_000, 11_025, 22_050, 44_100, 48_000] {
            let tone = |at: usize, rate: u32| (std::f64::consts::TAU * 700.0 * at as f64 / f64::from(rate)).sin();
            let sound: Vec<f32> = (0..from as usize).map(|at| (0.5 * tone(at, from)) as f32).collect();

            let heard = resample(&sound, from, 16_000);

            assert_eq!(heard.len(), 16_000);
            let worst =
                (200..15_800).map(|at| (f64::from(heard[at]) - 16_383.5 * tone(at, 16_000)).abs()).fold(0.0, f64::max);
            assert!(worst < 250.0, "{from}: off by {worst}");
        }
    }

    #[test]
    fn what_is_no_mp3_is_refused() {
        assert_eq!(decode_mp3(Vec::new(), 16_000, 60), Err(Mp3Error::NotMp3));
        assert_eq!(decode_mp3(b"<html>not found</html>".repeat(500), 16_000, 60), Err(Mp3Error::NotMp3));
        let noise = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let _ = decode_mp3(noise, 16_000, 60);
    }
}
