//! # Watch
//!
//! Progress of long work, and a way to stop it.
//!
//! Source: Regimen's own; a stop asks whoever holds Burn's `Interrupter`.

use std::fmt;
use std::sync::Arc;

/// How far a piece of long work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The work, as `"unlearn"`: the name of its `tracing` span.
    pub work: &'static str,
    /// Steps that are done: epochs, batches, candidates, as the work's documentation says.
    pub done: usize,
    /// All steps.
    pub total: usize,
}

/// Who watches long work: what hears of its progress, and what may stop it.
///
/// Functions that may take over a second have a twin that ends in `_watched` and takes one. Both parts are optional; a
/// `Watch::default()` hears and stops nothing. Work that is stopped returns what it has, as its documentation says.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::sync::Arc;
/// use regimen_tensor::Watch;
///
/// let stop = Arc::new(AtomicBool::new(false)); // or Burn's: `let interrupter = Interrupter::new();`
/// let asked = stop.clone();
/// let watch = Watch::new()
///     .with_progress(|at| println!("{}: {} of {}", at.work, at.done, at.total))
///     .until(move || asked.load(Ordering::Relaxed)); // `.until(move || interrupter.should_stop())`
/// assert!(watch.goes_on("fit", 1, 10));
/// stop.store(true, Ordering::Relaxed);
/// assert!(!watch.goes_on("fit", 2, 10));
/// ```
#[derive(Clone, Default)]
pub struct Watch {
    progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    stop: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("progress", &self.progress.is_some())
            .field("stop", &self.stop.is_some())
            .finish()
    }
}

impl Watch {
    /// Hears nothing and stops nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls `progress` after each step, from the thread that works.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Stops the work after the step at which `stop` is true.
    #[must_use]
    pub fn until(mut self, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.stop = Some(Arc::new(stop));
        self
    }

    /// Reports a step that is done; false if the work shall stop.
    #[must_use]
    pub fn goes_on(&self, work: &'static str, done: usize, total: usize) -> bool {
        if let Some(progress) = &self.progress {
            progress(Progress { work, done, total });
        }
        !self.is_stopped()
    }

    /// Whether the work shall stop, without a report.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop())
    }
}
