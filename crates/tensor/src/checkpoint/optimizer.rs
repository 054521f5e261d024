//! Burn's optimizer as a part.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::{DType, Device};

use super::burn_record::{Record, RecordError, own};
use super::exact::MARK;
use super::part::{Part, PartError};
use super::unit::{Checkpoint, Order};

pub(super) const KIND: &str = "optimizer 1";

/// What the record is of, in messages.
const WHAT: &str = "an optimizer";

/// The name under which Burn keeps the rank of a parameter.
const RANK: &str = ".__rank";

/// The most dimensions that Burn's optimizers serve.
const RANKS: usize = 8;

impl<'a> Checkpoint<'a> {
    /// The optimizer, as the part `optimizer`: what it remembers of each parameter. A second one is
    /// `with("critic-optimizer", &mut optim)`.
    ///
    /// Burn restores states in the default type of the device. An optimizer of a model in another type, as bf16, is
    /// therefore refused when it is saved, unless it is [`Exact`](super::Exact). The same state is saved as the same bytes.
    #[must_use]
    pub fn with_optimizer(self, optimizer: &'a mut ModuleOptimizer) -> Self {
        self.add(Order::Optimizer, "optimizer", optimizer)
    }
}

impl Part for ModuleOptimizer {
    fn kind(&self) -> String {
        KIND.to_owned()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        Ok(in_order(&self.to_record().into_bytes()?)?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Record::read(WHAT, bytes)?;
        check(&saved)?;
        check_types(&saved)?;
        let record = OptimizerRecord::from_bytes(own(bytes))?;
        // Burn panics where a tensor has not the rank of its parameter.
        let loaded = catch_unwind(AssertUnwindSafe(|| self.clone().load_record(record)));
        let loaded = loaded.map_err(|_| RecordError::Damaged {
            what: WHAT,
            problem: "a tensor has not the rank of its parameter".to_owned(),
        })?;
        // Burn leaves out what it can't use: what came back must be all that was saved.
        let back = loaded.to_record().into_bytes()?;
        let back = Record::read(WHAT, &back)?;
        if let Some(name) = saved.first_difference(&back)? {
            let what = "optimizer";
            return Err(RecordError::Differs { what, name }.into());
        }
        *self = loaded;
        Ok(())
    }
}

/// Whether Burn can read the record at all.
fn check(record: &Record) -> Result<(), RecordError> {
    let damaged = |problem: String| RecordError::Damaged {
        what: WHAT,
        problem,
    };
    for (name, tensor) in &record.tensors {
        if tensor.param_id.is_none() {
            return Err(damaged(format!("`{name}` belongs to no parameter")));
        }
        if !tensor.dtype.is_float() || tensor.shape.len() > RANKS {
            let (dtype, shape) = (tensor.dtype, tensor.shape.as_slice());
            return Err(damaged(format!("`{name}` is {dtype:?} {shape:?}")));
        }
    }
    let ranks = record
        .scalars
        .iter()
        .filter(|(name, _)| name.ends_with(RANK));
    for (name, rank) in ranks {
        if !usize::try_from(*rank).is_ok_and(|rank| rank <= RANKS) {
            return Err(damaged(format!(
                "`{name}` is {rank:?}: allowed is 0 to {RANKS}"
            )));
        }
    }
    Ok(())
}

/// A record whose tensors all come back in their types, with its entries in the order of their names: the same state has the same
/// bytes.
pub(super) fn in_order(bytes: &[u8]) -> Result<Vec<u8>, RecordError> {
    let record = Record::read(WHAT, bytes)?;
    check_types(&record)?;
    record.into_bytes(WHAT)
}

/// Whether every tensor comes back in its type.
fn check_types(record: &Record) -> Result<(), RecordError> {
    let default = DType::from(Device::default().settings().float_dtype);
    for (name, tensor) in &record.tensors {
        let id = name.split('.').next().unwrap_or_default();
        let exact = record.scalars.contains_key(&format!("{id}.{MARK}"));
        if tensor.dtype != default && !exact {
            let (name, dtype) = (name.clone(), tensor.dtype);
            return Err(RecordError::Type {
                name,
                dtype,
                default,
            });
        }
    }
    Ok(())
}
