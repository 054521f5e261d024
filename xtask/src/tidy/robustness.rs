//! The book's tables of hostile input, damaged states, kills and replicas, from the record of the long run.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::region;
use crate::project::Project;
use crate::robustness::record::{self, KILLS, MUTATIONS, RECORD, Record, Room};

/// The page of the book.
const PAGE: &str = "docs/src/robustness.md";

pub(super) fn check(project: &Project, fix: bool) -> Result<Vec<String>> {
    let record = match record::read(project) {
        Ok(record) => record,
        Err(error) => return Ok(vec![format!("{error:#}: {AGAIN}")]),
    };
    let mut problems: Vec<String> = record::problems(&record)
        .into_iter()
        .chain(too_few(project, &record))
        .map(|problem| format!("{RECORD}: {problem}"))
        .collect();
    let text = tables(&record);
    problems.extend(region::compare(
        project,
        Path::new(PAGE),
        "robustness",
        &text,
        fix,
    )?);
    Ok(problems)
}

const AGAIN: &str = "`cargo xtask faults robustness --long` writes it";

/// What the record lacks.
fn too_few(project: &Project, record: &Record) -> Vec<String> {
    let mut problems = Vec::new();
    for (what, count, least) in [
        ("damaged states", record.tried("states"), MUTATIONS),
        ("kills", record.killed(), KILLS),
    ] {
        if count < least {
            problems.push(format!("{count} {what}, at least {least}: {AGAIN}"));
        }
    }
    for package in project.libraries() {
        for part in ["bad input", "states"] {
            let mut rooms = record.rooms.iter();
            if !rooms.any(|room| room.package == package.name && room.part == part) {
                problems.push(format!("no counts of {}, {part}: {AGAIN}", package.name));
            }
        }
    }
    problems
}

fn tables(record: &Record) -> String {
    let mut text = format!("\n{}\n", measured(record));
    for (part, tried, accepted) in [
        ("bad input", "calls", "documented values"),
        ("states", "damaged states", "accepted and used"),
    ] {
        text += &format!(
            "\n| crate, {part} | {tried} | errors | {accepted} | faults |\n|---|---|---|---|---|\n"
        );
        let mut sums: BTreeMap<&str, Room> = BTreeMap::new();
        for room in record.rooms.iter().filter(|room| room.part == part) {
            let sum = sums.entry(&room.package).or_default();
            sum.tried += room.tried;
            sum.errors += room.errors;
            sum.accepted += room.accepted;
            sum.faults += room.faults;
        }
        for (package, sum) in sums {
            let Room {
                tried,
                errors,
                accepted,
                faults,
                ..
            } = sum;
            text += &format!("| {package} | {tried} | {errors} | {accepted} | {faults} |\n");
        }
    }
    text += "\n| kill test | kills | states lost | results that differ |\n|---|---|---|---|\n";
    for of in &record.kills {
        let (name, kills) = (&of.name, of.kills);
        text += &format!(
            "| {name} ({}) | {kills} | {} | {} |\n",
            of.package, of.lost, of.different
        );
    }
    text += "\n| crate | tests of failing replicas that passed |\n|---|---|\n";
    for (package, passed) in &record.replicas {
        text += &format!("| {package} | {passed} |\n");
    }
    text
}

/// Where, of what and under which limits it was measured.
fn measured(record: &Record) -> String {
    let memory = match record.address_space_gib {
        Some(gib) => format!("{gib} GiB of address space a process"),
        None => "no limit of address space".to_owned(),
    };
    let states = match (record.states, record.mutations_of_each_state) {
        (Some(states), Some(each)) => {
            format!("{states} kinds of state, {each} damaged copies of each")
        }
        _ => "100 damaged copies of each state".to_owned(),
    };
    let commit: String = record.commit.chars().take(12).collect();
    let machine = &record.machine;
    let failures = record.failures.len();
    format!(
        "Commit {commit}; {machine}; {memory}; {states}; processes that aborted, hung or failed: {failures}."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::robustness::record::Kills;

    #[test]
    fn rooms_of_a_crate_are_one_row() {
        let room = |part: &str, tried| Room {
            package: "regimen-moe".to_owned(),
            part: part.to_owned(),
            tried,
            errors: tried,
            ..Room::default()
        };
        let record = Record {
            commit: "0123456789abcdef".to_owned(),
            machine: "linux on x86_64, 2 cores".to_owned(),
            address_space_gib: Some(4),
            rooms: vec![room("states", 5), room("states", 7), room("bad input", 3)],
            kills: vec![Kills {
                package: "regimen-tensor".to_owned(),
                name: "checkpoint".to_owned(),
                kills: 100,
                ..Kills::default()
            }],
            replicas: BTreeMap::from([("regimen-moe".to_owned(), 4)]),
            ..Record::default()
        };
        let text = tables(&record);
        for row in [
            "Commit 0123456789ab; linux on x86_64, 2 cores; 4 GiB of address space a process",
            "| regimen-moe | 12 | 12 | 0 | 0 |\n",
            "| regimen-moe | 3 | 3 | 0 | 0 |\n",
            "| checkpoint (regimen-tensor) | 100 | 0 | 0 |\n",
            "| regimen-moe | 4 |\n",
        ] {
            assert!(text.contains(row), "{row}\n{text}");
        }
    }
}
