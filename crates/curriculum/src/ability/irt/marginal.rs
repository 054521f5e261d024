//! The mode of item parameters where abilities are integrated out, by expectation and maximisation.

use rayon::prelude::*;
use regimen_tensor::Watch;

use super::ability::log_probability;
use super::config::{IrtConfig, IrtFit};
use super::model::{IrtModel, ItemParameters};
use super::responses::Responses;
use super::step::{Counts, climb};

/// The range over which abilities are integrated.
const RANGE: f64 = 6.0;

pub(super) fn fit(config: &IrtConfig, responses: &Responses, watch: &Watch) -> IrtFit {
    let last = (config.points() - 1) as f64;
    let nodes = (0..config.points()).map(|place| RANGE * (2.0 * place as f64 / last - 1.0));
    let nodes: Vec<f64> = nodes.collect();
    let mut weights = vec![0.0; nodes.len() * responses.subjects()];
    let start = start(config);
    let mut items = vec![start; responses.items()];
    let (mut steps, mut converged) = (0, false);
    while steps < config.steps() && !converged {
        expect(&items, responses, &nodes, &mut weights);
        let before: Vec<f64> = items.iter().map(|item| item.difficulty).collect();
        maximise(config, responses, &nodes, &weights, &mut items);
        standardise(config.model(), &nodes, &weights, &mut items);
        let moved = items.iter().zip(before);
        let moved = moved.map(|(item, before)| (item.difficulty - before).abs());
        steps += 1;
        converged = moved.fold(0.0, f64::max) <= config.tolerance();
        if !watch.goes_on("irt", steps, config.steps()) {
            break;
        }
    }
    expect(&items, responses, &nodes, &mut weights);
    let abilities = weights
        .par_chunks(nodes.len())
        .map(|weights| moments(weights, &nodes).0);
    IrtFit {
        abilities: abilities.collect(),
        items,
        steps,
        converged,
    }
}

/// The middle of the priors, without what the model does not have.
fn start(config: &IrtConfig) -> ItemParameters {
    let middle = config.priors().middle;
    let share = |odds: f64| 1.0 / (1.0 + (-odds).exp());
    let mut item = ItemParameters::of_difficulty(0.0);
    if config.model() >= IrtModel::ThreePl {
        item.guessing = share(middle[2]);
    }
    if config.model() >= IrtModel::FourPl {
        item.upper = share(middle[3]);
        item.guessing = item.guessing.min(0.5 * item.upper);
    }
    item
}

/// Of each subject the posterior over the nodes.
fn expect(items: &[ItemParameters], responses: &Responses, nodes: &[f64], weights: &mut [f64]) {
    let points = nodes.len();
    // Of each item, for a wrong and then for a right answer.
    let tables = items.par_iter().flat_map_iter(|item| {
        let logs = move |right| {
            nodes
                .iter()
                .map(move |theta| log_probability(item, *theta, right))
        };
        logs(false).chain(logs(true))
    });
    let tables: Vec<f64> = tables.collect();
    let subjects = weights.par_chunks_mut(points).enumerate();
    subjects.for_each(|(subject, weights)| {
        for (weight, theta) in weights.iter_mut().zip(nodes) {
            *weight = -0.5 * theta * theta;
        }
        for (item, right) in responses.by_subject().of(subject) {
            let from = points * (2 * *item as usize + usize::from(*right));
            let table = &tables[from..from + points];
            weights
                .iter_mut()
                .zip(table)
                .for_each(|(weight, log)| *weight += log);
        }
        let most = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        weights
            .iter_mut()
            .for_each(|weight| *weight = (*weight - most).exp());
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
    });
}

/// Takes some steps on the parameters of each item.
fn maximise(
    config: &IrtConfig,
    responses: &Responses,
    nodes: &[f64],
    weights: &[f64],
    items: &mut [ItemParameters],
) {
    let (points, priors) = (nodes.len(), config.priors());
    items.par_iter_mut().enumerate().for_each(|(place, item)| {
        let mut counts = Counts {
            nodes,
            all: vec![0.0; points],
            right: vec![0.0; points],
        };
        for (subject, right) in responses.by_item().of(place) {
            let from = points * *subject as usize;
            let weights = &weights[from..from + points];
            let add = |sums: &mut [f64]| {
                sums.iter_mut()
                    .zip(weights)
                    .for_each(|(sum, weight)| *sum += weight);
            };
            add(&mut counts.all);
            if *right {
                add(&mut counts.right);
            }
        }
        climb(item, config.model(), &counts, &priors);
    });
}

/// Mean and variance.
fn moments(weights: &[f64], nodes: &[f64]) -> (f64, f64) {
    let sum = |power: i32| {
        let terms = weights
            .iter()
            .zip(nodes)
            .map(|(weight, theta)| weight * theta.powi(power));
        terms.sum::<f64>()
    };
    let mean = sum(1);
    (mean, (sum(2) - mean * mean).max(0.0))
}

/// Moves items so that the abilities of all subjects have mean 0, and deviation 1 where items have a discrimination: what EM alone would come to
/// in very many steps.
fn standardise(model: IrtModel, nodes: &[f64], weights: &[f64], items: &mut [ItemParameters]) {
    let subjects = weights.len() / nodes.len();
    let all = weights
        .par_chunks(nodes.len())
        .map(|weights| moments(weights, nodes));
    let all: Vec<(f64, f64)> = all.collect();
    let mean = all.iter().map(|(mean, _)| mean).sum::<f64>() / subjects as f64;
    let squares = all
        .iter()
        .map(|(own, spread)| (own - mean).powi(2) + spread);
    let deviation = (squares.sum::<f64>() / subjects as f64).sqrt();
    let scale = if model == IrtModel::OnePl {
        1.0
    } else {
        deviation.clamp(0.2, 5.0)
    };
    for item in items {
        item.difficulty = (item.difficulty - mean) / scale;
        item.discrimination *= scale;
    }
}
