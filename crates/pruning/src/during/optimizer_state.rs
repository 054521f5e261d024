//! An optimizer's state of masked weights: read for growth, zeroed where weights are off or new.

use std::collections::HashMap;
use std::ops::Range;

use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::{Device, TensorData};
use burn_pack::{Bytes, Reader};
use rayon::prelude::*;

use crate::Masks;
use crate::mask::Mask;
use crate::{PruningError, Result};

/// Zeroes, in every state tensor that has the size of its masked parameter, what the masks switch off:
/// momenta and second moments of any optimizer. Scalars, paths and other tensors stay as they are.
///
/// One pass through the optimizer's record, so through the host: call it at decision events only.
///
/// Burn loads a record's state in the default float type of the default device. A state of another type, as that
/// of half precision weights on a device whose default is single precision, would come back as one that no
/// longer fits its weights: it stays as it is, and a warning says so.
///
/// # Errors
/// If the record can't be read or written.
pub fn mask_optimizer(optim: &mut ModuleOptimizer, masks: &Masks) -> Result<()> {
    let record = optim.to_record();
    if record.is_empty() {
        return Ok(());
    }
    let bytes = record.into_bytes().map_err(failed)?.shared();
    let mut places = Vec::new();
    let loaded = burn::tensor::Tensor::<1>::zeros([1], &Device::default()).dtype();
    for tensor in Reader::from_bytes(bytes.clone())
        .and_then(Reader::into_tensors)
        .map_err(failed)?
    {
        if tensor.dtype.is_float() && tensor.dtype != loaded {
            tracing::warn!(dtype = ?tensor.dtype, "optimizer state not reset: records load as {loaded:?}");
            return Ok(());
        }
        places.extend(place(tensor, &bytes, masks)?);
    }
    let mut bytes = bytes;
    for (mask, place, size) in places {
        zero(&mut bytes[place], &mask.active, size);
    }
    let record = OptimizerRecord::from_bytes(bytes).map_err(failed)?;
    // The old state goes before the new one comes: never both at once.
    *optim = optim.clone().load_record(OptimizerRecord::default());
    *optim = optim.clone().load_record(record);
    Ok(())
}

/// The mask of a state tensor that has the size of its parameter, where the tensor lies in the record's bytes, and the
/// bytes of a value.
fn place<'a>(
    tensor: burn_pack::Tensor,
    record: &Bytes,
    masks: &'a Masks,
) -> Result<Option<(&'a Mask, Range<usize>, usize)>> {
    let mut layers = masks.layers().iter();
    let mask = layers.find(|mask| Some(mask.id.val()) == tensor.param_id);
    let elements = tensor.shape.num_elements();
    let Some(mask) = mask.filter(|mask| mask.active.len() == elements) else {
        return Ok(None);
    };
    let (_, dtype, _, _, view) = tensor.into_parts().map_err(failed)?;
    // The tensor is a view into the record: its place is where it starts.
    let start = view.as_ptr().addr().checked_sub(record.as_ptr().addr());
    let place = start.map(|start| start..start + view.len());
    match place.filter(|place| place.end <= record.len()) {
        Some(place) => Ok(Some((mask, place, dtype.size()))),
        None => Err(failed("a tensor lies outside of its record")),
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
    let mut first: HashMap<u64, Vec<f32>> = HashMap::new();
    let mut second: HashMap<u64, Vec<f32>> = HashMap::new();
    for tensor in
        read(optim)?.map_or_else(|| Ok(Vec::new()), |r| r.into_tensors().map_err(failed))?
    {
        let (name, dtype, shape, id, bytes) = tensor.into_parts().map_err(failed)?;
        let part = match name.rsplit('.').next() {
            Some("velocity" | "moment_1" | "momentum" | "buf" | "exp_avg") => &mut first,
            Some("moment_2") => &mut second,
            _ => continue,
        };
        let data = TensorData::from_bytes(bytes, shape, dtype).convert::<f32>();
        let values = data
            .try_into_vec::<f32>()
            .map_err(|e| failed(format!("{e:?}")))?;
        part.extend(id.map(|id| (id, values)));
    }
    let layer = |mask: &Mask| {
        let (id, size) = (mask.id.val(), mask.active.len());
        let momentum = first.remove(&id).filter(|values| values.len() == size);
        let Some(mut momentum) = momentum else {
            return Err(failed(format!("no momentum of `{}`", mask.path)));
        };
        if let Some(square) = second.remove(&id) {
            let pairs = momentum.iter_mut().zip(square);
            pairs.for_each(|(m, v)| *m /= v.sqrt() + EPSILON);
        }
        Ok(momentum)
    };
    masks.layers().iter().map(layer).collect()
}

/// The optimizer's record, if there is any state.
fn read(optim: &ModuleOptimizer) -> Result<Option<Reader>> {
    let record = optim.to_record();
    if record.is_empty() {
        return Ok(None);
    }
    let bytes = record.into_bytes().map_err(failed)?;
    Ok(Some(Reader::from_bytes(bytes).map_err(failed)?))
}

fn failed(error: impl std::fmt::Display) -> PruningError {
    PruningError::Record(error.to_string())
}

/// Zero is all bits off in every float type.
fn zero(values: &mut [u8], active: &[bool], size: usize) {
    const CHUNK: usize = 1 << 14;
    let values = values.par_chunks_mut(size.max(1) * CHUNK);
    values
        .zip(active.par_chunks(CHUNK))
        .for_each(|(values, active)| match size {
            4 => {
                let pairs = values.as_chunks_mut::<4>().0.iter_mut().zip(active);
                pairs.for_each(|(value, active)| *value = if *active { *value } else { [0; 4] });
            }
            _ => {
                let pairs = values.chunks_exact_mut(size.max(1)).zip(active);
                let off = pairs.filter(|(_, active)| !**active);
                off.for_each(|(value, _)| value.fill(0));
            }
        });
}
