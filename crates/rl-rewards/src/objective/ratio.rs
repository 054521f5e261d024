//! The ratio of the policy to the old one, a token or a sequence.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Beyond this, a logarithm of a ratio is cut before its exponent is taken.
const LIMIT: f64 = 20.0;
/// As [`LIMIT`], of [`Level::SequenceToken`].
const SEQUENCE_LIMIT: f64 = 10.0;

/// What a ratio is of. `d_t = lp_t - lp_old_t`, over the `T` tokens of a sequence that count.
///
/// | level | ratio at a token | gradient through |
/// |---|---|---|
/// | `Token` | `exp(d_t)` | its own token |
/// | `Sequence` | `exp(sum_s d_s / T)` | all tokens, each by 1/T |
/// | `SequenceToken` | the same value | its own token: `exp(lp_t - sg(lp_t) + sg(sum_s d_s / T))` |
/// | `SequenceSum` | `exp(sum_s d_s)` | all tokens |
///
/// Logarithms are cut at 20 either way (`SequenceToken`: at 10 above), beyond which there is no gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// One ratio a token: PPO, GRPO.
    Token,
    /// The geometric mean over a sequence: GSPO.
    Sequence,
    /// The value of the geometric mean with a gradient for each token, so that advantages of tokens can differ: GSPO-token, and verl's GSPO.
    SequenceToken,
    /// The ratio of the sequence's probability: TRL's RLOO.
    SequenceSum,
}

impl Level {
    /// The logarithm of the ratio at each token, `[rows, tokens]`, from clean log-probabilities and the mask.
    pub(super) fn log_ratio(
        self,
        log_probs: &Tensor<2>,
        differences: &Tensor<2>,
        mask: &Tensor<2>,
    ) -> Tensor<2> {
        let [rows, tokens] = mask.dims();
        let sum = || (differences.clone() * mask.clone()).sum_dim(1);
        let mean = || sum() / mask.clone().sum_dim(1).clamp_min(1.0);
        match self {
            Self::Token => differences.clone().clamp(-LIMIT, LIMIT),
            Self::Sequence => mean().clamp(-LIMIT, LIMIT).expand([rows, tokens]),
            Self::SequenceSum => sum().clamp(-LIMIT, LIMIT).expand([rows, tokens]),
            Self::SequenceToken => {
                let own = log_probs.clone() - log_probs.clone().detach();
                (own + mean().detach()).clamp_max(SEQUENCE_LIMIT)
            }
        }
    }
}
