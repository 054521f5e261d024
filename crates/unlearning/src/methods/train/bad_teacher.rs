//! # BadTeacher
//!
//! Forgets by imitating a random network on the forget set and the original elsewhere.
//!
//! Source: Chundawat, Tarun, Mandal and Kankanhalli, "Can Bad Teaching Induce Forgetting?", AAAI 2023; as a
//! baseline of arXiv 2308.07707: 1 epoch on the forget set and 30 % of the retain set, Adam 1e-4, batch 256.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};

use super::{Method, Order};
use crate::Classifier;
use crate::gradients::{reference, widen};
use crate::likelihoods::mean_of_counted;

/// The mean of `KL(l softmax(bad) + (1 - l) softmax(original) || softmax(student))`, in nats.
///
/// Logits are `[batch, classes]`; `forget`, `[batch]`, is `l`: 1 for a forget sample, else 0. Only the
/// student is to carry a gradient. In f32 at least.
#[must_use]
pub fn loss(
    student: Tensor<2>,
    original: Tensor<2>,
    bad: Tensor<2>,
    forget: Tensor<1>,
) -> Tensor<1> {
    rows(student, original, bad, forget).mean()
}

/// The divergence of each row.
fn rows(student: Tensor<2>, original: Tensor<2>, bad: Tensor<2>, forget: Tensor<1>) -> Tensor<1> {
    let [batch, classes] = student.dims();
    let student = widen(student);
    let (original, bad) = (original.cast(student.dtype()), bad.cast(student.dtype()));
    let forget = forget.cast(student.dtype());
    let l = forget.reshape([batch, 1]).expand([batch, classes]);
    let teacher = softmax(bad, 1) * l.clone() + softmax(original, 1) * (l * -1.0 + 1.0);
    let teacher = teacher.detach();
    let log_teacher = teacher.clone().clamp_min(f32::MIN_POSITIVE).log();
    let divergence = teacher * (log_teacher - log_softmax(student, 1));
    divergence.sum_dim(1).reshape([batch])
}

/// Bad teaching; give it a retain loader over 30 % of the retain set for one epoch.
///
/// The paper's one epoch at Adam 1e-4 has hundreds of steps. On small data raise the rate or the epochs: the student moves
/// at most the rate a step.
#[derive(Clone, Debug)]
pub struct BadTeacher<M> {
    original: M,
    bad: M,
}

impl<M: Module> BadTeacher<M> {
    /// `original` is the model that is to forget, `bad` one that was never trained.
    #[must_use]
    pub fn new(original: &M, bad: &M) -> Self {
        Self {
            original: reference(original),
            bad: reference(bad),
        }
    }
}

impl<M: Classifier> BadTeacher<M> {
    fn imitate(&self, model: &M, batch: &M::Batch, share: f64) -> Tensor<1> {
        let student = model.logits(batch);
        let forget = Tensor::full([student.dims()[0]], share, &student.device());
        let (original, bad) = (self.original.logits(batch), self.bad.logits(batch));
        mean_of_counted(rows(student, original, bad, forget), &M::targets(batch))
    }
}

impl<M: Classifier> Method<M> for BadTeacher<M> {
    fn order(&self, _epoch: usize) -> Order {
        Order::Mixed
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        self.imitate(model, batch, 1.0)
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        self.imitate(model, batch, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn divergence(l: f32) -> f64 {
        let device = Device::flex();
        let row = |values: [f32; 3]| Tensor::<2>::from_data([values], &device);
        let (original, bad) = (row([2.0, 0.0, -1.0]), row([0.1, 0.0, -0.1]));
        let forget = Tensor::<1>::from_data([l], &device);
        f64::from(loss(row([1.0, 0.5, 0.0]), original, bad, forget).into_scalar::<f32>())
    }

    #[test]
    fn bad_teacher_l0() {
        assert!((divergence(0.0) - 0.255_110_72).abs() < 1e-6);
    }

    #[test]
    fn bad_teacher_l1() {
        assert!((divergence(1.0) - 0.051_704_50).abs() < 1e-6);
    }
}
