//! The mode of difficulties and abilities together, of the Rasch model.

use rayon::prelude::*;
use regimen_tensor::Watch;

use super::config::{IrtConfig, IrtFit};
use super::model::{ItemParameters, logistic};
use super::responses::{Lists, Responses};

/// Newton's steps on one value between two sweeps.
const INNER: usize = 50;

/// Turns of Newton's method on each ability and each difficulty; the objective is concave.
pub(super) fn fit(config: &IrtConfig, responses: &Responses, watch: &Watch) -> IrtFit {
    let (able, hard) = config.precisions();
    let mut abilities = vec![0.0; responses.subjects()];
    let mut difficulties = vec![0.0; responses.items()];
    let (mut steps, mut converged) = (0, false);
    while steps < config.steps() && !converged {
        sweep(
            &mut abilities,
            &difficulties,
            responses.by_subject(),
            able,
            1.0,
        );
        let moved = sweep(
            &mut difficulties,
            &abilities,
            responses.by_item(),
            hard,
            -1.0,
        );
        // A shift of both leaves the likelihood: only the priors tell, and the turns alone would hardly move it.
        let shift = able * abilities.iter().sum::<f64>() + hard * difficulties.iter().sum::<f64>();
        let weight = able * abilities.len() as f64 + hard * difficulties.len() as f64;
        let shift = shift / weight;
        let both = abilities.iter_mut().chain(&mut difficulties);
        both.for_each(|value| *value -= shift);
        steps += 1;
        converged = moved.max(shift.abs()) <= config.tolerance();
        if !watch.goes_on("irt", steps, config.steps()) {
            break;
        }
    }
    IrtFit {
        items: difficulties
            .into_iter()
            .map(ItemParameters::of_difficulty)
            .collect(),
        abilities,
        steps,
        converged,
    }
}

/// Sets each value to its mode, given the others, and gives the largest change. A right answer raises an ability (`sign` 1) and lowers a difficulty
/// (-1).
fn sweep(values: &mut [f64], others: &[f64], lists: &Lists, precision: f64, sign: f64) -> f64 {
    let each = values.par_iter_mut().enumerate().map(|(one, value)| {
        let before = *value;
        for _ in 0..INNER {
            let (mut slope, mut curvature) = (-precision * *value, precision);
            for (other, right) in lists.of(one) {
                let p = logistic(sign * (*value - others[*other as usize]));
                slope += sign * (f64::from(u8::from(*right)) - p);
                curvature += p * (1.0 - p);
            }
            let step = (slope / curvature).clamp(-2.0, 2.0);
            *value += step;
            if step.abs() < 1e-10 {
                break;
            }
        }
        (*value - before).abs()
    });
    each.reduce(|| 0.0, f64::max)
}
