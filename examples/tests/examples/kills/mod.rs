//! A run that keeps everything that can be kept is killed at random moments, and ends with the bits of a straight run: the
//! model, the optimizers, and the saved bytes of every part.
//!
//! `REGIMEN_KILLS` is the number of kills, 3 where it is not set.

mod continual;
mod everything;
mod nets;
mod towers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use everything::Run;
use regimen_tensor::testing::{KillTest, Said};
use serde_json::Value;
use tempfile::TempDir;

/// Steps of a run, and how often it saves.
const STEPS: u64 = towers::STEPS as u64;
const EVERY: u64 = 3;

/// The run: says what it restores and saves, and at last the digests of all parts.
fn program(folder: &Path, say: &mut dyn FnMut(Said)) {
    let mut run = Run::new().unwrap();
    let start = run.restore(folder).unwrap();
    say(Said::Restored(start));
    run.train(start, STEPS, |run, step| {
        if step % EVERY == 0 {
            run.unit(folder).save(step)?;
            say(Said::Saved(step));
        }
        Ok(())
    })
    .unwrap();
    let digests = digests(folder, STEPS);
    say(Said::Ended(serde_json::to_string(&digests).unwrap()));
}

/// The digest of each part of a checkpoint, by its name.
fn digests(folder: &Path, step: u64) -> BTreeMap<String, String> {
    let text = std::fs::read(folder.join(format!("{step:08}/manifest.json"))).unwrap();
    let manifest: Value = serde_json::from_slice(&text).unwrap();
    let parts = manifest["manifest"]["parts"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    parts
        .map(|part| (text(&part["name"]), text(&part["sha256"])))
        .collect()
}

/// In memory where the system has such a folder: most of the run's time would go to waiting for the disk, of which a kill
/// shows nothing.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

#[test]
fn a_killed_run_with_every_part_is_the_straight_one() {
    let scratch = scratch();
    let name = "kills::a_killed_run_with_every_part_is_the_straight_one";
    let kills = KillTest::new("every part", name)
        .with_kills(3)
        .with_save(Duration::from_millis(5))
        .run(scratch.path(), program)
        .unwrap();
    assert_eq!((kills.lost, kills.different), (0, 0), "{kills:?}");
}

/// The same without a process: what differs has a name here.
#[test]
fn restored_after_each_save_every_part_ends_the_same() {
    let scratch = scratch();
    let folder = |name: u64| scratch.path().join(name.to_string());
    let mut straight = Run::new().unwrap();
    let saves = |step: u64| step.is_multiple_of(EVERY);
    let save = |run: &mut Run, step: u64| {
        if saves(step) {
            run.unit(&folder(step)).save(step)?;
        }
        Ok(())
    };
    straight.train(0, STEPS, save).unwrap();
    let expected = digests(&folder(STEPS), STEPS);
    for start in (0..STEPS).filter(|step| *step > 0 && saves(*step)) {
        let mut run = Run::new().unwrap();
        assert_eq!(run.restore(&folder(start)).unwrap(), start);
        run.train(start, STEPS, |_, _| Ok(())).unwrap();
        let end = folder(STEPS + start);
        run.unit(&end).save(STEPS).unwrap();
        let mut found = digests(&end, STEPS);
        found.retain(|name, digest| expected[name] != *digest);
        let differ: Vec<&String> = found.keys().collect();
        assert!(differ.is_empty(), "after step {start}: {differ:?}");
    }
}

/// Else the kills would say nothing of it.
#[test]
fn every_part_changes_up_to_the_last_save_but_one() {
    let scratch = scratch();
    let folder = scratch.path();
    let mut run = Run::new().unwrap();
    run.unit(folder).save(0).unwrap();
    let mut before = digests(folder, 0);
    run.train(0, STEPS - EVERY, |_, _| Ok(())).unwrap();
    run.unit(folder).save(STEPS - EVERY).unwrap();
    let after = digests(folder, STEPS - EVERY);
    before.retain(|name, digest| after[name] == *digest);
    let same: Vec<&str> = before.keys().map(String::as_str).collect();
    assert_eq!(same, everything::FIXED);
}

/// The types that implement `Part` in the libraries' sources, by their names.
fn parts(folder: &Path, found: &mut BTreeSet<String>) {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            parts(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let code: String = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .map(|line| format!("{} ", line.trim()))
                .collect();
            // By hand, or by a macro that takes the name first.
            let ways = [
                "Part for ",
                " part!(",
                " anchored!(",
                " replayed!(",
                " episodic!(",
            ];
            let implemented = ways.iter().flat_map(|way| code.split(way).skip(1));
            let name = |rest: &str| {
                let name = rest.trim_start_matches("counted");
                let name = name.trim_start_matches(['&', ' ']);
                let end = name.find(|c: char| !c.is_alphanumeric());
                name[..end.unwrap_or(name.len())].to_owned()
            };
            // The macros' own `$name`, and references to parts.
            let names = implemented
                .map(name)
                .filter(|name| name.len() > 1 && name != "mut");
            found.extend(names);
        }
    }
}

#[test]
fn everything_that_can_be_a_part_is_one_here() {
    let mut found = BTreeSet::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    for entry in std::fs::read_dir(crates).unwrap() {
        parts(&entry.unwrap().path().join("src"), &mut found);
    }
    assert!(found.len() > 35, "{found:?}");
    // What the checkpoint makes of a model and a scheduler has no public name.
    for own in ["Model", "Scheduler"] {
        assert!(found.remove(own), "{own}");
    }
    let run = concat!(
        include_str!("continual.rs"),
        include_str!("everything.rs"),
        include_str!("nets.rs"),
        include_str!("towers.rs")
    );
    // The name itself or its configuration's, as a whole word: some are short.
    let words: BTreeSet<&str> = run.split(|c: char| !c.is_alphanumeric()).collect();
    let named =
        |name: &str| words.contains(name) || words.contains(format!("{name}Config").as_str());
    let missing: Vec<&String> = found.iter().filter(|name| !named(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
