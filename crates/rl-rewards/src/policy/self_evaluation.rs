//! # SelfEvaluation
//!
//! A policy's own answer to whether it would do better if it started over, as a reward of answers and of their beginnings.
//!
//! Source: "Adaptive Inference-Time Compute: LLMs Can Predict if They Can Do Better, Even Mid-Generation", arXiv 2410.02725.

use std::collections::BTreeMap;

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};

use super::completion::Completion;
use super::traits::NextToken;
use crate::error::{Result, RlRewardsError, check};
use crate::search::{ProcessReward, Question};

/// A model that is asked a [`Question`] after each text: one pass over text and question, whose last logits of the two words are the score.
///
/// The texts are read anew, so that the question is in no text that goes on.
///
/// ```
/// use burn::tensor::Device;
/// use regimen_rl_rewards::Result;
/// use regimen_rl_rewards::policy::{NextToken, SamplePolicy, SelfEvaluation};
/// use regimen_rl_rewards::search::{BestOfN, Budget, Found, Question};
///
/// // A model that was taught the question, the engine that samples from it, and up to 16 samples of each prompt, one after another.
/// fn answers<M: NextToken>(
///     model: &M,
///     engine: &impl SamplePolicy,
///     question: Question,
///     prompts: &[Vec<u32>],
///     device: &Device,
/// ) -> Result<Vec<Found>> {
///     let own = SelfEvaluation::new(model, question, device);
///     let search = BestOfN::new(16)?.with_at_once(1)?.with_enough(0.95)?;
///     search.run(engine, &own, prompts, Budget::unbounded(), 0)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct SelfEvaluation<'a, M> {
    model: &'a M,
    question: Question,
    batch: usize,
    device: Device,
}

impl<'a, M: NextToken> SelfEvaluation<'a, M> {
    /// Of a model on a device, 512 texts at once.
    #[must_use]
    pub fn new(model: &'a M, question: Question, device: &Device) -> Self {
        Self {
            model,
            question,
            batch: 512,
            device: device.clone(),
        }
    }

    /// So many texts at once: memory grows with them, the scores do not change.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_batch(self, batch: usize) -> Result<Self> {
        check("batch", batch as f64, batch > 0, "1 or more")?;
        Ok(Self { batch, ..self })
    }

    /// Scores of texts of one length.
    fn of(&self, texts: &[&Vec<u32>]) -> Result<Vec<f64>> {
        let length = texts.first().map_or(0, |text| text.len());
        let tokens = texts.iter().flat_map(|text| text.iter());
        let tokens: Vec<i64> = tokens.map(|token| i64::from(*token)).collect();
        let tokens = TensorData::new(tokens, [texts.len(), length]);
        let tokens = Tensor::<2, Int>::from_data(tokens, &self.device);
        let (logits, _) = self.model.read(tokens, 0)?;
        let [_, vocabulary] = logits.dims();
        let words = [self.question.stay(), self.question.again()];
        for word in words {
            let good = (word as usize) < vocabulary;
            check("word", f64::from(word), good, "a word of the vocabulary")?;
        }
        let words = TensorData::new(words.map(i64::from).to_vec(), [2]);
        let words = Tensor::<1, Int>::from_data(words, &self.device);
        let both = logits.select(1, words).cast(FloatDType::F32);
        let both = both.try_into_vec_as::<f64>();
        let both = both.map_err(|error| RlRewardsError::Read(error.to_string()))?;
        let score = |(row, pair): (usize, &[f64])| match pair {
            [stay, again] if stay.is_finite() || again.is_finite() => {
                Ok(self.question.score(*stay, *again))
            }
            _ => Err(RlRewardsError::NoDistribution { row }),
        };
        both.chunks(2).enumerate().map(score).collect()
    }
}

impl<M: NextToken> ProcessReward for SelfEvaluation<'_, M> {
    fn scores(&self, texts: &[(&[u32], &Completion)]) -> Result<Vec<f64>> {
        let texts = texts.iter();
        let texts: Vec<Vec<u32>> = texts
            .map(|(prompt, text)| self.question.text(prompt, text))
            .collect();
        let mut lengths: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, text) in texts.iter().enumerate() {
            lengths.entry(text.len()).or_default().push(place);
        }
        let mut scores = vec![0.0; texts.len()];
        for places in lengths.into_values() {
            for some in places.chunks(self.batch) {
                let chosen: Vec<&Vec<u32>> = some.iter().map(|place| &texts[*place]).collect();
                for (place, score) in some.iter().zip(self.of(&chosen)?) {
                    scores[*place] = score;
                }
            }
        }
        Ok(scores)
    }
}
