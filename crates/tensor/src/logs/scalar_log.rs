//! A log of single numbers of the device.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::updates::{Stamp, Updates};
use crate::checkpoint::{Part, PartError, json};
use crate::error::{Result, TensorError};

/// Values that are read from a device together, so that a long run holds few small tensors.
const CHUNK: usize = 512;

/// A log of numbers on the device, one entry an update of the optimizer: of the training loss, for instance.
///
/// [`observe`](Self::observe) takes a number, once a micro-batch and on each device, in [`TrainStep::step`];
/// [`end_update`](Self::end_update) closes the entry, in [`TrainStep::optimize`] or `optimize_multi`. An entry is the mean of
/// all that was observed for its update, so a log has as many entries as the scheduler has steps and
/// [`GradientNorms`](super::GradientNorms) has norms:
///
/// ```text
/// fn step(&self, batch: Batch) -> TrainOutput<Output> {
///     let output = self.forward(batch);
///     self.losses.observe(output.loss.clone());
///     TrainOutput::new(self, output.loss.backward(), output)
/// }
///
/// fn optimize(self, optim: &mut ModuleOptimizer, lr: ModuleLearningRate, grads: GradientsParams) -> Self {
///     self.losses.end_update(&self);
///     optim.step(lr, self, grads)
/// }
/// ```
///
/// It reads nothing when it is called, and 512 numbers in one transfer after so many calls. Numbers are kept in f32, whatever
/// their type. Clones share the log, those on other devices too. A log serves one set of devices: a run that goes on elsewhere
/// [resumes](Self::resume) one from the values. What was observed of a window of micro-batches that Burn drops, at the end of an
/// epoch, counts with the next update.
///
/// [`TrainStep::step`]: https://docs.rs/burn/latest/burn/train/trait.TrainStep.html
/// [`TrainStep::optimize`]: https://docs.rs/burn/latest/burn/train/trait.TrainStep.html
#[derive(Clone, Default)]
pub struct ScalarLog {
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    resumed: Vec<f64>,
    updates: Updates,
    /// By their place: the devices, and what is still on them. No tensor of one meets one of another.
    devices: Vec<(Device, Vec<Pending>)>,
    calls: u64,
}

#[derive(Clone)]
struct Pending {
    call: u64,
    stamp: Stamp,
    value: Tensor<1>,
}

impl std::fmt::Debug for ScalarLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScalarLog({} updates)", self.len())
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
        new.lock().resumed = values;
        new
    }

    /// Logs a value `[1]`, or the mean of several, for the update that is under way; without its graph.
    ///
    /// A read that fails is kept for [`values`](Self::values) to report.
    pub fn observe(&self, value: Tensor<1>) {
        let value = value.detach();
        let value = if value.dims() == [1] {
            value
        } else {
            value.mean()
        };
        let value = value.cast(DType::F32);
        let full = {
            let mut log = self.lock();
            let device = log.device(value.device());
            let stamp = log.updates.stamp(device);
            log.calls += 1;
            let call = log.calls;
            let pending = &mut log.devices[device].1;
            pending.push(Pending { call, stamp, value });
            pending.len() >= CHUNK
        };
        if full && self.flush().is_err() {
            // The pending tensors stay, so that the next read fails again and is reported.
            tracing::warn!("logged values could not be read from the device");
        }
    }

    /// Closes the entry of an update: call it once for each call of `TrainStep::optimize` or `optimize_multi`, with the model,
    /// whose device tells whose update it is.
    pub fn end_update<M: Module>(&self, model: &M) {
        if let Some(device) = model.devices().into_iter().next() {
            self.end_update_on(device);
        }
    }

    pub(super) fn end_update_on(&self, device: Device) {
        let mut log = self.lock();
        let device = log.device(device);
        log.updates.end(device);
    }

    /// All values so far, one for each update that has ended; NaN for one in which nothing was observed. Reads what is pending
    /// from the devices.
    ///
    /// # Errors
    /// If a device fails.
    pub fn values(&self) -> Result<Vec<f64>> {
        self.flush()?;
        let log = self.lock();
        let mut values = log.resumed.clone();
        values.extend(log.updates.means());
        Ok(values)
    }

    /// The number of updates that were logged.
    #[must_use]
    pub fn len(&self) -> usize {
        let log = self.lock();
        log.resumed.len() + log.updates.count()
    }

    /// Whether nothing was logged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Becomes a log that goes on from these values, for all clones.
    pub(super) fn restart(&self, values: Vec<f64>) {
        let mut log = self.lock();
        // Calls go on, so that a read that is under way finds nothing of its own.
        let calls = log.calls;
        *log = Log {
            resumed: values,
            calls,
            ..Log::default()
        };
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is pending, one transfer a device, and holds no lock while it waits for one.
    fn flush(&self) -> Result<()> {
        let pending: Vec<Vec<Pending>> = {
            let log = self.lock();
            log.devices.iter().map(|(_, kept)| kept.clone()).collect()
        };
        for (device, pending) in pending.into_iter().enumerate() {
            if pending.is_empty() {
                continue;
            }
            let all = pending.iter().map(|one| one.value.clone()).collect();
            let values = Tensor::cat(all, 0).try_into_vec_as::<f32>();
            let values = values.map_err(|reason| TensorError::Read {
                what: "logged values".into(),
                reason: reason.to_string(),
            })?;
            let mut log = self.lock();
            let log = &mut *log;
            // Another thread may have read some of them meanwhile.
            let Some((_, kept)) = log.devices.get_mut(device) else {
                return Ok(()); // The log was restarted meanwhile.
            };
            let still: BTreeSet<u64> = kept.iter().map(|one| one.call).collect();
            for (one, value) in pending.iter().zip(values) {
                if still.contains(&one.call) {
                    log.updates.add(device, one.stamp, f64::from(value));
                }
            }
            let read: BTreeSet<u64> = pending.iter().map(|one| one.call).collect();
            kept.retain(|one| !read.contains(&one.call));
        }
        Ok(())
    }
}

/// What a log saves.
#[derive(Serialize, Deserialize)]
struct Saved {
    #[serde(with = "crate::floats")]
    values: Vec<f64>,
}

/// The values of the updates that have ended; what was observed of one that is under way is not saved. Clones restore what they share.
impl Part for ScalarLog {
    fn kind(&self) -> String {
        "scalar log 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        let values = self.values()?;
        json::save(&Saved { values })
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        let Saved { values } = json::load(bytes)?;
        self.restart(values);
        Ok(())
    }
}

impl Log {
    /// The place of a device.
    fn device(&mut self, device: Device) -> usize {
        let device = device.inner();
        let known = self.devices.iter().position(|(known, _)| *known == device);
        known.unwrap_or_else(|| {
            self.devices.push((device, Vec::new()));
            self.devices.len() - 1
        })
    }
}
