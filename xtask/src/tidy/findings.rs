//! The recorded findings against the runner's list, the source files and the book.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::Value;
use xshell::cmd;

use crate::digest;
use crate::project::Project;
use crate::record::{self, RECORD};

/// The least number of seeds of a recorded experiment.
const SEEDS: usize = 3;

pub(super) fn check(project: &Project) -> Result<Vec<String>> {
    let findings = match record::read(&project.root.join(RECORD)) {
        Ok(findings) => findings,
        Err(error) => return Ok(vec![format!("{error:#}")]),
    };
    let known = systems(project)?;
    let recorded: BTreeSet<_> = findings.iter().map(record::system).collect();
    let mut problems: Vec<String> = known
        .iter()
        .filter(|name| !recorded.contains(name.as_str()))
        .map(|name| format!("{RECORD}: {name} is not recorded: `cargo xtask reproduce --record`"))
        .collect();
    for finding in &findings {
        let name = record::system(finding);
        if !known.contains(name) {
            problems.push(format!("{RECORD}: {name} is no system of the runner"));
        }
        let wrong = in_finding(project, finding);
        problems.extend(
            wrong
                .into_iter()
                .map(|problem| format!("{RECORD}: {name}: {problem}")),
        );
    }
    let stale = digest::stale(project, &findings)?;
    if !stale.is_empty() {
        println!(
            "recorded of other sources than the tree's (`cargo xtask stale` measures again): {}",
            stale.join(", ")
        );
    }
    Ok(problems)
}

/// What is wrong in one finding.
fn in_finding(project: &Project, finding: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for arm in ["baseline", "method"] {
        let seeds = finding[arm]["values"].as_array().map_or(0, Vec::len);
        if seeds < SEEDS {
            problems.push(format!(
                "{arm} has {seeds} values, one a seed and {SEEDS} at least"
            ));
        }
    }
    let page = format!(
        "docs/src/{}/{}.md",
        finding["crate"]
            .as_str()
            .unwrap_or_default()
            .trim_start_matches("regimen-"),
        record::system(finding),
    );
    let source = finding["source"].as_str().unwrap_or("source");
    for file in [source, &page] {
        if !project.root.join(file).is_file() {
            problems.push(format!("no file {file}"));
        }
    }
    problems
}

/// The names of the systems that the runner lists.
fn systems(project: &Project) -> Result<BTreeSet<String>> {
    let sh = &project.shell;
    let runner = project.runner();
    let text = if runner.is_file() {
        cmd!(sh, "{runner} list --json").quiet().read()?
    } else {
        cmd!(
            sh,
            "cargo run --release -q -p regimen-examples -- list --json"
        )
        .read()?
    };
    let list: Vec<Value> = serde_json::from_str(&text).context("regimen-examples list --json")?;
    list.iter().map(name).collect()
}

/// An entry of the list: a name, or an object that has one.
fn name(entry: &Value) -> Result<String> {
    let name = entry
        .as_str()
        .or(entry["system"].as_str())
        .or(entry["name"].as_str());
    Ok(name
        .context("regimen-examples list --json: an entry has no name")?
        .to_owned())
}
