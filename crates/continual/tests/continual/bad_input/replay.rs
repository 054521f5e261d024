//! Methods with a memory under absurd arguments.

use regimen_continual::memory::Groups;
use regimen_continual::*;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use super::super::two::{Two, batch};
use super::used;

/// Every policy with every capacity.
fn memories(n: usize) -> Vec<MemoryConfig> {
    let policies = [
        Policy::Reservoir,
        Policy::Ring(Groups::Classes),
        Policy::ClassBalanced,
        Policy::Herded,
        Policy::LossAware,
    ];
    let capacities = [
        Capacity::Total(n),
        Capacity::PerClass(n),
        Capacity::PerTask(n),
        Capacity::TotalBytes(n),
    ];
    let pairs = policies.iter().flat_map(|policy| {
        let of_one = capacities.iter();
        of_one.map(|capacity| MemoryConfig::new(*policy, *capacity).with_seed(n as u64))
    });
    pairs.collect()
}

/// A task of as many examples, then what every strategy is used for.
fn told<S: Strategy<Two>>(strategy: Result<S>, n: usize) -> Result<()> {
    let strategy = strategy?;
    let task = Task {
        id: n,
        classes: vec![0, 1, n],
        examples: n,
    };
    strategy.before_task(Two::new([0.1, 0.2]), &task)?;
    used(Ok(strategy))
}

#[test]
fn memories_and_counts() {
    let mut h = Hostile::new("continual replay counts");
    let model = Two::new([0.1, 0.2]);
    for n in COUNTS {
        for (memory, fill) in memories(n).into_iter().zip(
            [Fill::Always, Fill::FirstEpoch, Fill::First(n)]
                .into_iter()
                .cycle(),
        ) {
            let name = format!("{memory:?} {fill:?}");
            h.input(format_args!("ErConfig::init {name}"), || {
                let config = ErConfig::new(memory).with_replay(Some(n)).with_fill(fill);
                told(config.init(&model), n)
            });
            h.input(format_args!("DerConfig::init {name}"), || {
                let config = DerConfig::new(memory).with_replay(Some(n)).with_fill(fill);
                told(config.init(&model), n)
            });
            h.input(format_args!("DerPlusPlusConfig::init {name}"), || {
                let config = DerPlusPlusConfig::new(memory).with_replay(Some(n));
                told(config.with_fill(fill).init(&model), n)
            });
            h.input(format_args!("ErAceConfig::init {name}"), || {
                let config = ErAceConfig::new(memory).with_replay(Some(n));
                told(config.with_fill(fill).init(&model), n)
            });
            h.input(format_args!("MirConfig::init {name}"), || {
                let config = MirConfig::new(memory, 0.1).with_candidates(n);
                let config = config.with_replay(Some(n)).with_fill(fill);
                told(config.init(&model), n)
            });
        }
        for fill in [Fill::Always, Fill::FirstEpoch, Fill::First(n)] {
            h.input(format_args!("GssConfig::init {n} {fill:?}"), || {
                let config = GssConfig::new(n).with_gradients(n).with_replay(Some(n));
                told(config.with_fill(fill).with_seed(n as u64).init(&model), n)
            });
            h.input(format_args!("GDumbConfig::init {n} {fill:?}"), || {
                let config = GDumbConfig::new(n).with_fill(fill).with_seed(n as u64);
                let gdumb = config.init(&model)?;
                told(Ok(gdumb.clone()), n)?;
                let seen = batch(&[[1.0, 2.0]], &[1]);
                gdumb.observe(&seen)?;
                gdumb.batches(n, n as u64, &seen).map(drop)
            });
        }
        h.input(format_args!("GssConfig gradients {n}"), || {
            told(GssConfig::new(2).with_gradients(n).init(&model), n)
        });
        h.input(format_args!("MirConfig candidates {n}"), || {
            let config = MirConfig::new(MemoryConfig::reservoir(3), 0.1);
            told(config.with_candidates(n).init(&model), n)
        });
    }
    h.finish();
}

#[test]
fn strengths() {
    let mut h = Hostile::new("continual replay strengths");
    let model = Two::new([0.1, 0.2]);
    let memory = MemoryConfig::reservoir(3);
    for a in NUMBERS {
        for joined in [false, true] {
            h.input(format_args!("ErConfig {a} {joined}"), || {
                let config = ErConfig::new(memory).with_beta(a);
                used(config.with_joined(joined).init(&model))
            });
        }
        h.input(format_args!("DerConfig {a}"), || {
            used(DerConfig::new(memory).with_alpha(a).init(&model))
        });
        h.input(format_args!("ErAceConfig {a}"), || {
            used(ErAceConfig::new(memory).with_beta(a).init(&model))
        });
        h.input(format_args!("GssConfig {a}"), || {
            used(GssConfig::new(3).with_beta(a).init(&model))
        });
        for b in NUMBERS {
            h.input(format_args!("DerPlusPlusConfig {a} {b}"), || {
                let config = DerPlusPlusConfig::new(memory).with_alpha(a);
                used(config.with_beta(b).init(&model))
            });
            h.input(format_args!("MirConfig {a} {b}"), || {
                used(MirConfig::new(memory, a).with_beta(b).init(&model))
            });
        }
    }
    h.finish();
}
