//! The states of methods as bytes: one safetensors file of named vectors, with what is plain data in its metadata.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use regimen_tensor::ParamVector;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::penalties::Quadratic;
use crate::{ContinualError, Result};

/// Between the name of a vector and the path of a parameter.
const APART: &str = "::";

/// A state that is being written or was read.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    state: String,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Saved {
    /// With plain data.
    pub(crate) fn new(state: &impl Serialize) -> Result<Self> {
        let state = serde_json::to_string(state).map_err(broken)?;
        Ok(Self {
            state,
            tensors: BTreeMap::new(),
        })
    }

    /// Adds a vector under a name that is not yet taken.
    pub(crate) fn with(mut self, name: &str, vector: &ParamVector) -> Result<Self> {
        for (entry, values) in vector.entries().iter().zip(vector.to_host()?) {
            let name = format!("{name}{APART}{}", entry.path);
            self.tensors.insert(name, (entry.shape.clone(), values));
        }
        Ok(self)
    }

    /// Adds a quadratic, if there is one; its constant is plain data.
    pub(crate) fn with_held(self, held: Option<&Quadratic>) -> Result<Self> {
        match held {
            Some(held) => self
                .with("weights", held.weights())?
                .with("anchor", held.anchor()),
            None => Ok(self),
        }
    }

    /// The quadratic with this constant; none where there is no constant.
    pub(crate) fn held(
        &self,
        constant: Option<f64>,
        like: &ParamVector,
    ) -> Result<Option<Quadratic>> {
        let vector = |name| self.vector(name, like);
        match (vector("weights")?, vector("anchor")?, constant) {
            (Some(weights), Some(anchor), Some(constant)) => {
                Quadratic::of_parts(weights, anchor, constant).map(Some)
            }
            (None, None, None) => Ok(None),
            _ => Err(ContinualError::State(
                "weights, anchor and constant do not fit".into(),
            )),
        }
    }

    /// Adds a tensor under a name that is not yet taken.
    pub(crate) fn with_tensor<const D: usize>(
        mut self,
        name: &str,
        tensor: Tensor<D>,
    ) -> Result<Self> {
        let shape = tensor.dims().to_vec();
        let values = crate::examples::read(name, tensor.try_into_vec_as::<f32>())?;
        self.tensors.insert(name.to_owned(), (shape, values));
        Ok(self)
    }

    /// The file.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let bytes: BTreeMap<&String, Vec<u8>> = self
            .tensors
            .iter()
            .map(|(name, (_, values))| {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes());
                (name, bytes.collect())
            })
            .collect();
        let views = self.tensors.iter().map(|(name, (shape, _))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), &bytes[name]);
            Ok((name.clone(), view.map_err(broken)?))
        });
        let views = views.collect::<Result<Vec<_>>>()?;
        let metadata = HashMap::from([("state".to_owned(), self.state.clone())]);
        safetensors::serialize(views, Some(metadata)).map_err(broken)
    }

    /// Reads a file; every value must be finite.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let state = metadata
            .metadata()
            .as_ref()
            .and_then(|all| all.get("state"));
        let state = state.ok_or_else(|| ContinualError::State("it has no `state`".into()))?;
        let file = SafeTensors::deserialize(bytes).map_err(broken)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            if view.dtype() != Dtype::F32 {
                let found = view.dtype();
                return Err(ContinualError::State(format!(
                    "`{name}` is of {found:?}, not F32"
                )));
            }
            let (chunks, _) = view.data().as_chunks::<4>();
            let values: Vec<f32> = chunks
                .iter()
                .map(|chunk| f32::from_le_bytes(*chunk))
                .collect();
            if values.iter().any(|value| !value.is_finite()) {
                return Err(ContinualError::State(format!("`{name}` is not finite")));
            }
            tensors.insert(name, (view.shape().to_vec(), values));
        }
        Ok(Self {
            state: state.clone(),
            tensors,
        })
    }

    /// The plain data.
    pub(crate) fn state<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.state).map_err(broken)
    }

    /// The vector of a name, for the parameters of `like` by their paths; none if no tensor has the name.
    pub(crate) fn vector(&self, name: &str, like: &ParamVector) -> Result<Option<ParamVector>> {
        let prefix = format!("{name}{APART}");
        if !self.tensors.keys().any(|key| key.starts_with(&prefix)) {
            return Ok(None);
        }
        let values = like.entries().iter().map(|entry| {
            let found = self.tensors.get(&format!("{prefix}{}", entry.path));
            match found {
                Some((shape, values)) if *shape == entry.shape => Ok(values.clone()),
                found => Err(ContinualError::mismatch(
                    format!("`{name}` of `{}`", entry.path),
                    format!("{:?}", entry.shape),
                    found.map_or("nothing".to_owned(), |(shape, _)| format!("{shape:?}")),
                )),
            }
        });
        let values = values.collect::<Result<_>>()?;
        Ok(Some(like.from_host(values)?))
    }

    /// The vector of a name, which must be there.
    pub(crate) fn required(&self, name: &str, like: &ParamVector) -> Result<ParamVector> {
        let missing = || ContinualError::State(format!("it has no `{name}`"));
        self.vector(name, like)?.ok_or_else(missing)
    }

    /// The tensor of a name and rank, in f32.
    pub(crate) fn tensor<const D: usize>(
        &self,
        name: &str,
        device: &Device,
    ) -> Result<Option<Tensor<D>>> {
        let Some((shape, values)) = self.tensors.get(name) else {
            return Ok(None);
        };
        let Ok(dims) = <[usize; D]>::try_from(shape.as_slice()) else {
            return Err(ContinualError::mismatch(
                format!("rank of `{name}`"),
                D,
                shape.len(),
            ));
        };
        let data = TensorData::new(values.clone(), dims);
        Ok(Some(Tensor::from_data(
            data,
            (device, FloatDType::F32.into()),
        )))
    }
}

fn broken(reason: impl std::fmt::Display) -> ContinualError {
    ContinualError::State(reason.to_string())
}
