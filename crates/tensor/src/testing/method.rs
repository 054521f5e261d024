//! What the suite asks of a method.

use std::error::Error;
use std::fmt;

use burn::tensor::DType;

use super::case::Case;
use super::reference::Reference;

/// What a method gives for a case: a result, or the typed error by which it refuses.
pub type Answer<T> = Result<T, Box<dyn Error>>;

/// What a case demands besides the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// Parameters and inputs in f32.
    F32,
    /// Parameters and inputs in bf16.
    Bf16,
    /// One parameter is frozen.
    Frozen,
    /// Gradients of three micro-batches a step; the last window holds one.
    Accumulation,
    /// Two replicas, each with half of each batch.
    TwoDevices,
    /// State is saved, dropped and restored in the middle.
    Resumed,
    /// One gradient or loss is not a number.
    NotFinite,
}

impl Condition {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::F32,
        Self::Bf16,
        Self::Frozen,
        Self::Accumulation,
        Self::TwoDevices,
        Self::Resumed,
        Self::NotFinite,
    ];

    /// The type of parameters and inputs.
    #[must_use]
    pub fn dtype(self) -> DType {
        match self {
            Self::Bf16 => DType::BF16,
            _ => DType::F32,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Frozen => "frozen part",
            Self::Accumulation => "accumulation",
            Self::TwoDevices => "two devices",
            Self::Resumed => "resumed",
            Self::NotFinite => "not finite",
        })
    }
}

/// A method under the suite.
pub trait Method {
    /// The name of its row, as in the crate's table of methods.
    fn name(&self) -> String;

    /// Runs the method and checks its own invariant; what it promises to leave as it is comes from
    /// [`Case::original`]. Return the model that the method gives. An `Err` is a refusal: it must be the method's typed
    /// error. A broken invariant is a panic (`assert!`).
    ///
    /// The suite checks that types, devices, ids and shapes are those of the original, that every value is finite, that
    /// the original is unchanged, its running statistics too, and that a frozen parameter is, where
    /// [`keeps_frozen`](Self::keeps_frozen) says so.
    ///
    /// # Errors
    /// The method's typed error where it refuses the case.
    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M>;

    /// Whether the method trains step by step: only then [`Condition::Accumulation`] and [`Condition::TwoDevices`] say
    /// anything.
    fn trains(&self) -> bool {
        true
    }

    /// Whether a frozen parameter keeps its bits.
    fn keeps_frozen(&self) -> bool {
        true
    }

    /// Two runs of a method with state: undisturbed, and with its state saved, dropped and restored in the middle. The
    /// suite compares their bits. `None`: the method keeps no state.
    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        let _ = case;
        None
    }

    /// A run in which one gradient or loss is not a number ([`Case::poisoned`]): return the model after it, and check
    /// that the method shows it by an error or a status. The suite checks that all its values are finite. `None`: the
    /// method takes no gradient and no loss.
    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let _ = case;
        None
    }
}
