//! What a checkpoint holds: a list of its parts with their sizes and digests, sealed by a digest of its own.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{CheckpointError, Result};

/// The version of the folder's layout.
const FORMAT: u32 = 1;

/// The manifest's name in its folder.
pub(super) const NAME: &str = "manifest.json";

/// The most bytes that a manifest may have.
pub(super) const LIMIT: u64 = 1 << 20;

/// What one checkpoint holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    pub(super) step: u64,
    /// The version of Regimen that wrote it.
    regimen: String,
    /// The series of Burn that wrote it.
    burn: Option<String>,
    pub(super) parts: Vec<Saved>,
}

/// One part as it was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Saved {
    /// The part's file in the folder of its checkpoint.
    pub(super) fn file(&self) -> String {
        format!("{}.part", self.name)
    }
}

/// A manifest and its digest, as the file has them.
#[derive(Serialize, Deserialize)]
struct Sealed {
    manifest: Manifest,
    sha256: String,
}

impl Manifest {
    pub(super) fn new(step: u64, parts: Vec<Saved>) -> Self {
        Self {
            format: FORMAT,
            step,
            regimen: env!("CARGO_PKG_VERSION").to_owned(),
            burn: cfg!(feature = "burn").then(|| "0.22".to_owned()),
            parts,
        }
    }

    /// The file's content.
    pub(super) fn text(&self) -> serde_json::Result<Vec<u8>> {
        let sha256 = digest(&serde_json::to_vec(self)?);
        let manifest = self.clone();
        serde_json::to_vec_pretty(&Sealed { manifest, sha256 })
    }

    /// The manifest of a file with this content, or what is wrong with it.
    pub(super) fn read(text: &[u8]) -> std::result::Result<Self, String> {
        let value: serde_json::Value = serde_json::from_slice(text)
            .map_err(|error| format!("damaged, no manifest: {error}"))?;
        let format = &value["manifest"]["format"];
        if format.is_u64() && *format != FORMAT {
            return Err(format!("has format {format}: this version reads {FORMAT}"));
        }
        let sealed: Sealed = serde_json::from_value(value)
            .map_err(|error| format!("damaged, no manifest: {error}"))?;
        let again = sealed.manifest.text().map_err(|error| error.to_string())?;
        if again != text {
            return Err("damaged: its digest is that of another content".to_owned());
        }
        let names = sealed.manifest.parts.iter().map(|part| part.name.as_str());
        check_names(names).map_err(|error| error.to_string())?;
        Ok(sealed.manifest)
    }
}

/// Whether these can be names of files, and none stands twice.
pub(super) fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let problem = if name.is_empty() {
            "has no name"
        } else if name.len() > 64 {
            "has a name that is too long"
        } else if !name.bytes().all(allowed) {
            "has another character in its name"
        } else if !seen.insert(name) {
            "stands in the list twice"
        } else {
            continue;
        };
        let name = name.to_owned();
        return Err(CheckpointError::Name { name, problem });
    }
    Ok(())
}

/// SHA-256 in hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let part = |name: &str| Saved {
            name: name.to_owned(),
            kind: "text 1".to_owned(),
            bytes: 3,
            sha256: digest(b"abc"),
        };
        Manifest::new(120, vec![part("model"), part("loader")])
    }

    #[test]
    fn a_digest_is_that_of_the_standard() {
        let right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(b"abc"), right);
    }

    #[test]
    fn no_byte_of_a_manifest_can_change_or_go() {
        let text = manifest().text().unwrap();
        assert_eq!(Manifest::read(&text).unwrap(), manifest());
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] = changed[at].wrapping_add(1);
            assert!(Manifest::read(&changed).is_err(), "byte {at}");
            assert!(Manifest::read(&text[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn another_format_says_so() {
        let mut later = manifest();
        later.format = 2;
        let error = Manifest::read(&later.text().unwrap()).unwrap_err();
        assert_eq!(error, "has format 2: this version reads 1");
    }

    #[test]
    fn a_name_can_lead_to_no_other_folder() {
        let long = "a".repeat(65);
        for name in [
            "",
            "../a",
            "a/b",
            "A",
            "a.b",
            "a b",
            "\u{e9}",
            long.as_str(),
        ] {
            assert!(check_names([name].into_iter()).is_err(), "{name}");
        }
        assert!(check_names(["a", "b", "a"].into_iter()).is_err());
        check_names(["a", "b-2", "c_3"].into_iter()).unwrap();
        let mut foreign = manifest();
        foreign.parts[1].name = "../loader".to_owned();
        assert!(Manifest::read(&foreign.text().unwrap()).is_err());
    }
}
