//! Damaged states: what is read is refused, or serves.

use burn::module::Module;
use burn::optim::{GradientsParams, SgdConfig};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_continual::*;
use regimen_tensor::Prepared;
use regimen_tensor::checkpoint::Part;
use regimen_tensor::testing::{Hostile, mutate};

use super::two::{Two, batch};

#[path = "states/configs.rs"]
mod configs;
#[path = "states/data.rs"]
mod data;
#[path = "states/plasticity.rs"]
mod plasticity;

/// A strategy with its state.
pub(crate) trait Whole<M: Classifier>: Strategy<M> + Part {}
impl<M: Classifier, T: Strategy<M> + Part> Whole<M> for T {}

type Made = Box<dyn Whole<Two>>;

/// Makes one for a model.
type Make = fn(&Two) -> Made;

/// Every method with a state, on the model of two parameters.
fn all() -> Vec<(&'static str, Make)> {
    vec![
        ("AGem", |_| Box::new(AGemConfig::new().init().unwrap())),
        ("Ewc", |model| {
            Box::new(EwcConfig::new(1.0).init(model).unwrap())
        }),
        ("Gem", |_| Box::new(GemConfig::new().init().unwrap())),
        ("Ogd", |model| {
            Box::new(OgdConfig::new().init(model).unwrap())
        }),
        ("PackNet", |model| {
            Box::new(PackNetConfig::new().init(model).unwrap())
        }),
        ("OnlineEwc", |model| {
            Box::new(OnlineEwcConfig::new(1.0).init(model).unwrap())
        }),
        ("Mas", |model| {
            Box::new(MasConfig::new(1.0).init(model).unwrap())
        }),
        ("RWalk", |model| {
            Box::new(RWalkConfig::new().with_interval(2).init(model).unwrap())
        }),
        ("SubNet", |model| {
            Box::new(SubNetConfig::new().init(model).unwrap())
        }),
        ("Si", |model| {
            Box::new(SiConfig::new(1.0).init(model).unwrap())
        }),
    ]
}

fn task(id: usize) -> Task {
    Task {
        id,
        classes: vec![0, 1],
        examples: 2,
    }
}

/// Three updates, and the end of a task if there is one.
fn trained(strategy: &dyn Whole<Two>, mut model: Two, end: bool) -> Two {
    let seen = batch(&[[1.0, 2.0], [0.5, -1.0]], &[0, 1]);
    let mut optim = SgdConfig::new().init();
    for _ in 0..3 {
        let loss = strategy.loss(&model, &seen).unwrap();
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        model = strategy.update(model, &mut optim, 0.1.into(), grads.into());
    }
    match end {
        true => strategy.after_task(model, &Prepared(vec![seen])).unwrap(),
        false => model,
    }
}

/// Bytes changed, cut short, or with other plain data in the metadata.
pub(crate) fn damaged(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bytes = bytes.to_vec();
    match rng.random_range(0..4) {
        0 => bytes.truncate(rng.random_range(0..bytes.len())),
        1 => {
            for _ in 0..rng.random_range(1..4) {
                let place = rng.random_range(0..bytes.len());
                bytes[place] = rng.random();
            }
        }
        2 => {
            let place = bytes.len() - rng.random_range(1..=8.min(bytes.len()));
            bytes[place] = rng.random();
        }
        _ => {
            let json = || Some(mutate(std::str::from_utf8(&bytes).ok()?, seed).into_bytes());
            let other = other_plain(&bytes, seed).or_else(json);
            return other.unwrap_or(bytes);
        }
    }
    bytes
}

/// The plain data is JSON within the JSON of a safetensors header.
fn other_plain(bytes: &[u8], seed: u64) -> Option<Vec<u8>> {
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(bytes.get(8..8 + length)?).ok()?;
    let state = header.get_mut("__metadata__")?.get_mut("state")?;
    *state = mutate(state.as_str()?, seed).into();
    let mut header = serde_json::to_vec(&header).ok()?;
    while header.len() % 8 != 0 {
        header.push(b' ');
    }
    let mut all = (header.len() as u64).to_le_bytes().to_vec();
    all.extend(header);
    all.extend(&bytes[8 + length..]);
    Some(all)
}

pub(crate) fn mutations() -> u64 {
    let asked = std::env::var("REGIMEN_MUTATIONS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(100)
}

#[test]
fn damaged_states_are_refused_or_serve() {
    let mut hostile = Hostile::new("continual states");
    for (name, make) in all() {
        let model = Two::new([0.1, 0.2]);
        let strategy = make(&model);
        let model = strategy.before_task(model, &task(0)).unwrap();
        let model = trained(&*strategy, model, true);
        let model = strategy.before_task(model, &task(1)).unwrap();
        let model = trained(&*strategy, model, false);
        let bytes = strategy.save().unwrap();
        make(&model).load(&bytes).unwrap();
        for seed in 0..mutations() {
            hostile.input(format_args!("{name} {seed}"), || {
                let mut other = make(&model);
                other
                    .load(&damaged(&bytes, seed))
                    .map_err(|error| error.to_string())?;
                let model = other
                    .before_task(model.clone(), &task(1))
                    .map_err(|e| e.to_string())?;
                let seen = batch(&[[1.0, 2.0]], &[0]);
                let loss = other
                    .loss(&model, &seen)
                    .map_err(|error| error.to_string())?;
                let grads = GradientsParams::from_grads(loss.backward(), &model);
                let mut optim = SgdConfig::new().init();
                let _ = other.update(model, &mut optim, 0.1.into(), grads.into());
                other.save().map_err(|error| error.to_string())?;
                Ok::<_, String>(())
            });
        }
    }
    hostile.finish();
}

/// A state of another method, or of another model, is refused, and nothing is changed.
#[test]
fn a_state_of_another_model_is_refused() {
    let model = Two::new([0.1, 0.2]);
    let strategy = EwcConfig::new(1.0).init(&model).unwrap();
    let _ = trained(&strategy, model, true);
    let bytes = strategy.save().unwrap();
    let device = burn::tensor::Device::flex().autodiff();
    let other = burn::nn::LinearConfig::new(3, 2).init(&device);
    let mut of_other = EwcConfig::new(1.0).init(&other).unwrap();
    let error = of_other.load(&bytes).unwrap_err().to_string();
    assert!(error.contains("weight"), "{error}");
    assert_eq!(of_other.tasks(), 0);
    let _ = other.num_params();
    let kinds: std::collections::BTreeSet<String> = all()
        .into_iter()
        .map(|(_, make)| make(&Two::new([0.0; 2])).kind())
        .collect();
    assert_eq!(kinds.len(), all().len());
}
