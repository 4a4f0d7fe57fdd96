//! What a bot hears: each stream held until its time, decoded, and added up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringback_audio::{Codec, Hears, Listener, MixBus, Receiver, ReceiverConfig};
use ringback_engine::{as_datagram, codec_of, expected_of_browsers};
use ringback_rtp::{JitterConfig, Reception, RtpPacket};
use ringback_sfu::{Mid, Packet};

use crate::converter::Converter;
use crate::counters::Counters;
use crate::ears::Ears;

/// A stream that has sent nothing for this long is not there.
const PRESENT: Duration = Duration::from_secs(2);

struct Stream {
    key: u64,
    receiver: Receiver,
    reception: Reception,
    converter: Option<Converter>,
    codec: Codec,
    last: Instant,
}

/// The streams of one call.
pub struct Hearing {
    rate: u32,
    streams: BTreeMap<Mid, Stream>,
    codecs: BTreeMap<Mid, Codec>,
    last_key: u64,
    bus: MixBus,
    listener: Listener,
    silence: Vec<i16>,
    scratch: Vec<u8>,
    /// Counters of streams that are gone: lost, late, concealed, heard, underruns by loss and by lateness.
    gone: [u64; 6],
}

impl Hearing {
    /// Silence, at `rate` samples per second.
    pub fn new(rate: u32) -> Hearing {
        Hearing {
            rate,
            streams: BTreeMap::new(),
            codecs: BTreeMap::new(),
            last_key: 0,
            bus: MixBus::new(rate),
            listener: Listener::new(Hears::AllBut(None)),
            silence: vec![0; rate as usize / 50],
            scratch: Vec::new(),
            gone: [0; 6],
        }
    }

    /// A packet came. `listening`: somebody wants to hear it.
    pub fn packet(&mut self, packet: &Packet, listening: bool, now: Instant) {
        let Some(codec) = codec_of(packet.format.kind) else { return };
        self.codecs.insert(packet.mid, codec);
        if !listening {
            return;
        }
        let (last_key, rate) = (&mut self.last_key, self.rate);
        let stream = self.streams.entry(packet.mid).or_insert_with(|| {
            *last_key += 1;
            Stream {
                key: *last_key,
                receiver: receiver(codec, rate),
                reception: Reception::new(packet.ssrc, codec.clock_rate()),
                converter: None,
                codec,
                last: now,
            }
        });
        if stream.reception.ssrc() != packet.ssrc {
            stream.receiver.restart();
            stream.reception = Reception::new(packet.ssrc, codec.clock_rate());
        }
        stream.codec = codec;
        stream.last = now;
        stream.reception.receive(now, packet.sequence as u16, packet.timestamp);
        as_datagram(packet, codec, &mut self.scratch);
        if let Ok(parsed) = RtpPacket::parse(&self.scratch) {
            stream.receiver.push(now, &parsed);
        }
    }

    /// The codec in which an m-line was heard last.
    pub fn codec_of(&self, mid: &Mid) -> Option<Codec> {
        self.codecs.get(mid).copied()
    }

    /// An m-line is no more.
    pub fn forget(&mut self, mid: &Mid) {
        self.codecs.remove(mid);
        if let Some(stream) = self.streams.remove(mid) {
            self.bus.remove(stream.key);
            for (sum, n) in self.gone.iter_mut().zip(numbers(&stream)) {
                *sum += n;
            }
        }
    }

    /// 20 ms for everybody who listens; answers who is to be told of them.
    pub fn tick(&mut self, ears: &Ears, counters: &Counters, now: Instant) -> Vec<u64> {
        let wanted = ears.wanted();
        if !wanted.together && wanted.alone.is_empty() {
            let mids: Vec<Mid> = self.streams.keys().copied().collect();
            mids.iter().for_each(|mid| self.forget_sound(mid));
            return Vec::new();
        }
        let mut told = Vec::new();
        let mut tell = |(mut more, dropped): (Vec<u64>, u64)| {
            told.append(&mut more);
            Counters::add(&counters.samples_dropped, dropped);
        };
        let mut unheard = wanted.alone;
        self.bus.begin();
        for (mid, stream) in &mut self.streams {
            if now.saturating_duration_since(stream.last) > PRESENT {
                continue;
            }
            let key = stream.key;
            let pcm = stream.pull(self.rate, now);
            if pcm.is_empty() {
                continue;
            }
            let alone = unheard.len();
            unheard.retain(|wanted| *wanted != *mid.to_string());
            if unheard.len() < alone {
                tell(ears.hear(Some(&mid.to_string()), pcm));
            }
            self.bus.add(key, pcm);
        }
        self.bus.finish();
        unheard.sort_unstable();
        unheard.dedup();
        unheard.iter().for_each(|mid| tell(ears.hear(Some(mid), &self.silence)));
        if wanted.together {
            tell(ears.hear(None, self.listener.mix(&self.bus)));
        }
        self.count(counters);
        told
    }

    /// Nobody listens any more: what waits is of no use.
    fn forget_sound(&mut self, mid: &Mid) {
        let codec = self.codec_of(mid);
        self.forget(mid);
        self.codecs.extend(codec.map(|codec| (*mid, codec)));
    }

    fn count(&self, counters: &Counters) {
        let mut sums = self.gone;
        for stream in self.streams.values() {
            sums.iter_mut().zip(numbers(stream)).for_each(|(sum, n)| *sum += n);
        }
        let names = [
            &counters.packets_lost,
            &counters.packets_late,
            &counters.frames_concealed,
            &counters.frames_heard,
            &counters.underruns_lost,
            &counters.underruns_late,
        ];
        names.into_iter().zip(sums).for_each(|(counter, sum)| Counters::set(counter, sum));
    }
}

fn numbers(stream: &Stream) -> [u64; 6] {
    let stats = stream.receiver.stats();
    let starved = stats.jitter.starved;
    [
        stream.reception.lost().max(0) as u64,
        stats.jitter.late,
        stats.frames_concealed,
        stats.frames_heard,
        stats.jitter.concealed - starved,
        starved,
    ]
}

impl Stream {
    /// Its 20 ms at `rate`; empty for silence.
    fn pull(&mut self, rate: u32, now: Instant) -> &[i16] {
        self.receiver.set_decoding(true);
        self.receiver.pull(now);
        let frame = self.receiver.frame();
        let (pcm, own) = (frame.pcm(), frame.sample_rate());
        if own == rate || pcm.is_empty() {
            return pcm;
        }
        if self.converter.as_ref().is_none_or(|converter| !converter.fits(own, rate)) {
            self.converter = Converter::new(own, rate);
        }
        self.converter.as_mut().map_or(&[], |converter| converter.process(pcm))
    }
}

fn receiver(codec: Codec, rate: u32) -> Receiver {
    Receiver::new(ReceiverConfig {
        codecs: expected_of_browsers(),
        dtmf: None,
        comfort_noise: None,
        opus_rate: rate,
        jitter: JitterConfig::new(codec.clock_rate()),
    })
}
