//! What the suite asks of a method.

use super::answer::Answer;
use super::case::Case;
use super::reference::Reference;

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

    /// Whether the method trains step by step: only then [`Condition::Accumulation`](super::Condition::Accumulation) and
    /// [`Condition::TwoDevices`](super::Condition::TwoDevices) say
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
