//! The arms: three numbers of tasks, and the rules on the same sequences.

use anyhow::Result;
use burn::tensor::{Device, Int, Tensor};
use regimen_curriculum::tasks::{
    ContextRule, LabelledPool, SequenceBatch, TaskFamilyConfig, TaskSequences, late, plateau,
    transformer_state,
};

use super::learn::{Predict, curve, frozen, learn, predictions, steps};
use super::settings::Settings;
use crate::data::Images;
use crate::experiment::{Context, Trial};

pub(super) const FEW: &str = "8 tasks";
pub(super) const MANY: &str = "64 tasks";
pub(super) const ENDLESS: &str = "endless tasks";
const NEIGHBOUR: &str = "1-nearest neighbour";
const MEAN: &str = "nearest mean";
const RIDGE: &str = "ridge regression";
pub(super) const SGD: &str = "online SGD";
/// Of each seed the best of the rules, by each figure alone.
pub(super) const STRONGEST: &str = "strongest rule";

pub(super) const FIRST: &str = "unseen digits, first place";
pub(super) const CLOTHING: &str = "unseen clothing, late";
pub(super) const CLOTHING_FIRST: &str = "unseen clothing, first place";
pub(super) const CHANCE: &str = "chance";
const SEEN: &str = "seen digits, late";
const SEEN_FIRST: &str = "seen digits, first place";
const PAIRS: &str = "random pairs, second time";
const LEFT: &str = "plateau, updates";
const LEFT_SEQUENCES: &str = "plateau, thousand sequences";
const STATE: &str = "numbers of state";

/// Losses that decide where a plateau ends, and the share of chance's loss below which they are.
const PLATEAU: (usize, f64) = (20, 0.9);

/// Share of the digits that is trained on.
const TRAINED: f64 = 0.6;

/// The pools: digits to train on, digits that are held out, and clothing.
pub(super) struct Pools {
    trained: LabelledPool,
    held_out: LabelledPool,
    clothing: Option<LabelledPool>,
}

impl Pools {
    pub(super) fn new(context: &Context, settings: &Settings) -> Result<Self> {
        let few = |images: Images| {
            let classes = settings.classes;
            let places = 0..images.labels.len();
            let kept: Vec<usize> = places.filter(|i| images.labels[*i] < classes).collect();
            images.select(&kept)
        };
        let inner = context.device.clone().inner();
        let pool = |images: &Images, device: &Device| -> Result<LabelledPool> {
            let batch = images.batch(device);
            Ok(LabelledPool::new(batch.images, images.labels.clone())?.standardised())
        };
        let mut sets = context.image_sets()?.into_iter().map(|set| few(set.images));
        let first = sets
            .next()
            .map(|images| images.split(&[TRAINED, 1.0 - TRAINED]));
        let parts = first.unwrap_or_default();
        Images::check_parts(&parts)?;
        let [trained, held_out] = [pool(&parts[0], &context.device)?, pool(&parts[1], &inner)?];
        let clothing = sets
            .next()
            .map(|images| pool(&images, &inner))
            .transpose()?;
        Ok(Self {
            trained,
            held_out,
            clothing,
        })
    }
}

/// The sequences of a number of tasks from each pool.
pub(super) struct Job<'a> {
    context: &'a Context,
    settings: &'a Settings,
    trained: TaskSequences,
    held_out: TaskSequences,
    clothing: Option<TaskSequences>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        context: &'a Context,
        settings: &'a Settings,
        pools: &Pools,
        (tasks, seed): (Option<u64>, u64),
    ) -> Result<Self> {
        let of = |pool: &LabelledPool| -> Result<TaskSequences> {
            let config =
                TaskFamilyConfig::new(pool.features(), settings.projected, settings.classes)
                    .with_identity(settings.identity)
                    .with_seed(seed);
            let config = match tasks {
                Some(tasks) => config.with_tasks(tasks),
                None => config,
            };
            Ok(TaskSequences::new(
                config.init()?,
                pool.clone(),
                settings.length,
            )?)
        };
        Ok(Self {
            context,
            settings,
            trained: of(&pools.trained)?,
            held_out: of(&pools.held_out)?,
            clothing: pools.clothing.as_ref().map(of).transpose()?,
        })
    }

    /// Notes what something gives on unseen tasks.
    fn tell(&self, trial: &mut Trial, arm: &str, predict: Predict<'_>) -> Result<()> {
        let (numbers, at_once) = steps(self.settings.tests);
        let unseen = |of: &TaskSequences| {
            let batches = numbers.clone().map(|step| of.unseen(step, at_once));
            curve(batches, predict)
        };
        let digits = unseen(&self.held_out)?;
        trial.record(arm, "main", late(&digits, self.settings.late)?);
        trial.record(arm, FIRST, digits[0]);
        let points = digits.iter().enumerate();
        let points = points.map(|(place, right)| (place as f64 + 1.0, *right));
        trial.curve(arm, points.collect());
        if let Some(clothing) = &self.clothing {
            let found = unseen(clothing)?;
            trial.record(arm, CLOTHING, late(&found, self.settings.late)?);
            trial.record(arm, CLOTHING_FIRST, found[0]);
        }
        Ok(())
    }

    /// Trains a model and notes what it gives; true if it left the plateau.
    pub(super) fn train(&self, trial: &mut Trial, arm: &str) -> Result<()> {
        let settings = self.settings;
        let learned = learn(self.context, settings, &self.trained)?;
        let (window, share) = PLATEAU;
        let left = plateau(&learned.losses, settings.classes, window, share)?;
        let left = left.unwrap_or(settings.updates) as f64;
        trial.record(arm, LEFT, left);
        trial.record(arm, LEFT_SEQUENCES, left * settings.batch as f64 / 1e3);
        let model = frozen(learned.model);
        let predict = |batch: &SequenceBatch| Ok(predictions(self.context, &model, batch));
        self.tell(trial, arm, &predict)?;
        let (numbers, at_once) = steps(settings.tests);
        let seen = numbers
            .clone()
            .map(|step| self.held_out.seen(step, at_once));
        let seen = curve(seen, &predict)?;
        trial.record(arm, SEEN, late(&seen, settings.late)?);
        trial.record(arm, SEEN_FIRST, seen[0]);
        let pairs = numbers.map(|step| self.held_out.random_pairs(step, at_once));
        let pairs = curve(pairs, &predict)?;
        trial.record(arm, PAIRS, late(&pairs, pairs.len() / 2)?);
        trial.record(arm, CHANCE, 100.0 / settings.classes as f64);
        let state = transformer_state(settings.width, settings.layers, settings.length);
        trial.record(arm, STATE, state as f64);
        Ok(())
    }

    /// Notes what a rule gives.
    pub(super) fn rule(&self, trial: &mut Trial, arm: &str, rule: ContextRule) -> Result<()> {
        let predict =
            |batch: &SequenceBatch| -> Result<Tensor<2, Int>> { Ok(rule.predict(batch)?) };
        self.tell(trial, arm, &predict)
    }
}

pub(super) fn run(context: &Context, seed: u64) -> Result<Trial> {
    let settings = Settings::of(context);
    let pools = Pools::new(context, &settings)?;
    let mut trial = Trial::new(seed);
    for (arm, tasks) in [(ENDLESS, None), (FEW, Some(8)), (MANY, Some(64))] {
        if context.small && tasks.is_some() {
            break;
        }
        context.device.seed(seed);
        let job = Job::new(context, &settings, &pools, (tasks, seed))?;
        job.train(&mut trial, arm)?;
    }
    let job = Job::new(context, &settings, &pools, (None, seed))?;
    let rules = [
        (NEIGHBOUR, ContextRule::NearestNeighbour),
        (MEAN, ContextRule::NearestMean),
        (
            RIDGE,
            ContextRule::Ridge {
                penalty: settings.ridge,
            },
        ),
        (SGD, ContextRule::OnlineSgd { rate: settings.sgd }),
    ];
    for (arm, rule) in rules {
        job.rule(&mut trial, arm, rule)?;
    }
    for metric in ["main", CLOTHING] {
        let found = rules.map(|(arm, _)| trial.value(arm, metric));
        let best = found.into_iter().fold(f64::NEG_INFINITY, f64::max);
        if best.is_finite() {
            trial.record(STRONGEST, metric, best);
        }
    }
    Ok(trial)
}
