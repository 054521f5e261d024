//! Few-shot class-incremental learning: six base classes, then four sessions of one class with five examples each. Which tricks help, against plain
//! training at its best, turned images, and no training at all?
//!
//! How a user's loop joins in: `FewShotConfig` switches the tricks, `FewShot` is a `Strategy` whose `loss` is that of the session, and
//! `after_task` takes the prototypes (`learn`).

mod arms;
mod learn;
mod net;
mod place;
mod rule;
pub mod tune;

use anyhow::Result;
use regimen_continual::Sessions;

use self::arms::{ALONE, Base, CHOSEN, OTHERS, PLAIN, PSEUDO, ROTATED, Tuned, control};
use self::learn::{Bed, Found, metrics};
use self::place::{SESSIONS, sets};
use self::rule::judge;
use crate::experiment::{Better, Context, DataKind, Fault, System, Trial};

/// The arm of the strongest control of each set.
const CONTROL: &str = "best control";

/// The experiment.
pub const SYSTEM: System = System {
    name: "fscil-tricks",
    number: 42,
    krate: "regimen-continual",
    paper: "A Bag of Tricks for Few-Shot Class-Incremental Learning (arXiv 2403.14392)",
    paper_figure: "CIFAR-100, CUB-200 and miniImageNet, 60 or 100 base classes and sessions of five to ten classes with five examples each, in words: all tricks together are ahead of earlier methods in stability and in adaptability",
    claim: "Images at random places, six base classes and four sessions of one class with five examples: the tricks that tuning seeds chose, together, beat the strongest of plain training at its best, turned images as augmentation, and prototypes of pixels",
    metric: "harmonic mean of the accuracies on base and on novel classes after the last session, mean of both sets",
    unit: "%",
    better: Better::Higher,
    baseline: CONTROL,
    method: rule::METHOD,
    seeds: 0..4,
    source: file!(),
    data: DataKind::ImageSets,
    curve: "session / accuracy on all classes seen, mean of both sets, %",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "folded-labels",
        does: "Turned images have the label of their base class, not a pseudo-class",
        turns: &[rule::COLUMNS],
    },
    Fault {
        name: "early-prototypes",
        does: "The prototypes of base classes are taken from the encoder before its training",
        turns: &[rule::AWAY],
    },
];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let mut curves = [Vec::new(), Vec::new()];
    let (mut columns, mut away) = (f64::INFINITY, 0.0_f64);
    for set in sets(context)? {
        let bed = Bed::new(context, &set.images, seed)?;
        let mut note = |name: &str, sessions: &Sessions| -> Result<()> {
            for (metric, value) in metrics(sessions)? {
                trial.record(&format!("{}, {name}", set.name), metric, value);
            }
            for (arm, curves) in [rule::METHOD, control(set.name)].iter().zip(&mut curves) {
                if *arm == name {
                    curves.push(sessions.clone());
                }
            }
            Ok(())
        };
        note("pixels", &bed.pixels()?)?;
        let setting = PLAIN.setting(set.name);
        note(
            "untrained encoder",
            &bed.untrained(&PLAIN, &setting)?.sessions,
        )?;
        for (base, arms) in bases(seed < REPORTED && !context.small) {
            let setting = base.setting(set.name);
            let steps = if context.small {
                (setting.steps / 80).max(2)
            } else {
                setting.steps
            };
            bed.train(&base, &setting, &[steps], |_, model| {
                for (name, tuned) in &arms {
                    let session = tuned.session(set.name);
                    let found = bed.sessions(&base, &setting, model, *tuned, session)?;
                    let Found {
                        sessions,
                        away: apart,
                        columns: each,
                    } = found;
                    note(name, &sessions)?;
                    away = away.max(apart);
                    if base.pseudo {
                        columns = columns.min(each);
                    }
                }
                Ok(())
            })?;
        }
    }
    for (arm, sessions) in [rule::METHOD, CONTROL].iter().zip(&curves) {
        trial.curve(arm, mean_curve(sessions));
        let harmonic = sessions.iter().filter_map(Sessions::harmonic);
        let harmonic: Vec<f64> = harmonic.collect();
        let mean = harmonic.iter().sum::<f64>() / harmonic.len().max(1) as f64;
        trial.record(arm, "main", 100.0 * mean);
    }
    trial.record(rule::COUNTED, rule::COLUMNS, columns);
    trial.record(rule::COUNTED, rule::AWAY, away);
    Ok(trial)
}

/// Seeds below this have the arms that no check uses, too, but for the small size.
const REPORTED: u64 = 2;

/// Each base session with the arms that go on from it; `every`: of arms that no check uses, too.
fn bases(every: bool) -> Vec<(Base, Vec<(&'static str, Tuned)>)> {
    let checked = [PLAIN, ROTATED, PSEUDO];
    let alone = ALONE.iter();
    let alone = alone.filter(|base| every || checked.contains(base));
    let alone = alone.map(|base| {
        let mut arms = vec![(base.name, Tuned::Nothing)];
        if *base == PLAIN {
            arms.push(("sub-network alone", Tuned::SubNet));
            arms.push(("full fine-tuning alone", Tuned::Everything));
        }
        (*base, arms)
    });
    let all = vec![
        (rule::METHOD, Tuned::SubNet),
        (rule::FROZEN, Tuned::Nothing),
        (rule::FULL, Tuned::Everything),
    ];
    let others = OTHERS.iter().filter(|_| every);
    let others = others.map(|base| (*base, vec![(base.name, Tuned::SubNet)]));
    alone.chain([(CHOSEN, all)]).chain(others).collect()
}

/// The accuracy on all classes seen after each session, in percent.
fn mean_curve(sets: &[Sessions]) -> Vec<(f64, f64)> {
    let point = |session: usize| {
        let values = sets.iter().filter_map(|set| set.curve().get(session));
        let sum: f64 = values.sum();
        (session as f64, 100.0 * sum / sets.len().max(1) as f64)
    };
    (0..=SESSIONS).map(point).collect()
}
