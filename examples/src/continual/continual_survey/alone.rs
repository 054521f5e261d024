//! Methods that give each task parts of the network, and have to be told the task at test.

use anyhow::{Result, bail};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use regimen_continual::metrics::vector_bytes;
use regimen_continual::{
    AccuracyMatrix, Classifier, Gated, Hat, HatConfig, HatGate, HatGateConfig, PackNetConfig,
    Progressive, ProgressiveConfig, Strategy, Task,
};
use regimen_tensor::ParamVector;
use regimen_tensor::per_example::cross_entropy;

use super::methods::state;
use super::setting::{BATCH, Bed, Figures};
use crate::continual::bed::{Batch, Naive, Net, right, whole};

/// What a method does beside its steps.
struct Ways<'a, M> {
    /// Ahead of a task.
    begin: &'a dyn Fn(M, usize) -> Result<M>,
    /// After two thirds of a task's epochs.
    midway: &'a dyn Fn(M) -> Result<M>,
    /// The scores of a task's images.
    scores: &'a dyn Fn(&M, usize, &Batch) -> Result<Tensor<2>>,
}

/// Learns the tasks one after another, each among its own classes, and tests on all so far after each.
fn learn<M, S>(
    bed: &Bed,
    mut model: M,
    strategy: &S,
    epochs: usize,
    ways: &Ways<M>,
) -> Result<(M, Figures)>
where
    M: Classifier<Batch = Batch>,
    S: Strategy<M>,
{
    let device = &bed.context.device;
    let training = bed.training(epochs);
    let mut within = AccuracyMatrix::new(bed.parts.len())?;
    let mut optim = training.optimizer();
    for (after, part) in bed.parts.iter().enumerate() {
        model = (ways.begin)(model, after)?;
        model = strategy.before_task(model, &part.task)?;
        let loader = part.loader(BATCH, bed.seed + after as u64, device);
        for epoch in 0..epochs {
            if epoch == epochs * 2 / 3 {
                model = (ways.midway)(model)?;
            }
            for batch in loader.iter() {
                let batch = batch?;
                let loss = loss(&model, &part.task, &batch) + strategy.penalty(&model, &batch)?;
                let grads = GradientsParams::from_grads(loss.backward(), &model);
                model = strategy.update(model, &mut optim, training.rate.into(), grads.into());
            }
        }
        if let Err(error) = strategy.status() {
            bail!("a step failed: {error}");
        }
        model = strategy.after_task(model, &*loader)?;
        for (on, part) in bed.parts[..=after].iter().enumerate() {
            let batch = whole(&part.test, &device.clone().inner());
            let scores = part.task.mask((ways.scores)(&model, on, &batch)?);
            within.set(after, on, right(scores, &batch.1))?;
        }
    }
    let mut figures = Figures::of(None, &within);
    figures.compute.count(epochs * bed.stream());
    Ok((model, figures))
}

/// The cross-entropy among the task's classes.
fn loss<M: Classifier<Batch = Batch>>(model: &M, task: &Task, batch: &Batch) -> Tensor<1> {
    cross_entropy(task.mask(model.logits(batch)), batch.1.clone()).mean()
}

/// `PackNet`, which gives back this share of each task's weights.
pub(super) fn pack_net(bed: &Bed, epochs: usize, share: f64) -> Result<Figures> {
    let net = bed.net();
    let pack = PackNetConfig::new().with_share(share).init(&net)?;
    let ways = Ways {
        begin: &|net, _| Ok(net),
        midway: &|net| Ok(pack.prune(net)?),
        scores: &|net: &Net, task, batch| Ok(pack.model_for(net, task)?.valid().logits(batch)),
    };
    let (_, mut figures) = learn(bed, net, &pack, epochs, &ways)?;
    figures.compute.keep("owners", state(&pack)?);
    Ok(figures)
}

/// The perceptron with a gate behind each hidden layer.
#[derive(Module, Debug)]
struct Gates {
    hidden: Vec<Linear>,
    gates: Vec<HatGate>,
    head: Linear,
    #[module(skip)]
    hat: Hat,
}

impl Classifier for Gates {
    type Batch = Batch;

    fn logits(&self, (images, _): &Batch) -> Tensor<2> {
        let layers = self.hidden.iter().zip(&self.gates);
        let hidden = layers.fold(images.clone(), |x, (layer, gate)| {
            gate.forward(relu(layer.forward(x)), &self.hat)
        });
        self.head.forward(hidden)
    }
}

/// Hard attention to the task, with this strength of its sparsity.
pub(super) fn hat(bed: &Bed, epochs: usize, sparsity: f64) -> Result<Figures> {
    let device = &bed.context.device;
    let layers = vec![
        Gated::new("hidden.0").before("gates.0"),
        Gated::new("hidden.1").behind("gates.0").before("gates.1"),
        Gated::new("head").behind("gates.1"),
    ];
    let batches = bed.parts[0].train.labels.len().div_ceil(BATCH);
    let hat = HatConfig::new(batches)
        .with_layers(layers)
        .with_sparsity(sparsity)
        .init()?;
    device.seed(bed.seed);
    let linear = |from: usize, to: usize| LinearConfig::new(from, to).init(device);
    let gate = |layer: u64| {
        let config = HatGateConfig::new(bed.parts.len(), 100);
        config.with_seed(2 * bed.seed + layer).init(device)
    };
    let model = Gates {
        hidden: vec![linear(bed.pixels(), 100), linear(100, 100)],
        gates: vec![gate(0)?, gate(1)?],
        head: linear(100, bed.classes()),
        hat: hat.clone(),
    };
    let ways = Ways {
        begin: &|model, _| Ok(model),
        midway: &|model| Ok(model),
        scores: &|model: &Gates, task, batch| {
            hat.show(task);
            Ok(model.valid().logits(batch))
        },
    };
    let (model, mut figures) = learn(bed, model, &hat, epochs, &ways)?;
    let gates: usize = model.gates.iter().map(Module::num_params).sum();
    figures.compute.keep("gates", 4 * gates);
    figures.compute.keep("largest gates", state(&hat)?);
    Ok(figures)
}

/// Columns, of which the last one trains.
#[derive(Module, Debug)]
struct Columns {
    net: Progressive,
}

impl Columns {
    fn of(&self, column: usize, (images, _): &Batch) -> regimen_continual::Result<Tensor<2>> {
        self.net.forward(images.clone(), column)
    }
}

impl Classifier for Columns {
    type Batch = Batch;

    /// Inputs that do not fit give no number.
    fn logits(&self, batch: &Batch) -> Tensor<2> {
        let logits = self.of(self.net.columns.len() - 1, batch);
        logits.unwrap_or_else(|_| batch.0.clone() * f32::NAN)
    }
}

/// Progressive networks with adapters of this width.
pub(super) fn progressive(bed: &Bed, epochs: usize, adapter: f64) -> Result<Figures> {
    let device = &bed.context.device;
    device.seed(bed.seed);
    let net = ProgressiveConfig::new(vec![bed.pixels(), 100, 100])
        .with_adapter(adapter as usize)
        .init(bed.classes(), device)?;
    let first = vector_bytes(&ParamVector::of(&net));
    let ways = Ways {
        begin: &|columns: Columns, task| {
            Ok(match task {
                0 => columns,
                _ => Columns {
                    net: columns.net.grow(bed.classes())?,
                },
            })
        },
        midway: &|columns| Ok(columns),
        scores: &|columns: &Columns, task, batch| Ok(columns.valid().of(task, batch)?),
    };
    let (columns, mut figures) = learn(bed, Columns { net }, &Naive::default(), epochs, &ways)?;
    let all = vector_bytes(&ParamVector::of(&columns));
    figures
        .compute
        .keep("earlier columns", all.saturating_sub(first));
    Ok(figures)
}
