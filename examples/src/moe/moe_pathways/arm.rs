//! What each run trains, and how.

/// Width of the network.
pub(super) const WIDTH: usize = 64;

/// What a run trains, and how.
pub(super) struct Arm {
    pub(super) name: &'static str,
    pub(super) modulus: usize,
    pub(super) layers: usize,
    pub(super) experts: usize,
    pub(super) steps: usize,
    /// Share of all pairs of numbers that is trained on.
    pub(super) share: f64,
    pub(super) rate: f64,
    pub(super) decay: f32,
    /// Whether the answers are dealt out anew, so that nothing is to be generalised.
    pub(super) shuffled: bool,
    /// Whether it is to generalise.
    pub(super) generalises: bool,
}

pub(super) const GENERALISED: Arm = Arm {
    name: "generalised",
    modulus: 23,
    layers: 2,
    experts: 4,
    steps: 2000,
    share: 0.8,
    rate: 5e-3,
    decay: 5.0,
    shuffled: false,
    generalises: true,
};

/// Too few pairs and too little decay to generalise.
pub(super) const MEMORISED: Arm = Arm {
    name: "memorised only",
    steps: 1000,
    share: 0.55,
    rate: 2e-3,
    decay: 1.0,
    generalises: false,
    ..GENERALISED
};

/// Reported: the generalising run's settings, where there is nothing to generalise to.
pub(super) const SHUFFLED: Arm = Arm {
    name: "shuffled answers",
    steps: 1000,
    shuffled: true,
    generalises: false,
    ..GENERALISED
};

/// Reported with the large size: a lower rate, which generalises later and with fewer relapses.
pub(super) const STEADY: Arm = Arm {
    name: "steady",
    rate: 2e-3,
    decay: 3.0,
    ..GENERALISED
};
