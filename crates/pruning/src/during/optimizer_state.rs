//! An optimizer's state of masked weights: read for growth, zeroed where weights are off or new.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use burn::module::ParamId;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::{Device, Tensor, TensorData};
use burn_pack::{Bytes, Header, Reader, aligned_data_section_start};
use rayon::prelude::*;

use crate::Masks;
use crate::mask::Mask;
use crate::{PruningError, Result};

/// Zeroes, in every state tensor that has the size of its masked parameter, what the masks switch off:
/// momenta and second moments of any optimizer. Scalars, paths and other tensors stay as they are.
///
/// One pass through the optimizer's record, so through the host: call it at decision events only. The record is changed in
/// place, and the old state goes before it is loaded: there are never more than two copies of the state at once.
///
/// # Errors
/// [`PruningError::StateType`] if a state is of another float type than Burn loads it in, the default one of the default
/// device, as that of half precision weights where single precision is the default: loaded, it would no longer fit its
/// weights. The state stays as it is. [`PruningError::Record`] if the record can't be read or written.
pub fn mask_optimizer(optim: &mut ModuleOptimizer, masks: &Masks) -> Result<()> {
    if masks.layers().iter().all(|mask| !has_off(mask)) {
        return Ok(());
    }
    let record = optim.to_record();
    if record.is_empty() {
        return Ok(());
    }
    let mut bytes = record.into_bytes().map_err(failed)?;
    let places = places(&bytes, masks)?;
    if places.is_empty() {
        return Ok(());
    }
    for (mask, place, size) in places {
        zero(&mut bytes[place], &mask.active, size);
    }
    let record = OptimizerRecord::from_bytes(bytes).map_err(failed)?;
    // The old state goes before the new one comes: never both at once.
    *optim = optim.clone().load_record(OptimizerRecord::default());
    *optim = optim.clone().load_record(record);
    if keeps_views(&Device::default()) {
        // The tensors are views of the record's bytes, which would stay as long as one of them, beside the copy that the next
        // step makes of each: they get memory of their own.
        let own = optim.to_record();
        *optim = optim.clone().load_record(own);
    }
    Ok(())
}

/// Whether a tensor that is made of a record's bytes shares them, as in the memory of the host.
fn keeps_views(device: &Device) -> bool {
    let name = format!("{device:?}");
    ["Flex", "NdArray"].iter().any(|host| name.contains(host))
}

fn has_off(mask: &Mask) -> bool {
    mask.active.par_iter().any(|active| !active)
}

/// The masks of the state tensors that have the size of their parameter, where each tensor lies in the record's bytes, and
/// the bytes of a value.
fn places<'a>(record: &[u8], masks: &'a Masks) -> Result<Vec<(&'a Mask, Range<usize>, usize)>> {
    // A reader takes its bytes, and what is shared with it can't be changed in place: it gets the table of contents alone,
    // before as many bytes of nothing, which are never touched and so take no memory.
    let header = Header::from_bytes(record).map_err(failed)?;
    let start = aligned_data_section_start(header.metadata_size as usize).min(record.len());
    let mut table = vec![0_u8; record.len()];
    table[..start].copy_from_slice(&record[..start]);
    let table = Bytes::from_bytes_vec(table).shared();
    let tensors = Reader::from_bytes(table.clone()).and_then(Reader::into_tensors);
    let loaded = Tensor::<1>::zeros([1], &Device::default()).dtype();
    let (mut places, mut other) = (Vec::new(), None);
    for tensor in tensors.map_err(failed)? {
        let mut layers = masks.layers().iter();
        let mask = layers.find(|mask| Some(mask.id.val()) == tensor.param_id);
        let (_, dtype, shape, _, view) = tensor.into_parts().map_err(failed)?;
        if dtype.is_float() && dtype != loaded {
            let path = mask.map_or("*", |mask| &mask.path);
            other.get_or_insert_with(|| PruningError::StateType {
                path: path.to_owned(),
                found: format!("{dtype:?}"),
                loaded: format!("{loaded:?}"),
            });
        }
        let Some(mask) = mask.filter(|mask| mask.active.len() == shape.num_elements()) else {
            continue;
        };
        // The tensor is a view into the record: its place is where it starts.
        let start = view.as_ptr().addr().checked_sub(table.as_ptr().addr());
        let place = start.map(|start| start..start + view.len());
        let Some(place) = place.filter(|place| place.end <= record.len()) else {
            return Err(failed("a tensor lies outside of its record"));
        };
        if has_off(mask) {
            places.push((mask, place, dtype.size()));
        }
    }
    match other {
        Some(error) if !places.is_empty() => Err(error),
        _ => Ok(places),
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
        if frozen.contains(&mask.id) {
            return Ok(Vec::new());
        }
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
