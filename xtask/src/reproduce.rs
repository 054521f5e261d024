//! `cargo xtask reproduce`: build the runner, run the experiments, write the report.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;
use xshell::cmd;

use crate::failure::{BadUsage, Ended};
use crate::project::{self, Project};
use crate::record;

#[derive(Args, Default)]
pub(crate) struct Options {
    /// The systems to run; all of them if none is named
    systems: Vec<String>,
    /// Seeds an experiment, in place of each experiment's own number
    #[arg(long, value_name = "N")]
    seeds: Option<usize>,
    /// Run the size of the paper (for those with a GPU)
    #[arg(long)]
    full: bool,
    /// Run on the data of this folder in place of the embedded data
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// After success, keep the findings as the record, docs/findings.json
    #[arg(long)]
    record: bool,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    if options.record && (options.data.is_some() || options.full) {
        let message = "--record keeps the standard run: without --data and --full";
        return Err(BadUsage(message.to_owned()).into());
    }
    let sh = &project.shell;
    cmd!(sh, "cargo build --release -p regimen-examples").run()?;
    experiments(project, options)
}

/// Runs the runner as it is built, with the terminal as its own so that its progress bar shows.
pub(crate) fn experiments(project: &Project, options: &Options) -> Result<()> {
    let sh = &project.shell;
    let (runner, out) = (project.runner(), folder(project));
    let mut arguments = options.systems.clone();
    if arguments.is_empty() {
        arguments.push("--all".to_owned());
    }
    if let Some(seeds) = options.seeds {
        arguments.extend(["--seeds".to_owned(), seeds.to_string()]);
    }
    if options.full {
        arguments.push("--full".to_owned());
    }
    let mut command = Command::from(cmd!(sh, "{runner} run {arguments...} --out {out}"));
    if let Some(data) = &options.data {
        command.arg("--data").arg(std::path::absolute(data)?);
    }
    let status = command
        .status()
        .with_context(|| runner.display().to_string())?;
    if !status.success() {
        let program = "regimen-examples".to_owned();
        let code = status.code();
        return Err(Ended { program, code }.into());
    }
    if options.record {
        keep(project, options)?;
    }
    Ok(())
}

/// Where the report goes.
pub(crate) fn folder(project: &Project) -> PathBuf {
    project.target.join("reproduction")
}

/// Makes the new findings the record: of all systems, or of the named ones among the recorded.
fn keep(project: &Project, options: &Options) -> Result<()> {
    let path = project.root.join(record::RECORD);
    let mut findings = record::read(&folder(project).join("findings.json"))?;
    if !options.systems.is_empty() && path.is_file() {
        findings = record::merge(record::read(&path)?, findings);
    }
    let mut text = serde_json::to_string_pretty(&findings)?;
    text.push('\n');
    project::write(&path, text.as_bytes())?;
    println!("recorded {} findings in {}", findings.len(), record::RECORD);
    Ok(())
}
