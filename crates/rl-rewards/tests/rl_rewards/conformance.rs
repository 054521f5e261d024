//! The sampler with its correction, and an objective, on the logits of every reference model.

use burn::optim::{GradientsAccumulator, GradientsParams, SgdConfig};
use burn::tensor::{DType, Int, Tensor};
use rand::SeedableRng;
use rand::rngs::StdRng;
use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts, ScorePolicy, Sequences};
use regimen_rl_rewards::recipes::learned::{DriftConfig, Lifetime, with_flat};
use regimen_rl_rewards::{
    Advantages, Aggregation, DecodingTemperature, KlTerm, Metrics, Objective, RlRewardsError,
    Sampled, TokenBatch, TokenSampler, Totals, token_log_probs, truncated_ratio,
};
use regimen_rl_rewards::{Example, Rise, Rlvr};
use regimen_tensor::ParamVector;
use regimen_tensor::testing::{Answer, Batch, Case, Method, Reference, Suite, check_support};

/// Training on tokens of the sampler's own: responses of one token, rewarded where it is the class.
struct Reinforce;

impl Reinforce {
    fn sampler() -> TokenSampler {
        let tau = DecodingTemperature::exploratory(1.2, 0.3)
            .unwrap()
            .with_protected(0);
        TokenSampler::new(tau)
            .with_top_k(3)
            .unwrap()
            .with_top_p(0.95)
            .unwrap()
    }

    fn sample(logits: Tensor<2>, rng: &mut StdRng) -> Result<Sampled, RlRewardsError> {
        let dtype = logits.dtype();
        let sampled = Self::sampler().sample(logits, &[5], rng)?;
        // Half precision comes out in f32, everything else as it is.
        assert!(dtype == DType::BF16 || dtype == sampled.log_probs.dtype());
        assert_eq!(sampled.log_probs.dtype(), DType::F32);
        sampled.check()?;
        Ok(sampled)
    }

    /// `-sum(weight log pi reward) / rows`, with the correction for the sampler's temperature.
    fn loss<M: Reference>(model: &M, batch: Batch, rng: &mut StdRng) -> Answer<Tensor<1>> {
        let logits = model.logits(batch.inputs);
        let [rows, classes] = logits.dims();
        let sampled = Self::sample(logits.clone(), rng)?;
        let tokens: Tensor<2, Int> = sampled.tokens.clone().reshape([rows, 1]);
        let policy = token_log_probs(logits.reshape([rows, 1, classes]), tokens)?;
        let sampler = sampled.log_probs.reshape([rows, 1]);
        let weight = truncated_ratio(policy.clone(), sampler, Some(2.0))?;
        let reward = sampled
            .tokens
            .equal(batch.targets)
            .int()
            .float()
            .reshape([rows, 1]);
        let reward = reward.cast(policy.dtype());
        Ok((weight * policy * reward).sum() / -(rows as f64))
    }

    fn train<M: Reference>(case: &Case<M>) -> Answer<M> {
        let mut rng = StdRng::seed_from_u64(0);
        let mut optim = SgdConfig::new().init();
        let mut model = case.model();
        for window in case.windows() {
            let mut sum = GradientsAccumulator::new();
            for part in window.iter().flat_map(|batch| case.parts(batch)) {
                let replica = case.replica(&model);
                let grads = Self::loss(&replica, part, &mut rng)?.backward();
                sum.accumulate(&model, GradientsParams::from_grads(grads, &replica));
            }
            model = optim.step(0.01, model, sum.grads());
        }
        Ok(model)
    }
}

impl Method for Reinforce {
    fn name(&self) -> String {
        "TokenSampler".into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let (one, two) = (Self::train(case)?, Self::train(case)?);
        let bits = |model: &M| ParamVector::of(model).to_host().unwrap();
        assert_eq!(bits(&one), bits(&two), "the same seed gives another run");
        Ok(one)
    }

    /// The error names the row; nothing was trained.
    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let model = case.model();
        let logits = model.logits(case.batches()[0].inputs.clone()) * f64::NAN;
        let error = Self::sample(logits, &mut StdRng::seed_from_u64(0)).unwrap_err();
        assert_eq!(error, RlRewardsError::NoDistribution { row: 0 });
        Some(Ok(model))
    }
}

/// GRPO with a KL term on responses of one token, from the policy before the run.
struct Policy;

impl Policy {
    fn batch<M: Reference>(model: &M, batch: &Batch) -> (Tensor<2>, Tensor<2, Int>) {
        let logits = model.logits(batch.inputs.clone());
        let [rows, classes] = logits.dims();
        let tokens = batch.targets.clone().reshape([rows, 1]);
        let log_probs = token_log_probs(logits.reshape([rows, 1, classes]), tokens.clone());
        (log_probs.unwrap(), tokens)
    }

    /// The loss and what was seen; a response is good or bad by its class.
    fn loss<M: Reference>(
        model: &M,
        before: &M,
        batch: &Batch,
        rows_of_step: usize,
    ) -> Answer<(Tensor<1>, Metrics)> {
        let (log_probs, tokens) = Self::batch(model, batch);
        let (old, _) = Self::batch(before, batch);
        let good = tokens.clone().equal_elem(1).int().float().inner() * 2.0 - 1.0;
        let tokens = TokenBatch::new(tokens.equal_elem(-1).bool_not())?
            .with_old(old.clone())?
            .with_reference(old)?
            .with_totals(Totals::new(rows_of_step, rows_of_step)?);
        let objective = Objective::grpo().with_kl(KlTerm::new(0.1)?);
        Ok(objective.loss_of(log_probs, &tokens, good)?)
    }

    fn train<M: Reference>(case: &Case<M>) -> Answer<M> {
        let mut optim = SgdConfig::new().init();
        let before = case.model();
        let mut model = case.model();
        for window in case.windows() {
            let rows = window.iter().map(|batch| batch.targets.dims()[0]).sum();
            let mut sum = GradientsAccumulator::new();
            for part in window.iter().flat_map(|batch| case.parts(batch)) {
                let (replica, before) = (case.replica(&model), case.replica(&before));
                let (loss, metrics) = Self::loss(&replica, &before, &part, rows)?;
                assert_eq!(loss.dtype(), DType::F32);
                metrics.read()?;
                sum.accumulate(
                    &model,
                    GradientsParams::from_grads(loss.backward(), &replica),
                );
            }
            model = optim.step(0.01, model, sum.grads());
        }
        Ok(model)
    }
}

impl Method for Policy {
    fn name(&self) -> String {
        "Objective".into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        Self::train(case)
    }

    /// The metrics tell before the step is taken.
    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let model = case.model();
        let batch = case.batches()[0].clone();
        let objective = Objective::grpo();
        let logits = model.logits(batch.inputs.clone()) * f64::NAN;
        let [rows, classes] = logits.dims();
        let tokens = batch.targets.clone().reshape([rows, 1]);
        let log_probs = token_log_probs(logits.reshape([rows, 1, classes]), tokens.clone());
        let tokens = TokenBatch::new(tokens.equal_elem(-1).bool_not()).unwrap();
        let advantages = Advantages::of_responses(vec![1.0; rows]).unwrap();
        let (_, metrics) = objective
            .loss(log_probs.unwrap(), &tokens, &advantages)
            .unwrap();
        let error = metrics.read().unwrap_err();
        assert_eq!(error, RlRewardsError::NotFinite { what: "loss" });
        Some(Ok(model))
    }
}

/// A learned drift that knows the lifetime, on responses of one token, from the policy before the run.
struct Learned;

impl Learned {
    fn train<M: Reference>(case: &Case<M>) -> Answer<M> {
        let mut optim = SgdConfig::new().init();
        let (before, mut model) = (case.model(), case.model());
        let windows: Vec<_> = case.windows().collect();
        for (done, window) in windows.iter().enumerate() {
            let rows = window.iter().map(|batch| batch.targets.dims()[0]).sum();
            let life = Some(Lifetime::new(done, windows.len())?);
            let mut sum = GradientsAccumulator::new();
            for part in window.iter().flat_map(|batch| case.parts(batch)) {
                let (replica, before) = (case.replica(&model), case.replica(&before));
                let loss = Self::loss(&replica, &before, &part, rows, life)?;
                let grads = GradientsParams::from_grads(loss.backward(), &replica);
                sum.accumulate(&model, grads);
            }
            model = optim.step(0.01, model, sum.grads());
        }
        Ok(model)
    }

    fn loss<M: Reference>(
        model: &M,
        before: &M,
        batch: &Batch,
        rows: usize,
        life: Option<Lifetime>,
    ) -> Answer<Tensor<1>> {
        let (log_probs, tokens) = Policy::batch(model, batch);
        let (old, _) = Policy::batch(before, batch);
        let responses = tokens.dims()[0];
        let batch = TokenBatch::new(tokens.equal_elem(-1).bool_not())?
            .with_old(old)?
            .with_totals(Totals::new(rows, rows)?);
        let good = (0..responses).map(|row| if row % 2 == 0 { 1.0 } else { -1.0 });
        let advantages = Advantages::of_responses(good.collect())?;
        // Its weights are no part of what is trained here: the same in each run.
        let drift = DriftConfig::new().with_hidden(4).with_lifetime(true);
        let drift = drift.init(&log_probs.device())?;
        let numbers: Vec<f64> = (0..68).map(|i| f64::from(i % 7) / 7.0 - 0.4).collect();
        let drift = with_flat(drift, &numbers)?;
        Ok(drift.loss(log_probs, &batch, &advantages, life, Aggregation::TokenMean)?)
    }
}

impl Method for Learned {
    fn name(&self) -> String {
        "Drift".into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        Self::train(case)
    }
}

/// Reward-weighted regression on answers of one token, better where they are of class 1.
struct Improved;

/// The logits of one token each.
struct Given(Tensor<3>);

impl ScorePolicy for Given {
    fn log_probs(&self, sequences: &Sequences) -> Result<Tensor<2>, RlRewardsError> {
        token_log_probs(self.0.clone(), sequences.targets())
    }
}

impl Improved {
    fn loss(logits: Tensor<2>, batch: &Batch) -> Answer<(Tensor<1>, Metrics)> {
        let [rows, classes] = logits.dims();
        let device = logits.device();
        let classes_of = batch.targets.clone().try_into_vec_as::<i64>()?;
        let example = |class: &i64| {
            let mut answer = Completion::new(End::Truncated);
            answer.sampled(*class as u32, 0.0)?;
            Ok(Example {
                state: vec![0],
                answer,
                reward: f64::from(u8::from(*class == 1)),
                before: Vec::new(),
                is_repeat: false,
            })
        };
        let examples: Result<Vec<_>, RlRewardsError> = classes_of.iter().map(example).collect();
        let policy = Given(logits.reshape([rows, 1, classes]));
        Ok(Rise::new().loss(&policy, &examples?, 0, &device)?)
    }
}

/// A loss with its metrics of one token a row.
type LossOf = fn(Tensor<2>, &Batch) -> Answer<(Tensor<1>, Metrics)>;

/// Updates by the mean over all rows of a window.
fn by_rows<M: Reference>(case: &Case<M>, loss: LossOf) -> Answer<M> {
    let mut optim = SgdConfig::new().init();
    let mut model = case.model();
    for window in case.windows() {
        let rows: usize = window.iter().map(|batch| batch.targets.dims()[0]).sum();
        let mut sum = GradientsAccumulator::new();
        for part in window.iter().flat_map(|batch| case.parts(batch)) {
            let replica = case.replica(&model);
            let share = part.targets.dims()[0] as f64 / rows as f64;
            let (loss, metrics) = loss(replica.logits(part.inputs.clone()), &part)?;
            metrics.read()?;
            let grads = (loss * share).backward();
            sum.accumulate(&model, GradientsParams::from_grads(grads, &replica));
        }
        model = optim.step(0.001, model, sum.grads());
    }
    Ok(model)
}

/// The metrics tell before the step is taken.
fn told<M: Reference>(case: &Case<M>, loss: LossOf) -> Option<Answer<M>> {
    let model = case.model();
    let batch = case.batches()[0].clone();
    let logits = model.logits(batch.inputs.clone()) * f64::NAN;
    let (_, metrics) = loss(logits, &batch).unwrap();
    let error = metrics.read().unwrap_err();
    assert_eq!(error, RlRewardsError::NotFinite { what: "loss" });
    Some(Ok(model))
}

impl Method for Improved {
    fn name(&self) -> String {
        "Rise".into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        by_rows(case, Self::loss)
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        told(case, Self::loss)
    }
}

/// Verifiable rewards of answers of one token, right where they are of class 1, with a divergence from a reference.
struct Verified;

impl Verified {
    fn loss(logits: Tensor<2>, batch: &Batch) -> Answer<(Tensor<1>, Metrics)> {
        let [rows, classes] = logits.dims();
        let classes_of = batch.targets.clone().try_into_vec_as::<i64>()?;
        let answer = |(prompt, class): (usize, &i64)| {
            let mut completion = Completion::new(End::EndToken);
            completion.sampled(*class as u32, -1.0)?;
            Ok(Rollout { prompt, completion })
        };
        let answers: Result<Vec<_>, RlRewardsError> =
            classes_of.iter().enumerate().map(answer).collect();
        let rollouts = Rollouts::new(vec![vec![0]; rows], answers?)?;
        let sequences = Sequences::new(&rollouts, 0, &logits.device())?;
        let rlvr = Rlvr::grpo();
        let is_right = |_: usize, one: &Completion| f64::from(u8::from(one.tokens()[0] == 1));
        let rewards = rlvr.rewards(&rollouts, is_right)?;
        let advantages = Advantages::of_responses(rewards.iter().map(|r| r / 5.0 - 1.0).collect())?;
        let reference = sequences.sampler_log_probs();
        let policy = Given(logits.reshape([rows, 1, classes]));
        Ok(rlvr.loss(&policy, &sequences, (None, Some(reference)), &advantages)?)
    }
}

impl Method for Verified {
    fn name(&self) -> String {
        "Rlvr".into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        by_rows(case, Self::loss)
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        told(case, Self::loss)
    }
}

#[test]
fn every_method_serves_every_model() {
    let mut suite = Suite::new();
    suite.add(&Learned);
    suite.add(&Policy);
    suite.add(&Reinforce);
    suite.add(&Improved);
    suite.add(&Verified);
    check_support(
        suite,
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support.csv"),
    )
    .unwrap();
}

/// What touches tensors, small, on whatever device `BURN_DEVICE` names.
#[test]
fn smoke() {
    let mut suite = Suite::smoke();
    suite.add(&Learned);
    suite.add(&Policy);
    suite.add(&Reinforce);
    suite.add(&Improved);
    suite.add(&Verified);
    let table = suite.finish().unwrap();
    assert!(!table.contains("refused"), "{table}");
}
