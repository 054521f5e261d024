use burn::tensor::{Int, Tensor};

use crate::likelihoods::counts;

/// On retained and test data higher is better, 1 is perfect and the retrained reference scores near the original; on
/// forgotten data nearer to the reference is better and its own score is perfect (0 for a whole class).
///
/// The share of examples, `0..=1`, whose highest logit is their class: logits `[batch, classes]`,
/// targets `[batch]`, of which those below 0 are ignored; 0 if none counts. Reads two numbers.
#[must_use]
pub fn accuracy(logits: Tensor<2>, targets: Tensor<1, Int>) -> f64 {
    let [right, total] = counts(logits, targets);
    right as f64 / total.max(1) as f64
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn accuracy_counts_the_highest_logits() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 0.0]], &device);
        let targets = Tensor::<1, Int>::from_data([1, 1], &device);
        assert_eq!(accuracy(logits.clone(), targets), 0.5);
        let ignored = Tensor::<1, Int>::from_data([1, -100], &device);
        assert_eq!(accuracy(logits, ignored), 1.0);
    }
}
