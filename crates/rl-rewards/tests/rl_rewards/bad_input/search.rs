//! Absurd trees, scores and settings of searches.

use std::sync::Arc;

use regimen_rl_rewards::Result;
use regimen_rl_rewards::policy::{
    Beginning, Completion, End, Rollout, Rollouts, SamplePolicy, Step, StepPolicy,
};
use regimen_rl_rewards::recipes::itool::{
    Fragment, Grade, Grades, PairFilter, PairForm, ToolPrompt, ToolSearch, fragment_pairs,
    fragments, hardest, initial_value, overlap, perplexity, text_fragments,
};
use regimen_rl_rewards::search::{
    Attempt, Backup, BeamSearch, BestOfN, Budget, Candidate, Compute, Cost, EntropicAnnealing,
    EntropicRule, EqualCompute, Found, ParticleFilter, ResampleWhen, Resampling, Selection,
    SelfConsistency, Sequential, StepScores, Tree, TreeSearch, Unwatched, Votes,
    effective_sample_size, log_odds, normalised_entropy, shares,
};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use crate::search::{Digits, mean_digit};

/// Answers `1 2 0`, or nothing.
struct Policy(usize);

impl SamplePolicy for Policy {
    fn sample(&self, prompts: &[Vec<u32>], samples: usize, _: u64) -> Result<Rollouts> {
        let mut completion = Completion::new(End::EndToken);
        for token in [1, 2, 0].into_iter().take(self.0) {
            completion.sampled(token, -0.5)?;
        }
        let rollouts = (0..prompts.len() * samples.min(9)).map(|place| Rollout {
            prompt: place / samples.min(9),
            completion: completion.clone(),
        });
        Rollouts::new(prompts.to_vec(), rollouts.collect())
    }
}

/// Answers to one prompt more than it was asked for, in the place of the last one.
struct Further;

impl SamplePolicy for Further {
    fn sample(&self, prompts: &[Vec<u32>], samples: usize, seed: u64) -> Result<Rollouts> {
        let of_one_more = [prompts, &[vec![9]]].concat();
        let all = Policy(2).sample(&of_one_more, samples, seed)?;
        let last = prompts.len() - 1;
        let kept = all.rollouts().iter().filter(|one| one.prompt != last);
        Rollouts::new(of_one_more, kept.cloned().collect())
    }
}

fn search(settings: ToolSearch, length: usize, grade: f64) -> Result<()> {
    let settings = settings.with_iterations(3)?.with_actions(2)?;
    let prompt = ToolPrompt {
        prompt: vec![7],
        truth: vec![1, 2, 0],
    };
    let grader = |_: &ToolPrompt, _: &[u32], _: &[u32]| Ok(grade);
    let ends = |piece: &[u32]| piece.len() == 1;
    let prompts = [prompt.clone(), prompt];
    let found = settings.run(&Policy(length), &prompts, &[0], &ends, &grader, 1)?;
    for tree in &found.trees {
        fragment_pairs(tree, &PairFilter::default().with_visits(u64::MAX))?;
        for pair in fragment_pairs(tree, &PairFilter::default())? {
            PairForm::Fragment.rollouts(&[(&vec![7], &pair)])?;
            PairForm::WholeTurn { end: 0 }.rollouts(&[(&vec![7], &pair)])?;
        }
    }
    Ok(())
}

#[test]
fn searches() {
    let mut h = Hostile::new("rl-rewards searches");
    for (a, b) in NUMBERS
        .iter()
        .flat_map(|a| NUMBERS.iter().map(move |b| (*a, *b)))
    {
        h.input(format_args!("Tree {a} {b}"), || {
            for backup in [Backup::Sum, Backup::Mean, Backup::Discounted { gamma: a }] {
                let mut tree = Tree::new(backup)?;
                let child = tree.add(0, 'x', a, b)?;
                tree.add_once(0, 'x', a, b)?;
                tree.back_up(child, b)?;
                assert!(tree.value(0)?.is_finite());
                tree.select(0, Selection::LOGARITHMIC)?;
            }
            Ok::<(), regimen_rl_rewards::RlRewardsError>(())
        });
        h.input(format_args!("Selection {a} {b}"), || {
            let of = Candidate {
                value: 0.5,
                visits: 0,
                prior: 0.5,
                parent_visits: u64::MAX,
            };
            let puct = Selection::puct(a)?.score(of);
            let log = Selection::logarithmic(b)?.score(of);
            assert!(puct.is_finite() && log.is_finite());
            Ok::<(), regimen_rl_rewards::RlRewardsError>(())
        });
        h.input(format_args!("PairFilter {a} {b}"), || {
            PairFilter::new(a, b, a).map(|filter| filter.keeps(a, b, a))
        });
        h.input(format_args!("Grades {a} {b}"), || {
            Grades::new([a, b, 0.0, 0.0]).map(|grades| grades.reward())
        });
        h.input(format_args!("hardest {a} {b}"), || {
            hardest(&[a, b, 1.0], &[0, 0, 1], a)
        });
        h.input(format_args!("perplexity {a} {b}"), || {
            perplexity(&[a as f32, b as f32])
        });
        h.input(format_args!("a grade of {a}"), || {
            search(ToolSearch::default(), 3, a)
        });
    }
    for n in COUNTS {
        h.input(format_args!("places {n}"), || {
            let mut tree = Tree::new(Backup::Mean)?;
            tree.add(n, 'x', 0.5, 0.0)?;
            tree.node(n)?;
            tree.path(n)?;
            tree.expanded(n)?;
            tree.best(n)?;
            tree.worst(n)?;
            tree.back_up(n, 0.5)
        });
        h.input(format_args!("groups of {n}"), || {
            fragments(&[1, 2, 3], n, |piece| piece.len() == 1)?;
            text_fragments("f(a=1)", n, &["(", "="]).map(|found| found.len())
        });
        for (name, settings) in [
            ("actions", ToolSearch::default().with_actions(n)),
            ("group", ToolSearch::default().with_group(n)),
            ("depth", ToolSearch::default().with_depth(n)),
            ("iterations", ToolSearch::default().with_iterations(n)),
            ("steps", ToolSearch::default().with_steps(n)),
            ("max_tokens", ToolSearch::default().with_max_tokens(n)),
        ] {
            h.input(format_args!("ToolSearch {name} {n}"), || {
                search(settings?, n.min(3), Grade::Fair.reward())
            });
        }
    }
    h.input("nothing", || {
        assert_eq!(initial_value::<u32>(&[], &[], &[]), 0.0);
        assert_eq!(overlap::<u32>(&[], &[]), 0.0);
        assert!(initial_value(&[1], &[], &[1]).is_finite());
        let tree = Tree::<Fragment>::new(Backup::Sum)?;
        fragment_pairs(&tree, &PairFilter::default())?;
        ToolSearch::default().with_rules(Selection::puct(1.0)?, Backup::Discounted { gamma: 2.0 })
    });
    h.finish();
}

/// A search of two prompts within 20 calls.
fn bounded(run: impl FnOnce(&[Vec<u32>], Budget) -> Result<Vec<Found>>) -> Result<()> {
    let found = run(&[vec![1], vec![2]], Budget::calls(20)?)?;
    assert!(found.len() == 2 && found.iter().all(|one| one.spent.calls <= 20));
    Ok(())
}

/// A policy that gives other than one step a beginning, none at all, or one that does not go on.
struct Wrong(usize);

impl StepPolicy for Wrong {
    fn steps(&self, beginnings: &[Beginning<'_>]) -> Result<Vec<Step>> {
        let step = |one: &Beginning<'_>| Step {
            completion: one.so_far.clone(),
            over: false,
        };
        let count = [0, 1, beginnings.len() + 1, beginnings.len()][self.0];
        let all = beginnings.iter().cycle().take(count);
        Ok(all.map(step).collect())
    }
}

#[test]
fn searches_over_policies() {
    let mut h = Hostile::new("rl-rewards searches over policies");
    for a in NUMBERS {
        h.input(format_args!("weights {a}"), || {
            let of = shares(&[a, 0.5, 1e300]);
            assert!(of.iter().all(|share| (0.0..=1.0).contains(share)));
            assert!(!effective_sample_size(&[a, 0.5]).is_nan() || a.is_nan());
            let _ = normalised_entropy(&[a, 0.5]);
            let annealing = EntropicAnnealing::default()
                .with_threshold(a.abs().min(1.0))?
                .with_rule(EntropicRule::Constant(a))?
                .with_until(a)?;
            assert!(annealing.temperature(&[a, 0.1], a) >= 1.0);
            log_odds(a).map(drop)
        });
        h.input(format_args!("temperature {a}"), || {
            for rule in [
                EntropicRule::EffectiveSize,
                EntropicRule::Entropy,
                EntropicRule::Progress,
            ] {
                let annealing = EntropicAnnealing::default().with_rule(rule)?;
                let found = annealing.temperature(&[a, 0.1, 0.0, 0.0, 0.0], a);
                assert!(found >= 1.0 && found.is_finite());
            }
            StepScores::Mean.of(&[a, 0.5])
        });
        h.input(format_args!("draws {a}"), || {
            let mut rng = rand::rng();
            for resampling in [
                Resampling::Multinomial,
                Resampling::Stratified,
                Resampling::Systematic,
            ] {
                let drawn = resampling.draw(&[a, 0.5, a], 9, &mut rng)?;
                assert!(drawn.iter().all(|place| *place < 3));
            }
            Ok::<(), regimen_rl_rewards::RlRewardsError>(())
        });
        h.input(format_args!("scores {a}"), || {
            let reward = |_: &[u32], _: &Completion| a;
            let filter = ParticleFilter::new(4, 3)?;
            bounded(|p, b| filter.run(&Digits(3), &reward, p, b, 0))?;
            bounded(|p, b| BeamSearch::new(2, 2, 3)?.run(&Digits(3), &reward, p, b, 0))?;
            bounded(|p, b| TreeSearch::new(3, 2, 3)?.run(&Digits(3), &reward, p, b, 0))?;
            bounded(|p, b| {
                BestOfN::new(3)?
                    .with_enough(a)?
                    .run(&Digits(3), &reward, p, b, 0)
            })
        });
        h.input(format_args!("votes {a}"), || {
            let mut votes = Votes::default();
            votes.add(1, a)?;
            votes.add(2, 0.5)?;
            assert!((0.0..=1.0).contains(&votes.confidence()));
            SelfConsistency::new(4)?.with_confidence(a)
        });
        h.input(format_args!("when {a}"), || {
            let filter = ParticleFilter::new(4, 3)?;
            filter.with_resample_when(ResampleWhen::From(a))?;
            let filter = filter.with_resample_when(ResampleWhen::BelowEffectiveSize(a))?;
            bounded(|p, b| filter.run(&Digits(3), &mean_digit, p, b, 0))
        });
        h.input(format_args!("a rule of temperature {a}"), || {
            let filter = ParticleFilter::new(4, 3)?;
            bounded(|p, b| {
                let by = (&Digits(3), &mean_digit);
                filter.run_tempered(by, p, (b, 0), &|_, _| a, &mut Unwatched)
            })
        });
        h.input(format_args!("enough {a}"), || {
            Sequential::new(2)?.with_enough(a)
        });
    }
    for n in COUNTS {
        h.input(format_args!("budgets {n}"), || {
            let budget = Budget::tokens(n as u64)?.with_calls(n as u64)?;
            let budget = budget.with_scorings(n as u64)?;
            let found = BestOfN::new(3)?.run(&Digits(2), &mean_digit, &[vec![1]], budget, 0)?;
            assert!(found[0].spent.calls <= 3);
            Budget::time(std::time::Duration::from_nanos(n as u64))
        });
        h.input(format_args!("particles {n}"), || {
            let filter = ParticleFilter::new(n, n)?.with_sweeps(2, n / 2)?;
            bounded(|p, b| filter.run(&Digits(3), &mean_digit, p, b, 0))
        });
        h.input(format_args!("beams {n}"), || {
            bounded(|p, b| BeamSearch::new(n, n, n)?.run(&Digits(3), &mean_digit, p, b, 0))
        });
        h.input(format_args!("iterations {n}"), || {
            bounded(|p, b| TreeSearch::new(n, n, n)?.run(&Digits(3), &mean_digit, p, b, 0))
        });
        h.input(format_args!("samples {n}"), || {
            bounded(|p, b| {
                BestOfN::new(n)?
                    .with_at_once(n)?
                    .run(&Digits(3), &mean_digit, p, b, 0)
            })?;
            let joined = |prompt: &[u32], _: &[Arc<Completion>]| prompt.to_vec();
            bounded(|p, b| Sequential::new(n)?.run(&Digits(3), &mean_digit, &joined, p, b, 0))?;
            let first = |_: &[u32], one: &Completion| one.tokens().first().copied();
            bounded(|p, b| SelfConsistency::new(n)?.run(&Digits(3), &first, p, b, 0))
        });
    }
    for wrong in 0..4 {
        h.input(format_args!("steps {wrong}"), || {
            bounded(|p, b| ParticleFilter::new(4, 3)?.run(&Wrong(wrong), &mean_digit, p, b, 0))?;
            bounded(|p, b| TreeSearch::new(4, 2, 3)?.run(&Wrong(wrong), &mean_digit, p, b, 0))?;
            bounded(|p, b| BeamSearch::new(2, 2, 3)?.run(&Wrong(wrong), &mean_digit, p, b, 0))
        });
    }
    h.input(
        "a policy of other prompts than those it was asked for",
        || {
            let first = |_: &[u32], one: &Completion| one.tokens().first().copied();
            bounded(|p, b| {
                let found = SelfConsistency::new(4)?.run(&Further, &first, p, b, 0);
                assert!(found.is_err());
                BestOfN::new(4)?.run(&Further, &mean_digit, p, b, 0)
            })
        },
    );
    h.input(
        "a policy of other than the samples that were asked for",
        || {
            bounded(|p, b| {
                BestOfN::new(40)?
                    .with_at_once(20)?
                    .run(&Policy(2), &mean_digit, p, b, 0)
            })
        },
    );
    h.finish();
}

#[test]
fn comparisons_at_one_budget() {
    let mut h = Hostile::new("rl-rewards comparisons at one budget");
    let attempts = |tokens, count: usize| -> Vec<Attempt> {
        let one = |place| Attempt {
            tokens,
            is_right: place % 2 == 0,
        };
        (0..count).map(one).collect()
    };
    let whole = |compared: &EqualCompute, prompts: &[Vec<Attempt>], parts| -> Result<()> {
        let all = compared.compare(prompts, prompts)?;
        let split = compared.split(parts, prompts)?;
        for point in all.parallel.iter().chain(&all.sequential).chain(&split) {
            assert!((0.0..=1.000_001).contains(&point.success));
            assert!((0.0..=1.000_001).contains(&point.exhausted));
            assert!(point.spent <= point.budget * 1.000_001);
        }
        assert_eq!(all.gaps().len(), compared.budgets().len());
        let _ = all.sequential_from();
        Ok(())
    };
    for a in NUMBERS {
        h.input(format_args!("budgets {a}"), || {
            let compared = EqualCompute::new(Cost::Tokens, vec![1.0, a])?;
            whole(&compared, &[attempts(3, 4)], 2)
        });
        h.input(format_args!("times {a}"), || {
            let cost = Cost::Flops(Compute::new(2, 64, 64, 128)?.without_gates());
            let compared = EqualCompute::of_answers(cost, 17, &[a])?;
            whole(&compared, &[attempts(17, 4)], 2)
        });
    }
    for n in COUNTS {
        h.input(format_args!("sizes {n}"), || {
            let n = n as u64;
            let flops = Compute::new(n, n, n, n)?.flops(n);
            assert!(flops.is_finite() && flops >= 0.0);
            Compute::new(2, 64, 64, n)
        });
        h.input(format_args!("tokens {n}"), || {
            let cost = Cost::Flops(Compute::new(2, 64, 64, 128)?);
            let compared = EqualCompute::of_answers(cost, 17, &[1.0, 2.0])?;
            whole(&compared, &[attempts(n as u64, 3)], 1)
        });
        h.input(format_args!("attempts {n}"), || {
            let compared = EqualCompute::new(Cost::Tokens, vec![9.0, 1e9])?;
            let prompts = [attempts(5, n.min(2000)), attempts(5, 2)];
            whole(&compared, &prompts, n)
        });
    }
    h.input("no prompt, and other prompts", || {
        let compared = EqualCompute::new(Cost::Tokens, vec![9.0])?;
        assert!(compared.parallel(&[]).is_err() && compared.sequential(&[vec![]]).is_err());
        compared.compare(&[attempts(5, 2)], &[])
    });
    h.finish();
}
