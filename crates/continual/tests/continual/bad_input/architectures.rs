//! Gates, prompts, adapters, columns and heads under absurd arguments.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use regimen_continual::*;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use super::super::two::batch;
use super::trained;

/// Gates on copies of the first input, and a head.
#[derive(Module, Debug)]
pub(crate) struct Gates {
    gate: HatGate,
    head: Linear,
    #[module(skip)]
    hat: Hat,
}

impl Classifier for Gates {
    type Batch = (Tensor<2>, Tensor<1, Int>);

    fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
        let [_, units] = self.gate.embedding.val().dims();
        let inputs = inputs.clone().narrow(1, 0, 1).repeat_dim(1, units);
        self.head.forward(self.gate.forward(inputs, &self.hat))
    }
}

/// Two tasks of a network with these gates.
pub(crate) fn gated(hat: &Hat, gates: &HatGateConfig, task: usize) -> Result<()> {
    let device = Device::flex().autodiff();
    let gate = gates.init(&device)?;
    let [_, units] = gate.embedding.val().dims();
    let model = Gates {
        gate,
        head: LinearConfig::new(units, 2).init(&device),
        hat: hat.clone(),
    };
    let task = Task {
        id: task,
        classes: vec![0, 1],
        examples: task,
    };
    let model = hat.before_task(model, &task)?;
    let seen = batch(&[[1.0, 2.0], [0.5, -1.0]], &[0, 1]);
    let model = trained(hat, model, &seen)?;
    hat.show(task.id);
    let _ = (hat.steepness(task.id), hat.annealed(true), hat.kept());
    let _ = model.valid().logits(&(seen.0.inner(), seen.1.inner()));
    Ok(())
}

/// A task and a steepness as they are.
struct As(Annealed);

impl Anneal for As {
    fn annealed(&self, _training: bool) -> Annealed {
        self.0
    }
}

#[test]
fn gates() {
    let mut h = Hostile::new("continual gates");
    let device = Device::flex().autodiff();
    let small = HatGateConfig::new(2, 3);
    let layers = |name: &str| {
        vec![
            Gated::new(name).behind("gate"),
            Gated::new("head").behind(name).before(name),
        ]
    };
    for name in ["", "head", "head.weight", "gate", "none", "\u{0}."] {
        h.input(format_args!("Gated::new {name:?}"), || {
            let hat = HatConfig::new(2).with_layers(layers(name)).init()?;
            gated(&hat, &small, 0)
        });
    }
    let head = || vec![Gated::new("head").behind("gate")];
    for n in COUNTS {
        h.input(format_args!("HatConfig::init batches {n}"), || {
            gated(&HatConfig::new(n).with_layers(head()).init()?, &small, 1)
        });
        h.input(format_args!("HatConfig, task {n}"), || {
            gated(&HatConfig::new(2).with_layers(head()).init()?, &small, n)
        });
        for m in COUNTS {
            h.input(format_args!("HatGateConfig::init {n} {m}"), || {
                let hat = HatConfig::new(2).with_layers(head()).init()?;
                let config = HatGateConfig::new(n, m).with_seed(n as u64);
                gated(&hat, &config, 0)
            });
        }
    }
    for a in NUMBERS {
        for b in NUMBERS {
            h.input(format_args!("HatConfig {a} {b}"), || {
                let config = HatConfig::new(2).with_layers(head());
                gated(&config.with_s_max(a).with_sparsity(b).init()?, &small, 0)
            });
        }
        for task in COUNTS {
            h.input(format_args!("HatGate {a} {task}"), || {
                let gate = small.init(&device)?;
                let now = As(Annealed { task, steepness: a });
                Ok::<_, ContinualError>(gate.gate(&now))
            });
        }
    }
    h.finish();
}

/// Choices of a pool for some queries, none, and queries of another width.
fn chosen(pool: &PromptPool) -> Result<()> {
    let device = Device::flex().autodiff();
    let [_, query] = pool.keys.val().dims();
    for value in [1.0, 0.0, f32::NAN, f32::MAX] {
        let queries = Tensor::<2>::full([2, query], value, &device);
        pool.choose(queries)?.pull.backward();
    }
    pool.choose(Tensor::<2>::ones([0, query], &device)).ok();
    pool.choose(Tensor::<2>::ones([1, query + 1], &device)).ok();
    Ok(())
}

pub(crate) fn pooled(config: &PromptPoolConfig) -> Result<()> {
    chosen(&config.init(&Device::flex().autodiff())?)
}

pub(crate) fn dual(config: &DualPromptConfig, task: usize) -> Result<()> {
    let device = Device::flex().autodiff();
    let prompts = config.init(&device)?;
    let [_, query] = prompts.experts.keys.val().dims();
    chosen(&prompts.experts)?;
    for batch in COUNTS {
        prompts.general(batch).ok();
    }
    let queries = Tensor::<2>::ones([2, query], &device);
    prompts.choose(queries.clone())?;
    prompts
        .of_task(Tensor::<2>::ones([0, query], &device), 0)
        .ok();
    prompts.of_task(queries, task).map(drop)
}

pub(crate) fn adapted(config: &AdapterPoolConfig, task: usize) -> Result<()> {
    let device = Device::flex().autodiff();
    let pool = config.init(&device)?;
    let ([_, query], [_, width, _]) = (pool.keys.val().dims(), pool.down.val().dims());
    let outputs = Tensor::<3>::ones([1, 2, width], &device);
    let queries = Tensor::<2>::ones([2, query], &device);
    pool.forward(outputs.clone(), &[0])?.sum().backward();
    pool.forward(outputs.clone(), &[task, task]).ok();
    pool.likest(queries.clone(), task).ok();
    pool.likest(Tensor::<2>::ones([0, query], &device), 1).ok();
    pool.pull(Tensor::<2>::ones([0, query], &device), 0).ok();
    pool.forward(Tensor::<3>::ones([0, 2, width], &device), &[])
        .ok();
    pool.pull(queries, task)?;
    pool.forward(outputs, &[task]).map(drop)
}

pub(crate) fn columns(config: &ProgressiveConfig, outputs: usize) -> Result<()> {
    let device = Device::flex().autodiff();
    let network = config.init(outputs.min(3), &device)?;
    let network = network.grow(outputs)?.grow(1)?;
    let inputs = Tensor::<2>::ones([2, config.widths[0]], &device);
    network.forward(inputs.clone(), 0)?;
    // Only the last column trains.
    network.forward(inputs.clone(), 2)?.sum().backward();
    network
        .forward(Tensor::<2>::ones([2, config.widths[0] + 1], &device), 0)
        .ok();
    network.forward(inputs, outputs).map(drop)
}

#[test]
fn pools() {
    let mut h = Hostile::new("continual pools");
    for n in COUNTS {
        for m in COUNTS {
            let config = PromptPoolConfig::new(2, 3);
            h.input(format_args!("PromptPoolConfig::init {n} {m}"), || {
                pooled(&PromptPoolConfig::new(n, m).with_seed(n as u64))
            });
            h.input(format_args!("PromptPoolConfig pool {n} chosen {m}"), || {
                pooled(&config.clone().with_pool(n).with_chosen(m))
            });
            h.input(format_args!("PromptPoolConfig pool {n} length {m}"), || {
                let config = config.clone().with_pool(n).with_length(m);
                pooled(&config.with_chosen(n.min(2)))
            });
            h.input(format_args!("DualPromptConfig::init {n} {m}"), || {
                dual(&DualPromptConfig::new(n, m, 2), m)
            });
            h.input(format_args!("DualPromptConfig {n} {m}"), || {
                let config = DualPromptConfig::new(2, 3, 2).with_general(n);
                dual(&config.with_expert(m), 0)
            });
            h.input(format_args!("DualPromptConfig tasks {n}, task {m}"), || {
                dual(&DualPromptConfig::new(2, 3, n).with_seed(m as u64), m)
            });
            h.input(format_args!("AdapterPoolConfig::init {n} {m}"), || {
                adapted(&AdapterPoolConfig::new(n, m, 2), 0)
            });
            h.input(
                format_args!("AdapterPoolConfig bottleneck {n}, task {m}"),
                || adapted(&AdapterPoolConfig::new(2, 3, 2).with_bottleneck(n), m),
            );
            h.input(
                format_args!("AdapterPoolConfig tasks {n}, task {m}"),
                || adapted(&AdapterPoolConfig::new(2, 3, n).with_seed(n as u64), m),
            );
            h.input(format_args!("ProgressiveConfig::init {n} {m}"), || {
                columns(&ProgressiveConfig::new(vec![n, m]), 2)
            });
            h.input(
                format_args!("ProgressiveConfig adapter {n}, outputs {m}"),
                || columns(&ProgressiveConfig::new(vec![2, 3]).with_adapter(n), m),
            );
        }
    }
    for widths in [vec![], vec![1], vec![2, 2, 2, 0]] {
        h.input(format_args!("ProgressiveConfig {widths:?}"), || {
            columns(&ProgressiveConfig::new(widths.clone()), 2)
        });
    }
    for a in NUMBERS {
        h.input(format_args!("ProgressiveConfig alpha {a}"), || {
            columns(&ProgressiveConfig::new(vec![2, 3]).with_alpha(a), 2)
        });
    }
    h.finish();
}

pub(crate) fn headed(config: &CosineLinearConfig) -> Result<()> {
    let device = Device::flex().autodiff();
    let head = config.init(&device)?;
    for value in [0.0, 1.0, f32::NAN, f32::MAX] {
        let features = Tensor::<2>::full([2, config.d_input], value, &device);
        head.forward(features).sum().backward();
    }
    Ok(())
}

pub(crate) fn directed(config: &WeightNormLinearConfig) -> Result<()> {
    let device = Device::flex().autodiff();
    let head = config.init(&device)?;
    for value in [0.0, 1.0, f32::NAN, f32::MAX] {
        let features = Tensor::<2>::full([2, config.d_input], value, &device);
        head.forward(features).sum().backward();
    }
    Ok(())
}

#[test]
fn heads() {
    let mut h = Hostile::new("continual heads");
    for n in COUNTS {
        for m in COUNTS {
            h.input(format_args!("CosineLinearConfig::init {n} {m}"), || {
                headed(&CosineLinearConfig::new(n, m))
            });
            h.input(format_args!("WeightNormLinearConfig {n} {m}"), || {
                directed(&WeightNormLinearConfig::new(n, m))
            });
        }
    }
    for a in NUMBERS {
        h.input(format_args!("CosineLinearConfig {a}"), || {
            headed(&CosineLinearConfig::new(2, 3).with_sigma(a))
        });
    }
    h.finish();
}
