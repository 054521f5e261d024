//! What bandits and grids have in common.

use super::rule::Now;

/// A family of tasks.
pub(super) trait Family {
    /// The agent on one of its tasks.
    type Agent: Agent;
    /// Its name in the record.
    const NAME: &'static str;
    /// The lives that are tested, in updates.
    const TESTED: [usize; 4];
    /// The factor of a rule's outputs: the agent's own rate.
    const SCALE: f64;

    /// The shortest and the longest life of meta-training.
    fn horizons(&self) -> (usize, usize);

    /// An agent that has learned nothing, on the task of a seed.
    fn agent(&self, task: u64) -> Self::Agent;
}

/// A tabular agent with its task.
pub(super) trait Agent: Clone {
    /// Takes another random stream.
    fn start(&mut self, stream: u64);

    /// Gathers experience and moves up `mean(w grad ln pi + c grad H)`. Returns the policy's entropy over its maximum, before it moved.
    fn update(&mut self, now: &Now) -> f64;

    /// The exact expected return of the policy.
    fn worth(&self) -> f64;

    /// The most that a policy can expect.
    fn best(&self) -> f64;
}

/// The bound of logits: numbers stay finite, whatever a rule says.
const BOUND: f64 = 20.0;

/// Log-probabilities, probabilities and entropy.
pub(super) fn softmax<const K: usize>(logits: &[f64; K]) -> ([f64; K], [f64; K], f64) {
    let most = logits.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    let mut chances = logits.map(|logit| (logit - most).exp());
    let sum: f64 = chances.iter().sum();
    let (less, factor) = (most + sum.ln(), 1.0 / sum);
    let logs = logits.map(|logit| logit - less);
    let mut entropy = 0.0;
    for (chance, log) in chances.iter_mut().zip(&logs) {
        *chance *= factor;
        entropy -= *chance * log;
    }
    (logs, chances, entropy)
}

/// Moves the logits of one state up `sum_a w_a grad ln pi(a) + c grad H`, times a rate: `d ln pi(a) / d z_k = 1[a = k] - pi_k` and `d H / d z_k
/// = -pi_k (ln pi_k + H)`.
pub(super) fn step<const K: usize>(
    logits: &mut [f64; K],
    (logs, chances, entropy): (&[f64; K], &[f64; K], f64),
    weights: &[f64; K],
    c: f64,
    rate: f64,
) {
    let total: f64 = weights.iter().sum();
    for k in 0..K {
        let policy = weights[k] - total * chances[k];
        let spread = -chances[k] * (logs[k] + entropy);
        logits[k] = (logits[k] + rate * (policy + c * spread)).clamp(-BOUND, BOUND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By central differences.
    #[test]
    fn gradients_in_closed_form() {
        let logits = [0.3, -0.7, 1.1, 0.0];
        let weights = [0.5, -1.0, 0.0, 2.0];
        let value = |logits: &[f64; 4], c: f64| {
            let (logs, _, entropy) = softmax(logits);
            let policy: f64 = logs.iter().zip(&weights).map(|(log, w)| log * w).sum();
            policy + c * entropy
        };
        let mut moved = logits;
        let (logs, chances, entropy) = softmax(&logits);
        step(&mut moved, (&logs, &chances, entropy), &weights, 0.7, 1.0);
        for k in 0..4 {
            let at = |h: f64| {
                let mut near = logits;
                near[k] += h;
                value(&near, 0.7)
            };
            let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((moved[k] - logits[k] - slope).abs() < 1e-8);
        }
    }
}
