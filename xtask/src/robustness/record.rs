//! The record of the long run, which the book shows.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use xshell::cmd;

use crate::project::{self, Project};

/// The committed record, relative to the root.
pub(crate) const RECORD: &str = "docs/robustness.json";

/// The least number of mutations of all states together.
pub(crate) const MUTATIONS: u64 = 100_000;

/// The least number of kills.
pub(crate) const KILLS: u64 = 100;

/// What one room of one crate's tests counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Room {
    pub(crate) package: String,
    pub(crate) part: String,
    pub(crate) room: String,
    pub(crate) tried: u64,
    pub(crate) errors: u64,
    pub(crate) accepted: u64,
    pub(crate) faults: u64,
}

/// What one kill test counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Kills {
    pub(crate) package: String,
    pub(crate) name: String,
    pub(crate) kills: u64,
    pub(crate) lost: u64,
    pub(crate) different: u64,
}

/// A process that did not end well.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) package: String,
    pub(crate) test: String,
    pub(crate) end: String,
}

/// All counts of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) commit: String,
    /// System, architecture and cores.
    pub(crate) machine: String,
    /// `None` where the system has no such limit.
    pub(crate) address_space_gib: Option<u64>,
    pub(crate) states: Option<u64>,
    pub(crate) mutations_of_each_state: Option<u64>,
    pub(crate) rooms: Vec<Room>,
    pub(crate) kills: Vec<Kills>,
    /// Tests of failing replicas that passed, by crate.
    pub(crate) replicas: BTreeMap<String, u64>,
    pub(crate) failures: Vec<Failure>,
}

impl Record {
    /// An empty record of this machine and this commit.
    pub(super) fn of_machine(project: &Project) -> Result<Self> {
        let sh = &project.shell;
        let commit = cmd!(sh, "git rev-parse HEAD").quiet().read()?;
        let changes = cmd!(sh, "git status --porcelain --untracked-files=no").quiet();
        let changed = if changes.read()?.is_empty() {
            ""
        } else {
            " with changes"
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (system, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
        Ok(Self {
            commit: format!("{commit}{changed}"),
            machine: format!("{system} on {architecture}, {cores} cores"),
            ..Self::default()
        })
    }

    /// Inputs or states of a part that were tried.
    pub(crate) fn tried(&self, part: &str) -> u64 {
        let rooms = self.rooms.iter().filter(|room| room.part == part);
        rooms.map(|room| room.tried).sum()
    }

    /// Kills of all kill tests.
    pub(crate) fn killed(&self) -> u64 {
        self.kills.iter().map(|kills| kills.kills).sum()
    }
}

/// Every fault of a record.
pub(crate) fn problems(record: &Record) -> Vec<String> {
    let rooms = record.rooms.iter().filter(|room| room.faults > 0);
    let rooms = rooms.map(|room| {
        let Room {
            package,
            part,
            room: name,
            faults,
            ..
        } = room;
        format!("{package}: {part}, {name}: {faults} faults")
    });
    let kills = record
        .kills
        .iter()
        .filter(|kills| kills.lost + kills.different > 0);
    let kills = kills.map(|of| {
        let Kills {
            package,
            name,
            kills,
            lost,
            different,
        } = of;
        format!("{package}: {name}: after {kills} kills {lost} lost, {different} different")
    });
    let failures = record.failures.iter().map(|failure| {
        let Failure { package, test, end } = failure;
        format!("{package}: {test}: {end}")
    });
    rooms.chain(kills).chain(failures).collect()
}

/// Reads the committed record.
pub(crate) fn read(project: &Project) -> Result<Record> {
    let text = project.read(RECORD)?;
    serde_json::from_str(&text).context(RECORD)
}

pub(super) fn write(project: &Project, record: &Record) -> Result<()> {
    let mut text = serde_json::to_string_pretty(record)?;
    text.push('\n');
    project::write(&project.root.join(RECORD), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_kills_that_differ_and_aborts_are_problems() {
        let mut record = Record::default();
        record.rooms.push(Room::default());
        record.kills.push(Kills::default());
        assert!(problems(&record).is_empty());
        record.rooms[0].faults = 1;
        record.kills[0].different = 1;
        record.failures.push(Failure {
            package: "a".to_owned(),
            test: "b".to_owned(),
            end: "aborted by a signal".to_owned(),
        });
        let problems = problems(&record);
        assert_eq!(problems.len(), 3);
        assert_eq!(problems[2], "a: b: aborted by a signal");
    }
}
