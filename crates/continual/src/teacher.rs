//! An earlier state of a model, from which a copy is made when it is needed, and the classes that it knows.

use std::collections::BTreeSet;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};
use regimen_tensor::ParamVector;
use serde::{Deserialize, Serialize};

use crate::examples::{Examples, read};
use crate::penalties;
use crate::saved::Saved;
use crate::{ContinualError, Result};

/// Parameters and running statistics of a model, as they were.
#[derive(Clone, Debug)]
pub(crate) struct Teacher(ParamVector);

impl Teacher {
    /// The model as it is now.
    pub(crate) fn of<M: Module>(model: &M) -> Result<Self> {
        let state = ParamVector::state(model).map(|_, values| values.cast(FloatDType::F32));
        penalties::finite("the weights of the earlier model", &state)?;
        Ok(Self(state))
    }

    /// The parameters and statistics of a model, all zero, in f32: what [`read`](Self::read) needs.
    pub(crate) fn space<M: Module>(model: &M) -> ParamVector {
        ParamVector::state(model).map(|_, values| {
            let zero = Tensor::<1>::zeros([1], (&values.device(), FloatDType::F32.into()));
            zero.expand(values.shape())
        })
    }

    /// The earlier model, on the plain device of `like`, with statistics of its own and in validation mode. It is fed with
    /// [`Examples::inner`](crate::Examples::inner).
    pub(crate) fn model<M: Module>(&self, like: &M) -> Result<M> {
        let copy = like.valid();
        let state = self.0.rebound(&ParamVector::state(&copy))?;
        Ok(state.write_to(copy)?)
    }

    pub(crate) fn write(&self, name: &str, saved: Saved) -> Result<Saved> {
        saved.with(name, &self.0)
    }

    pub(crate) fn read(name: &str, saved: &Saved, space: &ParamVector) -> Result<Option<Self>> {
        Ok(saved.vector(name, space)?.map(Self))
    }
}

/// The classes that a method has met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Classes {
    /// Those of the tasks that ended.
    pub(crate) old: BTreeSet<usize>,
    /// Those of the running task: as the user told, else as they are seen.
    pub(crate) current: BTreeSet<usize>,
    told: bool,
}

impl Classes {
    pub(crate) fn begin(&mut self, classes: &[usize]) {
        self.current = classes.iter().copied().collect();
        self.told = !classes.is_empty();
    }

    /// Whether the labels of batches are to be looked at.
    pub(crate) fn unknown(&self) -> bool {
        !self.told
    }

    pub(crate) fn end(&mut self, classes: &BTreeSet<usize>) {
        self.old.extend(classes);
        (self.current, self.told) = (BTreeSet::new(), false);
    }

    /// Old and current ones, in ascending order.
    pub(crate) fn all(&self) -> Vec<usize> {
        self.old.union(&self.current).copied().collect()
    }
}

/// A plain tensor as a constant on the device of `like`, on its tape if it has one.
pub(crate) fn constant<const D: usize, const E: usize>(
    values: Tensor<D>,
    like: &Tensor<E>,
) -> Tensor<D> {
    match like.is_autodiff() {
        true => Tensor::from_inner(values.to_device(&like.device().inner())),
        false => values.to_device(&like.device()),
    }
}

/// Distinct labels of a loader's data, in ascending order: one pass over it.
pub(crate) fn classes<B: Examples>(data: &dyn DataLoader<B>) -> Result<BTreeSet<usize>> {
    let mut classes = BTreeSet::new();
    for batch in data.iter() {
        classes.extend(labels(&batch?)?);
    }
    match classes.is_empty() {
        true => Err(ContinualError::Empty("the data of a task")),
        false => Ok(classes),
    }
}

/// The labels of a batch on the host: one read.
pub(crate) fn labels<B: Examples>(batch: &B) -> Result<Vec<usize>> {
    let labels: Vec<i64> = read("labels", batch.labels().try_into_vec_as())?;
    let labels = labels.into_iter().map(|label| {
        usize::try_from(label).map_err(|_| ContinualError::range("label", label, "0 or more"))
    });
    labels.collect()
}

/// The device of a plain copy of what lies on `device`.
pub(crate) fn plain(device: &Device) -> Device {
    match device.is_autodiff() {
        true => device.clone().inner(),
        false => device.clone(),
    }
}
