//! States of recipes.

use burn::tensor::Device;
use regimen_rl_rewards::TokenMask;
use regimen_rl_rewards::policy::{Completion, End};
use regimen_rl_rewards::recipes::{Criterion, Example, MultiTurn, Rise, Rlvr, RlvrForm};

use super::state::{State, read, state};
use crate::policy::Sums;
use crate::recipes::Prior;

pub(super) fn all() -> Vec<State> {
    let turns = MultiTurn::new(3, vec![4, 2]).unwrap().with_window(2);
    let turns = turns.with_tries(3).unwrap().with_success(0.5).unwrap();
    let rise = Rise::new().with_criterion(Criterion::Better);
    let rise = rise.with_samples(4).unwrap().with_normalised_weights();
    let mut answer = Completion::new(End::Truncated);
    answer.sampled(3, -0.5).unwrap();
    answer.observed(1);
    let example = Example {
        state: vec![1, 2],
        answer,
        reward: 1.0,
        before: vec![0.0],
        is_repeat: false,
    };
    vec![
        state("MultiTurn", &turns, |text| {
            let turns = read::<MultiTurn>(text)?;
            // A right answer ends an episode at once.
            let episodes = turns.episodes(&Prior, &[vec![1]], 0, |_, _| f64::MAX);
            let episodes = episodes.map_err(|error| error.to_string())?;
            assert!(!episodes[0].turns.is_empty());
            Ok(())
        }),
        state("Rise", &rise, |text| {
            let rise = read::<Rise>(text)?;
            let weights = rise.weights(&[0.5, -0.5]);
            weights.map(drop).map_err(|error| error.to_string())
        }),
        state("Rlvr", &Rlvr::ppo(), |text| {
            let rlvr = read::<Rlvr>(text)?;
            let words = |error: regimen_rl_rewards::RlRewardsError| error.to_string();
            let mask = TokenMask::of_lengths(&[2, 1], 2).map_err(words)?;
            let row = [-0.5, -0.25, -1.0, f64::NAN];
            let found = rlvr.returns(&[1.0, 0.0], &row, &[-0.5; 4], &[0.0; 4], &mask);
            found.map_err(words)?;
            assert!([RlvrForm::Ppo, RlvrForm::Grpo].contains(&rlvr.form()));
            rlvr.objective().map(drop).map_err(words)
        }),
        state("Example", &example, |text| {
            let example = read::<Example>(text)?;
            let kept = Rise::new().keep(vec![example]);
            if kept.is_empty() {
                return Ok(());
            }
            let loss = Rise::new().loss(&Sums, &kept, 0, &Device::flex());
            loss.map(drop).map_err(|error| error.to_string())
        }),
    ]
}
