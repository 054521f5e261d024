//! Meta-training of one arm: a search over lifetimes, and the test of what it found.

use anyhow::Result;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::RlRewardsError;
use regimen_rl_rewards::recipes::learned::{Horizons, Lifetimes, OpenEsConfig};

use super::family::{Agent, Family};
use super::rule::{Form, Moment, Now};

/// Updates between the random point of life and the return that a truncated fitness is.
pub(super) const TRUNCATED: usize = 5;

/// What a candidate's life is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fitness {
    /// The final agent's return.
    Final,
    /// The return a few updates after a random point of life, up to which the mean of the search has trained the agent.
    Truncated,
    /// The mean return over life.
    OverLife,
}

/// How a rule is searched for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    pub(super) form: Form,
    pub(super) fitness: Fitness,
    pub(super) pairs: usize,
    pub(super) generations: usize,
    pub(super) rate: f64,
    /// One life instead of all.
    pub(super) only: Option<usize>,
    /// Whether the rule that is found is told the life of another candidate.
    pub(super) swapped: bool,
}

/// What a search found, and what it cost.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) form: Form,
    pub(super) numbers: Vec<f64>,
    pub(super) swapped: bool,
    /// Updates of agents in all lives together.
    pub(super) updates: usize,
    /// Returns of agents before the end of their lives that fitness was made of.
    pub(super) early: usize,
}

/// What the members of a pair share.
struct Level<A> {
    agent: A,
    horizon: usize,
    /// Updates that are done.
    done: usize,
}

struct Meta<'a, F: Family> {
    family: &'a F,
    search: Search,
    horizons: Horizons,
    /// The mean of the search before the generation.
    mean: Vec<f64>,
    updates: std::cell::Cell<usize>,
    early: std::cell::Cell<usize>,
}

/// The moment that a rule is told, of a life of the horizon that it is told: its own, or that of another candidate at the same time.
fn moment(done: usize, told: usize, longest: usize) -> Moment {
    Moment {
        done: done.min(told),
        horizon: told,
        longest,
    }
}

impl<F: Family> Meta<'_, F> {
    /// Counts a return that fitness is made of, if it is one before the end of life.
    fn note(&self, is_early: bool) {
        self.early.set(self.early.get() + usize::from(is_early));
    }

    fn live(
        &self,
        agent: &mut F::Agent,
        numbers: &[f64],
        level: &Level<F::Agent>,
        to: usize,
    ) -> f64 {
        let longest = self.horizons.bounds().1;
        let mut sum = 0.0;
        for done in level.done..to {
            let moment = moment(done, level.horizon, longest);
            agent.update(&Now::new(self.search.form, numbers, moment));
            if self.search.fitness == Fitness::OverLife {
                sum += agent.worth();
                self.note(done + 1 < level.horizon);
            }
        }
        self.updates.set(self.updates.get() + to - level.done);
        sum / (to - level.done).max(1) as f64
    }
}

impl<F: Family> Lifetimes for Meta<'_, F> {
    type Level = Level<F::Agent>;
    type Error = RlRewardsError;

    fn level(&self, seed: u64) -> Result<Level<F::Agent>, RlRewardsError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (share, point): (f64, f64) = (rng.random(), rng.random());
        let mut level = Level {
            agent: self.family.agent(rng.random()),
            horizon: self.search.only.unwrap_or(self.horizons.at(share)),
            done: 0,
        };
        if self.search.fitness == Fitness::Truncated {
            let last = level.horizon.saturating_sub(TRUNCATED);
            let to = (point * (last + 1) as f64) as usize;
            let mut agent = level.agent.clone();
            agent.start(rng.random());
            self.live(&mut agent, &self.mean, &level, to);
            (level.agent, level.done) = (agent, to);
        }
        Ok(level)
    }

    fn fitness(
        &self,
        numbers: &[f64],
        level: &Level<F::Agent>,
        seed: u64,
    ) -> Result<f64, RlRewardsError> {
        let mut agent = level.agent.clone();
        agent.start(seed);
        let to = match self.search.fitness {
            Fitness::Truncated => (level.done + TRUNCATED).min(level.horizon),
            _ => level.horizon,
        };
        let over_life = self.live(&mut agent, numbers, level, to);
        Ok(match self.search.fitness {
            Fitness::OverLife => over_life,
            _ => {
                self.note(to < level.horizon);
                agent.worth()
            }
        })
    }
}

/// Searches.
pub(super) fn search<F: Family>(family: &F, search: Search, seed: u64) -> Result<Found> {
    let (least, most) = family.horizons();
    let mut meta = Meta {
        family,
        search,
        horizons: Horizons::new(least, most)?,
        mean: search.form.start(seed),
        updates: std::cell::Cell::new(0),
        early: std::cell::Cell::new(0),
    };
    let config = OpenEsConfig::new()
        .with_pairs(search.pairs)
        .with_rate(search.rate);
    let mut found = config.init(meta.mean.clone(), seed)?;
    for _ in 0..search.generations {
        found.generate(&meta)?;
        meta.mean = found.mean().to_vec();
    }
    Ok(Found {
        form: search.form,
        numbers: meta.mean,
        swapped: search.swapped,
        updates: meta.updates.get(),
        early: meta.early.get(),
    })
}

/// What a test found over some tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct Tested {
    /// The return of the final agents over the most possible, %.
    pub(super) share: f64,
    /// The mean return of the final agents.
    pub(super) reward: f64,
    /// The policy's entropy over its maximum, a value an update, the mean over the tasks, %.
    pub(super) entropy: Vec<f64>,
}

impl Tested {
    /// The mean entropy in the first quarter of life less that in the last.
    pub(super) fn drop(&self) -> f64 {
        let quarter = (self.entropy.len() / 4).max(1);
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (
            &self.entropy[..quarter],
            &self.entropy[self.entropy.len() - quarter..],
        );
        mean(first) - mean(last)
    }
}

/// Trains fresh agents by a rule over a life of so many updates, on tasks and random streams that all rules share.
pub(super) fn test<F: Family>(
    family: &F,
    found: &Found,
    horizon: usize,
    tasks: usize,
    seed: u64,
) -> Tested {
    let (least, longest) = family.horizons();
    let mut tested = Tested {
        entropy: vec![0.0; horizon],
        ..Tested::default()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (horizon as u64) << 32 ^ 0x7465_7374);
    let horizons = Horizons::new(least, longest);
    let mut best = 0.0;
    for _ in 0..tasks {
        let (task, stream, share) = (rng.random(), rng.random(), rng.random());
        let told = match &horizons {
            Ok(horizons) if found.swapped => horizons.at(share),
            _ => horizon,
        };
        let mut agent = family.agent(task);
        agent.start(stream);
        for done in 0..horizon {
            let moment = moment(done, told, longest);
            tested.entropy[done] += agent.update(&Now::new(found.form, &found.numbers, moment));
        }
        tested.reward += agent.worth();
        best += agent.best();
    }
    tested.share = 100.0 * tested.reward / best;
    tested.reward /= tasks as f64;
    for entropy in &mut tested.entropy {
        *entropy *= 100.0 / tasks as f64;
    }
    tested
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::bandit::Bandits;
    use super::super::grids::Grids;
    use super::super::rule::Sees;
    use super::*;

    fn plan(form: Form, fitness: Fitness) -> Search {
        Search {
            form,
            fitness,
            pairs: 3,
            generations: 2,
            rate: 0.03,
            only: None,
            swapped: false,
        }
    }

    #[test]
    fn arms_search_over_the_same_lives() {
        let of = |form| {
            let found = search(&Bandits, plan(form, Fitness::Final), 5).unwrap();
            assert!(found.numbers.iter().all(|number| number.is_finite()));
            (found.updates, found.numbers)
        };
        let both = of(Form::Network(Sees::Both));
        assert_eq!(both, of(Form::Network(Sees::Both)));
        assert_eq!(both.0, of(Form::Network(Sees::Nothing)).0);
        assert_eq!(both.0, of(Form::Hand).0);
        let short = plan(Form::Hand, Fitness::Truncated);
        assert!(search(&Bandits, short, 5).unwrap().updates < both.0);
    }

    #[test]
    fn tests_have_the_same_tasks_and_a_share_of_the_most_possible() {
        let plain = Found {
            form: Form::Constants,
            numbers: vec![0.0, 0.0],
            swapped: false,
            updates: 0,
            early: 0,
        };
        let grids = Grids { side: 5 };
        let (one, two) = (test(&grids, &plain, 8, 4, 3), test(&grids, &plain, 8, 4, 3));
        assert_eq!((one.share, one.entropy.len()), (two.share, 8));
        assert!(one.share < 100.0 && one.drop().is_finite());
        let still = Found {
            numbers: vec![-9.0, 0.0],
            ..plain
        };
        let still = test(&Bandits, &still, 10, 50, 3);
        assert!(still.share.abs() < 40.0 && still.drop().abs() < 1e-6);
        assert!((still.entropy[9] - 100.0).abs() < 1e-6);
    }
}
