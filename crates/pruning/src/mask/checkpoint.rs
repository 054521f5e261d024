//! # Checkpoint
//!
//! A pruned model in a safetensors file with its masks beside it, in Burn's layout or in PyTorch's.
//!
//! Source: `burn-store` for the tensors; masks as bits, by path, because safetensors keep no parameter ids.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn_store::{
    BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore,
    SafetensorsStoreError,
};
use regimen_tensor::files;
use serde::{Deserialize, Serialize};

use crate::{Masks, PruningError, Result};

/// Whose names and layouts a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framework {
    /// Burn's: a linear weight is `[inputs, outputs]`, a norm has `gamma` and `beta`.
    Burn,
    /// PyTorch's: a linear weight is `[outputs, inputs]`, a norm has `weight` and `bias`.
    PyTorch,
}

/// The file of the masks that belong to a model's file: `model.safetensors` has `model.safetensors.masks.json`.
#[must_use]
pub fn masks_path(model: &Path) -> PathBuf {
    let mut name = model.as_os_str().to_owned();
    name.push(".masks.json");
    name.into()
}

/// Writes the model to `path`, a safetensors file, and its masks to [`masks_path`], with the paths that the masked parameters
/// have in this model: masks that were made of a part of it come back for the whole.
///
/// Each file is written as a whole or not at all ([`regimen_tensor::files`]), the masks first. A call that is killed
/// between the two leaves new masks beside the old model.
///
/// # Errors
/// If the masks are of another model, or a file can't be written.
pub fn save<M: Module>(model: &M, masks: &Masks, path: &Path, framework: Framework) -> Result<()> {
    let masks = masks.named_in(model)?;
    let beside = masks_path(path);
    let text = serde_json::to_vec(&masks).map_err(at(&beside))?;
    files::write(&beside, |file| file.write_all(&text)).map_err(at(&beside))?;
    let write = |temporary: &Path| {
        let store = SafetensorsStore::from_file(temporary).overwrite(true);
        let mut store = match framework {
            Framework::Burn => store,
            Framework::PyTorch => store.with_to_adapter(BurnToPyTorchAdapter),
        };
        let saved = model.save_into(&mut store);
        saved.map_err(|reason| io::Error::other(reason.to_string()))
    };
    files::write_at(path, write).map_err(at(path))
}

/// Reads a model's weights from a safetensors file, whoever wrote it; `model` gives its shape and device.
///
/// # Errors
/// If the file can't be read, or lacks a parameter of the model or has it in another shape.
pub fn load_model<M: Module>(mut model: M, path: &Path, framework: Framework) -> Result<M> {
    if !path.is_file() {
        return Err(at(path)("no such file"));
    }
    let store = SafetensorsStore::from_file(path);
    let mut store = match framework {
        Framework::Burn => store,
        Framework::PyTorch => store.with_from_adapter(PyTorchToBurnAdapter),
    };
    let result: std::result::Result<_, SafetensorsStoreError> = model.load_from(&mut store);
    result.map_err(at(path))?;
    Ok(model)
}

/// Reads a model that [`save`] wrote, with its masks bound to it and applied: train on with
/// [`Fixed`](crate::Fixed), or give the masks to another method's `init_on`.
///
/// # Errors
/// As [`load_model`]; or if the masks can't be read or are of another model.
pub fn load<M: Module>(model: M, path: &Path, framework: Framework) -> Result<(M, Masks)> {
    let model = load_model(model, path, framework)?;
    let beside = masks_path(path);
    let text = std::fs::read(&beside).map_err(at(&beside))?;
    let masks: Masks = serde_json::from_slice(&text).map_err(at(&beside))?;
    let masks = masks.rebind(&model)?;
    Ok((masks.apply(model)?, masks))
}

fn at<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> PruningError {
    move |reason| PruningError::File {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}
