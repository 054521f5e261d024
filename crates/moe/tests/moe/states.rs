//! Every state and configuration of this crate that is read from text, for damaged copies of it.

use std::collections::BTreeMap;
use std::fmt::Display;

use burn::tensor::{Device, Tensor};
use regimen_moe::balance::{
    BalanceState, BiasUpdateConfig, GlobalBalance, Load, LoadStatistics, LossCollector,
    LossWeights, Specialisation,
};
use regimen_moe::pathways::{Checkpoint, Pathway, PathwayTracker, Unit, distance};
use regimen_moe::*;
use regimen_tensor::Part;
use regimen_tensor::testing::Hostile;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads a text, and uses what was read.
type Use = fn(&str) -> Result<(), String>;

fn text(error: impl Display) -> String {
    error.to_string()
}

fn read<T: DeserializeOwned>(from: &str) -> Result<T, String> {
    serde_json::from_str(from).map_err(text)
}

fn sample(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn small() -> MoeConfig {
    MoeConfig::new(3, 4, 2, 1)
}

/// A state's name, a valid text, and its use.
type State = (&'static str, String, Use);

fn entry(name: &'static str, sample: String, read: Use) -> State {
    (name, sample, read)
}

/// Each state.
pub(crate) fn states() -> Vec<State> {
    let mut specialisation = Specialisation::new(2, 3).unwrap();
    specialisation.add(1, &[1.0, 0.0, 4.0]).unwrap();
    let checkpoint = Checkpoint {
        step: 3,
        accuracy: 0.5,
        figures: BTreeMap::from([("distance".to_owned(), 2.5)]),
    };
    let mut tracker = PathwayTracker::new();
    for step in [3, 5, 9] {
        let step = Checkpoint {
            step,
            ..checkpoint.clone()
        };
        tracker.add(step).unwrap();
    }
    let layers = [vec![0.5, 0.3, 0.2], vec![0.1, 0.9]];
    vec![
        entry(
            "BalanceState",
            sample(&BalanceState {
                counts: vec![3.0, 0.0],
            }),
            |from| {
                let balance = GlobalBalance::new();
                balance.restore(read(from)?).map_err(text)?;
                let (_, routing) = small()
                    .init(&Device::flex())
                    .map_err(text)?
                    .forward(Tensor::ones([1, 2, 3], &Device::flex()));
                balance.loss(&Load::of(&routing)).map_err(text)?;
                balance.end_step().map(drop).map_err(text)
            },
        ),
        entry("Specialisation", sample(&specialisation), |from| {
            let read: Specialisation = read(from)?;
            assert!(read.top_frequency().is_finite() && read.mutual_information().is_finite());
            let _ = (read.totals(), read.frequencies(usize::MAX));
            read.clone().add(0, &read.totals()).map_err(text)
        }),
        entry(
            "LoadStatistics",
            sample(&LoadStatistics::of(&[1.0, 2.0]).unwrap()),
            |from| read::<LoadStatistics>(from).map(drop),
        ),
        entry(
            "Pathway",
            sample(&Pathway::of(&layers, 0.7).unwrap()),
            |from| {
                let read: Pathway = read(from)?;
                let sets = read.as_sets();
                let _ = (
                    distance(&read, &sets, Unit::Symbol),
                    distance(&sets, &read, Unit::Character),
                );
                Ok(())
            },
        ),
        entry("Checkpoint", sample(&checkpoint), |from| {
            PathwayTracker::new().add(read(from)?).map_err(text)
        }),
        entry("PathwayTracker", sample(&tracker), use_tracker),
        entry("PathwayTracker, part", part(&tracker), |from| {
            let mut tracker = PathwayTracker::new();
            tracker.load(from.as_bytes()).map_err(text)
        }),
        entry("GlobalBalance, part", part(&GlobalBalance::new()), |from| {
            let mut balance = GlobalBalance::new();
            balance.load(from.as_bytes()).map_err(text)?;
            balance.end_step().map(drop).map_err(text)
        }),
        entry("Noise, part", part(&Noise::new(3)), |from| {
            let config = NoisyRouterConfig::new().with_seed(3);
            let device = Device::flex().autodiff();
            let router = config.init(3, 2, 1, &device).map_err(text)?;
            let mut noise = router.noise().clone();
            noise.load(from.as_bytes()).map_err(text)?;
            let _ = router.forward(Tensor::ones([2, 3], &device));
            let _ = noise.calls();
            Ok(())
        }),
        entry("MoeConfig", sample(&small()), use_config),
        entry(
            "MoeConfig, all fields",
            sample(
                &small()
                    .with_router(RouterConfig::Sigmoid(SigmoidRouterConfig::new()))
                    .with_shared(1)
                    .with_shared_gate(true)
                    .with_dispatch(Dispatch::Capacity(Capacity::new(1.0))),
            ),
            use_config,
        ),
        entry(
            "MoeConfig, hash",
            sample(
                &small().with_router(RouterConfig::Hash(HashRouterConfig::new().with_buckets(8))),
            ),
            use_config,
        ),
        entry(
            "MoeConfig, jitter",
            sample(&small().with_router(RouterConfig::Softmax(
                SoftmaxRouterConfig::new().with_jitter(0.1),
            ))),
            use_config,
        ),
        entry(
            "MoeConfig, choice",
            sample(
                &small().with_router(RouterConfig::ExpertChoice(ExpertChoiceRouterConfig::new())),
            ),
            use_config,
        ),
        entry(
            "MoeConfig, noisy",
            sample(&small().with_router(RouterConfig::Noisy(NoisyRouterConfig::new()))),
            use_config,
        ),
        entry("UpcycleConfig", sample(&UpcycleConfig::new(2, 1)), |from| {
            let config: UpcycleConfig = read(from)?;
            let moe = small().init(&Device::flex()).map_err(text)?;
            let dense = merge(&moe.experts, &[1.0, 1.0]).map_err(text)?;
            config.init(&dense).map(drop).map_err(text)
        }),
        entry(
            "HuggingFaceConfig",
            sample(&HuggingFaceConfig::new(HuggingFaceFamily::Olmoe, 3)),
            |from| {
                let config: HuggingFaceConfig = read(from)?;
                let none: [&str; 0] = [];
                config
                    .load(&none, &Device::flex())
                    .map(drop)
                    .or_else(|error| {
                        let missing = matches!(error, MoeError::MissingTensor { .. });
                        missing.then_some(()).ok_or_else(|| text(error))
                    })
            },
        ),
        entry("LossWeights", sample(&LossWeights::new()), |from| {
            let weights: LossWeights = read(from)?;
            let moe = small().init(&Device::flex()).map_err(text)?;
            let mut collector = LossCollector::new();
            let x = Tensor::ones([1, 2, 3], &Device::flex());
            collector
                .forward(&moe, x, Tokens::default())
                .map_err(text)?;
            collector.total(&weights).map(drop).map_err(text)
        }),
        entry(
            "BiasUpdateConfig",
            sample(&BiasUpdateConfig::new()),
            |from| {
                let config: BiasUpdateConfig = read(from)?;
                let update = config.init().map_err(text)?;
                update.changes(&[1.0, 2.0]).map(drop).map_err(text)
            },
        ),
    ]
}

fn part(part: &dyn Part) -> String {
    String::from_utf8(part.save().unwrap()).unwrap()
}

fn use_tracker(from: &str) -> Result<(), String> {
    let mut read: PathwayTracker = read(from)?;
    let steps: Vec<u64> = read.checkpoints().iter().map(|c| c.step).collect();
    assert!(steps.is_sorted());
    let correlation = read.correlation("distance", 0);
    assert!(correlation.is_none_or(f64::is_finite));
    let _ = (
        read.mean_where("distance", |_| true),
        read.curve("distance"),
    );
    let last = steps.last().copied().unwrap_or_default();
    let next = Checkpoint {
        step: last.saturating_add(1),
        accuracy: 0.0,
        figures: BTreeMap::new(),
    };
    match read.add(next) {
        Err(_) if last < u64::MAX => Err("a later checkpoint is refused".into()),
        _ => Ok(()),
    }
}

/// Makes the layer, and runs it where its weights are small.
fn use_config(from: &str) -> Result<(), String> {
    let config: MoeConfig = read(from)?;
    let device = Device::flex().autodiff();
    let moe = config.init(&device).map_err(text)?;
    let hidden = config.d_hidden.saturating_mul(config.shared.max(1));
    let weights = config.d_model.saturating_mul(hidden);
    if weights.saturating_mul(config.experts) > 1 << 20 {
        return Ok(());
    }
    let x = Tensor::ones([2, 3, config.d_model], &device);
    let (y, _) = moe.forward_with(x, Tokens::default()).map_err(text)?;
    assert_eq!(y.dims(), [2, 3, config.d_model]);
    Ok(())
}

#[test]
fn damaged_states_are_errors_or_states() {
    let mut hostile = Hostile::new("moe states");
    for (name, sample, read) in states() {
        hostile.state(name, &sample, read);
    }
    hostile.finish();
}
