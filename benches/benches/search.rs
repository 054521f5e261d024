//! The bookkeeping of a particle filter: weights, resampling, texts that are shared. What it takes apart from the model is the filter's time less that
//! of policy and reward alone.

use criterion::Criterion;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Beginning, Completion, End, Step, StepPolicy};
use regimen_rl_rewards::search::{Budget, ParticleFilter, log_odds, shares};

const PARTICLES: usize = 1000;
const STEPS: usize = 50;
/// Tokens of a step.
const TOKENS: usize = 10;

/// The same text after every step: a model of no cost.
struct Nothing(Completion);

impl StepPolicy for Nothing {
    fn steps(&self, beginnings: &[Beginning<'_>]) -> regimen_rl_rewards::Result<Vec<Step>> {
        let step = |one: &Beginning<'_>| Step {
            completion: self.0.clone(),
            over: one.seed == 0,
        };
        Ok(beginnings.iter().map(step).collect())
    }
}

/// A score that differs between particles and steps.
fn score(random: &mut impl RngExt) -> f64 {
    random.random_range(0.05..0.95)
}

/// 1,000 particles for 50 steps: ours, and texts that are copied with draws that each go through all weights.
pub(crate) fn particles(c: &mut Criterion) {
    let mut group = c.benchmark_group("search/1000 particles, 50 steps");
    let mut text = Completion::new(End::Truncated);
    text.observed(1);
    let policy = Nothing(text);
    let filter = ParticleFilter::new(PARTICLES, STEPS).unwrap();
    for (name, filter) in [
        ("filter", filter),
        ("annealed filter", filter.with_entropic_annealing()),
    ] {
        let rng = std::cell::RefCell::new(ChaCha8Rng::seed_from_u64(0));
        let reward = |_: &[u32], _: &Completion| score(&mut *rng.borrow_mut());
        let prompts = [vec![1]];
        group.bench_function(name, |b| {
            b.iter(|| {
                filter
                    .run(&policy, &reward, &prompts, Budget::unbounded(), 0)
                    .unwrap()
            });
        });
    }
    group.bench_function("policy and reward alone", |b| {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let so_far = Completion::new(End::Truncated);
        let beginning = |seed| Beginning {
            prompt: &[1],
            so_far: &so_far,
            seed,
        };
        let beginnings: Vec<_> = (1..=PARTICLES as u64).map(beginning).collect();
        b.iter(|| {
            let round = |_| {
                let steps = policy.steps(&beginnings).unwrap();
                let scores: Vec<f64> = steps.iter().map(|_| score(&mut rng)).collect();
                (steps, scores)
            };
            // Texts are kept, as a search keeps them.
            (0..STEPS).map(round).collect::<Vec<_>>()
        });
    });
    group.bench_function("copied texts, linear draws", |b| {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        b.iter(|| {
            let mut texts: Vec<Vec<u32>> = vec![Vec::new(); PARTICLES];
            for _ in 0..STEPS {
                texts.iter_mut().for_each(|text| text.extend([1; TOKENS]));
                let logs: Vec<f64> = texts
                    .iter()
                    .map(|_| log_odds(score(&mut rng)).unwrap())
                    .collect();
                let weights = shares(&logs);
                let draw = |_| {
                    let mut left: f64 = rng.random();
                    let place = weights.iter().position(|weight| {
                        left -= weight;
                        left < 0.0
                    });
                    texts[place.unwrap_or(PARTICLES - 1)].clone()
                };
                texts = (0..PARTICLES).map(draw).collect();
            }
            texts
        });
    });
    group.finish();
}
