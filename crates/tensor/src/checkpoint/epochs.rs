//! The checkpoint beside Burn's `SupervisedTraining`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::train::checkpoint::{
    Checkpoint as TrainRecord, Checkpointer, CheckpointerError, CheckpointingAction,
    CheckpointingStrategy,
};
use burn::train::metric::store::EventStoreClient;
use burn::train::{LearnerModel, SupervisedTraining};

use super::error::{CheckpointError, Result};
use super::folder::Folder;
use super::manifest::check_names;
use super::model::KIND as MODEL;
use super::optimizer::{KIND as OPTIMIZER, in_order};
use super::part::Part;
use super::scheduler::MODULE_KIND as SCHEDULER;
use super::unit::{KEEP, check_keep, load};

/// What Burn saves of a learner, with its kind: these names are no others' to take.
const FACES: [(&str, &str); 3] = [
    ("model", MODEL),
    ("optimizer", OPTIMIZER),
    ("scheduler", SCHEDULER),
];

/// All parts of a run of Burn's `SupervisedTraining`, saved as one at the end of an epoch.
///
/// Burn saves the model, the optimizer and the schedule, each in a thread of its own; this puts them together with what
/// Burn does not know: loaders, pruners, ledgers. Their state is taken on the training thread, between two epochs, and the
/// folder of the epoch is committed when the last of Burn's three records has come.
///
/// | set by | default | meaning |
/// |---|---|---|
/// | `with(name, part)` | | a handle that shares its state with the run: `loader.clone()`, `pruner.clone()` |
/// | `every(n)` | 1 | saves after every n-th epoch |
/// | `with_strategy(s)` | | saves when Burn's strategy says so, as after the best epoch |
/// | `keep(n)` | 3 | how many checkpoints stay, the newest; a strategy's `Delete` does nothing |
///
/// [`resume`](Self::resume) checks the newest checkpoint, restores the parts, and says which epoch it is of;
/// [`attach`](Self::attach) gives a training the checkpointers and the epoch to go on from. Folders and guarantees are those of
/// [`Checkpoint`](super::Checkpoint).
///
/// ```
/// use std::error::Error;
/// use burn::train::{Learner, LearnerModel, SupervisedTraining};
/// use regimen_tensor::Part;
/// use regimen_tensor::checkpoint::EpochCheckpoint;
///
/// fn train<M: LearnerModel>(
///     training: SupervisedTraining<M>,
///     learner: Learner<M>,
///     pruner: impl Part + Send + 'static,
/// ) -> Result<M, Box<dyn Error>> {
///     let mut unit = EpochCheckpoint::new("run/checkpoints").with("pruner", pruner);
///     let done = unit.resume()?.unwrap_or(0);
///     println!("{done} epochs are done");
///     Ok(unit.attach(training)?.launch(learner).model)
/// }
/// ```
///
/// # Limits
///
/// Burn begins at an epoch's start: what was done of an epoch that was killed is done again. It panics when a record
/// does not fit the learner's model; `resume` has checked all but that.
pub struct EpochCheckpoint {
    shared: Arc<Shared>,
    parts: Vec<(String, Box<dyn Part + Send>)>,
    every: usize,
    strategy: Option<Box<dyn CheckpointingStrategy>>,
    resumed: Option<usize>,
}

struct Shared {
    folder: Folder,
    keep: Mutex<usize>,
    pending: Mutex<BTreeMap<usize, Pending>>,
}

/// States of one epoch that wait for Burn's three records: name, kind and bytes.
type Pending = Result<Vec<(String, String, Vec<u8>)>>;

impl fmt::Debug for EpochCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.parts.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("EpochCheckpoint")
            .field("folder", &self.shared.folder.path())
            .field("parts", &names)
            .field("resumed", &self.resumed)
            .finish()
    }
}

impl EpochCheckpoint {
    /// Of a run whose checkpoints are in this folder, which the first save makes.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self {
            shared: Arc::new(Shared {
                folder: Folder::new(folder.as_ref()),
                keep: Mutex::new(KEEP),
                pending: Mutex::default(),
            }),
            parts: Vec::new(),
            every: 1,
            strategy: None,
            resumed: None,
        }
    }

    /// Keeps the newest checkpoints, so many; 1 or more.
    #[must_use]
    pub fn keep(self, checkpoints: usize) -> Self {
        *hold(&self.shared.keep) = checkpoints;
        self
    }

    /// Saves after every n-th epoch; 1 or more.
    #[must_use]
    pub fn every(mut self, epochs: usize) -> Self {
        self.every = epochs;
        self
    }

    /// Saves after the epochs that Burn's strategy chooses, in place of every n-th.
    #[must_use]
    pub fn with_strategy(mut self, strategy: impl CheckpointingStrategy + 'static) -> Self {
        self.strategy = Some(Box::new(strategy));
        self
    }

    /// A part: a handle that shares its state with the run.
    #[must_use]
    pub fn with(mut self, name: &str, part: impl Part + Send + 'static) -> Self {
        self.parts.push((name.to_owned(), Box::new(part)));
        self
    }

    /// Checks the newest checkpoint and restores the parts; says its epoch, or `None` if there is none yet.
    ///
    /// # Errors
    /// As [`Checkpoint::restore`](super::Checkpoint::restore). Nothing is changed then.
    pub fn resume(&mut self) -> Result<Option<usize>> {
        self.check()?;
        let folder = &self.shared.folder;
        let _lock = folder.lock()?;
        let Some(step) = folder.steps()?.last().copied() else {
            return Ok(None);
        };
        let mut wanted = FACES
            .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
            .to_vec();
        let parts = self.parts.iter();
        wanted.extend(parts.map(|(name, part)| (name.clone(), part.kind())));
        let manifest = folder.verify(step, &wanted)?;
        let parts = self.parts.iter_mut();
        let parts = parts.map(|(name, part)| (name.as_str(), &mut **part as &mut dyn Part));
        load(folder, &manifest, parts.collect())?;
        self.resumed = usize::try_from(step).ok();
        Ok(self.resumed)
    }

    /// A training that saves here, and goes on after the epoch that [`resume`](Self::resume) found.
    ///
    /// An error while it saves stops the training, as Burn's own checkpointers do: Burn's `Interrupter` has it
    /// (`training.interrupter().error()`).
    ///
    /// # Errors
    /// [`CheckpointError`]: a name that is not allowed, `keep(0)` or `every(0)`.
    pub fn attach<M: LearnerModel>(
        self,
        training: SupervisedTraining<M>,
    ) -> Result<SupervisedTraining<M>> {
        self.check()?;
        let face = |index: usize| Face {
            index,
            shared: Arc::clone(&self.shared),
        };
        let mut training = training.with_custom_checkpointers(face(0), face(1), face(2));
        if let Some(epoch) = self.resumed {
            training = training.checkpoint(epoch);
        }
        Ok(training.with_checkpointing_strategy(Capture {
            shared: self.shared,
            parts: self.parts,
            every: self.every,
            strategy: self.strategy,
        }))
    }

    fn check(&self) -> Result<()> {
        let parts = self.parts.iter().map(|(name, _)| name.as_str());
        check_names(FACES.iter().map(|(name, _)| *name).chain(parts))?;
        if self.every == 0 {
            return Err(CheckpointError::Every);
        }
        check_keep(*hold(&self.shared.keep))
    }
}

impl Shared {
    /// Takes one of Burn's records; the last one commits the checkpoint of its epoch.
    fn take(&self, epoch: usize, face: usize, bytes: Vec<u8>) -> std::result::Result<(), String> {
        let (name, kind) = FACES[face];
        let states = {
            let mut pending = hold(&self.pending);
            let Some(states) = pending.remove(&epoch) else {
                return Err(format!(
                    "epoch {epoch}: another part of it could not be saved"
                ));
            };
            let mut states = states.map_err(|error| error.to_string())?;
            states.push((name.to_owned(), kind.to_owned(), bytes));
            let whole = |name: &str| states.iter().any(|(there, _, _)| there == name);
            if !FACES.iter().all(|(name, _)| whole(name)) {
                pending.insert(epoch, Ok(states));
                return Ok(());
            }
            states
        };
        self.commit(epoch as u64, states)
            .map_err(|error| error.to_string())
    }

    fn commit(&self, step: u64, states: Vec<(String, String, Vec<u8>)>) -> Result<()> {
        let _span = tracing::info_span!("save checkpoint", step, parts = states.len()).entered();
        let mut draft = self.folder.draft(step)?;
        for (name, kind, bytes) in states {
            draft.add(&name, kind, &bytes)?;
        }
        draft.commit(*hold(&self.keep))
    }

    /// One of Burn's records of an epoch.
    fn give(&self, epoch: usize, face: usize) -> Result<Vec<u8>> {
        let (name, _) = FACES[face];
        let _lock = self.folder.lock()?;
        Ok(self.folder.part(epoch as u64, name)?.1)
    }
}

/// Takes the states of the parts when Burn is about to save.
struct Capture {
    shared: Arc<Shared>,
    parts: Vec<(String, Box<dyn Part + Send>)>,
    every: usize,
    strategy: Option<Box<dyn CheckpointingStrategy>>,
}

impl CheckpointingStrategy for Capture {
    fn checkpointing(
        &mut self,
        epoch: usize,
        store: &EventStoreClient,
    ) -> Vec<CheckpointingAction> {
        let saves = match &mut self.strategy {
            Some(strategy) => strategy
                .checkpointing(epoch, store)
                .contains(&CheckpointingAction::Save),
            None => epoch.is_multiple_of(self.every),
        };
        if !saves {
            return Vec::new();
        }
        let states = self.parts.iter().map(|(name, part)| {
            let bytes = part.save().map_err(|source| CheckpointError::Save {
                name: name.clone(),
                source,
            })?;
            Ok((name.clone(), part.kind(), bytes))
        });
        let states: Pending = states.collect();
        hold(&self.shared.pending).insert(epoch, states);
        vec![CheckpointingAction::Save]
    }
}

/// One of the three checkpointers that Burn asks for.
struct Face {
    /// Which of [`FACES`].
    index: usize,
    shared: Arc<Shared>,
}

impl<R: TrainRecord> Checkpointer<R> for Face {
    fn save(&self, epoch: usize, record: R) -> std::result::Result<(), CheckpointerError> {
        let bytes = record
            .checkpoint_into_bytes()
            .map_err(CheckpointerError::Record)?
            .to_vec();
        let saved = if self.index == 1 {
            let bytes = in_order(&bytes).map_err(|error| error.to_string());
            bytes.and_then(|bytes| self.shared.take(epoch, self.index, bytes))
        } else {
            self.shared.take(epoch, self.index, bytes)
        };
        saved.map_err(|problem| {
            hold(&self.shared.pending).remove(&epoch);
            CheckpointerError::Unknown(problem)
        })
    }

    fn delete(&self, _epoch: usize) -> std::result::Result<(), CheckpointerError> {
        Ok(())
    }

    fn restore(&self, epoch: usize) -> std::result::Result<R, CheckpointerError> {
        let bytes = self.shared.give(epoch, self.index);
        let bytes = bytes.map_err(|error| CheckpointerError::Unknown(error.to_string()))?;
        let bytes = burn_pack::Bytes::from_bytes_vec(bytes);
        R::checkpoint_from_bytes(bytes).map_err(CheckpointerError::Record)
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
