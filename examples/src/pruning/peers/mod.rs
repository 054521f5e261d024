//! Every method of the pruning crate on one network and one data set: the table of peers in the book.

mod job;

use anyhow::Result;
use burn::module::Module;
use regimen_pruning::after::lottery::rewind;
use regimen_pruning::after::{Pattern, Rule};
use regimen_pruning::before::grasp::grasp;
use regimen_pruning::before::snip::snip;
use regimen_pruning::before::synflow::synflow;
use regimen_pruning::{
    DynamicSparseConfig, Fixed, GraNetConfig, GrowthRule, Layout, MagnitudeConfig, MovementConfig,
    RigLConfig, SetConfig, TopKastConfig,
};
use regimen_tensor::ParamVector;
use regimen_tensor::stats::{mean, standard_error};

use crate::experiment::Context;
use crate::models::{Mlp, MlpConfig};
use crate::train::accuracy;
use job::{EPOCHS, Job};

const EVERY: usize = 20;
/// Trainings of iterative pruning: the share that goes after each follows from the sparsity.
const ROUNDS: usize = 5;

/// When a method prunes, its name, and how it makes a trained network.
type Row = (&'static str, &'static str, fn(&Job<'_>) -> Result<Mlp>);

const ROWS: [Row; 23] = [
    ("", "dense", |job| job.train_masked(job.dense()?, EPOCHS)),
    ("before", "random, uniform", |job| {
        job.train_masked(job.random(Layout::Uniform)?, EPOCHS)
    }),
    ("before", "random, ERK", |job| {
        job.train_masked(job.random(Layout::Erk)?, EPOCHS)
    }),
    ("before", "magnitude of the initial weights", |job| {
        job.train_masked(job.largest(&job.net())?, EPOCHS)
    }),
    ("before", "SNIP", |job| {
        let (net, masks) = (job.net(), job.dense()?);
        let masks = snip(&net, &job.gradients(&net, 1.0), masks, job.density())?;
        job.train_masked(masks, EPOCHS)
    }),
    ("before", "GraSP", |job| {
        // Logits over 200, as the authors have it.
        let of = |net: &Mlp| Ok(ParamVector::gradients(net, &job.gradients(net, 200.0)));
        let masks = grasp(&job.net(), job.dense()?, job.density(), of)?;
        job.train_masked(masks, EPOCHS)
    }),
    ("before", "SynFlow", |job| {
        let masks = synflow(&job.net(), job.dense()?, job.density(), 100, |net| {
            Ok(job.flow(net))
        })?;
        job.train_masked(masks, EPOCHS)
    }),
    ("during", "SET", |job| {
        let config = SetConfig::new(job.sparsity, job.steps(EPOCHS));
        let config = config.with_update_every(EVERY).with_seed(job.seed);
        job.train(config.init(&job.net())?, EPOCHS)
    }),
    ("during", "RigL", |job| {
        let config = RigLConfig::new(job.sparsity, job.steps(EPOCHS));
        let config = config.with_update_every(EVERY).with_seed(job.seed);
        job.train(config.init(&job.net())?, EPOCHS)
    }),
    ("during", "growth by momentum", |job| {
        let config = DynamicSparseConfig::new(job.sparsity, job.steps(EPOCHS))
            .with_growth(GrowthRule::Momentum)
            .with_until(Some(0.75))
            .with_update_every(EVERY)
            .with_seed(job.seed);
        job.train(config.init(&job.net())?, EPOCHS)
    }),
    ("during", "Top-KAST, twice as many learn", |job| {
        let config = TopKastConfig::new(job.density(), 2.0 * job.density());
        job.train_kast(&config.with_update_every(EVERY).init(&job.net())?)
    }),
    ("during", "gradual magnitude pruning", |job| {
        let config = MagnitudeConfig::new(job.sparsity, job.steps(EPOCHS));
        job.train(config.with_update_every(EVERY).init(&job.net())?, EPOCHS)
    }),
    ("during", "GraNet from dense", |job| {
        let config = GraNetConfig::new(job.sparsity, job.steps(EPOCHS));
        job.train(config.with_update_every(EVERY).init(&job.net())?, EPOCHS)
    }),
    ("during", "GraNet from 50 %", |job| {
        let config = GraNetConfig::new(job.sparsity, job.steps(EPOCHS))
            .with_initial_sparsity(0.5)
            .with_update_every(EVERY)
            .with_seed(job.seed);
        job.train(config.init(&job.net())?, EPOCHS)
    }),
    ("after", "magnitude, no training", |job| {
        let trained = job.train_masked(job.dense()?, EPOCHS)?;
        Ok(job.largest(&trained)?.apply(trained)?)
    }),
    ("after", "magnitude, 10 epochs of fine-tuning", |job| {
        let trained = job.train_masked(job.dense()?, EPOCHS)?;
        let masks = job.largest(&trained)?;
        job.train_from(trained, Fixed::init(masks), EPOCHS / 4, 0.1)
    }),
    ("after", "movement, 10 epochs of fine-tuning", |job| {
        let trained = job.train_masked(job.dense()?, EPOCHS)?;
        let config = MovementConfig::new(job.sparsity, job.steps(EPOCHS / 4));
        job.train_movement(trained, &config)
    }),
    ("after", "Wanda, no training", |job| {
        job.one_shot(Rule::Wanda, Pattern::Share(job.sparsity))
    }),
    ("after", "SparseGPT, no training", |job| {
        job.one_shot(Rule::SPARSE_GPT, Pattern::Share(job.sparsity))
    }),
    ("after", "N:M by SparseGPT, 6 and 3 of 64", |job| {
        let n = (64.0 * job.density()).round() as usize;
        job.one_shot(Rule::SPARSE_GPT, Pattern::NOfM { n, m: 64 })
    }),
    ("after", "2:4 by Wanda, so 50 %", |job| {
        job.one_shot(Rule::Wanda, Pattern::NOfM { n: 2, m: 4 })
    }),
    ("after", "2:4 by SparseGPT, so 50 %", |job| {
        job.one_shot(Rule::SPARSE_GPT, Pattern::NOfM { n: 2, m: 4 })
    }),
    ("after", "lottery ticket, 5 rounds", |job| {
        let (early, mut masks) = (job.net(), job.dense()?);
        let share = 1.0 - job.density().powf(1.0 / ROUNDS as f64);
        for _ in 0..ROUNDS {
            let trained = job.train_masked(masks.clone(), EPOCHS)?;
            masks = rewind(&trained, early.clone(), masks, share)?.1;
        }
        job.train_masked(masks, EPOCHS)
    }),
];

/// The table in Markdown: accuracy in percent, mean and standard error over the seeds.
///
/// # Errors
/// If the data can't be read or a method refuses its input.
pub fn table(seeds: u64, sparsities: &[f64]) -> Result<String> {
    let context = Context::new(0);
    let parts = context.images()?.split_standardised(&[0.5, 0.5]);
    let columns: String = sparsities
        .iter()
        .map(|s| format!(" {:.0} % |", 100.0 * s))
        .collect();
    let mut text = format!(
        "| when | method |{columns}\n|---|---|{}\n",
        "---|".repeat(sparsities.len())
    );
    for (when, name, make) in ROWS {
        text += &format!("| {when} | {name} |");
        for sparsity in sparsities {
            let accuracies = (0..seeds).map(|seed| {
                context.device.seed(seed);
                let (pixels, classes) = (parts[0].pixels_per_image(), parts[0].classes);
                let sizes = vec![pixels, 256, 256, classes];
                let job = Job {
                    context: &context,
                    parts: &parts,
                    start: MlpConfig::new(sizes).init(&context.device),
                    sparsity: *sparsity,
                    seed,
                };
                let net = make(&job)?.valid();
                Ok(accuracy(&parts[1], &context.device, |x| net.forward(x)))
            });
            let all = accuracies.collect::<Result<Vec<f64>>>()?;
            text += &format!(" {:.1} ± {:.1} |", mean(&all), standard_error(&all));
        }
        text.push('\n');
    }
    Ok(text)
}
