//! `regimen-examples`: lists and runs the experiments.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program's output"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Parser, Subcommand};
use regimen_examples::runner::{Plan, context, run, run_seed};
use regimen_examples::{SYSTEMS, System, pruning, report, system};

/// Experiments that prove Regimen's systems on real data.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists the systems.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Runs experiments, all seeds, and writes the report.
    Run {
        /// The systems to run.
        systems: Vec<String>,
        /// Runs every system.
        #[arg(long)]
        all: bool,
        /// How many seeds of each.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: Option<u64>,
        /// The large size.
        #[arg(long)]
        full: bool,
        /// A folder with IDX, CSV or text files to run on instead of the embedded data.
        #[arg(long)]
        data: Option<PathBuf>,
        /// Where the report goes.
        #[arg(long, default_value = "target/reproduction")]
        out: PathBuf,
    },
    /// Prints the table of all pruning methods on one network.
    Peers {
        /// How many seeds of each.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,
    },
    /// Runs one seed of one system and writes its values as JSON.
    #[command(hide = true)]
    Trial {
        system: String,
        #[arg(long)]
        seed: u64,
        #[arg(long)]
        full: bool,
        #[arg(long)]
        data: Option<PathBuf>,
        #[arg(long)]
        out: PathBuf,
    },
}

fn main() -> ExitCode {
    match execute(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn execute(verb: Verb) -> Result<()> {
    match verb {
        Verb::List { json } => list(json),
        Verb::Run {
            systems,
            all,
            seeds,
            full,
            data,
            out,
        } => {
            let plan = Plan {
                systems: select(&systems, all)?,
                seeds,
                full,
                folder: data,
            };
            let findings = run(&plan)?;
            println!("{}", report::table(&findings));
            report::write(&out, &findings)?;
            println!("report: {}", out.join("index.html").display());
            Ok(())
        }
        Verb::Peers { seeds } => {
            println!("{}", pruning::peers::table(seeds, &[0.9, 0.95])?);
            Ok(())
        }
        Verb::Trial {
            system,
            seed,
            full,
            data,
            out,
        } => {
            let plan = Plan {
                systems: select(&[system], false)?,
                seeds: None,
                full,
                folder: data,
            };
            let trial = run_seed(plan.systems[0], &context(&plan, seed), seed)?;
            report::write_atomically(&out, &serde_json::to_vec(&trial)?)
        }
    }
}

fn list(json: bool) -> Result<()> {
    if json {
        let names: Vec<_> = SYSTEMS
            .iter()
            .map(|s| serde_json::json!({ "system": s.name, "number": s.number, "crate": s.krate, "source": s.source }))
            .collect();
        println!("{}", serde_json::to_string_pretty(&names)?);
        return Ok(());
    }
    for system in SYSTEMS {
        println!("{:20} {:20} {}", system.name, system.krate, system.paper);
    }
    Ok(())
}

fn select(names: &[String], all: bool) -> Result<Vec<&'static System>> {
    if all {
        return Ok(SYSTEMS.iter().collect());
    }
    let known: Vec<&str> = SYSTEMS.iter().map(|system| system.name).collect();
    ensure!(
        !names.is_empty(),
        "name a system or give --all; known: {}",
        known.join(", ")
    );
    let mut systems = Vec::new();
    for name in names {
        match system(name)
            .with_context(|| format!("no system `{name}`; known: {}", known.join(", ")))
        {
            Ok(system) => systems.push(system),
            Err(error) => bail!(error),
        }
    }
    Ok(systems)
}
