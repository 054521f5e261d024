//! What can go wrong with a checkpoint.

use std::io;
use std::path::PathBuf;

use super::part::PartError;

/// Why a checkpoint could not be saved or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The system refused to read or write.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A part's name is not allowed.
    #[error(
        "part `{name}` {problem}: a name is 1 to 64 of `a` to `z`, `0` to `9`, `-` and `_`, and stands in the list once"
    )]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Nothing would be kept.
    #[error("`keep` is 0: allowed is 1 or more")]
    Keep,
    /// An interval of no epochs.
    #[error("`every` is 0: allowed is 1 or more epochs")]
    Every,
    /// The folder holds a checkpoint of this step or a later one.
    #[error(
        "step {step}: {} holds step {newest}, and steps go up. Restore that one, save in another folder, or call `remove_after` if a run that went wrong left it",
        folder.display()
    )]
    Step {
        /// The folder of checkpoints.
        folder: PathBuf,
        /// The step to save.
        step: u64,
        /// The newest step that is there.
        newest: u64,
    },
    /// There is no checkpoint of this step.
    #[error("no checkpoint of step {step} in {}: there are steps {there:?}", folder.display())]
    Absent {
        /// The folder of checkpoints.
        folder: PathBuf,
        /// The step asked for.
        step: u64,
        /// The steps that are there.
        there: Vec<u64>,
    },
    /// A file is missing, cut, changed, or of another checkpoint.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The checkpoint holds other parts than the list.
    #[error("{}: the checkpoint has no parts {missing:?}, and the list has no parts {unknown:?}", path.display())]
    Names {
        /// The manifest.
        path: PathBuf,
        /// Parts of the list that were not saved.
        missing: Vec<String>,
        /// Parts that were saved and are not in the list.
        unknown: Vec<String>,
    },
    /// A part was saved by another type, or in another format.
    #[error("{}: holds `{saved}`, and the part of this name is `{expected}`", path.display())]
    Kind {
        /// The part's file.
        path: PathBuf,
        /// What was saved.
        saved: String,
        /// What would be restored.
        expected: String,
    },
    /// A part could not give its state.
    #[error("part `{name}` can't be saved: {source}")]
    Save {
        /// The part.
        name: String,
        /// Its own error.
        source: PartError,
    },
    /// A part refused its state.
    #[error("{}: the part refuses its state: {source}", path.display())]
    Load {
        /// The part's file.
        path: PathBuf,
        /// Its own error.
        source: PartError,
    },
}

/// The result of a checkpoint.
pub type Result<T> = std::result::Result<T, CheckpointError>;
