//! The arms, and the rate and momentum of each: chosen on seed 1000, frozen before the seeds that count were run.

use crate::experiment::Context;

/// In which order classes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Disjoint pairs, all tasks of a pair in a row.
    Blocked,
    /// The same tasks, shuffled: recurrence and nothing else.
    Pairs,
    /// Fresh random pairs.
    Fresh,
    /// As many images of all classes at random.
    Iid,
}

/// What is trained beside the classes of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    Nothing,
    /// Classes of the band of frequencies.
    Frequency,
    /// As many random classes.
    Random,
}

/// An arm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arm {
    pub(super) name: &'static str,
    pub(super) order: Order,
    pub(super) masked: bool,
    /// Imbalance of the classes; 0 is uniform.
    pub(super) lambda: f64,
    pub(super) replay: Replay,
    /// Few tasks of several epochs in small batches.
    pub(super) long: bool,
    /// Of momentum 0 or .9 alone; either where it is not said.
    pub(super) momentum: Option<f64>,
}

const PLAIN: Arm = Arm {
    name: "",
    order: Order::Fresh,
    masked: false,
    lambda: 0.0,
    replay: Replay::Nothing,
    long: false,
    momentum: None,
};

pub(super) const BLOCKED: Arm = Arm {
    name: "blocked",
    order: Order::Blocked,
    ..PLAIN
};
pub(super) const PAIRS: Arm = Arm {
    name: "recurring pairs",
    order: Order::Pairs,
    ..PLAIN
};
pub(super) const DEFAULT: Arm = Arm {
    name: "default",
    ..PLAIN
};
const IID: Arm = Arm {
    name: "iid",
    order: Order::Iid,
    ..PLAIN
};
const MASKED: Arm = Arm {
    name: "default, masked",
    masked: true,
    ..PLAIN
};
pub(super) const RARE: Arm = Arm {
    name: "lambda 4",
    lambda: 4.0,
    ..PLAIN
};
pub(super) const FREQUENCY: Arm = Arm {
    name: "lambda 4, frequency replay",
    replay: Replay::Frequency,
    ..RARE
};
pub(super) const RANDOM: Arm = Arm {
    name: "lambda 4, random replay",
    replay: Replay::Random,
    ..RARE
};
pub(super) const LONG_MASKED: Arm = Arm {
    name: "long, masked",
    masked: true,
    long: true,
    ..PLAIN
};
pub(super) const LONG_0: Arm = Arm {
    name: "long, momentum 0",
    long: true,
    momentum: Some(0.0),
    ..PLAIN
};
pub(super) const LONG_9: Arm = Arm {
    name: "long, momentum .9",
    momentum: Some(0.9),
    ..LONG_0
};

/// All of them; `tune` has what each gave with each setting.
pub(super) const ALL: [Arm; 11] = [
    BLOCKED,
    PAIRS,
    DEFAULT,
    IID,
    MASKED,
    RARE,
    FREQUENCY,
    RANDOM,
    LONG_MASKED,
    LONG_0,
    LONG_9,
];

/// A learning rate with a momentum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Setting {
    pub(super) rate: f64,
    pub(super) momentum: f64,
}

const fn at(rate: f64, momentum: f64) -> Setting {
    Setting { rate, momentum }
}

/// What is tried: three rates without momentum, and the same effective rates with .9.
pub(super) const SETTINGS: [Setting; 6] = [
    at(0.01, 0.0),
    at(0.03, 0.0),
    at(0.1, 0.0),
    at(0.001, 0.9),
    at(0.003, 0.9),
    at(0.01, 0.9),
];

impl Arm {
    /// What was chosen, for the digits and for all other images. Blocked gave the same with every setting and has that of the default.
    pub(super) fn setting(&self, set: &str) -> Setting {
        let of_sets = match self.name {
            "blocked" | "default" | "recurring pairs" => [at(0.01, 0.9), at(0.003, 0.9)],
            "iid" => [at(0.1, 0.0), at(0.01, 0.9)],
            "default, masked" => [at(0.01, 0.9), at(0.03, 0.0)],
            "lambda 4" | "lambda 4, frequency replay" => [at(0.01, 0.9), at(0.003, 0.9)],
            "lambda 4, random replay" => [at(0.01, 0.9), at(0.01, 0.9)],
            "long, masked" => [at(0.01, 0.0), at(0.003, 0.9)],
            "long, momentum 0" => [at(0.1, 0.0), at(0.1, 0.0)],
            _ => [at(0.003, 0.9), at(0.001, 0.9)],
        };
        of_sets[usize::from(set != "digits")]
    }

    /// What may be chosen for it.
    pub(super) fn settings(&self) -> impl Iterator<Item = Setting> {
        let momentum = self.momentum;
        let good = move |setting: &Setting| momentum.is_none_or(|only| setting.momentum == only);
        SETTINGS.into_iter().filter(good)
    }

    /// Tasks of its sequence.
    pub(super) fn tasks(&self, context: &Context) -> usize {
        match (self.long, context.small, context.full) {
            (true, true, _) => 5,
            (true, ..) => 25,
            (false, true, _) => 20,
            (false, _, true) => 1000,
            (false, ..) => 500,
        }
    }

    /// Epochs a task, and images a batch.
    pub(super) fn epochs(&self) -> (usize, usize) {
        match self.long {
            true => (5, 16),
            false => (1, 64),
        }
    }
}
