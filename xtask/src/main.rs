//! The project's tasks, run as `cargo xtask <task>`. Each task is one file; this is their table.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of the command line: what it finds, it prints"
)]

mod backend;
mod bench;
mod ci;
mod digest;
mod docs;
mod failure;
mod faults;
mod lint;
mod new_system;
mod picture;
mod project;
mod record;
mod reproduce;
mod robustness;
mod stale;
mod supply;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::backend::Backend;
use crate::project::Project;

#[derive(Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    about = "The tasks of the project"
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the experiments and write the report to target/reproduction
    Reproduce(reproduce::Options),
    /// Run the experiments at their small size, whole and with each of their faults, which must turn a check;
    /// `faults robustness` gives hostile input to the libraries
    Faults(faults::Options),
    /// Measure the systems again whose record is of other sources than the tree's, within a budget of time
    Stale(stale::Options),
    /// Run all that a change must pass: lint, tidy, test, docs, faults, stale
    Ci,
    /// Run the unit, property, integration and doc tests and every crate's learner example
    Test(test::Options),
    /// Check format, clippy, rustdoc and each crate alone with each feature
    Lint(lint::Options),
    /// Check file length, generated tables, licence files and the recorded findings
    Tidy(tidy::Options),
    /// Build the book and the API pages into target/docs, and check every link
    Docs,
    /// Write the method, the experiment and the page of a new system, with their headings
    NewSystem(new_system::Options),
    /// Run the criterion benches
    Bench(bench::Options),
    /// Take docs/report.png and docs/report-narrow.png from the report with headless Chromium
    Picture,
}

fn main() -> ExitCode {
    let task = Cli::parse().task;
    let result = Project::open().and_then(|project| match task {
        Task::Reproduce(options) => reproduce::run(&project, &options),
        Task::Faults(options) => faults::run(&project, &options),
        Task::Stale(options) => reproduce::build(&project, Backend::default())
            .and_then(|()| stale::run(&project, &options)),
        Task::Ci => ci::run(&project),
        Task::Test(options) => test::run(&project, &options),
        Task::Lint(options) => lint::run(&project, &options),
        Task::Tidy(options) => tidy::run(&project, &options),
        Task::Docs => docs::run(&project),
        Task::NewSystem(options) => new_system::run(&project, &options),
        Task::Bench(options) => bench::run(&project, &options),
        Task::Picture => picture::run(&project),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
