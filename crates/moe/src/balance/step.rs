//! What a balance has counted in one optimizer step.

use std::thread::ThreadId;

use burn::tensor::{DType, Device, Tensor, TensorData};
use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use super::Load;
use crate::Result;
use crate::error::{MoeError, most_experts, read};

/// The counts of the current optimizer step: plain data, to stop and go on with.
///
/// What is read is checked: each count is a number from 0 to 2^53, and there are at most 65,536 of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct BalanceState {
    /// Assignments of each expert over all participants since the step began; empty at its start.
    pub counts: Vec<f64>,
}

/// What was counted since the step began.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    /// What was exchanged or restored.
    pub(super) known: BalanceState,
    /// What was counted since, one tensor a thread and device.
    pub(super) counted: Vec<Counted>,
}

#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) thread: ThreadId,
    pub(super) device: Device,
    pub(super) counts: Tensor<1>,
}

impl Checked for BalanceState {
    type Error = MoeError;

    fn check(&self) -> Result<()> {
        most_experts(self.counts.len())?;
        refuse_bad(&self.counts)
    }
}

regimen_tensor::checked_serde!(BalanceState);

impl Step {
    /// The number of experts, if anything was counted.
    pub(super) fn experts(&self) -> Option<usize> {
        let known = Some(self.known.counts.len()).filter(|count| *count > 0);
        known.or_else(|| self.counted.first().map(|counted| counted.counts.dims()[0]))
    }

    pub(super) fn check(&self, load: &Load) -> Result<()> {
        let ([experts], [probabilities]) = (load.counts.dims(), load.probabilities.dims());
        for (field, found, wanted) in [
            ("counts", experts, self.experts().unwrap_or(experts)),
            ("probabilities", probabilities, experts),
        ] {
            if found != wanted {
                return Err(MoeError::shape(field, &[found], format!("[{wanted}]")));
            }
        }
        let [tokens] = load.tokens.dims();
        if tokens != 1 {
            return Err(MoeError::shape("tokens", &[tokens], "[1]"));
        }
        Ok(())
    }

    /// All counts, on the host. One reading a device and thread.
    pub(super) fn total(&self) -> Result<Vec<f64>> {
        let mut total = self.known.counts.clone();
        for counted in &self.counted {
            let counts = read("counts", counted.counts.clone())?;
            refuse_bad(&counts)?;
            total.resize(counts.len(), 0.0);
            total
                .iter_mut()
                .zip(counts)
                .for_each(|(sum, new)| *sum += new);
        }
        Ok(total)
    }
}

impl BalanceState {
    /// Counts on a device with these.
    pub(super) fn plus(&self, counted: Tensor<1>) -> Tensor<1> {
        if self.counts.is_empty() {
            return counted;
        }
        let known = on(&self.counts, &counted.device());
        counted + known
    }
}

/// Numbers on a device, in float32.
pub(super) fn on(values: &[f64], device: &Device) -> Tensor<1> {
    let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), (device, DType::F32))
}

/// From here on float64 has no longer every whole number.
const MOST: f64 = 9_007_199_254_740_992.0;

pub(super) fn refuse_bad(counts: &[f64]) -> Result<()> {
    let bad = counts.iter().find(|count| !(0.0..=MOST).contains(*count));
    bad.map_or(Ok(()), |bad| {
        Err(MoeError::range("counts", bad, "numbers from 0 to 2^53"))
    })
}
