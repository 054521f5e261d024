//! The checkpoint itself: a list of parts that saves and restores.

use std::fmt;
use std::path::Path;

use super::error::{CheckpointError, Result};
use super::folder::Folder;
use super::manifest::{Manifest, check_names};
use super::part::Part;

/// How many checkpoints are kept where nothing else is said.
pub(super) const KEEP: usize = 3;

/// When a part is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    #[cfg(feature = "burn")]
    Model,
    Part,
    #[cfg(feature = "burn")]
    Optimizer,
    #[cfg(feature = "burn")]
    Scheduler,
}

/// All parts of a run, saved and restored as one.
///
/// The list names the parts; the same list saves and restores. It borrows what it is given, so it is made anew each time,
/// best by one function of the program; that costs nothing. On the disk, the checkpoint of step 120 is the folder
/// `00000120`, with one file a part and a manifest of names, kinds, sizes and SHA-256 digests.
///
/// | set by | default | meaning |
/// |---|---|---|
/// | `with(name, part)` | | a [`Part`]: a loader, a pruner, a ledger. The name is 1 to 64 of `a-z`, `0-9`, `-`, `_` |
/// | `with_model`, `with_optimizer`, `with_scheduler` | | Burn's own (feature `burn`) |
/// | `keep(n)` | 3 | how many checkpoints stay: the newest, by their step |
///
/// # Guarantees
///
/// - **Saving** is all or nothing. The parts are written into a folder of a temporary name, brought to the disk and renamed:
///   a run that is killed at whatever moment leaves the checkpoints that were there, and at most a partial folder, which
///   the next save removes. Programs that save in one folder wait for each other by a lock, and steps must go up, so that
///   two runs in one folder are found out.
/// - **Restoring** is all or nothing. The step, the list of names, each kind, size and digest are checked before the first
///   part is loaded; if a part then refuses its state, those before it get back what they had. A damaged newest checkpoint is an error,
///   and no silent step back: [`restore_at`](Self::restore_at) takes an older one.
/// - **The order** of loading is the model, then the parts of `with` in their own order, then optimizers, then schedulers.
///   The model comes first because its record brings the parameters' ids, by which masks and an optimizer's moments find
///   their parameters; a mask comes before the optimizer, so that a part may look at the weights before moments exist.
///
/// ```
/// use std::path::Path;
/// use regimen_tensor::checkpoint::{Checkpoint, Part, PartError, json};
///
/// /// Losses so far.
/// struct Losses(Vec<f64>);
///
/// impl Part for Losses {
///     fn kind(&self) -> String {
///         "losses 1".into()
///     }
///     fn save(&self) -> Result<Vec<u8>, PartError> {
///         json::save(&self.0)
///     }
///     fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
///         self.0 = json::load(bytes)?;
///         Ok(())
///     }
/// }
///
/// fn unit<'a>(folder: &Path, losses: &'a mut Losses) -> Checkpoint<'a> {
///     Checkpoint::new(folder).with("losses", losses).keep(2)
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let mut losses = Losses(vec![]);
/// let start = unit(folder, &mut losses).restore()?.unwrap_or(0);
/// for step in start..10 {
///     losses.0.push(1.0 / (1.0 + step as f64));
///     unit(folder, &mut losses).save(step + 1)?;
/// }
///
/// let mut again = Losses(vec![]);
/// assert_eq!(unit(folder, &mut again).restore()?, Some(10));
/// assert_eq!(again.0, losses.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With a model, an optimizer and a schedule, the function that makes the list is
///
/// ```
/// # #[cfg(feature = "burn")] {
/// use std::path::Path;
/// use burn::lr_scheduler::LrScheduler;
/// use burn::module::Module;
/// use burn::optim::ModuleOptimizer;
/// use regimen_tensor::Part;
/// use regimen_tensor::checkpoint::Checkpoint;
///
/// struct Run<M, S, L> {
///     model: M,
///     optim: ModuleOptimizer,
///     scheduler: S,
///     loader: L,
/// }
///
/// impl<M: Module, S: LrScheduler, L: Part> Run<M, S, L> {
///     fn checkpoint(&mut self, folder: &Path) -> Checkpoint<'_> {
///         Checkpoint::new(folder)
///             .with_model(&mut self.model)
///             .with_optimizer(&mut self.optim)
///             .with_scheduler(&mut self.scheduler)
///             .with("loader", &mut self.loader)
///     }
/// }
/// # }
/// ```
pub struct Checkpoint<'a> {
    folder: Folder,
    keep: usize,
    parts: Vec<Entry<'a>>,
}

struct Entry<'a> {
    order: Order,
    name: String,
    part: Box<dyn Part + 'a>,
}

impl fmt::Debug for Checkpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.parts.iter().map(|entry| entry.name.as_str()).collect();
        f.debug_struct("Checkpoint")
            .field("folder", &self.folder.path())
            .field("parts", &names)
            .finish()
    }
}

impl<'a> Checkpoint<'a> {
    /// Of a run whose checkpoints are in this folder, which the first save makes.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self {
            folder: Folder::new(folder.as_ref()),
            keep: KEEP,
            parts: Vec::new(),
        }
    }

    /// Keeps the newest checkpoints, so many; 1 or more.
    #[must_use]
    pub fn keep(mut self, checkpoints: usize) -> Self {
        self.keep = checkpoints;
        self
    }

    /// A part: what is borrowed as `&mut part`, or a handle that shares its state, as `pruner.clone()`.
    #[must_use]
    pub fn with(self, name: &str, part: impl Part + 'a) -> Self {
        self.add(Order::Part, name, part)
    }

    pub(super) fn add(mut self, order: Order, name: &str, part: impl Part + 'a) -> Self {
        self.parts.push(Entry {
            order,
            name: name.to_owned(),
            part: Box::new(part),
        });
        self.parts.sort_by_key(|entry| entry.order);
        self
    }

    /// Saves all parts as the checkpoint of this step; once it returns, the checkpoint is on the disk.
    ///
    /// # Errors
    /// [`CheckpointError`]: a name that is not allowed, `keep(0)`, a part that can't be saved, a step that is not later
    /// than those in the folder, or what the system says. The checkpoints that were there stay.
    pub fn save(&self, step: u64) -> Result<()> {
        self.check()?;
        #[cfg(feature = "burn")]
        let _span =
            tracing::info_span!("save checkpoint", step, parts = self.parts.len()).entered();
        let mut draft = self.folder.draft(step)?;
        for Entry { name, part, .. } in &self.parts {
            let bytes = part.save().map_err(|source| CheckpointError::Save {
                name: name.clone(),
                source,
            })?;
            draft.add(name, part.kind(), &bytes)?;
        }
        draft.commit(self.keep)
    }

    /// Restores the newest checkpoint, and says its step; `None` if there is none yet.
    ///
    /// # Errors
    /// [`CheckpointError`], which names the file: one that is damaged or of another checkpoint, other names or kinds than
    /// the list's, a part that refuses its state. Nothing is changed then.
    pub fn restore(&mut self) -> Result<Option<u64>> {
        self.check()?;
        let _lock = self.folder.lock()?;
        let newest = self.folder.steps()?.last().copied();
        newest
            .map(|step| self.load(step).map(|()| step))
            .transpose()
    }

    /// Restores the checkpoint of a step. To go on from it, call [`remove_after`](Self::remove_after): later ones belong to a
    /// run that is given up.
    ///
    /// # Errors
    /// As [`restore`](Self::restore), and [`CheckpointError::Absent`] if there is none of this step.
    pub fn restore_at(&mut self, step: u64) -> Result<()> {
        self.check()?;
        let _lock = self.folder.lock()?;
        let there = self.folder.steps()?;
        if !there.contains(&step) {
            let folder = self.folder.path().to_owned();
            return Err(CheckpointError::Absent {
                folder,
                step,
                there,
            });
        }
        self.load(step)
    }

    /// The steps that have a checkpoint, in order.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn steps(&self) -> Result<Vec<u64>> {
        self.folder.steps()
    }

    /// Removes all checkpoints of later steps than this one.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn remove_after(&self, step: u64) -> Result<()> {
        self.folder.remove_after(step)
    }

    fn check(&self) -> Result<()> {
        check_names(self.parts.iter().map(|entry| entry.name.as_str()))?;
        check_keep(self.keep)
    }

    fn load(&mut self, step: u64) -> Result<()> {
        #[cfg(feature = "burn")]
        let _span =
            tracing::info_span!("restore checkpoint", step, parts = self.parts.len()).entered();
        let wanted = self.parts.iter();
        let wanted: Vec<_> = wanted
            .map(|entry| (entry.name.clone(), entry.part.kind()))
            .collect();
        let manifest = self.folder.verify(step, &wanted)?;
        let parts = self.parts.iter_mut();
        let parts = parts.map(|entry| (entry.name.as_str(), &mut *entry.part as &mut dyn Part));
        load(&self.folder, &manifest, parts.collect())
    }
}

pub(super) fn check_keep(keep: usize) -> Result<()> {
    if keep == 0 {
        return Err(CheckpointError::Keep);
    }
    Ok(())
}

/// Loads parts of a verified checkpoint in this order; if one refuses, those before it get back what they had.
pub(super) fn load(
    folder: &Folder,
    manifest: &Manifest,
    mut parts: Vec<(&str, &mut dyn Part)>,
) -> Result<()> {
    let mut before: Vec<Option<Vec<u8>>> = Vec::new();
    let mut refused = None;
    for (name, part) in &mut parts {
        let Some(saved) = manifest.parts.iter().find(|saved| saved.name == *name) else {
            continue;
        };
        let had = part.save().ok();
        let loaded = folder.read(manifest.step, saved).and_then(|(path, bytes)| {
            let refuses = |source| CheckpointError::Load { path, source };
            part.load(&bytes).map_err(refuses)
        });
        if let Err(error) = loaded {
            refused = Some(error);
            break;
        }
        before.push(had);
    }
    let Some(error) = refused else {
        return Ok(());
    };
    for ((_, part), had) in parts.iter_mut().zip(before) {
        if let Some(had) = had {
            let _ = part.load(&had);
        }
    }
    Err(error)
}
