//! IDX files of unsigned bytes, as MNIST's.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::file::read;

/// A shape and its values.
pub(super) struct Idx {
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

/// Reads a file: the sizes that its head names must be those of the bytes that are there.
pub(super) fn idx(path: &Path) -> Result<Idx> {
    let bytes = read(path)?;
    parse(bytes).with_context(|| path.display().to_string())
}

/// Reads the bytes of a file that is not packed.
pub(super) fn parse(bytes: Vec<u8>) -> Result<Idx> {
    let (head, rest) = bytes.split_first_chunk::<4>().context("no IDX header")?;
    let [0, 0, 8, dimensions] = *head else {
        bail!("not an IDX file of unsigned bytes");
    };
    let length = 4 * usize::from(dimensions);
    ensure!(rest.len() >= length, "truncated IDX header");
    let (sizes, values) = rest.split_at(length);
    let (sizes, _) = sizes.as_chunks::<4>();
    let shape: Vec<usize> = sizes
        .iter()
        .map(|s| u32::from_be_bytes(*s) as usize)
        .collect();
    let expected = shape
        .iter()
        .try_fold(1_usize, |all, size| all.checked_mul(*size));
    ensure!(
        expected == Some(values.len()),
        "{shape:?} promises another number of bytes than the {} found",
        values.len()
    );
    Ok(Idx {
        bytes: values.to_vec(),
        shape,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_the_file_are_refused() {
        let file = |sizes: &[u32], values: usize| {
            let mut bytes = vec![0, 0, 8, sizes.len() as u8];
            bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
            bytes.extend(vec![1; values]);
            parse(bytes)
        };
        assert_eq!(file(&[2, 1, 3], 6).unwrap().shape, [2, 1, 3]);
        assert!(file(&[u32::MAX; 3], 6).is_err());
        assert!(file(&[u32::MAX; 255], 0).is_err());
        assert!(file(&[u32::MAX, u32::MAX, 0], 1).is_err());
        assert!(file(&[], 0).is_err());
        assert!(parse(vec![0, 0, 8, 255, 0]).is_err());
    }
}
