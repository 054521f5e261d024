//! Optimizers whose state comes back in its own type.

use burn::optim::{
    Adam, AdamW, Adan, Lamb, LearningRate, Lion, Optimizer, RecordState, StateSink, StateSource,
    join_path,
};
use burn::tensor::{Device, Tensor, TensorData};
use burn_pack::Scalar;

/// The scalar by which a record says that its tensors come back in their types.
pub(super) const MARK: &str = "__exact";

/// An optimizer whose state is restored in the type in which it was saved.
///
/// Burn 0.22 restores the moments of every optimizer in the default type of the device: those of a bf16 model come back
/// as f32, which the next step refuses, and those of an f64 model lose half their bits. This keeps the type of each
/// tensor, and changes nothing else: a step is the optimizer's own. It works in a [`Checkpoint`](super::Checkpoint), in
/// Burn's `SupervisedTraining`, and by `to_record` and `load_record`.
///
/// It serves the optimizers whose states Burn lets others build: [`Adam`], [`AdamW`], [`Adan`], [`Lamb`], [`Lion`]. For another one,
/// implement [`ExactState`]; plain `Sgd` without momentum has no tensors and needs none. A model whose type is the
/// device's default, f32 or what `Device::configure` was told, needs none either.
///
/// ```
/// use burn::optim::{AdamWConfig, ModuleOptimizer};
/// use regimen_tensor::checkpoint::Exact;
///
/// let optim = ModuleOptimizer::from(Exact(AdamWConfig::new().build()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact<O>(
    /// The optimizer.
    pub O,
);

/// An optimizer that names the tensors of its state.
pub trait ExactState: Optimizer {
    /// Where each tensor stands in a record, below the parameter's id: `"momentum.moment_1"`.
    const NAMES: &'static [&'static str];

    /// The same tensors, in the same order; `None` for one that this state has not.
    fn tensors<const D: usize>(state: &mut Self::State<D>) -> Vec<Option<&mut Tensor<D>>>;
}

/// The state of an optimizer, with the types of its tensors.
pub struct StateOf<O: Optimizer, const D: usize>(O::State<D>);

impl<O: Optimizer, const D: usize> Clone for StateOf<O, D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<O: Optimizer, const D: usize> std::fmt::Debug for StateOf<O, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateOf").finish_non_exhaustive()
    }
}

impl<O: ExactState, const D: usize> RecordState for StateOf<O, D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        self.0.state_flatten(prefix, out);
        out.push_scalar(prefix, MARK, Scalar::Bool(true));
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        let names = O::NAMES.iter();
        let saved: Vec<Option<TensorData>> = names
            .map(|name| {
                let data = source.take_tensor(prefix, name)?;
                source.insert_tensor(join_path(prefix, name), data.clone());
                Some(data)
            })
            .collect();
        let mut state = O::State::<D>::state_unflatten(prefix, source, device)?;
        for (place, data) in O::tensors(&mut state).into_iter().zip(saved) {
            if let (Some(place), Some(data)) = (place, data) {
                if data.rank() != D {
                    return None;
                }
                let dtype = data.dtype();
                *place = Tensor::from_data(data, (device, dtype));
            }
        }
        Some(Self(state))
    }
}

impl<O: ExactState> Optimizer for Exact<O> {
    type State<const D: usize> = StateOf<O, D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let (tensor, state) = self.0.step(rate, tensor, grad, state.map(|state| state.0));
        (tensor, state.map(StateOf))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        StateOf(O::to_device(state.0, device))
    }
}

macro_rules! exact {
    ($($optimizer:ty => |$state:ident| { $($name:literal: $tensor:expr),+ $(,)? })+) => {$(
        impl ExactState for $optimizer {
            const NAMES: &'static [&'static str] = &[$($name),+];

            fn tensors<const D: usize>($state: &mut Self::State<D>) -> Vec<Option<&mut Tensor<D>>> {
                vec![$($tensor),+]
            }
        }
    )+};
}

exact! {
    Adam => |state| {
        "momentum.moment_1": Some(&mut state.momentum.moment_1),
        "momentum.moment_2": Some(&mut state.momentum.moment_2),
        "momentum.max_moment_2": state.momentum.max_moment_2.as_mut(),
    }
    AdamW => |state| {
        "momentum.moment_1": Some(&mut state.momentum.moment_1),
        "momentum.moment_2": Some(&mut state.momentum.moment_2),
        "momentum.max_moment_2": state.momentum.max_moment_2.as_mut(),
    }
    Adan => |state| {
        "momentum.exp_avg": Some(&mut state.momentum.exp_avg),
        "momentum.exp_avg_sq": Some(&mut state.momentum.exp_avg_sq),
        "momentum.exp_avg_diff": Some(&mut state.momentum.exp_avg_diff),
        "momentum.neg_pre_grad": Some(&mut state.momentum.neg_pre_grad),
    }
    Lamb => |state| {
        "moment_1": Some(&mut state.moment_1),
        "moment_2": Some(&mut state.moment_2),
    }
    Lion => |state| {
        "momentum": Some(&mut state.momentum),
    }
}
