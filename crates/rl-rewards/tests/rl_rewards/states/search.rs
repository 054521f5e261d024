//! Trees and settings of searches.

use regimen_rl_rewards::recipes::itool::{
    Fragment, FragmentPair, Grade, PairFilter, PairForm, ToolPrompt, ToolSearch, fragment_pairs,
};
use regimen_rl_rewards::search::{Backup, Candidate, Node, Selection, Tree};

use super::state::{State, read, state};

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

pub(super) fn all() -> Vec<State> {
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
