//! A log of single numbers of the device.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;

use crate::error::{Result, TensorError};

/// Values that are read from the device together, so that a long run holds few small tensors.
const CHUNK: usize = 512;

/// A log of numbers on the device, one an update: of the training loss, for instance, in [`TrainStep::step`].
///
/// It reads nothing when it is called, and 512 numbers in one transfer after so many calls. Clones share the log.
///
/// [`TrainStep::step`]: https://docs.rs/burn/latest/burn/train/trait.TrainStep.html
#[derive(Clone, Default)]
pub struct ScalarLog {
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    read: Vec<f64>,
    pending: Vec<Tensor<1>>,
}

impl std::fmt::Debug for ScalarLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScalarLog({} values)", self.len())
    }
}

impl ScalarLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A log that goes on from values that were saved.
    #[must_use]
    pub fn resume(values: Vec<f64>) -> Self {
        let new = Self::new();
        new.lock().read = values;
        new
    }

    /// Logs a value `[1]`, without its graph.
    ///
    /// A read that fails is kept for [`values`](Self::values) to report.
    pub fn observe(&self, value: Tensor<1>) {
        let mut log = self.lock();
        log.pending.push(value.detach());
        if log.pending.len() >= CHUNK && log.flush().is_err() {
            // The pending tensors stay, so that the next read fails again and is reported.
            tracing::warn!("logged values could not be read from the device");
        }
    }

    /// All values so far. Reads what is pending from the device.
    ///
    /// # Errors
    /// If the device fails.
    pub fn values(&self) -> Result<Vec<f64>> {
        let mut log = self.lock();
        log.flush()?;
        Ok(log.read.clone())
    }

    /// The number of values that were logged.
    #[must_use]
    pub fn len(&self) -> usize {
        let log = self.lock();
        log.read.len() + log.pending.len()
    }

    /// Whether nothing was logged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let all = Tensor::cat(self.pending.clone(), 0);
        let values = all.try_into_vec_as::<f32>();
        let values = values.map_err(|reason| TensorError::Read {
            what: "logged values".into(),
            reason: reason.to_string(),
        })?;
        self.read.extend(values.into_iter().map(f64::from));
        self.pending.clear();
        Ok(())
    }
}
