//! Zeroing an optimizer's state where weights are off or new.

use std::collections::HashMap;

use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn_pack::{Bytes, Reader, Tensor, Writer};

use crate::masks::Masks;
use crate::{PruningError, Result};

/// Zeroes, in every state tensor that has the size of its masked parameter, what the masks switch off:
/// momenta and second moments of any optimizer. Scalars, paths and other tensors stay as they are.
///
/// One pass through the optimizer's record, so through the host: call it at decision events only.
///
/// # Errors
/// If the record can't be read or written.
pub fn mask_optimizer(optim: &mut ModuleOptimizer, masks: &Masks) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| PruningError::Record(error.to_string());
    let record = optim.to_record();
    if record.is_empty() {
        return Ok(());
    }
    let bytes = record.into_bytes().map_err(|e| failed(&e))?;
    let reader = Reader::from_bytes(bytes).map_err(|e| failed(&e))?;
    let (scalars, paths) = (reader.scalars().clone(), reader.metadata().clone());
    let flags: HashMap<u64, &[bool]> = masks
        .layers()
        .iter()
        .map(|mask| (mask.id.val(), mask.active.as_slice()))
        .collect();
    let mut tensors = Vec::new();
    for tensor in reader.into_tensors().map_err(|e| failed(&e))? {
        let active = tensor.param_id.and_then(|id| flags.get(&id));
        tensors.push(match active {
            Some(active) if tensor.shape.num_elements() == active.len() => {
                let parts = tensor.into_parts().map_err(|e| failed(&e))?;
                let (name, dtype, shape, id, bytes) = parts;
                let bytes = zero(bytes, active, dtype.size());
                Tensor::new(name, dtype, shape, id, bytes)
            }
            _ => tensor,
        });
    }
    let mut writer = Writer::new(tensors);
    for (key, value) in &scalars {
        writer = writer.with_scalar(key, *value);
    }
    for (key, value) in &paths {
        writer = writer.with_metadata(key, value);
    }
    let bytes = writer.into_bytes().map_err(|e| failed(&e))?;
    let record = OptimizerRecord::from_bytes(bytes).map_err(|e| failed(&e))?;
    *optim = optim.clone().load_record(record);
    Ok(())
}

/// Zero is all bits off in every float type.
fn zero(bytes: Bytes, active: &[bool], size: usize) -> Bytes {
    let mut values = bytes.to_vec();
    for (value, active) in values.chunks_exact_mut(size.max(1)).zip(active) {
        if !active {
            value.fill(0);
        }
    }
    Bytes::from_bytes_vec(values)
}
