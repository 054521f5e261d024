//! Trees and settings of searches.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::Completion;
use regimen_rl_rewards::recipes::itool::{
    Fragment, FragmentPair, Grade, PairFilter, PairForm, ToolPrompt, ToolSearch, fragment_pairs,
};
use regimen_rl_rewards::search::{
    Attempt, Backup, BeamSearch, BestOfN, Budget, Candidate, Comparison, Compute, Cost,
    EntropicAnnealing, EntropicRule, EqualCompute, Node, ParticleFilter, Point, Pruned, Question,
    ResampleWhen, Resampling, SampleTemperature, Selection, SelfConsistency, Sequential, Spent,
    StepScores, Tree, TreeSearch,
};

use super::state::{State, read, state};
use crate::search::{Digits, mean_digit};

fn tree() -> Tree<Fragment> {
    let fragment = |tokens: &[u32], ends| Fragment {
        tokens: tokens.to_vec(),
        ends,
    };
    let mut tree = Tree::new(Backup::Discounted { gamma: 0.5 }).unwrap();
    let first = tree.add(0, fragment(&[1, 2], false), 0.9, 0.1).unwrap();
    let last = tree.add(first, fragment(&[3, 0], true), 0.5, 0.1).unwrap();
    tree.add(first, fragment(&[4, 0], true), 0.5, -0.5).unwrap();
    tree.back_up(last, 0.25).unwrap();
    tree.expanded(0).unwrap();
    tree
}

fn pair() -> FragmentPair {
    fragment_pairs(&tree(), &PairFilter::default())
        .unwrap()
        .remove(0)
}

fn used(text: &str) -> Result<(), String> {
    let mut tree = read::<Tree<Fragment>>(text)?;
    let nodes = tree.nodes().len();
    let last = tree.descend(Selection::LOGARITHMIC, |_| true).unwrap();
    assert!(last < nodes && tree.path(last).unwrap().len() == tree.node(last).unwrap().depth());
    tree.back_up(last, 0.5).unwrap();
    fragment_pairs(&tree, &PairFilter::default()).unwrap();
    Ok(())
}

/// One prompt of a search of digits, cut off after 64 calls.
fn budget() -> Budget {
    Budget::calls(64).unwrap()
}

/// Settings of searches; what was read searches, unless it is too large to.
fn settings() -> Vec<State> {
    vec![
        state(
            "Question",
            &Question::new(vec![4, 5], 7, 8).unwrap(),
            |text| {
                let question = read::<Question>(text)?;
                assert!((question.score(-0.5, -0.5) - 0.5).abs() < 1e-12);
                Ok(())
            },
        ),
        state(
            "SampleTemperature",
            &SampleTemperature::new(0.9, 0.25).unwrap(),
            |text| {
                let temperature = read::<SampleTemperature>(text)?;
                assert!((0..9).all(|sample| temperature.at(sample) >= 0.0));
                Ok(())
            },
        ),
        state("Pruned", &Pruned::new(8, 2, 3).unwrap(), |text| {
            let search = read::<Pruned>(text)?;
            search
                .run(&Digits(3), &mean_digit, &[vec![1]], budget(), 0)
                .map_err(|error| error.to_string())?;
            Ok(())
        }),
        state("Budget", &budget().with_tokens(9).unwrap(), |text| {
            let budget = read::<Budget>(text)?;
            let found =
                BestOfN::new(3)
                    .unwrap()
                    .run(&Digits(2), &mean_digit, &[vec![1]], budget, 0);
            assert!(found.unwrap()[0].spent.calls <= 3);
            Ok(())
        }),
        state(
            "Spent",
            &Spent {
                tokens: 3,
                calls: 2,
                scorings: 1,
            },
            |text| {
                let mut spent = read::<Spent>(text)?;
                spent += spent;
                Ok(())
            },
        ),
        state("Resampling", &Resampling::Stratified, |text| {
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            let drawn = read::<Resampling>(text)?.draw(&[0.2, 0.8], 5, &mut rng);
            assert_eq!(drawn.unwrap().len(), 5);
            Ok(())
        }),
        state("ResampleWhen", &ResampleWhen::From(0.5), |text| {
            let filter = ParticleFilter::new(3, 3).unwrap();
            let filter = filter.with_resample_when(read::<ResampleWhen>(text)?);
            filter.map(drop).map_err(|error| error.to_string())
        }),
        state("StepScores", &StepScores::Min, |text| {
            assert!(read::<StepScores>(text)?.of(&[0.5, 0.5]).unwrap() > 0.2);
            Ok(())
        }),
        state("EntropicRule", &EntropicRule::Constant(2.0), |text| {
            let annealing = EntropicAnnealing::default().with_rule(read::<EntropicRule>(text)?);
            annealing.map(drop).map_err(|error| error.to_string())
        }),
        state("EntropicAnnealing", &EntropicAnnealing::default(), |text| {
            let found = read::<EntropicAnnealing>(text)?.temperature(&[0.9, 0.1, 0.0], 0.1);
            assert!(found >= 1.0 && found.is_finite());
            Ok(())
        }),
        state(
            "ParticleFilter",
            &ParticleFilter::new(8, 4).unwrap().with_entropic_annealing(),
            |text| {
                let filter = read::<ParticleFilter>(text)?;
                let found = filter.run(&Digits(4), &mean_digit, &[vec![1, 2]], budget(), 0);
                assert!(found.unwrap()[0].spent.calls <= 64);
                Ok(())
            },
        ),
        state("BeamSearch", &BeamSearch::new(2, 2, 4).unwrap(), |text| {
            let search = read::<BeamSearch>(text)?;
            let found = search.run(&Digits(4), &mean_digit, &[vec![1, 2]], budget(), 0);
            assert!(found.unwrap()[0].spent.calls <= 64);
            Ok(())
        }),
        state("TreeSearch", &TreeSearch::new(8, 2, 4).unwrap(), |text| {
            let search = read::<TreeSearch>(text)?;
            let found = search.run(&Digits(4), &mean_digit, &[vec![1, 2]], budget(), 0);
            assert!(found.unwrap()[0].spent.calls <= 64);
            Ok(())
        }),
        state(
            "BestOfN",
            &BestOfN::new(8).unwrap().with_enough(0.9).unwrap(),
            |text| {
                let search = read::<BestOfN>(text)?;
                let found = search.run(&Digits(4), &mean_digit, &[vec![1, 2]], budget(), 0);
                assert!(found.unwrap()[0].spent.calls <= 64);
                Ok(())
            },
        ),
        state(
            "SelfConsistency",
            &SelfConsistency::new(8)
                .unwrap()
                .with_confidence(0.9)
                .unwrap(),
            |text| {
                let search = read::<SelfConsistency>(text)?;
                let first = |_: &[u32], one: &Completion| one.tokens().first().copied();
                let found = search.run(&Digits(4), &first, &[vec![1, 2]], budget(), 0);
                assert!(found.unwrap()[0].spent.calls <= 64);
                Ok(())
            },
        ),
        state(
            "Sequential",
            &Sequential::new(8).unwrap().with_enough(0.9).unwrap(),
            |text| {
                let search = read::<Sequential>(text)?;
                let joined = |prompt: &[u32], _: &[Arc<Completion>]| prompt.to_vec();
                let found =
                    search.run(&Digits(4), &mean_digit, &joined, &[vec![1, 2]], budget(), 0);
                assert!(found.unwrap()[0].spent.calls <= 64);
                Ok(())
            },
        ),
    ]
}

pub(super) fn all() -> Vec<State> {
    let mut all = settings();
    all.extend(trees());
    all.extend(comparisons());
    all
}

fn trees() -> Vec<State> {
    vec![
        state("Tree", &tree(), used),
        state("Node", &tree().nodes()[1], |text| {
            let node = read::<Node<Fragment>>(text)?;
            let _ = (node.children(), node.action(), node.visits());
            Ok(())
        }),
        state("Backup", &Backup::Discounted { gamma: 0.5 }, |text| {
            let tree = Tree::<u32>::new(read::<Backup>(text)?);
            tree.map(drop).map_err(|error| error.to_string())
        }),
        state("Selection", &Selection::LOGARITHMIC, |text| {
            let score = read::<Selection>(text)?.score(Candidate {
                value: 0.5,
                visits: 1,
                prior: 0.5,
                parent_visits: 2,
            });
            assert!(score.is_finite());
            Ok(())
        }),
        state("Fragment", &pair().chosen, |text| {
            read::<Fragment>(text).map(drop)
        }),
        state("FragmentPair", &pair(), |text| {
            let pair = read::<FragmentPair>(text)?;
            let found = PairForm::WholeTurn { end: 0 }.rollouts(&[(&vec![7], &pair)]);
            found.map(drop).map_err(|error| error.to_string())
        }),
        state("PairFilter", &PairFilter::default(), |text| {
            let filter = read::<PairFilter>(text)?;
            let _ = fragment_pairs(&tree(), &filter).unwrap();
            Ok(())
        }),
        state("PairForm", &PairForm::WholeTurn { end: 3 }, |text| {
            let found = read::<PairForm>(text)?.rollouts(&[(&vec![7], &pair())]);
            found.map(drop).map_err(|error| error.to_string())
        }),
        state(
            "ToolPrompt",
            &ToolPrompt {
                prompt: vec![7],
                truth: vec![1, 0],
            },
            |text| read::<ToolPrompt>(text).map(drop),
        ),
        state("ToolSearch", &ToolSearch::default(), |text| {
            let search = read::<ToolSearch>(text)?;
            assert!(search.with_actions(2).is_ok());
            Ok(())
        }),
        state("Grade", &Grade::Fair, |text| {
            assert!(read::<Grade>(text)?.reward().is_finite());
            Ok(())
        }),
    ]
}

fn comparisons() -> Vec<State> {
    let attempt = |is_right| Attempt {
        tokens: 17,
        is_right,
    };
    let compute = Compute::new(2, 64, 64, 128).unwrap();
    let times = [1.0, 2.0];
    let compared = EqualCompute::of_answers(Cost::Flops(compute), 17, &times).unwrap();
    let prompts = [vec![attempt(true), attempt(false)]];
    let found = compared.compare(&prompts, &prompts).unwrap();
    vec![
        state("Attempt", &attempt(true), |text| {
            let prompts = [vec![read::<Attempt>(text)?; 3]];
            let compared = EqualCompute::new(Cost::Tokens, vec![9.0, 99.0]).unwrap();
            assert!(compared.parallel(&prompts).unwrap()[1].success <= 1.0);
            Ok(())
        }),
        state("Compute", &compute, |text| {
            assert!(read::<Compute>(text)?.flops(9).is_finite());
            Ok(())
        }),
        state("Cost", &Cost::Flops(compute), |text| {
            assert!(read::<Cost>(text)?.of(9) > 0.0);
            Ok(())
        }),
        state("EqualCompute", &compared, |text| {
            let attempt = Attempt {
                tokens: 3,
                is_right: true,
            };
            let found = read::<EqualCompute>(text)?.parallel(&[vec![attempt; 2]]);
            assert!(found.unwrap().iter().all(|point| point.success <= 1.0));
            Ok(())
        }),
        state("Point", &found.parallel[0], |text| {
            read::<Point>(text).map(drop)
        }),
        state("Comparison", &found, |text| {
            let found = read::<Comparison>(text)?;
            assert!(found.gaps().len() <= found.sequential.len());
            let _ = found.sequential_from();
            Ok(())
        }),
    ]
}
