//! # teacher
//!
//! An earlier state of a model, from which a copy is made when it is needed.
//!
//! Source: the frozen network of learning without forgetting (arXiv 1606.09282).

use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};
use regimen_tensor::ParamVector;

use crate::Result;
use crate::penalties;
use crate::saved::Saved;

/// Parameters and running statistics of a model, as they were.
#[derive(Clone, Debug)]
pub(crate) struct Teacher(ParamVector);

impl Teacher {
    /// The model as it is now.
    pub(crate) fn of<M: Module>(model: &M) -> Result<Self> {
        let state = ParamVector::state(model).widened();
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

    /// Values that are kept.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn write(&self, name: &str, saved: Saved) -> Result<Saved> {
        saved.with(name, &self.0)
    }

    pub(crate) fn read(name: &str, saved: &Saved, space: &ParamVector) -> Result<Option<Self>> {
        Ok(saved.vector(name, space)?.map(Self))
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
pub(crate) fn classes<B: crate::Examples>(
    data: &dyn burn::data::dataloader::DataLoader<B>,
) -> Result<std::collections::BTreeSet<usize>> {
    let mut classes = std::collections::BTreeSet::new();
    for batch in data.iter() {
        classes.extend(labels(&batch?)?);
    }
    match classes.is_empty() {
        true => Err(crate::ContinualError::Empty("the data of a task")),
        false => Ok(classes),
    }
}

/// The labels of a batch on the host: one read.
pub(crate) fn labels<B: crate::Examples>(batch: &B) -> Result<Vec<usize>> {
    let labels: Vec<i64> = crate::examples::read("labels", batch.labels().try_into_vec_as())?;
    let labels = labels.into_iter().map(|label| {
        usize::try_from(label)
            .map_err(|_| crate::ContinualError::range("label", label, "0 or more"))
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
