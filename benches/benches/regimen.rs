//! What the hot paths cost, each beside its naive version and the limits of the machine.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench prints its limits"
)]

use criterion::{Criterion, criterion_group, criterion_main};

mod continual;
mod continual_peer;
mod curriculum;
mod irt_peer;
mod moe;
mod objective;
mod peer;
mod plasticity;
mod pruning;
mod schedules;
mod search;
mod sequences;
mod sparse;
mod text;
mod unlearning;
mod verify;

fn configured() -> Criterion {
    Criterion::default().sample_size(10)
}

criterion_group! {
    name = benches;
    config = configured();
    targets = schedules::value, schedules::every, schedules::table, schedules::law, curriculum::plan, curriculum::replay, irt_peer::peer, continual::steps, continual::memory, continual_peer::peer, moe::layer, moe::peer, objective::loss, objective::peer, plasticity::steps, pruning::update, pruning::large_update, pruning::training_step, search::particles, sparse::linear, unlearning::fisher, unlearning::projection, unlearning::dampening, sequences::sequences, text::overlap, text::likeness, text::near_duplicates, text::peer, verify::checks
}
criterion_main!(benches);
