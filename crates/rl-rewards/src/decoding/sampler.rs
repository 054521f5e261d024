//! # TokenSampler
//!
//! Draws the next token of each sequence: temperature, then top-k, then top-p.
//!
//! Source: top-k after Fan et al. 2018, arXiv 1805.04833; nucleus (top-p) after Holtzman et al. 2020, arXiv 1904.09751; the
//! temperature is any schedule over the response's tokens.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Int, Tensor, TensorData};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::any::Temperature;
use super::correction::{check_tokens, pick, temper, temperatures};
use crate::checked::{Checked, checked_serde};
use crate::error::{Result, RlRewardsError, check};

/// What draws tokens from logits, for a generation loop of your own.
///
/// The order is: logits are divided by the temperature of the token, the `top_k` largest are kept, and of those the fewest
/// that together have a probability of `top_p`; what is left is normalised. Equal logits at the threshold are all kept.
///
/// Everything stays on the device; the generator gives one number a row.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use rand::{SeedableRng, rngs::StdRng};
/// use regimen_rl_rewards::{DecodingTemperature, TokenSampler};
///
/// let model = |_tokens: &[Tensor<2, Int>]| Tensor::<2>::from_data([[2.0, 1.0, 0.0], [0.0, 9.0, 0.0]], &Device::flex());
/// let tau = DecodingTemperature::exploratory(1.2, 0.1)?.with_protected(0).with_decay(4.0)?;
/// let sampler = TokenSampler::new(tau).with_top_k(2)?;
/// let mut rng = StdRng::seed_from_u64(0);
/// let mut tokens = Vec::new();
/// for token in 0..8 {
///     let sampled = sampler.sample(model(&tokens), &[token], &mut rng)?;
///     tokens.push(sampled.tokens.reshape([2, 1]));
/// }
/// assert_eq!(Tensor::cat(tokens, 1).dims(), [2, 8]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("nucleus sampling", "top-k sampling"))]
pub struct TokenSampler {
    temperature: Temperature,
    #[serde(default)]
    top_k: Option<usize>,
    #[serde(default)]
    top_p: Option<f64>,
}
checked_serde!(TokenSampler);

/// Tokens that were drawn.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// The tokens, `[batch]`.
    pub tokens: Tensor<1, Int>,
    /// The log-probability that each was drawn with, `[batch]`: after temperature, top-k and top-p.
    pub log_probs: Tensor<1>,
}

impl TokenSampler {
    /// Samples from the whole vocabulary with a temperature for each response token.
    #[must_use]
    pub fn new(temperature: impl Into<Temperature>) -> Self {
        Self {
            temperature: temperature.into(),
            top_k: None,
            top_p: None,
        }
    }

    /// Keeps the `top_k` largest logits, 1 or more.
    ///
    /// # Errors
    /// If `top_k` is 0.
    pub fn with_top_k(self, top_k: usize) -> Result<Self> {
        let top_k = Some(top_k);
        Self { top_k, ..self }.checked()
    }

    /// Keeps the most probable tokens until their probability reaches `top_p`, above 0 and up to 1.
    ///
    /// # Errors
    /// If `top_p` is out of its range.
    pub fn with_top_p(self, top_p: f64) -> Result<Self> {
        let top_p = Some(top_p);
        Self { top_p, ..self }.checked()
    }

    /// Another temperature, such as that of the next training step, with the same top-k and top-p.
    #[must_use]
    pub fn with_temperature(self, temperature: impl Into<Temperature>) -> Self {
        let temperature = temperature.into();
        Self {
            temperature,
            ..self
        }
    }

    /// The log-probabilities that tokens are drawn with: logits and result `[batch, vocabulary]`, minus infinity for what
    /// is not kept.
    ///
    /// `positions` says how many response tokens each row has already: one number for each row, or one for all. Logits of
    /// minus infinity are never drawn; a row with a NaN has none but NaNs.
    ///
    /// # Errors
    /// If there is no row or no token, the number of positions is wrong, or a temperature is not above 0.
    pub fn log_probs(&self, logits: Tensor<2>, positions: &[usize]) -> Result<Tensor<2>> {
        let [batch, vocabulary] = logits.dims();
        check_size(batch, vocabulary)?;
        let count = positions.len();
        let good = count == 1 || count == batch;
        check("positions", count as f64, good, "one, or one a row")?;
        let values = temperatures(&self.temperature, positions)?;
        let values = TensorData::new(values, [count, 1]);
        let values = Tensor::<2>::from_data(values, &logits.device());
        Ok(self.kept(logits / values))
    }

    /// Draws the next token of each row: logits `[batch, vocabulary]`, positions as in [`log_probs`](Self::log_probs).
    ///
    /// A row with a NaN gets token 0 and a NaN: to look for it would stop the device.
    ///
    /// # Errors
    /// As [`log_probs`](Self::log_probs).
    pub fn sample(
        &self,
        logits: Tensor<2>,
        positions: &[usize],
        rng: &mut impl Rng,
    ) -> Result<Sampled> {
        let log_probs = self.log_probs(logits.detach(), positions)?;
        let [batch, vocabulary] = log_probs.dims();
        let uniform: Vec<f32> = (0..batch).map(|_| rng.random()).collect();
        let uniform = TensorData::new(uniform, [batch, 1]);
        let uniform = Tensor::<2>::from_data(uniform, &log_probs.device());
        let sums = log_probs.clone().exp().cumsum(1);
        let total = sums.clone().narrow(1, vocabulary - 1, 1);
        let drawn = sums.clone().lower_equal(uniform * total.clone());
        // The last token with a probability, should rounding reach the total.
        let last = sums.lower(total);
        let count = |passed: Tensor<2, burn::tensor::Bool>| passed.int().sum_dim(1);
        let tokens = count(drawn).min_pair(count(last));
        Ok(Sampled {
            log_probs: log_probs.gather(1, tokens.clone()).reshape([batch]),
            tokens: tokens.reshape([batch]),
        })
    }

    /// The log-probability of each token of whole responses, as this sampler draws them: logits `[batch, tokens,
    /// vocabulary]`, tokens and result `[batch, tokens]`, each response from its token 0.
    ///
    /// Differentiable. With a truncated vocabulary, a token that is not kept has minus infinity.
    ///
    /// # Errors
    /// If the shapes differ or are empty, or a temperature is not above 0.
    pub fn token_log_probs(&self, logits: Tensor<3>, tokens: Tensor<2, Int>) -> Result<Tensor<2>> {
        check_tokens(&logits, &tokens)?;
        let [batch, length, vocabulary] = logits.dims();
        check_size(batch * length, vocabulary)?;
        let rows = temper(logits, &self.temperature)?;
        let kept = self.kept(rows.reshape([batch * length, vocabulary]));
        Ok(pick(kept.reshape([batch, length, vocabulary]), tokens))
    }

    /// Log-probabilities of tempered logits after top-k and top-p.
    fn kept(&self, logits: Tensor<2>) -> Tensor<2> {
        let vocabulary = logits.dims()[1];
        let mut logits = logits;
        if let Some(top_k) = self.top_k.filter(|top_k| *top_k < vocabulary) {
            let least = logits.clone().detach().topk(top_k, 1);
            let least = least.narrow(1, top_k - 1, 1);
            let lost = logits.clone().detach().lower(least);
            logits = logits.mask_fill(lost, f32::NEG_INFINITY);
        }
        if let Some(top_p) = self.top_p.filter(|top_p| *top_p < 1.0) {
            let probs = softmax(logits.clone().detach(), 1);
            let sorted = probs.clone().sort_descending(1);
            let before = sorted.clone().cumsum(1) - sorted.clone();
            // The first token is kept, however small `top_p` is.
            let count = before.lower_elem(top_p).int().sum_dim(1).clamp_min(1);
            let least = sorted.gather(1, count - 1);
            logits = logits.mask_fill(probs.lower(least), f32::NEG_INFINITY);
        }
        log_softmax(logits, 1)
    }
}

fn check_size(rows: usize, vocabulary: usize) -> Result<()> {
    if rows > 0 && vocabulary > 0 {
        return Ok(());
    }
    Err(RlRewardsError::OutOfRange {
        field: "logits",
        value: format!("{rows} rows of {vocabulary}"),
        allowed: "one row or more, of one token or more",
    })
}

impl Checked for TokenSampler {
    fn check(&self) -> Result<()> {
        let top_k = self.top_k.unwrap_or(1);
        check("top_k", top_k as f64, top_k > 0, "1 or more")?;
        let top_p = self.top_p.unwrap_or(1.0);
        let good = top_p > 0.0 && top_p <= 1.0;
        check("top_p", top_p, good, "above 0 and up to 1")
    }
}
