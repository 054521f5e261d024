//! Made-up findings for the tests of the report: one that holds, one within noise, one whose method is behind, one whose
//! seeds all agree, and one that failed.

use crate::experiment::{
    Better, Check, Context, DataKind, Failure, Fault, Finding, Origin, Quantity, Revision,
    SeedResult, System, Trial, differences,
};
use crate::runner::Found;

const BASE: System = System {
    name: "sample-that-holds",
    number: 1,
    krate: "regimen-pruning",
    paper: "A Title & More (arXiv 2106.10404)",
    paper_figure: "+2.1 points on images < 10 MB",
    claim: "The method is ahead of <its> baseline",
    metric: "accuracy",
    unit: "%",
    better: Better::Higher,
    baseline: "plain",
    method: "new",
    seeds: 0..3,
    source: "examples/src/pruning/granet.rs",
    data: DataKind::Simulated,
    curve: "step / loss",
    faults: &[Fault {
        name: "no-update",
        does: "the method does nothing",
        turns: &["new minus"],
    }],
    revisions: &[Revision {
        changed: "the bound was 9",
        before: "2.0 ± 0.1 points, does not hold",
    }],
    run: |_, seed| Ok(Trial::new(seed)),
    judge,
};

static HOLDS: System = BASE;
static NOISE: System = System {
    name: "sample-within-noise",
    krate: "regimen-schedules",
    ..BASE
};
static BEHIND: System = System {
    name: "sample-behind-with-a-name-that-is-too-long",
    method: "a new arm with a name that is long",
    faults: &[],
    revisions: &[],
    paper: "No number",
    paper_figure: "",
    ..BASE
};
static SAME: System = System {
    name: "sample-same",
    unit: "",
    ..BASE
};
static FAILED: System = System {
    name: "sample-failed",
    krate: "regimen-moe",
    ..BASE
};

fn judge(trials: &[Trial]) -> Vec<Check> {
    let ahead = trials.first().map_or("new", |trial| {
        trial
            .arms
            .keys()
            .find(|arm| *arm != "plain")
            .map_or("new", |arm| arm)
    });
    let gain = differences(trials, ahead, "plain", "main");
    vec![
        Quantity::new("new minus plain", "points", gain)
            .at_least(0.5)
            .headline(),
        Quantity::new("weights off", "", vec![0.0; trials.len()]).exactly(0.0),
    ]
}

/// The five findings.
pub(super) fn found() -> Vec<Found> {
    let failure = Failure {
        seed: 2,
        error: "a panic on purpose <b>".to_owned(),
    };
    vec![
        of(&HOLDS, &[2.0, 2.2, 1.8], None),
        of(&NOISE, &[0.1, 0.6, 1.4], None),
        of(&BEHIND, &[-2.0, -2.5, -2.2], None),
        of(&SAME, &[1.0, 1.0, 1.0], None),
        of(&FAILED, &[], Some(failure)),
    ]
}

fn of(system: &'static System, gains: &[f64], failure: Option<Failure>) -> Found {
    let trials: Vec<Trial> = gains
        .iter()
        .zip(0..)
        .map(|(gain, seed)| trial(system, *gain, seed))
        .collect();
    let mut results: Vec<SeedResult> = trials.iter().cloned().map(SeedResult::Done).collect();
    results.extend(failure.map(SeedResult::Failed));
    let origin = Origin {
        machine: "processor, 2 cores".to_owned(),
        backend: "Flex".to_owned(),
        commit: "0123456789".to_owned(),
    };
    let finding = Finding::new(system, &Context::new(0), origin, &results);
    Found {
        system,
        finding: finding.unwrap_or_else(|error| unreachable!("simulated data has a name: {error}")),
        trials,
    }
}

fn trial(system: &System, gain: f64, seed: u64) -> Trial {
    let mut trial = Trial::new(seed);
    trial.record("plain", "main", 90.0);
    trial.record(system.method, "main", 90.0 + gain);
    let points = |scale: f64| {
        (0..40)
            .map(|x| (f64::from(x), scale / f64::from(x + 1)))
            .collect()
    };
    trial.curve("plain", points(2.0));
    trial.curve(system.method, points(1.0 + gain));
    trial.seconds = 1.5;
    trial
}
