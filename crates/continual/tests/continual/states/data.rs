//! Damaged states of memories, scenarios and measures.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::data::dataset::InMemDataset;
use burn::tensor::Device;
use regimen_continual::memory::{
    FrequencyReplay, FrequencyReplayConfig, Groups, SharedMemory, WhichClasses,
};
use regimen_continual::scenario::{
    Blurry, ClassDraws, ClassFrequencies, ClassIncremental, ClassOrder, Corruption, Damage,
    DomainIncremental, Online, Permutation, Planned, Recurrence, Recurring, RecurringClasses,
    Scenario, TaskFree, TaskIncremental, Transform,
};
use regimen_continual::*;
use regimen_tensor::Part;
use regimen_tensor::testing::Hostile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::loader::Plain;

pub(super) fn text_of(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(super) fn state<T: Serialize + DeserializeOwned>(
    h: &mut Hostile,
    name: &str,
    sample: &T,
    using: impl Fn(T) -> std::result::Result<(), String>,
) {
    let read = |text: &str| using(serde_json::from_str(text).map_err(text_of)?);
    h.state(name, &serde_json::to_string(sample).unwrap(), read);
}

fn used(mut memory: Memory<u32>) -> std::result::Result<(), String> {
    for number in 0..6 {
        let kept = Kept::new(number, number as usize % 3, 0);
        match memory.config().policy {
            Policy::Herded => {
                let _ = memory.add_class(vec![kept], &[vec![1.0]]);
            }
            _ => {
                let _ = memory.add(kept);
            }
        }
        let numbers: Vec<u64> = memory.draw(3).iter().map(|kept| kept.number()).collect();
        let losses = vec![0.5; numbers.len()];
        memory.observe(&numbers, &losses).map_err(text_of)?;
    }
    let _ = (memory.bytes(), memory.len(), memory.classes());
    let again = memory.save().map_err(text_of)?;
    serde_json::from_slice::<Memory<u32>>(&again).map_err(text_of)?;
    Ok(())
}

#[test]
fn memories() {
    let mut h = Hostile::new("continual memory states");
    for (name, policy, capacity) in [
        ("Memory reservoir", Policy::Reservoir, Capacity::Total(4)),
        (
            "Memory ring",
            Policy::Ring(Groups::Tasks),
            Capacity::PerTask(2),
        ),
        (
            "Memory balanced",
            Policy::ClassBalanced,
            Capacity::TotalBytes(40),
        ),
        ("Memory loss", Policy::LossAware, Capacity::PerClass(2)),
    ] {
        let config = MemoryConfig::new(policy, capacity);
        let mut memory = config.init().unwrap();
        for number in 0..7_u32 {
            let kept = Kept::new(number, number as usize % 3, number as usize / 4);
            memory.add(kept.with_logits(vec![0.5, -0.25])).unwrap();
        }
        memory.draw(2);
        state(&mut h, name, &memory, used);
        state(&mut h, "MemoryConfig", &config, |config: MemoryConfig| {
            used(config.init().map_err(text_of)?)
        });
    }
    let mut herded = MemoryConfig::new(Policy::Herded, Capacity::Total(4))
        .init()
        .unwrap();
    let class = vec![Kept::new(1_u32, 0, 0), Kept::new(2, 0, 0)];
    herded.add_class(class, &[vec![1.0], vec![2.0]]).unwrap();
    state(&mut h, "Memory herded", &herded, used);
    let loader = || -> ReplayLoader<u32, Vec<u32>> {
        let memory = SharedMemory::from(MemoryConfig::reservoir(3).init().unwrap());
        let data = Arc::new(InMemDataset::new((0..9).collect()));
        let config = ReplayLoaderConfig::new(2).with_every_epoch(true);
        config
            .init(data, Arc::new(Plain), &memory, |_| 0, &Device::flex())
            .unwrap()
    };
    let first = loader();
    let mut iter = first.iter();
    iter.next().unwrap().unwrap();
    iter.next().unwrap().unwrap();
    let saved = String::from_utf8(first.save().unwrap()).unwrap();
    h.state("ReplayLoader", &saved, |text| {
        let mut loader = loader();
        loader.load(text.as_bytes()).map_err(text_of)?;
        for batch in loader.iter() {
            let _ = batch.map_err(text_of)?;
        }
        loader.save().map_err(text_of).map(drop)
    });
    h.finish();
}

#[test]
fn scenarios() {
    let mut h = Hostile::new("continual scenario states");
    let order = ClassOrder::new(4, 2).unwrap().shuffled(1);
    fn tried<S: Scenario>(scenario: S) -> std::result::Result<(), String> {
        let all = [0, 1, 2, 3, 0, 1, 2, 3];
        let planned = scenario.train(&all).map_err(text_of)?;
        assert!(
            planned
                .iter()
                .flat_map(|task| &task.examples)
                .all(|example| *example < 8)
        );
        scenario.test(&all).map(drop).map_err(text_of)
    }
    state(&mut h, "ClassOrder", &order, |order: ClassOrder| {
        let _ = order.of(0).len() + order.of(usize::MAX).len();
        Ok(())
    });
    state(
        &mut h,
        "ClassIncremental",
        &ClassIncremental::new(order.clone()),
        tried,
    );
    state(
        &mut h,
        "TaskIncremental",
        &TaskIncremental::new(order.clone()),
        tried,
    );
    state(
        &mut h,
        "Blurry",
        &Blurry::new(order.clone(), 0.25, 1).unwrap(),
        tried,
    );
    state(
        &mut h,
        "TaskFree",
        &TaskFree::new(order.clone(), 1.0, 1).unwrap(),
        tried,
    );
    state(
        &mut h,
        "Recurring",
        &Recurring::rounds(order.clone(), 2).unwrap(),
        tried,
    );
    let online = Online::new(ClassIncremental::new(order), 3);
    state(&mut h, "Online", &online, tried);
    let transforms = vec![
        Transform::Permuted(Permutation::new(3)),
        Transform::Rotated(30.0),
    ];
    state(
        &mut h,
        "DomainIncremental",
        &DomainIncremental::new(transforms).unwrap(),
        tried,
    );
    let planned = online.train(&[0, 1, 2, 3]).unwrap().remove(0);
    state(&mut h, "Planned", &planned, |planned: Planned| {
        let _ = planned.transform.apply(&[1.0; 4]);
        Ok(())
    });
    let mut compute = Compute::default();
    compute.count(3);
    compute.keep("memory", 7);
    state(&mut h, "Compute", &compute, |mut compute: Compute| {
        compute.count(usize::MAX);
        let _ = compute.bytes();
        Ok(())
    });
    let mut matrix = AccuracyMatrix::new(3).unwrap();
    matrix.record(1, &[0.5, 0.25]).unwrap();
    state(
        &mut h,
        "AccuracyMatrix",
        &matrix,
        |mut matrix: AccuracyMatrix| {
            let _ = (matrix.forgetting(1), matrix.average_incremental(2));
            let _ = matrix.record(0, &[0.5]);
            Ok(())
        },
    );
    h.finish();
}

#[test]
fn recurrence() {
    let mut h = Hostile::new("continual recurrence states");
    let frequencies = ClassFrequencies::imbalanced(4, 2.0).unwrap().shuffled(1);
    state(
        &mut h,
        "ClassFrequencies",
        &frequencies,
        |one: ClassFrequencies| {
            let _ = (one.entropy(), one.inclusion(2));
            Ok(())
        },
    );
    let scenario = RecurringClasses::new(frequencies, 2, 20).unwrap();
    for recurrence in [
        Recurrence::Reduced(2.0),
        Recurrence::Cyclic(0.5),
        Recurrence::Sets(0.5),
    ] {
        let scenario = scenario.clone().with_recurrence(recurrence).unwrap();
        let few = |draws: ClassDraws| {
            let classes = draws.scenario().classes();
            let good = |task: Vec<usize>| task.iter().all(|class| *class < classes);
            assert!(draws.take(50).all(good));
            Ok(())
        };
        let mut draws = scenario.draws();
        draws.by_ref().take(7).for_each(drop);
        state(&mut h, "ClassDraws", &draws, few);
        state(
            &mut h,
            "RecurringClasses",
            &scenario,
            |one: RecurringClasses| few(one.draws()),
        );
        state(&mut h, "Recurrence", &recurrence, |one: Recurrence| {
            let scenario = scenario.clone().with_recurrence(one);
            few(scenario.map_err(text_of)?.draws())
        });
    }
    let corruption = Corruption::new(Damage::Impulse, 3, 5).unwrap();
    state(&mut h, "Corruption", &corruption, |one: Corruption| {
        one.apply(&[0.5; 4]).map(drop).map_err(text_of)
    });
    state(&mut h, "Damage", &Damage::Blur, |one: Damage| {
        Corruption::new(one, 0, 0).map(drop).map_err(text_of)
    });
    let mut curve = Accumulation::new(2).unwrap();
    curve.record(&[0, 1, 1], &[0, 0, 1]).unwrap();
    state(&mut h, "Accumulation", &curve, |mut one: Accumulation| {
        let _ = (
            one.last(1),
            one.of_classes(1),
            one.by_frequency(&[0.1, 0.2], 1),
        );
        one.record(&[0, 1], &[0, 1]).map(drop).map_err(text_of)
    });
    let mut sessions = Sessions::new(&[0]).unwrap();
    sessions.record(&[0, 0], &[0, 1]).unwrap();
    sessions.record(&[0, 1], &[0, 0]).unwrap();
    state(&mut h, "Sessions", &sessions, |mut one: Sessions| {
        let _ = (one.average(), one.performance_drop(), one.harmonic());
        one.record(&[0, 1], &[0, 1]).map(drop).map_err(text_of)
    });
    let config = FrequencyReplayConfig::band(0.01, 0.5).with_per_class(3);
    let used = |replay: FrequencyReplay<u32>| {
        let mut replay = replay;
        for task in 0..5 {
            let mut trained = replay.choose(&[task % 2], task);
            replay.keep(task % 2, vec![1, 2, 3]);
            trained.push(task % 2);
            replay.count(&trained);
            let _ = (replay.frequency(0), replay.kept(1).len());
        }
        Ok(())
    };
    let mut replay = config.init().unwrap();
    for task in 0..7_u32 {
        replay.keep(task as usize % 3, vec![task, task + 1]);
        replay.count(&[task as usize % 3]);
    }
    state(&mut h, "FrequencyReplay", &replay, used);
    state(
        &mut h,
        "FrequencyReplayConfig",
        &config,
        |one: FrequencyReplayConfig| used(one.init().map_err(text_of)?),
    );
    state(
        &mut h,
        "WhichClasses",
        &config.which,
        |which: WhichClasses| {
            used(
                FrequencyReplayConfig { which, ..config }
                    .init()
                    .map_err(text_of)?,
            )
        },
    );
    h.finish();
}
