//! Divergences between the predictions of two models, as losses.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};

/// `T^2 KL(softmax(teacher / T) || softmax(student / T))`, the mean over a batch, in nats, `[1]`. Logits
/// `[batch, classes]`; only the student carries a gradient.
#[must_use]
pub fn distillation(student: Tensor<2>, teacher: Tensor<2>, temperature: f64) -> Tensor<1> {
    let [batch, _] = student.dims();
    let teacher = teacher.detach() / temperature;
    let p = softmax(teacher.clone(), 1);
    let gap = log_softmax(teacher, 1) - log_softmax(student / temperature, 1);
    (p * gap).sum() * (temperature * temperature / batch as f64)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn scrub_divergence_at_temperature_4() {
        let row = |values: [f32; 3]| Tensor::<2>::from_data([values], &Device::flex());
        let loss = distillation(row([1.0, 0.0, -1.0]), row([2.0, 0.0, 0.0]), 4.0);
        assert!((f64::from(loss.into_scalar::<f32>()) - 0.103_106_56).abs() < 5e-6);
    }
}
