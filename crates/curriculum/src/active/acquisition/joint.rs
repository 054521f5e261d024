//! Joint outcomes of a batch of candidates under samples of a model.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Outcomes of the candidates that a batch holds so far: all of them, or a random sample.
///
/// Of outcome `m` it keeps `J[m, k]`, its probability under sample `k` of the model over its mean over the samples, so that long batches do not underflow.
#[derive(Clone, Debug)]
pub(super) struct Joint {
    samples: usize,
    /// `[outcomes, samples]`, of mean 1 in each row.
    relative: Vec<f64>,
    /// How much each outcome counts: its probability, or one over their number. The sum is 1.
    weights: Vec<f64>,
    /// Logarithms of the outcomes' probabilities.
    log_mean: Vec<f64>,
    exact: bool,
}

impl Joint {
    /// Of no candidate: one outcome.
    pub(super) fn new(samples: usize) -> Self {
        Self {
            samples,
            relative: vec![1.0; samples],
            weights: vec![1.0],
            log_mean: vec![0.0],
            exact: true,
        }
    }

    /// How many outcomes.
    pub(super) fn outcomes(&self) -> usize {
        self.weights.len()
    }

    /// `J`, row by row.
    pub(super) fn relative(&self) -> &[f64] {
        &self.relative
    }

    /// How much each outcome counts.
    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The entropy of the outcomes in nats.
    pub(super) fn entropy(&self) -> f64 {
        let terms = self.weights.iter().zip(&self.log_mean);
        -terms.map(|(weight, log)| weight * log).sum::<f64>()
    }

    /// With all outcomes of one more candidate, of probabilities `[samples, classes]`. What can't happen is left out.
    pub(super) fn with_every(&self, probabilities: &[f64]) -> Self {
        let classes = probabilities.len() / self.samples;
        let mut next = Self {
            relative: Vec::with_capacity(self.relative.len() * classes),
            weights: Vec::with_capacity(self.outcomes() * classes),
            log_mean: Vec::with_capacity(self.outcomes() * classes),
            ..*self
        };
        for outcome in 0..self.outcomes() {
            for class in 0..classes {
                let column = probabilities.iter().skip(class).step_by(classes);
                next.push(self, outcome, column);
            }
        }
        // An outcome counts by its probability.
        next.weights = next.log_mean.iter().map(|log| log.exp()).collect();
        next.normalise();
        next
    }

    /// So many outcomes for each sample of the model, drawn for candidates of these probabilities, `[samples, classes]` each.
    pub(super) fn drawn(
        candidates: &[Vec<f64>],
        samples: usize,
        each: usize,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let mut all = Self {
            relative: vec![1.0; samples * samples * each],
            weights: vec![1.0 / (samples * each) as f64; samples * each],
            log_mean: vec![0.0; samples * each],
            samples,
            exact: false,
        };
        for probabilities in candidates {
            all.draw(probabilities, rng);
        }
        all
    }

    /// Draws the outcome of one more candidate.
    pub(super) fn draw(&mut self, probabilities: &[f64], rng: &mut ChaCha8Rng) {
        let classes = probabilities.len() / self.samples;
        let each = self.outcomes() / self.samples;
        let rows = self.relative.chunks_exact_mut(self.samples);
        for (outcome, (row, log)) in rows.zip(&mut self.log_mean).enumerate() {
            let own = outcome / each;
            let own = &probabilities[own * classes..(own + 1) * classes];
            let mut mark = rng.random::<f64>() * own.iter().sum::<f64>();
            let mut class = 0;
            for (place, probability) in own.iter().enumerate() {
                if *probability > 0.0 {
                    class = place;
                    mark -= probability;
                    if mark < 0.0 {
                        break;
                    }
                }
            }
            let column = probabilities.iter().skip(class).step_by(classes);
            row.iter_mut().zip(column).for_each(|(j, p)| *j *= p);
            *log += rescale(row).ln();
        }
    }

    /// Whether these are all outcomes.
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    fn push<'a>(&mut self, of: &Self, outcome: usize, column: impl Iterator<Item = &'a f64>) {
        let row = &of.relative[outcome * of.samples..(outcome + 1) * of.samples];
        let start = self.relative.len();
        self.relative
            .extend(row.iter().zip(column).map(|(j, p)| j * p));
        let mean = rescale(&mut self.relative[start..]);
        if mean > 0.0 {
            self.log_mean.push(of.log_mean[outcome] + mean.ln());
        } else {
            self.relative.truncate(start);
        }
    }

    fn normalise(&mut self) {
        let total: f64 = self.weights.iter().sum();
        self.weights.iter_mut().for_each(|weight| *weight /= total);
    }
}

/// Brings the mean of a row to 1, and says what it was.
fn rescale(row: &mut [f64]) -> f64 {
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    if mean > 0.0 {
        row.iter_mut().for_each(|value| *value /= mean);
    }
    mean
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const FIRST: [f64; 6] = [0.7, 0.2, 0.1, 0.1, 0.3, 0.6];
    const SECOND: [f64; 6] = [0.2, 0.2, 0.6, 0.5, 0.5, 0.0];

    fn by_hand() -> f64 {
        let mut entropy = 0.0;
        for a in 0..3 {
            for b in 0..3 {
                let of = |k: usize| FIRST[3 * k + a] * SECOND[3 * k + b];
                let mean = f64::midpoint(of(0), of(1));
                entropy -= mean * mean.ln();
            }
        }
        entropy
    }

    #[test]
    fn all_outcomes_of_two_candidates() {
        let joint = Joint::new(2).with_every(&FIRST).with_every(&SECOND);
        assert_eq!((joint.outcomes(), joint.is_exact()), (9, true));
        assert!((joint.entropy() - by_hand()).abs() < 1e-12);
        let certain = Joint::new(1).with_every(&[1.0, 0.0]);
        assert_eq!((certain.outcomes(), certain.entropy()), (1, 0.0));
    }

    #[test]
    fn drawn_outcomes_have_about_the_same_entropy() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let both = [FIRST.to_vec(), SECOND.to_vec()];
        let joint = Joint::drawn(&both, 2, 20_000, &mut rng);
        assert!((joint.entropy() - by_hand()).abs() < 0.02);
    }

    #[test]
    fn a_long_batch_does_not_underflow() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let uniform = vec![0.01; 200];
        let many = vec![uniform; 400];
        let joint = Joint::drawn(&many, 2, 3, &mut rng);
        let wanted = 400.0 * 100.0_f64.ln();
        assert!((joint.entropy() / wanted - 1.0).abs() < 1e-9);
        assert!(joint.relative().iter().all(|j| (j - 1.0).abs() < 1e-9));
    }
}
