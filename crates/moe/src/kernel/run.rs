//! Which operations compute the experts: one of their own on `flex`, Burn's elsewhere.

#[cfg(feature = "flex")]
use std::sync::Arc;

use burn::tensor::{Int, Tensor};

#[cfg(feature = "flex")]
use super::operation;
use crate::dispatch::Plan;
use crate::error::MoeError;
use crate::{Experts, Result};

impl Experts {
    /// The outputs of one expert for all tokens, `[tokens, d_model]` to the same.
    ///
    /// # Errors
    /// If there is no such expert, `x` has another width or type than the weights, or weights were replaced by some that do not fit each other.
    pub fn forward_one(&self, expert: usize, x: Tensor<2>) -> Result<Tensor<2>> {
        let [tokens, width] = x.dims();
        self.fit()?;
        if expert >= self.count() {
            let allowed = format!("below the number of experts, {}", self.count());
            return Err(MoeError::range("expert", expert, &allowed));
        }
        self.check(width, &[tokens, width], x.dtype())?;
        Ok(self.run_one(expert, x))
    }

    /// All tokens through one expert, which exists.
    pub(crate) fn run_one(&self, expert: usize, x: Tensor<2>) -> Tensor<2> {
        let [tokens, _] = x.dims();
        if tokens == 0 {
            return x;
        }
        #[cfg(feature = "flex")]
        if operation::available(&x, self) {
            let ones = Tensor::ones([tokens], (&x.device(), x.dtype()));
            let assignments = (0..tokens).map(|token| (token, expert, token));
            let plan = Plan::new(tokens, self.count(), assignments);
            return self.run(x, ones, plan);
        }
        let named =
            (self.count() > 1).then(|| Tensor::<1, Int>::full([1], expert as i64, &x.device()));
        self.run_batched(x.unsqueeze(), named.as_ref())
            .squeeze_dim(0)
    }

    /// The weighted sum over the plan's assignments, `[tokens, d_model]`.
    pub(crate) fn run(&self, x: Tensor<2>, gates: Tensor<1>, plan: Plan) -> Tensor<2> {
        #[cfg(feature = "flex")]
        if operation::available(&x, self) {
            let (weights, plan) = (self.weights(), Arc::new(plan));
            let gates = gates.cast(x.dtype());
            return operation::run(x, gates, weights, self.activation, self.gated, plan);
        }
        self.run_composed(x, gates, &plan)
    }
}

#[cfg(all(test, feature = "flex"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Activation;
    use crate::experts::Body;
    use burn::tensor::{Device, Distribution};

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    /// One expert idle, one token without an expert, and all idle.
    #[test]
    fn the_fused_operation_equals_the_composed_ones() {
        let device = Device::flex().autodiff();
        device.seed(5);
        let random = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let assignments = [(0, 2, 0), (0, 0, 1), (1, 2, 2), (3, 0, 3), (3, 2, 4)];
        for (gated, bias, used) in [
            (false, true, 5),
            (true, true, 5),
            (true, false, 5),
            (false, true, 0),
        ] {
            let body = Body {
                d_model: 6,
                d_hidden: 21,
                activation: Activation::Gelu,
                gated,
                bias,
            };
            let experts = body.init(3, &device).unwrap();
            let plan = Plan::new(4, 3, assignments[..used].iter().copied());
            let (x, gates) = (random([4, 6]), random([1, 5]).reshape([5]));
            let target = random([4, 6]);
            let run = |fused: bool| {
                let (x, gates) = (x.clone().require_grad(), gates.clone().require_grad());
                let y = if fused {
                    experts.run(x.clone(), gates.clone(), plan.clone())
                } else {
                    experts.run_composed(x.clone(), gates.clone(), &plan)
                };
                let grads = (y.clone() * target.clone()).sum().backward();
                let biases = [&experts.up_bias, &experts.down_bias];
                let biases = biases
                    .into_iter()
                    .flatten()
                    .map(|b| values(b.val().grad(&grads).unwrap()));
                let mut all = vec![
                    values(y),
                    values(x.grad(&grads).unwrap()),
                    values(gates.grad(&grads).unwrap()),
                    values(experts.up.val().grad(&grads).unwrap()),
                    values(experts.down.val().grad(&grads).unwrap()),
                ];
                all.extend(biases);
                all
            };
            for (fused, composed) in run(true).iter().zip(&run(false)) {
                for (a, b) in fused.iter().zip(composed) {
                    approx::assert_abs_diff_eq!(a, b, epsilon = 1e-5);
                }
            }
        }
    }
}
