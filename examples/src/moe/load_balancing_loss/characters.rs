//! A character model of three texts, with a mixture in the place of its hidden layer.

use std::sync::Arc;

use anyhow::Result;
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use regimen_moe::balance::{GlobalBalance, Load, LoadStatistics, Specialisation};
use regimen_moe::{Activation, Moe, MoeConfig, Routing};
use regimen_tensor::per_example::cross_entropy;

use super::balance::{Balance, DOMAINS, LOSS, VIOLATION};
use crate::data::{Text, TextBatch, TextLoader};
use crate::experiment::{Context, Trial};
use crate::train::mean;

const WINDOW: usize = 8;
const SYMBOLS: usize = 96;
const EXPERTS: usize = 8;
/// Micro-batches of a domain in a step, and their windows.
const MICRO: usize = 2;
const BATCH: usize = 64;
const COEFFICIENT: f64 = 0.1;
const RATE: f64 = 3e-3;
/// Windows of a text that loss and load are measured on.
const VALIDATION: usize = 4096;

pub(super) fn run(context: &Context, trial: &mut Trial) -> Result<()> {
    let texts = context.domains(DOMAINS)?;
    let texts: Vec<_> = texts.iter().map(|text| text.split(0.9)).collect();
    for balance in [
        Balance::None,
        Balance::Micro,
        Balance::Global,
        Balance::Buffered,
    ] {
        let job = Job {
            context,
            seed: trial.seed,
            balance,
            steps: match context {
                Context { full: true, .. } => 20_000,
                Context { small: true, .. } => 150,
                _ => 800,
            },
        };
        let model = job.train(&texts)?;
        measure(&model, &texts, balance, trial)?;
    }
    Ok(())
}

/// Embedded characters, a linear map, a mixture with a residual connection, and a classifier.
#[derive(Module, Debug)]
struct Characters {
    embedding: Embedding,
    hidden: Linear,
    moe: Moe,
    head: Linear,
}

impl Characters {
    fn new(device: &Device) -> Result<Self> {
        let (embedding, width) = (16, 64);
        Ok(Self {
            embedding: EmbeddingConfig::new(SYMBOLS, embedding).init(device),
            hidden: LinearConfig::new(WINDOW * embedding, width).init(device),
            moe: MoeConfig::new(width, width, EXPERTS, 2)
                .with_activation(Activation::Relu)
                .init(device)?,
            head: LinearConfig::new(width, SYMBOLS).init(device),
        })
    }

    /// Windows of `rows` micro-batches, one after the other, to logits `[batch, symbols]`.
    fn forward(&self, windows: Tensor<2, Int>, rows: usize) -> (Tensor<2>, Routing) {
        let x = self.embedding.forward(windows).flatten::<2>(1, 2);
        let x = relu(self.hidden.forward(x));
        let [batch, width] = x.dims();
        let (mixed, routing) = self
            .moe
            .forward(x.clone().reshape([rows, batch / rows, width]));
        let logits = self.head.forward(x + mixed.reshape([batch, width]));
        (logits, routing)
    }
}

struct Job<'a> {
    context: &'a Context,
    seed: u64,
    balance: Balance,
    steps: usize,
}

impl Job<'_> {
    fn train(&self, texts: &[(Text, Text)]) -> Result<Characters> {
        let device = &self.context.device;
        device.seed(self.seed);
        let mut model = Characters::new(device)?;
        let mut optim = AdamConfig::new().init();
        let loader = |(domain, (text, _)): (usize, &(Text, Text))| {
            let seed = self.seed * 100 + domain as u64;
            let text = Arc::new(text.clone());
            TextLoader::new(text, self.steps, MICRO * BATCH, WINDOW, seed, device)
        };
        let loaders: Vec<_> = texts.iter().enumerate().map(loader).collect();
        let mut streams: Vec<_> = loaders.iter().map(|loader| loader.iter()).collect();
        let counted = GlobalBalance::new();
        for step in 0..self.steps {
            let batches = streams.iter_mut().filter_map(Iterator::next);
            let mut batches = batches.collect::<Result<Vec<TextBatch>, _>>()?;
            model = if self.balance == Balance::Buffered {
                batches.rotate_left(step % texts.len());
                self.accumulated(model, &mut optim, &counted, &batches)?
            } else {
                self.at_once(model, &mut optim, batches)
            };
        }
        Ok(model)
    }

    /// A step over all micro-batches at once.
    fn at_once(
        &self,
        model: Characters,
        optim: &mut ModuleOptimizer,
        batches: Vec<TextBatch>,
    ) -> Characters {
        let rows = MICRO * batches.len();
        let (windows, next): (Vec<_>, Vec<_>) =
            batches.into_iter().map(|b| (b.windows, b.next)).unzip();
        let (logits, routing) = model.forward(Tensor::cat(windows, 0), rows);
        let mut loss = cross_entropy(logits, Tensor::cat(next, 0)).mean();
        if let Some(even) = self.balance.loss(&routing, self.context) {
            loss = loss + even * COEFFICIENT;
        }
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        optim.step(RATE, model, grads)
    }

    /// A step over one micro-batch after the other, with the counts added up on the way.
    fn accumulated(
        &self,
        model: Characters,
        optim: &mut ModuleOptimizer,
        counted: &GlobalBalance,
        batches: &[TextBatch],
    ) -> Result<Characters> {
        let parts = (MICRO * batches.len()) as f64;
        let mut gradients = GradientsAccumulator::new();
        for part in 0..MICRO {
            for batch in batches {
                let windows = batch.windows.clone().narrow(0, part * BATCH, BATCH);
                let next = batch.next.clone().narrow(0, part * BATCH, BATCH);
                let (logits, routing) = model.forward(windows, 1);
                if self.context.is_broken_by("counts-not-added-up") {
                    counted.restart();
                }
                let even = counted.loss(&Load::of(&routing))?;
                let loss = cross_entropy(logits, next).mean() + even * COEFFICIENT;
                let grads = (loss / parts).backward();
                gradients.accumulate(&model, GradientsParams::from_grads(grads, &model));
            }
        }
        counted.restart();
        Ok(optim.step(RATE, model, gradients.grads()))
    }
}

fn measure(
    model: &Characters,
    texts: &[(Text, Text)],
    balance: Balance,
    trial: &mut Trial,
) -> Result<()> {
    let (model, arm) = (model.valid(), balance.arm());
    let device = model.head.weight.device();
    let mut use_of = Specialisation::new(texts.len(), EXPERTS)?;
    let mut losses = 0.0;
    for (domain, (_, text)) in texts.iter().enumerate() {
        let batch = text.even(VALIDATION, WINDOW, &device);
        let (logits, routing) = model.forward(batch.windows, 1);
        losses += mean(cross_entropy(logits, batch.next)) / texts.len() as f64;
        use_of.add(domain, &Load::of(&routing).read_counts()?)?;
    }
    let load = LoadStatistics::of(&use_of.totals())?;
    trial.record(arm, "main", use_of.mutual_information());
    trial.record(arm, LOSS, losses);
    trial.record(arm, VIOLATION, load.violation);
    trial.record(
        arm,
        "share of a text's busiest expert",
        use_of.top_frequency(),
    );
    let mut shares = use_of.frequencies(0);
    shares.sort_by(|a, b| b.total_cmp(a));
    let points = shares.into_iter().enumerate();
    trial.curve(
        arm,
        points.map(|(i, share)| (i as f64 + 1.0, share)).collect(),
    );
    Ok(())
}
