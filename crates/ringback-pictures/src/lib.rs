//! Composed and transcoded pictures as the server sees them: where tiles go, what is said to the pixel process, and the
//! process itself. No codec is linked here.

mod layout;
mod process;
mod wire;

pub use layout::{Arrangement, Grid, Place, grid_for, places};
pub use process::{Broken, Process};
pub use wire::{Coding, Garbled, LONGEST, LONGEST_NAME, MOST_TILES, Order, SIDES, Tile, View, Yield};
