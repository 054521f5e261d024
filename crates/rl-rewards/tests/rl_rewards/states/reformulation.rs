//! Settings of guided responses.

use regimen_rl_rewards::{Guidance, GuidedRatio, Placement, Reformulation, Rescued};

use super::state::{State, read, state};
use crate::bad_input::reformulation::used;

pub(super) fn all() -> Vec<State> {
    let recipe = Reformulation::default();
    let recipe = recipe.with_placement(Placement::Add).with_failure(0.25);
    let rescued = Rescued {
        groups: 3,
        failed: 1,
        ..Rescued::default()
    };
    vec![
        state("Reformulation", &recipe.unwrap(), |text| {
            let recipe = read::<Reformulation>(text)?;
            used(recipe, 0.0, false).map_err(|error| error.to_string())
        }),
        state("Guidance", &Guidance::SolutionAndAnswer, |text| {
            read::<Guidance>(text).map(drop)
        }),
        state("Placement", &Placement::Replace, |text| {
            read::<Placement>(text).map(drop)
        }),
        state("GuidedRatio", &GuidedRatio::OffPolicy, |text| {
            read::<GuidedRatio>(text).map(drop)
        }),
        state("Rescued", &rescued, |text| read::<Rescued>(text).map(drop)),
    ]
}
