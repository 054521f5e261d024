//! One arm: in which order a perceptron sees its examples.

use anyhow::Result;
use burn::tensor::Device;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::ability::irt::{AbilityEstimate, ItemParameters, ability};
use regimen_curriculum::{AbilityPacedConfig, EasyFirst, Pacing, Sampler};

use super::super::bed::{BATCH, Learner, Rows};
use super::bench::{Bench, Draw, generator};
use super::choices::{DDS, EPOCHS, SMALL_EPOCHS, rate};
use crate::experiment::Context;

/// The accuracy whose first epoch is noted, in percent.
const REACHED: f64 = 93.0;

/// What the arms share on one set with one share of wrong labels.
pub(super) struct Job<'a> {
    pub(super) context: &'a Context,
    pub(super) seed: u64,
    pub(super) bench: &'a Bench,
    pub(super) rows: Rows,
    pub(super) held_out: Rows,
    pub(super) test: Rows,
    pub(super) labels: Vec<usize>,
    /// Which labels are wrong.
    pub(super) wrong: Vec<bool>,
    pub(super) items: Vec<ItemParameters>,
}

/// What an arm gave.
#[derive(Clone, Default)]
pub(super) struct Done {
    /// Test accuracy at the end.
    pub(super) accuracy: f64,
    /// The best after an epoch.
    pub(super) best: f64,
    pub(super) visits: usize,
    /// Visits at the end of the first epoch after which the accuracy is 93 %.
    pub(super) reached: Option<usize>,
    /// Examples of each epoch.
    pub(super) sizes: Vec<usize>,
    /// The share of wrong labels in the last epoch, in percent.
    pub(super) wrong: f64,
    /// What it had given where the mark was passed.
    pub(super) marked: Option<Box<Done>>,
}

/// The order of a rival.
pub(super) enum Order<'a> {
    /// All images that are trained on, for the full number of epochs.
    All,
    /// All that the method had: those that measure the ability and those of the crowd too.
    Everything,
    /// As many as the method has in each epoch, at random.
    Random(&'a [usize]),
    /// The same easiest ones in every epoch.
    Static(usize),
    /// A share of the easiest that grows over so many epochs.
    Root(usize),
    /// As many as the method has in each epoch, those of the lowest losses at its start.
    Lowest(&'a [usize]),
}

impl Job<'_> {
    fn device(&self) -> &Device {
        &self.context.device
    }

    fn epochs(&self) -> usize {
        if self.context.small {
            SMALL_EPOCHS
        } else {
            EPOCHS
        }
    }

    fn learner(&self, rate: f64) -> Learner {
        let sizes = vec![self.rows.width(), 64, self.bench.images.classes];
        Learner::new(sizes, rate, self.seed, self.device())
    }

    /// The method: before each epoch the ability is estimated, and the examples up to it are trained on.
    pub(super) fn dds(&self, rate: f64) -> Result<Done> {
        let (own, held) = self.items.split_at(self.bench.pool);
        let difficulties: Vec<f64> = own.iter().map(|item| item.difficulty).collect();
        let config = AbilityPacedConfig::new().with_seed(self.seed);
        let mut sampler = config.init(&difficulties)?;
        let labels = &self.labels[self.bench.pool..self.bench.items];
        let plan = |learner: &Learner, _: usize| {
            let classes = learner.classes(&self.held_out)?;
            let both = classes.iter().zip(labels);
            let right: Vec<bool> = both.map(|(class, label)| class == label).collect();
            let theta = if self.context.is_broken_by("wrong-answers-as-zero") {
                let kept = held.iter().zip(&right).filter(|(_, right)| **right);
                let kept: Vec<ItemParameters> = kept.map(|(item, _)| *item).collect();
                ability(&kept, &vec![true; kept.len()], AbilityEstimate::default())?
            } else {
                ability(held, &right, AbilityEstimate::default())?
            };
            sampler.report(theta)?;
            Ok(sampler.plan().ids)
        };
        self.train(rate, plan, usize::MAX, usize::MAX)
    }

    /// A rival with this budget of visits; of [`Order::All`] it is where the accuracy is marked.
    pub(super) fn rival(&self, order: &Order, budget: usize, rate: f64) -> Result<Done> {
        let mut rng = generator(self.seed, Draw::Order);
        let pool: Vec<usize> = (0..self.bench.pool).collect();
        let difficulties: Vec<f64> = self.items[..self.bench.pool]
            .iter()
            .map(|item| item.difficulty)
            .collect();
        let mut easiest = pool.clone();
        easiest.sort_by(|a, b| difficulties[*a].total_cmp(&difficulties[*b]));
        let pacing = Pacing::Root {
            start: 0.01,
            epochs: if let Order::Root(epochs) = order {
                *epochs
            } else {
                1
            },
        };
        let mut rising = EasyFirst::new(&difficulties, pacing, self.seed)?;
        let size = |sizes: &[usize], epoch: usize| {
            let last = sizes.last().copied().unwrap_or(0);
            sizes.get(epoch).copied().unwrap_or(last)
        };
        let shuffled = |mut ids: Vec<usize>, rng: &mut ChaCha8Rng| {
            ids.shuffle(rng);
            ids
        };
        let plan = |learner: &Learner, epoch: usize| {
            Ok(match order {
                Order::All => shuffled(pool.clone(), &mut rng),
                Order::Everything => shuffled((0..self.bench.all).collect(), &mut rng),
                Order::Random(sizes) => {
                    let mut ids = shuffled(pool.clone(), &mut rng);
                    ids.truncate(size(sizes, epoch));
                    ids
                }
                Order::Static(size) => shuffled(easiest[..*size].to_vec(), &mut rng),
                Order::Root(_) => rising.plan().ids,
                Order::Lowest(sizes) => {
                    let losses = learner.losses(&self.rows)?;
                    let mut ids = pool.clone();
                    ids.sort_by(|a, b| losses[*a].total_cmp(&losses[*b]));
                    ids.truncate(size(sizes, epoch));
                    shuffled(ids, &mut rng)
                }
            })
        };
        match order {
            Order::All => self.train(rate, plan, usize::MAX, budget),
            _ => self.train(rate, plan, budget, budget),
        }
    }

    /// Trains until the budget of visits is spent, or, without one, for all epochs.
    fn train(
        &self,
        rate: f64,
        mut plan: impl FnMut(&Learner, usize) -> Result<Vec<usize>>,
        budget: usize,
        mark: usize,
    ) -> Result<Done> {
        let mut learner = self.learner(rate);
        let mut done = Done::default();
        let is_over = |done: &Done| {
            done.visits >= budget || (budget == usize::MAX && done.sizes.len() >= self.epochs())
        };
        while !is_over(&done) {
            let mut ids = plan(&learner, done.sizes.len())?;
            ids.truncate(budget - done.visits);
            for ids in ids.chunks(BATCH) {
                learner.step(&self.rows, ids);
                let before = done.visits;
                done.visits += ids.len();
                if before < mark && done.visits >= mark {
                    let mut marked = done.clone();
                    marked.accuracy = learner.accuracy(&self.test);
                    marked.best = marked.best.max(marked.accuracy);
                    if marked.accuracy >= REACHED {
                        marked.reached = marked.reached.or(Some(marked.visits));
                    }
                    done.marked = Some(Box::new(marked));
                }
            }
            done.sizes.push(ids.len());
            let wrong = ids.iter().filter(|id| self.wrong[**id]).count();
            done.wrong = 100.0 * wrong as f64 / ids.len().max(1) as f64;
            done.accuracy = learner.accuracy(&self.test);
            done.best = done.best.max(done.accuracy);
            if done.accuracy >= REACHED {
                done.reached = done.reached.or(Some(done.visits));
            }
        }
        Ok(done)
    }

    /// The method at its rate.
    pub(super) fn method(&self) -> Result<Done> {
        self.dds(rate(DDS))
    }
}
