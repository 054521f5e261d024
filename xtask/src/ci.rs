//! `cargo xtask ci`: all that a change must pass, with the time that each part took.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::project::Project;
use crate::test::Backend;
use crate::{docs, failure, lint, record, reproduce, test, tidy};

type Step = fn(&Project) -> Result<()>;

/// The parts, in the order in which a mistake shows soonest. `test` builds the runner that
/// `findings` and `reproduce` then use, so that Burn is compiled once.
const STEPS: [(&str, Step); 6] = [
    ("lint", |project| {
        lint::run(project, &lint::Options::default())
    }),
    ("tidy", tidy::tree),
    ("test", |project| {
        test::run(
            project,
            &test::Options {
                backend: Backend::Flex,
            },
        )
    }),
    ("findings", tidy::findings),
    ("docs", docs::run),
    ("reproduce", reproduce_and_compare),
];

pub(crate) fn run(project: &Project) -> Result<()> {
    let _device = project.shell.push_env("BURN_DEVICE", "flex");
    let start = Instant::now();
    let mut took = Vec::new();
    for (name, step) in STEPS {
        println!("\n== {name} ==");
        let begun = Instant::now();
        let result = step(project).context(name);
        took.push((name, begun.elapsed()));
        if result.is_err() {
            print_times(&took, start);
            return result;
        }
    }
    print_times(&took, start);
    Ok(())
}

fn print_times(took: &[(&str, std::time::Duration)], start: Instant) {
    println!();
    for (name, time) in took {
        println!("{name:<10} {:>7.1} s", time.as_secs_f64());
    }
    println!("{:<10} {:>7.1} s", "all", start.elapsed().as_secs_f64());
}

/// Runs every experiment and compares its verdict with the record.
fn reproduce_and_compare(project: &Project) -> Result<()> {
    let recorded = record::read(&project.root.join(record::RECORD))?;
    reproduce::experiments(project, &reproduce::Options::default())?;
    let new = record::read(&reproduce::folder(project).join("findings.json"))?;
    failure::none_of(
        "verdicts against the record",
        &record::worse(&recorded, &new),
    )
}
