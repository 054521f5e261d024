//! The convex setting: ridge regression, where the effect of a group is known exactly.

use anyhow::Result;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use regimen_tensor::linalg::{DMatrix, DVector};
use regimen_unlearning::attribution::group_attribution::{group_effect, ridge};

use crate::experiment::{Context, Trial};

const INPUTS: usize = 100;
const POINTS: usize = 120;
/// The last points are forgotten.
const FORGET: usize = 6;
const LAMBDA: f64 = 0.01;
/// Deviation of the retain points along the forget points' directions, and length of the forget points there.
const WEAK: f64 = 0.045;
const STRONG: f64 = 8.0;
const STEPS: [usize; 4] = [1, 10, 100, 1000];

/// Relative errors on the forget points' outputs, against the model fitted without them, after some steps of gradient
/// descent of length `1 / L` from the full fit.
pub(super) fn run(context: &Context, trial: &mut Trial, seed: u64) -> Result<()> {
    let (x, y) = data(seed);
    let retain: Vec<usize> = (0..POINTS - FORGET).collect();
    let forget: Vec<usize> = (POINTS - FORGET..POINTS).collect();
    let (x_retain, x_forget) = (x.select_rows(&retain), x.select_rows(&forget));
    let y_retain = y.select_rows(&retain);
    let (start, oracle) = (ridge(&x, &y, LAMBDA)?, ridge(&x_retain, &y_retain, LAMBDA)?);

    let effect = if context.is_broken_by("ridge-first-order") {
        first_order(&x, &y, &forget, &x)?
    } else {
        group_effect(&x, &y, LAMBDA, &forget, &x)?
    };
    let sign = if context.is_broken_by("ridge-effects-added") {
        -1.0
    } else {
        1.0
    };
    let simulated = &x * &start - effect * sign;
    let gap = (&simulated - &x * &oracle).norm() / (&x * &oracle).norm();
    trial.record("convex", "exact attribution, relative error", gap);

    // Ridge on the retain set is least squares on its normal equations; matching is least squares on all outputs.
    let error = |w: &DVector<f64>| {
        (&x_forget * (w - &oracle)).norm() / (&x_forget * (&start - &oracle)).norm()
    };
    for (arm, x, target, penalty) in [
        ("retain descent", &x_retain, &y_retain, LAMBDA),
        ("oracle matching", &x, &(&x * &oracle), 0.0),
        ("datamodel matching", &x, &simulated, 0.0),
    ] {
        let penalty = DMatrix::identity(INPUTS, INPUTS) * penalty;
        let (gram, pull) = (x.tr_mul(x) + penalty, x.tr_mul(target));
        let rate = gram.clone().symmetric_eigenvalues().max().recip();
        let knows = arm == "retain descent" && context.is_broken_by("ridge-forget-points-seen");
        let (mut w, mut done) = (if knows { &oracle } else { &start }.clone(), 0);
        for steps in STEPS {
            for _ in done..steps {
                w -= (&gram * &w - &pull) * rate;
            }
            done = steps;
            trial.record("convex", &format!("{arm}, {steps} steps"), error(&w));
        }
    }
    Ok(())
}

/// The sum of the effects of the points of a group, each as if it had no leverage.
fn first_order(
    x: &DMatrix<f64>,
    y: &DVector<f64>,
    group: &[usize],
    eval: &DMatrix<f64>,
) -> Result<DVector<f64>> {
    let group_x = x.select_rows(group);
    let residual = y.select_rows(group) - &group_x * ridge(x, y, LAMBDA)?;
    // The weights of a ridge regression on unit targets are the rows of its inverse.
    let mut effect = DVector::zeros(eval.nrows());
    for (place, point) in group.iter().enumerate() {
        let mut unit = DVector::zeros(x.nrows());
        unit[*point] = 1.0;
        effect += eval * ridge(x, &unit, LAMBDA)? * residual[place];
    }
    Ok(effect)
}

/// Standard normal inputs that hardly extend in the last directions, but for the forget points, one of which lies along
/// each.
fn data(seed: u64) -> (DMatrix<f64>, DVector<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let mut x = DMatrix::from_fn(POINTS, INPUTS, |_, _| normal());
    let truth = DVector::from_fn(INPUTS, |_, _| normal());
    for direction in 0..FORGET {
        let column = INPUTS - FORGET + direction;
        x.column_mut(column).apply(|value| *value *= WEAK);
        let row = POINTS - FORGET + direction;
        x.row_mut(row).apply(|value| *value *= 0.1);
        x[(row, column)] = STRONG;
    }
    let y = &x * truth + DVector::from_fn(POINTS, |_, _| normal());
    (x, y)
}
