//! The choice of settings on seeds 1000 and 1001, which count nowhere else: `regimen-examples rates fscil-tricks --seed 1000`, then with
//! `--set stage=2` and `--set stage=3`.

use anyhow::{Context as _, Result, ensure};
use regimen_continual::few_shot::{Contrast, Simplex};

use super::arms::{ALONE, Base, CHOSEN, SETTING, Session, Setting, Tuned};
use super::learn::{Bed, metrics};
use super::place::sets;
use crate::experiment::Context;

/// Updates after which a base session is tested.
const AT: [usize; 4] = [100, 200, 400, 800];

/// A line for each set, arm and setting: harmonic mean, average accuracy, final one, accuracies on base and novel classes, drop. Stages: 1, each trick
/// alone; 2, all tricks but those of `without`, with the settings given; 3, the later sessions of the same.
///
/// # Errors
/// If a run fails, or an item of `set` is not known.
pub fn tune(seed: u64, set: &[String], mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let given = Given::of(set)?;
    for set in sets(&context)? {
        let bed = Bed::new(&context, &set.images, seed)?;
        let (base, setting) = given.applied(set.name);
        match given.stage {
            2 => trained(&bed, &base, &setting, set.name, "together", &mut line)?,
            3 => bed.train(&base, &setting, &[setting.steps], |_, model| {
                for tuned in [Tuned::Nothing, Tuned::SubNet, Tuned::Everything] {
                    for session in grid(tuned) {
                        let found = bed.sessions(&base, &setting, model, tuned, session)?;
                        let Session { steps, rate } = session;
                        let words = format!("{tuned:?}, {steps} steps at {rate}");
                        line(text(set.name, &words, &metrics(&found.sessions)?));
                    }
                }
                Ok(())
            })?,
            _ => {
                let pixels = metrics(&bed.pixels()?)?;
                line(text(set.name, "pixels", &pixels));
                let untrained = bed.untrained(&ALONE[0], &SETTING)?;
                line(text(set.name, "untrained", &metrics(&untrained.sessions)?));
                for base in ALONE {
                    for (words, setting) in settings(&base) {
                        let name = format!("{}, {words}", base.name);
                        trained(&bed, &base, &setting, set.name, &name, &mut line)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// What is tried, as given on the command line.
struct Given {
    stage: usize,
    values: Vec<(String, f64)>,
    without: Vec<String>,
}

impl Given {
    fn of(items: &[String]) -> Result<Self> {
        let mut given = Self {
            stage: 1,
            values: Vec::new(),
            without: Vec::new(),
        };
        for item in items {
            let (name, value) = item.split_once('=').context("allowed is `name=value`")?;
            match name {
                "stage" => given.stage = value.parse()?,
                "without" => given.without.push(value.to_owned()),
                _ => given.values.push((name.to_owned(), value.parse()?)),
            }
        }
        given.check()?;
        Ok(given)
    }

    fn check(&self) -> Result<()> {
        let names = ["weight", "tau", "dot", "turns", "before", "views", "steps"];
        for (name, _) in &self.values {
            ensure!(
                names.contains(&name.as_str()),
                "{name}: allowed are {names:?}"
            );
        }
        let tricks = ["pseudo", "contrast", "simplex", "turns", "pretrain"];
        for trick in &self.without {
            ensure!(
                tricks.contains(&trick.as_str()),
                "{trick}: allowed are {tricks:?}"
            );
        }
        ensure!((1..=3).contains(&self.stage), "stage: allowed are 1 to 3");
        Ok(())
    }

    /// All tricks with what was chosen, changed by what was given.
    fn applied(&self, set: &str) -> (Base, Setting) {
        let mut setting = CHOSEN.setting(set);
        let mut base = Base {
            pretrain: true,
            ..CHOSEN
        };
        for (name, value) in &self.values {
            match name.as_str() {
                "weight" => setting.contrast.weight = *value,
                "tau" => setting.contrast.tau = *value,
                "dot" => setting.simplex = Simplex::DotRegression(*value),
                "turns" => setting.turns = *value,
                "before" => setting.before = *value as usize,
                "views" => setting.tau = *value,
                _ => setting.steps = *value as usize,
            }
        }
        for trick in &self.without {
            match trick.as_str() {
                "pseudo" => base.pseudo = false,
                "contrast" => base.contrast = false,
                "simplex" => base.simplex = false,
                "turns" => base.turns = false,
                _ => base.pretrain = false,
            }
        }
        (base, setting)
    }
}

/// What is tried of a trick alone.
fn settings(base: &Base) -> Vec<(String, Setting)> {
    let mut all = Vec::new();
    if base.contrast {
        for (weight, tau) in [(0.1, 0.07), (0.1, 0.5), (0.5, 0.07), (0.5, 0.5)] {
            let contrast = Contrast { weight, tau };
            let words = format!("weight {weight}, tau {tau}");
            all.push((
                words,
                Setting {
                    contrast,
                    ..SETTING
                },
            ));
        }
    }
    if base.simplex {
        for simplex in [Simplex::CrossEntropy, Simplex::DotRegression(10.0)] {
            all.push((format!("{simplex:?}"), Setting { simplex, ..SETTING }));
        }
    }
    if base.turns {
        for turns in [0.1, 0.3, 1.0] {
            all.push((format!("weight {turns}"), Setting { turns, ..SETTING }));
        }
    }
    if base.pretrain {
        for (before, tau) in [(50, 0.1), (50, 0.5), (100, 0.1), (100, 0.5)] {
            let words = format!("{before} updates, tau {tau}");
            all.push((
                words,
                Setting {
                    before,
                    tau,
                    ..SETTING
                },
            ));
        }
    }
    if all.is_empty() {
        all.push(("plain".to_owned(), SETTING));
    }
    all
}

/// Steps and rates of a later session.
fn grid(tuned: Tuned) -> Vec<Session> {
    if tuned == Tuned::Nothing {
        return vec![Session {
            steps: 0,
            rate: 0.0,
        }];
    }
    let mut grid = Vec::new();
    for steps in [5, 20] {
        for rate in [1e-4, 3e-4, 1e-3, 3e-3, 1e-2] {
            grid.push(Session { steps, rate });
        }
    }
    grid
}

fn trained(
    bed: &Bed<'_>,
    base: &Base,
    setting: &Setting,
    set: &str,
    words: &str,
    line: &mut impl FnMut(String),
) -> Result<()> {
    let still = Session {
        steps: 0,
        rate: 0.0,
    };
    bed.train(base, setting, &AT, |step, model| {
        let found = bed.sessions(base, setting, model, Tuned::Nothing, still)?;
        let words = format!("{words}\t{step}");
        line(text(set, &words, &metrics(&found.sessions)?));
        Ok(())
    })
}

fn text(set: &str, words: &str, metrics: &[(&str, f64)]) -> String {
    let values = metrics.iter().map(|(_, value)| format!("\t{value:.1}"));
    format!("{set}\t{words}{}", values.collect::<String>())
}
