//! How the state of a method with a memory is saved.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Replay;
use crate::examples::Examples;
use crate::memory::Memory;
use crate::saved::Saved;
use crate::{ContinualError, Result};

#[derive(Serialize)]
#[serde(bound = "I: Serialize, P: Serialize")]
struct Written<'a, I, P> {
    step: usize,
    task: usize,
    examples: Option<usize>,
    offered: usize,
    memory: &'a Memory<I>,
    extra: P,
}

#[derive(Deserialize)]
#[serde(bound = "I: DeserializeOwned, P: DeserializeOwned")]
struct Read<I, P> {
    step: usize,
    task: usize,
    examples: Option<usize>,
    offered: usize,
    memory: Memory<I>,
    extra: P,
}

impl<B: Examples, X> Replay<B, X> {
    /// The state: `plain` gives what is plain data of the method's own, and `tensors` adds the rest.
    pub(crate) fn save<P: Serialize>(
        &self,
        plain: impl FnOnce(&X) -> P,
        tensors: impl FnOnce(&X, Saved) -> Result<Saved>,
    ) -> Result<Vec<u8>> {
        let core = self.shared.lock();
        let saved = Saved::new(&Written {
            step: self.shared.steps.taken(),
            task: core.task,
            examples: core.examples,
            offered: core.offered,
            memory: &core.memory,
            extra: plain(&core.extra),
        })?;
        tensors(&core.extra, saved)?.to_bytes()
    }

    /// Restores a state: `extra` makes the method's own of what was saved. On an error nothing is changed.
    pub(crate) fn load<P: DeserializeOwned>(
        &self,
        bytes: &[u8],
        extra: impl FnOnce(P, &Saved, &Memory<B::Item>, &X) -> Result<X>,
    ) -> Result<()> {
        let saved = Saved::read(bytes)?;
        let read: Read<B::Item, P> = saved.state()?;
        let mut core = self.shared.lock();
        if read.memory.config() != core.memory.config() {
            let expected = format!("{:?}", core.memory.config());
            let found = format!("{:?}", read.memory.config());
            return Err(ContinualError::mismatch("memory", expected, found));
        }
        core.extra = extra(read.extra, &saved, &read.memory, &core.extra)?;
        (core.memory, core.restored) = (read.memory, true);
        (core.task, core.examples, core.offered) = (read.task, read.examples, read.offered);
        self.shared.steps.restore(read.step);
        Ok(())
    }
}
