//! What every experiment states, what the runner makes of seeds that fail or are stopped, and what it says of bad input.
//!
//! That each fault turns its checks is not here but in `cargo xtask faults`, where every run has a process of its own.
#![allow(clippy::unwrap_used, missing_docs)]

mod folders;
mod interrupted;
mod kills;
mod statements;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The runner, with these arguments.
fn runner(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_regimen-examples"));
    command.args(arguments);
    command
}

fn program(arguments: &[&str]) -> Output {
    runner(arguments).output().unwrap()
}

/// Findings as they are written, without the times that runs took.
fn findings(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("findings.json")).unwrap();
    let mut findings: Vec<Value> = serde_json::from_str(&text).unwrap();
    for finding in &mut findings {
        finding["seconds"] = Value::Null;
    }
    findings
}

/// What a program that was given bad input says: one line, with exit code 2.
fn complaint(arguments: &[&str]) -> String {
    let output = program(arguments);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.trim().lines().count(), 1, "{text}");
    text
}

#[test]
fn an_unknown_system_lists_the_known_ones() {
    let text = complaint(&["run", "adam"]);
    assert!(
        text.contains("adam") && text.contains("refined-schedules"),
        "{text}"
    );
}

#[test]
fn a_folder_without_data_is_named() {
    let text = complaint(&["run", "refined-schedules", "--data", "/no/such/folder"]);
    assert!(text.contains("/no/such/folder"), "{text}");
}
