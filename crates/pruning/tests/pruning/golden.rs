//! Agreement with the published implementations: `golden/make.py` writes the numbers.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use rand::SeedableRng;
use regimen_pruning::before::{grasp, snip, synflow};
use regimen_pruning::mask::density;
use regimen_pruning::*;
use regimen_schedules::Schedule;
use regimen_tensor::ParamVector;
use regimen_tensor::per_example::cross_entropy;

/// The cells of a golden file, without its two header lines.
fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = text.lines().skip(2);
    lines.map(|line| line.split(',').collect())
}

fn number(cell: &str) -> f64 {
    cell.parse().unwrap()
}

fn place(cell: &str) -> usize {
    cell.parse().unwrap()
}

#[test]
fn erk_densities_are_those_of_the_released_code() {
    // Shapes and densities of a network's layers, by its number and the overall density.
    type Layers = (Vec<Vec<usize>>, Vec<f64>);
    let mut networks: BTreeMap<(usize, String), Layers> = BTreeMap::new();
    for row in rows(include_str!("../../golden/erk.csv")) {
        let key = (place(row[0]), row[2].to_owned());
        let (shapes, densities) = networks.entry(key).or_default();
        shapes.push(row[1].split('x').map(place).collect());
        densities.push(number(row[3]));
    }
    assert_eq!(networks.len(), 18);
    for ((_, density), (shapes, expected)) in networks {
        let found = density::erdos_renyi_kernel(&shapes, number(&density)).unwrap();
        for (f, e) in found.iter().zip(&expected) {
            assert!((f - e).abs() < 1e-12, "{shapes:?} at {density}: {f}, {e}");
        }
    }
}

/// The released code cuts off where a product falls just short of a whole number, and stops one event early.
#[test]
fn the_cubic_schedule_is_that_of_the_released_code_and_goes_on_to_its_end() {
    const EVERY: usize = 20;
    let (mut compared, mut stopped) = (0, 0);
    for row in rows(include_str!("../../golden/cubic.csv")) {
        let (events, event) = (place(row[0]), place(row[3]));
        let (initial, last) = (1.0 - number(row[1]), 1.0 - number(row[2]));
        let schedule = CubicSparsity::new(initial, last, 0, events * EVERY).unwrap();
        let found = density::keep(1_000_000, schedule.at(event * EVERY));
        if row[4].is_empty() {
            assert!(event >= events);
            assert_eq!(found, density::keep(1_000_000, last));
            stopped += 1;
            continue;
        }
        let expected = place(row[4]);
        assert!(
            found == expected || found == expected + 1,
            "{row:?}: {found}"
        );
        compared += 1;
    }
    assert_eq!((compared, stopped), (27, 9));
}

#[derive(Module, Debug)]
struct Net {
    layers: Vec<Linear>,
}

/// The network, its inputs and its labels, from `golden/network.csv`.
struct Case {
    net: Net,
    inputs: Tensor<2>,
    labels: Tensor<1, Int>,
}

const SIZES: [usize; 4] = [8, 6, 4, 2];

/// From `[outputs, inputs]` to `[inputs, outputs]` of a layer, or back with `layer`'s sizes swapped.
fn transpose<T: Copy>(values: &[T], rows: usize) -> Vec<T> {
    let columns = values.len() / rows;
    let cell = |i: usize| values[(i % rows) * columns + i / rows];
    (0..values.len()).map(cell).collect()
}

fn case(device: &Device) -> Case {
    let (mut weights, mut inputs, mut labels) = (vec![Vec::new(); 3], Vec::new(), Vec::new());
    for row in rows(include_str!("../../golden/network.csv")) {
        let value = number(row[3]) as f32;
        match row[0] {
            "weight" => weights[place(row[1])].push(value),
            "input" => inputs.push(value),
            _ => labels.push(value as i32),
        }
    }
    let layer = |sizes: &[usize]| {
        let config = LinearConfig::new(sizes[0], sizes[1]).with_bias(false);
        config.init(device)
    };
    let net = Net {
        layers: SIZES.windows(2).map(layer).collect(),
    };
    let weights = weights.iter().zip(&SIZES[1..]);
    let weights = weights.map(|(w, outputs)| transpose(w, *outputs)).collect();
    let net = ParamVector::of(&net)
        .from_host(weights)
        .unwrap()
        .write_to(net)
        .unwrap();
    Case {
        net,
        inputs: Tensor::<1>::from_data(inputs.as_slice(), device).reshape([16, 8]),
        labels: Tensor::from_data(labels.as_slice(), device),
    }
}

fn forward(net: &Net, inputs: Tensor<2>) -> Tensor<2> {
    let (last, hidden) = net.layers.split_last().unwrap();
    let x = hidden
        .iter()
        .fold(inputs, |x, layer| relu(layer.forward(x)));
    last.forward(x)
}

fn gradient(net: &Net, loss: Tensor<1>) -> GradientsParams {
    GradientsParams::from_grads(loss.backward(), net)
}

/// The scores and masks of a method in the file, in Burn's order of a layer's weights.
fn expected(method: &str) -> (Vec<Vec<f64>>, Vec<Vec<bool>>) {
    let (mut scores, mut kept) = (vec![Vec::new(); 3], vec![Vec::new(); 3]);
    for row in rows(include_str!("../../golden/one_shot.csv")) {
        if row[0] == method {
            scores[place(row[1])].push(number(row[3]));
            kept[place(row[1])].push(row[4] == "1");
        }
    }
    let turn = |layer: usize| SIZES[layer + 1];
    (
        (0..3).map(|l| transpose(&scores[l], turn(l))).collect(),
        (0..3).map(|l| transpose(&kept[l], turn(l))).collect(),
    )
}

/// That all scores agree to `tolerance` of the largest, and the masks exactly.
fn assert_agreement(method: &str, scores: &[Vec<f32>], masks: &Masks, tolerance: f64) {
    let (expected, kept) = expected(method);
    let largest = expected
        .iter()
        .flatten()
        .fold(0.0_f64, |m, s| m.max(s.abs()));
    for (found, expected) in scores.iter().zip(&expected) {
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(expected) {
            let off = (f64::from(*f) - e).abs();
            assert!(off < tolerance * largest, "{method}: {f}, {e}");
        }
    }
    for (mask, kept) in masks.layers().iter().zip(&kept) {
        assert_eq!(&mask.active, kept, "{method}");
    }
}

#[test]
fn snip_scores_are_those_of_the_released_code() {
    let case = case(&Device::flex().autodiff());
    let loss = cross_entropy(forward(&case.net, case.inputs), case.labels).mean();
    let grads = gradient(&case.net, loss);
    let host = |vector: ParamVector| vector.to_host().unwrap();
    let weights = host(ParamVector::of(&case.net));
    let scores = snip::scores(&weights, &host(ParamVector::gradients(&case.net, &grads)));
    let masks = snip::snip(&case.net, &grads, Masks::dense(&case.net).unwrap(), 0.2).unwrap();
    assert_agreement("SNIP", &scores, &masks, 1e-5);
}

#[test]
fn grasp_scores_are_those_of_the_released_code() {
    let case = case(&Device::flex().autodiff());
    // The released code divides the logits by 200.
    let of = |net: &Net| {
        let logits = forward(net, case.inputs.clone()) / 200.0;
        let loss = cross_entropy(logits, case.labels.clone()).mean();
        Ok(ParamVector::gradients(net, &gradient(net, loss)))
    };
    let masks = grasp::grasp(&case.net, Masks::dense(&case.net).unwrap(), 0.2, of).unwrap();
    let g = of(&case.net).unwrap();
    let hg = regimen_tensor::directional::hessian_vector(&case.net, &g, of).unwrap();
    let host = |vector: ParamVector| vector.to_host().unwrap();
    let pairs = host(ParamVector::of(&case.net)).into_iter().zip(host(hg));
    let mut scores: Vec<Vec<f32>> = pairs.map(|(w, h)| grasp::scores(&w, &h)).collect();
    let sum: f32 = scores.iter().flatten().sum();
    // The released score has the other sign, and is divided by the magnitude of the sum.
    scores.iter_mut().flatten().for_each(|s| *s /= -sum.abs());
    assert_agreement("GraSP", &scores, &masks, 0.02);
}

#[test]
fn synflow_scores_are_those_of_the_released_code() {
    let device = Device::flex().autodiff();
    let case = case(&device);
    let flow = |net: &Net| {
        let output = forward(net, Tensor::<2>::ones([1, 8], &device)).sum();
        Ok(ParamVector::gradients(net, &gradient(net, output)))
    };
    let magnitudes = ParamVector::of(&case.net).map(|_, values| values.abs());
    let positive = magnitudes.write_to(case.net.clone()).unwrap();
    let host = |vector: ParamVector| vector.to_host().unwrap();
    let (weights, g) = (
        host(ParamVector::of(&positive)),
        host(flow(&positive).unwrap()),
    );
    let scores = weights.iter().zip(&g).map(|(w, g)| synflow::scores(w, g));
    let scores: Vec<Vec<f32>> = scores.collect();
    let masks = Masks::dense(&case.net).unwrap();
    let masks = synflow::synflow(&case.net, masks, 0.2, 20, flow).unwrap();
    assert_agreement("SynFlow", &scores, &masks, 1e-5);
}

/// A layer at an event of `golden/granet.csv`, with the released code's decisions.
#[derive(Default)]
struct Decided {
    weights: Vec<f32>,
    gradient: Vec<f32>,
    before: Vec<bool>,
    pruned: Vec<bool>,
    after: Vec<bool>,
}

fn events() -> BTreeMap<usize, Vec<Decided>> {
    let mut events: BTreeMap<usize, Vec<Decided>> = BTreeMap::new();
    for row in rows(include_str!("../../golden/granet.csv")) {
        let layers = events.entry(place(row[0])).or_default();
        if layers.len() <= place(row[1]) {
            layers.push(Decided::default());
        }
        let layer = layers.last_mut().unwrap();
        layer.weights.push(number(row[3]) as f32);
        layer.gradient.push(number(row[4]) as f32);
        layer.before.push(row[5] == "1");
        layer.pruned.push(row[6] == "1");
        layer.after.push(row[7] == "1");
    }
    events
}

/// The released run: 100 steps, an event every 5, from dense to 90 % at step 50.
fn granet() -> GraNetConfig {
    GraNetConfig::new(0.9, 100)
        .with_update_every(5)
        .with_prune_until(Some(50))
}

fn count(flags: &[bool]) -> usize {
    flags.iter().filter(|flag| **flag).count()
}

#[test]
fn pruning_keeps_what_the_released_code_keeps_and_the_weight_on_its_threshold() {
    let schedule = granet().method().unwrap();
    let prune = granet().with_swap_start(0.0).with_swap_end(0.0).method();
    let prune = prune.unwrap();
    for (step, decided) in events() {
        let layer = |d: &Decided| Layer::new(d.weights.clone(), vec![], d.before.clone());
        let mut layers: Vec<Layer> = decided.iter().map(layer).collect();
        let (index, seed) = (0, 0);
        prune
            .update(&Event { step, index, seed }, &mut layers)
            .unwrap();
        let ours: usize = layers.iter().map(Layer::count).sum();
        let theirs: usize = decided.iter().map(|d| count(&d.pruned)).sum();
        let total: usize = decided.iter().map(|d| d.before.len()).sum();
        if step < 50 {
            // It compares by `>` with the smallest weight that it means to keep.
            assert_eq!(ours, density::keep(total, schedule.sparsity(step)));
            assert_eq!(ours, theirs + 1, "step {step}");
            for (layer, d) in layers.iter().zip(&decided) {
                let all = layer.active.iter().zip(&d.pruned);
                assert!(all.into_iter().all(|(ours, theirs)| *ours | !theirs));
            }
        } else {
            // Its schedule ends one event early, at .8991; ours reaches .9.
            assert_eq!(theirs, (total as f64 * (1.0 - 0.8991)) as usize - 1);
            assert_eq!(density::keep(total, schedule.sparsity(step)), total / 10);
        }
    }
}

#[test]
fn drops_and_growth_are_those_of_the_released_code() {
    let schedule = granet().method().unwrap();
    let mut swapped = 0;
    for (step, decided) in events() {
        for d in decided {
            let mut layer = Layer::new(d.weights, d.gradient, d.pruned.clone());
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
            let share = schedule.swap_fraction(step);
            let grown = layer.swap(
                DropRule::Magnitude,
                share,
                Rounding::Up,
                GrowthRule::Gradient,
                &mut rng,
            );
            let expected = (share * count(&d.pruned) as f64).ceil() as usize;
            assert_eq!(grown.unwrap(), expected, "step {step}");
            assert_eq!(layer.active, d.after, "step {step}");
            // What is dropped and grown again starts at zero; the released code keeps its value.
            assert_eq!(count(&layer.kept), count(&d.pruned) - expected);
            swapped += expected;
        }
    }
    assert!(swapped > 100);
}
