//! A class forgotten by selective synaptic dampening, against training anew and the usual baselines.

mod arms;
mod job;
mod ratio;
mod settings;
mod subject;

use anyhow::Result;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
use regimen_tensor::per_example::cross_entropy;

use crate::data::ImageBatch;
use crate::experiment::{Better, Check, Context, DataKind, PaperEffect, System, Trial};
use crate::experiment::{differences, values};
use crate::models::Mlp;
use crate::train::classify;
use job::Job;

/// The experiment.
pub const SYSTEM: System = System {
    name: "ssd",
    number: 20,
    krate: "regimen-unlearning",
    paper: "Fast Machine Unlearning Without Retraining Through Selective Synaptic Dampening (arXiv 2308.07707)",
    claim: "Dampening forgets a whole class of a trained classifier without a training step and keeps its accuracy on the others; with importances of single examples the same threshold forgets nothing",
    metric: "test accuracy on the forgotten class",
    unit: "%",
    better: Better::Lower,
    baseline: "finetune",
    method: "ssd",
    rule: "holds if, in the mean over seeds, with batches of 32, alpha 10 and lambda 1: accuracy on the forgotten class is below 2 %; accuracy on the others is at most 1 point below the original model's; with importances of single examples at alpha 10 the forgotten class stays above 90 %; and, for every seed, the largest ratio I_f / I_D of importances of single examples over |D| / |D_f|, of all settings on both networks, is at most 1 + 1e-4 (f32 rounding)",
    paper_effect: PaperEffect::Shown,
    seeds: 10,
    source: "examples/src/unlearning/ssd.rs",
    data: DataKind::Images,
    curve: "share of weights edited, % / test accuracy, %",
    run,
    judge,
};

/// A perceptron as Burn's learner trains it.
#[derive(Module, Debug)]
struct Network {
    net: Mlp,
}

impl TrainStep for Network {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> TrainOutput<ClassificationOutput> {
        classify(self, batch, |model, images| model.net.forward(images))
    }
}

fn loss(model: &Network, batch: ImageBatch) -> Tensor<1> {
    cross_entropy(model.net.forward(batch.images), batch.labels).mean()
}

/// Adam's rates of the baselines that train with it: one that forgets in the hundred steps of this size, and the paper's,
/// whose epochs have four hundred.
const RATES: [(f64, [&str; 2]); 2] = [
    (1e-3, ["amnesiac", "bad teacher"]),
    (1e-4, ["amnesiac, rate 1e-4", "bad teacher, rate 1e-4"]),
];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let job = Job::new(context, seed)?;
    let epochs = job.epochs();

    let original = job.train(job.new_model(0), &job.train, job.sgd(0.05), epochs)?;
    job.measure(&mut trial, "original", &original)?;
    let importances = job.dampen(&mut trial, &original)?;

    let retrained = job.train(job.new_model(0), &job.retain, job.sgd(0.05), epochs)?;
    job.measure(&mut trial, "retrain", &retrained)?;
    let tuned = job.train(original.clone(), &job.retain, job.sgd(0.02), 5)?;
    job.measure(&mut trial, "finetune", &tuned)?;
    for (rate, arms) in RATES {
        let amnesiac = job.train(original.clone(), &job.relabelled()?, job.adam(rate), 3)?;
        job.measure(&mut trial, arms[0], &amnesiac)?;
        job.measure(&mut trial, arms[1], &job.imitate(&original, rate)?)?;
    }
    job.measure(
        &mut trial,
        "gradient ascent",
        &job.ascend(original.clone())?,
    )?;
    settings::run(&job, &mut trial, &original, importances)?;
    Ok(trial)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let lost = differences(trials, "original", "ssd", "accuracy on the others");
    let single = values(trials, "ssd single alpha 10", "main");
    vec![
        Check::at_most(
            "accuracy on the forgotten class after ssd, below 2 %",
            values(trials, "ssd", "main"),
            2.0,
        ),
        Check::at_most(
            "accuracy on the others lost by ssd, at most 1 point",
            lost,
            1.0,
        ),
        Check::at_least(
            "forgotten class with single examples at alpha 10, above 90 %",
            single,
            90.0,
        ),
        Check::each_at_most(
            "largest ratio of importances of single examples over |D| / |D_f|, all settings, every seed at most 1 + 1e-4 (f32 rounding)",
            trials.iter().map(ratio::largest_ratio).collect(),
            1.0 + 1e-4,
        ),
    ]
}
