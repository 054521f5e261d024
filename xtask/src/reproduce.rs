//! `cargo xtask reproduce`: build the runner, run the experiments, write the report.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;
use xshell::cmd;

use crate::backend::Backend;
use crate::failure::{BadUsage, Ended};
use crate::project::{self, Project};
use crate::{digest, record};

#[derive(Args, Default)]
pub(crate) struct Options {
    /// The systems to run; all of them if none is named
    pub(crate) systems: Vec<String>,
    /// Seeds an experiment, in place of each experiment's own number
    #[arg(long, value_name = "N")]
    seeds: Option<usize>,
    /// Run the size of the paper (for those with a GPU)
    #[arg(long)]
    full: bool,
    /// Run on the data of this folder in place of the embedded data
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the tensors live; any but flex is compiled first, which takes long
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// Measure everything anew, though the same program has measured it before
    #[arg(long)]
    fresh: bool,
    /// After success, keep the findings as the record, docs/findings.json
    #[arg(long)]
    record: bool,
}

impl Options {
    /// Named systems, as they are recorded.
    pub(crate) fn of(systems: Vec<String>) -> Self {
        Self {
            systems,
            ..Self::default()
        }
    }

    fn is_standard(&self) -> bool {
        self.data.is_none()
            && !self.full
            && self.seeds.is_none()
            && self.backend == Backend::default()
    }
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    if options.record && !options.is_standard() {
        let message =
            "--record keeps the standard run: without --data, --full, --seeds and --backend";
        return Err(BadUsage(message.to_owned()).into());
    }
    build(project, options.backend)?;
    experiments(project, options)
}

/// Builds the runner. The whole workspace is selected, so that Burn has the features that tests and benches use too.
pub(crate) fn build(project: &Project, backend: Backend) -> Result<()> {
    let sh = &project.shell;
    let feature = format!("regimen-examples/{}", backend.name());
    cmd!(
        sh,
        "cargo build --release --workspace --bin regimen-examples --features {feature}"
    )
    .run()?;
    Ok(())
}

/// Runs the runner as it is built, with the terminal as its own so that its progress bar shows.
pub(crate) fn experiments(project: &Project, options: &Options) -> Result<()> {
    let mut arguments = vec!["run".to_owned()];
    arguments.extend(options.systems.iter().cloned());
    if options.systems.is_empty() {
        arguments.push("--all".to_owned());
    }
    if let Some(seeds) = options.seeds {
        arguments.extend(["--seeds".to_owned(), seeds.to_string()]);
    }
    for (is_set, flag) in [(options.full, "--full"), (options.fresh, "--fresh")] {
        if is_set {
            arguments.push(flag.to_owned());
        }
    }
    let mut command = runner(project, options.backend, &arguments);
    if let Some(data) = &options.data {
        command.arg("--data").arg(std::path::absolute(data)?);
    }
    end_well(command)?;
    if options.record {
        keep(project, options)?;
    }
    Ok(())
}

/// Runs these experiments, or all, at their small size, whole and with each of their faults.
pub(crate) fn faults(project: &Project, systems: &[String]) -> Result<()> {
    let arguments = [&["faults".to_owned()], systems].concat();
    end_well(runner(project, Backend::default(), &arguments))
}

fn runner(project: &Project, backend: Backend, arguments: &[String]) -> Command {
    let (runner, out, sh) = (project.runner(), folder(project), &project.shell);
    let mut command = Command::from(cmd!(sh, "{runner} {arguments...} --out {out}"));
    command.arg("--end-with-parent").stdin(Stdio::piped());
    command.env("BURN_DEVICE", backend.name());
    command
}

/// Runs the runner to its end. It ends too when this process is killed: our end of its standard input is then closed.
fn end_well(mut command: Command) -> Result<()> {
    let mut child = command.spawn().context("regimen-examples")?;
    let held = child.stdin.take();
    let status = child.wait().context("regimen-examples")?;
    drop(held);
    if !status.success() {
        let program = "regimen-examples".to_owned();
        let code = status.code();
        return Err(Ended { program, code }.into());
    }
    Ok(())
}

/// Where the report goes.
pub(crate) fn folder(project: &Project) -> PathBuf {
    project.target.join("reproduction")
}

/// What the last run found.
pub(crate) fn findings(project: &Project) -> Result<Vec<Value>> {
    record::read(&folder(project).join("findings.json"))
}

/// Makes the new findings the record, each with the digest of the sources that it was measured on: of all systems, or
/// of the named ones among the recorded.
fn keep(project: &Project, options: &Options) -> Result<()> {
    let path = project.root.join(record::RECORD);
    let mut findings = findings(project)?;
    for finding in &mut findings {
        finding["digest"] = Value::String(digest::of(project, finding)?);
    }
    if !options.systems.is_empty() && path.is_file() {
        findings = record::merge(record::read(&path)?, findings);
    }
    let mut text = serde_json::to_string_pretty(&findings)?;
    text.push('\n');
    project::write(&path, text.as_bytes())?;
    println!("recorded {} findings in {}", findings.len(), record::RECORD);
    Ok(())
}
