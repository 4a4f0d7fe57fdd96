//! What a client reports, in the words of `src/ringback/core.py`.

/// Something that happened in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An offer to be taken to the server; its m-lines are new, in the order in which they were asked for.
    Offer {
        /// Which call.
        call: u64,
        /// The number of the request.
        request: u64,
        /// Empty when there is nothing to offer.
        sdp: String,
        /// The m-line we send on, where one was added.
        sending: Option<String>,
        /// The m-lines we hear on, those that were added.
        receiving: Vec<String>,
    },
    /// An answer was taken, or is of no use: one sentence.
    Answered {
        /// Which call.
        call: u64,
        /// The number of the request.
        request: u64,
        /// What is wrong with it.
        error: Option<String>,
    },
    /// The path to the server changed.
    State {
        /// Which call.
        call: u64,
        /// `connected`, `disconnected`, `closed`, or `failed` when a bug of ours ended it.
        state: &'static str,
    },
    /// Speech up to here has gone out.
    Mark {
        /// Which call.
        call: u64,
        /// The mark.
        mark: u64,
    },
    /// As much can be read as was asked for.
    Heard {
        /// Which call.
        call: u64,
        /// Whose ear.
        ear: u64,
    },
}
