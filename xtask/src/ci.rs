//! `cargo xtask ci`: all that a change must pass, with the time that each part took.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::project::Project;
use crate::{docs, lint, reproduce, stale, test, tidy};

type Step = fn(&Project) -> Result<()>;

/// The parts, in the order in which a mistake shows soonest. `test` builds the runner that the last three use, so that
/// Burn is compiled once, and the workspace's own crates once and quickly ([`Project::quick`]).
const STEPS: [(&str, Step); 7] = [
    ("lint", |project| {
        lint::run(project, &lint::Options::default())
    }),
    ("tidy", tidy::tree),
    ("test", |project| {
        test::run(project, &test::Options::default())
    }),
    ("findings", tidy::findings),
    ("docs", docs::run),
    ("faults", |project| reproduce::faults(project, &[])),
    ("stale", |project| {
        stale::run(project, &stale::Options::default())
    }),
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
