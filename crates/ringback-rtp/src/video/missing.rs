//! Packets that have not come yet: when to ask for them again, and when to give them up (RFC 4585 §6.2.1).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What has not come so long after packets behind it is lost, where it can be asked for again.
const REPAIRED: Duration = Duration::from_millis(250);
/// The same where it cannot: reordering moves packets by less.
const REORDERED: Duration = Duration::from_millis(40);
/// An answer needs a round trip: asked again no sooner.
const ASK_AGAIN: Duration = Duration::from_millis(60);
/// A longer gap is no loss but another beginning: nobody is asked for all of it.
const LONGEST_GAP: u64 = 64;
const MOST: usize = 128;

/// The gaps of one stream.
#[derive(Debug)]
pub struct Missing {
    patience: Duration,
    /// The number after the newest one; `None` before the first.
    next: Option<u64>,
    /// Since when each is missing, and when it was asked for.
    gaps: BTreeMap<u64, (Instant, Option<Instant>)>,
    given_up: bool,
}

impl Missing {
    /// Of a stream that has not begun; `repairs`: whether packets can be sent again.
    pub fn new(repairs: bool) -> Missing {
        let patience = if repairs { REPAIRED } else { REORDERED };
        Missing { patience, next: None, gaps: BTreeMap::new(), given_up: false }
    }

    /// A packet came; `sequence` is extended to 64 bits. `true`: one before it is lost for good.
    pub fn receive(&mut self, sequence: u64, now: Instant) -> bool {
        self.gaps.remove(&sequence);
        let next = self.next.unwrap_or(sequence);
        if sequence >= next {
            if sequence - next > LONGEST_GAP || self.gaps.len() > MOST {
                self.gaps.clear();
                self.given_up = true;
            } else {
                self.gaps.extend((next..sequence).map(|lost| (lost, (now, None))));
            }
            self.next = Some(sequence + 1);
        }
        let late = |(since, _): &(Instant, Option<Instant>)| now >= *since + self.patience;
        if self.gaps.values().any(late) {
            self.gaps.clear();
            self.given_up = true;
        }
        std::mem::take(&mut self.given_up)
    }

    /// Those to be asked for now, in order.
    pub fn to_ask(&mut self, now: Instant) -> Vec<u64> {
        let due = |asked: Option<Instant>| asked.is_none_or(|at| now >= at + ASK_AGAIN);
        let asked = self.gaps.iter_mut().filter(|(_, (_, asked))| due(*asked)).map(|(sequence, (_, asked))| {
            *asked = Some(now);
            *sequence
        });
        asked.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn what_is_missing_is_asked_for_until_it_comes() {
        let now = Instant::now();
        let mut missing = Missing::new(true);
        for sequence in [7, 8, 11] {
            assert!(!missing.receive(sequence, now));
        }

        assert_eq!(missing.to_ask(now), [9, 10]);
        assert!(missing.to_ask(now + ms(30)).is_empty(), "it may be on its way");
        missing.receive(10, now + ms(40));
        assert_eq!(missing.to_ask(now + ms(60)), [9]);
        missing.receive(9, now + ms(70));
        assert!(missing.to_ask(now + ms(200)).is_empty());
        assert!(!missing.receive(12, now + ms(400)));
    }

    #[test]
    fn what_does_not_come_is_given_up_once_and_sooner_where_nobody_repairs() {
        for (repairs, patience) in [(true, ms(250)), (false, ms(40))] {
            let now = Instant::now();
            let mut missing = Missing::new(repairs);
            missing.receive(1, now);
            missing.receive(3, now);

            assert!(!missing.receive(4, now + patience - ms(1)));
            assert!(missing.receive(5, now + patience));
            assert!(!missing.receive(6, now + patience + ms(1)));
        }
    }

    #[test]
    fn a_jump_is_no_list_of_lost_packets() {
        let now = Instant::now();
        let mut missing = Missing::new(true);
        missing.receive(1, now);

        assert!(missing.receive(10_000, now));
        assert!(missing.to_ask(now).is_empty());
        for n in 0..1000 {
            missing.receive(10_002 + n * 2, now);
        }
        assert!(missing.gaps.len() <= MOST + LONGEST_GAP as usize);
    }
}
