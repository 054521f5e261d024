//! # Schedules by their names elsewhere
//!
//! What other libraries build from several of this crate's schedules, under their names and with
//! their arguments: a run that is ported keeps its rates.
//!
//! Source: optax 0.2.8, torch 2.15, timm 1.0.31, transformers 5.24, Keras 3.15.
//!
//! What is one schedule here is not repeated: `CosineAnnealingLR` is [`Cosine`](crate::Cosine),
//! `OneCycleLR` is [`OneCycle`](crate::OneCycle), and so on; the search of these pages knows the
//! other names. Past its end a finite schedule holds its last value, also where the library's
//! own rises again (torch's cosine, transformers' cosines) or fails (torch's one-cycle).

use crate::any::AnySchedule;
use crate::clock::Sequence;
use crate::error::{Result, check};
use crate::shapes::{Constant, Linear};

pub mod keras;
pub mod optax;
pub mod timm;
pub mod torch;
pub mod transformers;

/// A line between two rates, then another schedule from its own step 0; no line of length 0.
fn line_then(
    from: f64,
    to: f64,
    steps: usize,
    next: impl Into<AnySchedule>,
) -> Result<AnySchedule> {
    if steps == 0 {
        return Ok(next.into());
    }
    let line = Linear::between(from, to, steps)?;
    Ok(Sequence::new(vec![line.into(), next.into()], vec![steps])?.into())
}

/// A constant rate, then another schedule from its own step 0.
fn delayed(rate: f64, steps: usize, next: impl Into<AnySchedule>) -> Result<AnySchedule> {
    if steps == 0 {
        return Ok(next.into());
    }
    let first = Constant::new(rate)?;
    Ok(Sequence::new(vec![first.into(), next.into()], vec![steps])?.into())
}

/// What a warm-up leaves of a run, 1 step or more.
fn rest(field: &'static str, total: usize, before: usize) -> Result<usize> {
    check(field, total as f64, total > before, "more than the warm-up")?;
    Ok(total - before)
}
