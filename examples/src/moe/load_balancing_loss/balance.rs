//! What balances the experts in each arm, the texts, and the names of the figures.

use burn::tensor::Tensor;
use regimen_moe::Routing;
use regimen_moe::balance::{Load, load_balancing_loss, sequence_balancing_loss};

use crate::experiment::{Context, Domain};

/// The texts of the character model.
pub(super) const DOMAINS: &[Domain] = &[Domain::Prose, Domain::Verse, Domain::Code];

/// The largest load over the mean load, less 1.
pub(super) const VIOLATION: &str = "violation";
pub(super) const LOSS: &str = "validation loss, nats";
pub(super) const ERROR: &str = "regression: error";
pub(super) const REGRESSION_VIOLATION: &str = "regression: violation";

/// What the load is balanced over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Balance {
    /// Nothing.
    None,
    /// Each micro-batch by itself.
    Micro,
    /// All micro-batches of a step.
    Global,
    /// Each micro-batch by itself, of tokens that were shuffled over the micro-batches.
    Shuffled,
    /// The micro-batches of a step up to the current one.
    Buffered,
    /// All micro-batches, by biases and without a loss.
    Bias,
}

impl Balance {
    pub(super) const fn arm(self) -> &'static str {
        match self {
            Self::None => "no balance",
            Self::Micro => "micro-batch",
            Self::Global => "global batch",
            Self::Shuffled => "shuffled micro-batch",
            Self::Buffered => "buffered",
            Self::Bias => "bias update",
        }
    }

    /// The loss of a pass whose rows are the micro-batches, if there is one.
    pub(super) fn loss(self, routing: &Routing, context: &Context) -> Option<Tensor<1>> {
        let alone = context.is_broken_by("counts-not-exchanged");
        match self {
            Self::Micro | Self::Shuffled => Some(sequence_balancing_loss(routing)),
            Self::Global if alone => Some(sequence_balancing_loss(routing)),
            Self::Global => Some(load_balancing_loss(&Load::of(routing))),
            Self::None | Self::Buffered | Self::Bias => None,
        }
    }
}
