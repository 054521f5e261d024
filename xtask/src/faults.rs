//! `cargo xtask faults`: what must not go unnoticed. The experiments with their faults, and hostile input to the libraries.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::backend::Backend;
use crate::project::Project;
use crate::{reproduce, robustness};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    part: Option<Part>,
    /// The systems whose experiments run whole and with each of their faults; all of them if none is named
    systems: Vec<String>,
}

#[derive(Subcommand)]
enum Part {
    /// Give absurd arguments and damaged states to every library, kill saving processes, fail replicas
    Robustness(robustness::Options),
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    match &options.part {
        Some(Part::Robustness(options)) => robustness::run(project, options),
        None => {
            reproduce::build(project, Backend::default())?;
            reproduce::faults(project, &options.systems)
        }
    }
}
