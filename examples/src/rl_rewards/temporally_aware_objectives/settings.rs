//! The arms by name, the rates of their searches, and how long these are.

pub(super) const BLIND: &str = "blind";
pub(super) const FRACTION: &str = "n/N";
pub(super) const METHOD: &str = "n/N and ln N";
pub(super) const COUNT: &str = "raw n";
pub(super) const SHORT: &str = "truncated";
pub(super) const HAND: &str = "hand schedule";
pub(super) const EACH: &str = "constants for each N";

/// The arms of one search over all lives.
pub(super) const ARMS: [&str; 6] = [BLIND, FRACTION, METHOD, COUNT, SHORT, HAND];

/// The rates of the arms on bandits, and in grid worlds.
const RATES: [(&str, [f64; 2]); 7] = [
    (BLIND, [0.001, 0.003]),
    (FRACTION, [0.001, 0.003]),
    (METHOD, [0.01, 0.01]),
    (COUNT, [0.001, 0.003]),
    (SHORT, [0.0003, 0.003]),
    (HAND, [0.003, 0.01]),
    (EACH, [0.003, 0.01]),
];

/// The rate of an arm's search in a family.
pub(super) fn rate(family: &str, arm: &str) -> f64 {
    let mut rates = RATES.iter();
    let rates = rates.find(|(name, _)| *name == arm);
    let [bandits, grids] = rates.map_or([0.01; 2], |(_, rates)| *rates);
    if family == "grid" { grids } else { bandits }
}

/// The length of the searches of a family, and of its tests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) pairs: usize,
    pub(super) generations: usize,
    /// Pairs of the truncated arm: lives that end early leave updates for more of them.
    pub(super) truncated: usize,
    pub(super) tasks: usize,
}

/// The size of the bandits' part.
pub(super) const BANDITS: Size = Size {
    pairs: 64,
    generations: 200,
    truncated: 213,
    tasks: 512,
};

/// The size of the grid worlds' part.
pub(super) const GRIDS: Size = Size {
    pairs: 24,
    generations: 50,
    truncated: 60,
    tasks: 128,
};
