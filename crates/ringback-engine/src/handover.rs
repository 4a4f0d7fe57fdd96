//! A telephone goes to a room of another worker, with its ports, keys and streams.
//!
//! The worker it comes to is told of it before the one it leaves, so what is said to the telephone from then on waits
//! there, in its order, until it has come. A worker never waits for another.

use crate::command::Command;
use crate::leg::{Kind, Leg};
use crate::worker::{Inbox, LegKey, Timer, Worker};

/// Takes a telephone to another worker; dropped without one it says that there is none, so that nobody waits for ever.
pub struct Handover {
    id: String,
    to: Inbox,
    phone: Option<(LegKey, Box<Leg>)>,
}

impl Handover {
    /// For the telephone of that id.
    pub fn new(id: String, to: Inbox) -> Handover {
        Handover { id, to, phone: None }
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        self.to.put(Command::Arrived { leg: std::mem::take(&mut self.id), phone: self.phone.take() });
    }
}

/// A telephone that is expected.
pub struct Arriving {
    room: String,
    waiting: Vec<Command>,
}

impl Worker {
    /// A telephone leaves for another worker's room. Dropping what it is put into sends it.
    pub fn hand_over(&mut self, id: &str, mut to: Handover) {
        let Some(key) = self.leg_key(id) else { return };
        if !self.leave_for_another(key) {
            return;
        }
        let Some(leg) = self.legs.remove(&key) else { return };
        self.by_id.remove(&leg.id);
        if let Kind::Phone(phone) = &leg.kind {
            self.leave_ports(phone);
            phone.video.iter().for_each(|video| self.leave_video_ports(video));
        }
        to.phone = Some((key, Box::new(leg)));
    }

    /// A telephone is on its way to a room of this worker.
    pub fn expect_arrival(&mut self, leg: String, room: String) {
        self.arriving.insert(leg, Arriving { room, waiting: Vec::new() });
    }

    /// What is said to a telephone on its way waits for it; everything else is answered.
    pub fn unless_it_waits(&mut self, command: Command) -> Option<Command> {
        match command.leg().and_then(|leg| self.arriving.get_mut(leg)) {
            Some(arriving) => {
                arriving.waiting.push(command);
                None
            }
            None => Some(command),
        }
    }

    /// A room is closed: telephones on their way to it are closed when they come.
    pub fn turn_away(&mut self, room: &str) {
        for (leg, arriving) in self.arriving.iter_mut().filter(|(_, arriving)| arriving.room == room) {
            arriving.waiting.push(Command::CloseLeg(leg.clone()));
        }
    }

    /// It is here, or never was: what waited is done.
    pub fn arrived_from_elsewhere(&mut self, id: &str, phone: Option<(LegKey, Box<Leg>)>) {
        let Some(Arriving { room, waiting }) = self.arriving.remove(id) else { return };
        if let Some((key, leg)) = phone {
            self.take_over(key, *leg, &room);
        }
        waiting.into_iter().for_each(|command| self.command(command));
    }

    /// It keeps its number: those of other workers differ from ours.
    fn take_over(&mut self, key: LegKey, leg: Leg, room: &str) {
        let (id, is_agreed) = (leg.id.clone(), matches!(&leg.kind, Kind::Phone(phone) if phone.media.is_some()));
        self.legs.insert(key, leg);
        self.by_id.insert(id, key);
        self.watch_ports(key);
        self.watch_video_ports(key);
        if is_agreed {
            self.timers.set(self.now, Timer::Phone(key));
        }
        self.come_into(key, room);
        self.wake_handshake(key);
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::Arc;
    use std::time::Duration;

    use ringback_audio::Codec;

    use super::*;
    use crate::config::{PhoneCodec, PhoneMedia};
    use crate::shared::LegShared;
    use crate::{ports, testing};

    /// Two workers, and a telephone in a room of the first.
    fn two() -> ([Worker; 2], Inbox) {
        let ((mut first, _), (second, inbox)) = (testing::numbered(0), testing::numbered(1));
        let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
        let (room, leg) = ("lobby".to_owned(), "ann".to_owned());
        first.command(Command::OpenPhone { room, leg, rtp, rtcp, shared: Arc::new(LegShared::default()) });
        let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
        first.command(Command::OpenPhoneVideo { leg: "ann".into(), rtp, rtcp });
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        let ptime = Duration::from_millis(20);
        let codec = PhoneCodec { codec: Codec::Pcmu, payload_type: 0, receive_payload_type: 0, ptime };
        first.set_phone("ann", PhoneMedia { remote: far.local_addr().ok(), ..PhoneMedia::plain(codec) });
        ([first, second], inbox)
    }

    fn expect(worker: &mut Worker) {
        worker.command(Command::ExpectPhone { leg: "ann".into(), room: "talk".into() });
    }

    fn muted(worker: &Worker) -> Option<bool> {
        Some(worker.legs[&worker.leg_key("ann")?].muted)
    }

    /// Take everything that was put into a worker's inbox.
    fn take_all(worker: &mut Worker) {
        while worker.take_commands() {}
    }

    #[test]
    fn what_is_said_to_a_telephone_on_its_way_is_done_when_it_comes() {
        let ([mut first, mut second], inbox) = two();
        expect(&mut second);
        second.command(Command::SetMuted { leg: "ann".into(), muted: true });
        assert_eq!(muted(&second), None);
        let key = first.leg_key("ann");

        first.command(Command::HandOver { leg: "ann".into(), to: Handover::new("ann".into(), inbox) });
        take_all(&mut second);

        assert_eq!((muted(&first), muted(&second)), (None, Some(true)));
        assert!(first.legs.is_empty() && first.rooms.is_empty() && first.tracks.is_empty());
        assert_eq!(second.leg_key("ann"), key);
        assert!(second.arriving.is_empty());
        assert!(second.rooms["talk"].sound.next_tick.is_some(), "the room ticks for it");
        let Kind::Phone(phone) = &second.legs[&key.unwrap()].kind else { unreachable!("it is a phone") };
        assert!(phone.track.is_some_and(|track| track.0 > crate::worker::NUMBERS_EACH));
        assert!(phone.video.is_some());
    }

    #[test]
    fn a_telephone_that_was_gone_is_not_waited_for() {
        let ([mut first, mut second], inbox) = two();
        first.command(Command::CloseLeg("ann".into()));
        expect(&mut second);

        first.command(Command::HandOver { leg: "ann".into(), to: Handover::new("ann".into(), inbox) });
        second.command(Command::SetMuted { leg: "ann".into(), muted: true });
        take_all(&mut second);

        assert!(second.arriving.is_empty() && second.legs.is_empty() && second.rooms.is_empty());
    }

    #[test]
    fn a_room_that_closes_meanwhile_keeps_nobody() {
        let ([mut first, mut second], inbox) = two();
        second.command(Command::OpenRoom("talk".into()));
        expect(&mut second);
        second.command(Command::CloseRoom("talk".into()));

        first.command(Command::HandOver { leg: "ann".into(), to: Handover::new("ann".into(), inbox) });
        take_all(&mut second);

        assert!(second.legs.is_empty() && second.rooms.is_empty() && second.arriving.is_empty());
    }

    #[test]
    fn a_telephone_that_goes_on_at_once_comes_to_the_third() {
        let ([mut first, mut second], inbox) = two();
        let (mut third, third_inbox) = testing::numbered(2);
        expect(&mut second);
        expect(&mut third);
        second.command(Command::HandOver { leg: "ann".into(), to: Handover::new("ann".into(), third_inbox) });
        take_all(&mut third);
        assert_eq!(muted(&third), None);

        first.command(Command::HandOver { leg: "ann".into(), to: Handover::new("ann".into(), inbox) });
        take_all(&mut second);
        take_all(&mut third);

        assert_eq!([muted(&first), muted(&second), muted(&third)], [None, None, Some(false)]);
    }
}
