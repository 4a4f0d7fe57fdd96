//! A seeded network and a listener of 20 ms ticks, all in virtual time.

use std::time::{Duration, Instant};

use ringback_rtp::{JitterBuffer, JitterConfig, Pace, Pull};

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A packet on its way: when it arrives, and what it is.
#[derive(Debug, Clone, Copy)]
pub struct Flight {
    pub at: Duration,
    pub sequence: u16,
    pub timestamp: u32,
    pub ticks: u32,
}

/// What a sender of `count` packets of `ptime_ms` puts on the line: packet `n` arrives `delay(n)` after it was sent,
/// or never. Its clock is off by `ppm`.
pub fn flights(count: u32, ptime_ms: u32, ppm: f64, mut delay: impl FnMut(u32) -> Option<Duration>) -> Vec<Flight> {
    let mut flights: Vec<Flight> = (0..count)
        .filter_map(|n| {
            let media = f64::from(n) * f64::from(ptime_ms) / 1000.0;
            let sent = Duration::from_secs_f64(media * (1.0 - ppm / 1e6));
            let at = sent + delay(n)?;
            let timestamp = 0xffff_8000u32.wrapping_add(n * ptime_ms * 8);
            Some(Flight { at, sequence: 65_000u16.wrapping_add(n as u16), timestamp, ticks: ptime_ms * 8 })
        })
        .collect();
    flights.sort_by_key(|flight| flight.at);
    flights
}

/// What a listener went through.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub ticks: u64,
    pub packets: Vec<u64>,
    pub lost: u64,
    pub starved: u64,
    pub idle: u64,
    pub shrunk: u64,
    pub stretched: u64,
    /// Delay of the buffer at the end of each second.
    pub delays: Vec<Duration>,
}

/// Listen for `length`, in ticks that begin `phase` after the sender did.
pub fn listen(buffer: &mut JitterBuffer, flights: &[Flight], length: Duration, phase: Duration) -> Heard {
    let start = Instant::now();
    let mut heard = Heard::default();
    let mut arriving = flights.iter().peekable();
    let mut staged = 0u32;
    let mut since_pace = 0;
    let mut at = phase;
    while at < length {
        while let Some(flight) = arriving.next_if(|flight| flight.at <= at) {
            let payload = [0u8; 1];
            buffer.push(start + flight.at, flight.sequence, flight.timestamp, flight.ticks, 0, &payload);
        }
        let now = start + at;
        since_pace += 1;
        let mut frames = 1;
        if since_pace >= 10 {
            match buffer.pace(now, staged) {
                Pace::Shrink { .. } => (frames, since_pace, heard.shrunk) = (2, 0, heard.shrunk + 1),
                Pace::Stretch => (frames, since_pace, heard.stretched) = (0, 0, heard.stretched + 1),
                Pace::Keep => {}
            }
        }
        for _ in 0..frames {
            while staged < 160 {
                match buffer.pull(now, staged) {
                    Pull::Packet(packet) => {
                        staged += packet.ticks;
                        heard.packets.push(packet.sequence);
                    }
                    Pull::Lost { ticks } => (staged, heard.lost) = (staged + ticks, heard.lost + 1),
                    Pull::Starved => (staged, heard.starved) = (staged + 160, heard.starved + 1),
                    Pull::Idle => (staged, heard.idle) = (160, heard.idle + 1),
                }
            }
            staged -= 160;
        }
        heard.ticks += 1;
        if heard.ticks % 50 == 0 {
            heard.delays.push(buffer.delay(now));
        }
        at += Duration::from_millis(20);
    }
    heard
}

pub fn buffer() -> JitterBuffer {
    JitterBuffer::new(JitterConfig::new(8000))
}

pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
