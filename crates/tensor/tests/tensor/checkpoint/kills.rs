//! A run that is killed at any moment, also while it saves, goes on from what it saved last and ends with the same bits.
//!
//! `REGIMEN_KILLS` is the number of kills, 5 where it is not set.

use regimen_tensor::testing::{KillTest, Said};

use super::*;

/// Steps of a run, and how often it saves.
const STEPS: u64 = 40;
const EVERY: u64 = 2;

/// A state of some size, so that saving takes time: the step in all bytes.
struct Ballast(Vec<u8>);

impl Part for Ballast {
    fn kind(&self) -> String {
        "ballast 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        Ok(self.0.clone())
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        self.0 = bytes.to_vec();
        Ok(())
    }
}

/// The run: says what it restores and saves, and at last its bits.
fn program(folder: &Path, say: &mut dyn FnMut(Said)) {
    let mut run = Run::new(DType::F32);
    let mut ballast = Ballast(vec![0; 1 << 21]);
    let restored = run.unit(folder).with("ballast", &mut ballast).restore();
    let start = restored.unwrap().unwrap_or(0);
    assert_eq!((run.batches.0, ballast.0[0]), (start, start as u8));
    say(Said::Restored(start));
    for step in start + 1..=STEPS {
        run.step();
        ballast.0.fill(step as u8);
        if step % EVERY == 0 {
            run.unit(folder)
                .with("ballast", &mut ballast)
                .save(step)
                .unwrap();
            say(Said::Saved(step));
        }
    }
    let bits = run
        .bits()
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    say(Said::Ended(bits));
}

#[test]
fn a_killed_run_loses_nothing_that_was_saved() {
    let scratch = tempfile::tempdir().unwrap();
    let name = "checkpoint::kills::a_killed_run_loses_nothing_that_was_saved";
    let kills = KillTest::new("checkpoint", name)
        .run(scratch.path(), program)
        .unwrap();
    assert_eq!((kills.lost, kills.different), (0, 0), "{kills:?}");
}
