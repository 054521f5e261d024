//! How a run will end, from what is known early: laws of the loss over the rates of a run, learning curves over the size of the
//! data, early signals of fine-tuning runs. Behind the feature `forecast`, which brings the solvers of their fits.

pub mod early_signals;
pub mod law;
pub mod learning_curve;
