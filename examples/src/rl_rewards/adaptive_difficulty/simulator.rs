//! The simulator of the two methods: problems that need several skills, and a policy that is a logit a skill.

#![allow(clippy::unwrap_used)]

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use regimen_curriculum::{AdaptiveDifficultyConfig, Sampler, difficulty};
use regimen_rl_rewards::{Advantage, Deviation, Groups, Grpo, Reformulation};

/// A skill each.
const SKILLS: usize = 40;

/// Problems, each a list of distinct skills.
type Problems = Vec<Vec<usize>>;

fn problems(count: usize, least: usize, rng: &mut ChaCha8Rng) -> Problems {
    let all: Vec<usize> = (0..SKILLS).collect();
    let one = |_| {
        let size = rng.random_range(least..=8);
        all.sample(rng, size).copied().collect()
    };
    (0..count).map(one).collect()
}

fn chance(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// Which skills of a problem are used right, with all logits shifted.
fn attempt(logits: &[f64], problem: &[usize], shift: f64, rng: &mut ChaCha8Rng) -> Vec<bool> {
    let skills = problem.iter();
    skills
        .map(|skill| rng.random_bool(chance(logits[*skill] + shift)))
        .collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    Random,
    Static(usize),
    Adaptive(usize),
}

/// The mean success on held-out problems, and the share of dead groups.
fn train(order: Order, is_rescued: bool, mean: f64, step: f64, seed: u64) -> (f64, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let normal = Normal::new(mean, 1.0).unwrap();
    let mut logits: Vec<f64> = (0..SKILLS).map(|_| normal.sample(&mut rng)).collect();
    let (all, held_out) = (problems(480, 1, &mut rng), problems(200, 3, &mut rng));
    let score = |logits: &[f64], ids: &[usize], rng: &mut ChaCha8Rng| -> Vec<f32> {
        let one = |id: &usize| {
            let tries =
                (0..16).filter(|_| attempt(logits, &all[*id], 0.0, rng).iter().all(|is| *is));
            difficulty(tries.count(), 16).unwrap()
        };
        ids.iter().map(one).collect()
    };
    let mut ids: Vec<usize> = (0..all.len()).collect();
    let (chunks, first) = match order {
        Order::Random => {
            ids.shuffle(&mut rng);
            let mut rank = vec![0.0; ids.len()];
            ids.iter()
                .zip(0_u16..)
                .for_each(|(id, place)| rank[*id] = f32::from(place));
            (1, rank)
        }
        Order::Static(chunks) | Order::Adaptive(chunks) => (chunks, score(&logits, &ids, &mut rng)),
    };
    let mut sampler = AdaptiveDifficultyConfig::new(chunks).init(&first).unwrap();
    let (recipe, mut dead) = (Reformulation::default(), 0);
    let grpo = Grpo::default().with_deviation(Deviation::Population);
    for chunk in 0..chunks {
        for batch in sampler.plan().ids.chunks(8) {
            let mut change = vec![0.0; SKILLS];
            for id in batch {
                let problem = &all[*id];
                let mut tries: Vec<_> = (0..8)
                    .map(|_| attempt(&logits, problem, 0.0, &mut rng))
                    .collect();
                let rewards = |tries: &[Vec<bool>]| -> Vec<f64> {
                    let right = tries.iter().map(|one| one.iter().all(|is| *is));
                    right.map(|is| f64::from(u8::from(is))).collect()
                };
                let groups = Groups::of_size(rewards(&tries), 8).unwrap();
                if is_rescued && !recipe.failed(&groups).is_empty() {
                    for one in &mut tries[..recipe.guided(8)] {
                        *one = attempt(&logits, problem, 3.0, &mut rng);
                    }
                }
                let groups = Groups::of_size(rewards(&tries), 8).unwrap();
                let advantages = grpo.advantages(&groups).unwrap();
                dead += advantages.no_signal().uniform;
                for (one, advantage) in tries.iter().zip(advantages.values()) {
                    for (skill, is_right) in problem.iter().zip(one) {
                        let score = f64::from(u8::from(*is_right)) - chance(logits[*skill]);
                        change[*skill] += advantage * score / 8.0;
                    }
                }
            }
            logits
                .iter_mut()
                .zip(change)
                .for_each(|(logit, change)| *logit += step * change / 8.0);
        }
        if matches!(order, Order::Adaptive(_)) && chunk + 1 < chunks {
            let next = sampler.to_score().to_vec();
            let scores = score(&logits, &next, &mut rng);
            sampler.observe(&next, &scores).unwrap();
        }
    }
    let success = |problem: &Vec<usize>| {
        problem
            .iter()
            .map(|skill| chance(logits[*skill]))
            .product::<f64>()
    };
    let mean = held_out.iter().map(success).sum::<f64>() / held_out.len() as f64;
    (mean, dead as f64 / all.len() as f64)
}

fn mean(order: Order, is_rescued: bool, (skill, step): (f64, f64), seeds: u64) -> (f64, f64) {
    let all = (0..seeds).map(|seed| train(order, is_rescued, skill, step, seed));
    let (success, dead): (Vec<f64>, Vec<f64>) = all.unzip();
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / seeds as f64;
    (mean(success), mean(dead))
}

/// The specification: random .371, static .470 and .459, ADCL .478 and .472 with 4 and 8 chunks.
#[test]
fn a_curriculum_helps_and_is_kept_up_to_date_by_new_scores() {
    let of = |order| mean(order, false, (0.5, 2.0), 24).0;
    let random = of(Order::Random);
    let (fixed, adaptive) = (of(Order::Static(4)), of(Order::Adaptive(4)));
    let (fixed_8, adaptive_8) = (of(Order::Static(8)), of(Order::Adaptive(8)));
    let found = format!("{random} {fixed} {adaptive} {fixed_8} {adaptive_8}");
    assert!((random - 0.371).abs() < 0.05, "{found}");
    assert!(
        (fixed - 0.470).abs() < 0.05 && (adaptive - 0.478).abs() < 0.05,
        "{found}"
    );
    assert!(fixed > random + 0.04 && fixed_8 > random + 0.04, "{found}");
    assert!(
        adaptive > fixed - 0.01 && adaptive_8 > fixed_8 - 0.005,
        "{found}"
    );
}

/// The specification: random order .039 with 68 % dead groups; rescued .175 with 2 %.
#[test]
fn guided_answers_rescue_groups_that_fail() {
    let (plain, dead) = mean(Order::Random, false, (-0.3, 1.0), 20);
    let (rescued, few) = mean(Order::Random, true, (-0.3, 1.0), 20);
    let found = format!("{plain} {dead} {rescued} {few}");
    assert!(
        (plain - 0.039).abs() < 0.03 && (dead - 0.68).abs() < 0.08,
        "{found}"
    );
    assert!((rescued - 0.175).abs() < 0.06 && few < 0.06, "{found}");
}
