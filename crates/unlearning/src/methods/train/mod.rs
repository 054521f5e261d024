//! Methods that train: a loss on each of the two sets, walked by [`Unlearn`].

pub mod amnesiac;
pub mod bad_teacher;
pub mod divergence;
pub mod finetune;
pub mod gradient_ascent;
pub mod gradient_difference;
pub mod neg_grad;
pub mod npo;
mod order;
mod relabel;
pub mod rmu;
pub mod salun;
pub mod scrub;
mod unlearn;
pub mod unsir;
mod window;

pub use order::{Order, mixed_sizes};
pub use relabel::relabel;
pub use unlearn::{EpochLog, Method, Unlearn, UnlearnConfig};
