//! Far ends of phone legs by the hundred, on one socket: each sends 50 packets a second and checks what it is sent.
//!
//! In every room the far ends take turns to say a burst of their tone (60 ms of every 160 ms are somebody's). A far end
//! that hears a burst knows by its frequency whose it was: somebody else's of its room is a measurement of the delay, its
//! own is an echo, anything else a mistake.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ringback_rtp::{RtpHeader, is_rtcp};

use crate::bursts::{Ears, TONES, quiet, tone};
use crate::figures::Delays;
use crate::impair::Impairment;
use crate::sys::{Taker, now_ns, send_all, stamp_arrivals};

const PACKET_MS: u64 = 20;
const PACKET_NS: i64 = 20_000_000;
/// Packets of a turn, and those of them that sound.
const TURN: u64 = 8;
const SOUNDING: u64 = 3;
/// A burst that is not heard within this was not heard.
const LONGEST_WAY_NS: u64 = 600_000_000;
/// More than this behind its time, a packet is late: a far end that holds 20 ms has nothing to play.
const LATE_NS: i64 = 20_000_000;
/// Milliseconds that a packet can be held at most.
const WHEEL: usize = 512;

/// Where a far end sends to, and the room it is in.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    /// The server's port for it.
    pub to: SocketAddrV4,
    /// Any number: those of one room hear each other.
    pub room: usize,
}

/// What the far ends of a run heard, all together.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Packets sent, those that the impairment lost included.
    pub sent: u64,
    /// Packets that came.
    pub received: u64,
    /// Packets that were missing between others.
    pub lost: u64,
    /// Packets that came more than 20 ms behind their time.
    pub late: u64,
    /// Bursts that should have been heard, once by each that should hear it.
    pub expected: u64,
    /// Those that were.
    pub found: u64,
    /// Bursts that came back to who said them.
    pub echoes: u64,
    /// Bursts that nobody of the room had said.
    pub strange: u64,
    /// From saying a burst to hearing it; who said it.
    pub ways: Vec<(usize, u64)>,
}

impl Heard {
    /// Packets that came late, in percent.
    pub fn late_percent(&self) -> f64 {
        self.late as f64 * 100.0 / self.received.max(1) as f64
    }

    /// Legs times seconds, by the packets that came.
    pub fn leg_seconds(&self) -> f64 {
        self.received as f64 / 50.0
    }

    /// How long bursts took, without what `held` says is held for the sound of each.
    pub fn delays(&self, held: impl Fn(usize) -> Duration) -> Delays {
        let mut delays = Delays::default();
        self.ways.iter().for_each(|(who, way)| delays.add(*way as i64 - held(*who).as_nanos() as i64));
        delays
    }

    /// What is wrong with what was heard; `None` when everybody heard the others, whole and in turn.
    pub fn wrong(&self) -> Option<String> {
        let missed = self.expected.saturating_sub(self.found);
        let wrong =
            self.echoes > 0 || self.strange * 200 > self.found || missed * 50 > self.expected || self.found == 0;
        wrong.then(|| {
            format!(
                "{} of {} bursts were heard, {} by who said them, {} were nobody's",
                self.found, self.expected, self.echoes, self.strange
            )
        })
    }
}

struct Phone {
    to: SocketAddrV4,
    room: usize,
    /// Which turn in its room is its own.
    place: usize,
    /// Packets sent.
    packets: u64,
    /// When it began to say its last burst.
    burst: u64,
    ears: Ears,
    arrivals: Arrivals,
}

/// Numbers and times of what a far end is sent.
#[derive(Default)]
struct Arrivals {
    last: Option<u16>,
    count: i64,
    /// The least that an arrival was ahead of its number.
    least: Option<i64>,
}

impl Arrivals {
    /// Packets that are missing before this one, and whether it is late.
    fn note(&mut self, sequence: u16, at_ns: u64) -> (u64, bool) {
        let step = self.last.map_or(1, |last| sequence.wrapping_sub(last) as i16);
        if step <= 0 {
            return (0, false);
        }
        self.last = Some(sequence);
        self.count += i64::from(step);
        let ahead = at_ns as i64 - self.count * PACKET_NS;
        let least = self.least.map_or(ahead, |least| least.min(ahead));
        self.least = Some(least);
        (step as u64 - 1, ahead - least > LATE_NS)
    }
}

/// The far ends.
pub struct Phones {
    socket: UdpSocket,
    /// RTCP is taken, and thrown away.
    _reports: UdpSocket,
    taker: Taker,
    phones: Vec<Phone>,
    by_source: HashMap<SocketAddrV4, usize>,
    rooms: HashMap<usize, Vec<usize>>,
    tones: Vec<Vec<u8>>,
    quiet: Vec<Vec<u8>>,
    impairment: Option<Impairment>,
    /// Packets by the millisecond in which they leave.
    wheel: Vec<Vec<(SocketAddrV4, Vec<u8>)>>,
    /// When each began to say its last burst, in nanoseconds.
    said: Arc<Mutex<Vec<u64>>>,
    began: Instant,
    passed_ms: u64,
}

impl Phones {
    /// None yet, behind one address of this machine.
    pub fn new() -> io::Result<Phones> {
        let (socket, reports) = pair()?;
        stamp_arrivals(&socket)?;
        stamp_arrivals(&reports)?;
        Ok(Phones {
            socket,
            _reports: reports,
            taker: Taker::default(),
            phones: Vec::new(),
            by_source: HashMap::new(),
            rooms: HashMap::new(),
            tones: (0..TONES).map(tone).collect(),
            quiet: (0..16).map(quiet).collect(),
            impairment: None,
            wheel: vec![Vec::new(); WHEEL],
            said: Arc::default(),
            began: Instant::now(),
            passed_ms: 0,
        })
    }

    /// Where the server is to send.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it was bound")
    }

    /// When each began to say its last burst, in nanoseconds of the machine's clock, for who hears it elsewhere.
    pub fn said(&self) -> Arc<Mutex<Vec<u64>>> {
        self.said.clone()
    }

    /// Let everything that is sent go through a bad network.
    pub fn impair(&mut self, impairment: Impairment) {
        self.impairment = Some(impairment);
    }

    /// Somebody calls.
    pub fn sit(&mut self, seat: Seat) {
        let number = self.phones.len();
        let room = self.rooms.entry(seat.room).or_default();
        let place = room.len();
        room.push(number);
        self.by_source.insert(seat.to, number);
        lock(&self.said).push(0);
        self.phones.push(Phone {
            to: seat.to,
            room: seat.room,
            place,
            packets: 0,
            burst: 0,
            ears: Ears::default(),
            arrivals: Arrivals::default(),
        });
    }

    /// Speak and listen for a time.
    pub fn run(&mut self, time: Duration) -> Heard {
        let mut heard = Heard::default();
        let end = self.began.elapsed() + time;
        if self.passed_ms == 0 {
            self.began = Instant::now();
        }
        let counted = now_ns()..now_ns() + (time.as_nanos() as u64).saturating_sub(LONGEST_WAY_NS);
        while self.began.elapsed() < end {
            self.passed_ms += 1;
            let due = self.began + Duration::from_millis(self.passed_ms);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.speak(&mut heard, &counted);
            self.listen(&mut heard, &counted);
        }
        heard
    }

    /// What is due in this millisecond.
    fn speak(&mut self, heard: &mut Heard, counted: &std::ops::Range<u64>) {
        let now = now_ns();
        let slot = self.passed_ms as usize % WHEEL;
        for number in (0..self.phones.len()).filter(|number| phase(*number) == self.passed_ms % PACKET_MS) {
            let phone = &mut self.phones[number];
            let members = self.rooms[&phone.room].len() as u64;
            let (turn, at) = (self.passed_ms / PACKET_MS / TURN, self.passed_ms / PACKET_MS % TURN);
            let speaks = turn % members.max(1) == phone.place as u64 && at < SOUNDING;
            if speaks && at == 0 {
                phone.burst = now;
                lock(&self.said)[number] = now;
                heard.expected += u64::from(counted.contains(&now)) * (members - 1);
            }
            let payload =
                if speaks { &self.tones[phone.place % TONES] } else { &self.quiet[phone.packets as usize % 16] };
            let mut packet = Vec::with_capacity(12 + payload.len());
            let header = RtpHeader {
                payload_type: 0,
                marker: phone.packets == 0,
                sequence: phone.packets as u16,
                timestamp: phone.packets as u32 * 160,
                ssrc: 0x1000 + number as u32,
            };
            header.write(payload, &mut packet);
            phone.packets += 1;
            heard.sent += 1;
            let held = self.impairment.as_mut().map_or(Some(Duration::ZERO), Impairment::fate);
            if let Some(held) = held {
                let held = (held.as_millis() as usize).min(WHEEL - 1);
                self.wheel[(slot + held) % WHEEL].push((phone.to, packet));
            }
        }
        send_all(&self.socket, &self.wheel[slot]);
        self.wheel[slot].clear();
    }

    fn listen(&mut self, heard: &mut Heard, counted: &std::ops::Range<u64>) {
        let Phones { socket, taker, phones, by_source, rooms, .. } = self;
        while taker.take(socket, |datagram| {
            let Some(&number) = by_source.get(&datagram.from) else { return };
            if datagram.bytes.len() <= 12 || is_rtcp(datagram.bytes) {
                return;
            }
            let phone = &mut phones[number];
            let sequence = u16::from_be_bytes([datagram.bytes[2], datagram.bytes[3]]);
            let (lost, late) = phone.arrivals.note(sequence, datagram.at_ns);
            heard.received += 1;
            heard.lost += lost;
            heard.late += u64::from(late);
            let Some(onset) = phone.ears.hear(datagram.at_ns, &datagram.bytes[12..]) else { return };
            let said = |other: &&usize| {
                let other = &phones[**other];
                other.place % TONES == onset.tone
                    && other.burst <= onset.at_ns
                    && onset.at_ns - other.burst < LONGEST_WAY_NS
            };
            match rooms[&phones[number].room].iter().find(said) {
                Some(who) if *who == number => heard.echoes += 1,
                Some(who) if counted.contains(&phones[*who].burst) => {
                    heard.found += 1;
                    heard.ways.push((*who, onset.at_ns - phones[*who].burst));
                }
                Some(_) => {}
                None => heard.strange += 1,
            }
        }) > 0
        {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The millisecond of 20 in which a far end sends: they are spread, as those of strangers are.
fn phase(number: usize) -> u64 {
    (number as u64 * 7) % PACKET_MS
}

/// An even port for RTP and the next one for RTCP.
fn pair() -> io::Result<(UdpSocket, UdpSocket)> {
    for _ in 0..100 {
        let rtp = UdpSocket::bind("127.0.0.1:0")?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 0
            && let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port + 1))
        {
            return Ok((rtp, rtcp));
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no two ports beside each other are free"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_that_waits_for_more_than_its_length_is_late_and_what_never_comes_is_lost() {
        let mut arrivals = Arrivals::default();
        let at = |n: u64, late_ms: u64| 1_000_000_000 + n * 20_000_000 + late_ms * 1_000_000;

        assert_eq!(arrivals.note(65_535, at(0, 0)), (0, false));
        assert_eq!(arrivals.note(0, at(1, 19)), (0, false));
        assert_eq!(arrivals.note(1, at(2, 21)), (0, true));
        assert_eq!(arrivals.note(4, at(5, 0)), (2, false));
        assert_eq!(arrivals.note(3, at(5, 1)), (0, false));
    }

    /// Two rooms of two, whose sockets the test serves: it gives each what the other said.
    #[test]
    fn what_the_other_said_is_found_and_what_comes_back_is_an_echo() {
        let sockets: Vec<UdpSocket> = (0..4).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        for crossed in [true, false] {
            let mut phones = Phones::new().unwrap();
            for (n, socket) in sockets.iter().enumerate() {
                socket.set_nonblocking(true).unwrap();
                let SocketAddr::V4(to) = socket.local_addr().unwrap() else { unreachable!("it was bound to IPv4") };
                phones.sit(Seat { to, room: n / 2 });
            }
            let (stop, far) = (std::sync::atomic::AtomicBool::new(false), phones.address());
            let heard = std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut buffer = [0; 2048];
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        for (n, socket) in sockets.iter().enumerate() {
                            while let Ok(length) = socket.recv(&mut buffer) {
                                let back = &sockets[if crossed { n ^ 1 } else { n }];
                                back.send_to(&buffer[..length], far).unwrap();
                            }
                        }
                        std::thread::sleep(Duration::from_micros(200));
                    }
                });
                let heard = phones.run(Duration::from_secs(3));
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
                heard
            });

            // A busy machine may be too late with some of them.
            assert_eq!(heard.found * 2 > heard.expected, crossed, "{:?}", heard.wrong());
            assert_eq!(heard.echoes > 0, !crossed, "{:?}", heard.wrong());
        }
    }
}
