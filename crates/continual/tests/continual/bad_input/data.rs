//! Memories, scenarios and measures under absurd arguments.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::{Dataset, InMemDataset};
use burn::tensor::{Device, Tensor};
use regimen_continual::memory::{
    Bytes, FrequencyReplay, FrequencyReplayConfig, Groups, SharedMemory, WhichClasses, herding,
};
use regimen_continual::scenario::{
    Blurry, ClassFrequencies, ClassIncremental, ClassOrder, Corruption, Damage, DomainIncremental,
    OnePass, Online, Permutation, Planned, Recurrence, Recurring, RecurringClasses, Scenario,
    TaskData, TaskFree, TaskIncremental, TaskStream, Transform, View, labels, rotated,
};
use regimen_continual::*;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use super::super::loader::Plain;

const POLICIES: [Policy; 6] = [
    Policy::Reservoir,
    Policy::Ring(Groups::Classes),
    Policy::Ring(Groups::Tasks),
    Policy::ClassBalanced,
    Policy::Herded,
    Policy::LossAware,
];

/// A picture of these sides, where pictures are built.
fn pictured(matrix: &AccuracyMatrix, side: u32) -> Result<()> {
    #[cfg(feature = "plot")]
    {
        metrics::picture(matrix, side, 300)?;
        metrics::picture(matrix, 300, side)?;
    }
    let _ = (matrix, side);
    Ok(())
}

fn used(mut memory: Memory<u32>, label: usize, value: f32) -> Result<()> {
    for number in 0..5 {
        let kept = Kept::new(number, label, label).with_logits(vec![value]);
        assert_eq!((kept.bytes(), number.bytes()), (8, 4));
        match memory.config().policy {
            Policy::Herded => drop(memory.add_class(vec![kept], &[vec![value]])?),
            _ => drop(memory.add(kept)?),
        }
    }
    memory.observe(&[0, u64::MAX], &[value, value])?;
    memory.pass(label, label);
    let _ = memory.replace(label, Kept::new(7, label, label));
    let _ = memory.draw(label).len() + memory.draw_where(label, |_| true).len();
    Ok(())
}

#[test]
fn memories() {
    let mut h = Hostile::new("continual memories");
    for n in COUNTS {
        for policy in POLICIES {
            for capacity in [
                Capacity::Total(n),
                Capacity::PerClass(n),
                Capacity::PerTask(n),
                Capacity::TotalBytes(n),
            ] {
                let config = MemoryConfig::new(policy, capacity).with_seed(n as u64);
                h.input(format_args!("{config:?}"), || used(config.init()?, n, 0.5));
            }
        }
        h.input(format_args!("MemoryConfig::reservoir {n}"), || {
            used(MemoryConfig::reservoir(n).init()?, 0, 0.5)
        });
        h.input(format_args!("herding {n}"), || {
            herding(&[vec![1.0], vec![2.0]], n)
        });
        let memory = SharedMemory::from(MemoryConfig::reservoir(3).init::<u32>().unwrap());
        let data = || Arc::new(InMemDataset::new(vec![1, 2, 3]));
        let config = ReplayLoaderConfig::new(n).with_task(n);
        let device = Device::flex();
        h.input(format_args!("ReplayLoaderConfig {n}"), || {
            let loader: ReplayLoader<u32, Vec<u32>> =
                config.init(data(), Arc::new(Plain), &memory, move |_| n, &device)?;
            let _ = loader.slice(n, 2).iter().count() + loader.slice(1, n).iter().count();
            Ok::<_, ContinualError>(loader.iter().count())
        });
    }
    for x in NUMBERS {
        let memory = || MemoryConfig::new(Policy::LossAware, Capacity::Total(3)).init();
        h.input(format_args!("Memory::add {x}"), || {
            used(memory()?, 0, x as f32)
        });
        h.input(format_args!("herding {x}"), || {
            herding(&[vec![x as f32, 1.0], vec![f32::MAX, x as f32]], 2)
        });
        h.input(format_args!("replayed {x}"), || {
            let _ = ReplayLoaderConfig::new(usize::MAX).with_share(x).replayed();
            let data = Arc::new(InMemDataset::new(vec![1_u32]));
            let memory = MemoryConfig::reservoir(2).init()?.into();
            let config = ReplayLoaderConfig::new(3).with_share(x);
            config.init(data, Arc::new(Plain), &memory, |_| 0, &Device::flex())
        });
    }
    h.finish();
}

#[test]
fn scenarios() {
    let mut h = Hostile::new("continual scenarios");
    let all = [0, 1, 2, 3, 0, 1, 2, 3];
    let tried = |scenario: &dyn Fn() -> Result<Vec<scenario::Planned>>| {
        for planned in scenario()? {
            let _ = planned.transform.apply(&[1.0, 2.0, 3.0, 4.0])?;
            let logits = Tensor::<2>::ones([2, 4], &Device::flex());
            let _ = planned.task.mask(logits);
        }
        Ok::<_, ContinualError>(())
    };
    for n in COUNTS {
        for m in COUNTS {
            h.input(format_args!("ClassOrder {n} {m}"), || {
                let order = ClassOrder::new(n, m)?.shuffled(n as u64);
                let _ = (order.of(m).len(), order.of(0).len());
                ClassIncremental::new(order.clone()).train(&all)?;
                TaskIncremental::new(order).test(&[m])
            });
        }
        let order = || ClassOrder::new(4, 2);
        h.input(format_args!("with_order {n}"), || {
            order()?.with_order(vec![n; 4])
        });
        h.input(format_args!("Recurring {n}"), || {
            tried(&|| Recurring::new(order()?, vec![n, 0])?.train(&all))
        });
        h.input(format_args!("Recurring::rounds {n}"), || {
            tried(&|| Recurring::rounds(order()?, n)?.with_all().train(&all))
        });
        h.input(format_args!("DomainIncremental::permuted {n}"), || {
            let few = n.min(70_000);
            tried(&|| DomainIncremental::permuted(few, n as u64)?.train(&all))
        });
        h.input(format_args!("Permutation {n}"), || {
            Permutation::new(n as u64).order(n.max(1 << 24) + usize::from(n < usize::MAX))
        });
        h.input(format_args!("View {n}"), || {
            let data = Arc::new(InMemDataset::new(vec![1_u32, 2]));
            labels(data.as_ref(), |item| *item as usize)?;
            View::new(data, vec![n])
        });
        h.input(format_args!("Online::in_order {n}"), || {
            let online = Online::in_order(ClassIncremental::new(order()?));
            tried(&|| online.train(&[n, 0, 2]))
        });
        h.input(format_args!("TaskData::all {n}"), || {
            let data: Arc<dyn Dataset<u32>> = Arc::new(InMemDataset::new(vec![1_u32, 2]));
            let planned = Planned {
                task: Task {
                    id: n,
                    classes: vec![n],
                    examples: n,
                },
                examples: vec![0, n],
                transform: Transform::Permuted(Permutation::new(n as u64)),
                known: true,
            };
            let tasks = TaskData::all(&data, vec![planned])?;
            Ok::<_, ContinualError>(tasks[0].dataset().len())
        });
        h.input(format_args!("picture {n}"), || {
            let mut matrix = AccuracyMatrix::new(n.min(70))?;
            let _ = matrix.set(0, 0, 0.5);
            pictured(&matrix, n as u32)
        });
        h.input(format_args!("Online {n}"), || {
            let online = Online::new(ClassIncremental::new(order()?), n as u64);
            tried(&|| online.train(&[n, 0, 2]))
        });
    }
    for x in NUMBERS {
        let order = || ClassOrder::new(4, 2);
        h.input(format_args!("Blurry {x}"), || {
            tried(&|| Blurry::new(order()?, x, 0)?.train(&all))
        });
        h.input(format_args!("TaskFree {x}"), || {
            tried(&|| TaskFree::new(order()?, x, 0)?.train(&all))
        });
        h.input(format_args!("DomainIncremental {x}"), || {
            tried(&|| DomainIncremental::new(vec![Transform::Rotated(x)])?.train(&all))
        });
        h.input(format_args!("DomainIncremental::rotated {x}"), || {
            tried(&|| DomainIncremental::rotated(vec![x, 0.0])?.train(&all))
        });
        h.input(format_args!("picture of {x}"), || {
            let mut matrix = AccuracyMatrix::new(2)?;
            matrix.set(1, 0, x)?;
            pictured(&matrix, 300)
        });
        h.input(format_args!("rotated {x}"), || rotated(&[x as f32; 9], x));
        let mut matrix = AccuracyMatrix::new(2).unwrap();
        h.input(format_args!("AccuracyMatrix {x}"), || {
            matrix.record(1, &[x, x])
        });
    }
    for n in COUNTS {
        h.input(format_args!("AccuracyMatrix {n}"), || {
            let mut matrix = AccuracyMatrix::new(n)?;
            let _ = (matrix.forgetting(n), matrix.average_incremental(n));
            let _ = (matrix.backward_transfer(n), matrix.intransigence(n, 1.0));
            let _ = matrix.forward_transfer_over_chance(n, &[]);
            let _ = matrix.forward_transfer_over_scratch(n, &[]);
            matrix.record(n, &[])
        });
        let mut compute = Compute::default();
        compute.count(n);
        compute.count(n);
        compute.keep("memory", n);
        compute.keep("more", n);
        let _ = (compute.bytes(), compute.gradients());
        let data = InMemDataset::new(vec![1_u32, 2]);
        let loader = OnePass::new(DataLoaderBuilder::new(Plain).batch_size(2).build(data));
        assert_eq!((loader.iter().count(), loader.iter().count()), (1, 1));
    }
    h.finish();
}

/// A few tasks, the numbers of the classes, and both plans.
fn drawn(scenario: &RecurringClasses) -> Result<()> {
    let mut draws = scenario.draws();
    let few = draws.by_ref().take(3).count() as u64;
    assert!(few == 3.min(scenario.tasks()) && draws.drawn() == few);
    let labels: Vec<usize> = (0..scenario.classes()).collect();
    for planned in TaskStream::new(draws, &labels)?.take(3) {
        let _ = planned.transform.apply(&[0.5; 4])?;
    }
    if scenario.classes() < 10 && scenario.tasks() < 10 {
        scenario.train(&labels)?;
    }
    scenario.test(&labels).map(drop)
}

#[test]
fn recurring_classes() {
    let mut h = Hostile::new("continual recurring classes");
    let of = |classes, per_task, tasks: usize| {
        RecurringClasses::new(ClassFrequencies::uniform(classes)?, per_task, tasks as u64)
    };
    for n in COUNTS {
        for m in COUNTS {
            h.input(format_args!("RecurringClasses {n} {m}"), || {
                drawn(&of(n, m, n)?.with_seed(m as u64).perturbed())
            });
            h.input(format_args!("RecurringClasses tasks {n} {m}"), || {
                drawn(&of(9, m, n)?)
            });
            h.input(format_args!("ClassFrequencies::inclusion {n} {m}"), || {
                ClassFrequencies::uniform(n)?.inclusion(m)
            });
        }
        h.input(format_args!("a large RecurringClasses {n}"), || {
            drawn(&of(1 << 16, n, 9)?.with_recurrence(Recurrence::Cyclic(0.5))?)
        });
        h.input(format_args!("TaskStream::new {n}"), || {
            Ok::<_, ContinualError>(TaskStream::new(of(2, 1, 9)?.draws(), &[0, 1, n])?.count())
        });
        h.input(format_args!("Corruption {n}"), || {
            Corruption::new(Damage::Blur, n.min(255) as u8, n as u64)?.apply(&[0.5; 5])
        });
        h.input(format_args!("Accumulation {n}"), || {
            let mut curve = Accumulation::new(n)?;
            let _ = (curve.segment(n, n), curve.segment(0, n), curve.last(n));
            let _ = (curve.of_classes(n), curve.by_frequency(&[0.5], n));
            curve.record(&[0, n], &[n, 0])
        });
    }
    for x in NUMBERS {
        h.input(format_args!("ClassFrequencies {x}"), || {
            let one = ClassFrequencies::imbalanced(100, x)?.shuffled(3);
            assert!(one.entropy().is_finite());
            one.inclusion(10)
        });
        h.input(format_args!("ClassFrequencies::of {x}"), || {
            let one = ClassFrequencies::of(vec![x, 1.0, x])?;
            let found = one.inclusion(2)?;
            assert!(found.iter().all(|pi| pi.is_finite()), "{found:?}");
            drawn(&RecurringClasses::new(one, 2, 9)?)
        });
        for recurrence in [
            Recurrence::Sampled,
            Recurrence::Reduced(x),
            Recurrence::Iid,
            Recurrence::Incremental,
            Recurrence::Forgetting,
            Recurrence::Partition,
            Recurrence::Cyclic(x),
            Recurrence::Sets(x),
        ] {
            h.input(format_args!("{recurrence:?}"), || {
                drawn(&of(8, 2, 4)?.with_recurrence(recurrence)?)
            });
        }
        for damage in Damage::ALL {
            h.input(format_args!("{damage:?} of {x}"), || {
                Corruption::new(damage, 4, 1)?.apply(&[x as f32; 16])
            });
        }
        h.input(format_args!("by_frequency {x}"), || {
            let mut curve = Accumulation::new(2)?;
            curve.record(&[0, 1], &[0, 0])?;
            curve.by_frequency(&[x, 0.5], 1)
        });
    }
    h.finish();
}

/// A few tasks of two classes.
pub(in super::super) fn replayed(mut replay: FrequencyReplay<u32>) -> Result<()> {
    for task in 0..5 {
        let mut trained = replay.choose(&[task % 2], task);
        replay.keep(task % 2, vec![1, 2, 3]);
        trained.push(task % 2);
        replay.count(&trained);
        assert!(replay.frequency(0).is_finite() && replay.kept(1).len() < 4);
        let _ = replay.count_by_accuracy(&[0], &[0.5]);
    }
    Ok(())
}

#[test]
fn frequency_replay() {
    let mut h = Hostile::new("continual frequency replay");
    for x in NUMBERS {
        for y in NUMBERS {
            h.input(format_args!("FrequencyReplayConfig::band {x} {y}"), || {
                replayed(FrequencyReplayConfig::band(x, y).init()?)
            });
        }
        h.input(format_args!("FrequencyReplayConfig::random {x}"), || {
            replayed(FrequencyReplayConfig::random(x).init()?)
        });
        h.input(format_args!("count_by_accuracy {x}"), || {
            let mut replay = FrequencyReplayConfig::default().init::<u32>()?;
            replay.count_by_accuracy(&[0, 0], &[x, 1.0])
        });
    }
    for n in COUNTS {
        h.input(format_args!("FrequencyReplayConfig {n}"), || {
            let mut config = FrequencyReplayConfig::default().with_per_class(n);
            let (low, high, times) = (0.0, 1.0, n as u64);
            config.which = WhichClasses::Band { low, high, times };
            let mut replay = config.with_seed(n as u64).init::<u32>()?;
            let _ = replay.choose(&[n], n);
            replay.keep(n, vec![1]);
            replay.count(&[n, n]);
            replayed(replay)
        });
    }
    h.finish();
}
