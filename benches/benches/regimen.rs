//! What the hot paths cost, each beside its naive version and the limits of the machine.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench prints its limits"
)]

use criterion::Criterion;

mod acquisition_peer;
mod continual;
mod continual_peer;
mod curriculum;
mod irt_peer;
mod moe;
mod objective;
mod peer;
mod plasticity;
mod pruning;
mod sampling;
mod schedules;
mod search;
mod sequences;
mod sparse;
mod text;
mod unlearning;
mod verify;

/// The one of the experiments.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A bench, and how the names of what it measures begin.
type Bench = (&'static [&'static str], fn(&mut Criterion));

const BENCHES: &[Bench] = &[
    (&["schedule-value"], schedules::value),
    (&["schedule-every"], schedules::every),
    (&["schedule-table"], schedules::table),
    (&["annealing-law"], schedules::law),
    (&["seta-plan-3M"], curriculum::plan),
    (&["replay-epoch-1M"], curriculum::replay),
    (&["irt-peer"], irt_peer::peer),
    (&["acquisition-peer"], acquisition_peer::peer),
    (&["continual-step"], continual::steps),
    (&["continual-memory-add"], continual::memory),
    (&["continual-peer"], continual_peer::peer),
    (&["moe/"], moe::layer),
    (&["moe-peer"], moe::peer),
    (&["objective/"], objective::loss),
    (&["objective-peer", "objective-alone"], objective::peer),
    (&["plasticity-100-steps"], plasticity::steps),
    (&["masks-10M"], pruning::update),
    (&["masks-25M"], pruning::large_update),
    (&["training-step-cnn"], pruning::training_step),
    (&["sampling/"], sampling::generation),
    (&["sampling-peer"], sampling::peer),
    (&["search/1000 particles, 50 steps"], search::particles),
    (&["linear-4096"], sparse::linear),
    (&["fisher-cnn"], unlearning::fisher),
    (&["trak-projection"], unlearning::projection),
    (&["ssd-cnn", "ssd-11m"], unlearning::dampening),
    (&["sequence-loss"], sequences::sequences),
    (&["text/overlap"], text::overlap),
    (&["text/likeness"], text::likeness),
    (&["text/near duplicates"], text::near_duplicates),
    (&["bm25-peer"], text::peer),
    (&["verify/"], verify::checks),
];

/// Sets up what the filters name alone; all of them where a filter is no part of these names.
fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let options = ["--profile-time", "--save-baseline", "--baseline"];
    let mut filters = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if options.contains(&argument.as_str()) {
            arguments.next();
        } else if !argument.starts_with('-') {
            filters.push(argument);
        }
    }
    let is_named = |(names, _): &Bench| {
        let mut pairs = names
            .iter()
            .flat_map(|name| filters.iter().map(move |f| (name, f)));
        pairs.any(|(name, filter)| name.contains(filter.as_str()) || filter.starts_with(name))
    };
    let named: Vec<&Bench> = BENCHES.iter().filter(|bench| is_named(bench)).collect();
    let chosen = if named.is_empty() {
        BENCHES.iter().collect()
    } else {
        named
    };
    for (_, bench) in chosen {
        bench(&mut criterion);
    }
    criterion.final_summary();
}
