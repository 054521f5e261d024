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
use clap::{Args, Parser, Subcommand};
use regimen_examples::continual::continual_survey::tune;
use regimen_examples::rl_rewards::tulu3_rlvr::tune::Tried;
use regimen_examples::runner::{self, Drill, Plan};
use regimen_examples::{SYSTEMS, System, pruning, report, rl_rewards, system};

mod rates;

/// It keeps freed memory for the next tensor: 5 to 9 % less time than the system's on small models.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    Run(Run),
    /// Runs experiments at their small size, whole and with each of their faults: a fault must turn its checks.
    Faults {
        /// The systems to run; all of them if none is named.
        systems: Vec<String>,
        /// Where the results of seeds are kept.
        #[arg(long, default_value = "target/reproduction")]
        out: PathBuf,
        /// Ends when the standard input is closed.
        #[arg(long, hide = true)]
        end_with_parent: bool,
    },
    /// Prints the table of all pruning methods on one network.
    Peers {
        /// How many seeds of each.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,
    },
    /// Prints the record of the test bed of rewards and objectives: its bases, and the plainest ways to go on from them.
    Bed {
        /// How many seeds of each.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,
        /// One task alone.
        #[arg(long, value_parser = ["chain", "countdown"])]
        task: Option<String>,
    },
    /// Tries the strengths of the continual survey's arms on seeds that do not count.
    Strengths {
        /// The arms; all of them if none is named.
        arms: Vec<String>,
        /// Other strengths than those of the arms.
        #[arg(long, num_args = 1.., value_delimiter = ',')]
        values: Vec<f64>,
    },
    /// Tries the rates of a system's arms on a seed that does not count.
    Rates {
        /// The system: `unified-post-training`, `adaptive-difficulty`, `adaptive-inference`, `exploratory-annealed-decoding`, `itool`, `betr`,
        /// `mastery-clusters`, `pudf-irt`, `shot-selection`, `gpicl`, `robust-active-learning`, `data-mixing-agent`,
        /// `entropic-particle-filtering`, `scole`, `fscil-tricks`, `plasticity`, `continual-pretraining`, `infinite-schedule`,
        /// `sequential-or-parallel` or `backtrack-traces`.
        #[arg(default_value = "unified-post-training")]
        system: String,
        /// Settings of `itool` in place of those that were chosen, `name=value`; the stage of `fscil-tricks`, `stage=2`; for `plasticity`
        /// `memorise` or `stream`; for `sequential-or-parallel` the task, updates, tokens of each and the rate; for `adaptive-inference`
        /// `graded=3000,updates=200`.
        #[arg(long)]
        set: Vec<String>,
        /// The seed; 1000 and 1001 chose, for `shot-selection` 1000 to 1005, for `plasticity`, `continual-pretraining` and
        /// `infinite-schedule` 1000 to 1002.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1000..))]
        seed: u64,
    },
    /// Tries the rates of trust-weighted GRPO's arms on a seed that does not count.
    TrustRates {
        /// The arms; all of them if none is named.
        arms: Vec<String>,
        /// Other rates than those that were tried.
        #[arg(long, num_args = 1.., value_delimiter = ',')]
        values: Vec<f64>,
        /// The seed; 1000 and 1001 chose.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1000..))]
        seed: u64,
    },
    /// Tries the rates of the searches for temporally aware objectives on a seed that does not count.
    Evolution {
        /// The seed; 1000 and 1001 chose.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1000..))]
        seed: u64,
        /// The arms; all of them if none is named.
        arms: Vec<String>,
        /// Other rates than those of the table.
        #[arg(long, num_args = 1.., value_delimiter = ',')]
        rates: Vec<f64>,
    },
    /// Tries rates and temperatures of the arms of learning from wrong answers on a seed that does not count.
    Attempts {
        /// The seed; 1000 and 1001 chose.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1000..))]
        seed: u64,
    },
    /// Tries rates and scales of the stages of verifiable rewards on a seed that does not count.
    Stages {
        /// The stage: `pairs` or `verifier`.
        stage: String,
        /// The seed; 1000 and 1001 chose.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1000..))]
        seed: u64,
        /// The arms; all of them if none is named.
        #[arg(long, num_args = 1..)]
        arms: Vec<String>,
        /// Other values of beta than those of the table.
        #[arg(long, num_args = 1.., value_delimiter = ',')]
        betas: Vec<f64>,
        /// Other rates than those of the table.
        #[arg(long, num_args = 1.., value_delimiter = ',')]
        rates: Vec<f64>,
    },
    /// Runs one seed of one system and writes what it measured as JSON. Ends when its standard input is closed.
    #[command(hide = true)]
    Trial(Trial),
}

#[derive(Args)]
struct Run {
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
    /// Where the report goes, and where the results of seeds are kept.
    #[arg(long, default_value = "target/reproduction")]
    out: PathBuf,
    /// Measures everything anew, though this program has measured it before.
    #[arg(long)]
    fresh: bool,
    /// Ends when the standard input is closed.
    #[arg(long, hide = true)]
    end_with_parent: bool,
    /// The size of the tests.
    #[arg(long, hide = true)]
    small: bool,
    /// A seed that fails on purpose, `SYSTEM:PLACE:HOW`.
    #[arg(long, hide = true, value_parser = parse_drill)]
    drill: Option<(String, u64, Drill)>,
}

#[derive(Args)]
struct Trial {
    system: String,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    full: bool,
    #[arg(long)]
    small: bool,
    #[arg(long)]
    fault: Option<String>,
    #[arg(long)]
    drill: Option<Drill>,
    #[arg(long)]
    data: Option<PathBuf>,
    #[arg(long)]
    out: PathBuf,
}

fn main() -> ExitCode {
    match execute(Cli::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn execute(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List { json } => list(json)?,
        Verb::Run(run) => experiments(run)?,
        Verb::Faults {
            systems,
            out,
            end_with_parent,
        } => {
            if end_with_parent {
                runner::end_with_parent();
            }
            return faults(&systems, &out);
        }
        Verb::Peers { seeds } => println!("{}", pruning::peers::table(seeds, &[0.9, 0.95])?),
        Verb::Bed { seeds, task } => {
            println!(
                "{}",
                rl_rewards::bed::record::table(seeds, task.as_deref())?
            );
        }
        Verb::Strengths { arms, values } => strengths(&arms, &values)?,
        Verb::Rates { system, set, seed } => rates::tried(&system, &set, seed)?,
        Verb::TrustRates { arms, values, seed } => {
            let line = |line| println!("{line}");
            rl_rewards::trust_grpo::tune::tune(seed, &arms, &values, line)?;
        }
        Verb::Evolution { seed, arms, rates } => {
            rl_rewards::temporally_aware_objectives::tune::tune(seed, &arms, &rates, |line| {
                println!("{line}")
            })?;
        }
        Verb::Attempts { seed } => {
            rl_rewards::rise::tune::tune(seed, |line| println!("{line}"))?;
        }
        Verb::Stages {
            stage,
            seed,
            arms,
            betas,
            rates,
        } => {
            ensure!(
                ["pairs", "verifier"].contains(&stage.as_str()),
                "{stage}: no stage to try"
            );
            let tried = Tried { arms, betas, rates };
            rl_rewards::tulu3_rlvr::tune::tune(seed, &stage, &tried, |line| println!("{line}"))?;
        }
        Verb::Trial(arguments) => trial(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn experiments(run: Run) -> Result<()> {
    if run.end_with_parent {
        runner::end_with_parent();
    }
    let plan = Plan {
        systems: select(&run.systems, run.all)?,
        seeds: run.seeds,
        full: run.full,
        small: run.small,
        folder: run.data,
        drill: run.drill,
        fresh: run.fresh,
    };
    let found = runner::run(&plan, &run.out, |found| report::write(&run.out, found))?;
    println!("{}", report::table(&found));
    println!("report: {}", run.out.join("index.html").display());
    Ok(())
}

fn faults(systems: &[String], out: &std::path::Path) -> Result<ExitCode> {
    let plan = Plan {
        systems: select(systems, systems.is_empty())?,
        ..Plan::default()
    };
    let faults = runner::faults(&plan, out)?;
    println!("{}", faults.table());
    let (turned, not_turned) = faults.counts();
    println!("{turned} checks turned by a fault, {not_turned} not");
    Ok(if not_turned == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Mean accuracies over the tuning seeds, class- and task-incremental.
fn strengths(arms: &[String], values: &[f64]) -> Result<()> {
    for (arm, grid) in tune::grids() {
        if !arms.is_empty() && !arms.iter().any(|name| name == arm) {
            continue;
        }
        let grid = match (values, grid) {
            ([], []) => &[0.0],
            ([], grid) => grid,
            (values, _) => values,
        };
        for strength in grid {
            for (set, [classes, within]) in tune::tried(arm, *strength)? {
                println!("{arm}; {strength}; {set}; {classes:.1}; {within:.1}");
            }
        }
    }
    Ok(())
}

fn trial(arguments: Trial) -> Result<()> {
    runner::end_with_parent();
    let systems = select(&[arguments.system], false)?;
    let plan = Plan {
        full: arguments.full,
        small: arguments.small,
        folder: arguments.data,
        ..Plan::default()
    };
    let mut context = plan.context(arguments.seed);
    context.fault = arguments.fault;
    let result = runner::trial(systems[0], &context, arguments.seed, arguments.drill)?;
    report::write_atomically(&arguments.out, &serde_json::to_vec(&result)?)
}

fn parse_drill(text: &str) -> Result<(String, u64, Drill)> {
    let parts: Vec<&str> = text.split(':').collect();
    let [system, place, how] = parts[..] else {
        bail!("`{text}` is not SYSTEM:PLACE:HOW");
    };
    let how = clap::ValueEnum::from_str(how, true).map_err(anyhow::Error::msg)?;
    Ok((system.to_owned(), place.parse()?, how))
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
