//! Losses on their way from the devices to the sampler.

use burn::tensor::{DType, Tensor};

use super::sample::{NotedLosses, Rejected};
use crate::error::{CurriculumError, Result};
use crate::sampler::Sampler;

/// Losses of batches, in the order in which they were noted: those that were read, then those on the devices where they were made.
#[derive(Default)]
pub(super) struct Pending {
    read: NotedLosses,
    on_devices: Vec<(Vec<usize>, Tensor<1>)>,
    /// The first thing that was wrong and was not told yet; what it belongs to was left out.
    failed: Option<CurriculumError>,
}

impl From<NotedLosses> for Pending {
    fn from(read: NotedLosses) -> Self {
        Self {
            read,
            ..Self::default()
        }
    }
}

impl Pending {
    /// Notes losses, `[batch]`.
    ///
    /// # Errors
    /// If there are not as many as examples, or one is of an example that there is not. They are left out, and the error is kept too.
    pub(super) fn note(
        &mut self,
        examples: usize,
        ids: Vec<usize>,
        losses: Tensor<1>,
    ) -> Result<()> {
        let checked = check(examples, &ids, &losses);
        match &checked {
            Ok(()) => self.on_devices.push((ids, losses)),
            Err(error) => self.fail(error.clone()),
        }
        checked
    }

    fn fail(&mut self, error: CurriculumError) {
        self.failed.get_or_insert(error);
    }

    /// What was wrong since it was asked last.
    pub(super) fn failure(&mut self) -> Option<CurriculumError> {
        self.failed.take()
    }

    /// What is on devices, to be read without holding a lock.
    pub(super) fn take_unread(&mut self) -> Unread {
        Unread(std::mem::take(&mut self.on_devices))
    }

    /// What was read goes behind what was read before.
    pub(super) fn put(&mut self, read: NotedLosses, failed: Option<CurriculumError>) {
        self.read.ids.extend(read.ids);
        self.read.losses.extend(read.losses);
        if let Some(error) = failed {
            self.fail(error);
        }
    }

    /// The losses that were read.
    pub(super) fn read(&self) -> &NotedLosses {
        &self.read
    }

    pub(super) fn take_read(&mut self) -> NotedLosses {
        std::mem::take(&mut self.read)
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

/// Losses on their devices.
pub(super) struct Unread(Vec<(Vec<usize>, Tensor<1>)>);

impl Unread {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads all losses, one transfer a device; they stay in the order in which they were noted. What a device does not return is left
    /// out.
    pub(super) fn read(self) -> (NotedLosses, Option<CurriculumError>) {
        let mut parts: Vec<(Vec<usize>, Vec<f32>)> = Vec::with_capacity(self.0.len());
        let mut devices: Vec<(Vec<usize>, Vec<Tensor<1>>)> = Vec::new();
        for (ids, losses) in self.0 {
            let losses = losses.cast(DType::F32);
            let device = losses.device();
            let same = |(_, own): &&mut (Vec<usize>, Vec<Tensor<1>>)| own[0].device() == device;
            let part = parts.len();
            parts.push((ids, Vec::new()));
            match devices.iter_mut().find(same) {
                Some((places, own)) => {
                    places.push(part);
                    own.push(losses);
                }
                None => devices.push((vec![part], vec![losses])),
            }
        }
        let mut failed = None;
        for (places, own) in devices {
            match Tensor::cat(own, 0).try_into_vec_as::<f32>() {
                Ok(losses) => {
                    let mut losses = losses.into_iter();
                    for place in places {
                        let (ids, own) = &mut parts[place];
                        own.extend(losses.by_ref().take(ids.len()));
                    }
                }
                Err(error) => {
                    failed.get_or_insert(CurriculumError::Read(error.to_string()));
                }
            }
        }
        let mut read = NotedLosses::default();
        for (ids, losses) in parts {
            if losses.len() == ids.len() {
                read.ids.extend(ids);
                read.losses.extend(losses);
            }
        }
        (read, failed)
    }
}

impl NotedLosses {
    /// How many are not finite, and the last of them.
    pub(super) fn rejected(&self) -> Rejected {
        let pairs = self.ids.iter().zip(&self.losses);
        let mut rejected = Rejected::default();
        for (id, _) in pairs.filter(|(_, loss)| !loss.is_finite()) {
            rejected.losses += 1;
            rejected.last = Some(*id);
        }
        rejected
    }

    /// Gives the sampler those that are finite, in rising order of their examples: devices note their losses in an order of chance, and
    /// what the sampler learns must not depend on it.
    ///
    /// # Errors
    /// The sampler's.
    pub(super) fn teach(self, sampler: &mut impl Sampler) -> Result<()> {
        let pairs = self.ids.into_iter().zip(self.losses);
        let mut finite: Vec<(usize, f32)> = pairs.filter(|(_, loss)| loss.is_finite()).collect();
        if finite.is_empty() {
            return Ok(());
        }
        finite.sort_by_key(|(id, _)| *id);
        let (ids, losses): (Vec<usize>, Vec<f32>) = finite.into_iter().unzip();
        sampler.observe(&ids, &losses)
    }
}

impl Rejected {
    /// With those that came after.
    pub(super) fn and(self, later: Self) -> Self {
        Self {
            losses: self.losses.saturating_add(later.losses),
            last: later.last.or(self.last),
        }
    }

    /// As an error, if there is one.
    pub(super) fn error(self) -> Option<CurriculumError> {
        let Self { losses, last } = self;
        let last = last.filter(|_| losses > 0)?;
        Some(CurriculumError::Rejected { losses, last })
    }
}
