//! Interventions against loss of plasticity: their weights, biases, norms and moments, and probes that leave training as it is.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_continual::plasticity::{
    Activations, Draw, ReDo, Units, Which, active, crelu, gradient_diversity, inject, probe,
    recycle, reset, shrink_perturb,
};
use regimen_continual::{
    Classifier, ContinualBackpropConfig, Examples, L2InitConfig, Probed, ReDoConfig, ResetConfig,
    Result, ShrinkPerturbConfig, Strategy,
};
use regimen_tensor::ParamVector;
use regimen_tensor::optimizer_state::state_tensors;
use regimen_tensor::per_example::cross_entropy;

type Batch = (Tensor<2>, Tensor<1, Int>);

const UNITS: usize = 6;

/// A convolution with batch norm, flattened into a linear layer with layer norm, and a head.
#[derive(Module, Debug)]
struct Mixed {
    conv: Conv2d,
    norm: BatchNorm,
    hidden: Linear,
    layer_norm: LayerNorm,
    head: Linear,
}

fn device() -> Device {
    Device::flex().autodiff()
}

impl Mixed {
    fn new(seed: u64) -> Self {
        let device = device();
        let net = Self {
            conv: Conv2dConfig::new([1, UNITS], [2, 2]).init(&device),
            norm: BatchNormConfig::new(UNITS).init(&device),
            hidden: LinearConfig::new(UNITS * 4, 5).init(&device),
            layer_norm: LayerNormConfig::new(5).init(&device),
            head: LinearConfig::new(5, 3).init(&device),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let weights = ParamVector::of(&net);
        let values = weights.entries().iter().map(|entry| {
            let range = if entry.path.ends_with("gamma") {
                0.5..1.5
            } else {
                -0.5..0.5
            };
            (0..entry.len())
                .map(|_| rng.random_range(range.clone()))
                .collect()
        });
        let values = weights.from_host(values.collect()).unwrap();
        values.write_to(net).unwrap()
    }

    fn units() -> Vec<Units> {
        vec![
            Units::new("conv").with_norm("norm").before("hidden"),
            Units::new("hidden").with_norm("layer_norm").before("head"),
        ]
    }
}

impl Classifier for Mixed {
    type Batch = Batch;

    fn logits(&self, batch: &Batch) -> Tensor<2> {
        self.probed(batch).unwrap().0
    }
}

impl Probed for Mixed {
    fn probed(&self, (inputs, _): &Batch) -> Result<(Tensor<2>, Vec<Activations>)> {
        let [batch, _] = inputs.dims();
        let images = inputs.clone().reshape([batch, 1, 3, 3]);
        let first = relu(self.norm.forward(self.conv.forward(images)));
        let flat = first.clone().flatten::<2>(1, 3);
        let second = relu(self.layer_norm.forward(self.hidden.forward(flat)));
        let logits = self.head.forward(second.clone());
        let shown = vec![
            Activations::images("conv", first),
            Activations::flat("hidden", second),
        ];
        Ok((logits, shown))
    }
}

fn batch(seed: u64) -> Batch {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let inputs: Vec<f32> = (0..8 * 9).map(|_| rng.random_range(-1.0..1.0)).collect();
    let labels: Vec<i64> = (0..8).map(|row| row % 3).collect();
    (
        Tensor::from_data(TensorData::new(inputs, [8, 9]), &device()),
        Tensor::from_data(TensorData::new(labels, [8]), &device()),
    )
}

fn adam() -> ModuleOptimizer {
    AdamConfig::new().init()
}

fn step(
    strategy: &dyn Strategy<Mixed>,
    model: Mixed,
    optim: &mut ModuleOptimizer,
    seed: u64,
) -> Mixed {
    let loss = strategy.loss(&model, &batch(seed)).unwrap();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let model = strategy.update(model, optim, 0.01.into(), grads.into());
    strategy.status().unwrap();
    model
}

/// The values of a parameter or statistic.
fn values<M: Module>(model: &M, path: &str) -> Vec<f32> {
    let state = ParamVector::state(model);
    let entry = state.by_path(path).unwrap_or_else(|| panic!("{path}"));
    entry.values.clone().try_into_vec_as().unwrap()
}

/// The two moments of a parameter.
fn moments(model: &Mixed, optim: &ModuleOptimizer, path: &str) -> Vec<Vec<f32>> {
    let id = ParamVector::of(model).by_path(path).unwrap().id.val();
    let own = state_tensors(optim).unwrap().into_iter();
    let own = own.filter(|(_, of, _)| *of == Some(id));
    own.map(|(_, _, data)| data.convert::<f32>().try_into_vec().unwrap())
        .filter(|values: &Vec<f32>| values.len() > 1)
        .collect()
}

fn bits<M: Module>(model: &M) -> Vec<u32> {
    let values = ParamVector::state(model).to_host().unwrap();
    values.into_iter().flatten().map(f32::to_bits).collect()
}

/// Where the flat values of a parameter `[outer, units, inner]` belong to the unit.
fn of_unit(values: &[f32], units: usize, inner: usize, unit: usize) -> (Vec<f32>, Vec<f32>) {
    let pairs = values.iter().enumerate();
    let (own, rest): (Vec<_>, Vec<_>) = pairs.partition(|(at, _)| at / inner % units == unit);
    let only = |of: Vec<(usize, &f32)>| of.into_iter().map(|(_, value)| *value).collect();
    (only(own), only(rest))
}

/// Of unit 2 of the convolution: incoming weights drawn, bias 0, norm as new, a block of outgoing rows 0, and all their moments; nothing else.
#[test]
fn a_unit_is_made_anew_with_its_bias_norm_outgoing_weights_and_moments() {
    let (mut model, mut optim) = (Mixed::new(1), adam());
    let plain = L2InitConfig::new(0.0).init(&model).unwrap();
    for seed in 0..3 {
        model = step(&plain, model, &mut optim, seed);
    }
    let before = model.clone();
    let kept: Vec<(&str, Vec<f32>)> = ["conv.weight", "conv.bias", "norm.gamma", "hidden.weight"]
        .map(|path| (path, values(&before, path)))
        .to_vec();
    let chosen = [(Mixed::units().remove(0), vec![2])];
    let (model, renewed) = recycle(model, &chosen, Draw::default(), 3).unwrap();
    renewed.clear(&mut optim).unwrap();
    let expected = [
        ("conv.weight", 4, None),
        ("conv.bias", 1, Some(0.0)),
        ("norm.gamma", 1, Some(1.0)),
        ("norm.beta", 1, Some(0.0)),
        ("norm.running_mean", 1, Some(0.0)),
        ("norm.running_var", 1, Some(1.0)),
        // Four rows of five outputs a channel.
        ("hidden.weight", 20, Some(0.0)),
    ];
    for (path, inner, value) in expected {
        let (own, rest) = of_unit(&values(&model, path), UNITS, inner, 2);
        if let Some((_, before)) = kept.iter().find(|(known, _)| *known == path) {
            let (old, old_rest) = of_unit(before, UNITS, inner, 2);
            assert!(rest == old_rest, "{path}");
            assert!(own != old, "{path}");
        }
        match value {
            Some(value) => assert!(own.iter().all(|own| *own == value), "{path}: {own:?}"),
            // Uniform within the root of one over the fan-in.
            None => assert!(own.iter().all(|own| own.abs() <= 0.5 && *own != 0.0)),
        }
        if path.starts_with("norm.running") {
            continue;
        }
        let moments = moments(&model, &optim, path);
        assert_eq!(moments.len(), 2, "{path}");
        for moment in moments {
            let (own, rest) = of_unit(&moment, UNITS, inner, 2);
            assert!(own.iter().all(|own| *own == 0.0), "{path}");
            assert!(rest.iter().any(|rest| *rest != 0.0), "{path}");
        }
    }
    for path in ["hidden.bias", "layer_norm.gamma", "head.weight"] {
        assert_eq!(values(&model, path), values(&before, path));
    }
    assert_eq!(renewed.count(), 4 + 1 + 1 + 1 + 1 + 1 + 20);
}

/// What is dead gives nothing: the outputs stay. With layer norm they would not, which sees what every unit gets.
#[test]
fn making_dead_units_anew_leaves_the_outputs_as_they_are() {
    let mut model = Mixed::new(2);
    // Channel 3 is off for every input: gain 0 and a shift below 0.
    let norm = ParamVector::of(&model.norm);
    let mut host = norm.to_host().unwrap();
    (host[0][3], host[1][3]) = (0.0, -1.0);
    model.norm = norm.from_host(host).unwrap().write_to(model.norm).unwrap();
    let seen = batch(5);
    let outputs = |model: &Mixed| -> Vec<f32> {
        let logits = model.valid().logits(&seen.inner());
        logits.try_into_vec_as().unwrap()
    };
    let before = outputs(&model);
    let measured = probe(&model, &seen, 0.0).unwrap();
    assert!(measured.layers[0].dead > 0.0);
    let chosen = [(Mixed::units().remove(0), vec![3])];
    let (model, _) = recycle(model, &chosen, Draw::Normal(1.0), 3).unwrap();
    assert_eq!(outputs(&model), before);
    assert!(probe(&model, &seen, 0.0).unwrap().layers[0].dead < measured.layers[0].dead);
}

fn redo(which: Which) -> (ReDo, Mixed) {
    let model = Mixed::new(3);
    let config = ReDoConfig::new(Mixed::units()).with_tau(0.8).with_every(2);
    (config.with_which(which).init(&model).unwrap(), model)
}

#[test]
fn redo_checks_on_its_clock_and_takes_the_dormant() {
    let (redo, mut model) = redo(Which::Dormant);
    let mut optim = adam();
    model = step(&redo, model, &mut optim, 0);
    assert_eq!((redo.checks(), redo.recycled()), (0, 0));
    let _ = step(&redo, model, &mut optim, 1);
    assert_eq!(redo.checks(), 1);
    let last = redo.last();
    assert_eq!(last.len(), 2);
    assert!(redo.recycled() > 0);
    assert!(
        last.iter()
            .flat_map(|one| &one.scores)
            .all(|score| *score <= 0.8)
    );
}

/// The controls take as many units of each layer, the most active ones with scores above.
#[test]
fn controls_make_as_many_units_anew() {
    let counts = |which| {
        let (redo, mut model) = redo(which);
        let mut optim = adam();
        for seed in 0..2 {
            model = step(&redo, model, &mut optim, seed);
        }
        let last = redo.last();
        let lowest = last
            .iter()
            .flat_map(|one| one.scores.clone())
            .fold(9.0, f32::min);
        (
            last.iter().map(|one| one.units.len()).collect::<Vec<_>>(),
            lowest,
        )
    };
    let (dormant, low) = counts(Which::Dormant);
    let (random, _) = counts(Which::Random);
    let (active, high) = counts(Which::MostActive);
    assert_eq!(dormant, random);
    assert_eq!(dormant, active);
    assert!(low <= 0.8 && high > 0.8);
}

/// A dead unit's mean output is 0: nothing is corrected. A living one's goes to the next bias before it is forgotten.
#[test]
fn continual_backprop_corrects_the_next_bias_before_it_forgets_the_mean() {
    let model = Mixed::new(4);
    let config = ContinualBackpropConfig::new(vec![Mixed::units().remove(1)]);
    // One mature unit of five is replaced at the first update.
    let method = config.with_rho(0.2).with_maturity(0).init(&model).unwrap();
    let (_, shown) = model.probed(&batch(0)).unwrap();
    let means: Vec<f32> = shown[1]
        .values
        .clone()
        .inner()
        .mean_dim(0)
        .reshape([5])
        .try_into_vec_as()
        .unwrap();
    let mut optim = adam();
    let loss = Strategy::loss(&method, &model, &batch(0)).unwrap();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    // Without a step of the weights, only the replacement shows.
    let after = Strategy::update(&method, model.clone(), &mut optim, 0.0.into(), grads.into());
    assert_eq!(method.replaced(), 1);
    let (before, weight) = (values(&model, "head.bias"), values(&model, "head.weight"));
    let now = values(&after, "head.weight");
    let unit = (0..5)
        .find(|unit| now[unit * 3..][..3] == [0.0; 3])
        .unwrap();
    let bias = values(&after, "head.bias");
    for output in 0..3 {
        let expected = before[output] + means[unit] * weight[unit * 3 + output];
        assert!((bias[output] - expected).abs() < 1e-5, "{bias:?}");
    }
    let _ = step(&method, after, &mut optim, 1);
    assert_eq!(method.replaced(), 2);
}

#[test]
fn a_reset_is_a_new_layer_with_new_moments_and_nothing_else() {
    let model = Mixed::new(5);
    let method = ResetConfig::new(vec!["head".into(), "norm".into()], 2);
    let method = method.init(&model).unwrap();
    let mut optim = adam();
    let first = step(&method, model, &mut optim, 0);
    let second = step(&method, first.clone(), &mut optim, 1);
    assert_ne!(
        values(&first, "head.weight"),
        values(&second, "head.weight")
    );
    assert_eq!(values(&second, "head.bias"), [0.0; 3]);
    assert_eq!(values(&second, "norm.gamma"), [1.0; UNITS]);
    assert_eq!(values(&second, "norm.running_mean"), [0.0; UNITS]);
    for (path, cleared) in [
        ("head.weight", true),
        ("norm.beta", true),
        ("hidden.weight", false),
    ] {
        let moments = moments(&second, &optim, path).concat();
        assert_eq!(
            moments.iter().all(|moment| *moment == 0.0),
            cleared,
            "{path}"
        );
    }
    // A prefix is not a path.
    assert!(reset(second, &["hea".into()], Draw::default(), 0).is_err());
}

#[test]
fn shrinking_by_one_and_perturbing_by_nothing_is_nothing() {
    let model = Mixed::new(6);
    let same = shrink_perturb(model.clone(), 1.0, 0.0, Draw::default(), 1).unwrap();
    assert_eq!(bits(&same), bits(&model));
    let method = ShrinkPerturbConfig::new(2)
        .with_shrink(0.5)
        .with_perturb(0.0);
    let method = method.init().unwrap();
    let mut optim = adam();
    let grads = || GradientsParams::new();
    let first = Strategy::update(
        &method,
        model.clone(),
        &mut optim,
        0.1.into(),
        grads().into(),
    );
    assert_eq!(bits(&first), bits(&model));
    let second = Strategy::update(&method, first, &mut optim, 0.1.into(), grads().into());
    let (old, new) = (
        values(&model, "head.weight"),
        values(&second, "head.weight"),
    );
    assert!(old.iter().zip(new).all(|(old, new)| old * 0.5 == new));
}

/// The pull is 0 at the start, and twice `lambda` times the distance elsewhere.
#[test]
fn the_pull_to_the_start_by_hand() {
    let model = Mixed::new(7);
    let pull = L2InitConfig::new(0.1).init(&model).unwrap();
    let gradient = |model: &Mixed| {
        let penalty = pull.penalty(model, &batch(0)).unwrap();
        let grads = GradientsParams::from_grads(penalty.backward(), model);
        ParamVector::gradients(model, &grads)
            .to_host()
            .unwrap()
            .concat()
    };
    assert!(gradient(&model).iter().all(|value| *value == 0.0));
    let moved = ParamVector::of(&model).map(|_, values| values + 0.5);
    let moved = moved.write_to(model).unwrap();
    assert!(
        gradient(&moved)
            .iter()
            .all(|value| (value - 0.1).abs() < 1e-5)
    );
}

/// Training with a probe at every step gives the weights and statistics of training without, bit for bit.
#[test]
fn probes_leave_training_as_it_is() {
    let trained = |probed: bool| {
        let (mut model, mut optim) = (Mixed::new(8), adam());
        let plain = L2InitConfig::new(0.0).init(&model).unwrap();
        for seed in 0..6 {
            if probed {
                let measured = probe(&model, &batch(seed + 100), 0.025).unwrap();
                assert!(measured.active > 0.0 && measured.active < 1.0);
                assert!(measured.layers[0].rank <= UNITS);
            }
            model = step(&plain, model, &mut optim, seed);
            if probed {
                probe(&model, &batch(seed + 200), 0.025).unwrap();
            }
        }
        bits(&model)
    };
    assert!(trained(true) == trained(false));
}

#[test]
fn a_layer_that_is_frozen_is_left_as_it_is() {
    let model = Mixed::new(9);
    let group = burn::module::ParamGroup::from_path("hidden.weight");
    let model = model.freeze_group(group);
    let all: Vec<_> = Mixed::units()
        .into_iter()
        .map(|units| (units, vec![0]))
        .collect();
    let (same, renewed) = recycle(model.clone(), &all, Draw::default(), 1).unwrap();
    // The convolution's units are read by the frozen layer, the other ones are made by it.
    assert_eq!(bits(&same), bits(&model));
    assert_eq!(renewed.count(), 0);
}

#[test]
fn injection_changes_nothing_at_first_and_trains_one_head() {
    let device = device();
    let head = |seed: u64| {
        device.seed(seed);
        LinearConfig::new(9, 3).init(&device)
    };
    let (old, fresh) = (head(1), head(2));
    let (inputs, labels) = batch(0);
    let before: Vec<f32> = old.forward(inputs.clone()).try_into_vec_as().unwrap();
    let mut injected = inject(old, fresh);
    let out = |injected: &regimen_continual::plasticity::Injected<Linear>| {
        injected.forward(|head| head.forward(inputs.clone()))
    };
    assert_eq!(out(&injected).try_into_vec_as::<f32>().unwrap(), before);
    let start = injected.clone();
    let mut optim = adam();
    for _ in 0..3 {
        let loss = cross_entropy(out(&injected), labels.clone()).mean();
        let grads = GradientsParams::from_grads(loss.backward(), &injected);
        injected = optim.step(0.1, injected, grads);
    }
    assert_eq!(bits(&injected.frozen), bits(&start.frozen));
    assert_eq!(bits(&injected.copy), bits(&start.copy));
    assert_ne!(bits(&injected.new), bits(&start.new));
    let ids = |linear: &Linear| linear.weight.id;
    assert_ne!(ids(&injected.new), ids(&injected.copy));
}

/// Gradients of equal examples have a diversity of one over their number; those of orthogonal ones 1.
#[test]
fn the_diversity_of_gradients_by_hand() {
    let device = device();
    let model = LinearConfig::new(2, 1).with_bias(false).init(&device);
    let of = |rows: &[[f32; 2]]| {
        let rows = rows.to_vec();
        let row = |row: [f32; 2]| Tensor::<2>::from_data([row], &device);
        gradient_diversity(&model, rows, |model, of| model.forward(row(of)).sum()).unwrap()
    };
    assert!((of(&[[1.0, 2.0]; 4]) - 0.25).abs() < 1e-6);
    assert!((of(&[[1.0, 0.0], [0.0, 3.0]]) - 1.0).abs() < 1e-6);
}

/// Half of the units of a random layer without a bias fire, and concatenated ReLU has half of its units on for each input.
#[test]
fn half_of_a_random_layer_is_active() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut drawn =
        |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let inputs =
        Tensor::<2>::from_data(TensorData::new(drawn(200 * 16), [200, 16]), &Device::flex());
    let weight =
        Tensor::<2>::from_data(TensorData::new(drawn(16 * 100), [16, 100]), &Device::flex());
    let outputs = inputs.matmul(weight);
    let share = |values: Tensor<2>| {
        let shown = [Activations::flat("layer", values)];
        active(&shown).unwrap().into_scalar::<f32>()
    };
    assert!((share(relu(outputs.clone())) - 0.5).abs() < 0.03);
    assert_eq!(share(crelu(outputs, 1).unwrap()), 0.5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// `relu(x) + relu(-x) = |x|`.
    #[test]
    fn concatenated_relu_keeps_the_magnitude(values in prop::collection::vec(-1e3..1e3_f32, 1..20)) {
        let count = values.len();
        let x = Tensor::<2>::from_data(TensorData::new(values.clone(), [1, count]), &Device::flex());
        let both: Vec<f32> = crelu(x, 1).unwrap().try_into_vec_as().unwrap();
        for (place, value) in values.iter().enumerate() {
            prop_assert_eq!(both[place] + both[count + place], value.abs());
        }
    }

    /// Scores have the mean 1, or are all 0.
    #[test]
    fn scores_have_the_mean_one(values in prop::collection::vec(0.0..10.0_f32, 12)) {
        let x = Tensor::<2>::from_data(TensorData::new(values, [3, 4]), &Device::flex());
        let shown = Activations::flat("layer", x);
        let scores = regimen_continual::plasticity::dormancy(&shown).unwrap();
        let mean = scores.mean().into_scalar::<f32>();
        prop_assert!((mean - 1.0).abs() < 1e-5 || mean == 0.0);
    }
}
