//! The arms: what each learns from, at equal trained tokens, and equal sampled ones where it samples.

use anyhow::Result;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{ScorePolicy, Sequences};
use regimen_rl_rewards::recipes::itool::{FragmentPair, PairForm};
use regimen_rl_rewards::{Pairs, Preference, Scored, SimPo};

use super::bench::{
    Bench, EXACT, HARD, ITOOL, RANDOM, SFT, Stream, TRUTH, WHOLE, demonstrated, stream,
};
use super::gather::{self, Found, Gather};
use super::pairs::{self, Kinds, Pair};
use crate::experiment::Context;
use crate::optim::adam;
use crate::rl_rewards::bed::budget::Budget;
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::symbols::{BLANK, END};
use crate::rl_rewards::bed::turn::Shown;
use crate::rl_rewards::bed::warm_up::{imitation, pairs};

/// How much more chosen fragments have of the truth than rejected ones.
pub(super) const LEAD: &str = "of the truth, chosen less rejected, %";
/// Fragments with an end token that do not end an answer.
pub(super) const ENDS: &str = "end tokens within answers";
/// Hard requests without a call, beyond their share.
pub(super) const BEYOND: &str = "hard requests without a call beyond their share";

/// Trained tokens of an update, about.
pub(super) const TOKENS: usize = 256;

/// What an arm gave.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) policy: Policy,
    pub(super) budget: Budget,
    /// Updates, and the mean log-probability of a token that is to be learned, over ten of them.
    pub(super) curve: Vec<(f64, f64)>,
    /// Figures of the pairs of the last iteration.
    pub(super) figures: Vec<(&'static str, f64)>,
}

/// What an iteration learns from.
enum Data {
    Demonstrations(Vec<Shown>),
    Pairs(Vec<Pair>),
}

/// What all arms share.
pub(super) struct Arms<'a> {
    pub(super) context: &'a Context,
    pub(super) bench: &'a Bench,
    /// Updates of an iteration.
    pub(super) updates: usize,
    pub(super) seed: u64,
}

impl Arms<'_> {
    /// Iterations of gathering and learning.
    fn iterations(&self) -> usize {
        if self.context.full { 3 } else { 1 }
    }

    /// Trains the base policy; `method` is what the method cost and how many pairs it had, in each iteration.
    pub(super) fn run(&self, arm: &str, rate: f64, method: &[Cost]) -> Result<(Done, Vec<Cost>)> {
        let mut done = Done {
            policy: self.bench.base.clone(),
            budget: Budget::default(),
            curve: Vec::new(),
            figures: Vec::new(),
        };
        let mut costs = Vec::new();
        for iteration in 0..self.iterations() {
            let seed = self.seed.wrapping_add((iteration as u64) << 40);
            let cost = method.get(iteration).copied().unwrap_or_default();
            let before = done.budget.sampled;
            let data = self.gather(&mut done, arm, seed, cost)?;
            let pairs = match &data {
                Data::Pairs(pairs) => pairs.len(),
                Data::Demonstrations(_) => 0,
            };
            costs.push(Cost {
                sampled: done.budget.sampled - before,
                pairs,
            });
            self.learn(&mut done, &data, rate, seed)?;
        }
        Ok((done, costs))
    }

    /// What an arm learns from in an iteration, by its policy as it is now.
    fn gather(&self, done: &mut Done, arm: &str, seed: u64, cost: Cost) -> Result<Data> {
        let policy = done.policy.clone();
        let gather = Gather {
            context: self.context,
            bench: self.bench,
            policy: &policy,
            seed,
        };
        let requests = |places: &[usize]| {
            let set = places.iter().map(|place| &self.bench.set[*place]);
            Data::Demonstrations(set.map(|one| demonstrated(&self.bench.task, one)).collect())
        };
        Ok(match arm {
            SFT => requests(&gather.any()),
            HARD => requests(&gather.hard()?),
            ITOOL => {
                let places = gather.hard()?;
                let mut found = gather.search(&places, None)?;
                self.note(done, &policy, &found)?;
                if self.context.is_broken_by("swapped") {
                    pairs::swap(&mut found.pairs);
                }
                if self.context.is_broken_by("end-after-every-fragment") {
                    pairs::end_all(&mut found.pairs);
                }
                let lead = pairs::lead(&found.pairs);
                let ends = pairs::broken_off(&found.pairs)? as f64;
                let beyond = gather::beyond_share(self.bench, &places);
                done.figures
                    .extend([(LEAD, lead), (ENDS, ends), (BEYOND, beyond)]);
                Data::Pairs(found.pairs)
            }
            RANDOM => {
                let found = gather.search(&gather.any(), Some(cost.sampled))?;
                self.note(done, &policy, &found)?;
                Data::Pairs(found.pairs)
            }
            _ => {
                let places = gather.hard()?;
                let places = &places[..gather::sizes(self.context).0.min(places.len())];
                let (answers, sampled) = gather.answers(gather.prompts(places), cost.sampled)?;
                done.budget.sampled += sampled;
                let all = answers.iter().map(|(_, all)| all.len());
                done.budget.verified += all.sum::<usize>();
                if arm == EXACT {
                    let exact = answers.into_iter().flat_map(|(prompt, all)| {
                        let right = all.into_iter();
                        let right = right.filter(move |one| one.tokens() == prompt.truth);
                        right.map(move |one| (prompt.prompt.clone(), one))
                    });
                    return Ok(Data::Demonstrations(exact.collect()));
                }
                let pairs = match arm {
                    WHOLE => pairs::whole(&answers, cost.pairs),
                    TRUTH => pairs::divergences(&answers, cost.pairs, seed)?,
                    _ => anyhow::bail!("{arm}: no arm"),
                };
                done.figures = vec![
                    ("pairs", pairs.len() as f64),
                    ("tokens of a pair", tokens_of_a_pair(&pairs)),
                ];
                Data::Pairs(pairs)
            }
        })
    }

    /// Notes what a search cost and gave.
    fn note(&self, done: &mut Done, policy: &Policy, found: &Found) -> Result<()> {
        done.budget.sampled += found.sampled;
        done.budget.verified += found.graded;
        let count = found.pairs.len() as f64;
        let [right, inverted, _] = Kinds::of(&found.pairs).shares();
        let [released_right, released_inverted, initial] = found.released.shares();
        done.figures = vec![
            ("pairs", count),
            ("tokens of a pair", tokens_of_a_pair(&found.pairs)),
            ("searched requests", found.prompts as f64),
            ("sampled tokens a pair", found.sampled as f64 / count),
            ("true fragment chosen, %", right),
            ("true fragment rejected, %", inverted),
            ("released rule: decided by an initial value, %", initial),
            ("released rule: true fragment chosen, %", released_right),
            (
                "released rule: true fragment rejected, %",
                released_inverted,
            ),
        ];
        for (name, form) in [
            ("margin of fragments", PairForm::Fragment),
            ("margin of whole turns", PairForm::WholeTurn { end: END }),
        ] {
            let margins = self.margins(policy, &found.pairs, form)?;
            done.figures
                .push((name, margins.abs().mean().into_scalar::<f64>()));
        }
        Ok(())
    }

    /// How far the chosen ones of some pairs are ahead of the rejected ones, in nats a token; `[pairs]`.
    fn margins(&self, policy: &Policy, pairs: &[Pair], form: PairForm) -> Result<Tensor<1>> {
        let some: Vec<&Pair> = pairs.iter().take(200).collect();
        let (pairs, _) = self.scored(policy, &some, form)?;
        let (chosen, rejected) = pairs.policy();
        Ok(chosen.means() - rejected.means())
    }

    /// How far true fragments are ahead of the base's wrong ones on fresh requests, in nats a token.
    pub(super) fn margin(&self, policy: &Policy, fresh: &[Pair]) -> Result<f64> {
        let margins = self.margins(policy, fresh, PairForm::Fragment)?;
        Ok(margins.mean().into_scalar::<f64>())
    }

    /// Pairs on fresh requests, of true fragments and the base's wrong ones.
    pub(super) fn fresh(&self) -> Result<Vec<Pair>> {
        let gather = Gather {
            context: self.context,
            bench: self.bench,
            policy: &self.bench.base,
            seed: self.seed,
        };
        gather.fresh()
    }

    /// Pairs under a policy, and how many tokens they have.
    fn scored(&self, policy: &Policy, some: &[&Pair], form: PairForm) -> Result<(Pairs, usize)> {
        let named: Vec<(&Vec<u32>, &FragmentPair)> =
            some.iter().map(|(one, pair)| (&one.prompt, pair)).collect();
        let (chosen, rejected) = form.rollouts(&named)?;
        // Both sides in one pass.
        let both = Sequences::new(&chosen.join(rejected), BLANK, &self.context.device)?;
        let (all, mask) = (policy.log_probs(&both)?, both.mask());
        let rows = some.len();
        let part = |side: usize| {
            let of = |values: Tensor<2>| values.narrow(0, side * rows, rows).sum_dim(1);
            let [sums, lengths] = [all.clone(), mask.clone()].map(|one| of(one).reshape([rows]));
            Scored::new(sums, lengths)
        };
        Ok((Pairs::new(part(0)?, part(1)?)?, both.count_sampled()))
    }

    /// Learns from data again and again, about as many trained tokens an update whatever the arm; the rate rises over a tenth of the updates and
    /// falls along a cosine.
    fn learn(&self, done: &mut Done, data: &Data, rate: f64, seed: u64) -> Result<()> {
        let (mut rng, mut optim) = (stream(seed, Stream::Order), adam(0.999));
        let (mut order, updates) = (Vec::new(), self.updates);
        let mut points = Vec::new();
        for update in 0..updates {
            // What the update before had too many of is left out of this one.
            let wanted = (done.budget.updates + 1) * TOKENS;
            let wanted = wanted.saturating_sub(done.budget.trained);
            let (loss, tokens, learned) = match data {
                Data::Pairs(all) => {
                    let some = next(&mut order, all, (tokens_of, wanted), &mut rng);
                    let (pairs, tokens) = self.scored(&done.policy, &some, PairForm::Fragment)?;
                    let learned = pairs.policy().0.means().mean();
                    (SimPo::new(2.5, 0.5)?.loss(&pairs)?, tokens, learned)
                }
                Data::Demonstrations(all) => {
                    let count = |one: &Shown| one.1.count_sampled();
                    let some = next(&mut order, all, (count, wanted), &mut rng);
                    let some = pairs(some.into_iter().cloned().collect())?;
                    done.budget.demonstrations += some.len();
                    let sequences = Sequences::new(&some, BLANK, &self.context.device)?;
                    let loss = imitation(&done.policy, &sequences)?;
                    (loss.clone(), some.count_sampled(), -loss)
                }
            };
            points.push(learned.into_scalar::<f64>());
            let grads = GradientsParams::from_grads(loss.backward(), &done.policy);
            let share = (update + 1) as f64 / updates as f64;
            let fall = 0.5 * (1.0 + (std::f64::consts::PI * share).cos()) + 1e-3;
            let rate = rate * (share / 0.1).min(fall).min(1.0);
            done.policy = optim.step(rate, done.policy.clone(), grads);
            done.budget.trained += tokens;
            done.budget.updates += 1;
        }
        let before = done.budget.updates - updates;
        for (place, ten) in points.chunks(10).enumerate() {
            let mean = ten.iter().sum::<f64>() / ten.len() as f64;
            done.curve.push(((before + 10 * place) as f64, mean));
        }
        Ok(())
    }
}

/// What the method cost in an iteration.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) sampled: usize,
    pub(super) pairs: usize,
}

fn tokens_of(pair: &Pair) -> usize {
    pair.1.chosen.tokens.len() + pair.1.rejected.tokens.len()
}

fn tokens_of_a_pair(pairs: &[Pair]) -> f64 {
    pairs.iter().map(tokens_of).sum::<usize>() as f64 / pairs.len() as f64
}

/// What an update learns from: in an order drawn anew each time round, until it has its tokens.
fn next<'a, T>(
    order: &mut Vec<usize>,
    all: &'a [T],
    (tokens, wanted): (impl Fn(&T) -> usize, usize),
    rng: &mut ChaCha8Rng,
) -> Vec<&'a T> {
    let (mut some, mut sum) = (Vec::new(), 0);
    while sum < wanted.max(1) && !all.is_empty() {
        if order.is_empty() {
            *order = (0..all.len()).collect();
            order.shuffle(rng);
        }
        let Some(one) = order.pop().map(|place| &all[place]) else {
            break;
        };
        sum += tokens(one);
        some.push(one);
    }
    some
}
