//! One arm on one set of images: task after task, tested on all classes after each.

use anyhow::{Context as _, Result, bail};
use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Int, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_continual::scenario::Planned;
use regimen_continual::{Accumulation, Examples, GroupMask, Strategy};
use regimen_tensor::ParamVector;

use super::arms::{Arm, BLOCKED, RARE, Setting};
use super::beside::Beside;
use super::net::{ConvNet, Headed};
use super::sequence::{returns, tasks};
use crate::continual::bed::{Batch, Naive, Net, whole};
use crate::data::Images;
use crate::experiment::Context;

/// Units of the hidden layers.
const HIDDEN: [usize; 2] = [100, 100];
/// Tasks that an arm is compared by.
const LAST: usize = 50;
/// Tasks at the start after each of which the model is tested.
const EARLY: usize = 100;
/// Between these and the last ones, one in so many.
const EVERY: usize = 5;
/// Images of a set at the small size.
const SMALL: usize = 300;

/// A set of images, three quarters to train and one to test.
pub(super) struct Bed<'a> {
    context: &'a Context,
    train: Images,
    test: Images,
    seed: u64,
}

/// What an arm gave.
pub(super) struct Found {
    accumulated: Accumulation,
    /// The tasks after which it was tested, from 1.
    after: Vec<usize>,
    tasks: usize,
    /// How often each class was trained, over the tasks.
    frequencies: Vec<f64>,
    /// The smallest share of the test images that an accuracy is of.
    pub(super) tested: f64,
    /// Times that the weights were not those with which the last task ended.
    pub(super) moved: usize,
    /// How often a class comes back.
    pub(super) returns: f64,
    /// Images trained, and updates.
    images: usize,
    updates: usize,
}

impl<'a> Bed<'a> {
    /// Three quarters to train, standardised by them.
    ///
    /// # Errors
    /// If there are too few images.
    pub(super) fn new(context: &'a Context, images: Images, seed: u64) -> Result<Self> {
        let images = if context.small {
            images.at_most(SMALL)
        } else {
            images
        };
        let mut parts = images.split_standardised(&[0.75, 0.25]);
        Images::check_parts(&parts)?;
        let (test, train) = (parts.remove(1), parts.remove(0));
        Ok(Self {
            context,
            train,
            test,
            seed,
        })
    }

    /// One arm with a rate and momentum.
    ///
    /// # Errors
    /// Those of the sequence and of the strategy.
    pub(super) fn run(&self, arm: &Arm, setting: Setting) -> Result<Found> {
        let device = &self.context.device;
        device.seed(self.seed);
        let classes = self.train.classes;
        if self.context.full {
            let net = ConvNet::new(self.train.width, classes, device);
            return self.by_mask(arm, setting, net);
        }
        let net = Net::new(self.train.pixels_per_image(), &HIDDEN, classes, device);
        self.by_mask(arm, setting, net)
    }

    fn by_mask<M: Headed>(&self, arm: &Arm, setting: Setting, net: M) -> Result<Found> {
        match arm.masked {
            true => self.learn(arm, setting, &GroupMask::default(), net),
            false => self.learn(arm, setting, &Naive::default(), net),
        }
    }

    fn learn<M: Headed, S: Strategy<M>>(
        &self,
        arm: &Arm,
        setting: Setting,
        strategy: &S,
        mut model: M,
    ) -> Result<Found> {
        let Self { context, seed, .. } = *self;
        let (labels, count) = (&self.train.labels, arm.tasks(context));
        let broken = arm.is_default() && context.is_broken_by("no-recurrence");
        let order = if broken { &BLOCKED } else { arm };
        let sequence = tasks(order, labels, count, seed)?;
        let mut beside = Beside::new(arm.replay, seed)?;
        let train = whole(&self.train, &context.device);
        let test = whole(&self.test, &context.device.clone().inner());
        let mut found = Found::new(&sequence, self.train.classes)?;
        // Its state stays from task to task.
        let mut optim = optimizer(arm, setting.momentum);
        let (epochs, size) = arm.epochs();
        let mut ended = None;
        for (number, task) in sequence.iter().enumerate() {
            if number > 0 && context.is_broken_by("new-head") {
                model = model.with_new_head(&context.device);
            }
            found.moved += usize::from(ended.take().is_some_and(|ended| ended != digest(&model)));
            let mut places = task.examples.clone();
            if let Some(beside) = &mut beside {
                places.extend(beside.task(&task.task.classes, &task.examples, labels));
            }
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(number as u64);
            for _ in 0..epochs {
                places.shuffle(&mut rng);
                for places in places.chunks(size) {
                    let batch = train.rows(places);
                    let loss = strategy.loss(&model, &batch)?;
                    let grads = GradientsParams::from_grads(loss.backward(), &model);
                    model = strategy.optimize(model, &mut optim, setting.rate, grads);
                    found.images += places.len();
                    found.updates += 1;
                }
            }
            if let Err(error) = strategy.status() {
                bail!("{}, task {number}: a step failed: {error}", arm.name);
            }
            if is_tested(number + 1, count) {
                ended = Some(digest(&model));
                found.after.push(number + 1);
                self.test(&mut found, &model, strategy, &test, task)?;
            }
        }
        Ok(found)
    }

    fn test<M: Headed, S: Strategy<M>>(
        &self,
        found: &mut Found,
        model: &M,
        strategy: &S,
        test: &Batch,
        task: &Planned,
    ) -> Result<()> {
        let labels = &self.test.labels;
        let scores = strategy.logits(&model.valid(), test)?;
        let best: Tensor<1, Int> = scores.argmax(1).reshape([-1]);
        let mut best: Vec<usize> = {
            let best: Vec<i64> = best.try_into_vec_as()?;
            best.into_iter().map(|class| class as usize).collect()
        };
        let mut tested = labels.len();
        if self.context.is_broken_by("current-classes-only") {
            let is_current = |image: &usize| task.task.classes.contains(&labels[*image]);
            let current: Vec<usize> = (0..labels.len()).filter(is_current).collect();
            tested = current.len();
            // All others are taken to be right where those are.
            let right: Vec<bool> = current
                .iter()
                .map(|image| best[*image] == labels[*image])
                .collect();
            for (image, best) in best.iter_mut().enumerate() {
                if !is_current(&image) {
                    *best = if right[image % tested] {
                        labels[image]
                    } else {
                        usize::MAX
                    };
                }
            }
        }
        found.accumulated.record(labels, &best)?;
        found.tested = found.tested.min(tested as f64 / labels.len() as f64);
        Ok(())
    }
}

impl Found {
    fn new(sequence: &[Planned], classes: usize) -> Result<Self> {
        let times = |class: usize| {
            let with = sequence
                .iter()
                .filter(|task| task.task.classes.contains(&class));
            with.count() as f64 / sequence.len() as f64
        };
        Ok(Self {
            accumulated: Accumulation::new(classes)?,
            after: Vec::new(),
            tasks: sequence.len(),
            frequencies: (0..classes).map(times).collect(),
            tested: 1.0,
            moved: 0,
            returns: returns(sequence, classes),
            images: 0,
            updates: 0,
        })
    }

    /// What an arm is compared by, in percent: the last 50 tasks, of few long tasks all but the first fifth.
    pub(super) fn compared(&self, arm: &Arm) -> Result<f64> {
        let tasks = self.tasks;
        match arm.long {
            true => self.segment(tasks / 5 + 1, tasks),
            false => self.segment(tasks - last(tasks) + 1, tasks),
        }
    }

    /// Over the tasks of a segment after which it was tested.
    fn segment(&self, first: usize, last: usize) -> Result<f64> {
        let place = |task| self.after.partition_point(|after| *after <= task);
        let mean = self.accumulated.segment(place(first - 1) + 1, place(last));
        Ok(100.0 * mean.context("too few tasks for a segment")?)
    }

    /// All figures, by metric.
    ///
    /// # Errors
    /// If there are too few tasks.
    pub(super) fn metrics(&self, arm: &Arm) -> Result<Vec<(&'static str, f64)>> {
        let tasks = self.tasks;
        let mut metrics = vec![
            ("main", self.compared(arm)?),
            ("images", self.images as f64 / 1e3),
            ("updates", self.updates as f64),
        ];
        if arm.long {
            metrics.push(("end", self.segment(tasks, tasks)?));
            return Ok(metrics);
        }
        // 1 to 5, 6 to 25, 26 to 100, of fewer tasks in proportion to 500.
        let ends = [
            0,
            (tasks / 100).min(5),
            (tasks / 20).min(25),
            (tasks / 5).min(EARLY),
        ];
        let names = ["first", "early", "middle"];
        for (name, ends) in names.into_iter().zip(ends.windows(2)) {
            metrics.push((name, self.segment(ends[0] + 1, ends[1].max(ends[0] + 1))?));
        }
        if tasks >= 1000 {
            metrics.push(("half", self.segment(tasks / 2 - LAST + 1, tasks / 2)?));
        }
        if arm.lambda == RARE.lambda {
            let by = self
                .accumulated
                .by_frequency(&self.frequencies, last(tasks))?;
            metrics.push(("correlation", by));
        }
        Ok(metrics)
    }

    /// The accuracy on all classes in percent, the mean over each fiftieth of the tasks; the last 50 tasks are the last point.
    pub(super) fn curve(&self) -> Result<Vec<(f64, f64)>> {
        let width = (self.tasks / 50).max(1);
        let before = self.tasks - last(self.tasks);
        let ends = (width..before).step_by(width).chain([before]);
        let mut points = Vec::new();
        let mut first = 1;
        for end in ends.chain([self.tasks]) {
            points.push((end as f64, self.segment(first, end)?));
            first = end + 1;
        }
        Ok(points)
    }
}

/// The last tasks, a tenth of few ones.
fn last(tasks: usize) -> usize {
    LAST.min(tasks / 10).max(1)
}

/// Whether the model is tested after this of so many tasks.
fn is_tested(task: usize, tasks: usize) -> bool {
    task <= EARLY || task > tasks - last(tasks) || task.is_multiple_of(EVERY)
}

/// SGD, or Adam; gradients of a larger norm than 10 are clipped, each parameter's by itself, as Burn does.
fn optimizer(arm: &Arm, momentum: f64) -> ModuleOptimizer {
    let clipping = Some(GradientClippingConfig::Norm(10.0));
    if arm.adam {
        return AdamConfig::new().with_grad_clipping(clipping).init();
    }
    let momentum = (momentum > 0.0).then(|| {
        MomentumConfig::new()
            .with_momentum(momentum)
            .with_dampening(0.0)
    });
    SgdConfig::new()
        .with_momentum(momentum)
        .with_gradient_clipping(clipping)
        .init()
}

/// A number that tells the weights of one model from those of another (FNV-1a); none where the device fails.
fn digest<M: Module>(model: &M) -> Option<u64> {
    let weights = ParamVector::of(model).to_host().ok()?;
    let mix = |hash: u64, value: &f32| {
        (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0000_0100_0000_01b3)
    };
    Some(weights.iter().flatten().fold(0xcbf2_9ce4_8422_2325, mix))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// As if the accuracy after a task were its number in thousandths.
    fn found(tasks: usize) -> Found {
        let mut found = Found {
            accumulated: Accumulation::new(1).unwrap(),
            after: (1..=tasks).filter(|task| is_tested(*task, tasks)).collect(),
            tasks,
            frequencies: vec![1.0],
            tested: 1.0,
            moved: 0,
            returns: 0.0,
            images: 0,
            updates: 0,
        };
        for task in found.after.clone() {
            let best: Vec<usize> = (0..1000).map(|image| usize::from(image >= task)).collect();
            found.accumulated.record(&[0; 1000], &best).unwrap();
        }
        found
    }

    #[test]
    fn segments_are_means_over_the_tests_within() {
        let found = found(1000);
        assert_eq!(found.after.len(), 100 + 170 + 50);
        let near = |mean: f64, expected: f64| assert!((mean - expected).abs() < 1e-9, "{mean}");
        near(found.segment(1, 5).unwrap(), 0.3);
        near(found.segment(26, 100).unwrap(), 6.3);
        // After 455, 460, .., 500.
        near(found.segment(451, 500).unwrap(), 47.75);
        near(found.segment(951, 1000).unwrap(), 97.55);
        assert!(found.segment(101, 104).is_err());
    }

    #[test]
    fn a_curve_ends_with_the_last_tasks() {
        for tasks in [5, 20, 25, 500, 1000] {
            let curve = found(tasks).curve().unwrap();
            let [(before, _), (end, mean)] = curve[curve.len() - 2..] else {
                unreachable!()
            };
            assert_eq!((before, end), ((tasks - last(tasks)) as f64, tasks as f64));
            let expected = 0.1 * (tasks as f64 - (last(tasks) - 1) as f64 / 2.0);
            assert!((mean - expected).abs() < 1e-9, "{mean}");
        }
    }
}
