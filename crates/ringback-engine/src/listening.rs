//! How telephones' sound is read: by their room's tick where only ticks need it, else as it comes.
//!
//! Who is heard by telephones alone is heard in ticks, so what it sent is taken when its room ticks: one system call for
//! all of it, nobody woken for it, and its state is at hand for the tick. The kernel's stamps say when it arrived. Where
//! a browser hears a telephone's packets as they are, they are taken as they come.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringback_rtp::is_rtcp;
use rustix::event::epoll;

use crate::leg::{Kind, Leg};
use crate::phone::PhoneLeg;
use crate::phone_secure::Port;
use crate::shared::LegCounters;
use crate::sound::TICK;
use crate::sys;
use crate::worker::{LegKey, Token, Worker};

/// Datagrams of one telephone in one tick, as many as its socket holds about: what is more is lost, as in a flood.
const AT_ONCE: usize = 256;
/// A stamp that is further than this from now tells of a clock that was set, or of a machine that stood still.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// The machine's clock, by which the kernel stamps what arrives.
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl PhoneLeg {
    /// Whether its sound can wait for its room's ticks. Keys are agreed on without waiting.
    fn can_wait(&self) -> bool {
        self.media.is_some() && self.guard.is_ready()
    }
}

impl Worker {
    /// A room ticks: take what its telephones sent.
    pub fn listen_to_phones(&mut self, room: &str) {
        let Some(room) = self.rooms.get(room) else { return };
        let mut members = std::mem::take(&mut self.members);
        members.clear();
        members.extend_from_slice(&room.legs);
        for key in &members {
            self.of_leg(*key, |worker| worker.listen_to(*key));
        }
        self.members = members;
    }

    /// A room ticks no longer: what its telephones send is taken as it comes.
    pub fn watch_phones(&mut self, room: &str) {
        let members = self.rooms.get(room).map(|room| room.legs.clone()).unwrap_or_default();
        members.into_iter().for_each(|key| self.watch(key, true));
    }

    fn listen_to(&mut self, key: LegKey) {
        let Some(Leg { kind: Kind::Phone(phone), .. }) = self.legs.get(&key) else { return };
        let waits = phone.can_wait() && phone.track.is_none_or(|track| !self.tracks.is_subscribed(track));
        if waits == phone.watched {
            self.watch(key, !waits);
        }
        if waits {
            self.take_what_waits(key);
        }
    }

    /// Be told of what a telephone sends, or no longer.
    fn watch(&mut self, key: LegKey, watched: bool) {
        let Some(Leg { kind: Kind::Phone(phone), .. }) = self.legs.get_mut(&key) else { return };
        if std::mem::replace(&mut phone.watched, watched) == watched {
            return;
        }
        for socket in phone.rtp.each() {
            let done = if watched {
                epoll::add(&self.phones, socket, Token::Rtp(key).data(), epoll::EventFlags::IN)
            } else {
                epoll::delete(&self.phones, socket)
            };
            debug_assert!(done.is_ok(), "it was not there, or it was");
        }
    }

    fn take_what_waits(&mut self, key: LegKey) {
        let mut taken = self.taken.take().unwrap_or_else(|| Box::new(sys::Taken::new()));
        for version in 0..2 {
            for _ in 0..AT_ONCE {
                let Some(Leg { shared, kind: Kind::Phone(phone), .. }) = self.legs.get_mut(&key) else { break };
                let Some(socket) = phone.rtp.each().nth(version) else { break };
                phone.in_time = false;
                match taken.take(socket) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // ICMP messages about what we sent: the far end is not there yet, or no longer.
                    Err(_) => {
                        LegCounters::add(&shared.counters.unreachable, sys::take_unreachable(socket));
                        continue;
                    }
                }
                if self.take_datagram(key, &mut taken) {
                    break;
                }
            }
        }
        self.taken = Some(taken);
    }

    /// Deal with it; whether none is to be expected behind it. That is so where it brought the 20 ms of this tick in
    /// time; one that waits nevertheless is older than a tick when the next one comes, and others are then looked for.
    fn take_datagram(&mut self, key: LegKey, taken: &mut sys::Taken) -> bool {
        let Some((from, stamp, datagram)) = taken.get() else { return false };
        let at = self.arrived(stamp);
        self.phone_datagram(key, from, at, datagram);
        let in_time = matches!(self.legs.get(&key), Some(Leg { kind: Kind::Phone(phone), .. }) if phone.in_time);
        in_time && self.now < at + TICK
    }

    /// What came to a telephone's port.
    pub fn phone_datagram(&mut self, key: LegKey, from: SocketAddr, at: Instant, datagram: &mut [u8]) {
        if self.took_apart(key, Port::Rtp, from, datagram) {
            return;
        }
        if is_rtcp(datagram) {
            self.rtcp_packet(key, from, datagram);
        } else {
            self.rtp_packet_at(key, from, at, datagram);
        }
    }

    /// When a datagram with the kernel's stamp arrived, by the clock of everything here.
    fn arrived(&self, stamp: Option<Duration>) -> Instant {
        let Some(stamp) = stamp.filter(|stamp| stamp.abs_diff(self.wall) <= LONGEST_WAIT) else { return self.now };
        match self.wall.checked_sub(stamp) {
            Some(ago) => self.now.checked_sub(ago).unwrap_or(self.now),
            // It came since this turn began.
            None => self.now + (stamp - self.wall),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;

    use ringback_audio::Codec;
    use ringback_rtp::RtpHeader;

    use super::*;
    use crate::command::Command;
    use crate::config::{PhoneCodec, PhoneMedia};
    use crate::shared::LegShared;
    use crate::{ports, testing};

    /// A worker with a phone, and the far end's socket.
    fn line() -> (Worker, LegKey, UdpSocket) {
        let mut worker = testing::worker();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
        let (room, leg) = ("room".to_owned(), "ann".to_owned());
        worker.command(Command::OpenPhone { room, leg, rtp, rtcp, shared: Arc::new(LegShared::default()) });
        let codec = PhoneCodec { codec: Codec::Pcmu, payload_type: 0, receive_payload_type: 0, ptime: TICK };
        let media = PhoneMedia { remote: far.local_addr().ok(), trusted: true, ..PhoneMedia::plain(codec) };
        worker.set_phone("ann", media);
        let key = worker.leg_key("ann").unwrap();
        (worker, key, far)
    }

    fn say(worker: &Worker, key: LegKey, far: &UdpSocket, sequence: u16, length: usize) {
        let Kind::Phone(phone) = &worker.legs[&key].kind else { unreachable!("it is a phone") };
        let timestamp = u32::from(sequence) * length as u32;
        let mut packet = Vec::new();
        RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: 7 }
            .write(&vec![0x55; length], &mut packet);
        far.send_to(&packet, phone.rtp.local_addr().unwrap()).unwrap();
    }

    fn received(worker: &Worker, key: LegKey) -> u64 {
        worker.legs[&key].shared.counters.packets_received.load(Relaxed)
    }

    fn is_watched(worker: &Worker, key: LegKey) -> bool {
        matches!(&worker.legs[&key].kind, Kind::Phone(phone) if phone.watched)
    }

    #[test]
    fn what_a_telephone_sends_is_taken_when_its_room_ticks_and_nobody_is_woken_for_it() {
        let (mut worker, key, far) = line();
        assert!(is_watched(&worker, key), "its room has not ticked");

        for sequence in 0..10 {
            say(&worker, key, &far, sequence, 160);
            testing::pass(&mut worker, TICK);
        }

        assert!(!is_watched(&worker, key));
        assert!(received(&worker, key) >= 9, "{}", received(&worker, key));
        let mut ready = Vec::with_capacity(4);
        say(&worker, key, &far, 10, 160);
        let at_once = Some(rustix::event::Timespec::default());
        epoll::wait(&worker.phones, rustix::buffer::spare_capacity(&mut ready), at_once.as_ref()).unwrap();
        assert!(ready.is_empty());
    }

    #[test]
    fn packets_shorter_than_a_tick_are_all_taken_in_one() {
        let (mut worker, key, far) = line();
        testing::pass(&mut worker, TICK * 2);
        (0..5).for_each(|sequence| say(&worker, key, &far, sequence, 80));

        worker.listen_to_phones("room");

        assert_eq!(received(&worker, key), 5);
    }

    #[test]
    fn a_telephone_that_a_browser_hears_is_taken_as_it_comes() {
        let (mut worker, key, far) = line();
        testing::pass(&mut worker, TICK * 2);
        assert!(!is_watched(&worker, key));
        let track = worker.tracks.subscribe("room", "ann", "audio", LegKey(99), "0".into());

        testing::pass(&mut worker, TICK * 2);

        assert!(is_watched(&worker, key));
        say(&worker, key, &far, 0, 160);
        worker.read_rtp(key, false);
        assert_eq!(received(&worker, key), 1);
        worker.tracks.unsubscribe(track, LegKey(99), "0".into());
        testing::pass(&mut worker, TICK * 2);
        assert!(!is_watched(&worker, key), "it is heard by phones alone again");
    }

    #[test]
    fn a_stamp_tells_when_and_one_of_a_clock_that_was_set_tells_nothing() {
        let (mut worker, ..) = line();
        worker.wall = Duration::from_secs(1_000_000);
        let (little, hour) = (Duration::from_millis(15), Duration::from_secs(3600));
        let (now, wall) = (worker.now, worker.wall);

        assert_eq!(worker.arrived(Some(wall - little)), now.checked_sub(little).unwrap());
        assert_eq!(worker.arrived(Some(wall + little)), now + little);
        assert_eq!([Some(wall - hour), Some(wall + hour), None].map(|stamp| worker.arrived(stamp)), [now; 3]);
    }
}
