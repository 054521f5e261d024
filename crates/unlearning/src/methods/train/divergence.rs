//! Divergences between the predictions of two models, as losses.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};

use crate::Classifier;
use crate::gradients::widen;
use crate::likelihoods::mean_of_counted;

/// `T^2 KL(softmax(teacher / T) || softmax(student / T))`, the mean over a batch, in nats, `[1]`. Logits
/// `[batch, classes]`; only the student carries a gradient. In f32 at least.
#[must_use]
pub fn distillation(student: Tensor<2>, teacher: Tensor<2>, temperature: f64) -> Tensor<1> {
    rows(student, teacher, temperature).mean()
}

/// [`distillation`] over the rows of a batch whose label counts.
pub(super) fn between<M: Classifier>(
    student: &M,
    teacher: &M,
    batch: &M::Batch,
    temperature: f64,
) -> Tensor<1> {
    let labels = M::targets(batch);
    if let (Some(student), Some(teacher)) = (student.projected(batch), teacher.projected(batch)) {
        return student.divergence(&teacher, &labels, temperature);
    }
    let rows = rows(student.logits(batch), teacher.logits(batch), temperature);
    mean_of_counted(rows, &labels)
}

/// `T^2 KL` of each row.
fn rows(student: Tensor<2>, teacher: Tensor<2>, temperature: f64) -> Tensor<1> {
    let [batch, _] = student.dims();
    let student = widen(student) / temperature;
    let teacher = teacher.detach().cast(student.dtype()) / temperature;
    let p = softmax(teacher.clone(), 1);
    let gap = log_softmax(teacher, 1) - log_softmax(student, 1);
    (p * gap).sum_dim(1).reshape([batch]) * (temperature * temperature)
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
