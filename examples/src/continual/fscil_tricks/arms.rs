//! What a base session is trained by, and what the sessions after it train.

use regimen_continual::few_shot::{Contrast, PseudoClasses, Simplex};

/// A base session: which tricks it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) name: &'static str,
    pub(super) contrast: bool,
    pub(super) simplex: bool,
    pub(super) pseudo: bool,
    pub(super) turns: bool,
    pub(super) pretrain: bool,
    /// Turned images whose labels stay: a control without a trick.
    pub(super) rotated: bool,
}

const NONE: Base = Base {
    name: "",
    contrast: false,
    simplex: false,
    pseudo: false,
    turns: false,
    pretrain: false,
    rotated: false,
};

/// Cross-entropy of cosines.
pub(super) const PLAIN: Base = Base { name: "CE", ..NONE };
pub(super) const ROTATED: Base = Base {
    name: "rotations as augmentation",
    rotated: true,
    ..NONE
};
pub(super) const PSEUDO: Base = Base {
    name: "pseudo-classes alone",
    pseudo: true,
    ..NONE
};
pub(super) const CONTRAST: Base = Base {
    name: "contrast alone",
    contrast: true,
    ..NONE
};
pub(super) const SIMPLEX: Base = Base {
    name: "simplex alone",
    simplex: true,
    ..NONE
};
pub(super) const TURNS: Base = Base {
    name: "rotation head alone",
    turns: true,
    ..NONE
};
pub(super) const PRETRAINED: Base = Base {
    name: "pre-training alone",
    pretrain: true,
    ..NONE
};
/// The tricks that the tuning seeds chose: all but pre-training.
pub(super) const CHOSEN: Base = Base {
    name: "chosen tricks",
    contrast: true,
    simplex: true,
    pseudo: true,
    turns: true,
    ..NONE
};

/// The chosen tricks with one more or one less, with the sub-network.
pub(super) const OTHERS: [Base; 5] = [
    Base {
        name: "all tricks, with pre-training",
        pretrain: true,
        ..CHOSEN
    },
    Base {
        name: "chosen but pseudo-classes",
        pseudo: false,
        ..CHOSEN
    },
    Base {
        name: "chosen but contrast",
        contrast: false,
        ..CHOSEN
    },
    Base {
        name: "chosen but simplex",
        simplex: false,
        ..CHOSEN
    },
    Base {
        name: "chosen but rotation head",
        turns: false,
        ..CHOSEN
    },
];

/// Trained alone, and tested with a frozen encoder.
pub(super) const ALONE: [Base; 7] = [PLAIN, ROTATED, PSEUDO, CONTRAST, SIMPLEX, TURNS, PRETRAINED];

/// What the later sessions train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tuned {
    Nothing,
    /// The smaller half of the last layer's weights.
    SubNet,
    Everything,
}

/// Steps and rate of plain SGD in each later session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Session {
    pub(super) steps: usize,
    pub(super) rate: f64,
}

/// What a base session is trained with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// Updates, those of pre-training among them.
    pub(super) steps: usize,
    pub(super) contrast: Contrast,
    pub(super) simplex: Simplex,
    /// Weight of the rotation head.
    pub(super) turns: f64,
    /// Temperature of pre-training, and how many of the updates it has.
    pub(super) tau: f64,
    pub(super) before: usize,
}

/// Of the chosen tricks together, and where nothing else is said.
pub(super) const SETTING: Setting = Setting {
    steps: 800,
    contrast: Contrast {
        weight: 0.1,
        tau: 0.07,
    },
    simplex: Simplex::CrossEntropy,
    turns: 1.0,
    tau: 0.1,
    before: 50,
};

impl Base {
    pub(super) fn pseudo_classes(&self) -> PseudoClasses {
        match self.pseudo {
            true => PseudoClasses::Rotations,
            false => PseudoClasses::None,
        }
    }

    /// What was chosen, for the digits and for all other images.
    pub(super) fn setting(&self, set: &str) -> Setting {
        let digits = set == "digits";
        let steps = |of_digits, of_others| if digits { of_digits } else { of_others };
        let only = |steps| Setting { steps, ..SETTING };
        match *self {
            PLAIN => only(400),
            ROTATED => only(steps(400, 100)),
            PSEUDO => only(steps(400, 800)),
            CONTRAST => Setting {
                contrast: Contrast {
                    weight: 0.5,
                    tau: 0.07,
                },
                ..only(200)
            },
            SIMPLEX => only(steps(100, 200)),
            PRETRAINED => Setting {
                before: 100,
                tau: if digits { 0.1 } else { 0.5 },
                ..only(steps(400, 800))
            },
            _ => SETTING,
        }
    }
}

impl Tuned {
    /// What was chosen, for the digits and for all other images.
    pub(super) fn session(self, set: &str) -> Session {
        let (steps, rate) = match (self, set) {
            (Self::Nothing, _) => (0, 0.0),
            (Self::SubNet, _) => (20, 1e-3),
            (Self::Everything, "digits") => (5, 3e-4),
            (Self::Everything, _) => (20, 1e-4),
        };
        Session { steps, rate }
    }
}

/// Arms without a trick, of which the strongest is the control.
pub(super) const CONTROLS: [&str; 3] = [PLAIN.name, ROTATED.name, "pixels"];

/// The strongest of them on the tuning seeds by the harmonic mean, on the digits and on all other images.
pub(super) fn control(set: &str) -> &'static str {
    match set {
        "digits" => ROTATED.name,
        _ => PLAIN.name,
    }
}
