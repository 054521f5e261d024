//! Runs as tensors: their tokens, mixtures and rewards, in the units that the networks see.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::super::simplex::check_values;
use super::super::trajectory::Trajectory;
use super::config::{FeedbackInput, MixingAgentConfig};
use crate::error::{CurriculumError, Result, check, count};

/// The units of measures and of rewards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Units {
    /// What is subtracted from each measure; of gains over the start, 0.
    shift: Vec<f64>,
    /// What each measure is divided by.
    scale: Vec<f64>,
    /// What is subtracted from the reward of each step: its mean over the runs, which no decision changes.
    baseline: Vec<f64>,
    /// What is left of rewards is divided by this.
    reward: f64,
}

/// The root of the mean square, 1 if there is nothing to divide by.
fn spread(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let square = values.iter().map(|x| (x / largest).powi(2)).sum::<f64>();
    let root = largest * (square / values.len().max(1) as f64).sqrt();
    if root.is_finite() && root > 1e-12 {
        root
    } else {
        1.0
    }
}

impl Units {
    /// Those of collected runs.
    pub(super) fn of(config: &MixingAgentConfig, runs: &[Trajectory]) -> Result<Self> {
        let (mut shift, mut scale) = (Vec::new(), Vec::new());
        for measure in 0..config.measures {
            let values = |run: &Trajectory| -> Vec<f64> {
                let base = match config.input {
                    FeedbackInput::SinceStart => run.start()[measure],
                    FeedbackInput::Absolute => 0.0,
                };
                let all = run.steps().iter().map(|step| &step.feedback);
                all.map(|feedback| feedback[measure] - base).collect()
            };
            let values: Vec<f64> = runs.iter().flat_map(values).collect();
            let middle = match config.input {
                FeedbackInput::SinceStart => 0.0,
                FeedbackInput::Absolute => values.iter().sum::<f64>() / values.len() as f64,
            };
            let off: Vec<f64> = values.iter().map(|value| value - middle).collect();
            shift.push(middle);
            scale.push(spread(&off));
        }
        let score = config.score_weights();
        let rewards = runs.iter().map(|run| run.rewards(&score));
        let rewards = rewards.collect::<Result<Vec<_>>>()?;
        let steps = rewards.iter().map(Vec::len).max().unwrap_or(0);
        let of = |step: usize| {
            let all = rewards.iter().filter_map(|run| run.get(step));
            let (sum, runs) = all.fold((0.0, 0.0), |(sum, runs), x| (sum + x, runs + 1.0));
            sum / runs
        };
        let baseline: Vec<f64> = (0..steps).map(of).collect();
        let off = |run: &Vec<f64>| -> Vec<f64> {
            run.iter()
                .zip(&baseline)
                .map(|(x, mean)| x - mean)
                .collect()
        };
        let reward = spread(&rewards.iter().flat_map(off).collect::<Vec<f64>>());
        let units = Self {
            shift,
            scale,
            baseline,
            reward,
        };
        units.check(config)?;
        Ok(units)
    }

    pub(super) fn check(&self, config: &MixingAgentConfig) -> Result<()> {
        check_values("shift", &self.shift, config.measures)?;
        check_values("scale", &self.scale, config.measures)?;
        let steps = self.baseline.len();
        let good = (1..=config.steps).contains(&steps);
        count("baseline", steps, good, "1 to the agent's steps")?;
        check_values("baseline", &self.baseline, steps)?;
        let scales = self.scale.iter().chain([&self.reward]);
        for scale in scales {
            let good = (1e-13..=1e101).contains(scale);
            check("scale", *scale, good, "1e-13 to 1e101")?;
        }
        Ok(())
    }

    /// A reward as the critic sees it.
    fn unit(&self, step: usize, reward: f64) -> f32 {
        let mean = self.baseline.get(step).copied().unwrap_or(0.0);
        ((reward - mean) / self.reward).clamp(-1e6, 1e6) as f32
    }

    /// A value of the critic before a step as a discounted gain of score.
    pub(super) fn gain(&self, step: usize, value: f64, gamma: f64) -> f64 {
        let later = self.baseline.iter().skip(step).rev();
        value * self.reward + later.fold(0.0, |sum, mean| mean + gamma * sum)
    }

    /// The tokens of a run before each of its first `places` decisions, one after another: the last mixture, none (zeros) before the first step,
    /// and the measures.
    pub(super) fn tokens(
        &self,
        config: &MixingAgentConfig,
        run: &Trajectory,
        places: usize,
    ) -> Result<Vec<f32>> {
        fits(config, run)?;
        let none = vec![0.0; config.domains];
        let first = std::iter::once((&none, run.start()));
        let steps = run.steps().iter();
        let later = steps.map(|step| (&step.weights, step.feedback.as_slice()));
        let mut tokens = Vec::with_capacity(places * (config.domains + config.measures));
        for (weights, feedback) in first.chain(later).take(places) {
            tokens.extend(weights.iter().map(|weight| *weight as f32));
            for (measure, value) in feedback.iter().enumerate() {
                let base = match config.input {
                    FeedbackInput::SinceStart => run.start()[measure],
                    FeedbackInput::Absolute => self.shift[measure],
                };
                // Far outside of what was collected more says nothing more.
                let unit = ((value - base) / self.scale[measure]).clamp(-100.0, 100.0);
                tokens.push(unit as f32);
            }
        }
        Ok(tokens)
    }
}

/// Refuses a run of other domains or measures than the agent's.
pub(super) fn fits(config: &MixingAgentConfig, run: &Trajectory) -> Result<()> {
    let (domains, measures) = (run.domains(), run.measures());
    count("domains", domains, domains == config.domains, "the agent's")?;
    count(
        "measures",
        measures,
        measures == config.measures,
        "the agent's",
    )
}

/// Runs of equal length, shorter ones filled up with zeros.
#[derive(Clone)]
pub(super) struct Episodes {
    /// `[runs, places, domains + measures]`.
    pub(super) tokens: Tensor<3>,
    /// `[runs, places, domains]`.
    pub(super) actions: Tensor<3>,
    /// `[runs, places]`.
    pub(super) rewards: Tensor<2>,
    /// 1 where the run has a step, `[runs, places]`.
    pub(super) mask: Tensor<2>,
    /// 1 where it has one after it.
    pub(super) goes_on: Tensor<2>,
    /// Steps of all runs.
    pub(super) steps: f64,
}

impl Episodes {
    pub(super) fn new(
        config: &MixingAgentConfig,
        units: &Units,
        runs: &[&Trajectory],
        device: &Device,
    ) -> Result<Self> {
        let places = runs.iter().map(|run| run.steps().len()).max().unwrap_or(0);
        let allowed = "1 to the agent's steps";
        count(
            "steps",
            places,
            (1..=config.steps).contains(&places),
            allowed,
        )?;
        let (mut tokens, mut actions) = (Vec::new(), Vec::new());
        let (mut rewards, mut mask, mut goes_on) = (Vec::new(), Vec::new(), Vec::new());
        let score = config.score_weights();
        let inputs = config.domains + config.measures;
        for (at, run) in runs.iter().enumerate() {
            let steps = run.steps().len();
            tokens.extend(units.tokens(config, run, steps)?);
            tokens.resize((at + 1) * places * inputs, 0.0);
            let weights = run.steps().iter().flat_map(|step| &step.weights);
            actions.extend(weights.map(|weight| *weight as f32));
            actions.resize((at + 1) * places * config.domains, 0.0);
            let all = run.rewards(&score)?.into_iter().enumerate();
            rewards.extend(all.map(|(step, reward)| units.unit(step, reward)));
            rewards.resize((at + 1) * places, 0.0);
            mask.extend((0..places).map(|place| f32::from(u8::from(place < steps))));
            goes_on.extend((0..places).map(|place| f32::from(u8::from(place + 1 < steps))));
        }
        let runs = runs.len();
        let steps = mask.iter().map(|one| f64::from(*one)).sum();
        let three = |values: Vec<f32>, last| {
            Tensor::<3>::from_data(TensorData::new(values, [runs, places, last]), device)
        };
        let two = |values: Vec<f32>| {
            Tensor::<2>::from_data(TensorData::new(values, [runs, places]), device)
        };
        Ok(Self {
            tokens: three(tokens, inputs),
            actions: three(actions, config.domains),
            rewards: two(rewards),
            mask: two(mask),
            goes_on: two(goes_on),
            steps,
        })
    }

    /// The mean over all steps of values `[runs, places]`.
    pub(super) fn mean(&self, values: Tensor<2>) -> Tensor<1> {
        (values * self.mask.clone()).sum() / self.steps
    }
}

/// Refuses collected runs that nothing can be learned from.
pub(super) fn check_runs(config: &MixingAgentConfig, runs: &[Trajectory]) -> Result<()> {
    if runs.is_empty() {
        return Err(CurriculumError::TooFew {
            field: "runs",
            found: 0,
            needed: 1,
        });
    }
    for run in runs {
        fits(config, run)?;
        let steps = run.steps().len();
        let good = (1..=config.steps).contains(&steps);
        count("steps", steps, good, "1 to the agent's steps")?;
    }
    Ok(())
}
