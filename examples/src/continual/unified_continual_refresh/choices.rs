//! The settings of each base on each set: chosen on the tuning seeds, frozen before the seeds that count were run.

use super::arms::{Base, Equal, Strength};

/// Lengths of a step of the code's form that were tried.
pub(super) const DELTAS: [f64; 4] = [1e-5, 1e-4, 3e-4, 1e-3];

/// The settings of a base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) strength: Strength,
    /// Of the base with as many gradients as refresh, and of the base with refresh.
    pub(super) with_equal: Strength,
    pub(super) with_refresh: Strength,
    pub(super) equal: Equal,
    /// Length of a step of the code's form.
    pub(super) delta: f64,
    /// `gamma` of the paper's form over the learning rate.
    pub(super) share: f64,
}

/// The settings of a base on a set; a user's own images have those of the clothing.
pub(super) fn choice(base: Base, set: &str) -> Choice {
    let _ = set;
    let (alpha, beta, lambda) = match base {
        Base::DerPlusPlus => (0.1, 0.5, 0.0),
        Base::Er => (0.0, 1.0, 0.0),
        Base::OnlineEwc | Base::Ewc => (0.0, 0.0, 1000.0),
        Base::Lwf => (1.0, 0.0, 0.0),
    };
    let strength = Strength {
        alpha,
        beta,
        lambda,
    };
    Choice {
        strength,
        with_equal: strength,
        with_refresh: strength,
        equal: Equal::Epochs,
        delta: 1e-5,
        share: 0.1,
    }
}
