//! The priors, the stages that find them, and what each gives in fresh games.

use anyhow::{Context as _, Result};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::StandardNormal;
use regimen_curriculum::active::robust::{
    Levels, NoisyQuestions, QuestionTable, RobustPriorConfig,
};

use crate::data::zoo;
use crate::experiment::{Context, Trial};

pub(super) const ROBUST: &str = "robust";
pub(super) const UNIFORM: &str = "uniform";
pub(super) const MIN_MAX: &str = "min-max";
pub(super) const MEAN: &str = "tuned for the mean";
const RANDOM: &str = "random questions";

/// Levels of difficulty, questions of a game, and the chance of a wrong answer.
const LEVELS: usize = 4;
const QUESTIONS: usize = 14;
const FLIP: f64 = 0.1;
/// Steps towards each complexity.
const STEPS: usize = 5000;

/// The rate of the adversary, of .3, 1, 3 and 10 the best on the seeds that do not count.
pub(super) const RATE: f64 = 0.3;

/// Spread of the steps of the search for the least mean error, in logarithms of the prior.
const SPREAD: f64 = 0.3;

/// The game with what does not depend on a seed.
pub(super) struct Zoo {
    pub(super) game: NoisyQuestions,
    pub(super) complexities: Vec<f64>,
    pub(super) levels: Levels,
}

impl Zoo {
    /// Distinct animals over 15 traits and four questions about the number of legs.
    pub(super) fn new() -> Result<Self> {
        let (names, animals) = zoo()?;
        // The name of an animal is no trait.
        let mut traits = names.iter().filter(|name| name.trim() != "animal");
        let legs = traits.position(|name| name.trim() == "legs");
        let legs = legs.context("zoo.csv: no column `legs`")?;
        let mut rows: Vec<Vec<bool>> = Vec::new();
        for animal in animals {
            let each = animal.traits.iter().enumerate();
            let mut row: Vec<bool> = each
                .clone()
                .filter(|(place, _)| *place != legs)
                .map(|(_, value)| *value > 0.0)
                .collect();
            let count = animal.traits.get(legs).copied().unwrap_or(0.0);
            row.extend([0.0, 2.0, 4.0, 6.0].map(|bound| count > bound));
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        let table = QuestionTable::new(rows)?;
        let complexities = table.complexities(STEPS)?;
        Ok(Self {
            levels: Levels::quantiles(&complexities, LEVELS)?,
            game: NoisyQuestions::new(table, FLIP, QUESTIONS)?,
            complexities,
        })
    }

    pub(super) fn items(&self) -> usize {
        self.complexities.len()
    }

    /// 1 for the items of a class, 0 for the others.
    fn class(&self, bound: f64) -> Vec<f64> {
        let is_in = |complexity: &f64| f64::from(u8::from(*complexity <= bound));
        self.complexities.iter().map(is_in).collect()
    }
}

/// Games of training, and fresh ones for what the stages and the arms are worth.
pub(super) struct Games {
    pub(super) training: RobustPriorConfig,
    best: RobustPriorConfig,
    test: RobustPriorConfig,
    /// Games an item of a test.
    tests: usize,
    rounds: usize,
    seed: u64,
}

impl Games {
    pub(super) fn new(context: &Context, seed: u64) -> Self {
        let (rounds, tests) = match context {
            Context { full: true, .. } => (100, 4000),
            Context { small: true, .. } => (12, 150),
            _ => (40, 800),
        };
        let config = |part: u64| RobustPriorConfig::new().with_seed(3 * seed + part);
        Self {
            training: config(0).with_rounds(rounds).with_rate(RATE),
            best: config(1).with_games(tests),
            test: config(2).with_games(tests),
            tests,
            rounds,
            seed,
        }
    }
}

/// The class policies and the best worst error of each level, which does not fall.
pub(super) fn classes(zoo: &Zoo, games: &Games) -> Result<(Vec<Vec<f64>>, Vec<f64>)> {
    let zeros = vec![0.0; zoo.items()];
    let (mut priors, mut best) = (Vec::new(), Vec::new());
    let mut so_far = 0.0_f64;
    for (level, bound) in zoo.levels.bounds().iter().enumerate() {
        let prior = games
            .training
            .train(&zoo.game, &zoo.class(*bound), &zeros)?;
        let errors = games.best.errors(&zoo.game, &prior)?;
        // Of the policy's own class alone: of others it knows nothing.
        let own = zoo.complexities.iter().zip(&errors);
        let own = own.filter(|(complexity, _)| **complexity <= zoo.levels.bounds()[level]);
        so_far = own.map(|(_, error)| *error).fold(so_far, f64::max);
        best.push(so_far);
        priors.push(prior);
    }
    Ok((priors, best))
}

/// The offsets of the last stage, broken by a fault or not.
fn offsets(context: &Context, zoo: &Zoo, best: &[f64]) -> Result<Vec<f64>> {
    if context.is_broken_by("no-offsets") {
        return Ok(vec![0.0; zoo.items()]);
    }
    if context.is_broken_by("largest-class") {
        let last = best.last().copied().unwrap_or(0.0);
        return Ok(vec![last; zoo.items()]);
    }
    Ok(zoo.levels.offsets(&zoo.complexities, best)?)
}

/// The prior with the least mean error on the games of training, by steps from the uniform one of which those that help are kept: as many games as the others.
fn tuned_for_mean(zoo: &Zoo, games: &Games) -> Result<Vec<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(games.seed);
    let mean = |prior: &[f64]| -> Result<f64> {
        let errors = games.training.errors(&zoo.game, prior)?;
        Ok(errors.iter().sum::<f64>() / errors.len() as f64)
    };
    let mut prior = vec![1.0; zoo.items()];
    let mut least = mean(&prior)?;
    for _ in 1..games.rounds {
        let step = |chance: &f64| chance * (SPREAD * rng.sample::<f64, _>(StandardNormal)).exp();
        let next: Vec<f64> = prior.iter().map(step).collect();
        let found = mean(&next)?;
        if found < least {
            (prior, least) = (next, found);
        }
    }
    Ok(prior)
}

/// The share of wrong answers about each item with questions at random.
fn at_random(zoo: &Zoo, games: &Games) -> Result<Vec<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(games.seed);
    let uniform = vec![1.0; zoo.items()];
    let count = games.tests / 4;
    let of = |item: usize| {
        let mut wrong = 0;
        for _ in 0..count {
            let mut posterior = zoo.game.start(&uniform)?;
            for _ in 0..zoo.game.rounds() {
                let question = rng.random_range(0..zoo.game.table().questions());
                let yes = zoo.game.said(item, question, &mut rng);
                zoo.game.learn(&mut posterior, question, yes);
            }
            wrong += usize::from(zoo.game.answer(&posterior) != item);
        }
        Ok(wrong as f64 / count as f64)
    };
    (0..zoo.items()).map(of).collect()
}

/// Notes what errors give.
pub(super) fn tell(
    trial: &mut Trial,
    arm: &str,
    zoo: &Zoo,
    errors: &[f64],
    best: &[f64],
) -> Result<()> {
    let excess = zoo.levels.excess(&zoo.complexities, errors, best)?;
    trial.record(arm, "main", 100.0 * excess);
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    trial.record(arm, "mean error", 100.0 * mean);
    let worst = zoo.levels.worst(&zoo.complexities, errors)?;
    let worst: Vec<f64> = worst.into_iter().map(|worst| 100.0 * worst).collect();
    for (level, worst) in worst.iter().enumerate() {
        trial.record(arm, &format!("worst up to level {}", level + 1), *worst);
    }
    let points = worst.into_iter().enumerate();
    trial.curve(
        arm,
        points
            .map(|(level, worst)| (level as f64 + 1.0, worst))
            .collect(),
    );
    Ok(())
}

pub(super) fn run(context: &Context, seed: u64) -> Result<Trial> {
    let zoo = Zoo::new()?;
    let games = Games::new(context, seed);
    let mut trial = Trial::new(seed);
    let (own, best) = classes(&zoo, &games)?;
    let (ones, zeros) = (vec![1.0; zoo.items()], vec![0.0; zoo.items()]);
    let offsets = offsets(context, &zoo, &best)?;
    let mut priors = vec![
        (
            ROBUST.to_owned(),
            games.training.train(&zoo.game, &ones, &offsets)?,
        ),
        (
            MIN_MAX.to_owned(),
            games.training.train(&zoo.game, &ones, &zeros)?,
        ),
        (UNIFORM.to_owned(), ones.clone()),
    ];
    if !context.small {
        priors.push((MEAN.to_owned(), tuned_for_mean(&zoo, &games)?));
        let own = own.into_iter().enumerate();
        priors.extend(own.map(|(level, prior)| (format!("policy of level {}", level + 1), prior)));
        tell(&mut trial, RANDOM, &zoo, &at_random(&zoo, &games)?, &best)?;
    }
    for (arm, prior) in priors {
        let errors = games.test.errors(&zoo.game, &prior)?;
        tell(&mut trial, &arm, &zoo, &errors, &best)?;
    }
    Ok(trial)
}
