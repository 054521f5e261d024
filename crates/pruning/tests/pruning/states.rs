//! Every state that is read: damaged ones are refused, or do no harm.

use regimen_pruning::after::{Pattern, Rule};
use regimen_pruning::mask::checkpoint::Framework;
use regimen_pruning::mask::inspect::{self, Agreement, LayerReport, Report};
use regimen_pruning::mask::{LeftDense, Why};
use regimen_pruning::shrink::structured::Units;
use regimen_schedules::Schedule;
use regimen_tensor::testing::Hostile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

type Read = Box<dyn Fn(&str) -> std::result::Result<(), String>>;

/// A state by its name, its JSON, and what reads and uses it.
type State = (&'static str, String, Read);

fn state<T: Serialize + DeserializeOwned + 'static>(
    name: &'static str,
    sample: &T,
    using: impl Fn(T) -> std::result::Result<(), String> + 'static,
) -> State {
    let read =
        move |text: &str| using(serde_json::from_str(text).map_err(|error| error.to_string())?);
    (name, serde_json::to_string(sample).unwrap(), Box::new(read))
}

fn words<T>(result: regimen_pruning::Result<T>) -> std::result::Result<(), String> {
    result.map(drop).map_err(|error| error.to_string())
}

#[derive(Module, Debug)]
struct Small {
    first: Linear,
    second: Linear,
}

/// Two layers of 6 and 4 weights.
fn small(device: &Device) -> Small {
    Small {
        first: LinearConfig::new(3, 2).with_bias(false).init(device),
        second: LinearConfig::new(2, 2).with_bias(false).init(device),
    }
}

fn trained(net: Small, advance: impl Fn(Small, &mut ModuleOptimizer, GradientsParams) -> Small) {
    let device = net.first.weight.val().device();
    let (mut net, mut optim) = (net, sgd());
    for _ in 0..3 {
        let hidden = net.first.forward(Tensor::<2>::ones([2, 3], &device));
        let loss = net.second.forward(hidden).square().mean();
        let grads = GradientsParams::from_grads(loss.backward(), &net);
        net = advance(net, &mut optim, grads);
    }
}

macro_rules! handle_state {
    ($name:literal, $handle:expr, $state:expr, $net:expr, $use:expr) => {{
        let net = $net.clone();
        let make = $handle;
        let handle = make(&net);
        let sample = $state(&handle);
        state($name, &sample, move |read| {
            let handle = make(&net);
            handle.restore(read).map_err(|error| error.to_string())?;
            $use(&handle, net.clone());
            trained(net.clone(), |net, optim, grads| {
                handle.optimize(net, optim, 0.1, grads)
            });
            drop(serde_json::to_string(&$state(&handle)));
            Ok(())
        })
    }};
}

/// All states of the crate.
fn states() -> Vec<State> {
    let device = Device::flex().autodiff();
    let net = small(&device);
    let masks = Masks::dense(&net).unwrap();
    let masks = masks.random(Layout::Uniform, 0.5, 1).unwrap();
    let same = net.clone();
    let use_masks = move |read: Masks| {
        let _ = read.density() + read.sparsity() + read.count() as f64;
        drop(inspect::report(&read, |_| usize::MAX));
        let _ = (
            inspect::agreement(&read, &read),
            Exploration::of(&read).rate(),
        );
        let _ = (read.left_dense(&same), read.clone().without_first());
        let _ = read.clone().random(Layout::Erk, 0.5, 1);
        words(
            read.rebind(&same)
                .and_then(|masks| masks.apply(same.clone())),
        )
    };
    let mut all = vec![
        state("Masks", &masks, use_masks),
        state("Mask", &masks.layers()[0].clone(), |mask: Mask| {
            let _ = (mask.count(), mask.density());
            Ok(())
        }),
        state(
            "Exploration",
            &Exploration::of(&masks),
            |mut seen: Exploration| {
                drop((
                    seen.rate(),
                    seen.layer_rates(),
                    seen.flags(0),
                    seen.flags(9),
                ));
                seen.record(&Masks::dense(&small(&Device::flex())).unwrap());
                Ok(())
            },
        ),
        state(
            "CubicSparsity",
            &CubicSparsity::new(0.1, 0.9, 3, 9).unwrap(),
            |curve: CubicSparsity| {
                let inside = |step| (0.0..1.0).contains(&curve.at(step));
                let steps = [0, 1, 5, 1 << 40, usize::MAX];
                steps
                    .into_iter()
                    .all(inside)
                    .then_some(())
                    .ok_or("out of range".into())
            },
        ),
        state(
            "Pattern",
            &[Pattern::Share(0.5), Pattern::NOfM { n: 2, m: 4 }],
            prune_by,
        ),
        state(
            "Rule",
            &[Rule::Wanda, Rule::SPARSE_GPT],
            |rules: [Rule; 2]| {
                rules
                    .into_iter()
                    .try_for_each(|rule| pruned(rule, Pattern::Share(0.5)))
            },
        ),
        state(
            "Units",
            &Units::largest(&[1.0, 3.0, 2.0], 2).unwrap(),
            |units: Units| {
                let layer = LinearConfig::new(3, 3).init(&Device::flex());
                let _ = units.flattened(7);
                words(regimen_pruning::shrink::structured::keep_outputs(
                    &layer, &units,
                ))
            },
        ),
        state(
            "LayerReport",
            &inspect::report(&masks, |_| 2).layers[0],
            |_: LayerReport| Ok(()),
        ),
        state(
            "Report",
            &inspect::report(&masks, |_| 2),
            |_: Report| Ok(()),
        ),
        state(
            "Agreement",
            &inspect::agreement(&masks, &masks).unwrap(),
            |_: Agreement| Ok(()),
        ),
        state(
            "LeftDense",
            &masks.left_dense(&Net::new(&device)),
            |_: Vec<LeftDense>| Ok(()),
        ),
        state(
            "Why and Framework",
            &(Why::Router, Framework::Burn),
            |_: (Why, Framework)| Ok(()),
        ),
        state(
            "DropRule, GrowthRule, Rounding and Layout",
            &(
                DropRule::Halves,
                GrowthRule::Unfired,
                Rounding::Up,
                Layout::Erk,
            ),
            |_: (DropRule, GrowthRule, Rounding, Layout)| Ok(()),
        ),
        state(
            "AccuracyMatrix",
            &{
                let mut matrix = AccuracyMatrix::new(3).unwrap();
                matrix.set(0, 1, 0.5).unwrap();
                matrix
            },
            |mut matrix: AccuracyMatrix| {
                let _ = (
                    matrix.average(),
                    matrix.backward_transfer(2),
                    matrix.forward_transfer(0),
                );
                let _ = matrix.set(2, 2, 0.5);
                Ok(())
            },
        ),
        state(
            "SparseLinear",
            &SparseLinear::new(&LinearConfig::new(4, 3).init(&Device::flex())).unwrap(),
            |layer: SparseLinear| {
                let _ = layer.forward(Tensor::<2>::ones([2, 4], &Device::flex()));
                let _ = (layer.density(), layer.bytes());
                if layer.inputs().saturating_mul(layer.outputs()) < 1 << 20 {
                    words(layer.to_linear(&Device::flex()))?;
                }
                Ok(())
            },
        ),
        state(
            "configurations",
            &(
                GraNetConfig::new(0.5, 10),
                RigLConfig::new(0.5, 200),
                SetConfig::new(0.5, 200),
                MagnitudeConfig::new(0.5, 10),
                DynamicSparseConfig::new(0.5, 200),
                MovementConfig::new(0.5, 10),
                TopKastConfig::new(0.2, 0.4),
                PerTaskConfig::new(0.5),
            ),
            |read: (
                GraNetConfig,
                RigLConfig,
                SetConfig,
                MagnitudeConfig,
                DynamicSparseConfig,
                MovementConfig,
                TopKastConfig,
                PerTaskConfig,
            )| {
                let net = small(&Device::flex().autodiff());
                for pruner in [
                    read.0.init(&net),
                    read.1.init(&net),
                    read.2.init(&net),
                    read.3.init(&net),
                    read.4.init(&net),
                ] {
                    let Ok(pruner) = pruner else { continue };
                    trained(net.clone(), |net, optim, grads| {
                        pruner.optimize(net, optim, 0.1, grads)
                    });
                }
                if let Ok(movement) = read.5.init(&net) {
                    trained(net.clone(), |net, optim, grads| {
                        movement.optimize(net, optim, 0.1, grads)
                    });
                }
                if let Ok(kast) = read.6.init(&net) {
                    trained(net.clone(), |net, optim, grads| {
                        kast.optimize(net, optim, 0.1, grads)
                    });
                }
                if let Ok(tasks) = read.7.init(&net) {
                    let _ = tasks.begin(net.clone(), 5);
                    trained(net, |net, optim, grads| {
                        tasks.optimize(net, optim, 0.1, grads)
                    });
                }
                Ok(())
            },
        ),
    ];
    all.push(handle_state!(
        "SparseState",
        |net: &Small| RigLConfig::new(0.5, 100)
            .with_update_every(2)
            .init(net)
            .unwrap(),
        Pruner::state,
        net,
        |pruner: &Pruner, net: Small| drop((
            pruner.explored(),
            pruner.layers_explored(),
            pruner.mask(net)
        ))
    ));
    all.push(handle_state!(
        "MovementState",
        |net: &Small| MovementConfig::new(0.5, 4).init(net).unwrap(),
        |movement: &Movement| movement.state().unwrap(),
        net,
        |movement: &Movement, _| drop((movement.masks(), movement.scores()))
    ));
    all.push(handle_state!(
        "TopKastState",
        |net: &Small| TopKastConfig::new(0.3, 0.6)
            .with_update_every(1)
            .init(net)
            .unwrap(),
        |kast: &TopKast| kast.state().unwrap(),
        net,
        |kast: &TopKast, net: Small| drop((kast.explored(), kast.mask(net)))
    ));
    all.push(handle_state!(
        "PerTaskState",
        |net: &Small| {
            let tasks = PerTaskConfig::new(0.5)
                .with_update_every(1)
                .init(net)
                .unwrap();
            let first = tasks.begin(net.clone(), 3).unwrap();
            tasks.finish(&first).unwrap();
            tasks.remember(&tasks.begin(first, 3).unwrap()).unwrap();
            tasks
        },
        PerTask::state,
        net,
        |tasks: &PerTask, net: Small| {
            drop((tasks.model_of(0, net.clone()), tasks.state().used().rate()));
            let _ = tasks.finish(&net);
            let _ = tasks.begin(net, 2);
        }
    ));
    all.push({
        let tasks = PerTaskConfig::new(0.5).init(&net).unwrap();
        let first = tasks.begin(net.clone(), 3).unwrap();
        tasks.finish(&first).unwrap();
        state(
            "Topology",
            &tasks.state().tasks()[0].clone(),
            |task: Topology| {
                let _ = (task.masks.density(), task.rest.len());
                Ok(())
            },
        )
    });
    all
}

fn pruned(rule: Rule, pattern: Pattern) -> std::result::Result<(), String> {
    let device = Device::flex();
    let (weights, inputs) = (
        Tensor::<2>::ones([3, 8], &device),
        Tensor::<2>::ones([5, 8], &device),
    );
    words(regimen_pruning::after::prune_layer(
        weights, inputs, rule, pattern,
    ))
}

fn prune_by(patterns: [Pattern; 2]) -> std::result::Result<(), String> {
    patterns
        .into_iter()
        .try_for_each(|pattern| pruned(Rule::Magnitude, pattern))
}

#[test]
fn damaged_states_are_refused_or_do_no_harm() {
    let mut hostile = Hostile::new("pruning states");
    for (name, sample, read) in states() {
        hostile.state(name, &sample, read);
    }
    hostile.finish();
}

/// What a constructor would not make is not read.
#[test]
fn fields_that_do_not_fit_together_are_named() {
    let device = Device::flex().autodiff();
    let net = small(&device);
    let masks = Masks::dense(&net).unwrap();
    let text = |value: &serde_json::Value| serde_json::to_string(value).unwrap();
    let refused = |value: &serde_json::Value, word: &str, read: &dyn Fn(&str) -> String| {
        let error = read(&text(value));
        assert!(error.contains(word), "{word}: {error}");
    };
    fn error<T: DeserializeOwned>(text: &str) -> String {
        serde_json::from_str::<T>(text).map_or_else(|error| error.to_string(), |_| "read".into())
    }
    let whole = serde_json::to_value(&masks).unwrap();
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = whole.clone();
        change(&mut value);
        value
    };
    for (value, word) in [
        (
            changed(&|v| v["layers"][1]["path"] = "first.weight".into()),
            "path",
        ),
        (
            changed(&|v| v["layers"][1]["id"] = v["layers"][0]["id"].clone()),
            "id",
        ),
        (
            changed(&|v| v["layers"] = serde_json::json!([])),
            "at least one",
        ),
        (
            changed(&|v| v["layers"][0]["shape"] = serde_json::json!([u64::MAX, 2])),
            "memory",
        ),
        (
            changed(&|v| v["layers"][0]["shape"] = serde_json::json!([30, 30])),
            "words",
        ),
    ] {
        refused(&value, word, &error::<Masks>);
    }
    let pruner = RigLConfig::new(0.5, 100)
        .with_update_every(2)
        .init(&net)
        .unwrap();
    let mut sparse = serde_json::to_value(pruner.state()).unwrap();
    sparse["events"] = 9.into();
    refused(&sparse, "events", &error::<SparseState>);
    sparse["events"] = 0.into();
    sparse["step"] = u64::MAX.into();
    refused(&sparse, "step", &error::<SparseState>);
    let kast = TopKastConfig::new(0.3, 0.6)
        .init(&net)
        .unwrap()
        .state()
        .unwrap();
    let mut sets = serde_json::to_value(kast).unwrap();
    sets["backward"]["layers"][0]["words"] = serde_json::json!([0]);
    refused(&sets, "backward set", &error::<TopKastState>);
    let movement = MovementConfig::new(0.5, 4)
        .init(&net)
        .unwrap()
        .state()
        .unwrap();
    let mut scores = serde_json::to_value(movement).unwrap();
    scores["scores"][1] = serde_json::json!([0]);
    refused(&scores, "sizes", &error::<MovementState>);
    let mut tasks =
        serde_json::to_value(PerTaskConfig::new(0.5).init(&net).unwrap().state()).unwrap();
    tasks["used"]["layers"] = serde_json::json!([]);
    refused(&tasks, "same parameters", &error::<PerTaskState>);
}
