//! A loader of replay as a part of a checkpoint.

use std::collections::BTreeMap;

use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::replay_loader::ReplayLoader;
use super::replay_source::At;
use super::store::Memory;
use crate::ContinualError;

/// What is saved.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<I> {
    examples: usize,
    parts: Vec<((usize, usize), At)>,
    memory: Memory<I>,
}

/// How far the loader and its slices came, and the memory. Taken between two steps: batches that were handed out count as
/// trained. Once it is loaded, the first `iter` delivers the rest of the epoch; iterators of before end. Refused for a data set of
/// another size, or another memory.
impl<I, O> Part for ReplayLoader<I, O>
where
    I: Clone + Serialize + DeserializeOwned,
{
    fn kind(&self) -> String {
        "replay loader 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        let positions = self.source.positions();
        let parts = positions.at.iter().map(|(part, at)| (*part, *at)).collect();
        json::save(&Saved {
            examples: self.source.dataset.len(),
            parts,
            memory: self.source.memory.lock().clone(),
        })
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        let saved: Saved<I> = json::load(bytes)?;
        let examples = self.source.dataset.len();
        if saved.examples != examples {
            let found = saved.examples;
            return Err(ContinualError::mismatch("examples", examples, found).into());
        }
        let mut parts = BTreeMap::new();
        for ((start, end), mut at) in saved.parts {
            let fits = start < end && end <= examples && at.delivered <= end - start;
            if !fits || at.epochs == 0 {
                let reason = format!("part {start} to {end} of {examples} at {at:?}");
                return Err(ContinualError::State(reason).into());
            }
            at.goes_on = at.delivered < end - start;
            parts.insert((start, end), at);
        }
        let mut positions = self.source.positions();
        let mut memory = self.source.memory.lock();
        if saved.memory.config() != memory.config() {
            let (expected, found) = (memory.config(), saved.memory.config());
            let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
            return Err(ContinualError::mismatch("memory", expected, found).into());
        }
        *memory = saved.memory;
        positions.at = parts;
        positions.loads += 1;
        Ok(())
    }
}
