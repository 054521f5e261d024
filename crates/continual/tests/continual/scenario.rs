//! Streams of tasks: partitions, shares, orders, transforms.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::{Dataset, InMemDataset};
use burn::tensor::{Device, Tensor};
use proptest::prelude::*;
use regimen_continual::scenario::{
    Blurry, ClassIncremental, ClassOrder, DomainIncremental, OnePass, Online, Permutation, Planned,
    Recurring, Scenario, TaskFree, TaskIncremental, Transform, View, rotated,
};
use regimen_continual::{ContinualError, Task};

use super::loader::Plain;

fn sorted(planned: &[Planned]) -> Vec<usize> {
    let mut all: Vec<usize> = planned
        .iter()
        .flat_map(|task| task.examples.clone())
        .collect();
    all.sort_unstable();
    all
}

fn digits(count: usize) -> Vec<usize> {
    (0..count).map(|example| example * 7 % 10).collect()
}

#[test]
fn class_and_task_incremental_are_the_same_split_with_and_without_a_mask() {
    let order = ClassOrder::new(10, 5).unwrap().shuffled(3);
    let labels = digits(200);
    let by_class = ClassIncremental::new(order.clone()).train(&labels).unwrap();
    let by_task = TaskIncremental::new(order.clone()).train(&labels).unwrap();
    assert!(by_class.iter().all(|task| !task.known) && by_task.iter().all(|task| task.known));
    for (a, b) in by_class.iter().zip(&by_task) {
        assert_eq!((&a.task, &a.examples), (&b.task, &b.examples));
    }
    // The test set has the same classes in the same order.
    let tests = ClassIncremental::new(order.clone())
        .test(&digits(50))
        .unwrap();
    for (train, test) in by_class.iter().zip(&tests) {
        assert_eq!(train.task.classes, test.task.classes);
    }
    assert_eq!(order.clone().shuffled(3), order);
    assert_ne!(order.clone().shuffled(4), order);
    let odd = ClassOrder::new(5, 2).unwrap();
    assert_eq!(
        (odd.of(0), odd.of(1), odd.of(2)),
        (&[0, 1, 2][..], &[3, 4][..], &[][..])
    );
}

#[test]
fn a_mask_leaves_the_classes_of_the_task() {
    let device = Device::flex();
    let logits = Tensor::<2>::from_data([[3.0, 9.0, 1.0], [8.0, 2.0, 5.0]], &device);
    let task = |classes: Vec<usize>| Task {
        id: 0,
        classes,
        examples: 1,
    };
    let masked = task(vec![0, 2, 99]).mask(logits.clone());
    let masked: Vec<f32> = masked.try_into_vec_as().unwrap();
    assert_eq!(masked, [3.0, -1e9, 1.0, 8.0, -1e9, 5.0]);
    let plain: Vec<f32> = task(Vec::new())
        .mask(logits.clone())
        .try_into_vec_as()
        .unwrap();
    assert_eq!(plain, logits.try_into_vec_as::<f32>().unwrap());
}

#[test]
fn a_blurry_task_gives_its_share_to_the_others_in_turn() {
    // 3 tasks of 20 examples, a quarter each: 5, which go 3 to the next and 2 to the one after.
    let labels: Vec<usize> = (0..60).map(|example| example % 3).collect();
    let order = ClassOrder::new(3, 3).unwrap();
    let blurry = Blurry::new(order, 0.25, 1).unwrap();
    let tasks = blurry.train(&labels).unwrap();
    let counts: Vec<Vec<usize>> = tasks
        .iter()
        .map(|task| {
            let mut counts = vec![0; 3];
            task.examples
                .iter()
                .for_each(|example| counts[labels[*example]] += 1);
            counts
        })
        .collect();
    assert_eq!(counts, [[15, 2, 3], [3, 15, 2], [2, 3, 15]]);
    assert_eq!(tasks[1].task.classes, [1, 0, 2]);
    let test = blurry.test(&labels).unwrap();
    assert_eq!(test[1].task.classes, [1]);
}

#[test]
fn the_classes_of_a_task_free_stream_fade_in_and_out() {
    let labels = digits(2000);
    let order = ClassOrder::new(10, 10).unwrap();
    let mean_place = |width: f64| {
        let stream = TaskFree::new(order.clone(), width, 5)
            .unwrap()
            .train(&labels)
            .unwrap();
        assert_eq!((stream.len(), stream[0].task.classes.len()), (1, 0));
        let mut sums = vec![0.0; 10];
        for (place, example) in stream[0].examples.iter().enumerate() {
            sums[labels[*example]] += place as f64 / 200.0;
        }
        let of_stream: Vec<usize> = stream[0]
            .examples
            .iter()
            .map(|example| labels[*example])
            .collect();
        let changes = of_stream
            .windows(2)
            .filter(|pair| pair[0] != pair[1])
            .count();
        (sums, changes)
    };
    let (_, apart) = mean_place(0.0);
    assert_eq!(apart, 9);
    let (means, changes) = mean_place(1.0);
    assert!(
        means.windows(2).all(|pair| pair[0] + 100.0 < pair[1]),
        "{means:?}"
    );
    assert!((100..1500).contains(&changes), "{changes}");
}

#[test]
fn a_task_comes_again_with_another_part_of_its_examples() {
    let labels = digits(120);
    let order = ClassOrder::new(10, 2).unwrap();
    let recurring = Recurring::new(order.clone(), vec![1, 0, 1, 1]).unwrap();
    let visits = recurring.train(&labels).unwrap();
    let ids: Vec<usize> = visits.iter().map(|visit| visit.task.id).collect();
    let sizes: Vec<usize> = visits.iter().map(|visit| visit.task.examples).collect();
    assert_eq!((ids, sizes), (vec![1, 0, 1, 1], vec![20, 60, 20, 20]));
    assert_eq!(sorted(&visits), (0..120).collect::<Vec<_>>());
    assert_eq!(visits[0].task.classes, visits[3].task.classes);
    let tests = recurring.test(&labels).unwrap();
    assert_eq!(
        tests.iter().map(|test| test.task.id).collect::<Vec<_>>(),
        [1, 0]
    );
    let all = Recurring::rounds(order, 3)
        .unwrap()
        .with_all()
        .train(&labels)
        .unwrap();
    assert_eq!((all.len(), all[4].examples.len()), (6, 60));
}

#[test]
fn images_turn() {
    let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    assert_eq!(rotated(&image, 0.0).unwrap(), image);
    assert_eq!(
        rotated(&image, 90.0).unwrap(),
        [3.0, 6.0, 9.0, 2.0, 5.0, 8.0, 1.0, 4.0, 7.0]
    );
    assert_eq!(
        rotated(&image, 180.0).unwrap(),
        [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    );
    assert_eq!(
        rotated(&image, -90.0).unwrap(),
        rotated(&image, 270.0).unwrap()
    );
    // By 45 degrees, the middle of the right edge comes to the upper right corner, half a step outside of it: the
    // upper right cell is read at (1 + 0, 1 + sqrt 2), the middle stays.
    let turned = rotated(&image, 45.0).unwrap();
    let part = 2.0 - 2.0_f32.sqrt();
    assert!(
        (turned[4] - 5.0).abs() < 1e-6 && (turned[2] - 6.0 * part).abs() < 1e-5,
        "{turned:?}"
    );
    assert!(rotated(&[1.0, 2.0], 10.0).is_err() && rotated(&image, f64::NAN).is_err());
    assert_eq!(rotated(&[], 10.0).unwrap(), [0.0; 0]);
    assert!(
        rotated(&image, 1e308)
            .unwrap()
            .iter()
            .all(|value| value.is_finite())
    );
}

#[test]
fn permuted_tasks_have_orders_of_their_own() {
    let scenario = DomainIncremental::permuted(3, 8).unwrap();
    let tasks = scenario.train(&[1, 0, 1]).unwrap();
    let pixels: Vec<f32> = (0..64).map(|pixel| pixel as f32).collect();
    let seen: Vec<Vec<f32>> = tasks
        .iter()
        .map(|task| task.transform.apply(&pixels).unwrap())
        .collect();
    assert_eq!(seen[0], pixels);
    assert!(seen[1] != pixels && seen[2] != pixels && seen[1] != seen[2]);
    for seen in &seen {
        let mut values = seen.clone();
        values.sort_by(f32::total_cmp);
        assert_eq!(values, pixels);
    }
    assert_eq!(tasks[2].task.classes, [0, 1]);
    // Train and test see the same permutation.
    assert_eq!(
        scenario.test(&[0]).unwrap()[2].transform,
        tasks[2].transform
    );
    assert!(Permutation::new(0).order(1 << 25).is_err());
}

#[test]
fn tasks_are_views_on_the_users_data() {
    let items: Vec<(usize, usize)> = digits(40).into_iter().enumerate().collect();
    let data: Arc<dyn Dataset<(usize, usize)>> = Arc::new(InMemDataset::new(items.clone()));
    let scenario = ClassIncremental::new(ClassOrder::new(10, 5).unwrap().shuffled(1));
    let tasks = scenario.tasks(&data, |item| item.1).unwrap();
    let mut seen = Vec::new();
    for task in &tasks {
        assert_eq!(task.task.examples, task.data.len());
        for place in 0..task.data.len() {
            let item = task.data.get(place).unwrap();
            assert!(task.task.classes.contains(&item.1));
            seen.push(item);
        }
        let all = task
            .dataset()
            .get_many((0..task.data.len()).collect())
            .unwrap();
        assert_eq!(all, seen[seen.len() - task.data.len()..]);
    }
    seen.sort_unstable();
    assert_eq!(seen, items);
    assert!(tasks[0].data.get(8).is_err());
    assert!(View::new(data, vec![40]).is_err());
}

#[test]
fn an_online_stream_is_not_repeated() {
    let labels = digits(40);
    let plain = ClassIncremental::new(ClassOrder::new(10, 2).unwrap());
    let online = Online::new(plain.clone(), 3);
    let (a, b) = (
        plain.train(&labels).unwrap(),
        online.train(&labels).unwrap(),
    );
    assert_ne!(a[0].examples, b[0].examples);
    assert_eq!(sorted(&a), sorted(&b));
    assert_eq!(online.train(&labels).unwrap(), b);
    assert_eq!(Online::in_order(plain).train(&labels).unwrap(), a);
    let data = InMemDataset::new((0..25_u32).collect());
    let loader = DataLoaderBuilder::new(Plain).batch_size(10).build(data);
    let stream = OnePass::new(loader);
    let batches: Vec<Vec<u32>> = stream.iter().map(|batch| batch.unwrap()).collect();
    assert_eq!(
        batches.iter().map(Vec::len).collect::<Vec<_>>(),
        [10, 10, 5]
    );
    let again: Vec<_> = stream.iter().collect();
    assert!(again.len() == 1 && again[0].is_err());
    assert!(
        stream
            .to_device(&Device::flex())
            .iter()
            .next()
            .unwrap()
            .is_err()
    );
}

#[test]
fn what_makes_no_stream_is_refused() {
    assert!(ClassOrder::new(3, 4).is_err() && ClassOrder::new(3, 0).is_err());
    assert!(ClassOrder::new(usize::MAX, 2).is_err());
    let order = ClassOrder::new(4, 2).unwrap();
    assert!(order.clone().with_order(vec![0, 1, 2, 2]).is_err());
    assert!(order.clone().with_order(vec![0, 1, 2]).is_err());
    assert_eq!(
        order.clone().with_order(vec![3, 1, 0, 2]).unwrap().of(1),
        [0, 2]
    );
    let scenario = ClassIncremental::new(order.clone());
    assert!(matches!(
        scenario.train(&[0, 4]),
        Err(ContinualError::OutOfRange { .. })
    ));
    assert!(matches!(
        scenario.train(&[0, 1]),
        Err(ContinualError::Empty(_))
    ));
    assert!(
        Blurry::new(order.clone(), 1.0, 0).is_err()
            && Blurry::new(order.clone(), f64::NAN, 0).is_err()
    );
    assert!(TaskFree::new(order.clone(), -1.0, 0).is_err());
    assert!(
        TaskFree::new(order.clone(), 1.0, 0)
            .unwrap()
            .train(&[])
            .is_err()
    );
    assert!(
        Recurring::new(order.clone(), vec![2]).is_err()
            && Recurring::new(order.clone(), Vec::new()).is_err()
    );
    assert!(Recurring::rounds(order.clone(), usize::MAX).is_err());
    assert!(
        Recurring::rounds(order, 3)
            .unwrap()
            .train(&[0, 1, 2, 3])
            .is_err()
    );
    assert!(DomainIncremental::new(Vec::new()).is_err());
    assert!(DomainIncremental::permuted(usize::MAX, 0).is_err());
    assert!(DomainIncremental::new(vec![Transform::Rotated(f64::INFINITY)]).is_err());
    assert!(serde_json::from_str::<ClassOrder>(r#"{"order":[0,0],"tasks":1}"#).is_err());
}

proptest! {
    #[test]
    fn every_example_comes_once(
        classes in 2_usize..12, share in 0.0_f64..0.9, width in 0.0_f64..5.0, seed in any::<u64>(), repeats in 4_usize..9, by in 2_usize..5,
    ) {
        let tasks = by.min(classes);
        let order = ClassOrder::new(classes, tasks).unwrap().shuffled(seed);
        let labels: Vec<usize> = (0..classes * repeats).map(|example| example % classes).collect();
        let all: Vec<usize> = (0..labels.len()).collect();
        let plain = ClassIncremental::new(order.clone());
        let streams = [
            plain.train(&labels).unwrap(),
            Blurry::new(order.clone(), share, seed).unwrap().train(&labels).unwrap(),
            TaskFree::new(order.clone(), width, seed).unwrap().train(&labels).unwrap(),
            Recurring::rounds(order.clone(), 3).unwrap().train(&labels).unwrap(),
            Online::new(plain.clone(), seed).train(&labels).unwrap(),
        ];
        for stream in &streams {
            prop_assert_eq!(&sorted(stream), &all);
            for task in stream {
                prop_assert_eq!(task.task.examples, task.examples.len());
            }
        }
        // Disjoint classes, all of them.
        let mut found: Vec<usize> = streams[0].iter().flat_map(|task| task.task.classes.clone()).collect();
        found.sort_unstable();
        prop_assert_eq!(found, (0..classes).collect::<Vec<_>>());
        for task in streams[0].iter().chain(&streams[1]) {
            prop_assert!(task.examples.iter().all(|example| task.task.classes.contains(&labels[*example])));
        }
    }
}
