//! The arms of both findings, and the settings of each: chosen on seeds 1000 and 1001, frozen before the seeds that count were run.

use super::net::Between;

/// What keeps a network able to learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Keep {
    /// Nothing.
    Nothing,
    /// Adam's weight decay: towards 0, through the moments.
    L2(f64),
    /// Towards the start.
    L2Init(f64),
    /// Layer norm before each ReLU.
    LayerNorm,
    /// Concatenated ReLU.
    Crelu,
    /// Shrink and perturb every so many updates.
    ShrinkPerturb(usize, f64, f64),
    /// Dormant units: score, and updates from check to check.
    ReDo(f64, usize),
    /// As many random units.
    Random(f64, usize),
    /// A share of the mature units.
    ContinualBackprop(f64),
    /// A new head at each task: it is told where tasks begin.
    HeadAtTasks,
    /// A new network at each task.
    AllAtTasks,
    /// Shrink and perturb at each task.
    ShrinkPerturbAtTasks,
}

/// A way to memorise, with its learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Way {
    pub(super) keep: Keep,
    pub(super) rate: f64,
}

impl Keep {
    /// The arm's name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Nothing => PLAIN,
            Self::L2(_) => "L2",
            Self::L2Init(_) => "L2 to the start",
            Self::LayerNorm => "layer norm",
            Self::Crelu => CRELU,
            Self::ShrinkPerturb(..) => "shrink and perturb",
            Self::ReDo(..) => REDO,
            Self::Random(..) => RANDOM_UNITS,
            Self::ContinualBackprop(_) => "continual backprop",
            Self::HeadAtTasks => "new head at tasks",
            Self::AllAtTasks => "new network at tasks",
            Self::ShrinkPerturbAtTasks => "shrink and perturb at tasks",
        }
    }

    pub(super) fn between(&self) -> Between {
        match self {
            Self::LayerNorm => Between::LayerNorm,
            Self::Crelu => Between::Crelu,
            _ => Between::Relu,
        }
    }
}

pub(super) const REDO: &str = "ReDo";
pub(super) const RANDOM_UNITS: &str = "random units anew";
pub(super) const PLAIN: &str = "plain";
pub(super) const CRELU: &str = "concatenated ReLU";

const fn way(keep: Keep, rate: f64) -> Way {
    Way { keep, rate }
}

/// Everything that is tried for the arms that are compared.
pub(super) fn tried() -> Vec<Way> {
    use Keep::{ContinualBackprop, Crelu, L2, L2Init, LayerNorm, Nothing, ReDo, ShrinkPerturb};
    let mut keeps = vec![Nothing, LayerNorm, Crelu];
    keeps.extend([1e-4, 1e-3, 1e-2].map(L2));
    keeps.extend([1e-4, 1e-3, 1e-2].map(L2Init));
    // No divisor of a task's updates: a check at the end of each would come right before the test.
    let moves = [(0.99, 0.01), (0.95, 0.05), (0.9, 0.1), (0.8, 0.2)];
    for every in [70, 130] {
        keeps.extend(moves.map(|(a, b)| ShrinkPerturb(every, a, b)));
        keeps.extend([0.025, 0.1, 0.2].map(|tau| ReDo(tau, every)));
    }
    keeps.extend([1e-4, 1e-3, 1e-2].map(ContinualBackprop));
    let rates = [1e-3, 3e-3];
    let both = keeps
        .into_iter()
        .flat_map(|keep| rates.map(|rate| way(keep, rate)));
    both.collect()
}

/// When to update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    /// The same ratio all the time.
    Always(f64),
    /// The rule on active units: largest change, and items from comparison to comparison.
    Active(f64, usize),
    /// The same rule on the training loss.
    Loss(f64, usize),
    /// At the change, which it is told.
    Oracle,
    /// At a random item.
    Anywhere,
}

pub(super) const LOW: f64 = 0.5;
pub(super) const ADAPTIVE: &str = "adaptive";
pub(super) const EQUAL: &str = "static, as many updates";
pub(super) const HIGH: &str = "high ratio";

/// The arms of finding A on a set: the compared ones first, each with the best of what was tried.
pub(super) fn ways(set: &str) -> Vec<Way> {
    let digits = set == "digits";
    let of = |on_digits: Way, on_others: Way| if digits { on_digits } else { on_others };
    let redo = way(Keep::ReDo(0.025, 70), 3e-3);
    let random = match redo.keep {
        Keep::ReDo(tau, every) => way(Keep::Random(tau, every), redo.rate),
        _ => redo,
    };
    vec![
        way(Keep::Nothing, 3e-3),
        redo,
        random,
        way(Keep::LayerNorm, 1e-3),
        way(Keep::Crelu, 3e-3),
        of(way(Keep::L2(1e-3), 3e-3), way(Keep::L2(1e-4), 3e-3)),
        way(Keep::L2Init(1e-3), 3e-3),
        of(
            way(Keep::ShrinkPerturb(70, 0.95, 0.05), 3e-3),
            way(Keep::ShrinkPerturb(130, 0.95, 0.05), 3e-3),
        ),
        way(Keep::ContinualBackprop(1e-2), 3e-3),
        way(Keep::HeadAtTasks, 3e-3),
        way(Keep::AllAtTasks, 3e-3),
        way(Keep::ShrinkPerturbAtTasks, 3e-3),
    ]
}

/// Arms that no check needs: of the first seed alone.
pub(super) fn reported(way: &Way) -> bool {
    let checked = [PLAIN, REDO, RANDOM_UNITS, CRELU, RIVAL];
    !checked.contains(&way.keep.name())
}

/// The strongest on the tuning seeds of the plain network at its best rate, L2, L2 to the start, layer norm, and shrink and perturb: on both sets.
pub(super) const RIVAL: &str = "layer norm";

/// Of the rule on active units, and of the same rule on the training loss: largest change, and items from comparison to comparison.
pub(super) fn rules(set: &str) -> [When; 2] {
    let active = match set {
        "digits" => When::Active(0.005, 200),
        _ => When::Active(0.02, 400),
    };
    [active, When::Loss(0.01, 200)]
}

/// The best static ratio on the tuning seeds: on both sets.
pub(super) const BEST_STATIC: f64 = 0.5;
