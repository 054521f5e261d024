//! # BatchSizes
//!
//! How many examples each batch of a run holds: one number, a plan, or what a test decides while the run goes on.
//!
//! Source: multigrid training, arXiv 1912.00998 (a plan), and adaptive batch sizes, arXiv 2402.11215 (a test).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use regimen_schedules::Schedule;
use regimen_tensor::checkpoint::{Part, PartError, json};

use crate::error::{Result, check};

/// The batch sizes of a run, by the number of the batch: batches count from 0 over all epochs.
///
/// The last batch of an epoch holds what is left of it, unless the loader drops it. Whatever takes a batch size takes a plain number too.
///
/// ```
/// use regimen_curriculum::{BatchSizes, LiveBatchSize};
/// use regimen_schedules::PiecewiseConstant;
///
/// let fixed = BatchSizes::from(32);
/// let plan = BatchSizes::schedule(PiecewiseConstant::new(vec![100], vec![64.0, 16.0])?);
/// let cycle = BatchSizes::planned(|batch| [64, 32, 16][batch % 3]);
/// assert_eq!((fixed.at(7)?, plan.at(100)?, cycle.at(4)?), (32, 16, 32));
///
/// let size = LiveBatchSize::new(8)?;
/// let live = BatchSizes::from(size.clone());
/// size.set(24)?;
/// assert_eq!(live.at(0)?, 24);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct BatchSizes(Kind);

#[derive(Clone)]
enum Kind {
    Fixed(usize),
    Planned(Arc<dyn Fn(usize) -> f64 + Send + Sync>),
    Live(LiveBatchSize),
}

impl BatchSizes {
    /// A size for each batch. It must be a function of the number alone, so that a resumed run gets the same sizes.
    #[must_use]
    pub fn planned(size: impl Fn(usize) -> usize + Send + Sync + 'static) -> Self {
        Self(Kind::Planned(Arc::new(move |batch| size(batch) as f64)))
    }

    /// A [`Schedule`] of the batch's number, rounded to the nearest whole number.
    #[must_use]
    pub fn schedule(size: impl Schedule + Send + Sync + 'static) -> Self {
        Self(Kind::Planned(Arc::new(move |batch| size.at(batch))))
    }

    /// The size of a batch; for a live size, what it is now.
    ///
    /// # Errors
    /// If it is not finite, or rounds to 0.
    pub fn at(&self, batch: usize) -> Result<usize> {
        let size = match &self.0 {
            Kind::Fixed(size) => *size as f64,
            Kind::Planned(size) => size(batch),
            Kind::Live(size) => size.get() as f64,
        };
        check("batch_size", size, size.round() >= 1.0, "1 or more")?;
        Ok(size.round() as usize)
    }

    /// Whether the sizes of later batches are known now, so that they can be read ahead.
    #[must_use]
    pub fn is_planned(&self) -> bool {
        !matches!(self.0, Kind::Live(_))
    }
}

impl From<usize> for BatchSizes {
    fn from(size: usize) -> Self {
        Self(Kind::Fixed(size))
    }
}

impl From<LiveBatchSize> for BatchSizes {
    fn from(size: LiveBatchSize) -> Self {
        Self(Kind::Live(size))
    }
}

impl fmt::Debug for BatchSizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Fixed(size) => write!(f, "BatchSizes({size})"),
            Kind::Planned(_) => f.write_str("BatchSizes(planned)"),
            Kind::Live(size) => write!(f, "BatchSizes({size:?})"),
        }
    }
}

/// A batch size that a run may change: the next batch has it. Clones are the same size.
///
/// Give one clone to the loader and keep another where the size is decided, in the model (`#[module(skip)]`) or in the
/// loop. Where something that is saved decides the size, a resumed run makes a new one from that; where nothing does, it is a part of a
/// checkpoint itself.
#[derive(Clone)]
pub struct LiveBatchSize(Arc<AtomicUsize>);

impl LiveBatchSize {
    /// With the size of the first batch.
    ///
    /// # Errors
    /// If it is 0.
    pub fn new(size: usize) -> Result<Self> {
        let live = Self(Arc::default());
        live.set(size)?;
        Ok(live)
    }

    /// The size of the next batch.
    #[must_use]
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    /// From the next batch on, another size.
    ///
    /// # Errors
    /// If it is 0; the size stays then.
    pub fn set(&self, size: usize) -> Result<()> {
        check("batch_size", size as f64, size > 0, "1 or more")?;
        self.0.store(size, Ordering::Release);
        Ok(())
    }
}

/// All clones have the size that is loaded.
impl Part for LiveBatchSize {
    fn kind(&self) -> String {
        "live batch size 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        json::save(&self.get())
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        Ok(self.set(json::load(bytes)?)?)
    }
}

impl fmt::Debug for LiveBatchSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveBatchSize({})", self.get())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use regimen_schedules::{Lambda, Linear};

    use super::*;

    #[test]
    fn sizes_that_are_no_size_are_refused() {
        assert!(BatchSizes::from(0).at(0).is_err());
        assert!(BatchSizes::planned(|_| 0).at(3).is_err());
        let nothing = BatchSizes::schedule(Lambda(|_: usize| f64::NAN));
        assert!(nothing.at(0).is_err());
        let falling = BatchSizes::schedule(Linear::new(8.0, 4).unwrap());
        assert_eq!(falling.at(3).unwrap(), 2);
        assert!(falling.at(4).is_err());
        let live = LiveBatchSize::new(3).unwrap();
        assert!(live.set(0).is_err() && LiveBatchSize::new(0).is_err());
        assert_eq!(live.get(), 3);
    }
}
