//! How a run goes: the method, its strength, what refresh does around it, and the sizes that all share.

use regimen_continual::RefreshConfig;

use crate::experiment::Context;

/// The method that refresh is put around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    DerPlusPlus,
    Er,
    OnlineEwc,
    Ewc,
    Lwf,
}

impl Base {
    /// Those that decide.
    pub(super) const DECIDING: [Self; 3] = [Self::DerPlusPlus, Self::Er, Self::OnlineEwc];
    /// Those of the large size.
    pub(super) const LARGE: [Self; 5] = [
        Self::DerPlusPlus,
        Self::Er,
        Self::OnlineEwc,
        Self::Ewc,
        Self::Lwf,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DerPlusPlus => "DER++",
            Self::Er => "ER",
            Self::OnlineEwc => "online EWC",
            Self::Ewc => "EWC",
            Self::Lwf => "LwF",
        }
    }

    /// Draws from the memory a step.
    pub(super) fn draws(self) -> usize {
        match self {
            Self::DerPlusPlus => 2,
            Self::Er => 1,
            Self::OnlineEwc | Self::Ewc | Self::Lwf => 0,
        }
    }
}

/// What a base's own terms are multiplied by; each base reads its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Strength {
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) lambda: f64,
}

/// What a base does with the gradients that refresh would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Equal {
    /// More epochs.
    Epochs,
    /// More examples of the memory a step.
    Replay,
}

/// The sizes that all arms share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) residual: bool,
    /// Examples that the memory holds.
    pub(super) memory: usize,
    pub(super) rate: f64,
    pub(super) batch: usize,
    pub(super) epochs: usize,
    /// Examples of a task of which Fisher information is taken.
    pub(super) examples: usize,
}

impl Size {
    pub(super) fn of(context: &Context) -> Self {
        let usual = Self {
            residual: false,
            memory: 50,
            rate: 0.05,
            batch: 16,
            epochs: 10,
            examples: 128,
        };
        match (context.full, context.small) {
            (true, _) => Self {
                residual: true,
                memory: 500,
                rate: 0.03,
                batch: 32,
                epochs: 50,
                examples: 1024,
            },
            (_, true) => Self {
                epochs: 2,
                examples: 8,
                ..usual
            },
            _ => usual,
        }
    }
}

/// How one run goes.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) base: Base,
    pub(super) strength: Strength,
    pub(super) epochs: usize,
    /// Examples of each draw from the memory.
    pub(super) replay: usize,
    pub(super) refresh: Option<RefreshConfig>,
    /// Whether held-out gradients and the steps of unlearning are looked at.
    pub(super) looks: bool,
}

impl Plan {
    pub(super) fn plain(base: Base, strength: Strength, size: Size) -> Self {
        Self {
            base,
            strength,
            epochs: size.epochs,
            replay: size.batch,
            refresh: None,
            looks: false,
        }
    }

    /// As many gradients of single examples as with refresh, or a few more: a gradient on the batch comes to one on the batch and the
    /// draws.
    pub(super) fn equal(self, equal: Equal, size: Size) -> Self {
        let draws = self.base.draws();
        match equal {
            Equal::Replay if draws > 0 => Self {
                replay: self.replay + size.batch.div_ceil(draws),
                ..self
            },
            _ => Self {
                epochs: (self.epochs * (draws + 2)).div_ceil(draws + 1),
                ..self
            },
        }
    }

    pub(super) fn refreshed(self, config: RefreshConfig) -> Self {
        Self {
            refresh: Some(config),
            ..self
        }
    }

    pub(super) fn looked_at(self) -> Self {
        Self {
            looks: true,
            ..self
        }
    }

    /// Gradients of single examples in a step.
    pub(super) fn examples(&self, batch: usize) -> usize {
        batch * (1 + usize::from(self.refresh.is_some())) + self.replay * self.base.draws()
    }
}
