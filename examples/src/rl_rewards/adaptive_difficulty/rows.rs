//! The task of rows: name 1 to 8 images, all of them right; its policy, and the data.
//!
//! A prompt is 8 places of images and 8 of hints. Each class has two names, both right: the warm start knows the first, the expert
//! writes the second.

use anyhow::{Result, ensure};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::activation::{log_softmax, relu, softmax};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts, Sequences};
use regimen_rl_rewards::{RlRewardsError, token_log_probs};

use super::learn::{Exercise, Side};
use crate::data::Images;
use crate::experiment::Context;
use crate::optim::adam;

/// Images of a row at most.
pub(super) const MOST: usize = 8;

/// Images with a label for the warm start.
const LABELLED: usize = 100;

/// Updates of the warm start.
const STARTED: usize = 150;

/// Rows of the test.
const TESTED: usize = 200;

/// A perceptron that names one image with its hint.
#[derive(Module, Debug)]
pub(super) struct Namer {
    hidden: Linear,
    head: Linear,
}

/// Sizes of a [`Namer`].
#[derive(Config, Debug)]
struct NamerConfig {
    pixels: usize,
    classes: usize,
    #[config(default = 64)]
    hidden: usize,
}

impl NamerConfig {
    fn init(&self, device: &Device) -> Namer {
        Namer {
            hidden: LinearConfig::new(self.pixels + self.classes, self.hidden).init(device),
            head: LinearConfig::new(self.hidden, 2 * self.classes).init(device),
        }
    }
}

impl Namer {
    /// `[images, pixels + classes]` to logits of names `[images, 2 classes]`.
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.head.forward(relu(self.hidden.forward(x)))
    }
}

/// Rows of a set of images.
pub(super) struct Rows {
    /// All images, and at last an empty one.
    pixels: Tensor<2>,
    labels: Vec<usize>,
    classes: usize,
    /// Rows to train on.
    pub(super) exercises: Vec<Exercise>,
    /// Rows of unseen images.
    tested: Vec<Exercise>,
    /// The places of the images with labels.
    labelled: Vec<usize>,
}

impl Rows {
    pub(super) fn new(context: &Context, images: &Images, seed: u64) -> Result<Self> {
        let parts = images.split_standardised(&[0.7, 0.3]);
        Images::check_parts(&parts)?;
        let (train, test) = (&parts[0], &parts[1]);
        let known = train.labels.len();
        ensure!(
            known > 2 * LABELLED,
            "{}: {known} images to train on: more than {} are needed",
            images.name,
            2 * LABELLED
        );
        let size = images.pixels_per_image();
        let mut pixels = train.pixels.clone();
        pixels.extend(&test.pixels);
        pixels.extend(vec![0.0; size]);
        let labels = [&train.labels[..], &test.labels[..]].concat();
        let data = TensorData::new(pixels, [labels.len() + 1, size]);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut rows = Self {
            pixels: Tensor::from_data(data, &context.device.clone().inner()),
            classes: images.classes,
            exercises: Vec::new(),
            tested: Vec::new(),
            labelled: (0..LABELLED).collect(),
            labels,
        };
        let (count, tested) = if context.full {
            (1920, 1000)
        } else {
            (480, TESTED)
        };
        let drawn = (0..count).map(|_| {
            let length = rng.random_range(1..=MOST);
            let place = |_| rng.random_range(LABELLED..known);
            (0..length).map(place).collect::<Vec<_>>()
        });
        let drawn: Vec<Vec<usize>> = drawn.collect();
        rows.exercises = drawn.iter().map(|places| rows.exercise(places)).collect();
        let all = rows.labels.len();
        let drawn = (0..tested).map(|_| {
            let length = rng.random_range(3..=MOST);
            let place = |_| rng.random_range(known..all);
            (0..length).map(place).collect::<Vec<_>>()
        });
        let drawn: Vec<Vec<usize>> = drawn.collect();
        rows.tested = drawn.iter().map(|places| rows.exercise(places)).collect();
        Ok(rows)
    }

    fn exercise(&self, places: &[usize]) -> Exercise {
        let empty = self.labels.len() as u32;
        let mut prompt: Vec<u32> = places.iter().map(|place| *place as u32).collect();
        prompt.resize(MOST, empty);
        let mut guided = prompt.clone();
        prompt.resize(2 * MOST, 0);
        let classes = places.iter().map(|place| self.labels[*place] as u32);
        let answer: Vec<u32> = classes.collect();
        // A hint of 0 is none.
        guided.extend(answer.iter().map(|class| class + 1));
        guided.resize(2 * MOST, 0);
        let shift = self.classes as u32;
        Exercise {
            prompt,
            guided,
            own: names(answer.iter().copied()),
            expert: names(answer.iter().map(|class| class + shift)),
            answer,
        }
    }

    /// Images with hints, `[images, pixels + classes]`, from their places and hints on a device.
    fn inputs(&self, places: Tensor<1, Int>, hints: Tensor<1, Int>) -> Tensor<2> {
        let device = places.device();
        let [count] = places.dims();
        let hint: Tensor<2> = hints.one_hot::<2>(self.classes + 1).float();
        let hint = hint.narrow(1, 1, self.classes);
        let pixels = Tensor::from_inner(self.pixels.clone());
        let pixels = if device.is_autodiff() {
            pixels
        } else {
            self.pixels.clone()
        };
        let size = pixels.dims()[1];
        let seen = pixels.select(0, places).reshape([count, size]);
        Tensor::cat(vec![seen, hint.cast(self.pixels.dtype())], 1)
    }

    /// The warm start: the first names of the labelled images, half of them with a hint in each update.
    pub(super) fn start(&self, context: &Context, seed: u64) -> Result<Namer> {
        let device = &context.device;
        device.seed(seed);
        let config = NamerConfig::new(self.pixels.dims()[1], self.classes);
        let mut namer = config.init(device);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1);
        let mut optim = adam(0.999);
        for _ in 0..STARTED {
            let labels: Vec<i64> = self
                .labelled
                .iter()
                .map(|place| self.labels[*place] as i64)
                .collect();
            let hints = labels
                .iter()
                .map(|label| if rng.random_bool(0.5) { label + 1 } else { 0 });
            let hints: Vec<i64> = hints.collect();
            let places = self.labelled.iter().map(|place| *place as i64).collect();
            let x = self.inputs(ints(places, device), ints(hints, device));
            let targets = ints(labels, device).reshape([self.labelled.len(), 1]);
            let loss = -log_softmax(namer.forward(x), 1).gather(1, targets).mean();
            let grads = GradientsParams::from_grads(loss.backward(), &namer);
            namer = optim.step(1e-3, namer, grads);
        }
        Ok(namer)
    }

    /// Of each image of prompts, the probabilities of its names, `[prompts * MOST, 2 classes]` row by row.
    fn probabilities(
        &self,
        namer: &Namer,
        prompts: &[Vec<u32>],
    ) -> regimen_rl_rewards::Result<Vec<f32>> {
        let part = |from: usize| {
            let tokens = prompts.iter().flat_map(|prompt| &prompt[from..from + MOST]);
            let tokens = tokens.map(|token| i64::from(*token)).collect();
            ints(tokens, &self.pixels.device())
        };
        let logits = namer.forward(self.inputs(part(0), part(MOST)));
        let found = softmax(logits, 1).try_into_vec_as::<f32>();
        found.map_err(|error| RlRewardsError::Read(error.to_string()))
    }

    /// The chance, in percent, that all names of a row are right, over the rows of the test.
    pub(super) fn test(&self, namer: &Namer) -> Result<f64> {
        let prompts: Vec<_> = self.tested.iter().map(|one| one.prompt.clone()).collect();
        let found = self.probabilities(namer, &prompts)?;
        let names = 2 * self.classes;
        let chances = self.tested.iter().enumerate().map(|(row, exercise)| {
            let of = |(place, class): (usize, &u32)| {
                let at = (row * MOST + place) * names + *class as usize;
                f64::from(found[at]) + f64::from(found[at + self.classes])
            };
            exercise.answer.iter().enumerate().map(of).product::<f64>()
        });
        Ok(100.0 * chances.sum::<f64>() / self.tested.len() as f64)
    }
}

impl Side for Rows {
    type Policy = Namer;

    const FILL: u32 = 0;

    fn sample(
        &self,
        policy: &Namer,
        prompts: &[Vec<u32>],
        samples: usize,
        seed: u64,
    ) -> regimen_rl_rewards::Result<Rollouts> {
        let found = self.probabilities(policy, prompts)?;
        let (names, empty) = (2 * self.classes, self.labels.len() as u32);
        let mut rollouts = Vec::new();
        for (prompt, tokens) in prompts.iter().enumerate() {
            // By the seed and the prompt, as everywhere.
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(tokens.iter().fold(7, |hash, token| {
                (hash ^ u64::from(*token)).wrapping_mul(0x0100_0000_01b3)
            }));
            let length = tokens[..MOST]
                .iter()
                .take_while(|image| **image != empty)
                .count();
            for _ in 0..samples {
                let mut completion = Completion::new(End::Truncated);
                for place in 0..length {
                    let at = (prompt * MOST + place) * names;
                    let chances = &found[at..at + names];
                    let mut left = rng.random::<f32>() * chances.iter().sum::<f32>();
                    let name = chances.iter().position(|chance| {
                        left -= chance;
                        left < 0.0
                    });
                    let name = name.unwrap_or(names - 1);
                    completion.sampled(name as u32, chances[name].max(f32::MIN_POSITIVE).ln())?;
                }
                rollouts.push(Rollout { prompt, completion });
            }
        }
        Rollouts::new(prompts.to_vec(), rollouts)
    }

    fn log_probs(
        &self,
        policy: &Namer,
        sequences: &Sequences,
    ) -> regimen_rl_rewards::Result<Tensor<2>> {
        let (tokens, targets) = (sequences.tokens(), sequences.targets());
        let [rows, width] = targets.dims();
        let part = |from: usize| {
            tokens
                .clone()
                .narrow(1, from, width)
                .reshape([rows * width])
        };
        let logits = policy.forward(self.inputs(part(0), part(MOST)));
        let names = logits.dims()[1];
        let log_probs = token_log_probs(logits.reshape([rows, width, names]), targets)?;
        let outside: Tensor<2, Bool> = sequences.mask().equal_elem(0.0);
        Ok(log_probs.mask_fill(outside, 0.0))
    }

    /// Either name of each class.
    fn is_right(&self, exercise: &Exercise, completion: &Completion) -> bool {
        let named = completion.tokens().iter();
        named
            .map(|name| name % self.classes as u32)
            .eq(exercise.answer.iter().copied())
    }
}

fn ints(values: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// A response of these names, as certain.
fn names(tokens: impl Iterator<Item = u32>) -> Completion {
    let mut completion = Completion::new(End::Truncated);
    for token in tokens {
        let added = completion.sampled(token, 0.0);
        debug_assert!(added.is_ok());
    }
    completion
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::module::Module;

    use super::*;

    /// What is sampled has the probability that scoring gives, with and without hints; two names of a class are right.
    #[test]
    fn sampling_and_scoring_agree() {
        let context = Context {
            small: true,
            ..Context::new(3)
        };
        let rows = Rows::new(&context, &context.images().unwrap(), 3).unwrap();
        let namer = rows.start(&context, 3).unwrap();
        let few = &rows.exercises[..60];
        let prompts = few
            .iter()
            .flat_map(|one| [one.prompt.clone(), one.guided.clone()]);
        let prompts: Vec<_> = prompts.collect();
        let rollouts = rows.sample(&namer.valid(), &prompts, 3, 5).unwrap();
        let sequences = Sequences::new(&rollouts, Rows::FILL, &context.device).unwrap();
        let scored = rows.log_probs(&namer, &sequences).unwrap();
        let far = (scored.inner() - sequences.sampler_log_probs().inner())
            .abs()
            .max();
        assert!(far.into_scalar::<f32>() < 1e-3);
        for exercise in few {
            assert!(rows.is_right(exercise, &exercise.own));
            assert!(rows.is_right(exercise, &exercise.expert));
            assert_ne!(exercise.own.tokens(), exercise.expert.tokens());
        }
        assert!(!rows.is_right(&few[0], &names(std::iter::empty())));
        // With the hint more rows are right.
        let right = |hinted: usize| {
            let all = rollouts.rollouts().iter();
            let right = all.filter(|one| rows.is_right(&few[one.prompt / 2], &one.completion));
            right.filter(|one| one.prompt % 2 == hinted).count()
        };
        assert!(right(1) > right(0), "{} {}", right(1), right(0));
        let (before, unseen) = (rows.test(&namer.valid()).unwrap(), &rows.tested);
        assert!((2.0..80.0).contains(&before) && unseen.iter().all(|one| one.answer.len() > 2));
    }
}
