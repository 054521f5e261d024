//! What Burn's records hold, read from their bytes.

use std::collections::BTreeMap;

use burn::tensor::DType;
use burn_pack::{Bytes, Reader, Scalar, Tensor, Writer};

use super::part::PartError;

/// Why Burn's own parts can't be saved or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A model of other parameters.
    #[error("parameter `{path}`: saved is {saved}, the model has {expected}")]
    Model {
        /// The parameter's path.
        path: String,
        /// Type and shape in the checkpoint, or that there is none.
        saved: String,
        /// Type and shape in the model, or that there is none.
        expected: String,
    },
    /// Burn would bring the optimizer's state back in another type.
    #[error(
        "the optimizer's `{name}` is {dtype:?}, and Burn restores states as {default:?}, the device's default: build the optimizer as `ModuleOptimizer::from(Exact(config.build()))`, or make {dtype:?} the default by `Device::configure`"
    )]
    Type {
        /// The tensor: the parameter's id and the field of the state.
        name: String,
        /// Its type.
        dtype: DType,
        /// The default type of the device.
        default: DType,
    },
    /// What was restored is not what was saved.
    #[error(
        "`{name}` of the saved {what} has no place in this {what}: it is of another configuration"
    )]
    Differs {
        /// Optimizer or schedule.
        what: &'static str,
        /// The entry of the record.
        name: String,
    },
    /// The bytes are no record of this kind.
    #[error("no record of {what}: {problem}")]
    Damaged {
        /// Model, optimizer or schedule.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// A record: tensors by name, and scalars.
pub(super) struct Record {
    pub(super) tensors: BTreeMap<String, Tensor>,
    pub(super) scalars: BTreeMap<String, Scalar>,
    texts: BTreeMap<String, String>,
}

impl Record {
    pub(super) fn read(what: &'static str, bytes: &[u8]) -> Result<Self, RecordError> {
        let damaged = |error: burn_pack::Error| RecordError::Damaged {
            what,
            problem: error.to_string(),
        };
        let reader = Reader::from_bytes(own(bytes)).map_err(damaged)?;
        let (scalars, texts) = (reader.scalars().clone(), reader.metadata().clone());
        let tensors = reader.into_tensors().map_err(damaged)?;
        let tensors = tensors
            .into_iter()
            .map(|tensor| (tensor.name.clone(), tensor));
        Ok(Self {
            tensors: tensors.collect(),
            scalars,
            texts,
        })
    }

    /// The bytes, with all entries in the order of their names: Burn writes an optimizer's in the order of a hash map, another one
    /// each time.
    pub(super) fn into_bytes(self, what: &'static str) -> Result<Vec<u8>, RecordError> {
        let mut writer = Writer::new(self.tensors.into_values().collect());
        for (name, text) in &self.texts {
            writer = writer.with_metadata(name, text);
        }
        for (name, scalar) in self.scalars {
            writer = writer.with_scalar(&name, scalar);
        }
        let bytes = writer.into_bytes().map_err(|error| RecordError::Damaged {
            what,
            problem: error.to_string(),
        })?;
        Ok(bytes.to_vec())
    }

    /// The first entry that this record has and the other has not, or has otherwise.
    pub(super) fn first_difference(&self, other: &Self) -> Result<Option<String>, PartError> {
        for (name, tensor) in &self.tensors {
            let Some(found) = other.tensors.get(name) else {
                return Ok(Some(name.clone()));
            };
            let same = tensor.dtype == found.dtype
                && tensor.shape == found.shape
                && tensor.to_bytes()?[..] == found.to_bytes()?[..];
            if !same {
                return Ok(Some(name.clone()));
            }
        }
        let scalars = self.scalars.iter();
        let mut scalars = scalars.filter(|(name, value)| {
            let found = other.scalars.get(*name);
            !found.is_some_and(|found| same(value, found))
        });
        let mut texts = self.texts.iter();
        let texts = texts.find(|(name, text)| other.texts.get(*name) != Some(text));
        let name = scalars.next().map(|(name, _)| name);
        Ok(name.or(texts.map(|(name, _)| name)).cloned())
    }
}

/// Bytes as Burn takes them.
pub(super) fn own(bytes: &[u8]) -> Bytes {
    Bytes::from_bytes_vec(bytes.to_vec())
}

/// Whether two scalars have the same bits.
fn same(one: &Scalar, other: &Scalar) -> bool {
    match (one, other) {
        (Scalar::Float(one), Scalar::Float(other)) => one.to_bits() == other.to_bits(),
        (one, other) => one == other,
    }
}
