//! The folder of a run's checkpoints: `00000120/` for the one of step 120, each written as a whole or not at all.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use super::error::{CheckpointError, Result};
use super::manifest::{LIMIT, Manifest, NAME, Saved, digest, hex};
use crate::files::sync_folder;

/// Whoever writes in the folder holds this file locked.
const LOCK: &str = ".lock";

/// How the folder of a checkpoint that is being written or removed ends.
const ENDING: &str = ".partial";

/// A folder of checkpoints.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

/// A locked folder; `false` where the file system knows no locks.
pub(super) struct Lock {
    _file: Option<File>,
    held: bool,
}

/// A checkpoint that is being written; dropped before it is committed, nothing is left of it.
pub(super) struct Draft<'a> {
    folder: &'a Folder,
    path: PathBuf,
    step: u64,
    parts: Vec<Saved>,
    _lock: Lock,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of one checkpoint.
    fn of(&self, step: u64) -> PathBuf {
        self.0.join(format!("{step:08}"))
    }

    /// The steps that are there, in order.
    pub(super) fn steps(&self) -> Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(at(&self.0))?,
        };
        let mut steps = Vec::new();
        for entry in entries {
            let name = entry.map_err(at(&self.0))?.file_name();
            let step: Option<u64> = name.to_str().and_then(|name| name.parse().ok());
            steps.extend(step.filter(|step| OsStr::new(&format!("{step:08}")) == name));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// Waits until nobody else writes, and keeps writers out until it is dropped.
    pub(super) fn lock(&self) -> Result<Lock> {
        let path = self.0.join(LOCK);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            file => Some(file.map_err(at(&path))?),
        };
        let held = file.as_ref().is_some_and(|file| file.lock_shared().is_ok());
        Ok(Lock { _file: file, held })
    }

    /// Waits until nobody else reads or writes, and keeps both out until it is dropped.
    fn lock_alone(&self) -> Result<Lock> {
        fs::create_dir_all(&self.0).map_err(at(&self.0))?;
        let path = self.0.join(LOCK);
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(at(&path))?;
        let held = file.lock().is_ok();
        let file = Some(file);
        Ok(Lock { _file: file, held })
    }

    /// Begins the checkpoint of a step, which must be later than all that are there.
    pub(super) fn draft(&self, step: u64) -> Result<Draft<'_>> {
        let lock = self.lock_alone()?;
        let newest = self.steps()?.last().copied();
        if let Some(newest) = newest.filter(|newest| *newest >= step) {
            let folder = self.0.clone();
            return Err(CheckpointError::Step {
                folder,
                step,
                newest,
            });
        }
        if lock.held {
            // Nobody else writes: what is partial was left by a program that was killed.
            self.remove_partial();
        }
        let path = self.partial(step);
        fs::create_dir(&path).map_err(at(&path))?;
        Ok(Draft {
            folder: self,
            path,
            step,
            parts: Vec::new(),
            _lock: lock,
        })
    }

    /// A path in the folder that nobody uses.
    fn partial(&self, step: u64) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (id, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        self.0.join(format!(".{step:08}.{id}-{count}{ENDING}"))
    }

    fn remove_partial(&self) {
        let Ok(entries) = fs::read_dir(&self.0) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let id = name.as_encoded_bytes().strip_prefix(b".");
            let Some(id) = id.and_then(|id| id.strip_suffix(ENDING.as_bytes())) else {
                continue;
            };
            let ours = id
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-'));
            if ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Removes a checkpoint: killed in the middle, it leaves a whole one or a partial one.
    fn remove(&self, step: u64) -> Result<()> {
        let (whole, partial) = (self.of(step), self.partial(step));
        fs::rename(&whole, &partial).map_err(at(&whole))?;
        fs::remove_dir_all(&partial).map_err(at(&partial))
    }

    /// Removes the checkpoints of later steps.
    pub(super) fn remove_after(&self, step: u64) -> Result<()> {
        let _lock = self.lock_alone()?;
        let steps = self.steps()?;
        let mut later = steps.into_iter().rev().take_while(|later| *later > step);
        later.try_for_each(|later| self.remove(later))
    }

    /// The manifest of a step, once all that it says is found true: the step, the parts that are wanted with their
    /// kinds, and the size and digest of each file.
    pub(super) fn verify(&self, step: u64, wanted: &[(String, String)]) -> Result<Manifest> {
        let folder = self.of(step);
        let manifest = self.manifest(step)?;
        let path = folder.join(NAME);
        let saved = |name: &String| manifest.parts.iter().find(|part| part.name == *name);
        let missing = wanted.iter().map(|(name, _)| name);
        let missing: Vec<String> = missing
            .filter(|name| saved(name).is_none())
            .cloned()
            .collect();
        let unknown = manifest.parts.iter().map(|part| part.name.clone());
        let unknown: Vec<String> = unknown
            .filter(|name| wanted.iter().all(|(wanted, _)| wanted != name))
            .collect();
        if !missing.is_empty() || !unknown.is_empty() {
            return Err(CheckpointError::Names {
                path,
                missing,
                unknown,
            });
        }
        for (name, kind) in wanted {
            if let Some(part) = saved(name).filter(|part| part.kind != *kind) {
                let (saved, expected) = (part.kind.clone(), kind.clone());
                let path = folder.join(part.file());
                return Err(CheckpointError::Kind {
                    path,
                    saved,
                    expected,
                });
            }
        }
        manifest
            .parts
            .iter()
            .try_for_each(|part| self.check(step, part))?;
        Ok(manifest)
    }

    fn manifest(&self, step: u64) -> Result<Manifest> {
        let path = self.of(step).join(NAME);
        let mut text = Vec::new();
        let bytes = open(&path)?.take(LIMIT + 1).read_to_end(&mut text);
        if bytes.map_err(at(&path))? as u64 > LIMIT {
            return Err(damaged(path, format!("has more than {LIMIT} bytes")));
        }
        let manifest = Manifest::read(&text).map_err(|problem| damaged(path.clone(), problem))?;
        if manifest.step != step {
            let problem = format!("is of step {}, in the folder of step {step}", manifest.step);
            return Err(damaged(path, problem));
        }
        Ok(manifest)
    }

    /// The file of a part, once it has the right size.
    fn open(&self, step: u64, part: &Saved) -> Result<(PathBuf, File)> {
        let path = self.of(step).join(part.file());
        let file = open(&path)?;
        let bytes = file.metadata().map_err(at(&path))?.len();
        if bytes != part.bytes {
            let problem = format!("has {bytes} bytes, the manifest says {}", part.bytes);
            return Err(damaged(path, problem));
        }
        Ok((path, file))
    }

    fn check(&self, step: u64, part: &Saved) -> Result<()> {
        let (path, file) = self.open(step, part)?;
        let mut sha = Sha256::new();
        io::copy(&mut file.take(part.bytes), &mut sha).map_err(at(&path))?;
        same(path, &hex(&sha.finalize()), part)
    }

    /// The state of a part by its name.
    #[cfg(feature = "train")]
    pub(super) fn part(&self, step: u64, name: &str) -> Result<(PathBuf, Vec<u8>)> {
        let manifest = self.manifest(step)?;
        let Some(part) = manifest.parts.iter().find(|part| part.name == name) else {
            let path = self.of(step).join(NAME);
            let (missing, unknown) = (vec![name.to_owned()], Vec::new());
            return Err(CheckpointError::Names {
                path,
                missing,
                unknown,
            });
        };
        self.read(step, part)
    }

    /// The state of a part, checked once more.
    pub(super) fn read(&self, step: u64, part: &Saved) -> Result<(PathBuf, Vec<u8>)> {
        let (path, file) = self.open(step, part)?;
        let mut bytes = Vec::new();
        let size = usize::try_from(part.bytes).unwrap_or(usize::MAX);
        if bytes.try_reserve_exact(size).is_err() {
            return Err(damaged(
                path,
                format!("{size} bytes do not fit into memory"),
            ));
        }
        file.take(part.bytes)
            .read_to_end(&mut bytes)
            .map_err(at(&path))?;
        same(path.clone(), &digest(&bytes), part)?;
        Ok((path, bytes))
    }
}

impl Draft<'_> {
    /// Writes the state of one part.
    pub(super) fn add(&mut self, name: &str, kind: String, bytes: &[u8]) -> Result<()> {
        let part = Saved {
            name: name.to_owned(),
            kind,
            bytes: bytes.len() as u64,
            sha256: digest(bytes),
        };
        write(&self.path.join(part.file()), bytes)?;
        self.parts.push(part);
        Ok(())
    }

    /// Puts the checkpoint in its place, and removes the oldest but for `keep`.
    pub(super) fn commit(mut self, keep: usize) -> Result<()> {
        let manifest = Manifest::new(self.step, std::mem::take(&mut self.parts));
        let path = self.path.join(NAME);
        let text = manifest
            .text()
            .map_err(|error| damaged(path.clone(), error.to_string()))?;
        write(&path, &text)?;
        sync_folder(&self.path).map_err(at(&self.path))?;
        let place = self.folder.of(self.step);
        fs::rename(&self.path, &place).map_err(at(&place))?;
        sync_folder(&self.folder.0).map_err(at(&self.folder.0))?;
        // The new one is safe: an old one that can't be removed is tried again by the next save.
        let steps = self.folder.steps()?;
        for old in &steps[..steps.len().saturating_sub(keep)] {
            let _ = self.folder.remove(*old);
        }
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// What happened at a path.
fn at(path: &Path) -> impl Fn(io::Error) -> CheckpointError {
    move |source| CheckpointError::Io {
        path: path.to_owned(),
        source,
    }
}

fn damaged(path: PathBuf, problem: String) -> CheckpointError {
    CheckpointError::Damaged { path, problem }
}

/// A file of a checkpoint, which must be there.
fn open(path: &Path) -> Result<File> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(damaged(path.to_owned(), "is missing".to_owned()));
        }
        file => file.map_err(at(path))?,
    };
    if !file.metadata().map_err(at(path))?.is_file() {
        return Err(damaged(path.to_owned(), "is no file".to_owned()));
    }
    Ok(file)
}

fn same(path: PathBuf, found: &str, part: &Saved) -> Result<()> {
    if found == part.sha256 {
        return Ok(());
    }
    let problem = "damaged, or of another checkpoint: its SHA-256 is not the manifest's";
    Err(damaged(path, problem.to_owned()))
}

/// A new file in a folder that nobody else sees yet.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create_new(path).map_err(at(path))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(at(path))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_the_manifest_names_takes_no_memory() {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::new(path.path());
        for bytes in [0, 4, u64::from(u32::MAX), u64::MAX] {
            let saved = Saved {
                name: "model".to_owned(),
                kind: "text 1".to_owned(),
                bytes,
                sha256: digest(b"abc"),
            };
            let file = folder.of(7).join(saved.file());
            let wanted = [("model".to_owned(), "text 1".to_owned())];
            let manifest = Manifest::new(7, vec![saved]);
            let _ = fs::remove_dir_all(folder.of(7));
            fs::create_dir(folder.of(7)).unwrap();
            fs::write(&file, "abc").unwrap();
            fs::write(folder.of(7).join(NAME), manifest.text().unwrap()).unwrap();
            let error = folder.verify(7, &wanted).unwrap_err();
            let problem = format!("has 3 bytes, the manifest says {bytes}");
            assert_eq!(error.to_string(), format!("{}: {problem}", file.display()));
            assert!(folder.read(7, &manifest.parts[0]).is_err());
        }
    }
}
