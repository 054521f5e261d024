//! The project's tasks, run as `cargo xtask <task>`. Each task is one file; this is their table.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of the command line: what it finds, it prints"
)]

mod bench;
mod ci;
mod docs;
mod failure;
mod lint;
mod new_system;
mod project;
mod record;
mod reproduce;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Run all that a change must pass: lint, tidy, test, docs, reproduce
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
}

fn main() -> ExitCode {
    let task = Cli::parse().task;
    let result = Project::open().and_then(|project| match task {
        Task::Reproduce(options) => reproduce::run(&project, &options),
        Task::Ci => ci::run(&project),
        Task::Test(options) => test::run(&project, &options),
        Task::Lint(options) => lint::run(&project, &options),
        Task::Tidy(options) => tidy::run(&project, &options),
        Task::Docs => docs::run(&project),
        Task::NewSystem(options) => new_system::run(&project, &options),
        Task::Bench(options) => bench::run(&project, &options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
