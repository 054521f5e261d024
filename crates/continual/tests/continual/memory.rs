//! Memories: sizes, chances, balance, restarts, and time.

use std::time::Instant;

use proptest::prelude::*;
use regimen_continual::ContinualError;
use regimen_continual::memory::{Capacity, Groups, Kept, Memory, MemoryConfig, Policy, herding};
use regimen_tensor::Part;

const POLICIES: [Policy; 5] = [
    Policy::Reservoir,
    Policy::Ring(Groups::Classes),
    Policy::Ring(Groups::Tasks),
    Policy::ClassBalanced,
    Policy::LossAware,
];

fn memory(policy: Policy, capacity: Capacity, seed: u64) -> Memory<u32> {
    MemoryConfig::new(policy, capacity)
        .with_seed(seed)
        .init()
        .unwrap()
}

fn kept(number: usize, label: usize, task: usize) -> Kept<u32> {
    Kept::new(number as u32, label, task)
}

/// Capacity 50 of 200: each place is kept with probability .25. Over `n` runs, the counts of a place have variance `n / 4 * 3 / 4`, and
/// since each run keeps 50, the sum of squares over it is chi-squared with 199 degrees of freedom.
#[test]
fn every_place_of_a_stream_is_kept_as_often_by_a_reservoir() {
    let runs = 2000;
    let mut counts = [0_usize; 200];
    for seed in 0..runs {
        let mut memory = memory(Policy::Reservoir, Capacity::Total(50), seed);
        (0..200).for_each(|number| {
            memory.add(kept(number, 0, 0)).unwrap();
        });
        assert_eq!(memory.len(), 50);
        memory
            .iter()
            .for_each(|kept| counts[kept.item as usize] += 1);
    }
    let mean = runs as f64 / 4.0;
    let squares: f64 = counts
        .iter()
        .map(|count| (*count as f64 - mean).powi(2))
        .sum();
    // The covariance of two places of a sample without replacement is -p(1-p)/(n-1).
    let variance = runs as f64 * 0.25 * 0.75 * 200.0 / 199.0;
    let statistic = squares / variance;
    // Quantiles .001 and .999 of chi-squared with 199 degrees of freedom.
    assert!((143.0..268.0).contains(&statistic), "{statistic}");
}

#[test]
fn the_newest_of_each_task_are_in_a_ring() {
    let mut memory = memory(Policy::Ring(Groups::Tasks), Capacity::PerTask(3), 0);
    for number in 0..10 {
        memory.add(kept(number, number % 2, number / 5)).unwrap();
    }
    let items: Vec<u32> = memory.iter().map(|kept| kept.item).collect();
    assert_eq!(items, [2, 3, 4, 7, 8, 9]);
}

#[test]
fn a_ring_of_a_total_size_is_shared_when_a_task_comes() {
    let mut memory = memory(Policy::Ring(Groups::Tasks), Capacity::Total(6), 0);
    for number in 0..10 {
        memory
            .add(kept(number, 0, usize::from(number >= 8)))
            .unwrap();
    }
    let items: Vec<u32> = memory.iter().map(|kept| kept.item).collect();
    assert_eq!(items, [4, 5, 6, 7, 8, 9]);
    memory.add(kept(10, 0, 1)).unwrap();
    memory.add(kept(11, 0, 1)).unwrap();
    let items: Vec<u32> = memory.iter().map(|kept| kept.item).collect();
    assert_eq!(items, [5, 6, 7, 9, 10, 11]);
}

/// The same number means the same whatever the policy.
#[test]
fn the_size_is_total_or_per_class_or_per_task_as_it_says() {
    for policy in POLICIES {
        for (capacity, expected) in [
            (Capacity::Total(12), 12),
            (Capacity::PerClass(12), 48),
            (Capacity::PerTask(12), 24),
        ] {
            let mut memory = memory(policy, capacity, 3);
            for number in 0..400 {
                let label = number / 100;
                memory.add(kept(number, label, label / 2)).unwrap();
            }
            assert_eq!(memory.len(), expected, "{policy:?} {capacity:?}");
        }
    }
}

#[test]
fn herding_by_hand() {
    let features = [
        vec![1.0, 0.0],
        vec![0.0, 1.0],
        vec![0.8, 0.6],
        vec![0.6, 0.8],
    ];
    assert_eq!(herding(&features, 9).unwrap(), [3, 2, 1, 0]);
    assert_eq!(herding(&features, 0).unwrap(), [0; 0]);
    // The length of a row does not matter.
    let longer = features
        .iter()
        .map(|row| row.iter().map(|value| value * 8.0).collect());
    let longer: Vec<Vec<f32>> = longer.collect();
    assert_eq!(herding(&longer, 2).unwrap(), [3, 2]);
    assert!(matches!(herding(&[], 2), Err(ContinualError::Empty(_))));
    assert!(herding(&[vec![1.0], vec![1.0, 2.0]], 2).is_err());
    assert!(herding(&[vec![f32::NAN]], 2).is_err());
}

#[test]
fn herded_classes_keep_their_first_examples_when_others_come() {
    let class = |label: usize| -> Vec<Kept<u32>> {
        (0..4)
            .map(|number| kept(10 * label + number, label, label))
            .collect()
    };
    let features = [
        vec![1.0, 0.0],
        vec![0.0, 1.0],
        vec![0.8, 0.6],
        vec![0.6, 0.8],
    ];
    let mut memory = memory(Policy::Herded, Capacity::Total(7), 0);
    let items =
        |memory: &Memory<u32>| -> Vec<u32> { memory.iter().map(|kept| kept.item).collect() };
    assert_eq!(memory.add_class(class(0), &features).unwrap(), 4);
    assert_eq!(items(&memory), [3, 2, 1, 0]);
    assert_eq!(memory.add_class(class(1), &features).unwrap(), 3);
    assert_eq!(items(&memory), [3, 2, 1, 13, 12, 11]);
    assert_eq!(memory.add_class(class(2), &features).unwrap(), 2);
    assert_eq!(items(&memory), [3, 2, 13, 12, 23, 22]);
    assert_eq!(memory.add_class(class(1), &features).unwrap(), 2);
    assert_eq!(items(&memory), [3, 2, 13, 12, 23, 22]);
    assert!(memory.add(kept(0, 0, 0)).is_err());
    let mixed = vec![kept(0, 0, 0), kept(1, 1, 0)];
    assert!(memory.add_class(mixed, &features[..2]).is_err());
    assert!(memory.add_class(class(3), &features[..2]).is_err());
    assert!(memory.add_class(Vec::new(), &[]).is_err());
    let mut small = MemoryConfig::new(Policy::Herded, Capacity::Total(1))
        .init()
        .unwrap();
    small.add_class(class(0), &features).unwrap();
    let before = small.clone();
    assert!(small.add_class(class(1), &features).is_err());
    assert_eq!(small, before);
}

#[test]
fn logits_and_losses_that_are_not_finite_are_refused() {
    let mut memory = memory(Policy::LossAware, Capacity::Total(2), 0);
    let odd = kept(0, 0, 0).with_logits(vec![0.0, f32::NAN]);
    assert!(matches!(memory.add(odd), Err(ContinualError::NotFinite(_))));
    assert_eq!((memory.len(), memory.seen()), (0, 0));
    let number = memory.add(kept(0, 0, 0)).unwrap().unwrap();
    assert!(memory.observe(&[number], &[f32::INFINITY]).is_err());
    assert!(memory.observe(&[number], &[]).is_err());
    memory.observe(&[number, 77], &[0.5, 0.1]).unwrap();
    assert!(MemoryConfig::reservoir(0).init::<u32>().is_err());
}

/// Of examples of one class, what goes by loss is of rank r (the highest loss is 0) with probability (2 r + 1) / n^2.
#[test]
fn what_goes_by_loss_has_rather_a_low_one() {
    let n = 8;
    let mut gone = vec![0_usize; n];
    let mut replaced = 0;
    for seed in 0..8000 {
        let mut memory = memory(Policy::LossAware, Capacity::Total(n), seed);
        for number in 0..n {
            let number = memory.add(kept(number, 0, 0)).unwrap().unwrap();
            memory.observe(&[number], &[10.0 - number as f32]).unwrap();
        }
        if memory.add(kept(n, 0, 0)).unwrap().is_some() {
            replaced += 1;
            let left: Vec<u32> = memory.iter().map(|kept| kept.item).collect();
            let missing = (0..n).find(|item| !left.contains(&(*item as u32))).unwrap();
            gone[missing] += 1;
        }
    }
    // Accepted with probability 8 / 9.
    assert!((7000..7225).contains(&replaced), "{replaced}");
    for (rank, count) in gone.iter().enumerate() {
        let by_loss = (2 * rank + 1) as f64 / (n * n) as f64;
        let expected = replaced as f64 * (0.5 * by_loss + 0.5 / n as f64);
        let found = *count as f64;
        assert!(
            (found - expected).abs() < 4.5 * expected.sqrt(),
            "{rank} {found} {expected}"
        );
    }
}

#[test]
fn what_goes_by_balance_is_of_a_large_class() {
    let mut sizes = [0_usize; 2];
    for seed in 0..200 {
        let mut memory = memory(Policy::LossAware, Capacity::Total(40), seed);
        for number in 0..400 {
            memory
                .add(kept(number, usize::from(number % 10 == 0), 0))
                .unwrap();
        }
        for (class, count) in memory.classes() {
            sizes[class] += count;
        }
    }
    // A reservoir would have 800, with a standard deviation of 27.
    assert!(sizes[1] > 1000, "{sizes:?}");
}

#[test]
fn bytes_are_bounded_and_equal_items_are_a_reservoir() {
    let row = |size: usize, number: usize| Kept::new(vec![number as f32; size], number % 3, 0);
    let config = MemoryConfig::new(Policy::Reservoir, Capacity::TotalBytes(420));
    let mut bytes = config.init().unwrap();
    let mut items = MemoryConfig::reservoir(10).init().unwrap();
    for number in 0..300 {
        bytes.add(row(10, number)).unwrap();
        items.add(row(10, number)).unwrap();
    }
    assert!(bytes.iter().eq(items.iter()));
    assert_eq!((bytes.len(), bytes.bytes()), (10, 400));
    assert!(matches!(
        bytes.add(row(106, 0)),
        Err(ContinualError::OutOfRange { .. })
    ));
    for policy in POLICIES {
        let config = MemoryConfig::new(policy, Capacity::TotalBytes(400));
        let mut memory = config.init().unwrap();
        for number in 0..500 {
            memory.add(row(1 + number * 7 % 40, number)).unwrap();
            assert!(memory.bytes() <= 400);
        }
        let counted: usize = memory.iter().map(Kept::bytes).sum();
        assert_eq!(counted, memory.bytes());
        assert!(memory.len() > 2, "{policy:?}");
    }
}

#[test]
fn only_what_is_kept_is_read() {
    let mut memory = MemoryConfig::reservoir(5).init().unwrap();
    let mut read = 0;
    for _ in 0..100 {
        let offered = [(0, 0); 10];
        let added = memory.add_batch(&offered, |places| {
            read += places.len();
            Ok(places.iter().map(|place| kept(*place, 0, 0)).collect())
        });
        added.unwrap();
    }
    // 5 (1 + 1/6 + .. + 1/1000) is 31.
    assert!((15..50).contains(&read), "{read}");
    assert_eq!((memory.len(), memory.seen()), (5, 1000));
    let before = memory.clone();
    let failed = memory.add_batch(&[(0, 0); 100_000], |_| Ok(Vec::new()));
    assert!(failed.is_err());
    let failed = memory.add_batch(&[(0, 0); 100_000], |_| {
        Err(ContinualError::Empty("a batch"))
    });
    assert!(failed.is_err());
    let other = memory.add_batch(&[(0, 0); 100_000], |places| {
        Ok(places.iter().map(|_| kept(0, 7, 0)).collect())
    });
    assert!(other.is_err());
    assert_eq!(memory, before);
}

#[test]
fn a_place_of_a_reservoir_is_replaced() {
    let mut memory = MemoryConfig::reservoir(2).init().unwrap();
    memory.add(kept(4, 0, 0)).unwrap();
    memory.add(kept(5, 1, 0)).unwrap();
    assert_eq!(memory.replace(1, kept(6, 2, 1)).unwrap().item, 5);
    let before = memory.clone();
    assert!(memory.replace(2, kept(7, 2, 1)).is_err());
    assert_eq!(memory, before);
    let items: Vec<(u32, u64)> = memory
        .iter()
        .map(|kept| (kept.item, kept.number()))
        .collect();
    assert_eq!(items, [(4, 0), (6, 2)]);
    assert_eq!(memory.seen(), 3);
    let mut ring = MemoryConfig::new(Policy::Ring(Groups::Classes), Capacity::Total(2))
        .init()
        .unwrap();
    ring.add(kept(4, 0, 0)).unwrap();
    assert!(ring.replace(0, kept(6, 2, 1)).is_err());
}

#[test]
fn draws_are_distinct_and_reach_all() {
    let mut memory = memory(Policy::ClassBalanced, Capacity::Total(30), 1);
    (0..90).for_each(|number| {
        memory.add(kept(number, number % 4, 0)).unwrap();
    });
    let mut counts = [0_usize; 90];
    for _ in 0..3000 {
        let mut drawn: Vec<u32> = memory.draw(7).iter().map(|kept| kept.item).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 7);
        drawn.iter().for_each(|item| counts[*item as usize] += 1);
    }
    let counts: Vec<usize> = memory
        .iter()
        .map(|kept| counts[kept.item as usize])
        .collect();
    assert_eq!(counts.iter().sum::<usize>(), 21_000);
    assert!(
        counts.iter().all(|count| (580..820).contains(count)),
        "{counts:?}"
    );
    assert_eq!(memory.draw(100).len(), 30);
    let of_two = memory.draw_where(100, |kept| kept.label == 2);
    assert!((7..=8).contains(&of_two.len()) && of_two.iter().all(|kept| kept.label == 2));
    assert!(memory.draw_where(3, |_| false).is_empty());
    let mut none = MemoryConfig::reservoir(4).init::<u32>().unwrap();
    assert!(none.draw(3).is_empty());
}

/// Peers slow down as a memory fills. 100 times as many kept examples may cost no more than five times as much for each, which
/// leaves room for caches and other processes.
#[test]
fn adding_and_drawing_take_the_same_time_however_full() {
    for policy in POLICIES {
        let time = |size: usize| {
            let mut memory = memory(policy, Capacity::Total(size), 0);
            for number in 0..size {
                memory.add(kept(number, number % 10, 0)).unwrap();
            }
            let best = (0..20).map(|_| {
                let mut memory = memory.clone();
                let start = Instant::now();
                for number in 0..200 {
                    memory.add(kept(number, number % 10, 0)).unwrap();
                    memory.draw(4);
                }
                start.elapsed().as_secs_f64()
            });
            best.fold(f64::INFINITY, f64::min)
        };
        let (small, large) = (time(1000), time(100_000));
        assert!(large < 5.0 * small, "{policy:?}: {small} {large}");
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    (0..POLICIES.len()).prop_map(|place| POLICIES[place])
}

fn capacity() -> impl Strategy<Value = Capacity> {
    (0..4, 1_usize..40).prop_map(|(kind, size)| match kind {
        0 => Capacity::Total(size),
        1 => Capacity::PerClass(size),
        2 => Capacity::PerTask(size),
        _ => Capacity::TotalBytes(4 * size),
    })
}

proptest! {
    #[test]
    fn a_memory_is_never_over_its_capacity(
        policy in policy(), capacity in capacity(), seed in 0_u64..9, labels in prop::collection::vec(0_usize..5, 1..300),
    ) {
        let mut memory = memory(policy, capacity, seed);
        for (number, label) in labels.iter().enumerate() {
            let before = memory.len();
            let added = memory.add(kept(number, *label, label / 2)).unwrap();
            prop_assert!(memory.len() <= before + 1);
            prop_assert!(added.is_none() || memory.iter().any(|kept| kept.number() == number as u64));
            let counts = |of: fn(&Kept<u32>) -> usize| {
                let mut counts = [0; 5];
                memory.iter().for_each(|kept| counts[of(kept)] += 1);
                counts
            };
            match capacity {
                Capacity::Total(most) => prop_assert!(memory.len() <= most),
                Capacity::TotalBytes(most) => prop_assert!(memory.bytes() <= most),
                Capacity::PerClass(most) => prop_assert!(counts(|kept| kept.label).iter().all(|count| *count <= most)),
                Capacity::PerTask(most) => prop_assert!(counts(|kept| kept.task).iter().all(|count| *count <= most)),
            }
        }
        prop_assert_eq!(memory.iter().count(), memory.len());
    }

    #[test]
    fn classes_that_had_enough_are_balanced_within_one(
        ring in any::<bool>(), size in 1_usize..40, blocks in prop::collection::vec(0_usize..6, 1..8), seed in 0_u64..9,
    ) {
        let policy = if ring { Policy::Ring(Groups::Classes) } else { Policy::ClassBalanced };
        let mut memory = memory(policy, Capacity::Total(size), seed);
        for label in &blocks {
            for number in 0..size {
                memory.add(kept(number, *label, 0)).unwrap();
            }
        }
        let mut seen = blocks.clone();
        seen.sort_unstable();
        seen.dedup();
        let counts = memory.classes();
        let counts: Vec<usize> = seen.iter().map(|label| counts.get(label).copied().unwrap_or(0)).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{:?}", counts);
    }

    #[test]
    fn a_restored_memory_goes_on_bit_for_bit(
        policy in policy(), capacity in capacity(), seed in any::<u64>(), labels in prop::collection::vec(0_usize..5, 2..200), cut in 0.0_f64..1.0,
    ) {
        let cut = (labels.len() as f64 * cut) as usize;
        let mut straight = memory(policy, capacity, seed);
        let mut stopped = straight.clone();
        for (number, label) in labels.iter().enumerate() {
            if number == cut {
                stopped = memory(policy, capacity, seed);
                stopped.load(&straight.save().unwrap()).unwrap();
                prop_assert_eq!(&stopped, &straight);
            }
            let memories = if number < cut { vec![&mut straight] } else { vec![&mut straight, &mut stopped] };
            for memory in memories {
                let kept = kept(number, *label, label / 2).with_logits(vec![0.1 * number as f32]);
                if memory.config().capacity == Capacity::TotalBytes(4) {
                    prop_assert!(memory.add(kept).is_err());
                    continue;
                }
                memory.add(kept).unwrap();
                let drawn: Vec<u64> = memory.draw(3).iter().map(|kept| kept.number()).collect();
                let losses: Vec<f32> = drawn.iter().map(|number| (number * 7 % 11) as f32).collect();
                memory.observe(&drawn, &losses).unwrap();
            }
        }
        prop_assert_eq!(straight.save().unwrap(), stopped.save().unwrap());
    }

    #[test]
    fn a_batch_is_what_its_examples_are_one_by_one(
        policy in policy(), capacity in capacity(), seed in 0_u64..99, labels in prop::collection::vec(0_usize..5, 1..200), size in 1_usize..50,
    ) {
        let mut single = memory(policy, capacity, seed);
        let mut batches = single.clone();
        for (number, label) in labels.iter().enumerate() {
            single.add(kept(number, *label, label / 2)).unwrap();
        }
        for (batch, labels) in labels.chunks(size).enumerate() {
            let offered: Vec<(usize, usize)> = labels.iter().map(|label| (*label, label / 2)).collect();
            let read = |places: &[usize]| {
                let read = places.iter().map(|place| kept(batch * size + place, labels[*place], labels[*place] / 2));
                Ok(read.collect())
            };
            batches.add_batch(&offered, read).unwrap();
        }
        prop_assert_eq!(single, batches);
    }
}

#[test]
fn a_state_of_another_memory_is_refused() {
    let mut memory = memory(Policy::Reservoir, Capacity::Total(3), 0);
    memory.add(kept(1, 0, 0)).unwrap();
    let saved = memory.save().unwrap();
    let mut other = MemoryConfig::reservoir(4).init::<u32>().unwrap();
    assert!(other.load(&saved).is_err() && other.is_empty());
    let text = String::from_utf8(saved).unwrap();
    for (from, to) in [
        (r#""number":0"#, r#""number":1"#),
        (r#""label":0"#, r#""label":-1"#),
        (r#""Total":3"#, r#""Total":0"#),
        (r#""seen":1"#, r#""seen":0"#),
        (r#""losses":{}"#, r#""losses":{"0":1.0}"#),
        (r#"{"0":["#, r#"{"1":["#),
    ] {
        assert!(text.contains(from), "{text}");
        let damaged = text.replace(from, to);
        assert!(
            serde_json::from_str::<Memory<u32>>(&damaged).is_err(),
            "{damaged}"
        );
    }
}
