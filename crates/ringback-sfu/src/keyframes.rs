//! How often a sender may be asked for a key frame: each one costs it, and everybody's bandwidth.

use std::time::{Duration, Instant};

const AT_MOST_EVERY: Duration = Duration::from_millis(500);
/// The same for somebody who is to see another picture: that has to be there within half a second.
const SOON: Duration = Duration::from_millis(200);

/// Lets one request through per half second and remembers one that came too early.
#[derive(Debug, Default)]
pub struct KeyframeThrottle {
    last: Option<Instant>,
    owed: bool,
}

impl KeyframeThrottle {
    /// Somebody wants a key frame. `true`: ask now; `false`: it is owed from [`KeyframeThrottle::due`] on.
    pub fn want(&mut self, now: Instant) -> bool {
        if self.last.is_some_and(|last| now < last + AT_MOST_EVERY) {
            self.owed = true;
            return false;
        }
        self.last = Some(now);
        self.owed = false;
        true
    }

    /// As [`KeyframeThrottle::want`], for somebody who is to see another picture and has waited for it until now.
    pub fn want_soon(&mut self, now: Instant) -> bool {
        if self.last.is_some_and(|last| now >= last + SOON) {
            self.last = None;
        }
        self.want(now)
    }

    /// When the owed request may go out.
    pub fn due(&self) -> Option<Instant> {
        self.last.filter(|_| self.owed).map(|last| last + AT_MOST_EVERY)
    }

    /// Whether an owed request is to go out now.
    pub fn take_due(&mut self, now: Instant) -> bool {
        self.due().is_some_and(|due| now >= due) && self.want(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_wishes_in_a_moment_make_two_requests_half_a_second_apart() {
        let start = Instant::now();
        let mut throttle = KeyframeThrottle::default();

        let at_once = (0..10).filter(|i| throttle.want(start + Duration::from_millis(*i))).count();

        assert_eq!(at_once, 1);
        assert_eq!(throttle.due(), Some(start + AT_MOST_EVERY));
        assert!(!throttle.take_due(start + Duration::from_millis(499)));
        assert!(throttle.take_due(start + AT_MOST_EVERY));
        assert_eq!(throttle.due(), None);
    }

    #[test]
    fn whoever_is_to_see_another_picture_need_not_wait_for_half_a_second() {
        let start = Instant::now();
        let mut throttle = KeyframeThrottle::default();
        assert!(throttle.want(start));

        assert!(!throttle.want_soon(start + SOON / 2));
        assert!(throttle.want_soon(start + SOON));
        assert_eq!(throttle.due(), None, "and nothing is owed");
        assert!(!throttle.want(start + SOON * 2));
    }
}
