//! Compositions nested too deep are refused by whatever would make them, so that no use of one overflows the stack.

use regimen_schedules::{
    AnySchedule, Clamped, Combined, Constant, Error, Held, MOST_LEVELS, Noisy, Reduction, Repeated,
    Restarted, Result, Scaled, Schedule, ScheduleExt, Sequence, Skipped, Swa, Then, Warmup,
};
use serde_json::{Value, json};

type Any = Box<AnySchedule>;
type Wrap = fn(Any) -> Result<AnySchedule>;

/// One more level or two, by each composition.
const WRAPS: [(&str, Wrap); 15] = [
    ("Warmup", |inner| Ok(Warmup::new(3, inner)?.into())),
    ("Then, first", |inner| {
        Ok(Then::new(inner, 3, Constant::ONE)?.into())
    }),
    ("Then, next", |inner| {
        Ok(Then::new(Constant::ONE, 0, inner)?.into())
    }),
    ("Clamped", |inner| Ok(Clamped::new(inner, 0.0, 9.0)?.into())),
    ("Scaled", |inner| Ok(Scaled::new(inner, 1.0)?.into())),
    ("Sequence", |inner| {
        Ok(Sequence::new(vec![*inner], vec![])?.into())
    }),
    ("Repeated", |inner| Ok(Repeated::new(inner, 5)?.into())),
    ("Restarted", |inner| {
        Ok(Restarted::new(inner, vec![2])?.into())
    }),
    ("Skipped", |inner| Ok(Skipped::new(inner, 0)?.into())),
    ("Held", |inner| Ok(Held::new(inner, 1)?.into())),
    ("Combined", |inner| {
        let parts = vec![*inner, Constant::ONE.into()];
        Ok(Combined::new(parts, Reduction::Product)?.into())
    }),
    ("Swa", |inner| Ok(Swa::new(inner, 9, 1.0, 5)?.into())),
    ("Noisy", |inner| {
        Ok(Noisy::new(inner, 1)?.with_range(9, None).into())
    }),
    ("scaled and skipped", |inner| {
        Ok(inner.scaled(1.0)?.skipped(0)?.into())
    }),
    ("then", |inner| Ok(inner.then(9, Constant::ONE)?.into())),
];

/// The deepest schedule that there is, and why there is none deeper.
fn deepest(wrap: Wrap) -> (AnySchedule, Error) {
    let mut schedule = AnySchedule::from(Constant::ONE);
    for _ in 0..10_000 {
        match wrap(AnySchedule::boxed(schedule.clone())) {
            Ok(deeper) => schedule = deeper,
            Err(error) => return (schedule, error),
        }
    }
    panic!("10,000 levels");
}

#[test]
fn no_composition_is_built_deeper_than_the_limit_and_the_deepest_serves() {
    for (name, wrap) in WRAPS {
        let (schedule, error) = deepest(wrap);
        let levels = schedule.depth();
        assert!((MOST_LEVELS - 1..=MOST_LEVELS).contains(&levels), "{name}");
        let message = error.to_string();
        let says = message.starts_with("`depth` is 10") && message.contains("100 levels");
        assert!(says, "{name}: {message}");

        assert_eq!(schedule.at(7).to_bits(), schedule.clone().at(7).to_bits());
        let text = serde_json::to_string(&schedule).unwrap();
        let read: AnySchedule = serde_json::from_str(&text).unwrap();
        assert_eq!(read, schedule, "{name}");
        assert!(!format!("{schedule:?}").is_empty());
    }
}

/// Schedules behind `dyn` nest without a type for each level.
#[test]
fn schedules_behind_pointers_count_too() {
    let mut schedule: Box<dyn Schedule> = Box::new(Constant::ONE);
    let error = loop {
        assert!(schedule.depth() <= MOST_LEVELS);
        match Scaled::new(schedule, 1.0) {
            Ok(deeper) => schedule = Box::new(deeper),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().starts_with("`depth` is 101"), "{error}");
}

#[test]
fn a_file_that_is_nested_deeper_is_refused() {
    let nested = |levels: usize| {
        let leaf = json!({ "schedule": "constant", "value": 1.0 });
        let deeper = |inner: Value| {
            let mut outer = json!({ "schedule": "skipped", "steps": 1 });
            outer["inner"] = inner;
            outer
        };
        (0..levels).fold(leaf, |inner, _| deeper(inner))
    };
    let leaf: AnySchedule = serde_json::from_value(nested(0)).unwrap();
    assert_eq!(leaf.depth(), 0);
    let deepest: AnySchedule = serde_json::from_value(nested(MOST_LEVELS)).unwrap();
    assert_eq!(deepest.depth(), MOST_LEVELS);
    for levels in [MOST_LEVELS + 1, 2 * MOST_LEVELS] {
        let error = serde_json::from_value::<AnySchedule>(nested(levels)).unwrap_err();
        assert!(error.to_string().starts_with("`depth` is 101"), "{error}");
    }
    // Of text serde_json itself follows 128 levels.
    let text = nested(0).to_string();
    let open = r#"{"schedule":"skipped","steps":1,"inner":"#;
    let text = open.repeat(10_000) + &text + &"}".repeat(10_000);
    assert!(serde_json::from_str::<AnySchedule>(&text).is_err());
}

/// Many phases need no depth.
#[test]
fn a_sequence_of_a_thousand_phases_has_two_levels() {
    let parts = vec![AnySchedule::from(Constant::ONE); 1000];
    let sequence = Sequence::new(parts, (1..1000).collect()).unwrap();
    assert_eq!(AnySchedule::from(sequence).depth(), 2);
}
