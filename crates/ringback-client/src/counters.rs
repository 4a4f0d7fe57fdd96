//! Counters of one call, as a bot can read them: what ran dry, and whose fault it was.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Written by the worker, read by anybody.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        impl Counters {
            /// All of them by name.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// RTP packets of sound that came.
    packets_received,
    /// RTP packets sent.
    packets_sent,
    /// Packets that never came.
    packets_lost,
    /// Packets that came after their time.
    packets_late,
    /// 20 ms frames in which something heard was made up.
    frames_concealed,
    /// 20 ms frames heard as they were sent.
    frames_heard,
    /// Times sound to be heard was lost on the way.
    underruns_lost,
    /// Times sound to be heard came too late.
    underruns_late,
    /// Times speech paused because the bot brought its next piece too late.
    underruns_bot,
    /// Times speech paused because the path to the server was gone.
    underruns_path,
    /// 20 ms of speech that went out more than 20 ms late, because this machine was busy.
    ticks_late,
    /// Samples of speech that have gone out.
    samples_said,
    /// Samples that were heard and not fetched in time.
    samples_dropped,
}

impl Counters {
    /// Add to a counter.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }

    /// Set a counter to what another one counts.
    pub fn set(counter: &AtomicU64, n: u64) {
        counter.store(n, Relaxed);
    }
}
