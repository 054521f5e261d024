//! Long sequences of classes that come back: how often, in which order, and where they go on.

use std::collections::BTreeSet;

use proptest::prelude::*;
use regimen_continual::scenario::{
    ClassDraws, ClassFrequencies, Recurrence, RecurringClasses, Scenario, TaskStream, Transform,
};

fn uniform(classes: usize, per_task: usize, tasks: u64) -> RecurringClasses {
    let frequencies = ClassFrequencies::uniform(classes).unwrap();
    RecurringClasses::new(frequencies, per_task, tasks).unwrap()
}

fn with(recurrence: Recurrence, tasks: u64) -> Vec<Vec<usize>> {
    let scenario = uniform(10, 2, tasks).with_recurrence(recurrence);
    scenario.unwrap().draws().collect()
}

fn seen(tasks: &[Vec<usize>]) -> BTreeSet<usize> {
    tasks.iter().flatten().copied().collect()
}

#[test]
fn classes_come_as_often_as_their_inclusion_says() {
    let frequencies = ClassFrequencies::imbalanced(10, 2.0).unwrap();
    let inclusion = frequencies.inclusion(2).unwrap();
    let scenario = RecurringClasses::new(frequencies, 2, 20_000).unwrap();
    let mut draws = scenario.with_seed(5).draws();
    assert_eq!(draws.by_ref().count(), 20_000);
    for (times, expected) in draws.times().iter().zip(inclusion) {
        let found = *times as f64 / 20_000.0;
        // Four standard errors.
        let error = (expected * (1.0 - expected) / 20_000.0).sqrt();
        assert!((found - expected).abs() < 4.0 * error, "{found} {expected}");
    }
}

/// With ten classes and two a task: 14.01 tasks in the mean.
#[test]
fn tasks_until_all_classes_came() {
    let until_all = |seed| {
        let mut left: BTreeSet<usize> = (0..10).collect();
        let draws = uniform(10, 2, 1000).with_seed(seed).draws();
        let with_new = draws.take_while(|classes| {
            let some = !left.is_empty();
            classes.iter().for_each(|class| {
                left.remove(class);
            });
            some
        });
        with_new.count() as f64
    };
    let mean = (0..4000).map(until_all).sum::<f64>() / 4000.0;
    assert!((mean - 14.01).abs() < 0.3, "{mean}");
}

#[test]
fn sequences_of_each_kind() {
    assert!(with(Recurrence::Iid, 5).iter().all(|task| task.len() == 10));
    let incremental = with(Recurrence::Incremental, 200);
    assert_eq!(seen(&incremental[..100]), (0..5).collect());
    assert_eq!(seen(&incremental[100..]), (5..10).collect());
    let forgetting = with(Recurrence::Forgetting, 200);
    assert_eq!(seen(&forgetting[..100]), (0..10).collect());
    assert_eq!(seen(&forgetting[100..]), (0..5).collect());
    let partition = with(Recurrence::Partition, 5);
    assert_eq!(partition.concat().len(), seen(&partition).len());
    assert_eq!(seen(&partition).len(), 10);
    let sets = |tasks: &[Vec<usize>]| tasks.iter().cloned().collect::<BTreeSet<_>>().len();
    let cyclic = with(Recurrence::Cyclic(0.0), 90);
    assert_eq!((sets(&cyclic[..45]), &cyclic[..45]), (45, &cyclic[45..]));
    assert_eq!(
        (&cyclic[0][..], &cyclic[44][..]),
        (&[0, 1][..], &[8, 9][..])
    );
    let half = with(Recurrence::Cyclic(0.5), 450);
    let kept = (0..450)
        .filter(|task| half[*task] == cyclic[task % 45])
        .count();
    // Both stay in a quarter, and some come back by chance.
    assert!((90..200).contains(&kept), "{kept}");
    // A fifth of 45 sets.
    assert_eq!(sets(&with(Recurrence::Sets(0.2), 400)), 9);
    assert_eq!(sets(&with(Recurrence::Sets(0.001), 20)), 1);
    assert_eq!(sets(&with(Recurrence::Sets(1.0), 2000)), 45);
}

/// Divided by 2 at each draw, the counts of all classes stay near each other; divided by 1 they do not.
#[test]
fn what_was_drawn_gets_rarer() {
    let spread = |by| {
        let scenario = uniform(10, 2, 1000).with_recurrence(Recurrence::Reduced(by));
        let mut draws = scenario.unwrap().draws();
        draws.by_ref().for_each(drop);
        let times = draws.times();
        times.iter().max().unwrap() - times.iter().min().unwrap()
    };
    assert!(spread(2.0) <= 6, "{}", spread(2.0));
    assert!(spread(1.0) > 10, "{}", spread(1.0));
    assert_eq!(
        with(Recurrence::Reduced(1.0), 50),
        with(Recurrence::Sampled, 50)
    );
}

#[test]
fn tasks_have_all_examples_of_their_classes_and_the_test_all_classes() {
    let labels: Vec<usize> = (0..60).map(|example| example * 7 % 10).collect();
    let scenario = uniform(10, 3, 40).with_seed(2).perturbed();
    let tasks = scenario.train(&labels).unwrap();
    for (number, task) in tasks.iter().enumerate() {
        assert_eq!((task.task.id, task.examples.len()), (number, 18));
        let of = |example: &usize| task.task.classes.contains(&labels[*example]);
        assert!(task.examples.iter().all(of) && task.examples.is_sorted());
    }
    let damaged = tasks
        .iter()
        .filter(|task| task.transform != Transform::None);
    assert!((25..40).contains(&damaged.count()));
    assert!(tasks[0].transform != tasks[1].transform);
    let test = scenario.test(&labels).unwrap();
    assert_eq!(test[0].task.classes, (0..10).collect::<Vec<_>>());
    assert_eq!(test[0].transform, Transform::None);
    assert!(scenario.train(&labels[..5]).is_err() && scenario.test(&[10]).is_err());
    let long = uniform(10, 2, 1 << 30);
    assert!(long.train(&labels).is_err());
    let stream = TaskStream::new(long.draws(), &labels).unwrap();
    assert_eq!(stream.take(3).count(), 3);
}

#[test]
fn what_makes_no_sequence_is_refused() {
    let of = |per_task, tasks| {
        RecurringClasses::new(ClassFrequencies::uniform(10).unwrap(), per_task, tasks)
    };
    assert!(of(0, 1).is_err() && of(11, 1).is_err());
    assert!(of(2, 0).is_err() && of(2, (1 << 32) + 1).is_err());
    let refused = |per_task, tasks, recurrence| {
        let scenario = of(per_task, tasks).unwrap();
        scenario.with_recurrence(recurrence).is_err()
    };
    assert!(refused(6, 9, Recurrence::Incremental) && refused(6, 9, Recurrence::Forgetting));
    assert!(refused(2, 6, Recurrence::Partition) && refused(2, 9, Recurrence::Reduced(0.5)));
    assert!(refused(2, 9, Recurrence::Cyclic(1.5)) && refused(2, 9, Recurrence::Sets(0.0)));
    assert!(refused(2, 9, Recurrence::Sets(1.5)));
    let many = uniform(100, 10, 9).with_recurrence(Recurrence::Sets(0.5));
    assert!(many.is_err());
    let cyclic = uniform(100, 10, 9).with_recurrence(Recurrence::Cyclic(0.0));
    assert_eq!(cyclic.unwrap().draws().nth(1).unwrap()[9], 10);
    let text = serde_json::to_string(&uniform(10, 2, 9).draws()).unwrap();
    let read = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        serde_json::from_str::<ClassDraws>(&text.replace(from, to)).is_err()
    };
    assert!(read("\"drawn\":0", "\"drawn\":10"));
    assert!(read("\"times\":[0", "\"times\":[1"));
    assert!(read("\"times\":[0,", "\"times\":["));
}

fn kinds() -> impl Strategy<Value = Recurrence> {
    prop_oneof![
        Just(Recurrence::Sampled),
        (1.0_f64..1e6).prop_map(Recurrence::Reduced),
        Just(Recurrence::Iid),
        Just(Recurrence::Incremental),
        Just(Recurrence::Forgetting),
        Just(Recurrence::Partition),
        (0.0_f64..=1.0).prop_map(Recurrence::Cyclic),
        (0.01_f64..=1.0).prop_map(Recurrence::Sets),
    ]
}

proptest! {
    /// Every task has as many classes as asked for, each once, and a sequence that was saved anywhere goes on as it would have.
    #[test]
    fn any_sequence_goes_on_where_it_was_saved(
        recurrence in kinds(), classes in 4_usize..12, tasks in 1_u64..40, lambda in 0.0_f64..8.0, seed in any::<u64>(), stop in 0_usize..40,
    ) {
        let frequencies = ClassFrequencies::imbalanced(classes, lambda).unwrap().shuffled(seed);
        let tasks = if recurrence == Recurrence::Partition { tasks.min(classes as u64 / 2) } else { tasks };
        let scenario = RecurringClasses::new(frequencies, 2, tasks).unwrap().with_seed(seed);
        let scenario = scenario.with_recurrence(recurrence).unwrap();
        let all: Vec<Vec<usize>> = scenario.draws().collect();
        prop_assert_eq!(all.len() as u64, tasks);
        let size = if recurrence == Recurrence::Iid { classes } else { 2 };
        for task in &all {
            prop_assert!(task.len() == size && task.windows(2).all(|pair| pair[0] < pair[1]) && task[size - 1] < classes);
        }
        let mut draws = scenario.draws();
        let first: Vec<Vec<usize>> = draws.by_ref().take(stop).collect();
        let saved = serde_json::to_string(&draws).unwrap();
        let rest: Vec<Vec<usize>> = serde_json::from_str::<ClassDraws>(&saved).unwrap().collect();
        prop_assert_eq!([first, rest].concat(), all);
    }

    /// With all classes in a task, every kind of drawing is training without tasks.
    #[test]
    fn tasks_of_all_classes_are_iid(classes in 1_usize..9, lambda in 0.0_f64..4.0, seed in any::<u64>()) {
        let frequencies = ClassFrequencies::imbalanced(classes, lambda).unwrap().shuffled(seed);
        let scenario = RecurringClasses::new(frequencies, classes, 5).unwrap().with_seed(seed);
        let iid: Vec<Vec<usize>> = vec![(0..classes).collect(); 5];
        for recurrence in [Recurrence::Sampled, Recurrence::Reduced(2.0), Recurrence::Iid, Recurrence::Cyclic(1.0), Recurrence::Sets(1.0)] {
            let drawn: Vec<Vec<usize>> = scenario.clone().with_recurrence(recurrence).unwrap().draws().collect();
            prop_assert_eq!(&drawn, &iid);
        }
    }
}
