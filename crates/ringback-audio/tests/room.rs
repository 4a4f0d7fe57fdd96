//! A whole room in virtual time: phones of four codecs on a bad network, each of which hears the others.

mod common;

use std::time::{Duration, Instant};

use common::{Random, snr_db, take_apart, tone};
use ringback_audio::{
    Codec, Decoder, Encoder, Expected, Hears, Listener, MixBus, OpusSettings, Receiver, ReceiverConfig, Resampler,
    Sender, SenderConfig,
};
use ringback_rtp::{JitterConfig, RtpHeader, RtpPacket};

const RATE: u32 = 16_000;
const TICK: Duration = Duration::from_millis(20);

/// A phone that plays a tone and keeps what it hears.
struct Phone {
    codec: Codec,
    rate: u32,
    sound: Vec<i16>,
    encoder: Encoder,
    /// (arrival, datagram), in order of sending.
    line: Vec<(Duration, Vec<u8>)>,
    receiver: Receiver,
    to_room: Resampler,
    sender: Sender,
    listener: Listener,
    ear: Decoder,
    heard: Vec<i16>,
    numbers: Vec<(u16, u32)>,
}

impl Phone {
    fn new(key: u64, codec: Codec, hertz: f64, seconds: usize) -> Self {
        let rate = codec.sample_rate().min(RATE);
        Self {
            codec,
            rate,
            sound: tone(rate, hertz, 6000.0, rate as usize * seconds),
            encoder: Encoder::new(codec, OpusSettings::default()),
            line: Vec::new(),
            receiver: Receiver::new(ReceiverConfig {
                codecs: vec![Expected { payload_type: 96, codec }],
                dtmf: None,
                comfort_noise: None,
                opus_rate: RATE,
                jitter: JitterConfig::new(codec.clock_rate()),
            }),
            to_room: Resampler::new(rate, RATE).unwrap(),
            sender: Sender::new(
                SenderConfig { codec, payload_type: 96, ptime_ms: 20, dtmf: None, opus: OpusSettings::default() },
                key as u32,
                0,
                0,
            ),
            listener: Listener::new(Hears::AllBut(Some(key))),
            ear: Decoder::new(codec, RATE).unwrap(),
            heard: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Speak for a tick: `delay` on the way, or lost.
    fn speak(&mut self, tick: usize, delay: Option<Duration>) {
        let length = self.rate as usize / 50;
        let mut payload = Vec::new();
        self.encoder.encode(&self.sound[tick * length..(tick + 1) * length], self.rate, &mut payload).unwrap();
        let timestamp = tick as u32 * (self.codec.clock_rate() / 50);
        let header = RtpHeader { payload_type: 96, marker: tick == 0, sequence: tick as u16, timestamp, ssrc: 5 };
        let mut datagram = Vec::new();
        header.write(&payload, &mut datagram);
        if let Some(delay) = delay {
            self.line.push((TICK * tick as u32 + delay, datagram));
        }
    }

    fn arrive(&mut self, start: Instant, at: Duration) {
        let (arrived, flying): (Vec<_>, Vec<_>) = std::mem::take(&mut self.line).into_iter().partition(|p| p.0 <= at);
        self.line = flying;
        for (when, datagram) in arrived {
            self.receiver.push(start + when, &RtpPacket::parse(&datagram).unwrap());
        }
    }

    fn listen(&mut self, bus: &MixBus) {
        let media = ringback_audio::Media::Pcm { pcm: self.listener.mix(bus), sample_rate: bus.sample_rate() };
        self.sender.tick(media, &mut |header, payload| {
            self.ear.decode(payload, &mut self.heard).unwrap();
            self.numbers.push((header.sequence, header.timestamp));
        });
    }
}

#[test]
fn phones_of_every_codec_hear_each_other_and_not_themselves_over_a_bad_network() {
    let plan = [(Codec::Pcmu, 400.0), (Codec::Pcma, 700.0), (Codec::G722, 1100.0), (Codec::Opus, 1700.0)];
    let seconds = 10;
    let mut random = Random(12);
    let mut phones: Vec<Phone> =
        plan.iter().zip(0..).map(|((codec, hertz), key)| Phone::new(key, *codec, *hertz, seconds)).collect();
    let mut bus = MixBus::new(RATE);
    let start = Instant::now();
    for phone in &mut phones {
        phone.receiver.set_decoding(true);
    }

    for tick in 0..seconds * 50 {
        bus.begin();
        for (key, phone) in (0..).zip(&mut phones) {
            let lost = random.below(100) == 0;
            phone.speak(tick, (!lost).then(|| Duration::from_micros(20_000 + random.below(30_000))));
            let at = TICK * tick as u32 + Duration::from_millis(13);
            phone.arrive(start, at);
            let frame = phone.receiver.pull(start + at);
            if !frame.pcm().is_empty() {
                let mut pcm = Vec::new();
                phone.to_room.process(frame.pcm(), &mut pcm);
                bus.add(key, &pcm);
            }
        }
        bus.finish();
        for phone in &mut phones {
            phone.listen(&bus);
        }
    }

    for (own, phone) in phones.iter().enumerate() {
        let rate = if phone.codec == Codec::Opus { RATE } else { phone.rate };
        let heard = &phone.heard[rate as usize * 2..];
        for (other, (_, hertz)) in plan.iter().enumerate() {
            // Lost and shifted frames turn a tone's phase, so it is measured in pieces.
            let pieces: Vec<f64> =
                heard.chunks_exact(rate as usize / 10).map(|p| take_apart(p, rate, *hertz).0).collect();
            let mean = pieces.iter().sum::<f64>() / pieces.len() as f64;
            let expected = if own == other { 0.0..600.0 } else { 4000.0..7500.0 };
            assert!(expected.contains(&mean), "{:?} hears {mean} of {other}", phone.codec);
        }
        assert_eq!(phone.numbers.len(), seconds * 50);
        let step = phone.codec.clock_rate() / 50;
        assert!(phone.numbers.windows(2).all(|p| p[1] == (p[0].0.wrapping_add(1), p[0].1.wrapping_add(step))));
    }
}

#[test]
fn a_phone_forwarded_over_a_bad_network_arrives_paced_and_whole() {
    let mut random = Random(13);
    let mut phone = Phone::new(1, Codec::Pcmu, 400.0, 20);
    let start = Instant::now();
    for tick in 0..20 * 50 {
        let lost = random.below(50) == 0;
        phone.speak(tick, (!lost).then(|| Duration::from_micros(20_000 + random.below(30_000))));
        let at = TICK * tick as u32 + Duration::from_millis(3);
        phone.arrive(start, at);
        let media = phone.receiver.pull(start + at).media(Codec::Pcmu);
        phone.sender.tick(media, &mut |_, payload| phone.ear.decode(payload, &mut phone.heard).unwrap());
    }

    let stats = phone.receiver.stats();
    assert_eq!(phone.heard.len(), 20 * 8000);
    assert!(stats.frames_concealed < 40, "{stats:?}");
    let clean = phone.heard[8000..].chunks_exact(800).filter(|piece| snr_db(piece, 8000, 400.0) > 25.0).count();
    assert!(clean > 140, "{clean} of 190 pieces");
}
