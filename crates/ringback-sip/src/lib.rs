//! Plain SIP messages read in one pass over their octets (RFC 3261 §7, §25): no I/O, no clock, no copies.
//!
//! The reader takes what carriers and telephones write every day: ASCII, one value per line, no folds, no escapes in
//! quotes. Whatever else comes, right or wrong, it leaves to the reference reader in Python, which alone says what is
//! refused and why. What it does take, it reads exactly as the reference does.

mod message;
mod values;

pub use message::{Message, Row, Rules, Start, read};
pub use values::{Address, Parameter, Via};
