//! Copies of models to measure on, and gradients that are checked.

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, FloatDType, Tensor};
use regimen_tensor::{ParamVector, independent};

use crate::error::{Result, UnlearningError};

/// A copy with running statistics of its own.
///
/// A parameter that is drawn at its first use shares its state with its copies until then: it is drawn here, or the
/// original would draw other values later.
pub(crate) fn own<M: Module>(model: &M) -> M {
    let _ = ParamVector::of(model);
    independent(model)
}

/// A copy of a model as it is used for inference: no gradient, dropout off, running statistics in batch normalisation, and
/// these its own.
pub(crate) fn reference<M: Module>(model: &M) -> M {
    own(model).freeze()
}

/// A copy on which gradients are measured: dropout off, running statistics in batch normalisation, but parameters that
/// require their gradient still do. The original and its statistics stay.
pub(crate) fn measured<M: Module>(model: &M) -> M {
    struct Off;
    impl ModuleMapper for Off {
        fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
            flag.with_value(false)
        }
    }
    own(model).map(&mut Off)
}

/// [`measured`], of a model in which a parameter requires its gradient.
pub(crate) fn trainable<M: Module>(model: &M) -> Result<M> {
    struct Tracked(bool);
    impl ModuleVisitor for Tracked {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 |= param.val().is_require_grad();
        }
    }
    let model = measured(model);
    let mut tracked = Tracked(false);
    model.visit(&mut tracked);
    if tracked.0 {
        Ok(model)
    } else {
        Err(UnlearningError::NoGradient)
    }
}

/// The gradients of a loss, `[1]`, in a model's parameters.
pub(crate) fn gradients<M: Module>(loss: &Tensor<1>, model: &M) -> Result<GradientsParams> {
    if loss.is_tracked() {
        return Ok(GradientsParams::from_grads(loss.backward(), model));
    }
    Err(UnlearningError::NoGradient)
}

/// The sum over batches of `f` of each batch's gradient, in f32 at least, and the number of batches. Gradients are taken
/// as in inference, and the model stays as it is.
///
/// # Errors
/// If there is no batch in the set, a loss carries no gradient, or one is not finite, which is read once, at the end.
pub(crate) fn sum_of_gradients<M: Module, B>(
    set: &'static str,
    model: &M,
    batches: impl IntoIterator<Item = B>,
    mut loss: impl FnMut(&M, B) -> Tensor<1>,
    f: impl Fn(Tensor<1>) -> Tensor<1>,
) -> Result<(ParamVector, usize)> {
    let model = &measured(model);
    let (mut sum, mut count) = (ParamVector::of(model).widened().zeros_like(), 0);
    let mut losses: Option<Tensor<1>> = None;
    for batch in batches {
        let loss = loss(model, batch);
        let grads = gradients(&loss, model)?;
        // 0, or NaN: gradients may be finite where the loss is not.
        let loss = (widen(loss.inner()) * 0.0).sum();
        losses = Some(losses.map_or(loss.clone(), |sum| sum + loss));
        let gradient = ParamVector::gradients(model, &grads).widened();
        sum = gradient.map(|_, gradient| f(gradient)).add(&sum)?;
        count += 1;
    }
    if count == 0 {
        return Err(UnlearningError::Empty(set));
    }
    if losses.is_some_and(|losses| losses.into_scalar::<f64>().is_nan()) {
        return Err(UnlearningError::NotFinite(set));
    }
    Ok((sum, count))
}

/// Whether a loss, `[1]`, and all gradients are finite; one read-back.
pub(crate) fn finite_step<M: Module>(loss: &Tensor<1>, model: &M, grads: &GradientsParams) -> bool {
    let norm = ParamVector::gradients(model, grads).l1();
    let loss = widen(loss.clone().inner());
    let both = norm.cast(loss.dtype()) + loss.abs();
    both.into_scalar::<f64>().is_finite()
}

/// Whether all parameters and running statistics are finite; one read-back a device.
pub(crate) fn finite_model<M: Module>(model: &M) -> bool {
    ParamVector::state(model)
        .l1()
        .into_scalar::<f64>()
        .is_finite()
}

/// f32 for half precision; f32 and f64 as they are.
pub(crate) fn widen<const D: usize>(values: Tensor<D>) -> Tensor<D> {
    match values.dtype() {
        DType::F32 | DType::F64 => values,
        _ => values.cast(FloatDType::F32),
    }
}
