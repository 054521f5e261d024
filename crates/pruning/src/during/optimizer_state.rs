//! An optimizer's state of masked weights: read for growth, zeroed where weights are off or new.

use std::collections::{HashMap, HashSet};

use burn::module::ParamId;
use burn::optim::ModuleOptimizer;
use burn::tensor::TensorData;
use rayon::prelude::*;
use regimen_tensor::TensorError;
use regimen_tensor::optimizer_state::{Keep, state_tensors, zero_states};

use crate::mask::Mask;
use crate::{Masks, PruningError, Result};

/// Zeroes, in every state tensor that has the size of its masked parameter, what the masks switch off:
/// momenta and second moments of any optimizer. Scalars, paths and other tensors stay as they are.
///
/// One pass through the optimizer's record, so through the host: call it at decision events only. The states of Burn's own
/// optimizers are read once and changed in place, and the old ones go before the new ones are loaded: at most there are two
/// copies of the state, and a third of one tensor. Those of other optimizers go through the bytes of a file, in which there
/// are up to three copies.
///
/// # Errors
/// [`PruningError::StateType`] if a state is of another float type than Burn loads it in, the default one of the default
/// device, as that of half precision weights where single precision is the default: loaded, it would no longer fit its
/// weights. The state stays as it is. [`PruningError::Record`] if the record can't be read or written.
pub fn mask_optimizer(optim: &mut ModuleOptimizer, masks: &Masks) -> Result<()> {
    fn keep(mask: &Mask) -> Keep<'_> {
        Keep {
            id: mask.id,
            path: &mask.path,
            keep: &mask.active,
        }
    }
    let keeps: Vec<Keep<'_>> = masks.layers().iter().map(keep).collect();
    zero_states(optim, &keeps).map_err(of_state)
}

/// The crate's own names for what can go wrong with a state.
fn of_state(error: TensorError) -> PruningError {
    match error {
        TensorError::State(reason) => PruningError::Record(reason),
        TensorError::StateType {
            path,
            found,
            loaded,
        } => PruningError::StateType {
            path,
            found,
            loaded,
        },
        error => error.into(),
    }
}

/// Added to the root of a second moment.
const EPSILON: f32 = 1e-8;

/// The optimizer's momentum of each masked weight, one vector a layer: the velocity of SGD, `m / (sqrt(v) + 1e-8)`
/// of Adam and its kin, the momentum of Lion and RMSprop. Through the host, as [`mask_optimizer`].
///
/// # Errors
/// If the record can't be read, or the optimizer keeps no momentum of a masked weight, or none yet.
pub fn momenta(optim: &ModuleOptimizer, masks: &Masks) -> Result<Vec<Vec<f32>>> {
    momenta_but(optim, masks, &HashSet::new())
}

/// As [`momenta`]; a frozen weight has no momentum, and an empty vector here.
pub(crate) fn momenta_but(
    optim: &ModuleOptimizer,
    masks: &Masks,
    frozen: &HashSet<ParamId>,
) -> Result<Vec<Vec<f32>>> {
    let mut first: HashMap<u64, TensorData> = HashMap::new();
    let mut second: HashMap<u64, TensorData> = HashMap::new();
    for (name, id, data) in state_tensors(optim).map_err(of_state)? {
        let part = match name.rsplit('.').next() {
            Some("velocity" | "moment_1" | "momentum" | "buf" | "exp_avg") => &mut first,
            Some("moment_2") => &mut second,
            _ => continue,
        };
        part.extend(id.map(|id| (id, data)));
    }
    let layer = |mask: &Mask| {
        if frozen.contains(&mask.id) {
            return Ok(Vec::new());
        }
        let (id, size) = (mask.id.val(), mask.active.len());
        let momentum = first.remove(&id).map(single).transpose()?;
        let Some(mut momentum) = momentum.filter(|values| values.len() == size) else {
            return Err(failed(format!("no momentum of `{}`", mask.path)));
        };
        if let Some(square) = second.remove(&id).map(single).transpose()? {
            let pairs = momentum.par_iter_mut().zip(square);
            pairs.for_each(|(m, v)| *m /= v.sqrt() + EPSILON);
        }
        Ok(momentum)
    };
    masks.layers().iter().map(layer).collect()
}

fn single(data: TensorData) -> Result<Vec<f32>> {
    let values = data.convert::<f32>().try_into_vec::<f32>();
    values.map_err(|reason| failed(format!("{reason:?}")))
}

fn failed(error: impl std::fmt::Display) -> PruningError {
    PruningError::Record(error.to_string())
}
