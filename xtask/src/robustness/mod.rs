//! `cargo xtask faults robustness`: absurd arguments, damaged states, kills and failing replicas.
//!
//! The tests are those that `cargo xtask test` runs too. Here each runs in a process of its own, with a limit of time
//! and (on Unix) of address space, so that an abort, a hang or an allocation without bound is counted and loses no
//! other test; and the numbers of mutations and kills are chosen.

mod counts;
mod process;
mod programs;
pub(crate) mod record;

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;

use crate::failure;
use crate::project::Project;
use counts::Counts;
use process::{End, Limits, Run};
use programs::Test;
use record::{Failure, Kills, RECORD, Record, Room};

/// What the long version tries: mutations of all states together, and kills a kill test.
const LONG: (u64, u64) = (record::MUTATIONS, record::KILLS);

/// How long one test may run, in the short and the long version.
const MINUTES: [u64; 2] = [10, 60];

/// The parts by the names of their tests, the first that fits counts.
const PARTS: [(&str, &[&str]); 4] = [
    (BAD_INPUT, &["bad_input::"]),
    (STATES, &["states::"]),
    (KILLS, &["kill"]),
    (REPLICAS, &["reduce::", "replica", "balance::global::"]),
];
const BAD_INPUT: &str = "bad input";
const STATES: &str = "states";
const KILLS: &str = "kills";
const REPLICAS: &str = "replicas";

#[derive(Args)]
pub(crate) struct Options {
    /// At least 100,000 mutations over all states and 100 kills a kill test; writes docs/robustness.json
    #[arg(long)]
    long: bool,
    /// Mutations of all states together, in place of 100 a state
    #[arg(long, value_name = "N")]
    mutations: Option<u64>,
    /// Kills a kill test, in place of the tests' own number
    #[arg(long, value_name = "N")]
    kills: Option<u64>,
    /// Only the tests of this crate, such as regimen-moe; writes no record
    #[arg(long = "crate", value_name = "NAME")]
    package: Option<String>,
    /// Limit of address space of each process, in GiB
    #[arg(long, value_name = "GIB", default_value_t = 4)]
    memory: u64,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let tests: Vec<(&str, Test)> = programs::build(project)?
        .into_iter()
        .filter(|test| {
            options
                .package
                .as_ref()
                .is_none_or(|name| *name == test.package)
        })
        .filter_map(|test| Some((part(&test.name)?, test)))
        .collect();
    ensure!(!tests.is_empty(), "no test of these: {PARTS:?}");
    let limits = |mutations, kills| Limits {
        memory_gib: options.memory,
        time: Duration::from_secs(60 * MINUTES[usize::from(options.long)]),
        mutations,
        kills,
    };
    let asked = options.mutations.or(options.long.then_some(LONG.0));
    let kills = options.kills.or(options.long.then_some(LONG.1));
    // One mutation of each state says how many states there are.
    let states = match asked {
        None => None,
        Some(_) => Some(states(project, &tests, &limits(Some(1), None))?),
    };
    let each = asked
        .zip(states)
        .map(|(all, states)| all.div_ceil(states.max(1)));
    let runs = all(project, &tests, &limits(each, kills))?;
    let record = summary(project, options, &runs, each, states)?;
    print(&record);
    if options.long && options.package.is_none() {
        record::write(project, &record)?;
        println!("written to {RECORD}");
    }
    failure::none_of("robustness", &record::problems(&record))
}

/// The part to which a test belongs.
fn part(test: &str) -> Option<&'static str> {
    let mut parts = PARTS.iter();
    let fits = |names: &[&str]| names.iter().any(|name| test.contains(name));
    parts.find_map(|(part, names)| fits(names).then_some(*part))
}

/// How many states there are.
fn states(project: &Project, tests: &[(&str, Test)], limits: &Limits) -> Result<u64> {
    let of_states: Vec<_> = tests
        .iter()
        .filter(|(part, _)| *part == STATES)
        .cloned()
        .collect();
    let runs = all(project, &of_states, limits)?;
    let rooms = runs.iter().flat_map(|(_, _, run)| &run.counts.rooms);
    Ok(rooms.map(|room| room.tried).sum())
}

/// Runs every test, as many at once as there are cores.
fn all<'a>(
    project: &Project,
    tests: &'a [(&'a str, Test)],
    limits: &Limits,
) -> Result<Vec<(&'a str, &'a Test, Run)>> {
    let logs = project.target.join("robustness");
    std::fs::create_dir_all(&logs)?;
    let (next, done) = (Mutex::new(tests.iter().enumerate()), Mutex::new(Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let taken = next.lock().ok().and_then(|mut tests| tests.next());
                    let Some((place, (part, test))) = taken else {
                        return;
                    };
                    let run = process::run(test, limits, &logs);
                    if let Ok(run) = &run {
                        println!("{:<22} {:<60} {}", test.package, test.name, run.end);
                    }
                    if let Ok(mut done) = done.lock() {
                        done.push((place, *part, test, run));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(place, ..)| *place);
    let runs = done.into_iter();
    runs.map(|(_, part, test, run)| Ok((part, test, run?)))
        .collect()
}

/// The counts of all runs as one record.
fn summary(
    project: &Project,
    options: &Options,
    runs: &[(&str, &Test, Run)],
    each: Option<u64>,
    states: Option<u64>,
) -> Result<Record> {
    let mut record = Record::of_machine(project)?;
    record.address_space_gib = cfg!(unix).then_some(options.memory);
    record.mutations_of_each_state = each;
    record.states = states;
    for (part, test, run) in runs {
        let package = test.package.clone();
        let Counts { rooms, kills } = &run.counts;
        record.rooms.extend(rooms.iter().map(|room| Room {
            package: package.clone(),
            part: (*part).to_owned(),
            ..room.clone()
        }));
        record.kills.extend(kills.iter().map(|kills| Kills {
            package: package.clone(),
            ..kills.clone()
        }));
        if *part == REPLICAS && run.end == End::Passed {
            *record.replicas.entry(package.clone()).or_default() += 1;
        }
        if run.end != End::Passed {
            record.failures.push(Failure {
                package,
                test: test.name.clone(),
                end: run.end.to_string(),
            });
        }
    }
    Ok(record)
}

fn print(record: &Record) {
    println!("\ncrate,part,room,tried,errors,accepted,faults");
    for room in &record.rooms {
        let Room {
            package,
            part,
            room: name,
            tried,
            errors,
            accepted,
            faults,
        } = room;
        println!("{package},{part},{name},{tried},{errors},{accepted},{faults}");
    }
    println!("\ncrate,kill test,kills,lost,different");
    for kills in &record.kills {
        let Kills {
            package,
            name,
            kills,
            lost,
            different,
        } = kills;
        println!("{package},{name},{kills},{lost},{different}");
    }
    println!("\ncrate,tests of failing replicas passed");
    for (package, passed) in &record.replicas {
        println!("{package},{passed}");
    }
    println!(
        "\n{} inputs, {} damaged states, {} kills, {} processes that did not end well",
        record.tried(BAD_INPUT),
        record.tried(STATES),
        record.killed(),
        record.failures.len()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_belongs_to_the_part_that_its_name_says() {
        assert_eq!(part("bad_input::configs"), Some(BAD_INPUT));
        assert_eq!(part("states::every_state"), Some(STATES));
        assert_eq!(part("checkpoint::tests::kills_lose_nothing"), Some(KILLS));
        assert_eq!(part("reduce::tests::one_leaves"), Some(REPLICAS));
        assert_eq!(part("values::cosine"), None);
    }
}
