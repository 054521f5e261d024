//! Single tensors of safetensors files, without the rest of the file in memory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};
use safetensors::tensor::{Dtype, Metadata, TensorInfo, TensorView};

use crate::Result;
use crate::error::MoeError;

/// Longer headers are refused: the limit of the format.
const MAX_HEADER: u64 = 100_000_000;

/// A file whose header has been read.
#[derive(Debug)]
struct TensorFile {
    path: PathBuf,
    file: File,
    /// Where the tensors begin.
    start: u64,
    metadata: Metadata,
}

/// The files of a checkpoint.
#[derive(Debug)]
pub(super) struct TensorFiles(Vec<TensorFile>);

/// A tensor as it is in its file.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) dtype: DType,
    pub(super) bytes: Vec<u8>,
}

impl TensorFiles {
    /// Reads the headers.
    pub(super) fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        let files = paths.iter().map(|path| TensorFile::open(path.as_ref()));
        Ok(Self(files.collect::<Result<_>>()?))
    }

    /// Shape of a tensor.
    pub(super) fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.find(name)?.1.shape)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// The values of a tensor of this shape, and of this type if one is given.
    pub(super) fn read(
        &self,
        name: &str,
        shape: [usize; 2],
        dtype: Option<DType>,
    ) -> Result<Stored> {
        let (file, info) = self.find(name)?;
        if info.shape != shape {
            return Err(MoeError::tensor(name, &info.shape, format!("{shape:?}")));
        }
        let found = float(info.dtype);
        let fits = found.filter(|found| dtype.is_none_or(|dtype| dtype == *found));
        let Some(found) = fits else {
            let allowed = dtype.map_or_else(
                || "F64, F32, F16 or BF16".to_owned(),
                |dtype| format!("{dtype:?}, as the first expert's weights,"),
            );
            return Err(MoeError::tensor(name, &info.dtype, allowed));
        };
        Ok(Stored {
            dtype: found,
            bytes: file.bytes(info)?,
        })
    }

    fn find(&self, name: &str) -> Result<(&TensorFile, &TensorInfo)> {
        let mut files = self.0.iter();
        let found = files.find_map(|file| Some((file, file.metadata.info(name)?)));
        found.ok_or_else(|| {
            let files: Vec<_> = self
                .0
                .iter()
                .map(|f| f.path.display().to_string())
                .collect();
            MoeError::MissingTensor {
                tensor: name.to_owned(),
                files: if files.is_empty() {
                    "no file".to_owned()
                } else {
                    files.join(", ")
                },
            }
        })
    }
}

impl TensorFile {
    fn open(path: &Path) -> Result<Self> {
        let fail = |reason: String| MoeError::file(path, reason);
        let system = |error: std::io::Error| fail(error.to_string());
        let mut file = File::open(path).map_err(system)?;
        let found = file.metadata().map_err(system)?.len();
        let mut size = [0; 8];
        file.read_exact(&mut size).map_err(system)?;
        let size = u64::from_le_bytes(size);
        // Nothing is taken for a header that the file can't hold.
        let most = MAX_HEADER.min(found.saturating_sub(8));
        if size > most {
            let allowed = format!("at most {most} of a file of {found}");
            return Err(fail(format!(
                "its header has {size} bytes: allowed are {allowed}"
            )));
        }
        let mut header = vec![0; size as usize];
        file.read_exact(&mut header).map_err(system)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| fail(error.to_string()))?;
        let (start, data) = (8 + size, metadata.data_len() as u64);
        if start.checked_add(data) != Some(found) {
            let reason = format!("has {found} bytes, not the {start} and {data} of its header");
            return Err(fail(reason));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            start,
            metadata,
        })
    }

    fn bytes(&self, info: &TensorInfo) -> Result<Vec<u8>> {
        // `Metadata` has checked that the tensors follow each other and end with the file.
        let (from, to) = info.data_offsets;
        let system = |error: std::io::Error| MoeError::file(&self.path, error.to_string());
        let (mut file, mut bytes) = (&self.file, vec![0; to.saturating_sub(from)]);
        let at = SeekFrom::Start(self.start + from as u64);
        file.seek(at).map_err(system)?;
        file.read_exact(&mut bytes).map_err(system)?;
        Ok(bytes)
    }
}

/// Writes a file of tensors as a whole or not at all.
pub(super) fn write(path: &Path, tensors: &[(String, TensorData)]) -> Result<()> {
    let fail = |reason: String| MoeError::file(path, reason);
    let mut views = Vec::with_capacity(tensors.len());
    for (name, data) in tensors {
        let dtype = stored(data.dtype())
            .ok_or_else(|| MoeError::tensor(name, &data.dtype(), "F64, F32, F16 or BF16"))?;
        let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes());
        views.push((name, view.map_err(|error| fail(error.to_string()))?));
    }
    // What transformers asks of a file.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let written = regimen_tensor::files::write_at(path, |temporary| {
        safetensors::serialize_to_file(views, Some(metadata), temporary)
            .map_err(std::io::Error::other)
    });
    written.map_err(|error| fail(error.to_string()))
}

const TYPES: [(Dtype, DType); 4] = [
    (Dtype::F64, DType::F64),
    (Dtype::F32, DType::F32),
    (Dtype::F16, DType::F16),
    (Dtype::BF16, DType::BF16),
];

fn float(dtype: Dtype) -> Option<DType> {
    let mut types = TYPES.into_iter();
    types.find_map(|(stored, ours)| (stored == dtype).then_some(ours))
}

fn stored(dtype: DType) -> Option<Dtype> {
    let mut types = TYPES.into_iter();
    types.find_map(|(stored, ours)| (ours == dtype).then_some(stored))
}

impl MoeError {
    fn file(path: &Path, reason: String) -> Self {
        Self::File {
            path: path.display().to_string(),
            reason,
        }
    }

    /// A tensor of a checkpoint that does not fit.
    pub(super) fn tensor(
        name: &str,
        found: &impl std::fmt::Debug,
        expected: impl ToString,
    ) -> Self {
        Self::CheckpointTensor {
            tensor: name.to_owned(),
            found: format!("{found:?}"),
            expected: expected.to_string(),
        }
    }
}
