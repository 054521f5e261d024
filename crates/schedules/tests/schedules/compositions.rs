//! Properties of random compositions of the whole catalogue.

use std::sync::LazyLock;

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use proptest::prelude::*;
use regimen_schedules::*;

use crate::entries;

static ALL: LazyLock<Vec<AnySchedule>> = LazyLock::new(|| {
    let all = entries::all();
    all.into_iter().map(|entry| entry.schedule).collect()
});

fn leaf() -> impl Strategy<Value = AnySchedule> {
    (0..ALL.len()).prop_map(|index| ALL[index].clone())
}

/// Entries without an end: they go on changing after the last step of their picture.
const ENDLESS: [&str; 18] = [
    "Exponential decoding temperature",
    "Polynomial with cycles",
    "Exponential",
    "Inverse time",
    "Inverse time in stairs",
    "Inverse square root",
    "Noam",
    "Step",
    "Warm restarts (SGDR)",
    "Restarts of another curve",
    "Cyclic, triangular",
    "Cyclic, triangular2",
    "Cyclic, exponential range",
    "Warm-up along a cosine",
    "Warm-up along 1 - sqrt",
    "Sequence",
    "Restarted",
    "Average",
];

/// A finite schedule of the catalogue, and a step from which it holds its value.
fn finite_leaf() -> impl Strategy<Value = (AnySchedule, usize)> {
    let finite = entries::all().into_iter();
    let finite = finite.filter(|entry| !ENDLESS.contains(&entry.name));
    let all: Vec<AnySchedule> = finite.map(|entry| entry.schedule).collect();
    prop::sample::select(all).prop_map(|schedule| (schedule, entries::STEPS))
}

/// A composition that is finite too.
fn finite_schedule() -> impl Strategy<Value = (AnySchedule, usize)> {
    finite_leaf().prop_recursive(3, 12, 3, |inner| {
        let part = || inner.clone();
        prop_oneof![
            (part(), 1_usize..30)
                .prop_map(|((s, end), n)| (s.warmed_up(n).unwrap().into(), end + n)),
            (part(), number())
                .prop_map(|((s, end), factor)| (s.scaled(factor).unwrap().into(), end)),
            (part(), number())
                .prop_map(|((s, end), low)| (s.clamped(low, 2.0).unwrap().into(), end)),
            (part(), 1_usize..40, 1_usize..4).prop_map(|((s, _), period, times)| {
                let repeated = s.repeated(period).unwrap().with_times(times).unwrap();
                (repeated.into(), period * times)
            }),
            (part(), 1_usize..40)
                .prop_map(|((s, end), at)| (s.restarted(vec![at]).unwrap().into(), at + end)),
            (part(), 0_usize..50).prop_map(|((s, end), n)| (s.skipped(n).unwrap().into(), end)),
            (part(), 1_usize..9).prop_map(|((s, end), n)| (s.held(n).unwrap().into(), n * end)),
            (part(), 0_usize..50, part())
                .prop_map(|((a, _), n, (b, end))| (a.then(n, b).unwrap().into(), n + end)),
            (part(), part()).prop_map(|((a, first), (b, second))| {
                let all = Combined::new(vec![a, b], Reduction::Average).unwrap();
                (all.into(), first.max(second))
            }),
            (part(), part(), 1_usize..40).prop_map(|((a, _), (b, end), at)| {
                (
                    Sequence::new(vec![a, b], vec![at]).unwrap().into(),
                    at + end,
                )
            }),
            (part(), 0_usize..50, 1_usize..30).prop_map(|((s, _), start, steps)| {
                (
                    Swa::new(s, start, 0.1, steps).unwrap().into(),
                    start + steps,
                )
            }),
        ]
    })
}

#[test]
fn every_schedule_of_the_crate_is_in_the_catalogue() {
    fn names(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
        if let Some(name) = value.get("schedule").and_then(|name| name.as_str()) {
            found.insert(name.to_owned());
        }
        let parts = ["inner", "first", "next"]
            .into_iter()
            .filter_map(|part| value.get(part));
        let lists = value
            .get("parts")
            .and_then(|parts| parts.as_array())
            .into_iter()
            .flatten();
        parts.chain(lists).for_each(|part| names(part, found));
    }
    let mut found = std::collections::BTreeSet::new();
    for schedule in ALL.iter() {
        names(&serde_json::to_value(schedule).unwrap(), &mut found);
    }
    let unknown = serde_json::from_str::<AnySchedule>(r#"{ "schedule": "?" }"#);
    let message = unknown.unwrap_err().to_string();
    let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
    assert!(known.len() > 30, "{message}");
    for name in known {
        assert!(found.contains(name), "{name} is in no entry");
    }
}

#[test]
fn entries_without_an_end_have_none() {
    for entry in entries::all() {
        let last = entry.schedule.at(entries::STEPS);
        let steps = [1, 2, 7, 1000].into_iter();
        let held = steps.map(|past| entry.schedule.at(entries::STEPS + past));
        let ends = held.into_iter().all(|value| value == last);
        assert_ne!(ends, ENDLESS.contains(&entry.name), "{}", entry.name);
    }
}

/// A number that decimal text holds exactly.
fn number() -> impl Strategy<Value = f64> {
    (1_u32..128).prop_map(|n| f64::from(n) / 64.0)
}

fn rising(steps: Vec<usize>) -> Vec<usize> {
    let mut sum = 0;
    let next = |step| {
        sum += step;
        sum
    };
    steps.into_iter().map(next).collect()
}

fn any_schedule() -> impl Strategy<Value = AnySchedule> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let part = || inner.clone();
        let parts = || prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            (part(), 1_usize..30).prop_map(|(s, n)| s.warmed_up(n).unwrap().into()),
            (part(), 1_usize..30, number()).prop_map(|(s, n, from)| {
                let warm = s.warmed_up(n).unwrap().starting_at(from).unwrap();
                warm.with_rise(Rise::Cosine)
                    .with_clock(WarmupClock::RunsContinuously)
                    .into()
            }),
            (part(), number()).prop_map(|(s, factor)| s.scaled(factor).unwrap().into()),
            (part(), number(), number())
                .prop_map(|(s, low, more)| { s.clamped(low, low + more).unwrap().into() }),
            (part(), 1_usize..40, 1_usize..4).prop_map(|(s, period, times)| {
                let repeated = s.repeated(period).unwrap().with_times(times).unwrap();
                repeated.with_decay(0.5).unwrap().into()
            }),
            (part(), prop::collection::vec(1_usize..40, 0..4))
                .prop_map(|(s, steps)| { s.restarted(rising(steps)).unwrap().into() }),
            (part(), 0_usize..50).prop_map(|(s, n)| s.skipped(n).unwrap().into()),
            (part(), 1_usize..9).prop_map(|(s, n)| s.held(n).unwrap().into()),
            (part(), 0_usize..50, part()).prop_map(|(a, n, b)| a.then(n, b).unwrap().into()),
            (parts(), 0_usize..3).prop_map(|(parts, by)| {
                let by = [Reduction::Product, Reduction::Sum, Reduction::Average][by];
                Combined::new(parts, by).unwrap().into()
            }),
            (parts(), any::<bool>()).prop_map(|(parts, keep)| {
                let boundaries = rising((1..parts.len()).map(|n| 7 * n).collect());
                let boundary = if keep {
                    Boundary::Previous
                } else {
                    Boundary::Next
                };
                Sequence::new(parts, boundaries)
                    .unwrap()
                    .with_boundary(boundary)
                    .into()
            }),
            (part(), 0_usize..50, number(), 1_usize..30).prop_map(|(s, start, rate, steps)| {
                Swa::new(s, start, rate, steps).unwrap().into()
            }),
            (part(), any::<u64>()).prop_map(|(s, seed)| Noisy::new(s, seed).unwrap().into()),
        ]
    })
}

/// Steps that matter: the run itself, and far beyond it.
fn steps() -> impl Iterator<Item = usize> {
    (0..150).chain([1_000, 1_000_000, usize::MAX / 4])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_nested_sequence_equals_the_flat_one(
        parts in prop::collection::vec(any_schedule(), 4), steps in prop::collection::vec(1_usize..40, 3),
    ) {
        let at = rising(steps.clone());
        let flat = Sequence::new(parts.clone(), at.clone()).unwrap();
        let [a, b, c, d]: [AnySchedule; 4] = parts.try_into().unwrap();
        // ((a b) (c d)), (((a b) c) d) and (a (b (c d))).
        let pair = Sequence::new(vec![a.clone(), b.clone()], vec![steps[0]]).unwrap();
        let other = Sequence::new(vec![c.clone(), d.clone()], vec![steps[2]]).unwrap();
        let pairs = pair.then(at[1], other).unwrap();
        let left = (&a).then(steps[0], &b).unwrap();
        let left = left.then(at[1], &c).unwrap().then(at[2], &d).unwrap();
        let right = (&c).then(steps[2], &d).unwrap();
        let right = (&b).then(steps[1], right).unwrap();
        let right = (&a).then(steps[0], right).unwrap();
        for step in 0..160 {
            let expected = flat.at(step);
            prop_assert_eq!(pairs.at(step), expected);
            prop_assert_eq!(left.at(step), expected);
            prop_assert_eq!(right.at(step), expected);
        }
    }

    #[test]
    fn resumed_at_any_step_equals_the_straight_run(
        schedule in any_schedule(), stop in 0_usize..160, batches in 1_usize..4,
    ) {
        let new = || LrSchedule::new(schedule.clone()).with_calls_per_update(batches);
        let mut straight = new();
        let expected: Vec<f64> = (0..160).map(|_| straight.step()).collect();
        let mut first = new();
        let mut found: Vec<f64> = (0..stop).map(|_| first.step()).collect();
        let bytes = first.to_record().into_bytes().unwrap();
        let mut second = new();
        second.load_record(LrSchedulerRecord::from_bytes(bytes).unwrap());
        found.extend((stop..160).map(|_| second.step()));
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn values_are_finite_and_survive_a_file(schedule in any_schedule()) {
        let text = serde_json::to_string(&schedule).unwrap();
        let read: AnySchedule = serde_json::from_str(&text).unwrap();
        for step in steps() {
            let (written, read) = (schedule.at(step), read.at(step));
            prop_assert!(written.is_finite());
            prop_assert!((written - read).abs() <= 1e-12 * (1.0 + written.abs()), "{}", text);
        }
    }

    #[test]
    fn finite_schedules_hold_their_end((schedule, end) in finite_schedule()) {
        let value = schedule.at(end);
        for step in [end + 1, end + 17, end + 1_000, usize::MAX / 4, usize::MAX] {
            prop_assert_eq!(schedule.at(step), value, "{}", step);
        }
    }

    #[test]
    fn a_stretch_of_values_is_those_of_its_steps(
        schedule in any_schedule(), from in prop_oneof![0_usize..200, Just(1_000_000), Just(usize::MAX / 4)], count in 0_usize..300,
    ) {
        let mut values = vec![f64::NAN; count];
        schedule.fill(from, &mut values);
        for (offset, value) in values.into_iter().enumerate() {
            prop_assert_eq!(value, schedule.at(from.saturating_add(offset)), "{} + {}", from, offset);
        }
    }

    #[test]
    fn restarts_in_a_stretch_are_those_of_its_steps(
        first in 1_usize..50, mult in prop_oneof![Just(1.0), Just(2.0), Just(1.5), Just(3.0), 1.0_f64..4.0],
        decay in prop_oneof![Just(1.0), 0.1_f64..1.0], limit in prop::option::of(0_usize..6), from in 0_usize..5_000,
    ) {
        let rate = WarmRestarts::new(1.0, first).unwrap().with_growth(mult).unwrap();
        let rate = rate.with_decay(decay).unwrap().with_end(0.1).unwrap();
        let rate = limit.map_or(rate, |cycles| rate.with_limit(cycles));
        let mut values = vec![0.0; 500];
        rate.fill(from, &mut values);
        for (offset, value) in values.into_iter().enumerate() {
            prop_assert_eq!(value, rate.at(from + offset), "{} + {}", from, offset);
        }
    }

    #[test]
    fn compositions_are_what_they_say(schedule in any_schedule(), n in 1_usize..40, step in 0_usize..150) {
        let value = schedule.at(step);
        prop_assert_eq!((&schedule).scaled(2.0).unwrap().at(step), 2.0 * value);
        prop_assert_eq!((&schedule).clamped(0.2, 0.4).unwrap().at(step), value.clamp(0.2, 0.4));
        prop_assert_eq!((&schedule).skipped(n).unwrap().at(step), schedule.at(step + n));
        prop_assert_eq!((&schedule).held(n).unwrap().at(step), schedule.at(step / n));
        prop_assert_eq!((&schedule).repeated(n).unwrap().at(step), schedule.at(step % n));
        let since = if step < n { step } else { step - n };
        prop_assert_eq!((&schedule).restarted(vec![n]).unwrap().at(step), schedule.at(since));
        prop_assert_eq!((&schedule).warmed_up(n).unwrap().at(n + step), value);
        prop_assert_eq!(schedule.table(step + 1).unwrap()[step], value);
        let twice = vec![&schedule, &schedule];
        let sum = Combined::new(twice.clone(), Reduction::Sum).unwrap();
        let mean = Combined::new(twice.clone(), Reduction::Average).unwrap();
        let product = Combined::new(twice, Reduction::Product).unwrap();
        prop_assert_eq!((sum.at(step), mean.at(step), product.at(step)), (value + value, value, value * value));
    }
}
