//! Files of a user's folder, with a bound of their size.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The most that a file may hold, packed or not: larger than the training images of MNIST by five.
pub(super) const LIMIT: u64 = 256 << 20;

/// Why a file of a user's folder was not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It can't be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It holds, or unpacks to, more than is allowed.
    #[error("{}: over {limit} bytes {when}: allowed is at most that many", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is allowed.
        limit: u64,
        /// `as it is` or `unpacked`.
        when: &'static str,
    },
    /// It ends with `.gz` and is no whole gzip file.
    #[error("{}: damaged gzip: {source}", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        source: io::Error,
    },
}

/// The bytes of a file, unpacked where its name ends with `.gz`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    read_up_to(path, LIMIT)
}

fn read_up_to(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let at = || path.to_path_buf();
    let too_large = |when| ReadError::TooLarge {
        path: at(),
        limit,
        when,
    };
    let file = fs::File::open(path).map_err(|source| ReadError::Io { path: at(), source })?;
    let bytes = bounded(file, limit).map_err(|source| ReadError::Io { path: at(), source })?;
    let bytes = bytes.ok_or_else(|| too_large("as it is"))?;
    if !to_lower(path).ends_with(".gz") {
        return Ok(bytes);
    }
    let unpacked =
        unpacked(&bytes, limit).map_err(|source| ReadError::Gzip { path: at(), source })?;
    unpacked.ok_or_else(|| too_large("unpacked"))
}

/// What gzip bytes hold, all members of them; `None` if that is more than the limit. Memory grows with what is unpacked, never
/// with a size that the file names.
pub(super) fn unpacked(bytes: &[u8], limit: u64) -> io::Result<Option<Vec<u8>>> {
    bounded(flate2::read::MultiGzDecoder::new(bytes), limit)
}

/// All bytes of a reader; `None` if there are more than the limit.
fn bounded(reader: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// The name of a file in lower case.
pub(super) fn to_lower(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().to_lowercase()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn a_gzip_bomb_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.txt.gz");
        fs::write(&path, packed(&vec![0; 1 << 20])).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 4096);
        let error = read_up_to(&path, 4096).unwrap_err();
        assert!(matches!(
            &error,
            ReadError::TooLarge {
                limit: 4096,
                when: "unpacked",
                ..
            }
        ));
        assert!(error.to_string().contains("bomb.txt.gz"), "{error}");
        assert_eq!(read_up_to(&path, 1 << 20).unwrap().len(), 1 << 20);
    }

    #[test]
    fn a_plain_file_over_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, [0; 11]).unwrap();
        assert!(matches!(
            read_up_to(&path, 10).unwrap_err(),
            ReadError::TooLarge {
                when: "as it is",
                ..
            }
        ));
        assert_eq!(read_up_to(&path, 11).unwrap().len(), 11);
    }

    #[test]
    fn all_members_of_a_gzip_file_are_read() {
        let two = [packed(b"one "), packed(b"two")].concat();
        assert_eq!(unpacked(&two, 100).unwrap().unwrap(), b"one two");
        assert!(unpacked(&two[..two.len() - 1], 100).is_err());
        assert!(unpacked(&[two, b"rest".to_vec()].concat(), 100).is_err());
    }
}
