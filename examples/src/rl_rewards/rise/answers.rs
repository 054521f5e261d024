//! The test: five answers to each held-out prompt, all of them checked.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use burn::module::Module;
use burn::tensor::Device;
use regimen_rl_rewards::pass_at_k;
use regimen_rl_rewards::policy::{Completion, Rollouts, SamplePolicy, Sequences};
use regimen_rl_rewards::recipes::{Episode, Flips, majority, repeats, solved_within};

use super::bench::{Bench, TURNS, turns};
use crate::experiment::{Context, Trial};
use crate::rl_rewards::bed::countdown::Solutions;
use crate::rl_rewards::bed::evaluate::{Draws, accuracy, pass, sampling};
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::sampler::Sampler;
use crate::rl_rewards::bed::symbols::BLANK;
use crate::rl_rewards::bed::task::Task;
use crate::rl_rewards::bed::warm_up::pairs;

/// Draws until an answer that the prompt had before is taken nevertheless.
const TRIES: usize = 20;
/// Samples of a prompt where answers are independent.
const SAMPLES: usize = 16;
/// Answers whose log-probabilities are compared.
const COMPARED: usize = 512;
/// A share of the prompts that are not solved by then.
pub(super) const LAST: &str = "solved at the last turn, given failure until then";

/// How an arm answers in the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// Each from the prompt alone.
    Independent,
    /// Each from the prompt alone, and drawn anew where it was there before.
    Distinct,
    /// After the last wrong ones.
    Turns,
    /// After the last wrong ones, and drawn anew where it was there before.
    DistinctTurns,
    /// After wrong ones to another prompt.
    OtherTurns,
}

/// Right answers of the base policy at temperature 1, in percent of the held-out prompts: the warm-up's band.
const BAND: std::ops::RangeInclusive<f64> = 15.0..=40.0;

impl Bench {
    /// Refuses a base policy outside of the band; at the small size any serves.
    pub(super) fn check(&self, context: &Context, trial: &mut Trial) -> Result<()> {
        let draws = Draws {
            decoding: &sampling(&self.task)?,
            samples: 2,
            seed: trial.seed,
        };
        let device = context.device.clone().inner();
        let policy = self.base.valid();
        let found = pass(&policy, &self.task, &self.tested, draws, &[1], &device)?;
        let sampled = found[0].all;
        trial.record("base", "right at temperature 1", sampled);
        let is_good = context.small || context.full || BAND.contains(&sampled);
        ensure!(
            is_good,
            "the base policy is right in {sampled:.1}%: outside of {BAND:?}"
        );
        Ok(())
    }

    /// Solved within the turns, in percent, of an arm on all held-out prompts; with what else it is measured by.
    pub(super) fn test(
        &self,
        context: &Context,
        trial: &mut Trial,
        arm: &str,
        (policy, answers, temperature): (&Policy, Answers, f64),
    ) -> Result<()> {
        let (policy, device) = (policy.valid(), context.device.clone().inner());
        let sampler = Sampler {
            policy: &policy,
            task: &self.task,
            temperature,
            device: &device,
        };
        if !self.brief {
            let greedy = accuracy(&policy, &self.task, &self.tested, &device)?;
            trial.record(arm, "greedy accuracy", greedy.all);
        }
        if answers == Answers::Independent {
            return self.independent(trial, arm, &sampler);
        }
        let swapped = Swapped {
            sampler,
            prompt: self.tokens(&self.tested[..1])[0].len(),
            swaps: answers == Answers::OtherTurns
                || context.is_broken_by("histories-of-other-prompts"),
        };
        let turns = match answers {
            Answers::Turns | Answers::OtherTurns => turns()?,
            Answers::DistinctTurns => turns()?.with_tries(TRIES)?,
            _ => turns()?.with_window(0).with_tries(TRIES)?,
        };
        // Two episodes a prompt.
        let twice = [self.tested.as_slice(), &self.tested].concat();
        let reward = self.reward(&twice);
        let seed = trial.seed + 1;
        let episodes = turns.episodes(&swapped, &self.tokens(&twice), seed, &reward)?;
        for turn in 1..=TURNS {
            let solved = 100.0 * solved_within(&episodes, turn)?;
            trial.record(arm, &format!("solved within {turn}"), solved);
        }
        self.sum_up(trial, arm);
        trial.record(arm, "repeats", 100.0 * repeats(&episodes));
        let sampled: usize = episodes.iter().map(Episode::count_sampled).sum();
        trial.record(
            arm,
            "sampled tokens a prompt",
            sampled as f64 / twice.len() as f64,
        );
        for level in Solutions::ALL {
            let of = |one: &&Episode| self.task.level(&twice[one.prompt]) == level;
            let of: Vec<Episode> = episodes.iter().filter(of).cloned().collect();
            trial.record(
                arm,
                level.name(),
                100.0 * solved_within(&of, TURNS).unwrap_or(0.0),
            );
        }
        let later = episodes.iter().flat_map(|one| one.turns.iter().skip(1));
        let later: Vec<_> = later
            .map(|turn| (turn.state.clone(), turn.answer.clone()))
            .collect();
        if answers == Answers::Turns && !self.brief {
            let off = distance(&policy, temperature, later, &device)?;
            trial.record(arm, "distance of log-probabilities in the test", off);
            let all = turns.without_stop();
            let prompts = self.tokens(&self.tested);
            let episodes = all.episodes(&swapped, &prompts, seed, self.reward(&self.tested))?;
            let flips = Flips::of(&episodes);
            trial.record(arm, "wrong to right", 100.0 * flips.to_right());
            trial.record(arm, "right to wrong", 100.0 * flips.to_wrong());
            let votes = episodes.iter().map(|episode| {
                let turns = episode.turns.iter();
                let answers: Vec<_> = turns.map(|turn| turn.answer.tokens()).collect();
                let voted = majority(&answers);
                let mut turns = episode.turns.iter();
                turns.any(|turn| turn.is_right && Some(&turn.answer.tokens()) == voted)
            });
            let right = votes.filter(|is_right| *is_right).count();
            trial.record(
                arm,
                "majority",
                100.0 * right as f64 / episodes.len() as f64,
            );
        }
        Ok(())
    }

    /// Of more samples than turns, the expected values over all choices of them.
    fn independent<P: SamplePolicy>(
        &self,
        trial: &mut Trial,
        arm: &str,
        sampler: &P,
    ) -> Result<()> {
        let rollouts = sampler.sample(&self.tokens(&self.tested), SAMPLES, trial.seed + 1)?;
        let groups = rollouts.groups();
        ensure!(
            groups.len() == self.tested.len(),
            "a prompt without samples"
        );
        let right = |place: &usize| {
            let one = &rollouts.rollouts()[*place];
            self.task
                .is_right(&self.tested[one.prompt], &one.completion)
        };
        let counts = groups
            .iter()
            .map(|group| group.iter().filter(|one| right(one)).count());
        let counts: Vec<usize> = counts.collect();
        for turn in 1..=TURNS {
            let chances = counts.iter().map(|right| pass_at_k(SAMPLES, *right, turn));
            let chances: Vec<f64> = chances.collect::<Result<_, _>>()?;
            let solved = 100.0 * chances.iter().sum::<f64>() / chances.len() as f64;
            trial.record(arm, &format!("solved within {turn}"), solved);
            if turn == TURNS {
                for level in Solutions::ALL {
                    let pairs = self.tested.iter().zip(&chances);
                    let of = pairs.filter(|(one, _)| self.task.level(one) == level);
                    let of: Vec<f64> = of.map(|(_, chance)| *chance).collect();
                    let mean = of.iter().sum::<f64>() / of.len().max(1) as f64;
                    trial.record(arm, level.name(), 100.0 * mean);
                }
            }
        }
        self.sum_up(trial, arm);
        let five = |group: &Vec<usize>| -> Vec<&[u32]> {
            let few = group.iter().take(TURNS);
            few.map(|place| rollouts.rollouts()[*place].completion.tokens())
                .collect()
        };
        let (mut voted, mut repeated) = (0, 0);
        for group in &groups {
            let answers = five(group);
            let winner = majority(&answers);
            voted += usize::from(group.iter().take(TURNS).any(|place| {
                right(place) && Some(&rollouts.rollouts()[*place].completion.tokens()) == winner
            }));
            let before = |place: usize| answers[..place].contains(&answers[place]);
            repeated += (1..answers.len()).filter(|place| before(*place)).count();
        }
        let share = |count: usize, of: usize| 100.0 * count as f64 / of as f64;
        trial.record(arm, "majority", share(voted, groups.len()));
        trial.record(arm, "repeats", share(repeated, groups.len() * (TURNS - 1)));
        Ok(())
    }

    /// What follows from the shares within each number of turns.
    fn sum_up(&self, trial: &mut Trial, arm: &str) {
        let within = |turn: usize| trial.value(arm, &format!("solved within {turn}"));
        let (four, five) = (within(TURNS - 1), within(TURNS));
        let last = 100.0 * (five - four) / (100.0 - four).max(1e-9);
        trial.record(arm, "main", five);
        trial.record(arm, LAST, last);
    }
}

/// Of the first of some answers with their states, the largest distance between the log-probability of a token when it was drawn and the
/// policy's at the state, at this temperature.
pub(super) fn distance(
    policy: &Policy,
    temperature: f64,
    mut answers: Vec<(Vec<u32>, Completion)>,
    device: &Device,
) -> Result<f64> {
    answers.truncate(COMPARED);
    let sequences = Sequences::new(&pairs(answers)?, BLANK, device)?;
    let logits = policy.forward(sequences.tokens()) / temperature;
    let off = sequences.log_probs(logits)? - sequences.sampler_log_probs();
    Ok(f64::from(off.abs().max().into_scalar::<f32>()))
}

/// A policy that may be shown the histories of other prompts.
struct Swapped<P> {
    sampler: P,
    /// Tokens of a prompt, before its history.
    prompt: usize,
    swaps: bool,
}

impl<P: SamplePolicy> SamplePolicy for Swapped<P> {
    fn sample(
        &self,
        prompts: &[Vec<u32>],
        samples: usize,
        seed: u64,
    ) -> regimen_rl_rewards::Result<Rollouts> {
        if !self.swaps {
            return self.sampler.sample(prompts, samples, seed);
        }
        let mut swapped = prompts.to_vec();
        rotate(&mut swapped, self.prompt);
        let rollouts = self.sampler.sample(&swapped, samples, seed)?;
        Rollouts::new(prompts.to_vec(), rollouts.rollouts().to_vec())
    }
}

/// Gives each state the history of another one of the same length, half of these away.
pub(super) fn rotate(states: &mut [Vec<u32>], prompt: usize) {
    let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, state) in states.iter().enumerate() {
        by_length.entry(state.len()).or_default().push(place);
    }
    for (length, places) in by_length {
        let from = prompt.min(length);
        let tails = places.iter().map(|place| states[*place][from..].to_vec());
        let mut tails: Vec<Vec<u32>> = tails.collect();
        let half = tails.len() / 2;
        tails.rotate_left(half);
        for (place, tail) in places.into_iter().zip(tails) {
            states[place].truncate(from);
            states[place].extend(tail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rotate;

    #[test]
    fn states_of_one_length_swap_their_histories() {
        let mut states = vec![vec![1, 2, 9], vec![5, 6], vec![3, 4, 8], vec![7]];
        rotate(&mut states, 2);
        assert_eq!(states, [vec![1, 2, 8], vec![5, 6], vec![3, 4, 9], vec![7]]);
    }
}
