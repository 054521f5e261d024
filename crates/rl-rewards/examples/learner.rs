//! Reinforcement learning from a verifiable reward in Burn's own training: each step samples completions of its prompts, a program checks
//! them, and the loss is an objective's. Plain, with accumulated gradients, and on two devices.
//!
//! The policy knows the newest token only, and learns to count from the prompt's number up to nine.
#![allow(clippy::print_stdout, missing_docs)]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig};
use burn::optim::AdamConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::{
    ExecutionStrategy, InferenceStep, Learner, MultiDeviceOptim, RegressionOutput,
    SupervisedTraining, TrainOutput, TrainStep,
};
use regimen_rl_rewards::policy::{
    Completion, Decoding, NextToken, Rollouts, ScorePolicy, Sequences, generate,
};
use regimen_rl_rewards::{Advantage, Groups, Grpo, Objective, Result, TokenBatch, TokenSampler};
use regimen_schedules::Constant;

/// The end token, after the ten digits.
const END: u32 = 10;
/// Completions of a prompt.
const SAMPLES: usize = 8;

/// A table of the next token's logits.
#[derive(Module, Debug)]
struct Policy {
    table: Embedding,
}

impl NextToken for Policy {
    type Cache = ();

    fn read(&self, prompts: Tensor<2, Int>, _more: usize) -> Result<(Tensor<2>, ())> {
        let [rows, length] = prompts.dims();
        let newest = prompts.slice([0..rows, length - 1..length]);
        Ok((self.read_next(newest.reshape([rows]), &mut ())?, ()))
    }

    fn read_next(&self, tokens: Tensor<1, Int>, _cache: &mut ()) -> Result<Tensor<2>> {
        let [rows] = tokens.dims();
        let logits = self.table.forward(tokens.reshape([rows, 1]));
        let [.., words] = logits.dims();
        Ok(logits.reshape([rows, words]))
    }

    fn keep(&self, _cache: (), _rows: Tensor<1, Int>) {}
}

impl ScorePolicy for Policy {
    fn log_probs(&self, sequences: &Sequences) -> Result<Tensor<2>> {
        sequences.log_probs(self.table.forward(sequences.tokens()))
    }
}

/// The share of the numbers up to nine, and the end after them, that a completion has in their places.
fn reward(prompt: &[u32], completion: &Completion) -> f64 {
    let right = prompt[0] + 1..=END;
    let found = completion.tokens().iter().zip(right.clone());
    let found = found.take_while(|(token, right)| *token == right).count();
    found as f64 / right.count() as f64
}

impl Policy {
    fn sample(&self, batch: &Prompts) -> Result<(Rollouts, Groups)> {
        let decoding = Decoding::new(TokenSampler::new(Constant::ONE), END, 12)?;
        let device = self.table.weight.val().device();
        let rollouts = generate(
            self,
            &batch.prompts,
            SAMPLES,
            &decoding,
            batch.seed,
            &device,
        )?;
        let rewards = rollouts.iter().map(|(prompt, one)| reward(prompt, one));
        let groups = Groups::of_rollouts(&rollouts, rewards.collect())?;
        Ok((rollouts, groups))
    }

    fn loss(&self, batch: &Prompts) -> Result<(Tensor<1>, Groups)> {
        let (rollouts, groups) = self.valid().sample(batch)?;
        let sequences = Sequences::new(&rollouts, END, &self.table.weight.val().device())?;
        let advantages = Grpo::default().advantages(&groups)?;
        let tokens = TokenBatch::of_sequences(&sequences)?;
        let log_probs = self.log_probs(&sequences)?;
        let (loss, _) = Objective::dapo().loss(log_probs, &tokens, &advantages)?;
        Ok((loss, groups))
    }
}

/// Rewards beside the best there is.
fn output(loss: Tensor<1>, groups: &Groups) -> RegressionOutput {
    let rewards: Vec<f32> = groups.rewards().iter().map(|one| *one as f32).collect();
    let shape = [rewards.len(), 1];
    let rewards = Tensor::from_data(TensorData::new(rewards, shape), &loss.device());
    RegressionOutput::new(loss, rewards.clone(), rewards.ones_like())
}

impl TrainStep for Policy {
    type Input = Prompts;
    type Output = RegressionOutput;

    fn step(&self, batch: Prompts) -> TrainOutput<RegressionOutput> {
        // `step` can return no error; here none can come.
        let (loss, groups) = self.loss(&batch).expect("prompts of one digit");
        TrainOutput::new(self, loss.backward(), output(loss, &groups))
    }
}

impl InferenceStep for Policy {
    type Input = Prompts;
    type Output = RegressionOutput;

    fn step(&self, batch: Prompts) -> RegressionOutput {
        let (_, groups) = self.sample(&batch).expect("prompts of one digit");
        let best = Tensor::zeros([1], &self.table.weight.val().device());
        output(best, &groups)
    }
}

/// Prompts of a step, and the seed of their completions.
#[derive(Clone, Debug)]
struct Prompts {
    prompts: Vec<Vec<u32>>,
    seed: u64,
}

/// Gives each batch a seed of its own.
#[derive(Clone)]
struct Seeds(Arc<AtomicU64>);

impl Batcher<u32, Prompts> for Seeds {
    fn batch(&self, items: Vec<u32>, _device: &Device) -> Prompts {
        Prompts {
            prompts: items.into_iter().map(|digit| vec![digit]).collect(),
            seed: self.0.fetch_add(1, Ordering::Relaxed),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::default().autodiff();
    for (name, accumulation, devices) in [
        ("plain", 1, 1),
        ("accumulated", 2, 1),
        ("two devices", 1, 2),
    ] {
        device.seed(1);
        let table = EmbeddingConfig::new(11, 11).init(&device);
        let policy = Policy { table };
        let seeds = Seeds(Arc::default());
        let loader = |device: &Device| {
            DataLoaderBuilder::new(seeds.clone())
                .batch_size(10)
                .set_device(device.clone())
                .build(InMemDataset::new((0..400).map(|item| item % 10).collect()))
        };
        let strategy = match devices {
            1 => ExecutionStrategy::single(device.clone()),
            // On a machine with several devices, name each of them.
            n => {
                ExecutionStrategy::multi(vec![device.clone(); n], MultiDeviceOptim::OptimMainDevice)
            }
        };
        let test = Prompts {
            prompts: (0..10).map(|digit| vec![digit]).collect(),
            seed: u64::MAX,
        };
        let mean = |policy: &Policy| -> Result<f64> {
            let (_, groups) = policy.sample(&test)?;
            Ok(groups.means().iter().sum::<f64>() / groups.len() as f64)
        };
        let before = mean(&policy.valid())?;
        let folder = tempfile::tempdir()?;
        let training = SupervisedTraining::new(
            folder.path(),
            loader(&device),
            loader(&device.clone().inner()),
        )
        .with_training_strategy(strategy.into())
        .grads_accumulation(accumulation)
        .num_epochs(4);
        let learner = Learner::new(policy, AdamConfig::new().init(), 0.1);
        let after = mean(&training.launch(learner).model)?;
        println!("{name}: reward {before:.2} before, {after:.2} after");
        assert!(after > before + 0.4, "{name}: {before} to {after}");
    }
    Ok(())
}
