//! Rollouts as tensors.

use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use regimen_tensor::per_example::at_label;

use super::completion::check_token;
use super::rollouts::Rollouts;
use crate::decoding::{TokenSampler, token_log_probs};
use crate::error::{Result, RlRewardsError};

/// Rollouts as tensors: a sequence a row, its prompt and completion from the left, the rest filled up on the right.
///
/// `T` is the length of the longest completion: tensors `[sequences, T]` hold something of each completion's token, from its first.
/// Where a row has no such token, or it was observed, [`mask`](Self::mask) is 0.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts, Sequences};
///
/// let mut completion = Completion::new(End::EndToken);
/// completion.sampled(2, -0.7)?;
/// completion.sampled(0, -0.1)?;
/// let rollouts = Rollouts::new(vec![vec![3, 1]], vec![Rollout { prompt: 0, completion }])?;
/// let sequences = Sequences::new(&rollouts, 0, &Device::flex())?;
/// assert_eq!(sequences.tokens().dims(), [1, 4]);
///
/// // A model that gives every word of four the same logit:
/// let logits = Tensor::<3>::zeros([1, 4, 4], &Device::flex());
/// let log_probs: Vec<f32> = sequences.log_probs(logits)?.try_into_vec_as()?;
/// assert!(log_probs.iter().all(|value| (value + 4f32.ln()).abs() < 1e-6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sequences {
    tokens: Tensor<2, Int>,
    targets: Tensor<2, Int>,
    places: Tensor<2, Int>,
    mask: Tensor<2>,
    sampler: Tensor<2>,
    /// Tokens of the completion that were sampled before each.
    positions: Vec<usize>,
    sampled: usize,
}

impl Sequences {
    /// On a device; `fill` is any token of the vocabulary, that stands where a row has none.
    ///
    /// # Errors
    /// If no completion has a token, or `fill` is above 2^31 - 1.
    pub fn new(rollouts: &Rollouts, fill: u32, device: &Device) -> Result<Self> {
        check_token("fill", fill)?;
        let rows = rollouts.len();
        let width = rollouts.iter().map(|(_, one)| one.len()).max();
        let width = width.filter(|width| *width > 0);
        let width = width.ok_or_else(|| RlRewardsError::OutOfRange {
            field: "rollouts",
            value: "no token".into(),
            allowed: "one completion with a token, or more",
        })?;
        let whole = |(prompt, one): (&[u32], &super::Completion)| prompt.len() + one.len();
        let length = rollouts.iter().map(whole).max().unwrap_or(width);
        let fill = i64::from(fill);
        let mut tokens = vec![fill; rows * length];
        let mut targets = vec![fill; rows * width];
        let mut places = vec![0_i64; rows * width];
        let mut mask = vec![0_f32; rows * width];
        let mut sampler = vec![0_f32; rows * width];
        let mut positions = vec![0_usize; rows * width];
        for (row, (prompt, completion)) in rollouts.iter().enumerate() {
            let all = prompt.iter().chain(completion.tokens());
            for (place, token) in all.enumerate() {
                tokens[row * length + place] = i64::from(*token);
            }
            let pairs = completion.tokens().iter().zip(completion.log_probs());
            let mut before = 0;
            for (t, (token, log_prob)) in pairs.enumerate() {
                let at = row * width + t;
                targets[at] = i64::from(*token);
                // The logits of a token are those after the one before it.
                places[at] = (prompt.len() + t - 1) as i64;
                positions[at] = before;
                if let Some(log_prob) = log_prob {
                    mask[at] = 1.0;
                    sampler[at] = *log_prob;
                    before += 1;
                }
            }
        }
        let int = |values, shape: [usize; 2]| {
            Tensor::<2, Int>::from_data(TensorData::new(values, shape), device)
        };
        let float = |values, shape: [usize; 2]| {
            Tensor::<2>::from_data(TensorData::new(values, shape), (device, DType::F32))
        };
        Ok(Self {
            tokens: int(tokens, [rows, length]),
            targets: int(targets, [rows, width]),
            places: int(places, [rows, width]),
            mask: float(mask, [rows, width]),
            sampler: float(sampler, [rows, width]),
            positions,
            sampled: rollouts.count_sampled(),
        })
    }

    /// Prompt and completion of each row, `[sequences, length]`: the input of a model with causal attention, which needs no mask for the
    /// filled places on the right.
    #[must_use]
    pub fn tokens(&self) -> Tensor<2, Int> {
        self.tokens.clone()
    }

    /// The tokens of the completions, `[sequences, T]`.
    #[must_use]
    pub fn targets(&self) -> Tensor<2, Int> {
        self.targets.clone()
    }

    /// 1 where a token was sampled, else 0, `[sequences, T]`, in f32.
    #[must_use]
    pub fn mask(&self) -> Tensor<2> {
        self.mask.clone()
    }

    /// The log-probabilities of sampling, `[sequences, T]`, in f32; 0 where the mask is 0.
    #[must_use]
    pub fn sampler_log_probs(&self) -> Tensor<2> {
        self.sampler.clone()
    }

    /// Tokens that were sampled: the sum of the mask.
    #[must_use]
    pub fn count_sampled(&self) -> usize {
        self.sampled
    }

    /// From something of every place of the sequences, `[sequences, length, features]`, what belongs to the tokens of the completions,
    /// `[sequences, T, features]`: that of the place before each, where a causal model predicts it.
    ///
    /// # Errors
    /// If the first two sizes are not those of [`tokens`](Self::tokens).
    pub fn before_each(&self, values: Tensor<3>) -> Result<Tensor<3>> {
        let [rows, length] = self.tokens.dims();
        let [found_rows, found_length, features] = values.dims();
        if [found_rows, found_length] != [rows, length] {
            return Err(RlRewardsError::OutOfRange {
                field: "values",
                value: format!("of shape {:?}", values.dims()),
                allowed: "two first sizes as those of the tokens",
            });
        }
        let places = self.places.clone().unsqueeze_dim::<3>(2);
        Ok(values.gather(1, places.repeat_dim(2, features)))
    }

    /// The log-probability of each token of the completions by a model's logits `[sequences, length, vocabulary]`: `[sequences, T]`,
    /// 0 where the mask is 0. Differentiable; in f32 for logits of half precision.
    ///
    /// At temperature 1, whatever was sampled with: [`log_probs_of`](Self::log_probs_of) is at the sampler's temperatures.
    ///
    /// # Errors
    /// If the logits are of other sequences.
    pub fn log_probs(&self, logits: Tensor<3>) -> Result<Tensor<2>> {
        let log_probs = token_log_probs(self.before_each(logits)?, self.targets.clone())?;
        Ok(self.cleared(log_probs))
    }

    /// As [`log_probs`](Self::log_probs), but as a sampler draws the tokens: at its temperature of each, which counts sampled tokens and not
    /// those that a tool wrote, and of the tokens that its top-k and top-p keep.
    ///
    /// By the policy that sampled these are the [`sampler_log_probs`](Self::sampler_log_probs), so that a ratio starts at 1. Differentiable;
    /// in f32 for logits of half precision.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts, Sequences};
    /// use regimen_rl_rewards::TokenSampler;
    /// use regimen_schedules::Table;
    ///
    /// let mut completion = Completion::new(End::Truncated);
    /// completion.sampled(0, -0.1)?;
    /// completion.observed(1); // by a tool
    /// completion.sampled(0, -0.1)?;
    /// let rollouts = Rollouts::new(vec![vec![1]], vec![Rollout { prompt: 0, completion }])?;
    /// let sequences = Sequences::new(&rollouts, 0, &Device::flex())?;
    /// // The second sampled token is drawn at temperature 0.5.
    /// let sampler = TokenSampler::new(Table::new(vec![1.0, 0.5])?);
    /// let logits = Tensor::<3>::from_data([[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]], &Device::flex());
    /// let log_probs: Vec<f32> = sequences.log_probs_of(logits, &sampler)?.try_into_vec_as()?;
    /// let expected = [-0.3132617, 0.0, -0.1269280]; // ln(1 + e^-1), ln(1 + e^-2)
    /// assert!(log_probs.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the logits are of other sequences, or a temperature is not above 0.
    pub fn log_probs_of(&self, logits: Tensor<3>, sampler: &TokenSampler) -> Result<Tensor<2>> {
        let logits = self.before_each(logits)?;
        let [rows, width, vocabulary] = logits.dims();
        let log_probs =
            sampler.log_probs(logits.reshape([rows * width, vocabulary]), &self.positions)?;
        let targets = self.targets.clone().reshape([rows * width]);
        Ok(self.cleared(at_label(log_probs, targets).reshape([rows, width])))
    }

    /// 0 where no token was sampled.
    fn cleared(&self, log_probs: Tensor<2>) -> Tensor<2> {
        let outside: Tensor<2, Bool> = self.mask.clone().equal_elem(0.0);
        log_probs.mask_fill(outside, 0.0)
    }
}
