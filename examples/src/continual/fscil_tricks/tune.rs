//! The choice of settings on seeds that count nowhere else: `regimen-examples rates fscil-tricks --seed 1000`, and `--set stage=2`, `--set stage=3`
//! once those of the stage before were chosen.

use anyhow::{Result, bail};
use regimen_continual::few_shot::{Contrast, Simplex};

use super::arms::{ALL, ALONE, Base, SETTING, Session, Setting, Tuned};
use super::learn::{Bed, metrics};
use super::place::sets;
use crate::experiment::Context;

/// Updates after which a base session is tested.
const AT: [usize; 4] = [125, 250, 500, 1000];

/// A line for each set, arm and setting: harmonic mean, average accuracy, and accuracies on base and novel classes.
///
/// # Errors
/// If a run fails.
pub fn tune(seed: u64, set: &[String], mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let stage = match set {
        [] => "1",
        [one] => one.trim_start_matches("stage="),
        _ => bail!("{set:?}: allowed is one of `stage=1`, `stage=2` and `stage=3`"),
    };
    for set in sets(&context)? {
        let bed = Bed::new(&context, &set.images, seed)?;
        match stage {
            "1" => {
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
            "2" => {
                for (words, setting) in together(set.name) {
                    trained(&bed, &ALL, &setting, set.name, &words, &mut line)?;
                }
            }
            "3" => {
                let setting = ALL.setting(set.name);
                bed.train(&ALL, &setting, &[setting.steps], |_, model| {
                    for tuned in [Tuned::Nothing, Tuned::SubNet, Tuned::Everything] {
                        for session in grid(tuned) {
                            let found = bed.sessions(&ALL, &setting, model, tuned, session)?;
                            let words = format!("{tuned:?}, {session:?}");
                            line(text(set.name, &words, &metrics(&found.sessions)?));
                        }
                    }
                    Ok(())
                })?;
            }
            other => bail!("stage {other}: allowed are 1, 2 and 3"),
        }
    }
    Ok(())
}

/// What is tried of a trick alone.
fn settings(base: &Base) -> Vec<(String, Setting)> {
    let mut all = vec![("".to_owned(), SETTING)];
    let vary = |all: &[(String, Setting)], with: &dyn Fn(&mut Setting) -> Vec<String>| {
        let _ = (all, with);
    };
    let _ = vary;
    if base.contrast {
        all.clear();
        for weight in [0.1, 0.5] {
            for tau in [0.07, 0.5] {
                let contrast = Contrast { weight, tau };
                all.push((
                    format!("{weight} {tau}"),
                    Setting {
                        contrast,
                        ..SETTING
                    },
                ));
            }
        }
    }
    if base.simplex {
        all.clear();
        for simplex in [Simplex::CrossEntropy, Simplex::DotRegression(10.0)] {
            all.push((format!("{simplex:?}"), Setting { simplex, ..SETTING }));
        }
    }
    if base.turns {
        all.clear();
        for turns in [0.1, 0.3, 1.0] {
            all.push((format!("{turns}"), Setting { turns, ..SETTING }));
        }
    }
    if base.pretrain {
        all.clear();
        for before in [100, 200] {
            for tau in [0.1, 0.5] {
                all.push((
                    format!("{before} {tau}"),
                    Setting {
                        before,
                        tau,
                        ..SETTING
                    },
                ));
            }
        }
    }
    all
}

/// What is tried of all tricks together.
fn together(set: &str) -> Vec<(String, Setting)> {
    let chosen = ALL.setting(set);
    vec![("all".to_owned(), chosen)]
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
        for rate in [0.001, 0.003, 0.01, 0.03, 0.1] {
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
