//! The settings of each base on each set: chosen on the tuning seeds, frozen before the seeds that count were run.

use super::plan::{Base, Equal, Strength};

/// Lengths of a step of the code's form that were tried.
pub(super) const DELTAS: [f64; 4] = [1e-5, 1e-4, 3e-4, 1e-3];

/// The stronger base on the tuning seeds: what refresh has to be better than.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// With as many gradients as refresh.
    EqualGradients,
    /// Without: more gradients made it worse.
    Plain,
}

/// The settings of a base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// Online EWC chose the same with equal gradients and with refresh.
    pub(super) strength: Strength,
    pub(super) equal: Equal,
    pub(super) control: Control,
    /// Length of a step of the code's form.
    pub(super) delta: f64,
    /// `gamma` of the paper's form over the learning rate.
    pub(super) share: f64,
}

/// Per base and set: alpha, beta, lambda, what is done with as many gradients, whether that was better than to leave them unused, `delta`,
/// `gamma / eta`.
type Row = (f64, f64, f64, Equal, bool, f64, f64);

/// The settings of a base on a set; a user's own images have those of the clothing. EWC, which the large size alone has, has the strength of
/// online EWC, and LwF the usual one.
pub(super) fn choice(base: Base, set: &str) -> Choice {
    let row: Row = match (base, set) {
        (Base::DerPlusPlus, "digits") => (0.3, 1.0, 0.0, Equal::Replay, false, 3e-4, 0.05),
        (Base::DerPlusPlus, _) => (3.0, 2.0, 0.0, Equal::Replay, true, 3e-4, 0.2),
        (Base::Er, "digits") => (0.0, 8.0, 0.0, Equal::Epochs, true, 1e-3, 0.1),
        (Base::Er, _) => (0.0, 4.0, 0.0, Equal::Replay, false, 1e-3, 0.2),
        (Base::OnlineEwc | Base::Ewc, "digits") => {
            (0.0, 0.0, 3000.0, Equal::Epochs, false, 1e-5, 0.05)
        }
        (Base::OnlineEwc | Base::Ewc, _) => (0.0, 0.0, 3000.0, Equal::Epochs, true, 1e-4, 0.05),
        (Base::Lwf, _) => (1.0, 0.0, 0.0, Equal::Epochs, true, 1e-4, 0.05),
    };
    let (alpha, beta, lambda, equal, more_helped, delta, share) = row;
    Choice {
        strength: Strength {
            alpha,
            beta,
            lambda,
        },
        equal,
        control: if more_helped {
            Control::EqualGradients
        } else {
            Control::Plain
        },
        delta,
        share,
    }
}
