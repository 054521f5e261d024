//! The selectors: which instances of the pool are trained on.

use anyhow::Result;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::ability::mastery::{
    KMeansConfig, Refinement, RefinementConfig, equal_draws, farthest_first, label_agreement,
};

use super::choices::{fixed, refinement};
use super::renditions::{Bed, Draw, generator};
use crate::experiment::Context;

/// How instances are chosen.
#[derive(Clone, Copy)]
pub(super) enum Selector {
    All,
    Random,
    /// Equal draws from as many clusters around random instances.
    Centres(usize),
    /// Equal draws from as many clusters by k-means.
    KMeans(usize),
    /// The method: equal draws from clusters that are refined while the labels within agree more.
    Refined,
    /// Equal draws from the first clusters of so many or more.
    Fixed(usize),
    Farthest,
    /// Equal draws from each rendition.
    Oracle,
}

/// What was chosen.
pub(super) struct Chosen {
    pub(super) ids: Vec<usize>,
    /// Clusters and the price of one, where there are some.
    pub(super) clusters: usize,
    pub(super) lambda: f64,
    pub(super) rounds: usize,
}

/// The method's clusters.
pub(super) fn refined(bed: &Bed, config: &RefinementConfig) -> Result<Refinement> {
    let score = |assignment: &[usize]| label_agreement(assignment, &bed.pool.labels);
    let found = config.refine(&bed.features, |clusters| score(&clusters.assignment));
    Ok(found?)
}

/// Chooses a number of instances.
pub(super) fn choose(
    context: &Context,
    bed: &Bed,
    selector: Selector,
    budget: usize,
    seed: u64,
) -> Result<Chosen> {
    let mut rng = generator(seed, Draw::Select);
    let mut chosen = Chosen {
        ids: Vec::new(),
        clusters: 0,
        lambda: 0.0,
        rounds: 0,
    };
    let assignment = match selector {
        Selector::All => {
            chosen.ids = (0..bed.renditions.len()).collect();
            return Ok(chosen);
        }
        Selector::Random => {
            chosen.ids = (0..bed.renditions.len()).collect();
            chosen.ids.shuffle(&mut rng);
            chosen.ids.truncate(budget);
            return Ok(chosen);
        }
        Selector::Farthest => {
            // The pool is in random order.
            chosen.ids = farthest_first(&bed.features, budget, 0)?;
            return Ok(chosen);
        }
        Selector::Oracle => bed.renditions.clone(),
        Selector::Centres(clusters) => {
            let config = KMeansConfig::new(clusters).with_spread(false);
            let config = config.with_sweeps(0).with_seed(seed);
            config.fit(&bed.features)?.assignment
        }
        Selector::KMeans(clusters) => {
            let config = KMeansConfig::new(clusters).with_seed(seed);
            config.fit(&bed.features)?.assignment
        }
        Selector::Refined | Selector::Fixed(_) => {
            let config = match selector {
                Selector::Fixed(clusters) => fixed(clusters),
                _ => refinement(),
            };
            let found = refined(bed, &config)?;
            (chosen.lambda, chosen.rounds) = (found.lambda, found.rounds.len());
            found.clusters.assignment
        }
    };
    let is_method = matches!(selector, Selector::Refined);
    chosen.clusters = assignment.iter().max().map_or(0, |most| most + 1);
    chosen.ids = drawn(context, assignment, budget, is_method, seed, &mut rng)?;
    Ok(chosen)
}

fn drawn(
    context: &Context,
    mut assignment: Vec<usize>,
    budget: usize,
    is_method: bool,
    seed: u64,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<usize>> {
    if is_method && context.is_broken_by("assignments-permuted") {
        assignment.shuffle(&mut generator(seed, Draw::Fault));
    }
    if is_method && context.is_broken_by("draws-by-size") {
        // One cluster: each instance has the same chance, so that a cluster has draws in proportion to its size.
        assignment.fill(0);
    }
    Ok(equal_draws(&assignment, budget, 1.0, rng)?)
}
