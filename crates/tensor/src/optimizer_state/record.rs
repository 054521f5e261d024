//! An optimizer's record, taken apart into the tensors of its states and put together again without a copy.
//!
//! Burn's record keeps its tensors to itself. It hands them to the optimizer that loads it and takes them from the one that
//! it is made of: here that is one which only keeps them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::ParamGroup;
use burn::optim::{
    DynOptimizer, DynState, LearningRate, ModuleOptimizer, OptimizerRecord, SgdConfig, StateSink,
    StateSource,
};
use burn::tensor::kind::BridgeTensor;
use burn::tensor::{Device, TensorData};
use burn_pack::Scalar;

/// The tensors in the states of Burn's optimizers. A state can only be asked for what one can name.
const TENSORS: [&str; 18] = [
    "centered.avg",
    "centered.grad_avg",
    "column_second_moment",
    "lr_decay.sum",
    "moment_1",
    "moment_2",
    "momentum",
    "momentum.buf",
    "momentum.exp_avg",
    "momentum.exp_avg_diff",
    "momentum.exp_avg_sq",
    "momentum.max_moment_2",
    "momentum.moment_1",
    "momentum.moment_2",
    "momentum.neg_pre_grad",
    "momentum.velocity",
    "second_moment",
    "square_avg.square_avg",
];

/// The scalars in the states of Burn's optimizers.
const SCALARS: [&str; 3] = ["lr_decay.time", "momentum.time", "time"];

/// One parameter's state.
#[derive(Debug)]
pub(super) struct State {
    /// The parameter's id.
    pub(super) id: u64,
    /// Its tensors, by their names in [`TENSORS`].
    pub(super) tensors: Vec<(&'static str, TensorData)>,
    scalars: Vec<(&'static str, Scalar)>,
}

/// The states of a record, by the ids of their parameters as text.
pub(super) struct Opened {
    states: Kept,
    holder: ModuleOptimizer,
}

impl Opened {
    /// Takes a record apart; none if there is something in it that has no known name, as in states of an optimizer that is
    /// not one of Burn's.
    pub(super) fn of(record: OptimizerRecord) -> Option<Self> {
        let states = Kept::default();
        let everything = ParamGroup::all();
        let holder = SgdConfig::new().init();
        let holder = holder.with_group(everything, states.clone(), None);
        // How many tensors and scalars there are; one more scalar a state is its rank.
        let held = format!("{record:?}");
        let holder = holder.load_record(record);
        let opened = Self { states, holder };
        let (mut tensors, mut scalars) = (0, 0);
        for state in opened.states.lock().values() {
            tensors += state.tensors.len();
            scalars += state.scalars.len() + 1;
        }
        let found = format!("OptimizerRecord {{ num_tensors: {tensors}, num_scalars: {scalars} }}");
        (held == found).then_some(opened)
    }

    /// The states, in the order of their ids as text.
    pub(super) fn states(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.states.lock()
    }

    /// The record of the states as they are.
    pub(super) fn close(self) -> OptimizerRecord {
        self.holder.to_record()
    }
}

/// An optimizer that keeps what it loads, and gives it away when it is saved.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, State>>>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DynOptimizer for Kept {
    fn step_dyn(
        &self,
        _rank: usize,
        _lr: LearningRate,
        tensor: BridgeTensor,
        _grad: BridgeTensor,
        state: Option<DynState>,
    ) -> (BridgeTensor, Option<DynState>) {
        (tensor, state)
    }

    fn to_device_dyn(&self, state: DynState, _device: &Device) -> DynState {
        state
    }

    fn state_flatten(&self, prefix: &str, _state: &DynState, out: &mut StateSink) {
        let Some(state) = self.lock().remove(prefix) else {
            return;
        };
        for (name, data) in state.tensors {
            out.push_tensor(prefix, name, data);
        }
        for (name, value) in state.scalars {
            out.push_scalar(prefix, name, value);
        }
    }

    fn state_unflatten(
        &self,
        rank: usize,
        prefix: &str,
        src: &mut StateSource,
        _device: &Device,
    ) -> Option<DynState> {
        let tensors = TENSORS.into_iter();
        let tensors = tensors.filter_map(|name| Some((name, src.take_tensor(prefix, name)?)));
        let tensors = tensors.collect();
        let scalars = SCALARS.into_iter();
        let scalars = scalars.filter_map(|name| Some((name, src.take_scalar(prefix, name)?)));
        let state = State {
            id: prefix.parse().ok()?,
            tensors,
            scalars: scalars.collect(),
        };
        self.lock().insert(prefix.to_owned(), state);
        Some(DynState::create((), rank))
    }
}
