//! # TokenSampler
//!
//! Draws the next token of each sequence: temperature, then top-k, then top-p.
//!
//! Source: top-k after Fan et al. 2018, arXiv 1805.04833; nucleus (top-p) after Holtzman et al. 2020, arXiv 1904.09751; the
//! temperature is any schedule over the response's tokens. Drawn by the Gumbel-max trick (Maddison et al. 2014, arXiv 1411.0030).

use burn::tensor::{Int, Tensor};
use rand::Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use super::any::Temperature;
use super::blocks::{log_probs, wide};
use super::correction::{as_values_of, check_size, check_tokens, pick, temperatures, tempered};
use super::race;
use super::truncate::truncate;
use crate::error::{Result, RlRewardsError, check, check_same};

/// What draws tokens from logits, for a generation loop of your own.
///
/// The order is: logits are divided by the temperature of the token, the `top_k` largest are kept, and of those the fewest
/// that together have a probability of `top_p`; what is left is normalised. Of equal logits at the threshold the first in the
/// vocabulary are kept: never more than `top_k`.
///
/// Every token is drawn as often as its probability says, however small that is beside the others and whatever the logits' type:
/// a draw is the largest of log-probability plus Gumbel noise, in two races over about the root of the vocabulary, and no sum
/// runs over the whole of it. Logits of half precision are taken as f32, in which all log-probabilities come out.
///
/// Everything stays on the device; the noise comes from your generator, two numbers a row for each root of the vocabulary: 718 for
/// 128,256 tokens. Rows are independent, so several devices each sample their own rows, each with a generator of its own seed.
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
    /// The log-probability that each was drawn with, `[batch]`: after temperature, top-k and top-p. In f32 for logits of half
    /// precision; NaN where the logits held no distribution.
    pub log_probs: Tensor<1>,
}

impl Sampled {
    /// Refuses rows whose logits held no distribution. Reads the log-probabilities from the device: look after a whole batch of
    /// responses rather than after each token.
    ///
    /// # Errors
    /// Names the first row with a NaN or plus infinity among its logits, or with minus infinity alone; or if the device fails.
    pub fn check(&self) -> Result<()> {
        let values = self.log_probs.clone().try_into_vec_as::<f32>();
        let values = values.map_err(|reason| RlRewardsError::Read(reason.to_string()))?;
        match values.iter().position(|value| value.is_nan()) {
            Some(row) => Err(RlRewardsError::NoDistribution { row }),
            None => Ok(()),
        }
    }
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
    /// is not kept. Differentiable; in f32 for logits of half precision.
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
        let logits = wide(logits);
        let values = as_values_of(&logits, values, [count, 1]);
        Ok(self.kept(logits / values))
    }

    /// Draws the next token of each row: logits `[batch, vocabulary]`, positions as in [`log_probs`](Self::log_probs).
    ///
    /// A row without a distribution (a NaN or plus infinity among its logits, or minus infinity alone) gets token 0 and a
    /// log-probability of NaN: to look for it would stop the device. [`Sampled::check`] looks when you ask.
    ///
    /// # Errors
    /// As [`log_probs`](Self::log_probs).
    pub fn sample(
        &self,
        logits: Tensor<2>,
        positions: &[usize],
        rng: &mut impl Rng,
    ) -> Result<Sampled> {
        self.draw(logits, positions, |_| race::gumbel(rng))
    }

    /// As [`sample`](Self::sample), each row with a generator of its own: what it draws does not depend on the batch it is in.
    ///
    /// # Errors
    /// As [`log_probs`](Self::log_probs), or if there are not as many generators as rows.
    pub fn sample_rows(
        &self,
        logits: Tensor<2>,
        positions: &[usize],
        rngs: &mut [impl Rng],
    ) -> Result<Sampled> {
        let [batch, _] = logits.dims();
        let count = rngs.len();
        check("rngs", count as f64, count == batch, "one a row")?;
        self.draw(logits, positions, |row| race::gumbel(&mut rngs[row]))
    }

    fn draw(
        &self,
        logits: Tensor<2>,
        positions: &[usize],
        mut noise: impl FnMut(usize) -> f32,
    ) -> Result<Sampled> {
        let log_probs = self.log_probs(logits.detach(), positions)?;
        let [batch, _] = log_probs.dims();
        let tokens = race::draw(log_probs.clone(), &mut noise);
        let log_probs = log_probs.gather(1, tokens.clone());
        let tokens = tokens.mask_fill(log_probs.clone().is_nan(), 0);
        Ok(Sampled {
            log_probs: log_probs.reshape([batch]),
            tokens: tokens.reshape([batch]),
        })
    }

    /// The log-probability of each token of whole responses, as this sampler draws them: logits `[batch, tokens,
    /// vocabulary]`, tokens and result `[batch, tokens]`, each response from its token 0.
    ///
    /// Differentiable; in f32 for logits of half precision. With a truncated vocabulary, a token that is not kept has minus
    /// infinity; one that is no column of the vocabulary, such as the -100 that marks padding, has NaN.
    ///
    /// # Errors
    /// If the shapes differ or are empty, or a temperature is not above 0.
    pub fn token_log_probs(&self, logits: Tensor<3>, tokens: Tensor<2, Int>) -> Result<Tensor<2>> {
        check_tokens(&logits, &tokens)?;
        let [batch, length, vocabulary] = logits.dims();
        check_size(batch * length, vocabulary)?;
        let rows = tempered(logits, &self.temperature)?;
        let kept = self.kept(rows.reshape([batch * length, vocabulary]));
        Ok(pick(kept.reshape([batch, length, vocabulary]), tokens))
    }

    /// Log-probabilities of tempered logits after top-k and top-p.
    fn kept(&self, logits: Tensor<2>) -> Tensor<2> {
        log_probs(truncate(logits, self.top_k, self.top_p))
    }
}

impl Part for TokenSampler {
    fn kind(&self) -> String {
        "token-sampler 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    /// Takes the temperature's step of training; everything else must be the same.
    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let read: Self = json::load(bytes)?;
        check_same("top_k", read.top_k == self.top_k)?;
        check_same("top_p", read.top_p == self.top_p)?;
        self.temperature.load(&json::save(&read.temperature)?)
    }
}

impl Checked for TokenSampler {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let top_k = self.top_k.unwrap_or(1);
        check("top_k", top_k as f64, top_k > 0, "1 or more")?;
        let top_p = self.top_p.unwrap_or(1.0);
        let good = top_p > 0.0 && top_p <= 1.0;
        check("top_p", top_p, good, "above 0 and up to 1")
    }
}
