//! A simulated regression over four domains.
//!
//! Domain `d` has inputs `mu_d + N(0, 1)` in 16 dimensions and targets `2 W_d tanh(U_d x)` in 4. The entries of `mu_d` are
//! standard normal; those of `U_d` (16 x 16) and `W_d` (16 x 4) are normal with variance 1/16, so that values keep their size.

use anyhow::Result;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use regimen_moe::balance::{BiasUpdateConfig, Load, LoadStatistics, Specialisation};
use regimen_moe::{Activation, Moe, MoeConfig, RouterConfig, SigmoidRouterConfig};

use super::balance::{Balance, ERROR, REGRESSION_VIOLATION};
use crate::experiment::{Context, Trial};

const DOMAINS: usize = 4;
const INPUTS: usize = 16;
const OUTPUTS: usize = 4;
const EXPERTS: usize = 8;
/// Micro-batches of a step, two of each domain, and their tokens.
const MICRO: usize = 8;
const TOKENS: usize = 32;
const COEFFICIENT: f64 = 0.1;
const RATE: f64 = 3e-3;
/// Tokens of a domain that errors and loads are measured on.
const TEST: usize = 4096;

pub(super) fn run(context: &Context, trial: &mut Trial) -> Result<()> {
    let task = Task::new(trial.seed, &context.device);
    for balance in [
        Balance::None,
        Balance::Micro,
        Balance::Global,
        Balance::Shuffled,
        Balance::Bias,
    ] {
        let steps = if context.small { 400 } else { 1500 };
        let moe = train(context, &task, balance, steps)?;
        task.measure(&moe, balance, trial)?;
    }
    Ok(())
}

/// The domains' means and functions.
struct Task {
    seed: u64,
    device: Device,
    /// `[domains, 1, inputs]`.
    means: Tensor<3>,
    /// `[domains, inputs, inputs]`.
    inner: Tensor<3>,
    /// `[domains, inputs, outputs]`.
    outer: Tensor<3>,
}

impl Task {
    fn new(seed: u64, device: &Device) -> Self {
        let (mut rng, scale) = (ChaCha8Rng::seed_from_u64(seed), (INPUTS as f64).sqrt());
        Self {
            seed,
            device: device.clone(),
            means: normal(&mut rng, [DOMAINS, 1, INPUTS], device),
            inner: normal(&mut rng, [DOMAINS, INPUTS, INPUTS], device) / scale,
            outer: normal(&mut rng, [DOMAINS, INPUTS, OUTPUTS], device) / scale,
        }
    }

    /// Inputs `[domains, tokens, inputs]` and targets `[domains, tokens, outputs]`.
    fn draw(&self, rng: &mut ChaCha8Rng, tokens: usize) -> (Tensor<3>, Tensor<3>) {
        let x = normal(rng, [DOMAINS, tokens, INPUTS], &self.device) + self.means.clone();
        let hidden = x.clone().matmul(self.inner.clone()).tanh();
        let y = hidden.matmul(self.outer.clone()) * 2.0;
        (x, y)
    }

    fn measure(&self, moe: &Moe, balance: Balance, trial: &mut Trial) -> Result<()> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed + 1_000_000);
        let (x, y) = self.draw(&mut rng, TEST);
        let (moe, mut use_of) = (moe.valid(), Specialisation::new(DOMAINS, EXPERTS)?);
        let mut error = 0.0;
        for domain in 0..DOMAINS {
            let one = |t: &Tensor<3>| t.clone().narrow(0, domain, 1).inner();
            let (out, routing) = moe.forward(one(&x));
            let gap = out.narrow(2, 0, OUTPUTS) - one(&y);
            error += f64::from(gap.square().mean().into_scalar::<f32>()) / DOMAINS as f64;
            use_of.add(domain, &Load::of(&routing).read_counts()?)?;
        }
        let load = LoadStatistics::of(&use_of.totals())?;
        let arm = balance.arm();
        trial.record(arm, ERROR, error);
        trial.record(arm, REGRESSION_VIOLATION, load.violation);
        let top = use_of.top_frequency();
        trial.record(arm, "regression: share of a domain's busiest expert", top);
        Ok(())
    }
}

/// Standard normal numbers, drawn on the host.
fn normal<const D: usize>(rng: &mut ChaCha8Rng, shape: [usize; D], device: &Device) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = StandardNormal.sample_iter(rng).take(count).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Trains one mixture. Its experts have as many outputs as inputs, of which the first four are asked for.
fn train(context: &Context, task: &Task, balance: Balance, steps: usize) -> Result<Moe> {
    context.device.seed(task.seed);
    let mut config = MoeConfig::new(INPUTS, 16, EXPERTS, 2)
        .with_activation(Activation::Relu)
        .with_bias(true);
    if balance == Balance::Bias {
        config = config.with_router(RouterConfig::Sigmoid(SigmoidRouterConfig::new()));
    }
    let mut moe = config.init(&context.device)?;
    let update = BiasUpdateConfig::new().init()?;
    let mut optim = AdamConfig::new().init();
    let mut rng = ChaCha8Rng::seed_from_u64(task.seed + 2_000_000);
    for _ in 0..steps {
        let (x, y) = task.draw(&mut rng, MICRO / DOMAINS * TOKENS);
        let shuffled = balance == Balance::Shuffled && !context.is_broken_by("tokens-not-shuffled");
        let (x, y) = (arranged(x, shuffled), arranged(y, shuffled));
        let (out, routing) = moe.forward(x);
        let mut loss = (out.narrow(2, 0, OUTPUTS) - y).square().mean();
        if let Some(even) = balance.loss(&routing, context) {
            loss = loss + even * COEFFICIENT;
        }
        let grads = GradientsParams::from_grads(loss.backward(), &moe);
        moe = optim.step(RATE, moe, grads);
        if balance == Balance::Bias && !context.is_broken_by("biases-not-updated") {
            moe = update.step(moe, &Load::of(&routing).read_counts()?)?;
        }
    }
    Ok(moe)
}

/// Tokens by domain as micro-batches, `[micro, tokens, width]`: each of one domain, or shuffled over all.
fn arranged(tokens: Tensor<3>, shuffled: bool) -> Tensor<3> {
    let [_, _, width] = tokens.dims();
    let rows = tokens.reshape([MICRO, TOKENS, width]);
    if shuffled {
        rows.swap_dims(0, 1).reshape([MICRO, TOKENS, width])
    } else {
        rows
    }
}
