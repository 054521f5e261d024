use burn::tensor::{Bool, Int, Tensor};
use regimen_tensor::per_example::at_label;

use crate::gradients::widen;

/// The margin of every example, `[batch]`: `z_y - log sum_{c != y} exp z_c = log(p / (1 - p))`.
///
/// Logits `[batch, classes]`, two classes or more; labels `[batch]`, NaN for one outside `0..classes`. Differentiable; in f32 at least.
#[must_use]
pub fn margins(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let [batch, classes] = logits.dims();
    let (logits, labels) = (widen(logits), labels.reshape([batch]));
    let own = at_label(logits.clone(), labels.clone()).reshape([batch, 1]);
    let labels = labels.reshape([batch, 1]);
    let columns = Tensor::<1, Int>::arange(0..classes as i64, &logits.device());
    let columns = columns
        .cast(labels.dtype())
        .reshape([1, classes])
        .expand([batch, classes]);
    let is_own: Tensor<2, Bool> = columns.equal(labels.expand([batch, classes]));
    let others = logits.mask_fill(is_own, -1e30);
    let largest = others.clone().detach().max_dim(1);
    let sum = (others - largest.clone()).exp().sum_dim(1).log();
    (own - sum - largest).reshape([batch])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn margin_of_four_logits() {
        let device = Device::flex();
        let logits =
            Tensor::<2>::from_data([[2.0, 1.0, -1.0, 0.5], [200.0, 0.0, 0.0, 0.0]], &device);
        let labels = Tensor::<1, Int>::from_data([0, 1], &device);
        let found = margins(logits, labels).try_into_vec_as::<f64>().unwrap();
        assert!((found[0] - 0.445_043_08).abs() < 1e-6);
        assert!((found[1] + 200.0).abs() < 1e-4);
    }
}
