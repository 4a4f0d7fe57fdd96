//! Which worker a room is on, and so which worker a leg's commands go to. No I/O.
//!
//! A room is placed when it is first spoken of, on the worker that has least, and stays there until it is closed or its
//! last leg has left. All legs of a room are on its worker.

use std::collections::HashMap;
use std::sync::Arc;

use crate::shared::LegShared;

/// Number of a worker, from 0.
pub type WorkerIndex = usize;

struct Place {
    worker: WorkerIndex,
    legs: usize,
    /// Opened by name: it stays when its last leg goes.
    kept: bool,
}

struct Entry {
    room: String,
    worker: WorkerIndex,
    can_move: bool,
    shared: Arc<LegShared>,
}

/// A leg that comes in.
pub struct Newcomer<'a> {
    pub leg: &'a str,
    pub room: &'a str,
    /// Whether it may go to another room, as telephones may.
    pub can_move: bool,
    pub shared: Arc<LegShared>,
}

/// Rooms and legs of all workers, by name.
pub struct Placement {
    /// Legs and rooms of each: a room that nobody has entered counts for one who will.
    loads: Vec<usize>,
    rooms: HashMap<String, Place>,
    legs: HashMap<String, Entry>,
}

impl Placement {
    /// Nothing on so many workers, one at least.
    pub fn new(workers: usize) -> Placement {
        Placement { loads: vec![0; workers.max(1)], rooms: HashMap::new(), legs: HashMap::new() }
    }

    /// A room is opened by name; where it is.
    pub fn open_room(&mut self, room: &str) -> WorkerIndex {
        let place = self.place(room);
        place.kept = true;
        place.worker
    }

    /// A room is closed with all its legs; where it was.
    pub fn close_room(&mut self, room: &str) -> Option<WorkerIndex> {
        let place = self.rooms.remove(room)?;
        self.legs.retain(|_, entry| entry.room != room);
        self.loads[place.worker] -= place.legs + 1;
        Some(place.worker)
    }

    /// A leg comes into a room; where that is, and the other worker that has had a leg of its name until now.
    pub fn enter(&mut self, who: Newcomer<'_>) -> (WorkerIndex, Option<WorkerIndex>) {
        let before = self.leave(who.leg);
        let worker = self.join(who.room);
        let entry = Entry { room: who.room.into(), worker, can_move: who.can_move, shared: who.shared };
        self.legs.insert(who.leg.into(), entry);
        (worker, before.filter(|before| *before != worker))
    }

    /// A leg goes to another room: where from and where to. `None` for an unknown one, and for one that stays.
    pub fn move_leg(&mut self, leg: &str, room: &str) -> Option<(WorkerIndex, WorkerIndex)> {
        let before = self.legs.get(leg).filter(|entry| entry.can_move)?;
        let (from, left) = (before.worker, before.room.clone());
        // The new room first: with its only leg the old one may go, and they may be the same.
        let to = self.join(room);
        self.part(&left);
        let entry = self.legs.get_mut(leg)?;
        (entry.room, entry.worker) = (room.into(), to);
        Some((from, to))
    }

    /// A leg is gone; where it was.
    pub fn leave(&mut self, leg: &str) -> Option<WorkerIndex> {
        let entry = self.legs.remove(leg)?;
        self.part(&entry.room);
        Some(entry.worker)
    }

    /// Where a leg is.
    pub fn of_leg(&self, leg: &str) -> Option<WorkerIndex> {
        Some(self.legs.get(leg)?.worker)
    }

    /// What both sides hold of a leg.
    pub fn shared(&self, leg: &str) -> Option<Arc<LegShared>> {
        Some(self.legs.get(leg)?.shared.clone())
    }

    /// Nothing is left.
    pub fn clear(&mut self) {
        *self = Placement::new(self.loads.len());
    }

    fn place(&mut self, room: &str) -> &mut Place {
        let loads = &mut self.loads;
        self.rooms.entry(room.into()).or_insert_with(|| {
            let worker = (0..loads.len()).min_by_key(|index| loads[*index]).expect("there is one at least");
            loads[worker] += 1;
            Place { worker, legs: 0, kept: false }
        })
    }

    fn join(&mut self, room: &str) -> WorkerIndex {
        let place = self.place(room);
        place.legs += 1;
        let worker = place.worker;
        self.loads[worker] += 1;
        worker
    }

    /// One leg fewer in a room, which goes with its last one.
    fn part(&mut self, room: &str) {
        let Some(place) = self.rooms.get_mut(room) else { return };
        place.legs -= 1;
        self.loads[place.worker] -= 1;
        if place.legs == 0 && !place.kept {
            self.loads[place.worker] -= 1;
            self.rooms.remove(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn come(placement: &mut Placement, room: &str, leg: &str, can_move: bool) -> (WorkerIndex, Option<WorkerIndex>) {
        placement.enter(Newcomer { leg, room, can_move, shared: Arc::default() })
    }

    fn enter(placement: &mut Placement, room: &str, leg: &str) -> WorkerIndex {
        come(placement, room, leg, true).0
    }

    #[test]
    fn a_room_goes_to_the_worker_with_least_and_its_legs_follow_it() {
        let mut placement = Placement::new(2);

        assert_eq!(placement.open_room("large"), 0);
        for leg in ["ann", "bob", "cid"] {
            assert_eq!(enter(&mut placement, "large", leg), 0);
        }
        // Three others are as much as one of three legs.
        assert_eq!(["a", "b", "c"].map(|room| placement.open_room(room)), [1, 1, 1]);
        assert_eq!(enter(&mut placement, "a", "dan"), 1);

        assert_eq!(placement.open_room("d"), 0);
        assert_eq!(placement.open_room("large"), 0, "it stays where it is");
        assert_eq!(["ann", "dan", "nobody"].map(|leg| placement.of_leg(leg)), [Some(0), Some(1), None]);
    }

    #[test]
    fn rooms_opened_before_anybody_comes_are_shared_out() {
        let mut placement = Placement::new(3);

        let at: Vec<_> = (0..6).map(|n| placement.open_room(&n.to_string())).collect();

        assert_eq!(at, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn what_is_closed_counts_no_longer() {
        let mut placement = Placement::new(2);
        placement.open_room("one");
        enter(&mut placement, "one", "ann");
        enter(&mut placement, "other", "bob");
        enter(&mut placement, "other", "cid");

        assert_eq!(placement.leave("ann"), Some(0));
        assert_eq!(placement.leave("ann"), None);
        assert_eq!(placement.close_room("other"), Some(1));
        assert_eq!(placement.close_room("other"), None);
        assert!(placement.shared("bob").is_none());
        placement.close_room("one");

        assert_eq!(placement.loads, [0, 0]);
        assert!(placement.rooms.is_empty() && placement.legs.is_empty());
    }

    #[test]
    fn a_room_that_nobody_opened_goes_with_its_last_leg() {
        let mut placement = Placement::new(2);
        enter(&mut placement, "room", "ann");

        placement.leave("ann");

        assert!(placement.rooms.is_empty());
        assert_eq!(placement.loads, [0, 0]);
    }

    #[test]
    fn a_leg_that_moves_is_counted_where_it_goes() {
        let mut placement = Placement::new(2);
        placement.open_room("lobby");
        placement.open_room("talk");
        enter(&mut placement, "lobby", "ann");

        assert_eq!(placement.move_leg("ann", "talk"), Some((0, 1)));
        assert_eq!(placement.move_leg("nobody", "talk"), None);

        assert_eq!(placement.of_leg("ann"), Some(1));
        assert_eq!(placement.loads, [1, 2]);
        assert_eq!(placement.move_leg("ann", "talk"), Some((1, 1)));
        assert_eq!(placement.loads, [1, 2]);
        placement.close_room("lobby");
        assert_eq!(placement.of_leg("ann"), Some(1), "it is not there any more");
    }

    #[test]
    fn a_leg_that_comes_again_elsewhere_is_told_of_where_it_was() {
        let mut placement = Placement::new(2);
        placement.open_room("one");
        placement.open_room("two");

        assert_eq!(come(&mut placement, "one", "ann", false), (0, None));
        assert_eq!(come(&mut placement, "one", "ann", false), (0, None));
        assert_eq!(come(&mut placement, "two", "ann", false), (1, Some(0)));
        assert_eq!(placement.loads, [1, 2]);
        assert_eq!(placement.move_leg("ann", "one"), None, "it is no telephone");
    }
}
