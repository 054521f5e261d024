//! # Importance and load losses
//!
//! Squared coefficients of variation of what the experts weigh and of what a noisy router is expected to send them.
//!
//! Source: Shazeer et al. (arXiv 1701.06538), section 4 and appendix A.

use burn::tensor::{DType, Tensor};

use super::gates;
use crate::error::MoeError;
use crate::routers::{Choices, NoisyScores, ranked, single};
use crate::{Result, Routing};

/// `CV^2 = variance / (mean^2 + 1e-10)` with the unbiased variance, `[1]`; 0 for one value.
fn squared_variation(values: Tensor<1>) -> Tensor<1> {
    let [count] = values.dims();
    let mean = values.clone().mean();
    let deviation = values - mean.clone();
    let variance = deviation.square().sum() / count.saturating_sub(1).max(1) as f64;
    variance / (mean.square() + 1e-10)
}

/// `CV^2` of the importance `I_i = sum_t g_ti`, `[1]`: exactly 0 if the gates of all experts sum to the same. Usual
/// coefficient: 1e-2.
#[must_use]
pub fn importance_loss(routing: &Routing) -> Tensor<1> {
    squared_variation(gates(routing).sum_dim(0).reshape([routing.experts()]))
}

/// `CV^2` of the expected load `L_i = sum_t P(t, i)`, `[1]`: exactly 0 if all experts expect the same number of tokens. Absent
/// unless the router is noisy and in training. Usual coefficient: 1e-2.
#[must_use]
pub fn noisy_load_loss(routing: &Routing) -> Option<Tensor<1>> {
    let scores = routing.gating.noisy.as_ref()?;
    let Choices::ByToken(choices) = &routing.gating.choices else {
        return None;
    };
    let load = routing.masked(noisy_load(scores, choices.dims()[1]).ok()?);
    Some(squared_variation(
        load.sum_dim(0).reshape([routing.experts()]),
    ))
}

/// `P(t, i)`: the probability that expert `i` is among the `k` of token `t` if its own noise is drawn again,
/// `Phi((clean_i - kth of the others) / deviation_i)`, `[tokens, experts]`; 1 for `k` from the number of experts.
///
/// # Errors
/// If `k` is 0, or the scores are of different shapes.
pub fn noisy_load(scores: &NoisyScores, k: usize) -> Result<Tensor<2>> {
    crate::error::positive("k", k)?;
    let [tokens, experts] = scores.noisy.dims();
    for (name, dims) in [
        ("clean", scores.clean.dims()),
        ("deviation", scores.deviation.dims()),
    ] {
        if dims != [tokens, experts] {
            return Err(MoeError::shape(
                name,
                &dims,
                format!("[{tokens}, {experts}]"),
            ));
        }
    }
    let noisy = single(scores.noisy.clone());
    if k >= experts {
        let options = (&noisy.device(), DType::F32);
        return Ok(Tensor::ones([tokens, experts], options));
    }
    let best = noisy.clone().gather(1, ranked(vec![noisy.clone()], k + 1));
    let inside = best.clone().narrow(1, k, 1).expand([tokens, experts]);
    let outside = best.narrow(1, k - 1, 1).expand([tokens, experts]);
    // An expert among the k has the (k + 1)-th as the k-th of the others.
    let among = noisy.detach().greater(inside.clone().detach());
    let threshold = outside.mask_where(among, inside);
    let z = (single(scores.clean.clone()) - threshold) / single(scores.deviation.clone());
    Ok(((z / 2f64.sqrt()).erf() + 1.0) * 0.5)
}
