//! What a training loop is made of beyond one update: answers over several turns, data from a policy's own answers, and their losses.
//!
//! | type | what it is |
//! |---|---|
//! | [`MultiTurn`] | several answers to a prompt, each after feedback on those before it |
//! | [`Episode`] | the answers that it gave |
//! | [`Flips`] | how often right answers became wrong and wrong ones right |
//! | [`Rise`] | better answers to the states that a policy came into, and the loss on them |

mod episode;
mod rise;
mod turns;

pub use episode::{Episode, Flips, Turn, majority, repeats, solved_within};
pub use rise::{Criterion, Example, Improved, Rise};
pub use turns::MultiTurn;
