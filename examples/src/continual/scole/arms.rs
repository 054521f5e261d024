//! The arms, and the rate and momentum of each: chosen on the seeds 1000 and 1001, frozen before the seeds that count were run.

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
    /// Tasks of its sequence.
    tasks: usize,
    /// Few tasks of several epochs in small batches.
    pub(super) long: bool,
    /// Of momentum 0 or .9 alone; either where it is not said.
    pub(super) momentum: Option<f64>,
    /// Adam in place of SGD.
    pub(super) adam: bool,
}

const PLAIN: Arm = Arm {
    name: "",
    order: Order::Fresh,
    masked: false,
    lambda: 0.0,
    replay: Replay::Nothing,
    tasks: 1000,
    long: false,
    momentum: None,
    adam: false,
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
/// The mask and no momentum.
pub(super) const MASKED: Arm = Arm {
    name: "default, masked",
    masked: true,
    momentum: Some(0.0),
    ..PLAIN
};
pub(super) const BLOCKED_MASKED: Arm = Arm {
    name: "blocked, masked",
    order: Order::Blocked,
    ..MASKED
};
pub(super) const IID: Arm = Arm {
    name: "iid",
    order: Order::Iid,
    ..PLAIN
};
pub(super) const ADAM: Arm = Arm {
    name: "default, Adam",
    adam: true,
    ..PLAIN
};
pub(super) const ADAM_MASKED: Arm = Arm {
    name: "default, masked, Adam",
    masked: true,
    ..ADAM
};
pub(super) const RARE: Arm = Arm {
    name: "lambda 4",
    lambda: 4.0,
    tasks: 500,
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
    tasks: 25,
    ..PLAIN
};
pub(super) const LONG_0: Arm = Arm {
    name: "long, momentum 0",
    long: true,
    tasks: 25,
    momentum: Some(0.0),
    ..PLAIN
};
pub(super) const LONG_9: Arm = Arm {
    name: "long, momentum .9",
    momentum: Some(0.9),
    ..LONG_0
};

/// Those that checks use; `tune` has what each gave with each setting.
pub(super) const ALL: [Arm; 11] = [
    BLOCKED_MASKED,
    MASKED,
    BLOCKED,
    PAIRS,
    DEFAULT,
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
    /// What was chosen, for the digits and for all other images. Blocked gave nearly the same with every setting.
    /// Adam has the rates of the paper's code.
    pub(super) fn setting(&self, set: &str) -> Setting {
        let of_sets = match self.name {
            "blocked, masked" => [at(0.01, 0.0), at(0.1, 0.0)],
            "default, masked" => [at(0.1, 0.0); 2],
            "blocked" => [at(0.01, 0.9), at(0.003, 0.9)],
            "recurring pairs" => [at(0.1, 0.0), at(0.003, 0.9)],
            "default" => [at(0.01, 0.9); 2],
            "iid" => [at(0.1, 0.0); 2],
            "default, Adam" => [at(1e-4, 0.0); 2],
            "default, masked, Adam" => [at(1e-3, 0.0); 2],
            "lambda 4" | "lambda 4, frequency replay" | "lambda 4, random replay" => {
                [at(0.01, 0.9), at(0.003, 0.9)]
            }
            "long, masked" => [at(0.01, 0.0); 2],
            "long, momentum 0" => [at(0.1, 0.0); 2],
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

    /// Whether its classes come at random, each as often as the others.
    pub(super) fn is_default(&self) -> bool {
        self.order == Order::Fresh && self.lambda == 0.0 && !self.long
    }

    /// Tasks of its sequence.
    pub(super) fn tasks(&self, context: &Context) -> usize {
        match (self.long, context.small, context.full) {
            (true, true, _) => 5,
            (false, true, _) => 20,
            (false, _, true) => 1000,
            _ => self.tasks,
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
