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
pub(super) const ALL: Base = Base {
    name: "all tricks",
    contrast: true,
    simplex: true,
    pseudo: true,
    turns: true,
    pretrain: true,
    rotated: false,
};

/// All tricks but one each, with the sub-network.
pub(super) const WITHOUT: [Base; 5] = [
    Base {
        name: "all but pseudo-classes",
        pseudo: false,
        ..ALL
    },
    Base {
        name: "all but contrast",
        contrast: false,
        ..ALL
    },
    Base {
        name: "all but simplex",
        simplex: false,
        ..ALL
    },
    Base {
        name: "all but rotation head",
        turns: false,
        ..ALL
    },
    Base {
        name: "all but pre-training",
        pretrain: false,
        ..ALL
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

pub(super) const SETTING: Setting = Setting {
    steps: 500,
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
    pub(super) fn setting(&self, _set: &str) -> Setting {
        SETTING
    }
}

impl Tuned {
    /// What was chosen, for the digits and for all other images.
    pub(super) fn session(self, _set: &str) -> Session {
        Session {
            steps: 10,
            rate: 0.01,
        }
    }
}

/// The strongest control on the tuning seeds, on the digits and on all other images.
pub(super) fn control(_set: &str) -> &'static str {
    PLAIN.name
}
