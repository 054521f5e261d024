//! The settings that tuning chose.

/// The rates of a model.
#[derive(Clone, Copy)]
pub(super) struct Rates {
    /// The highest one of the first stage.
    pub(super) peak: f64,
    /// The least one of all stages.
    pub(super) end: f64,
}

/// Of the model of a window of characters.
pub(super) const WINDOW: Rates = Rates {
    peak: 1.2e-2,
    end: 1.2e-3,
};

/// Of the transformer: the best peak of [`TRANSFORMERS`] for the old domain alone, on the seed 1000.
pub(super) const TRANSFORMER: Rates = Rates {
    peak: 3e-3,
    end: 3e-4,
};

/// The transformer's peaks that were tried.
pub(super) const TRANSFORMERS: [f64; 3] = [1e-3, 3e-3, 1e-2];

/// The share of the transformer's peak in a second stage, which was not tuned.
pub(super) const SECOND: f64 = 0.5;

/// The peaks that were tried, as shares of the first stage's.
pub(super) const SHARES: [f64; 4] = [2.0, 1.0, 0.5, 0.25];

/// The best share of the peak for each arm of a shift.
pub(super) struct Shares {
    pub(super) none: f64,
    pub(super) few: f64,
    pub(super) quarter: f64,
    pub(super) third: f64,
    /// Of what is averaged with the old model.
    pub(super) averaged: f64,
    /// Of both from scratch, in one stage's updates and in two.
    pub(super) union: [f64; 2],
}

/// What was chosen for a weak or a strong shift, by the mean loss of the seeds 1000 to 1002. The best first peak for the old domain alone is that of [`WINDOW`]
/// among 2, 1, 1/2 and 1/4 of it.
pub(super) fn shares(is_strong: bool) -> Shares {
    if is_strong {
        Shares {
            none: 0.5,
            few: 0.5,
            quarter: 0.5,
            third: 0.5,
            averaged: 0.5,
            union: [1.0, 0.5],
        }
    } else {
        Shares {
            none: 0.25,
            few: 0.25,
            quarter: 0.5,
            third: 0.25,
            averaged: 0.5,
            union: [1.0, 0.5],
        }
    }
}
