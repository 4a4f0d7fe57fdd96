//! The `Engine` class, method for method as `src/ringback/core.py` describes it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use ringback_engine as core;

use crate::{convert, error};

/// The media engine; see `ringback.core.Engine`.
#[pyclass(frozen, module = "ringback_core")]
pub struct Engine {
    inner: core::Engine,
}

impl Engine {
    /// Run a call into the engine without the GIL: the one place that releases it.
    fn off<T: Send>(&self, py: Python<'_>, call: impl FnOnce(&core::Engine) -> T + Send) -> T {
        py.detach(|| call(&self.inner))
    }
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (webrtc_host, webrtc_port, webrtc_advertised, rtp_host, rtp_first, rtp_last, rtp_other_host=None, workers=1))]
    #[expect(clippy::too_many_arguments, reason = "as `ringback.core.new_engine` has them")]
    fn new(
        py: Python<'_>,
        webrtc_host: &str,
        webrtc_port: u16,
        webrtc_advertised: Vec<String>,
        rtp_host: &str,
        rtp_first: u16,
        rtp_last: u16,
        rtp_other_host: Option<&str>,
        workers: usize,
    ) -> PyResult<Engine> {
        let config = core::Config {
            workers,
            webrtc_host: convert::address(webrtc_host)?,
            webrtc_port,
            webrtc_advertised: webrtc_advertised.iter().map(|a| convert::address(a)).collect::<PyResult<_>>()?,
            rtp_host: convert::address(rtp_host)?,
            rtp_other_host: rtp_other_host.map(convert::address).transpose()?,
            rtp_first,
            rtp_last,
        };
        let inner = py.detach(|| core::Engine::start(config)).map_err(error::system)?;
        Ok(Engine { inner })
    }

    fn event_fd(&self) -> i32 {
        self.inner.event_fd()
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let events = self.off(py, core::Engine::drain);
        events.into_iter().map(|event| convert::event(py, event)).collect()
    }

    fn webrtc_ports(&self) -> Vec<u16> {
        self.inner.webrtc_ports()
    }

    fn fingerprint(&self) -> &str {
        self.inner.fingerprint()
    }

    fn close(&self, py: Python<'_>) {
        self.off(py, core::Engine::close);
    }

    fn open_room(&self, py: Python<'_>, room: &str) {
        self.off(py, |e| e.open_room(room));
    }

    fn close_room(&self, py: Python<'_>, room: &str) {
        self.off(py, |e| e.close_room(room));
    }

    fn open_webrtc(&self, py: Python<'_>, room: &str, leg: &str) {
        self.off(py, |e| e.open_webrtc(room, leg));
    }

    fn webrtc_offer(&self, py: Python<'_>, leg: &str, sdp: &str) -> u64 {
        self.off(py, |e| e.webrtc_offer(leg, sdp))
    }

    fn set_published(&self, py: Python<'_>, leg: &str, tracks: HashMap<String, String>) {
        self.off(py, |e| e.set_published(leg, tracks));
    }

    fn set_subscriptions(&self, py: Python<'_>, leg: &str, tracks: HashMap<String, (String, String)>) {
        self.off(py, |e| e.set_subscriptions(leg, tracks));
    }

    fn set_layers(&self, py: Python<'_>, leg: &str, layers: HashMap<(String, String), u8>) {
        self.off(py, |e| e.set_layers(leg, layers));
    }

    fn open_phone(&self, py: Python<'_>, room: &str, leg: &str) -> PyResult<u16> {
        self.off(py, |e| e.open_phone(room, leg)).map_err(error::system)
    }

    fn set_phone(&self, py: Python<'_>, leg: &str, media: &Bound<'_, PyDict>) -> PyResult<()> {
        let media = convert::phone_media(media)?;
        self.off(py, |e| e.set_phone(leg, media));
        Ok(())
    }

    fn open_phone_video(&self, py: Python<'_>, leg: &str) -> PyResult<u16> {
        self.off(py, |e| e.open_phone_video(leg)).map_err(error::system)
    }

    fn set_phone_video(&self, py: Python<'_>, leg: &str, media: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let media = media.map(convert::video_media).transpose()?;
        self.off(py, |e| e.set_phone_video(leg, media));
        Ok(())
    }

    fn want_picture(&self, py: Python<'_>, leg: &str) {
        self.off(py, |e| e.want_picture(leg));
    }

    fn send_digits(&self, py: Python<'_>, leg: &str, digits: &str, duration_ms: u32, gap_ms: u32) {
        self.off(py, |e| e.send_digits(leg, digits, duration_ms, gap_ms));
    }

    fn play_tone(
        &self,
        py: Python<'_>,
        leg: &str,
        frequencies: Vec<f64>,
        rhythm_ms: Vec<u32>,
        level_dbm0: f64,
    ) -> PyResult<()> {
        let shape = core::ToneShape::new(frequencies, rhythm_ms, level_dbm0).map_err(error::argument)?;
        self.off(py, |e| e.play_tone(leg, shape));
        Ok(())
    }

    fn stop_tone(&self, py: Python<'_>, leg: &str) {
        self.off(py, |e| e.stop_tone(leg));
    }

    fn play_sound(
        &self,
        py: Python<'_>,
        leg: &str,
        sound: &str,
        data: &[u8],
        sample_rate: u32,
        times: u32,
    ) -> PyResult<()> {
        if !matches!(sample_rate, 8_000 | 16_000) {
            return Err(error::argument(format!("sample_rate {sample_rate} is none of 8000, 16000")));
        }
        if data.is_empty() || times == 0 {
            return Err(error::argument("a sound has samples, and is played once at least"));
        }
        let samples = || data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
        self.off(py, |e| e.play_sound(leg, sound, sample_rate, times, samples));
        Ok(())
    }

    fn stop_sound(&self, py: Python<'_>, leg: &str) {
        self.off(py, |e| e.stop_sound(leg));
    }

    fn open_pcm(&self, py: Python<'_>, room: &str, leg: &str, sample_rate: u32) -> PyResult<()> {
        if !matches!(sample_rate, 8_000 | 16_000 | 48_000) {
            return Err(error::argument(format!("sample_rate {sample_rate} is none of 8000, 16000, 48000")));
        }
        self.off(py, |e| e.open_pcm(room, leg, sample_rate));
        Ok(())
    }

    fn push_pcm(&self, py: Python<'_>, leg: &str, data: &[u8]) -> usize {
        let samples = data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]));
        self.off(py, |e| e.push_pcm(leg, samples))
    }

    fn flush_pcm(&self, py: Python<'_>, leg: &str) -> usize {
        self.off(py, |e| e.flush_pcm(leg))
    }

    fn read_pcm<'py>(&self, py: Python<'py>, leg: &str) -> Bound<'py, PyBytes> {
        let bytes: Vec<u8> = self.off(py, |e| e.read_pcm(leg).into_iter().flat_map(i16::to_le_bytes).collect());
        PyBytes::new(py, &bytes)
    }

    fn set_sources(&self, py: Python<'_>, leg: &str, sources: Option<Vec<String>>) {
        let sources: Option<HashSet<String>> = sources.map(|list| list.into_iter().collect());
        self.off(py, |e| e.set_sources(leg, sources));
    }

    fn set_viewing(&self, py: Python<'_>, leg: &str, seen: bool, tracks: Option<Vec<(String, String)>>) {
        let tracks = tracks.map(|tracks| tracks.into_iter().collect());
        self.off(py, |e| e.set_viewing(leg, seen, tracks));
    }

    fn move_phone(&self, py: Python<'_>, leg: &str, room: &str) {
        self.off(py, |e| e.move_phone(leg, room));
    }

    fn set_name(&self, py: Python<'_>, leg: &str, name: &str) {
        self.off(py, |e| e.set_name(leg, name));
    }

    fn set_pixels(&self, py: Python<'_>, program: &str) {
        self.off(py, |e| e.set_pixels(program.into()));
    }

    fn set_muted(&self, py: Python<'_>, leg: &str, muted: bool) {
        self.off(py, |e| e.set_muted(leg, muted));
    }

    fn close_leg(&self, py: Python<'_>, leg: &str) {
        self.off(py, |e| e.close_leg(leg));
    }

    fn stats<'py>(&self, py: Python<'py>, leg: &str) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        let Some(shared) = self.inner.shared(leg) else { return Ok(stats) };
        let c = &shared.counters;
        for (name, counter) in [
            ("packets_received", &c.packets_received),
            ("bytes_received", &c.bytes_received),
            ("packets_sent", &c.packets_sent),
            ("bytes_sent", &c.bytes_sent),
            ("packets_lost", &c.packets_lost),
            ("packets_late", &c.packets_late),
            ("frames_concealed", &c.frames_concealed),
            ("frames_heard", &c.frames_heard),
            ("frames_stretched", &c.frames_stretched),
            ("frames_shrunk", &c.frames_shrunk),
            ("underruns_lost", &c.underruns_lost),
            ("underruns_late", &c.underruns_late),
            ("packets_rejected", &c.packets_rejected),
            ("packets_forged", &c.packets_forged),
            ("packets_replayed", &c.packets_replayed),
            ("rejected_source", &c.rejected_source),
            ("rejected_type", &c.rejected_type),
            ("rejected_stream", &c.rejected_stream),
            ("packets_withheld", &c.packets_withheld),
            ("send_errors", &c.send_errors),
            ("unreachable", &c.unreachable),
            ("reports_received", &c.reports_received),
            ("reports_on_ours", &c.reports_on_ours),
            ("frames_speech", &c.frames_speech),
            ("frames_quiet", &c.frames_quiet),
            ("frames_silent", &c.frames_silent),
            ("frames_clipped", &c.frames_clipped),
            ("way_switches", &c.way_switches),
            ("keyframes_asked", &c.keyframes_asked),
        ] {
            stats.set_item(name, counter.load(Relaxed))?;
        }
        video(&stats, &shared.video)?;
        stats.set_item("jitter_ms", c.jitter_us.load(Relaxed) as f64 / 1000.0)?;
        if let Some(codec) = c.codec_in_use() {
            quality(&stats, c, codec)?;
        }
        let now = Instant::now();
        let (first_heard, first_sent) = c.since_first(now);
        let ages =
            [("last_heard_ms", c.since_heard(now)), ("first_heard_ms", first_heard), ("first_sent_ms", first_sent)];
        for (name, since) in ages {
            if let Some(since) = since {
                stats.set_item(name, since.as_millis() as u64)?;
            }
        }
        places(&stats, c)?;
        let ways = ["silent_seconds", "forward_seconds", "transcode_seconds", "mix_seconds", "play_seconds"];
        let ticks = c.ticks();
        if ticks.iter().any(|ticks| *ticks > 0) {
            for (name, ticks) in ways.into_iter().zip(ticks) {
                stats.set_item(name, ticks as f64 / TICKS_A_SECOND)?;
            }
        }
        if let Some(suite) = c.srtp() {
            stats.set_item("srtp", suite)?;
        }
        stats.set_item("way", c.way().name())?;
        stats.set_item("codec", c.codec())?;
        Ok(stats)
    }

    fn engine_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        for (name, value) in self.inner.counters() {
            stats.set_item(name, value)?;
        }
        Ok(stats)
    }

    fn worker_stats<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let each = self.inner.worker_counters().into_iter().map(|counters| {
            let stats = PyDict::new(py);
            counters.into_iter().try_for_each(|(name, value)| stats.set_item(name, value))?;
            Ok(stats)
        });
        each.collect()
    }
}

/// Counters of a phone's pictures; nothing for a leg that never had any.
fn video(stats: &Bound<'_, PyDict>, counters: &core::VideoCounters) -> PyResult<()> {
    let all = [
        ("video_packets_received", &counters.packets_received),
        ("video_bytes_received", &counters.bytes_received),
        ("video_packets_sent", &counters.packets_sent),
        ("video_bytes_sent", &counters.bytes_sent),
        ("video_packets_lost", &counters.packets_lost),
        ("video_remote_packets_lost", &counters.remote_lost),
        ("video_packets_rejected", &counters.packets_rejected),
        ("video_packets_withheld", &counters.packets_withheld),
        ("video_key_frames_received", &counters.key_frames_received),
        ("video_key_frames_asked", &counters.key_frames_asked),
        ("video_key_frames_wanted", &counters.key_frames_wanted),
        ("video_switches", &counters.switches),
        ("video_pictures_made", &counters.pictures_made),
        ("video_pictures_received", &counters.received.pictures),
        ("video_pictures_sent", &counters.sent.pictures),
        ("video_freezes_received", &counters.received.freezes),
        ("video_freezes_sent", &counters.sent.freezes),
        ("video_layer_switches", &counters.sent.layer_switches),
        ("video_packets_repeated", &counters.packets_repeated),
    ];
    if counters.way() == "none" && all.iter().all(|(_, counter)| counter.load(Relaxed) == 0) {
        return Ok(());
    }
    for (name, counter) in all {
        stats.set_item(name, counter.load(Relaxed))?;
    }
    for (way, lasted) in core::VideoWay::NAMES.into_iter().zip(counters.ways.lasted_ms()) {
        if lasted > 0 && way != "none" {
            stats.set_item(format!("video_{}_seconds", way.replace('-', "_")), lasted as f64 / 1000.0)?;
        }
    }
    let now = Instant::now();
    for (name, counts) in [("received", &counters.received), ("sent", &counters.sent)] {
        if let Some((first, last)) = counts.since(now) {
            stats.set_item(format!("video_first_{name}_ms"), first.as_millis() as u64)?;
            stats.set_item(format!("video_last_{name}_ms"), last.as_millis() as u64)?;
        }
        if let Some((width, height)) = counts.size() {
            stats.set_item(format!("video_size_{name}"), format!("{width}x{height}"))?;
        }
        stats.set_item(format!("video_frozen_{name}_seconds"), counts.frozen_ms.load(Relaxed) as f64 / 1000.0)?;
    }
    stats.set_item("video_way", counters.way())?;
    stats.set_item("video_maker_lacks", counters.lacks())?;
    stats.set_item("video_maker_lacked", counters.lacked())?;
    stats.set_item("video_shown", counters.shown())
}

/// Sound is given in pieces of 20 ms.
const TICKS_A_SECOND: f64 = 50.0;

/// Where a leg's packets come from and go to, how loud it is and how it is connected; what is unknown is left out.
fn places(stats: &Bound<'_, PyDict>, counters: &core::LegCounters) -> PyResult<()> {
    let places = counters.places();
    for (name, place) in
        [("source", places.source), ("refused_source", places.refused), ("destination", places.destination)]
    {
        if let Some(place) = place {
            stats.set_item(name, place.to_string())?;
        }
    }
    if let Some(payload_type) = counters.wrong_type.load(Relaxed).checked_sub(1) {
        stats.set_item("refused_type", payload_type)?;
    }
    let frames = [&counters.frames_speech, &counters.frames_quiet, &counters.frames_silent];
    if frames.iter().any(|frames| frames.load(Relaxed) > 0) {
        stats.set_item("level_dbov", counters.level())?;
    }
    let state = counters.webrtc();
    if !state.is_empty() {
        stats.set_item("webrtc", state)?;
    }
    Ok(())
}

/// What is known of a leg's quality; what is unknown is left out.
fn quality(stats: &Bound<'_, PyDict>, counters: &core::LegCounters, codec: core::Codec) -> PyResult<()> {
    let quality = counters.quality(codec);
    let percent = |share: Option<f64>| share.map(|share| share * 100.0);
    let known = [
        ("round_trip_ms", quality.round_trip.map(|trip| trip.as_secs_f64() * 1000.0)),
        ("loss_percent", percent(quality.loss)),
        ("mos", quality.mos),
        ("remote_loss_percent", percent(quality.remote_loss)),
        ("remote_mos", quality.remote_mos),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            stats.set_item(name, (value * 1000.0).round() / 1000.0)?;
        }
    }
    let reported = quality.remote_loss.is_some();
    if reported {
        stats.set_item("remote_packets_lost", counters.remote_lost.load(Relaxed))?;
        stats.set_item("remote_jitter_ms", counters.remote_jitter_us.load(Relaxed) as f64 / 1000.0)?;
    }
    let buffer = counters.buffer_us.load(Relaxed);
    if buffer > 0 {
        stats.set_item("buffer_ms", buffer as f64 / 1000.0)?;
    }
    Ok(())
}
