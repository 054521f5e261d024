//! The way of losses back to the sampler.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::sample::Rejected;
use super::shared::Shared;
use crate::error::Result;
use crate::sampler::Sampler;

/// Brings losses back to a loader's sampler; clones are the same handle.
///
/// Keep one in the model (`#[module(skip)]`) and call it in `TrainStep::step`, once a micro-batch. Losses stay on their device, in
/// their type, until the next epoch is planned: then each device returns all of its own in one transfer. The sampler
/// learns them in rising order of the examples, so that the order in which devices were done does not matter.
///
/// A loss that is NaN or infinite teaches nothing: its example keeps what was known of it, the others of its batch are learned, and
/// [`rejected`](Self::rejected) counts it.
pub struct Feedback<S> {
    shared: Arc<Shared<S>>,
}

impl<S> Feedback<S> {
    pub(super) fn new(shared: Arc<Shared<S>>) -> Self {
        Self { shared }
    }
}

impl<S> Clone for Feedback<S> {
    fn clone(&self) -> Self {
        let shared = self.shared.clone();
        Self { shared }
    }
}

impl<S> std::fmt::Debug for Feedback<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feedback")
    }
}

impl<S: Sampler + Clone> Feedback<S> {
    /// Notes the unweighted losses, `[batch]`, of the examples of a batch. They are taken off the tape.
    ///
    /// Losses for another number of examples, or of an example that the data set does not have, are left out, and reported by the next
    /// epoch's first batch or by [`flush`](Self::flush), and at once to whoever waits for a
    /// [failure](crate::CurriculumLoader::on_failure).
    pub fn observe(&self, ids: Vec<usize>, losses: Tensor<1>) {
        self.shared.note(ids, losses.inner());
    }

    /// Tells the sampler what no loss says, such as an ability: plans that are made from then on follow it. `call` must not use this loader or its
    /// feedback.
    ///
    /// # Errors
    /// If the sampler is for another number of examples afterwards: it stays as it was.
    pub fn with_sampler<R>(&self, call: impl FnOnce(&mut S) -> R) -> Result<R> {
        self.shared.change(call)
    }

    /// Reads all pending losses and gives them to the sampler.
    ///
    /// # Errors
    /// If a loss is NaN or infinite, an id is unknown, the lengths of a batch differ, or the device fails. All that is sound is learned
    /// all the same.
    pub fn flush(&self) -> Result<()> {
        self.shared.flush()
    }

    /// The losses that were NaN or infinite, of all that were noted. It reads those that are still on a device.
    #[must_use]
    pub fn rejected(&self) -> Rejected {
        self.shared.rejected()
    }
}
