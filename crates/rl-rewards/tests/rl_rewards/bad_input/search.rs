//! Absurd trees, scores and settings of searches.

use regimen_rl_rewards::Result;
use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts, SamplePolicy};
use regimen_rl_rewards::recipes::itool::{
    Fragment, Grade, Grades, PairFilter, PairForm, ToolPrompt, ToolSearch, fragment_pairs,
    fragments, hardest, initial_value, overlap, perplexity, text_fragments,
};
use regimen_rl_rewards::search::{Backup, Candidate, Selection, Tree};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

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
