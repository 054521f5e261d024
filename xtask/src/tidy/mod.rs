//! `cargo xtask tidy`: the habits of the project, each checked by one file.

mod circles;
mod crates;
mod dependencies;
mod features;
mod findings;
mod hostile;
mod length;
mod licences;
pub(crate) mod lists;
pub(crate) mod methods;
mod pages;
pub(crate) mod peers;
mod quotes;
mod region;
mod robustness;
mod support;
pub(crate) mod systems;
mod words;

use anyhow::Result;
use clap::Args;

use crate::failure;
use crate::project::Project;

#[derive(Args)]
pub(crate) struct Options {
    /// Write the generated tables and lists anew instead of complaining of them
    #[arg(long)]
    fix: bool,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let mut problems = in_tree(project, options.fix)?;
    problems.extend(findings::check(project)?);
    failure::none_of("tidy", &problems)
}

/// The checks that need no built program.
pub(crate) fn tree(project: &Project) -> Result<()> {
    failure::none_of("tidy", &in_tree(project, false)?)
}

/// The recorded findings against the runner, which is built if it is not there.
pub(crate) fn findings(project: &Project) -> Result<()> {
    failure::none_of("findings", &findings::check(project)?)
}

fn in_tree(project: &Project, fix: bool) -> Result<Vec<String>> {
    let mut problems = length::check(project)?;
    problems.extend(words::check(project)?);
    problems.extend(circles::check(project)?);
    problems.extend(licences::check(project)?);
    problems.extend(features::check(project)?);
    problems.extend(methods::check(project, fix)?);
    problems.extend(crates::check(project, fix)?);
    problems.extend(peers::check(project, fix)?);
    problems.extend(dependencies::check(project, fix)?);
    problems.extend(support::check(project, fix)?);
    problems.extend(quotes::check(project, fix)?);
    problems.extend(hostile::check(project)?);
    problems.extend(robustness::check(project, fix)?);
    problems.extend(generated_for_systems(project, fix)?);
    Ok(problems)
}

/// What the systems' experiments and their record are the source of: the lists of systems and the figures on their pages.
pub(crate) fn generated_for_systems(project: &Project, fix: bool) -> Result<Vec<String>> {
    let (systems, mut problems) = systems::read(project)?;
    problems.extend(lists::check(project, &systems, fix)?);
    problems.extend(pages::check(project, &systems, fix)?);
    Ok(problems)
}
