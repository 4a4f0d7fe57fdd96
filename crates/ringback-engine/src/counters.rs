//! Counters of the whole engine: what strangers sent, what was late, what it cost.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Written by the worker, read by anybody.
        #[derive(Debug, Default)]
        pub struct EngineCounters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        impl EngineCounters {
            /// All of them by name.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Rooms open now.
    rooms,
    /// Legs open now.
    legs,
    /// Datagrams and frames that were nobody's, or nothing we understand.
    garbage,
    /// TCP connections refused or closed for breaking a limit.
    tcp_refused,
    /// Audio ticks that began more than 20 ms late.
    ticks_late,
    /// Legs given up because of a bug of ours.
    leg_failures,
    /// Pictures that were made for phones and browsers because none could be passed on.
    pictures_made,
    /// Times a program that makes pictures ended though it was needed.
    pixel_deaths,
    /// CPU time of the worker thread in microseconds.
    cpu_us,
}

/// Add one.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
