//! Conservative Q-learning where the truth is known: six domains that teach a target skill, a general one, or both, by a formula.
//!
//! The critic is a ridge regression on products of state, time and mixture, so that a whole scan of alpha takes a second.

use anyhow::{Result, anyhow};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use regimen_curriculum::MixtureWalk;
use regimen_tensor::linalg::{DMatrix, DVector, solve_spd};

const DOMAINS: usize = 6;
const STEPS: usize = 30;
const RUNS: u64 = 40;
const GAMMA: f64 = 0.9;
const SOFTNESS: f64 = 0.01;
const RIDGE: f64 = 1e-2;

/// What each domain gives to the target skill and to the general one.
struct World {
    target: [f64; DOMAINS],
    general: [f64; DOMAINS],
}

type Mixture = Vec<f64>;

/// A step of a collected run: both skills and the time before it, the mixture, and both skills after it.
struct Seen {
    before: [f64; 2],
    time: f64,
    mixture: Mixture,
    after: [f64; 2],
    is_last: bool,
}

impl World {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let mut about = |gains: [f64; DOMAINS]| gains.map(|gain| gain * rng.random_range(0.8..1.2));
        Self {
            target: about([0.0, 0.05, 0.1, 0.3, 0.6, 1.0]),
            general: about([1.0, 0.8, 0.5, 0.25, 0.1, 0.0]),
        }
    }

    fn step(&self, [target, general]: [f64; 2], mixture: &[f64]) -> [f64; 2] {
        let gain = |gains: &[f64; DOMAINS]| -> f64 {
            gains
                .iter()
                .zip(mixture)
                .map(|(gain, weight)| gain * weight)
                .sum()
        };
        let (a, b) = (gain(&self.target), gain(&self.general));
        [
            target + 0.1 * a * (1.0 - target) - 0.01 * target * (1.0 - a),
            general + 0.1 * b * (1.0 - general) - 0.06 * general * (1.0 - b),
        ]
    }

    /// The mean of both skills after all steps.
    fn score(&self, mut policy: impl FnMut([f64; 2], f64) -> Mixture) -> f64 {
        let mut state = START;
        for step in 0..STEPS {
            state = self.step(state, &policy(state, time(step)));
        }
        score(state)
    }
}

const START: [f64; 2] = [0.1, 0.8];

fn score([target, general]: [f64; 2]) -> f64 {
    0.5 * (target + general)
}

fn time(step: usize) -> f64 {
    step as f64 / STEPS as f64
}

/// 1, all numbers, and all products of two.
fn features([target, general]: [f64; 2], time: f64, mixture: &[f64]) -> DVector<f64> {
    let mut numbers = vec![target, general, time];
    numbers.extend(mixture);
    let mut all = vec![1.0];
    for (at, x) in numbers.iter().enumerate() {
        all.push(*x);
        all.extend(numbers[at..].iter().map(|y| x * y));
    }
    DVector::from_vec(all)
}

/// What a simulated collection leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// The mean score of the collected runs, and the best of them.
    pub(super) collected: [f64; 2],
    /// The score of the learned policy.
    pub(super) score: f64,
    /// The value that the critic promises for the start, less the discounted gain that the policy then has.
    pub(super) promised: f64,
}

/// Collects runs, and learns from them with each of these factors of the penalty.
pub(super) fn scan(seed: u64, alphas: &[f64]) -> Result<Vec<Outcome>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let world = World::new(&mut rng);
    let (mut seen, mut scores) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let walk = MixtureWalk::RandomWalk { spread: 0.3 };
        let plan = walk.plan(DOMAINS, STEPS, seed * RUNS + run)?;
        let mut state = START;
        for (step, drawn) in plan.into_iter().enumerate() {
            // Half of each mixture is uniform, so that much of the space is never seen.
            let even = |weight: &f64| 0.5 * weight + 0.5 / DOMAINS as f64;
            let mixture: Mixture = drawn.iter().map(even).collect();
            let noise = |value: f64, rng: &mut ChaCha8Rng| {
                let normal: f64 = StandardNormal.sample(rng);
                value + 0.002 * normal
            };
            let next = world.step(state, &mixture);
            let [before, after] = [state, next].map(|state| state.map(|x| noise(x, &mut rng)));
            seen.push(Seen {
                before,
                time: time(step),
                mixture,
                after,
                is_last: step + 1 == STEPS,
            });
            state = next;
        }
        scores.push(score(state));
    }
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let best = scores.iter().copied().fold(0.0, f64::max);
    let candidates = candidates(seed)?;
    let learned = |alpha: &f64| {
        let weights = critic(&seen, &candidates, *alpha)?;
        let value = |state, time, mixture: &Mixture| weights.dot(&features(state, time, mixture));
        let greedy = |state, time| {
            let better = |a: &&Mixture, b: &&Mixture| {
                value(state, time, a).total_cmp(&value(state, time, b))
            };
            let best = candidates.iter().max_by(better);
            best.cloned().unwrap_or_default()
        };
        let first = greedy(START, 0.0);
        let promised = value(START, 0.0, &first);
        let (mut state, mut gain) = (START, 0.0);
        for step in 0..STEPS {
            let next = world.step(state, &greedy(state, time(step)));
            gain += GAMMA.powi(step as i32) * (score(next) - score(state));
            state = next;
        }
        Ok(Outcome {
            collected: [mean, best],
            score: world.score(greedy),
            promised: promised - gain,
        })
    };
    alphas.iter().map(learned).collect()
}

/// 30 uniform draws and the corners.
fn candidates(seed: u64) -> Result<Vec<Mixture>> {
    let draw = |at| MixtureWalk::Static.plan(DOMAINS, 1, (seed << 20) + at);
    let mut all = (0..30).map(draw).collect::<Result<Vec<_>, _>>()?.concat();
    for domain in 0..DOMAINS {
        let mut corner = vec![0.0; DOMAINS];
        corner[domain] = 1.0;
        all.push(corner);
    }
    Ok(all)
}

/// Fitted Q iteration: each of 25 fits has the gradient of the penalty at the one before.
fn critic(seen: &[Seen], candidates: &[Mixture], alpha: f64) -> Result<DVector<f64>> {
    let logged: Vec<DVector<f64>> = seen
        .iter()
        .map(|one| features(one.before, one.time, &one.mixture))
        .collect();
    let of_all = |state, time| -> Vec<DVector<f64>> {
        let all = candidates.iter();
        all.map(|mixture| features(state, time, mixture)).collect()
    };
    let here: Vec<_> = seen
        .iter()
        .map(|one| of_all(one.before, one.time))
        .collect();
    let next = |one: &Seen| of_all(one.after, one.time + 1.0 / STEPS as f64);
    let next: Vec<_> = seen.iter().map(next).collect();
    let number = logged[0].len();
    let mut gram = DMatrix::identity(number, number) * RIDGE;
    for row in &logged {
        gram.ger(1.0, row, row, 1.0);
    }
    let mut weights = DVector::zeros(number);
    for _ in 0..25 {
        let mut right = DVector::zeros(number);
        for (place, one) in seen.iter().enumerate() {
            let values = next[place].iter().map(|row| weights.dot(row));
            let best = values.fold(f64::NEG_INFINITY, f64::max);
            let future = if one.is_last { 0.0 } else { GAMMA * best };
            let goal = score(one.after) - score(one.before) + future;
            right.axpy(goal, &logged[place], 1.0);
            if alpha > 0.0 {
                let values: Vec<f64> = here[place].iter().map(|row| weights.dot(row)).collect();
                let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let parts: Vec<f64> = values
                    .iter()
                    .map(|value| ((value - largest) / SOFTNESS).exp())
                    .collect();
                let sum: f64 = parts.iter().sum();
                for (part, row) in parts.iter().zip(&here[place]) {
                    right.axpy(-alpha * part / sum, row, 1.0);
                }
                right.axpy(alpha, &logged[place], 1.0);
            }
        }
        let solved = solve_spd(gram.clone(), &right);
        weights = solved.map_err(|error| anyhow!("the critic: {error}"))?;
    }
    Ok(weights)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::scan;

    /// Some of the penalty brings promises down to what is gained; too much of it makes the policy little better than the runs it saw.
    #[test]
    fn the_scan_of_alpha_has_its_shape() {
        let alphas = [0.0, 5e-5, 1e-3];
        let mut sums = [[0.0; 2]; 3];
        let mut collected = 0.0;
        for seed in 1000..1006 {
            for (sum, outcome) in sums.iter_mut().zip(scan(seed, &alphas).unwrap()) {
                sum[0] += outcome.score / 6.0;
                sum[1] += outcome.promised / 6.0;
                collected += outcome.collected[0] / 18.0;
            }
        }
        let [none, some, much] = sums;
        assert!(none[1] > 0.0 && some[1] < 0.0, "{sums:?}");
        assert!(some[0] > collected + 0.03, "{sums:?} {collected}");
        assert!(much[0] < some[0] - 0.02, "{sums:?} {collected}");
    }
}
