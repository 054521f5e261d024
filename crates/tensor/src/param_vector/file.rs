//! A [`ParamVector`] as a safetensors file: paths are the names, ids go into the metadata.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::vector::{ParamVector, mismatch};
use crate::error::{Result, TensorError};

impl ParamVector {
    /// Saves the vector as safetensors (float 32), named by path.
    ///
    /// The file is written as a whole or not at all ([`files::write`](crate::files::write())).
    ///
    /// # Errors
    /// [`TensorError::File`], also if two parameters have the same path or values don't fit their shape, or [`TensorError::Read`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let fail = |reason: String| file_error(path, reason);
        let mut paths = BTreeSet::new();
        if let Some(twice) = self.entries.iter().find(|e| !paths.insert(&e.path)) {
            return Err(fail(format!(
                "two parameters have the path `{}`",
                twice.path
            )));
        }
        let host = self.to_host()?;
        let bytes: Vec<Vec<u8>> = host.iter().map(|values| to_bytes(values)).collect();
        let mut views = Vec::with_capacity(bytes.len());
        for (entry, bytes) in self.entries.iter().zip(&bytes) {
            let view = TensorView::new(Dtype::F32, entry.shape.clone(), bytes);
            views.push((
                entry.path.clone(),
                view.map_err(|error| fail(error.to_string()))?,
            ));
        }
        let ids = self.entries.iter();
        let metadata: HashMap<String, String> = ids
            .map(|entry| (entry.path.clone(), entry.id.val().to_string()))
            .collect();
        let written = crate::files::write_at(path, |temporary| {
            safetensors::serialize_to_file(views, Some(metadata), temporary)
                .map_err(std::io::Error::other)
        });
        written.map_err(|error| fail(error.to_string()))
    }

    /// Loads a vector of the same paths and shapes as `like`, on the same devices.
    ///
    /// Ids are taken from `like`: a file from another program, which knows only paths, loads too.
    ///
    /// # Errors
    /// [`TensorError::File`] if the file is missing or damaged; [`TensorError::Mismatch`] if a
    /// parameter is missing, or has another shape.
    pub fn load(path: impl AsRef<Path>, like: &Self) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| file_error(path, error.to_string()))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| file_error(path, error.to_string()))?;
        let mut host = Vec::with_capacity(like.entries.len());
        for entry in &like.entries {
            let view = file
                .tensor(&entry.path)
                .map_err(|_| mismatch(&entry.path, &entry.shape, &"no such tensor"))?;
            if view.shape() != entry.shape || view.dtype() != Dtype::F32 {
                let found = (view.dtype(), view.shape());
                return Err(mismatch(&entry.path, &entry.shape, &found));
            }
            host.push(from_bytes(view.data()));
        }
        like.from_host(host)
    }
}

fn file_error(path: &Path, reason: String) -> TensorError {
    TensorError::File {
        path: path.display().to_string(),
        reason,
    }
}

fn to_bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks::<4>();
    chunks
        .iter()
        .map(|chunk| f32::from_le_bytes(*chunk))
        .collect()
}
