//! The settings that tuning chose.

/// The highest rate of the first stage, and a tenth of it, the least one of all stages.
pub(super) const PEAK: f64 = 1.2e-2;
pub(super) const END: f64 = 1.2e-3;

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

/// What was chosen for a weak or a strong shift, by the mean loss of the seeds 1000 to 1002. The best first peak for the old domain alone is `PEAK`
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
