//! Balance losses against hand-worked values, their minima, and micro-batches split over threads.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use proptest::prelude::*;
use regimen_moe::balance::*;
use regimen_moe::*;
use regimen_tensor::reduce::Thread;

use super::dense::{assert_near, gradients};

/// A softmax router's record of rows of logits.
fn routing(rows: Tensor<2>, top_k: usize) -> Routing {
    let ([tokens, experts], device) = (rows.dims(), rows.device());
    let router = SoftmaxRouterConfig::new()
        .init(2, experts, top_k, &device)
        .unwrap();
    let gating = router.gate(rows);
    let mut routing = Routing {
        gating,
        counts: Tensor::zeros([experts], &device),
        dropped: Tensor::zeros([1], &device),
        tokens: Tensor::full([1], tokens as f64, &device),
        valid: None,
        shape: [1, tokens],
    };
    routing.counts = assignments(&routing).sum_dim(0).reshape([experts]);
    routing
}

/// The same, from rows of probabilities.
fn of_probabilities<const N: usize, const E: usize>(rows: [[f32; E]; N], k: usize) -> Routing {
    routing(Tensor::from_data(rows, &Device::flex()).log(), k)
}

fn one(loss: Tensor<1>) -> f32 {
    loss.into_scalar::<f32>()
}

fn balance(routing: &Routing) -> f32 {
    one(load_balancing_loss(&Load::of(routing)))
}

fn near(found: f32, expected: f32) {
    assert!(
        (found - expected).abs() < 2e-6 * expected.abs().max(1.0),
        "{found} {expected}"
    );
}

#[test]
fn losses_of_the_catalogue() {
    let logits = [
        [2.0, 1.0, 0.0, -1.0],
        [0.0, 3.0, 1.0, 0.0],
        [1.0, 1.5, 0.0, 2.0],
        [2.5, 0.0, 0.0, 0.0],
    ];
    let rows = Tensor::<2>::from_data(logits, &Device::flex());
    near(balance(&routing(rows.clone(), 1)), 1.333_564_4);
    let two = routing(rows, 2);
    assert_near(
        "counts",
        &two.counts.clone().try_into_vec_as::<f32>().unwrap(),
        &[2.0, 4.0, 1.0, 1.0],
        0.0,
    );
    near(balance(&two), 1.232_631_1);
    near(balance(&two) * 2.0, 2.465_262_1);
    near(one(z_loss(&two)), 7.801_960_4);
}

#[test]
fn the_z_loss_has_the_gradient_of_the_squared_logarithm() {
    let device = Device::flex().autodiff();
    let z = Tensor::<2>::from_data([[2.0, 1.0, 0.0, -1.0]], &device).require_grad();
    let loss = z_loss(&routing(z.clone(), 2));
    near(loss.clone().into_scalar::<f32>(), 5.954_525_8);
    let grad = z
        .grad(&loss.backward())
        .unwrap()
        .try_into_vec_as::<f32>()
        .unwrap();
    assert_near(
        "z",
        &grad,
        &[3.142_545_9, 1.156_078, 0.425_297_34, 0.156_458_15],
        1e-6,
    );
}

#[test]
fn micro_and_global_of_the_paper() {
    let (a, b) = ([0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]);
    let (c, d) = ([0.1, 0.1, 0.7, 0.1], [0.1, 0.1, 0.1, 0.7]);
    let batches = [[a, a, b, b], [c, c, d, d]].map(|rows| of_probabilities(rows, 1));
    let loads = batches.each_ref().map(Load::of);
    near(one(load_balancing_loss(&loads[0])), 1.6);
    near(one(load_balancing_loss(&loads[1])), 1.6);
    let [first, second] = loads.clone();
    near(one(load_balancing_loss(&first.plus(second))), 1.0);
    let mut buffer = GlobalBalance::new();
    near(one(buffer.loss(&loads[0]).unwrap()), 1.6);
    near(one(buffer.loss(&loads[1]).unwrap()), 1.0);
    assert_eq!(buffer.end_step(), [2.0; 4]);
    near(one(buffer.loss(&loads[1]).unwrap()), 1.6);
}

#[test]
fn gradients_of_micro_and_global_loss() {
    let device = Device::flex().autodiff();
    let (a, b) = ([0.7_f32, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]);
    let grad = |other: [f32; 4]| {
        let z = Tensor::<2>::from_data([a, a, b, b], &device)
            .log()
            .detach()
            .require_grad();
        let load = Load::of(&routing(z.clone(), 1));
        let others = Tensor::<1>::from_data(other, &device);
        let counts = load.counts.clone() + others;
        let loss = load_balancing_loss(&Load { counts, ..load });
        let grads = z.grad(&loss.backward()).unwrap();
        grads.try_into_vec_as::<f32>().unwrap()[..4].to_vec()
    };
    assert_near("micro", &grad([0.0; 4]), &[0.07, 0.01, -0.04, -0.04], 1e-5);
    let whole = grad([0.0, 0.0, 2.0, 2.0]);
    assert!(whole.iter().all(|g| g.abs() < 1e-7), "{whole:?}");
}

#[test]
fn more_values_of_the_paper() {
    let row = [0.97, 0.01, 0.01, 0.01];
    near(balance(&of_probabilities([row; 4], 1)), 3.88);
    let even = [
        [0.4, 0.3, 0.2, 0.1],
        [0.3, 0.4, 0.1, 0.2],
        [0.2, 0.1, 0.4, 0.3],
        [0.1, 0.2, 0.3, 0.4],
    ];
    near(balance(&of_probabilities(even, 2)), 1.0);
    let skew = [0.5, 0.3, 0.15, 0.05];
    near(
        balance(&of_probabilities(
            [skew, skew, skew, [0.05, 0.15, 0.3, 0.5]],
            2,
        )),
        1.15,
    );
}

#[test]
fn sequence_loss_of_the_check() {
    let scores = [
        [0.8, 0.6, 0.4, 0.2],
        [0.7, 0.3, 0.5, 0.5],
        [0.2, 0.9, 0.1, 0.8],
    ];
    let sums = [2.0, 2.0, 2.0];
    let rows = std::array::from_fn::<[f32; 4], 3, _>(|i| scores[i].map(|s: f32| s / sums[i]));
    let mut routing = of_probabilities(rows, 2);
    near(one(sequence_balancing_loss(&routing)), 1.055_555_6);
    // Two equal sequences have the same mean; padding of a third changes nothing.
    let [a, b, c] = rows;
    routing = of_probabilities([a, b, c, a, b, c], 2);
    routing.shape = [2, 3];
    near(one(sequence_balancing_loss(&routing)), 1.055_555_6);
    routing.valid = Some(Tensor::from_data(
        [1.0, 1.0, 1.0, 0.0, 0.0, 0.0],
        &Device::flex(),
    ));
    near(one(sequence_balancing_loss(&routing)), 1.055_555_6);
}

#[test]
fn each_loss_has_its_documented_minimum_at_balance() {
    // Every expert has one token that is as sure of it as the others are of theirs.
    let device = Device::flex();
    let rows = Tensor::<2>::eye(4, &device) * 3.0;
    let even = routing(rows, 1);
    near(balance(&even), 1.0);
    near(one(sequence_balancing_loss(&even)), 1.0);
    assert!(one(importance_loss(&even)).abs() < 1e-10);
    let mut buffer = GlobalBalance::new();
    near(one(buffer.loss(&Load::of(&even)).unwrap()), 1.0);
    let equal = routing(Tensor::full([4, 4], -(4f64.ln()), &device), 1);
    assert!(one(z_loss(&equal)) < 1e-12);
    let noisy = NoisyScores {
        clean: Tensor::eye(4, &device),
        noisy: Tensor::eye(4, &device),
        deviation: Tensor::ones([4, 4], &device),
    };
    let mut record = routing(Tensor::eye(4, &device), 1);
    record.gating.noisy = Some(noisy);
    assert!(one(noisy_load_loss(&record).unwrap()).abs() < 1e-10);
}

proptest! {
    #[test]
    fn equally_ordered_loads_cost_at_least_one(mut weights in proptest::collection::vec(0.01_f64..1.0, 2..9)) {
        weights.sort_by(f64::total_cmp);
        let tensor = |values: &[f64]| {
            let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
            Tensor::<1>::from_floats(values.as_slice(), &Device::flex())
        };
        let total: f64 = weights.iter().sum();
        let shares: Vec<f64> = weights.iter().map(|w| w / total).collect();
        let squares: Vec<f64> = weights.iter().map(|w| (w * 100.0).powi(2).floor() + 1.0).collect();
        let load = Load {
            counts: tensor(&squares),
            probabilities: tensor(&shares),
            tokens: Tensor::ones([1], &Device::flex()),
        };
        let loss = one(load_balancing_loss(&load));
        prop_assert!(loss >= 1.0 - 1e-5 && loss <= weights.len() as f32 + 1e-4);
    }
}

#[test]
fn threads_with_micro_batches_equal_one_device_with_the_whole() {
    let device = Device::flex().autodiff();
    device.seed(9);
    let (participants, micro) = (3, 20);
    let moe = MoeConfig::new(8, 8, 6, 2).init(&device).unwrap();
    let x = Tensor::<3>::random(
        [participants, micro, 8],
        Distribution::Normal(0.3, 1.0),
        &device,
    );
    // The participants have unequal numbers of tokens that are no padding.
    let lengths = [20, 13, 6];
    let padding = |row: usize| -> Vec<bool> { (0..micro).map(|i| i >= lengths[row]).collect() };
    let tokens = |rows: std::ops::Range<usize>| {
        let count = rows.len();
        let flat: Vec<bool> = rows.flat_map(padding).collect();
        let data = burn::tensor::TensorData::new(flat, [count, micro]);
        Tokens {
            padding: Some(Tensor::from_data(data, &device)),
            ids: None,
        }
    };
    let router = |moe: &Moe, loss: Tensor<1>| {
        let grads = gradients(moe, loss.backward());
        grads
            .into_iter()
            .find(|(path, _)| path.contains("router"))
            .unwrap()
            .1
    };
    let (_, whole) = moe
        .forward_with(x.clone(), tokens(0..participants))
        .unwrap();
    let expected_loss = one(load_balancing_loss(&Load::of(&whole)));
    let expected = router(&moe, load_balancing_loss(&Load::of(&whole)));
    let results: Vec<(f32, Vec<f32>)> = std::thread::scope(|scope| {
        let threads = Thread::group(participants).into_iter().enumerate();
        let handles: Vec<_> = threads
            .map(|(i, thread)| {
                let (moe, x, tokens) = (moe.clone(), x.clone(), tokens(i..i + 1));
                scope.spawn(move || {
                    let mut balance = GlobalBalance::over(Arc::new(thread));
                    let (_, part) = moe.forward_with(x.narrow(0, i, 1), tokens).unwrap();
                    let loss = balance.loss(&Load::of(&part)).unwrap();
                    (one(loss.clone()), router(&moe, loss))
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap())
            .collect()
    });
    let share = 1.0 / participants as f32;
    near(
        results.iter().map(|(loss, _)| loss * share).sum(),
        expected_loss,
    );
    let mut mean = vec![0.0; expected.len()];
    for (_, grad) in &results {
        mean.iter_mut()
            .zip(grad)
            .for_each(|(sum, g)| *sum += g * share);
    }
    assert_near("router", &mean, &expected, 1e-5);
}

#[test]
fn the_buffer_resumes_and_refuses_what_is_wrong() {
    let load = Load::of(&of_probabilities([[0.7, 0.3], [0.6, 0.4], [0.2, 0.8]], 1));
    let mut straight = GlobalBalance::new();
    let _ = straight.loss(&load).unwrap();
    let text = serde_json::to_string(&straight.state()).unwrap();
    let mut resumed = GlobalBalance::new();
    resumed
        .restore(serde_json::from_str(&text).unwrap())
        .unwrap();
    assert_eq!(
        one(straight.loss(&load).unwrap()),
        one(resumed.loss(&load).unwrap())
    );
    assert_eq!(straight.counts(), [4.0, 2.0]);
    let other = Load::of(&of_probabilities([[0.5, 0.3, 0.2]], 1));
    assert!(
        straight
            .loss(&other)
            .unwrap_err()
            .to_string()
            .contains("[2] as before")
    );
    let bad = BalanceState {
        counts: vec![f64::NAN],
    };
    assert!(resumed.restore(bad).is_err());
    let nan = Load {
        counts: load.counts.clone() * f32::NAN,
        ..load
    };
    assert!(straight.loss(&nan).is_err());
}

#[test]
fn bias_updates_of_the_check() {
    let loads = [10.0, 2.0, 4.0, 4.0, 6.0, 1.0, 3.0, 2.0];
    let update = BiasUpdateConfig::new().init().unwrap();
    let expected = [-1e-3, 1e-3, 0.0, 0.0, -1e-3, 1e-3, 1e-3, 1e-3];
    assert_eq!(update.changes(&loads).unwrap(), expected);
    assert!(update.changes(&[1.0, f64::NAN]).is_err());
    assert!(BiasUpdateConfig::new().with_rate(-1.0).init().is_err());
    let device = Device::flex().autodiff();
    let router = RouterConfig::Sigmoid(SigmoidRouterConfig::new());
    let config = MoeConfig::new(4, 4, 8, 2).with_router(router);
    let moe = config.init(&device).unwrap();
    assert!(update.step(moe.clone(), &loads[..3]).is_err());
    assert!(
        update
            .step(MoeConfig::new(4, 4, 8, 2).init(&device).unwrap(), &loads)
            .is_err()
    );
    let moe = update
        .step(update.step(moe, &loads).unwrap(), &loads)
        .unwrap();
    let bias = |moe: &Moe| {
        let Router::Sigmoid(router) = &moe.router else {
            panic!()
        };
        assert!(!router.bias.is_require_grad());
        router.bias.val().try_into_vec_as::<f32>().unwrap()
    };
    assert_near("bias", &bias(&moe), &expected.map(|c| 2.0 * c as f32), 1e-6);
    let record = moe.clone().into_record().into_bytes().unwrap();
    let record = burn::store::ModuleRecord::from_bytes(record).unwrap();
    let resumed = config.init(&device).unwrap().load_record(record);
    assert_eq!(bias(&resumed), bias(&moe));
}

#[test]
fn statistics_of_loads() {
    let load = LoadStatistics::of(&[10.0, 2.0, 4.0, 4.0, 6.0, 1.0, 3.0, 2.0]).unwrap();
    assert_eq!(load.violation, 1.5);
    let even = LoadStatistics::of(&[3.0; 5]).unwrap();
    assert!(
        even.violation.abs() < 1e-12
            && (even.entropy - 1.0).abs() < 1e-12
            && even.squared_variation == 0.0
    );
    let one = LoadStatistics::of(&[0.0, 8.0]).unwrap();
    assert_eq!(
        (one.violation, one.entropy, one.idle, one.largest_share),
        (1.0, 0.0, 0.5, 1.0)
    );
    assert!(
        (LoadStatistics::of(&[3.0, 1.0, 2.0, 2.0])
            .unwrap()
            .squared_variation
            - 0.125)
            .abs()
            < 1e-12
    );
    for bad in [
        &[][..],
        &[0.0, 0.0],
        &[f64::NAN],
        &[-1.0, 2.0],
        &[f64::INFINITY],
    ] {
        assert!(LoadStatistics::of(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn importance_variation_is_the_unbiased_one() {
    // Importances 3, 1, 2, 2: eight tokens with one expert each, gates 1.
    let device = Device::flex();
    let mut record = routing(Tensor::<2>::zeros([8, 4], &device), 1);
    let experts = Tensor::from_data([[0_i64], [0], [0], [1], [2], [2], [3], [3]], &device);
    record.gating.choices = Choices::ByToken(experts);
    record.gating.gates = Tensor::ones([8, 1], &device);
    near(one(importance_loss(&record)), 0.166_666_67);
}

#[test]
fn specialisation_by_domain() {
    let mut table = Specialisation::new(2, 4).unwrap();
    table.add(0, &[4.0, 4.0, 0.0, 0.0]).unwrap();
    table.add(1, &[0.0, 0.0, 6.0, 2.0]).unwrap();
    assert_eq!(table.frequencies(1), [0.0, 0.0, 0.75, 0.25]);
    assert_eq!(table.top_frequency(), 0.625);
    assert!((table.mutual_information() - 2f64.ln()).abs() < 1e-12);
    assert_eq!(table.totals(), [4.0, 4.0, 6.0, 2.0]);
    let mut same = Specialisation::new(2, 2).unwrap();
    same.add(0, &[1.0, 3.0]).unwrap();
    same.add(1, &[2.0, 6.0]).unwrap();
    assert!(same.mutual_information().abs() < 1e-12);
    assert!(same.add(2, &[1.0, 1.0]).is_err());
    assert!(same.add(0, &[1.0]).is_err());
    assert!(same.add(0, &[f64::NAN, 1.0]).is_err());
    assert!(Specialisation::new(0, 2).is_err());
}
