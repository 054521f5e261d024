//! The particles of all prompts of a filter.

use std::sync::Arc;
use std::time::Instant;

use super::budget::{Budget, Spent};
use super::cloud::{Cloud, Node, Particle, way};
use super::found::{Found, Progress};
use super::log_weights::{log_odds, shares};
use super::process_reward::ProcessReward;
use super::resample_when::{ResampleWhen, Rules};
use super::resampling::Resampling;
use super::rounds::{Wanted, go_on, seed_of};
use crate::error::{Result, check};
use crate::keyed::{key, keyed};
use crate::policy::StepPolicy;

/// What draws are for: no two of a step are from the same numbers.
#[derive(Clone, Copy)]
enum Draw {
    Steps,
    Trials,
    Particles,
    References,
    Choice,
}

pub(super) struct Swarm<'a> {
    rules: Rules<'a>,
    prompts: &'a [Vec<u32>],
    seed: u64,
    budget: Budget,
    since: Instant,
    clouds: Vec<Cloud>,
    pub(super) found: Vec<Found>,
}

impl<'a> Swarm<'a> {
    pub(super) fn new(
        rules: Rules<'a>,
        prompts: &'a [Vec<u32>],
        seed: u64,
        (budget, since): (Budget, Instant),
    ) -> Self {
        let cloud = |prompt: &Vec<u32>| Cloud {
            key: key(prompt),
            particles: Vec::new(),
            references: Vec::new(),
            done: false,
        };
        Self {
            rules,
            prompts,
            seed,
            budget,
            since,
            clouds: prompts.iter().map(cloud).collect(),
            found: prompts.iter().map(|_| Found::nothing()).collect(),
        }
    }

    /// All particles at the beginning of a sweep.
    pub(super) fn start(&mut self, sweep: usize) -> Result<()> {
        for (cloud, found) in self.clouds.iter_mut().zip(&self.found) {
            if sweep > 0 {
                let mut rng = keyed([
                    self.seed,
                    cloud.key,
                    round(sweep, 0),
                    place(Draw::References, 0),
                ]);
                let count = self.rules.references;
                let drawn =
                    Resampling::Multinomial.draw(&shares(&cloud.odds()), count, &mut rng)?;
                let ways = drawn.into_iter().map(|one| way(&cloud.particles[one].node));
                cloud.references = ways.filter(|way| !way.is_empty()).collect();
            }
            cloud.start(self.rules.particles);
            cloud.done = found.cut_off;
        }
        Ok(())
    }

    pub(super) fn is_done(&self) -> bool {
        self.clouds.iter().all(|cloud| cloud.done)
    }

    pub(super) fn progress(&self, round: usize) -> Progress<'_> {
        Progress {
            round,
            open: self.clouds.iter().filter(|cloud| !cloud.done).count(),
            found: &self.found,
        }
    }

    /// Ends the search of all prompts that are open.
    pub(super) fn cut_off(&mut self) {
        for (cloud, found) in self.clouds.iter_mut().zip(&mut self.found) {
            found.cut_off |= !cloud.done;
            cloud.done = true;
        }
    }

    /// Goes on with every particle that is not over, and weighs all.
    pub(super) fn extend<P, R>(
        &mut self,
        policy: &P,
        reward: &R,
        (sweep, step): (usize, usize),
    ) -> Result<()>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        let often = if self.has_trials(step) { 2 } else { 1 };
        for (cloud, found) in self.clouds.iter_mut().zip(&mut self.found) {
            if cloud.done {
                continue;
            }
            cloud.follow(step);
            let open = cloud.open().count() as u64;
            if open == 0 {
                cloud.done = true;
            } else if !self
                .budget
                .allows(&found.spent, [often * open; 2], self.since)
            {
                (cloud.done, found.cut_off) = (true, true);
            }
        }
        let new = self.step_on(policy, reward, Draw::Steps, (sweep, step))?;
        for (cloud, place, node) in new {
            self.clouds[cloud].particles[place].node = node;
        }
        let accumulates = matches!(self.rules.when, ResampleWhen::BelowEffectiveSize(_));
        for (cloud, found) in self.clouds.iter_mut().zip(&mut self.found) {
            if cloud.done {
                continue;
            }
            cloud.weigh(accumulates);
            cloud.offer(found);
        }
        Ok(())
    }

    /// Draws particles again where it is time to.
    pub(super) fn resample<P, R>(
        &mut self,
        policy: &P,
        reward: &R,
        (sweep, step): (usize, usize),
    ) -> Result<()>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        if step == self.rules.steps {
            return Ok(());
        }
        let trials = if self.has_trials(step) {
            self.step_on(policy, reward, Draw::Trials, (sweep, step))?
        } else {
            Vec::new()
        };
        // A particle that is over, or goes a way of an earlier sweep, has no step on trial: its weight on trial is its own.
        let mut ahead: Vec<Vec<f64>> = self.clouds.iter().map(Cloud::odds).collect();
        for (cloud, place, node) in trials {
            ahead[cloud][place] = node.log_odds;
        }
        let rules = self.rules;
        let progress = step as f64 / rules.steps as f64;
        for (cloud, ahead) in self.clouds.iter_mut().zip(ahead) {
            if cloud.done {
                continue;
            }
            let ahead = if rules.look_ahead {
                ahead
            } else {
                vec![0.0; ahead.len()]
            };
            let logs = cloud.particles.iter().zip(&ahead);
            let logs: Vec<f64> = logs.map(|(one, ahead)| one.log_weight + ahead).collect();
            let own = shares(&logs);
            if !rules.when.is_time(&own, progress) {
                continue;
            }
            let temperature = (rules.temperature)(&own, progress);
            check("temperature", temperature, temperature > 0.0, "above 0")?;
            let logs: Vec<f64> = logs.iter().map(|log| log / temperature).collect();
            let kept = cloud.references.len();
            let mut rng = keyed([
                self.seed,
                cloud.key,
                round(sweep, step),
                place(Draw::Particles, 0),
            ]);
            let count = own.len() - kept;
            let drawn = rules.resampling.draw(&shares(&logs), count, &mut rng)?;
            let again = (0..kept).chain(drawn).map(|of| Particle {
                owed: ahead[of],
                ..Particle::at(&cloud.particles[of].node)
            });
            cloud.particles = again.collect();
        }
        Ok(())
    }

    /// The result by a draw from the last particles.
    pub(super) fn choose(&mut self) -> Result<()> {
        for (cloud, found) in self.clouds.iter().zip(&mut self.found) {
            if found.best.is_none() {
                continue;
            }
            let mut rng = keyed([self.seed, cloud.key, 0, place(Draw::Choice, 0)]);
            let drawn = Resampling::Multinomial.draw(&shares(&cloud.odds()), 1, &mut rng)?;
            for one in drawn {
                found.best = Some(cloud.particles[one].node.text.answer());
            }
        }
        Ok(())
    }

    /// Whether a step is followed by one on trial.
    fn has_trials(&self, step: usize) -> bool {
        self.rules.look_ahead && step < self.rules.steps
    }

    /// One step more of every particle that goes on: the prompt, the particle, and where it comes to.
    fn step_on<P, R>(
        &mut self,
        policy: &P,
        reward: &R,
        of: Draw,
        (sweep, step): (usize, usize),
    ) -> Result<Vec<(usize, usize, Arc<Node>)>>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        let open = self
            .clouds
            .iter()
            .enumerate()
            .filter(|(_, cloud)| !cloud.done);
        let open = open.flat_map(|(at, cloud)| cloud.open().map(move |one| (at, one)));
        let open: Vec<(usize, usize)> = open.collect();
        let wanted = open.iter().map(|(at, one)| {
            let cloud = &self.clouds[*at];
            Wanted {
                prompt: &self.prompts[*at],
                so_far: &cloud.particles[*one].node.text.completion,
                seed: seed_of(self.seed, cloud.key, round(sweep, step), place(of, *one)),
            }
        });
        let texts = go_on(policy, reward, &wanted.collect::<Vec<_>>())?;
        let mut new = Vec::with_capacity(open.len());
        for ((at, one), (text, tokens)) in open.into_iter().zip(texts) {
            self.found[at].spent += Spent {
                tokens,
                calls: 1,
                scorings: 1,
            };
            if text.over {
                self.found[at].offer(text.answer());
            }
            let node = Node {
                log_odds: log_odds(text.score)?,
                text,
                before: Some(Arc::clone(&self.clouds[at].particles[one].node)),
            };
            new.push((at, one, Arc::new(node)));
        }
        Ok(new)
    }
}

/// A number for a step of a sweep.
fn round(sweep: usize, step: usize) -> u64 {
    (sweep as u64) << 32 | step as u64
}

/// A number for a particle and what is drawn for it.
fn place(of: Draw, one: usize) -> u64 {
    (of as u64) << 32 | one as u64
}
