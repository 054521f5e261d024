//! Finding A: the same images with fresh random labels again and again, memorised by one network.

use anyhow::Result;
use burn::module::Module;
use burn::tensor::Tensor;
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_continual::plasticity::{Draw, Which, probe, reset, shrink_perturb};
use regimen_continual::{
    ContinualBackpropConfig, L2InitConfig, ReDo, ReDoConfig, ShrinkPerturbConfig, Strategy,
};

use super::arms::{Keep, Way};
use super::bed::{BATCH, Bed, optimizer, update};
use super::faults::MOST_ACTIVE;
use super::net::Net;
use crate::continual::bed::{Naive, right};
use crate::experiment::Context;

/// Images that are memorised, tasks, and updates of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) images: usize,
    pub(super) tasks: usize,
    pub(super) updates: usize,
}

impl Size {
    pub(super) fn of(context: &Context) -> Self {
        let (images, tasks, updates) = match (context.small, context.full) {
            (true, _) => (100, 2, 250),
            (_, true) => (400, 40, 400),
            _ => (200, 20, 200),
        };
        Self {
            images,
            tasks,
            updates,
        }
    }

    /// Tasks at the end over which the main figure is the mean, and those at the start.
    fn ends(&self) -> (usize, usize) {
        (5.min(self.tasks / 2), 3.min(self.tasks / 2))
    }
}

/// What an arm gave.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// After each task, the share of its images that are memorised, in percent.
    pub(super) memorised: Vec<f64>,
    /// Shares of active and of dormant units after the last task, in percent.
    pub(super) active: f64,
    pub(super) dormant: f64,
    pub(super) weights: f64,
    /// Units made anew, and the highest score of one over `tau`.
    pub(super) recycled: f64,
    pub(super) highest: f64,
}

impl Found {
    /// Means over the first and the last tasks.
    pub(super) fn ends(&self, size: &Size) -> (f64, f64) {
        let (last, first) = size.ends();
        let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len().max(1) as f64;
        (
            mean(&self.memorised[..first]),
            mean(&self.memorised[self.memorised.len() - last..]),
        )
    }
}

/// A strategy, and a second handle on it with `tau`, where it makes dormant units anew.
type Made = (Box<dyn Strategy<Net>>, Option<(ReDo, f64)>);

fn strategy(way: &Way, net: &Net, broken: bool, seed: u64) -> Result<Made> {
    Ok(match way.keep {
        Keep::L2Init(lambda) => (Box::new(L2InitConfig::new(lambda).init(net)?), None),
        Keep::ShrinkPerturb(every, shrink, perturb) => {
            let config = ShrinkPerturbConfig::new(every).with_shrink(shrink);
            let config = config.with_perturb(perturb).with_seed(seed);
            (Box::new(config.init()?), None)
        }
        Keep::ReDo(tau, every) | Keep::Random(tau, every) => {
            let which = match way.keep {
                Keep::Random(..) => Which::Random,
                _ if broken => Which::MostActive,
                _ => Which::Dormant,
            };
            let config = ReDoConfig::new(Net::units())
                .with_tau(tau)
                .with_every(every);
            let redo = config.with_which(which).with_seed(seed).init(net)?;
            (Box::new(redo.clone()), Some((redo, tau)))
        }
        Keep::ContinualBackprop(rho) => {
            let config = ContinualBackpropConfig::new(Net::units()).with_rho(rho);
            (Box::new(config.with_seed(seed).init(net)?), None)
        }
        _ => (Box::new(Naive::default()), None),
    })
}

/// One arm.
///
/// # Errors
/// Those of its method.
pub(super) fn memorise(bed: &Bed<'_>, way: &Way) -> Result<Found> {
    let (seed, size) = (bed.seed, Size::of(bed.context));
    let images = size.images.min(bed.train.labels.len());
    let places: Vec<usize> = (0..images).collect();
    let mut model = bed.net(way.keep.between());
    let broken = bed.context.is_broken_by(MOST_ACTIVE);
    let (method, redo) = strategy(way, &model, broken, seed)?;
    let decay = match way.keep {
        Keep::L2(decay) => decay,
        _ => 0.0,
    };
    let mut optim = optimizer(decay);
    let (mut found, mut checks) = (Found::default(), 0);
    for task in 0..size.tasks {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(task as u64);
        let classes = bed.train.classes;
        let labels: Vec<usize> = (0..images).map(|_| rng.random_range(0..classes)).collect();
        if task > 0 {
            let stream = seed.wrapping_mul(1000) + task as u64;
            (model, optim) = at_task(way, model, optim, stream)?;
        }
        for _ in 0..size.updates {
            let drawn: Vec<usize> = (0..BATCH).map(|_| rng.random_range(0..images)).collect();
            let of: Vec<usize> = drawn.iter().map(|place| labels[*place]).collect();
            let batch = bed.batch(&drawn, &of);
            model = update(&*method, model, &mut optim, way.rate, &batch)?;
            if let Some((redo, tau)) = redo.as_ref().filter(|(redo, _)| redo.checks() > checks) {
                checks = redo.checks();
                let scores = redo.last().into_iter().flat_map(|one| one.scores);
                let highest = scores.fold(0.0, f32::max);
                found.highest = found.highest.max(f64::from(highest) / tau);
            }
        }
        let (inputs, targets) = bed.batch(&places, &labels);
        let logits: Tensor<2> = model.valid().outputs(inputs.inner());
        found.memorised.push(right(logits, &targets));
    }
    let measured = probe(&model, &bed.batch(&places, &vec![0; images]), 0.025)?;
    (found.active, found.dormant) = (100.0 * measured.active, 100.0 * measured.dormant);
    found.weights = measured.weight_norm;
    found.recycled = redo.map_or(0.0, |(redo, _)| redo.recycled() as f64);
    Ok(found)
}

/// What the arms do that are told where a task begins.
fn at_task(
    way: &Way,
    model: Net,
    mut optim: burn::optim::ModuleOptimizer,
    seed: u64,
) -> Result<(Net, burn::optim::ModuleOptimizer)> {
    let part = match way.keep {
        Keep::HeadAtTasks => "head",
        Keep::AllAtTasks => "",
        Keep::ShrinkPerturbAtTasks => {
            let model = shrink_perturb(model, 0.5, 0.5, Draw::default(), seed)?;
            return Ok((model, optim));
        }
        _ => return Ok((model, optim)),
    };
    let (model, renewed) = reset(model, &[part.to_owned()], Draw::default(), seed)?;
    renewed.clear(&mut optim)?;
    Ok((model, optim))
}
