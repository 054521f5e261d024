//! How a state is read and used, whole and damaged.

use regimen_curriculum::Sampler;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A state: its name, valid JSON of it, and what reads it and uses what it read.
pub(super) type State = (
    &'static str,
    String,
    Box<dyn Fn(&str) -> Result<(), String>>,
);

pub(super) fn state<T: Serialize + DeserializeOwned>(
    name: &'static str,
    sample: &T,
    exercise: impl Fn(T) -> Result<(), String> + 'static,
) -> State {
    let read = move |text: &str| exercise(serde_json::from_str(text).map_err(text_of)?);
    (name, serde_json::to_string(sample).unwrap(), Box::new(read))
}

pub(super) fn text_of(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(super) const EXAMPLES: usize = 9;

pub(super) fn losses(ids: &[usize]) -> Vec<f32> {
    ids.iter().map(|id| (id * 7 % 5) as f32).collect()
}

/// Plans, learns, and is saved and read again.
pub(super) fn sampled<S: Sampler + Serialize + DeserializeOwned>(
    mut sampler: S,
) -> Result<(), String> {
    for _ in 0..3 {
        let plan = sampler.plan();
        assert!(!plan.ids.is_empty() && plan.ids.iter().all(|id| *id < sampler.examples()));
        sampler
            .observe(&plan.ids, &losses(&plan.ids))
            .map_err(text_of)?;
    }
    let text = serde_json::to_string(&sampler).map_err(text_of)?;
    let again = serde_json::from_str::<S>(&text).map(drop);
    again.map_err(|error| panic!("what was saved is refused: {error}"))
}
