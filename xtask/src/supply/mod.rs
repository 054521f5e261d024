//! The supply chain: licences, sources, double versions, advisories and withdrawn versions of what the workspace builds
//! on, by the rules of `deny.toml`. It needs cargo and the registry only, and says what it could not check.

mod advisories;
mod graph;
mod licences;
mod locked;
mod rules;
mod yanked;

use std::path::Path;

use anyhow::Result;

use crate::failure;
use crate::project::Project;
use crate::test::DATAFUSION;
use graph::{ALL, Graph, LINUX};
use rules::Rules;

/// Checks everything, and prints what was checked against what.
pub(crate) fn check(project: &Project) -> Result<()> {
    let rules = Rules::read(project)?;
    let graph = Graph::read(project, ALL, &[])?;
    let large = Graph::read(project, ALL, &[DATAFUSION])?;
    let locked = locked::read(project)?;
    let mut problems = licences::check(&rules, &large);
    println!(
        "supply: licences of {} packages (default features, and DataFusion with {} of them; all systems)",
        large.packages.len(),
        large.packages.len() - graph.packages.len()
    );
    problems.extend(locked::foreign(&locked));
    problems.extend(Graph::read(project, LINUX, &[])?.doubles(&rules.bans.skip));
    println!(
        "supply: {} packages of Cargo.lock come from crates.io; {} double versions, each with its reason in deny.toml",
        locked.len(),
        rules.bans.skip.len()
    );
    let advisories = advisories::read(project)?;
    let found = advisories.of(&locked, &rules.advisories.ignored(), &graph)?;
    println!(
        "supply: advisories of {}: later ones are not known here (CONTRIBUTING.md says how to take them up)",
        advisories.source
    );
    for note in found.notes {
        println!("supply: {note}");
    }
    problems.extend(found.problems);
    problems.extend(yanked::check(project, &locked)?);
    failure::none_of("supply", &problems)
}

/// Takes the advisories of a checkout of RustSec's database into the tree.
pub(crate) fn take_up(project: &Project, folder: &Path) -> Result<()> {
    advisories::take_up(project, folder)
}
