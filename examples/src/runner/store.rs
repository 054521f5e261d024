//! What seeds measured, kept as it comes: a run that was stopped goes on where it was.
//!
//! A result is used again only by the same program on the same data, at the same size and on the same device.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest, Sha256};

use super::{Job, Plan};
use crate::experiment::SeedResult;

/// The folder of kept results.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    fresh: bool,
}

impl Store {
    /// The store of a plan below the folder of its report. What another program has left there is deleted.
    ///
    /// # Errors
    /// If the program or the data can't be read, or the folder not be made.
    pub fn open(out: &Path, plan: &Plan) -> Result<Self> {
        let trials = out.join("trials");
        let program = std::env::current_exe().context("finding this program")?;
        let mut hash = Sha256::new();
        hash_file(&mut hash, &program)?;
        let program = short(hash);
        if let Ok(entries) = fs::read_dir(&trials) {
            for entry in entries.flatten() {
                if entry.file_name().to_string_lossy() != program.as_str() {
                    // What can't be deleted is only never used.
                    let _ = fs::remove_dir_all(entry.path());
                }
            }
        }
        let folder = trials.join(program).join(conditions(plan)?);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(Self {
            folder,
            fresh: plan.fresh,
        })
    }

    /// Where a job's result is kept.
    #[must_use]
    pub fn file(&self, job: &Job) -> PathBuf {
        self.folder.join(job.file())
    }

    /// A result of an earlier run; none for a job that is to fail on purpose.
    #[must_use]
    pub fn kept(&self, job: &Job) -> Option<SeedResult> {
        if self.fresh || job.drill.is_some() {
            return None;
        }
        Self::read(&self.file(job))
    }

    /// Reads a result; none if the file is missing or not whole.
    #[must_use]
    pub fn read(file: &Path) -> Option<SeedResult> {
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }
}

/// What else the figures depend on: size, device, and the user's data.
fn conditions(plan: &Plan) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update([u8::from(plan.full)]);
    let device = std::env::var("BURN_DEVICE").unwrap_or_default();
    hash.update(device.as_bytes());
    if let Some(folder) = &plan.folder {
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .with_context(|| folder.display().to_string())?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<_>>()?;
        files.sort();
        hash.update(folder.as_os_str().as_encoded_bytes());
        for file in files.iter().filter(|file| file.is_file()) {
            hash.update(file.as_os_str().as_encoded_bytes());
            hash_file(&mut hash, file)?;
        }
    }
    Ok(short(hash))
}

fn hash_file(hash: &mut Sha256, path: &Path) -> Result<()> {
    let name = || path.display().to_string();
    let mut file = fs::File::open(path).with_context(name)?;
    let mut part = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut part).with_context(name)?;
        if count == 0 {
            return Ok(());
        }
        hash.update(&part[..count]);
    }
}

/// Sixteen hexadecimal digits of a hash.
fn short(hash: Sha256) -> String {
    let bytes = hash.finalize();
    bytes
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
