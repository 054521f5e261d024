//! Steps of Fisher scoring on the parameters of one item.

use regimen_tensor::linalg::{DMatrix, DVector, solve_spd};

use super::model::{IrtModel, ItemParameters, logistic};

/// Steps on an item between two looks at the abilities.
const STEPS: usize = 4;
/// The largest difficulty, and the largest logarithm of a discrimination.
const LARGEST: [f64; 2] = [50.0, 4.0];

/// Normal priors of the difficulty, the logarithm of the discrimination, and the log-odds of guessing and ceiling.
pub(super) struct Priors {
    pub(super) middle: [f64; 4],
    pub(super) precision: [f64; 4],
}

/// Expected numbers of answers and of right ones at each ability.
pub(super) struct Counts<'a> {
    pub(super) nodes: &'a [f64],
    pub(super) all: Vec<f64>,
    pub(super) right: Vec<f64>,
}

/// An item by free numbers: difficulty, log-discrimination, log-odds of guessing and ceiling.
type Free = [f64; 4];

fn free(item: &ItemParameters) -> Free {
    let odds = |share: f64| (share / (1.0 - share)).ln();
    [
        item.difficulty,
        item.discrimination.ln(),
        odds(item.guessing),
        odds(item.upper),
    ]
}

fn item(free: &Free, model: IrtModel) -> ItemParameters {
    let mut item = ItemParameters::of_difficulty(free[0]);
    if model >= IrtModel::TwoPl {
        item.discrimination = free[1].exp();
    }
    if model >= IrtModel::ThreePl {
        item.guessing = logistic(free[2]);
    }
    if model >= IrtModel::FourPl {
        item.upper = logistic(free[3]);
    }
    item
}

impl Counts<'_> {
    /// The expected log-likelihood and the logarithm of the priors; nothing where the curve falls.
    fn value(&self, free: &Free, model: IrtModel, priors: &Priors) -> f64 {
        let item = item(free, model);
        if item.guessing >= item.upper {
            return f64::NEG_INFINITY;
        }
        let likelihood = self.nodes.iter().zip(self.all.iter().zip(&self.right));
        let likelihood = likelihood.map(|(theta, (all, right))| {
            let p = item.probability(*theta).clamp(1e-300, 1.0 - 1e-16);
            right * p.ln() + (all - right) * (-p).ln_1p()
        });
        let prior = (0..model.parameters()).map(|part| {
            let far = free[part] - priors.middle[part];
            0.5 * priors.precision[part] * far * far
        });
        likelihood.sum::<f64>() - prior.sum::<f64>()
    }

    /// Slope and expected curvature.
    fn slope(&self, free: &Free, model: IrtModel, priors: &Priors) -> (DVector<f64>, DMatrix<f64>) {
        let count = model.parameters();
        let item = item(free, model);
        let (mut slope, mut curvature) = (DVector::zeros(count), DMatrix::zeros(count, count));
        for (theta, (all, right)) in self.nodes.iter().zip(self.all.iter().zip(&self.right)) {
            let share = logistic(item.discrimination * (theta - item.difficulty));
            let p = item.guessing + (item.upper - item.guessing) * share;
            let spread = (p * (1.0 - p)).max(1e-12);
            let rise = (item.upper - item.guessing) * share * (1.0 - share) * item.discrimination;
            let parts = [
                -rise,
                rise * (theta - item.difficulty),
                item.guessing * (1.0 - item.guessing) * (1.0 - share),
                item.upper * (1.0 - item.upper) * share,
            ];
            for row in 0..count {
                slope[row] += (right - all * p) * parts[row] / spread;
                for column in 0..count {
                    curvature[(row, column)] += all * parts[row] * parts[column] / spread;
                }
            }
        }
        for part in 0..count {
            slope[part] -= priors.precision[part] * (free[part] - priors.middle[part]);
            curvature[(part, part)] += priors.precision[part];
        }
        (slope, curvature)
    }
}

/// Takes some steps that do not go down.
pub(super) fn climb(
    of: &mut ItemParameters,
    model: IrtModel,
    counts: &Counts<'_>,
    priors: &Priors,
) {
    let mut at = free(of);
    let mut value = counts.value(&at, model, priors);
    for _ in 0..STEPS {
        let (slope, curvature) = counts.slope(&at, model, priors);
        let Ok(step) = solve_spd(curvature, &slope) else {
            break;
        };
        let mut length = 1.0;
        let mut moved = 0.0;
        for _ in 0..20 {
            let mut next = at;
            for (part, value) in step.iter().enumerate() {
                next[part] += length * value.clamp(-1.0, 1.0);
            }
            next[0] = next[0].clamp(-LARGEST[0], LARGEST[0]);
            next[1] = next[1].clamp(-LARGEST[1], LARGEST[1]);
            let found = counts.value(&next, model, priors);
            if found >= value {
                moved = (next[0] - at[0]).abs();
                (at, value) = (next, found);
                break;
            }
            length /= 2.0;
        }
        if moved < 1e-7 {
            break;
        }
    }
    *of = item(&at, model);
}
