//! What routers do with scores.

use burn::module::Param;
use burn::tensor::{DType, FloatDType, Int, Tensor};

use super::top_k::ranked;
use crate::Result;
use crate::error::MoeError;

/// The same values in float32: routers compute in it, whatever type the layer has.
pub(crate) fn single<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match tensor.dtype() {
        DType::F32 => tensor,
        _ => tensor.cast(FloatDType::F32),
    }
}

/// Logits in float32, whatever the layer computes in.
pub(super) fn logits(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    single(x).matmul(single(weight))
}

/// The chosen entries of each row.
pub(super) fn chosen(scores: &Tensor<2>, choices: &Tensor<2, Int>) -> Tensor<2> {
    scores.clone().gather(1, choices.clone())
}

/// Each row divided by its sum.
pub(super) fn normalised(rows: Tensor<2>) -> Tensor<2> {
    let sum = rows.clone().sum_dim(1);
    rows / (sum + 1e-20)
}

/// `top_k` within the number of experts.
pub(super) fn check_top_k(experts: usize, top_k: usize) -> Result<()> {
    crate::error::positive("experts", experts)?;
    crate::error::most_experts(experts)?;
    if top_k == 0 || top_k > experts {
        let allowed = format!("1 to the number of experts, {experts}");
        return Err(MoeError::range("top_k", top_k, &allowed));
    }
    Ok(())
}

/// A parameter that may have been replaced, `[d_model, experts]`.
pub(super) fn check_weight(
    name: &'static str,
    weight: &Param<Tensor<2>>,
    shape: [usize; 2],
) -> Result<()> {
    let found = weight.val().dims();
    if found != shape {
        return Err(MoeError::shape(name, &found, format!("{shape:?}")));
    }
    Ok(())
}

/// A bias that may have been replaced, `[experts]`.
pub(super) fn check_bias(bias: &Param<Tensor<1>>, experts: usize) -> Result<()> {
    let found = bias.val().dims();
    if found != [experts] {
        return Err(MoeError::shape(
            "router bias",
            &found,
            format!("[{experts}]"),
        ));
    }
    Ok(())
}

/// Scores to choose by, `[rows, columns]` each: `sum + rest` is exactly what is compared, though float32 has no such number, and
/// `tie` decides where these are equal.
pub(super) struct Ranks {
    sum: Tensor<2>,
    rest: Tensor<2>,
    tie: Tensor<2>,
}

impl Ranks {
    /// By scores plus a bias of each column, `[columns]`.
    ///
    /// In float32 a small score disappears beside a large bias: the error of the sum is kept. Scores that saturated, as a sigmoid does
    /// from 17 on, are told apart by their logits.
    pub(super) fn biased(scores: &Tensor<2>, bias: Tensor<1>, logits: &Tensor<2>) -> Self {
        let bias = single(bias.detach()).unsqueeze::<2>().expand(scores.dims());
        let (sum, rest) = exact_sum(scores.clone().detach(), bias);
        let tie = logits.clone().detach();
        Self { sum, rest, tie }
    }

    /// By plain scores.
    pub(super) fn plain(scores: Tensor<2>) -> Self {
        let sum = single(scores.detach());
        let rest = sum.zeros_like();
        Self {
            tie: rest.clone(),
            rest,
            sum,
        }
    }

    /// The places of the `k` largest of each row.
    pub(super) fn best(&self, k: usize) -> Tensor<2, Int> {
        ranked(
            vec![self.sum.clone(), self.rest.clone(), self.tie.clone()],
            k,
        )
    }

    /// The `k` largest out of the `kept` groups of neighbours with the largest sum of their two best.
    pub(super) fn best_of_groups(self, k: usize, groups: usize, kept: usize) -> Tensor<2, Int> {
        let [tokens, experts] = self.sum.dims();
        if kept == groups || tokens == 0 {
            return self.best(k);
        }
        let size = experts / groups;
        let winners = self.groups(groups).best(kept);
        let device = self.sum.device();
        let group = Tensor::<1, Int>::arange(0..groups as i64, &device).reshape([1, groups, 1]);
        let shape = [tokens, groups, kept];
        let hits = winners.reshape([tokens, 1, kept]).expand(shape);
        let hits = hits.equal(group.expand(shape)).int().sum_dim(2);
        let out = hits.equal_elem(0).expand([tokens, groups, size]);
        let out = out.reshape([tokens, experts]);
        Self {
            sum: self.sum.mask_fill(out, f32::NEG_INFINITY),
            ..self
        }
        .best(k)
    }

    /// The groups' scores, `[tokens, groups]`: the sums of their two best.
    fn groups(&self, groups: usize) -> Self {
        let [tokens, experts] = self.sum.dims();
        let size = experts / groups;
        let rows = |t: &Tensor<2>| t.clone().reshape([tokens * groups, size]);
        let rows = Self {
            sum: rows(&self.sum),
            rest: rows(&self.rest),
            tie: rows(&self.tie),
        };
        let count = size.min(2);
        let best = rows.best(count);
        let pick = |t: &Tensor<2>, place: usize| {
            let place = best.clone().narrow(1, place, 1);
            t.clone().gather(1, place).reshape([tokens, groups])
        };
        let first = Self {
            sum: pick(&rows.sum, 0),
            rest: pick(&rows.rest, 0),
            tie: pick(&rows.tie, 0),
        };
        if count == 1 {
            return first;
        }
        let (sum, error) = exact_sum(first.sum, pick(&rows.sum, 1));
        let rest = error + first.rest + pick(&rows.rest, 1);
        let (sum, rest) = exact_sum(sum, rest);
        Self {
            sum,
            rest,
            tie: first.tie + pick(&rows.tie, 1),
        }
    }
}

/// `a + b` rounded, and what the rounding lost (Knuth's two-sum).
fn exact_sum(a: Tensor<2>, b: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let sum = a.clone() + b.clone();
    let part = sum.clone() - a.clone();
    let lost = (a - (sum.clone() - part.clone())) + (b - part);
    (sum, lost)
}
