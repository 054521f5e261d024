//! Gates over units, and what they protect.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Int, Tensor};
use regimen_continual::{Anneal, Classifier, Gated, Hat, HatConfig, HatGate, HatGateConfig};
use regimen_continual::{ContinualError, Strategy, Task};
use regimen_tensor::testing::Hostile;
use regimen_tensor::{ParamVector, Part, Prepared};

use super::net::{Batch, drawn, examples, numbers, step};
use super::states::{damaged, mutations};

/// Inputs as 2 by 2 images, a convolution, a layer behind its flattened output, a head.
#[derive(Module, Debug)]
struct Gates {
    conv: Conv2d,
    first: HatGate,
    hidden: Linear,
    second: HatGate,
    head: Linear,
    #[module(skip)]
    hat: Hat,
}

impl Classifier for Gates {
    type Batch = (Tensor<2>, Tensor<1, Int>);

    fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
        let [batch, _] = inputs.dims();
        let image = inputs.clone().reshape([batch, 1, 2, 2]);
        let outputs = self
            .first
            .forward(tanh(self.conv.forward(image)), &self.hat);
        let hidden = tanh(self.hidden.forward(outputs.flatten(1, 3)));
        self.head.forward(self.second.forward(hidden, &self.hat))
    }
}

fn config(batches: usize) -> HatConfig {
    HatConfig::new(batches).with_layers(vec![
        Gated::new("conv").before("first"),
        Gated::new("hidden").behind("first").before("second"),
        Gated::new("head").behind("second"),
    ])
}

/// Weights that no chance decides.
fn model(hat: &Hat) -> Gates {
    let device = Device::flex().autodiff();
    let model = Gates {
        conv: Conv2dConfig::new([1, 3], [1, 2]).init(&device),
        first: HatGateConfig::new(3, 3).init(&device).unwrap(),
        hidden: LinearConfig::new(6, 5).init(&device),
        second: HatGateConfig::new(3, 5).with_seed(1).init(&device).unwrap(),
        head: LinearConfig::new(5, 3).init(&device),
        hat: hat.clone(),
    };
    let mut drawn = drawn(5);
    let values = ParamVector::of(&model);
    let host = values.to_host().unwrap();
    let host = values.entries().iter().zip(host).map(|(entry, host)| {
        match entry.path.ends_with("embedding") {
            true => host,
            false => host.iter().map(|_| drawn()).collect(),
        }
    });
    let host = values.from_host(host.collect()).unwrap();
    host.write_to(model).unwrap()
}

fn task(id: usize) -> Task {
    Task {
        id,
        classes: Vec::new(),
        examples: 6,
    }
}

fn data() -> Prepared<Batch> {
    Prepared(vec![examples(6, 1)])
}

fn with_embedding(model: Gates, rows: [[f32; 3]; 3], others: [[f32; 5]; 3]) -> Gates {
    let values = ParamVector::of(&model);
    let host = values.to_host().unwrap();
    let host = values.entries().iter().zip(host);
    let host = host.map(|(entry, host)| match entry.path.as_str() {
        "first.embedding" => rows.concat(),
        "second.embedding" => others.concat(),
        _ => host,
    });
    values
        .from_host(host.collect())
        .unwrap()
        .write_to(model)
        .unwrap()
}

#[test]
fn the_steepness_is_annealed_over_each_epoch_and_full_in_evaluation() {
    let hat = config(5).init().unwrap();
    let expected = [0.0025, 100.001_875, 200.001_25, 300.000_625, 400.0];
    for (step, expected) in expected.into_iter().enumerate() {
        assert!((hat.steepness(step) - expected).abs() < 1e-9);
        assert_eq!(hat.steepness(step + 5), hat.steepness(step));
    }
    assert_eq!(config(1).init().unwrap().steepness(3), 400.0);
    let mut model = model(&hat);
    for expected in expected {
        assert!((hat.annealed(true).steepness - expected).abs() < 1e-9);
        assert_eq!(hat.annealed(false).steepness, 400.0);
        model = step(&hat, model, &examples(6, 1), 0.1);
    }
    let model = hat.before_task(model, &task(2)).unwrap();
    assert_eq!(hat.annealed(true).task, 2);
    hat.show(1);
    assert_eq!((hat.annealed(true).task, hat.annealed(false).task), (2, 1));
    assert!(hat.before_task(model, &task(3)).is_err());
}

#[test]
fn the_penalty_counts_units_that_other_tasks_have_not() {
    let hat = config(1).init().unwrap();
    let model = model(&hat);
    // Gates at 400: on, off, half.
    let rows = [[6.0, -6.0, 0.0], [6.0, 6.0, -6.0], [0.0; 3]];
    let others = [[-6.0; 5], [6.0, -6.0, -6.0, -6.0, -6.0], [0.0; 5]];
    let model = with_embedding(model, rows, others);
    let value = |model: &Gates| {
        let penalty = hat.penalty(model, &examples(2, 1)).unwrap();
        penalty.into_scalar::<f32>()
    };
    assert!((value(&model) - 0.75 * 1.5 / 8.0).abs() < 1e-6);
    let model = hat.after_task(model, &data()).unwrap();
    let model = hat.before_task(model, &task(1)).unwrap();
    assert_eq!(
        numbers(hat.kept()["first.embedding"].clone()),
        [1.0, 0.0, 0.5]
    );
    // Left: 0, 1, .5 and five: taken 1 of the second unit, 1 of the five.
    assert!((value(&model) - 0.75 * 2.0 / 6.5).abs() < 1e-6);
    // The gradient reaches the present task's embeddings alone.
    let loss = hat.penalty(&model, &examples(2, 1)).unwrap();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let gradient = ParamVector::gradients(&model, &grads);
    let gradient = gradient.by_path("first.embedding").unwrap().values.clone();
    let gradient = numbers(gradient);
    assert!(
        gradient[..3]
            .iter()
            .chain(&gradient[6..])
            .all(|g| *g == 0.0)
    );
}

/// Adam moves weights without a gradient too.
#[test]
fn what_gates_of_one_protect_keeps_its_bits() {
    let hat = config(4).init().unwrap();
    let rows = [[6.0, -6.0, 6.0], [1.0, -1.0, 2.0], [0.5; 3]];
    let others = [[6.0, -6.0, 6.0, -6.0, -6.0], [0.3; 5], [0.5; 5]];
    let mut model = with_embedding(model(&hat), rows, others);
    let mut optim = AdamConfig::new().init();
    let mut train = |mut model: Gates, seed| {
        for _ in 0..6 {
            let loss = hat.loss(&model, &examples(6, seed)).unwrap();
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = hat.optimize(model, &mut optim, 0.1, grads);
        }
        model
    };
    model = hat.before_task(model, &task(0)).unwrap();
    model = train(model, 1);
    model = with_embedding(model, rows, others);
    model = hat.after_task(model, &data()).unwrap();
    model = hat.before_task(model, &task(1)).unwrap();
    let outputs = |model: &Gates, task| {
        hat.show(task);
        let (inputs, labels) = examples(6, 1);
        numbers(model.valid().logits(&(inputs.inner(), labels.inner())))
    };
    let before = ParamVector::of(&model);
    let first = outputs(&model, 0);
    model = train(model, 7);
    Strategy::<Gates>::status(&hat).unwrap();
    let after = ParamVector::of(&model);
    let pair = |path: &str| {
        let values = |vector: &ParamVector| numbers(vector.by_path(path).unwrap().values.clone());
        values(&before)
            .into_iter()
            .zip(values(&after))
            .collect::<Vec<_>>()
    };
    let bits = |(before, after): &(f32, f32)| before.to_bits() == after.to_bits();
    // conv.weight [3, 1, 1, 2]: channels 0 and 2.
    let kept: Vec<bool> = pair("conv.weight").iter().map(bits).collect();
    assert_eq!(kept, [true, true, false, false, true, true]);
    let kept: Vec<bool> = pair("conv.bias").iter().map(bits).collect();
    assert_eq!(kept, [true, false, true]);
    // hidden.weight [6, 5]: two positions of each channel, units 0 and 2.
    for (place, pair) in pair("hidden.weight").iter().enumerate() {
        let (channel, unit) = (place / 5 / 2, place % 5);
        let kept = channel != 1 && [0, 2].contains(&unit);
        assert!(bits(pair) || !kept, "{place}");
    }
    assert!(pair("hidden.weight").iter().any(|pair| !bits(pair)));
    // head.weight [5, 3]: units 0 and 2. Its bias has no gate: it trains.
    for (place, pair) in pair("head.weight").iter().enumerate() {
        assert!(bits(pair) || ![0, 2].contains(&(place / 3)), "{place}");
    }
    assert!(pair("head.bias").iter().any(|pair| !bits(pair)));
    // Embeddings of other tasks, and how far one goes.
    let first_gate = pair("first.embedding");
    assert!(first_gate[..3].iter().chain(&first_gate[6..]).all(bits));
    assert!(first_gate[3..6].iter().any(|pair| !bits(pair)));
    assert!(first_gate.iter().all(|(_, after)| after.abs() <= 6.0));
    // But for the head's bias, the first task's outputs are as they were.
    let bias = pair("head.bias");
    let now = outputs(&model, 0);
    for (place, (first, now)) in first.iter().zip(&now).enumerate() {
        let (old, new) = bias[place % 3];
        assert!((first - old - (now - new)).abs() < 1e-5);
    }
    assert_ne!(outputs(&model, 1), now);
}

#[test]
fn saved_and_restored_it_goes_on() {
    let hat = config(3).init().unwrap();
    let model = step(&hat, model(&hat), &examples(6, 1), 0.1);
    let model = hat.after_task(model, &data()).unwrap();
    let model = hat.before_task(model, &task(1)).unwrap();
    let model = step(&hat, model, &examples(6, 2), 0.1);
    let bytes = hat.save().unwrap();
    let mut other = config(3).init().unwrap();
    other.load(&bytes).unwrap();
    assert_eq!(other.save().unwrap(), bytes);
    let again = Gates {
        hat: other.clone(),
        ..model.clone()
    };
    let straight = step(&hat, model, &examples(5, 2), 0.1);
    let restored = step(&other, again, &examples(5, 2), 0.1);
    let values = |model: &Gates| ParamVector::of(model).to_host().unwrap();
    assert_eq!(values(&straight), values(&restored));
    assert!(other.load(&bytes[..bytes.len() / 2]).is_err());
    let mut none = HatConfig::new(3).init().unwrap();
    assert!(none.load(&bytes).is_err());
}

#[test]
fn what_does_not_fit_is_refused() {
    assert!(HatConfig::new(0).init().is_err());
    for bad in [0.5, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        assert!(config(1).with_s_max(bad).init().is_err());
    }
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(config(1).with_sparsity(bad).init().is_err());
    }
    let device = Device::flex();
    for (tasks, units) in [(0, 1), (1, 0), (usize::MAX, 2), (1 << 20, 1 << 20)] {
        assert!(HatGateConfig::new(tasks, units).init(&device).is_err());
    }
    let hat = HatConfig::new(1).with_layers(vec![Gated::new("conv").before("nothing")]);
    let hat = hat.init().unwrap();
    let error = hat.before_task(model(&hat), &task(0)).unwrap_err();
    assert!(matches!(error, ContinualError::Mismatch { .. }), "{error}");
    assert!(hat.penalty(&model(&hat), &examples(2, 1)).is_err());
    let hat = HatConfig::new(1).with_layers(vec![Gated::new("no").before("first")]);
    let hat = hat.init().unwrap();
    assert!(hat.before_task(model(&hat), &task(0)).is_err());
}

#[test]
fn damaged_states_are_refused_or_serve() {
    let mut hostile = Hostile::new("hat states");
    let hat = config(3).init().unwrap();
    let start = model(&hat);
    let start = hat.after_task(start, &data()).unwrap();
    let start = hat.before_task(start, &task(1)).unwrap();
    let start = step(&hat, start, &examples(6, 2), 0.1);
    let bytes = hat.save().unwrap();
    for seed in 0..mutations() {
        hostile.input(format_args!("Hat {seed}"), || {
            let mut other = config(3).init().unwrap();
            let text = |error: &dyn std::fmt::Display| error.to_string();
            other.load(&damaged(&bytes, seed)).map_err(|e| text(&e))?;
            let model = Gates {
                hat: other.clone(),
                ..start.clone()
            };
            other
                .penalty(&model, &examples(3, 2))
                .map_err(|e| text(&e))?;
            let _ = step(&other, model, &examples(3, 2), 0.1);
            other.save().map_err(|e| text(&e))?;
            Ok::<_, String>(())
        });
    }
    hostile.finish();
}
