//! Warm-ups that are kept beside the program, for the runs of a seed whole and with each fault.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result};
use burn::module::Module;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::{ParamVector, files};
use sha2::{Digest, Sha256};

/// The program that keeps warm-ups; a test does not.
const PROGRAM: &str = "regimen-examples";

/// Where a warm-up is kept.
pub(super) struct Kept {
    file: PathBuf,
}

impl Kept {
    /// The place of a warm-up from this policy and generator; none where this program keeps none.
    pub(super) fn of(
        warm_up: &impl Debug,
        policy: &impl Module,
        task: &str,
        rng: &ChaCha8Rng,
    ) -> Result<Option<Self>> {
        let Ok(program) = std::env::current_exe() else {
            return Ok(None);
        };
        if program.file_stem().is_none_or(|name| name != PROGRAM) {
            return Ok(None);
        }
        let about = program.metadata().context("this program")?;
        let made = about.modified().context("this program")?;
        let made = made.duration_since(UNIX_EPOCH).unwrap_or_default();
        let own = format!("{}-{}", about.len(), made.as_nanos());
        let all = program.with_file_name("warm-ups");
        forget_others(&all, &own);
        Self::within(&all.join(own), warm_up, policy, task, rng).map(Some)
    }

    fn within(
        folder: &Path,
        warm_up: &impl Debug,
        policy: &impl Module,
        task: &str,
        rng: &ChaCha8Rng,
    ) -> Result<Self> {
        let mut hash = Sha256::new();
        hash.update(format!("{warm_up:?} {task}"));
        hash.update(rng.get_seed());
        hash.update(rng.get_stream().to_le_bytes());
        hash.update(rng.get_word_pos().to_le_bytes());
        for values in ParamVector::of(policy).to_host()? {
            hash.update(bytes(&values));
        }
        let name: String = hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Self {
            file: folder.join(name),
        })
    }

    /// The policy that was kept, with the generator where it was then.
    pub(super) fn read<M: Module>(&self, policy: &M, rng: &mut ChaCha8Rng) -> Result<Option<M>> {
        let Ok(found) = std::fs::read(&self.file) else {
            return Ok(None);
        };
        let vector = ParamVector::of(policy);
        let sizes: Vec<usize> = vector
            .entries()
            .iter()
            .map(|entry| entry.shape.iter().product())
            .collect();
        if found.len() != 16 + 4 * sizes.iter().sum::<usize>() {
            return Ok(None);
        }
        let (position, mut values) = found.split_at(16);
        let position: [u8; 16] = position.try_into()?;
        let host = sizes.iter().map(|size| {
            let (own, rest) = values.split_at(4 * size);
            values = rest;
            let words = own.chunks_exact(4);
            words
                .map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]))
                .collect()
        });
        let policy = vector.from_host(host.collect())?.write_to(policy.clone())?;
        rng.set_word_pos(u128::from_le_bytes(position));
        Ok(Some(policy))
    }

    pub(super) fn write(&self, policy: &impl Module, rng: &ChaCha8Rng) -> Result<()> {
        let mut all = rng.get_word_pos().to_le_bytes().to_vec();
        for values in ParamVector::of(policy).to_host()? {
            all.extend(bytes(&values));
        }
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        files::write(&self.file, |file| std::io::Write::write_all(file, &all))?;
        Ok(())
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// Deletes what other builds of the program have kept; what can't be deleted is only never used.
fn forget_others(all: &Path, own: &str) {
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy() != own {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;
    use rand::{Rng, SeedableRng};

    use super::super::policy::{Policy, PolicyConfig};
    use super::*;

    fn start(device: &Device) -> Policy {
        device.seed(0);
        PolicyConfig::new()
            .with_width(8)
            .with_hidden(8)
            .init(device)
    }

    #[test]
    fn what_is_kept_comes_back_with_the_generator() {
        let device = Device::default().autodiff();
        let folder = tempfile::tempdir().unwrap();
        let (warm_up, policy) = ("560 updates", start(&device));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let place = |task, rng: &ChaCha8Rng| {
            Kept::within(folder.path(), &warm_up, &policy, task, rng).unwrap()
        };
        let kept = place("sums", &rng);
        assert!(kept.read(&policy, &mut rng).unwrap().is_none());
        let mut later = rng.clone();
        later.next_u64();
        let trained = ParamVector::of(&policy).map(|_, values| values * 2.0 + 1.0);
        let trained = trained.write_to(policy.clone()).unwrap();
        kept.write(&trained, &later).unwrap();
        let found = kept.read(&policy, &mut rng).unwrap().unwrap();
        let host = |policy: &Policy| ParamVector::of(policy).to_host().unwrap();
        assert_eq!(host(&found), host(&trained));
        assert_eq!(rng.next_u64(), later.next_u64());
        // Another task or generator is kept elsewhere.
        assert_ne!(place("others", &later).file, place("sums", &later).file);
        assert_ne!(place("sums", &rng).file, kept.file);
        std::fs::write(&kept.file, b"short").unwrap();
        assert!(kept.read(&policy, &mut rng).unwrap().is_none());
    }
}
