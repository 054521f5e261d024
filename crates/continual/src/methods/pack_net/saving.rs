//! How the state of PackNet is saved.

use regimen_tensor::checkpoint::{Part, PartError};
use serde::{Deserialize, Serialize};

use super::{APART, PackNet};
use crate::saved::Saved;
use crate::{ContinualError, Result};

/// What is saved beside the vectors.
#[derive(Serialize, Deserialize)]
struct Plain {
    step: usize,
    pruned: bool,
    tasks: Vec<usize>,
    task: Option<usize>,
}

impl Part for PackNet {
    fn kind(&self) -> String {
        "pack net 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = self.shared.lock().clone();
        let mut saved = Saved::new(&Plain {
            step: self.shared.steps.taken(),
            pruned: state.pruned,
            tasks: state.tasks,
            task: state.task,
        })?
        .with("owners", &state.owners)?;
        if let Some(held) = &state.held {
            saved = saved.with("held", held)?;
        }
        for (place, statistics) in state.statistics.iter().enumerate() {
            saved = saved.with(&format!("statistics {place}"), statistics)?;
        }
        Ok(saved.to_bytes()?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Saved::read(bytes)?;
        let plain: Plain = saved.state()?;
        let mut state = self.shared.lock();
        let refuse = |reason: &str| ContinualError::State(reason.into());
        let owners = saved.vector("owners", &state.space)?;
        let owners = owners.ok_or_else(|| refuse("it has no owners"))?;
        let most = plain.tasks.len() as f32 + f32::from(u8::from(plain.pruned));
        let fits = |owner: &f32| owner.fract() == 0.0 && (APART..=most.max(1.0)).contains(owner);
        if !owners.to_host()?.iter().flatten().all(fits) {
            return Err(refuse("an owner is no task").into());
        }
        let held = saved.vector("held", &state.space)?;
        if held.is_some() != (plain.pruned || !plain.tasks.is_empty()) {
            return Err(refuse("weights and tasks do not fit").into());
        }
        let mut ids = plain.tasks.clone();
        ids.extend(plain.task);
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(refuse("a task comes twice").into());
        }
        let statistics = (0..plain.tasks.len()).map(|place| {
            let found = saved.vector(&format!("statistics {place}"), &state.buffers)?;
            let none = state.buffers.entries().is_empty();
            let empty = none.then(|| state.buffers.clone());
            found
                .or(empty)
                .ok_or_else(|| refuse("statistics are missing"))
        });
        state.statistics = statistics.collect::<Result<_>>()?;
        (state.owners, state.held, state.pruned) = (owners, held, plain.pruned);
        (state.tasks, state.task) = (plain.tasks, plain.task);
        self.shared.steps.restore(plain.step);
        Ok(())
    }
}
