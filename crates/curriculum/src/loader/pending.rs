//! Losses on their way from the devices to the sampler.

use burn::tensor::{DType, Tensor};

use super::sample::Rejected;
use crate::error::{CurriculumError, Result};
use crate::sampler::Sampler;

/// The examples of batches and their losses, `[batch]`, each on the device where it was made.
#[derive(Default)]
pub(super) struct Pending(Vec<(Vec<usize>, Tensor<1>)>);

/// Losses on the host, in rising order of their examples.
#[derive(Default)]
pub(super) struct Losses {
    ids: Vec<usize>,
    losses: Vec<f32>,
    rejected: Rejected,
    /// The first thing that was wrong; what it belongs to was left out.
    error: Option<CurriculumError>,
}

impl Pending {
    pub(super) fn note(&mut self, ids: Vec<usize>, losses: Tensor<1>) {
        self.0.push((ids, losses));
    }

    /// Reads all losses: one transfer a device.
    pub(super) fn read(self, examples: usize) -> Losses {
        let mut read = Losses::default();
        let mut devices: Vec<(Vec<usize>, Vec<Tensor<1>>)> = Vec::new();
        for (ids, losses) in self.0 {
            if let Err(error) = check(examples, &ids, &losses) {
                read.error.get_or_insert(error);
                continue;
            }
            let losses = losses.cast(DType::F32);
            let device = losses.device();
            let same = |(_, parts): &&mut (Vec<usize>, Vec<Tensor<1>>)| parts[0].device() == device;
            match devices.iter_mut().find(same) {
                Some((all, parts)) => {
                    all.extend(ids);
                    parts.push(losses);
                }
                None => devices.push((ids, vec![losses])),
            }
        }
        let mut pairs = Vec::new();
        for (ids, parts) in devices {
            match Tensor::cat(parts, 0).try_into_vec_as::<f32>() {
                Ok(losses) => pairs.extend(ids.into_iter().zip(losses)),
                Err(error) => {
                    let error = CurriculumError::Read(error.to_string());
                    read.error.get_or_insert(error);
                }
            }
        }
        // Devices note their losses in an order of chance; what the sampler learns must not depend on it.
        pairs.sort_by_key(|(id, _)| *id);
        for (id, loss) in pairs {
            read.take(id, loss);
        }
        read
    }
}

fn check(examples: usize, ids: &[usize], losses: &Tensor<1>) -> Result<()> {
    let found = losses.dims()[0];
    if ids.len() != found {
        let (ids, losses) = (ids.len(), found);
        return Err(CurriculumError::Lengths { ids, losses });
    }
    match ids.iter().find(|id| **id >= examples) {
        Some(id) => Err(CurriculumError::UnknownExample { id: *id, examples }),
        None => Ok(()),
    }
}

impl Losses {
    fn take(&mut self, id: usize, loss: f32) {
        if loss.is_finite() {
            self.ids.push(id);
            self.losses.push(loss);
            return;
        }
        tracing::warn!(example = id, loss, "a loss that is not finite is left out");
        self.rejected.losses += 1;
        self.rejected.last = Some(id);
    }

    /// Gives the sampler what is sound, and counts the rest.
    ///
    /// # Errors
    /// What was wrong apart from losses that are not finite.
    pub(super) fn teach(self, sampler: &mut impl Sampler, rejected: &mut Rejected) -> Result<()> {
        rejected.losses += self.rejected.losses;
        rejected.last = self.rejected.last.or(rejected.last);
        if !self.ids.is_empty() {
            sampler.observe(&self.ids, &self.losses)?;
        }
        self.error.map_or(Ok(()), Err)
    }
}
