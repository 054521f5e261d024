//! Losses from pairs of responses of which one is preferred, or from responses marked good or bad.
//!
//! A response is [`Scored`] by its log-probability: the sum over its tokens, without prompt and padding, and their number. [`Pairs`] of
//! them go to a [`Preference`]; marked ones to [`Kto`].

mod aot;
mod apo;
mod bco;
mod cpo;
mod discopop;
mod dpo;
mod exo;
mod f_divergence;
mod ipo;
mod kto;
mod nca;
mod orpo;
mod pairs;
mod simpo;
mod sppo;
mod wpo;

pub use aot::Aot;
pub use apo::{ApoDown, ApoZero};
pub use bco::{Bco, BcoShift};
pub use cpo::Cpo;
pub use discopop::DiscoPop;
pub use dpo::{Dpo, DpoLoss};
pub use exo::Exo;
pub use f_divergence::FDivergence;
pub use ipo::Ipo;
pub use kto::{Kto, Marked};
pub use nca::Nca;
pub use orpo::Orpo;
pub use pairs::{Pairs, Preference, Scored};
pub use simpo::SimPo;
pub use sppo::Sppo;
pub use wpo::alignment_weights;
