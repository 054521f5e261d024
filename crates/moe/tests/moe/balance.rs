//! Balance losses by hand-worked values, at balance, and over threads.

use std::sync::Arc;

use approx::assert_abs_diff_eq;
use burn::tensor::{Device, Distribution, Int, Tensor};
use regimen_moe::balance::*;
use regimen_moe::*;
use regimen_tensor::reduce::{Reducer, Thread};

use crate::routers::{softmax_router, values};

/// The record of tokens in one sequence.
fn routing_of(gating: Gating) -> Routing {
    let [tokens, experts] = gating.probabilities.dims();
    let device = gating.probabilities.device();
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

fn by_logits<const T: usize, const E: usize>(rows: [[f32; E]; T], top_k: usize) -> Routing {
    let logits = Tensor::<2>::from_data(rows, &Device::flex());
    routing_of(softmax_router(top_k, top_k > 1, E).gate(logits))
}

fn by_probabilities<const T: usize, const E: usize>(rows: [[f32; E]; T], top_k: usize) -> Routing {
    by_logits(rows.map(|row| row.map(f32::ln)), top_k)
}

fn loss(routing: &Routing) -> f32 {
    scalar(load_balancing_loss(&Load::of(routing)))
}

fn scalar(tensor: Tensor<1>) -> f32 {
    values(tensor)[0]
}

const LOGITS: [[f32; 4]; 4] = [
    [2.0, 1.0, 0.0, -1.0],
    [0.0, 3.0, 1.0, 0.0],
    [1.0, 1.5, 0.0, 2.0],
    [2.5, 0.0, 0.0, 0.0],
];
const A: [[f32; 4]; 4] = [
    [0.7, 0.1, 0.1, 0.1],
    [0.7, 0.1, 0.1, 0.1],
    [0.1, 0.7, 0.1, 0.1],
    [0.1, 0.7, 0.1, 0.1],
];
const B: [[f32; 4]; 4] = [
    [0.1, 0.1, 0.7, 0.1],
    [0.1, 0.1, 0.7, 0.1],
    [0.1, 0.1, 0.1, 0.7],
    [0.1, 0.1, 0.1, 0.7],
];

#[test]
fn load_balancing_and_z_loss() {
    assert_abs_diff_eq!(loss(&by_logits(LOGITS, 1)), 1.333_564_4, epsilon = 1e-6);
    let two = by_logits(LOGITS, 2);
    assert_eq!(values(two.counts.clone()), [2.0, 4.0, 1.0, 1.0]);
    assert_abs_diff_eq!(loss(&two), 1.232_631, epsilon = 1e-6);
    assert_abs_diff_eq!(scalar(two.losses().z), 7.801_960_4, epsilon = 1e-5);
    assert_abs_diff_eq!(
        loss(&by_probabilities([[0.97, 0.01, 0.01, 0.01]; 4], 1)),
        3.88,
        epsilon = 1e-5
    );
    let even = [
        [0.4, 0.3, 0.2, 0.1],
        [0.3, 0.4, 0.1, 0.2],
        [0.2, 0.1, 0.4, 0.3],
        [0.1, 0.2, 0.3, 0.4],
    ];
    assert_abs_diff_eq!(loss(&by_probabilities(even, 2)), 1.0, epsilon = 1e-6);
    let row = [0.5, 0.3, 0.15, 0.05];
    let uneven = [row, row, row, [0.05, 0.15, 0.3, 0.5]];
    assert_abs_diff_eq!(loss(&by_probabilities(uneven, 2)), 1.15, epsilon = 1e-6);
}

#[test]
fn the_gradient_of_the_z_loss_is_twice_the_logarithm_times_the_probabilities() {
    let device = Device::flex().autodiff();
    let logits = Tensor::<2>::from_data([[2.0, 1.0, 0.0, -1.0]], &device).require_grad();
    let router = SoftmaxRouterConfig::new().init(4, 4, 2, &device).unwrap();
    let z = z_loss(&routing_of(router.gate(logits.clone())));
    assert_abs_diff_eq!(scalar(z.clone()), 5.954_525_8, epsilon = 1e-5);
    let grad = values(logits.grad(&z.backward()).unwrap());
    for (found, expected) in grad
        .iter()
        .zip([3.142_545_9, 1.156_078, 0.425_297_34, 0.156_458_15])
    {
        assert_abs_diff_eq!(*found, expected, epsilon = 1e-5);
    }
}

#[test]
fn importance_and_sequences() {
    let device = Device::flex();
    let choices = Tensor::<2, Int>::from_ints([[0], [0], [0], [1], [2], [2], [3], [3]], &device);
    let mut routing = by_logits([[0.0; 4]; 8], 1);
    routing.gating.choices = Choices::ByToken(choices);
    routing.gating.gates = Tensor::ones([8, 1], &device);
    assert_abs_diff_eq!(scalar(importance_loss(&routing)), 1.0 / 6.0, epsilon = 1e-6);

    let scores = [
        [0.8, 0.6, 0.4, 0.2],
        [0.7, 0.3, 0.5, 0.5],
        [0.2, 0.9, 0.1, 0.8],
    ];
    let logits = scores.map(|row| row.map(|s: f32| (s / (1.0 - s)).ln()));
    let router = SigmoidRouterConfig::new().init(4, 4, 2, &device).unwrap();
    let routing = routing_of(router.gate(Tensor::from_data(logits, &device)));
    assert_eq!(values(routing.counts.clone()), [2.0, 2.0, 1.0, 1.0]);
    assert_abs_diff_eq!(
        scalar(sequence_balancing_loss(&routing)),
        1.055_555_6,
        epsilon = 1e-6
    );
}

#[test]
fn every_loss_has_its_minimum_at_balance() {
    let device = Device::flex();
    // Equal logits: ties send every token to the first expert, yet uniform probabilities alone give exactly 1.
    let uniform = by_logits([[-4f32.ln(); 4]; 4], 1);
    assert_eq!(loss(&uniform), 1.0);
    assert_eq!(scalar(sequence_balancing_loss(&uniform)), 1.0);
    assert_abs_diff_eq!(scalar(z_loss(&uniform)), 0.0, epsilon = 1e-12);
    // Each expert has one token of the same gate.
    let one_each = [
        [3.0, 0.0, 0.0, 0.0],
        [0.0, 3.0, 0.0, 0.0],
        [0.0, 0.0, 3.0, 0.0],
        [0.0, 0.0, 0.0, 3.0],
    ];
    let balanced = by_logits(one_each, 1);
    assert_eq!(values(balanced.counts.clone()), [1.0; 4]);
    assert_abs_diff_eq!(loss(&balanced), 1.0, epsilon = 1e-6);
    assert_abs_diff_eq!(
        scalar(GlobalBalance::new().loss(&Load::of(&balanced)).unwrap()),
        1.0,
        epsilon = 1e-6
    );
    assert_eq!(scalar(importance_loss(&balanced)), 0.0);
    assert_eq!(LoadStatistics::of(&[1.0; 4]).unwrap().violation, 0.0);
    // The noisy router starts from equal scores; without noise drawn every expert expects the same.
    let router = NoisyRouterConfig::new().init(4, 4, 2, &device).unwrap();
    let noise = (
        Tensor::zeros([4, 4], &device),
        Tensor::ones([4, 4], &device),
    );
    let even = routing_of(router.gate(Tensor::zeros([4, 4], &device), Some(noise)));
    assert_eq!(scalar(noisy_load_loss(&even).unwrap()), 0.0);
}

/// Opposite orders of counts and probabilities: documented to go below 1.
#[test]
fn the_loss_can_fall_below_one() {
    let device = Device::flex();
    let load = Load {
        counts: Tensor::from_floats([24.0, 25.0, 25.0, 26.0], &device),
        probabilities: Tensor::from_floats([26.0, 25.0, 25.0, 24.0], &device),
        tokens: Tensor::from_floats([100.0], &device),
    };
    assert_abs_diff_eq!(scalar(load_balancing_loss(&load)), 0.9992, epsilon = 1e-6);
}

#[test]
fn micro_global_and_buffered_losses() {
    let (a, b) = (by_probabilities(A, 1), by_probabilities(B, 1));
    assert_abs_diff_eq!(loss(&a), 1.6, epsilon = 1e-6);
    let both = Load::of(&a).plus(Load::of(&b)).unwrap();
    assert_abs_diff_eq!(scalar(load_balancing_loss(&both)), 1.0, epsilon = 1e-6);
    let mut buffer = GlobalBalance::new();
    for _step in 0..2 {
        assert_abs_diff_eq!(
            scalar(buffer.loss(&Load::of(&a)).unwrap()),
            1.6,
            epsilon = 1e-6
        );
        // Stopped and gone on with in the middle of the step.
        let text = serde_json::to_string(&buffer.state().unwrap()).unwrap();
        buffer = GlobalBalance::new();
        buffer
            .restore(serde_json::from_str(&text).unwrap())
            .unwrap();
        assert_abs_diff_eq!(
            scalar(buffer.loss(&Load::of(&b)).unwrap()),
            1.0,
            epsilon = 1e-6
        );
        assert_eq!(buffer.counts().unwrap(), [2.0; 4]);
        assert_eq!(buffer.end_step().unwrap(), [2.0; 4]);
        assert!(buffer.counts().unwrap().is_empty());
    }
}

#[test]
fn gradients_of_micro_and_global_losses() {
    let device = Device::flex().autodiff();
    let router = SoftmaxRouterConfig::new().init(4, 4, 1, &device).unwrap();
    let grad_of_a = |seen_before: bool| {
        let logits = Tensor::<2>::from_data(A.map(|row| row.map(f32::ln)), &device).require_grad();
        let balance = GlobalBalance::new();
        if seen_before {
            balance.loss(&Load::of(&by_probabilities(B, 1))).unwrap();
        }
        let routing = routing_of(router.gate(logits.clone()));
        let grads = balance.loss(&Load::of(&routing)).unwrap().backward();
        values(logits.grad(&grads).unwrap())[..4].to_vec()
    };
    for (found, expected) in grad_of_a(false).iter().zip([0.07, 0.01, -0.04, -0.04]) {
        assert_abs_diff_eq!(*found, expected, epsilon = 1e-6);
    }
    for found in grad_of_a(true) {
        assert_abs_diff_eq!(found, 0.0, epsilon = 1e-6);
    }
}

/// The loss of a mixture and the gradient of its router, with some tokens of each sequence as padding.
fn loss_and_gradient(
    moe: &Moe,
    x: Tensor<3>,
    lengths: &[usize],
    balance: &GlobalBalance,
) -> (f32, Vec<f32>) {
    let [batch, seq, _] = x.dims();
    let device = x.device();
    let padding: Vec<bool> = (0..batch * seq)
        .map(|i| i % seq >= lengths[i / seq])
        .collect();
    let padding = Tensor::<1, burn::tensor::Bool>::from_bool(padding.as_slice(), &device);
    let tokens = Tokens {
        padding: Some(padding.reshape([batch, seq])),
        ids: None,
    };
    let (_, routing) = moe.forward_with(x, tokens).unwrap();
    let loss = balance.loss(&Load::of(&routing)).unwrap();
    let value = scalar(loss.clone().inner());
    let grads = loss.backward();
    (
        value,
        values(moe.router.weight().unwrap().grad(&grads).unwrap()),
    )
}

#[test]
fn threads_with_micro_batches_equal_one_device_with_the_whole_batch() {
    let device = Device::flex().autodiff();
    device.seed(6);
    let moe = MoeConfig::new(8, 8, 5, 2).init(&device).unwrap();
    let x = Tensor::<3>::random([6, 7, 8], Distribution::Normal(0.0, 1.0), &device);
    for lengths in [[7; 6], [7, 3, 1, 5, 7, 2]] {
        let whole = loss_and_gradient(&moe, x.clone(), &lengths, &GlobalBalance::new());
        let parts: Vec<(f32, Vec<f32>)> = std::thread::scope(|scope| {
            let threads = Thread::group(3).into_iter().enumerate();
            let handles: Vec<_> = threads
                .map(|(i, thread)| {
                    let (moe, x) = (moe.clone(), x.clone().narrow(0, 2 * i, 2));
                    let lengths = lengths[2 * i..2 * i + 2].to_vec();
                    scope.spawn(move || {
                        let reducer: Arc<dyn Reducer> = Arc::new(thread);
                        let balance = GlobalBalance::over(reducer);
                        loss_and_gradient(&moe, x, &lengths, &balance)
                    })
                })
                .collect();
            handles
                .into_iter()
                .map(|handle| handle.join().unwrap())
                .collect()
        });
        let mean = parts.iter().map(|(loss, _)| loss).sum::<f32>() / 3.0;
        assert_abs_diff_eq!(mean, whole.0, epsilon = 1e-6);
        let gradient: Vec<f32> = (0..whole.1.len())
            .map(|i| parts.iter().map(|(_, grad)| grad[i]).sum::<f32>() / 3.0)
            .collect();
        crate::dense::assert_near("router", &gradient, &whole.1, 1e-5);
        // The pieces by themselves are another loss.
        assert!(parts.iter().any(|(loss, _)| (loss - whole.0).abs() > 1e-3));
    }
}

#[test]
fn bias_update() {
    let update = BiasUpdateConfig::new().init().unwrap();
    let loads = [10.0, 2.0, 4.0, 4.0, 6.0, 1.0, 3.0, 2.0];
    let expected = [-1e-3, 1e-3, 0.0, 0.0, -1e-3, 1e-3, 1e-3, 1e-3];
    assert_eq!(update.changes(&loads).unwrap(), expected);
    let device = Device::flex().autodiff();
    let router = RouterConfig::Sigmoid(SigmoidRouterConfig::new());
    let moe = MoeConfig::new(4, 4, 8, 2)
        .with_router(router)
        .init(&device)
        .unwrap();
    let moe = update
        .step(update.step(moe, &loads).unwrap(), &loads)
        .unwrap();
    let Router::Sigmoid(router) = &moe.router else {
        panic!()
    };
    for (found, expected) in values(router.bias.val()).iter().zip(expected) {
        // Centred: the mean change is a quarter of the rate.
        assert_abs_diff_eq!(
            f64::from(*found),
            2.0 * (expected - 0.25e-3),
            epsilon = 1e-8
        );
    }
    assert!(update.step(moe.clone(), &loads[1..]).is_err());
    assert!(update.changes(&[1.0, f64::NAN]).is_err());
    assert!(BiasUpdateConfig::new().with_rate(f64::NAN).init().is_err());
    let grads = moe
        .forward(Tensor::ones([1, 3, 4], &device))
        .0
        .sum()
        .backward();
    let paths = crate::dense::gradients(&moe, grads);
    assert!(
        paths
            .iter()
            .all(|(path, _)| !path.ends_with("router.Sigmoid.bias")),
        "{paths:?}"
    );
    // A softmax router has such a bias if it is asked for.
    let other = MoeConfig::new(4, 4, 8, 2).init(&device).unwrap();
    assert!(update.step(other, &loads).is_err());
    let router = SoftmaxRouterConfig::new().with_selection_bias(true);
    let router = router.init(4, 4, 2, &device).unwrap();
    let logits = Tensor::<2>::from_data([[4f32, 3.0, 2.0, 1.0].map(f32::ln)], &device);
    let plain = router.gate(logits.clone());
    // Probabilities .4, .3, .2, .1: a bias of .25 for the last makes it second, at a gate of its own probability.
    let update = BiasUpdateConfig::new().with_rate(0.125).init().unwrap();
    let mut moved = Router::Softmax(router);
    for _ in 0..2 {
        moved = update.step_router(moved, &[1.0, 1.0, 1.0, 0.2]).unwrap();
    }
    let Router::Softmax(moved) = moved else {
        panic!()
    };
    assert_eq!(
        values(moved.bias.as_ref().unwrap().val()),
        [-0.125, -0.125, -0.125, 0.375]
    );
    let biased = moved.gate(logits);
    let gates = |gating: &Gating| values(gating.gates.clone());
    for (found, expected) in gates(&plain).iter().zip([4.0 / 7.0, 3.0 / 7.0]) {
        assert_abs_diff_eq!(*found, expected, epsilon = 1e-6);
    }
    for (found, expected) in gates(&biased).iter().zip([0.2, 0.8]) {
        assert_abs_diff_eq!(*found, expected, epsilon = 1e-6);
    }
    let same = values(biased.probabilities) == values(plain.probabilities);
    assert!(same);
}

#[test]
fn statistics_and_specialisation() {
    let one = LoadStatistics::of(&[8.0, 0.0, 0.0, 0.0]).unwrap();
    assert_eq!(
        [one.violation, one.largest_share, one.idle, one.entropy],
        [3.0, 1.0, 0.75, 0.0]
    );
    assert_abs_diff_eq!(
        LoadStatistics::of(&[3.0, 1.0, 2.0, 2.0])
            .unwrap()
            .squared_variation,
        0.125,
        epsilon = 1e-12
    );
    for bad in [
        vec![],
        vec![0.0, 0.0],
        vec![1.0, -1.0],
        vec![f64::NAN],
        vec![f64::INFINITY],
    ] {
        assert!(LoadStatistics::of(&bad).is_err(), "{bad:?}");
    }
    let mut table = Specialisation::new(2, 2).unwrap();
    table.add(0, &[4.0, 0.0]).unwrap();
    table.add(1, &[0.0, 9.0]).unwrap();
    assert_abs_diff_eq!(table.mutual_information(), 2f64.ln(), epsilon = 1e-12);
    assert_eq!(table.top_frequency(), 1.0);
    assert_eq!(table.totals(), [4.0, 9.0]);
    // A domain that was never seen says nothing.
    let mut half = Specialisation::new(2, 2).unwrap();
    assert_eq!([half.mutual_information(), half.top_frequency()], [0.0; 2]);
    half.add(0, &[1.0, 1.0]).unwrap();
    assert_eq!(
        [half.mutual_information(), half.top_frequency()],
        [0.0, 0.5]
    );
    let text = serde_json::to_string(&table).unwrap();
    assert_eq!(table, serde_json::from_str(&text).unwrap());
    for bad in ["[]", "[[]]", "[[1.0], [1.0, 2.0]]", "[[-1.0]]"] {
        let text = format!("{{\"counts\": {bad}}}");
        assert!(serde_json::from_str::<Specialisation>(&text).is_err());
    }
    assert!(table.add(2, &[1.0, 1.0]).is_err());
    assert!(table.add(0, &[1.0]).is_err());
    assert!(table.add(0, &[1.0, f64::NAN]).is_err());
}

#[test]
fn a_balance_refuses_what_it_cannot_count() {
    let balance = GlobalBalance::new();
    balance.loss(&Load::of(&by_logits(LOGITS, 1))).unwrap();
    assert!(
        balance
            .loss(&Load::of(&by_logits([[0.0; 3]; 2], 1)))
            .is_err()
    );
    assert!(
        balance
            .restore(BalanceState {
                counts: vec![f64::NAN]
            })
            .is_err()
    );
    let mut load = Load::of(&by_logits(LOGITS, 1));
    load.counts = load.counts * f32::NAN;
    let balance = GlobalBalance::new();
    balance.loss(&load).unwrap();
    assert!(balance.state().is_err());
    assert!(balance.end_step().is_err());
    assert!(balance.counts().unwrap().is_empty());
    let [few, many] = [
        Load::of(&by_logits([[0.0; 3]; 2], 1)),
        Load::of(&by_logits(LOGITS, 1)),
    ];
    assert!(few.clone().plus(many.clone()).is_err());
    let mixed = Load {
        probabilities: many.probabilities,
        ..few
    };
    assert!(GlobalBalance::new().loss(&mixed).is_err());
}

/// Loads of one busy expert and three idle ones would move the mean by half the rate a step.
#[test]
fn biases_stay_centred() {
    let device = Device::flex();
    let update = BiasUpdateConfig::new().init().unwrap();
    let config = RouterConfig::Sigmoid(SigmoidRouterConfig::new());
    let mut router = config.init(4, 4, 2, &device).unwrap();
    for _ in 0..10_000 {
        router = update.step_router(router, &[97.0, 1.0, 1.0, 1.0]).unwrap();
    }
    let Router::Sigmoid(router) = router else {
        panic!()
    };
    let bias = values(router.bias.val());
    assert!(bias.iter().sum::<f32>().abs() / 4.0 < 1e-4, "{bias:?}");
    assert_abs_diff_eq!(bias[1] - bias[0], 20.0, epsilon = 1e-1);
}

/// As in Burn's training on several devices: the replicas of a model share one object, each on a thread of its own.
#[test]
fn replicas_that_share_an_object_count_one_entry_a_step() {
    let balance = Arc::new(GlobalBalance::new());
    for _step in 0..3 {
        let losses: Vec<f32> = std::thread::scope(|scope| {
            let replica = |rows: [[f32; 4]; 4]| {
                let balance = balance.clone();
                scope.spawn(move || {
                    let load = || Load::of(&by_probabilities(rows, 1));
                    let micro_batches = [0, 1].map(|_| scalar(balance.loss(&load()).unwrap()));
                    micro_batches[0].max(micro_batches[1])
                })
            };
            let handles = [replica(A), replica(B)];
            handles.map(|handle| handle.join().unwrap()).to_vec()
        });
        // Whichever thread comes first, each has its own shares.
        for loss in losses {
            assert_abs_diff_eq!(loss, 1.6, epsilon = 1e-6);
        }
        assert_eq!(balance.end_step().unwrap(), [4.0; 4]);
        assert!(balance.counts().unwrap().is_empty());
    }
}

/// The first participant has a load that does not fit, the last one a count that is no number.
#[test]
fn participants_fail_together() {
    for bad in [0, 2] {
        let results: Vec<Vec<bool>> = std::thread::scope(|scope| {
            let threads = Thread::group(3).into_iter().enumerate();
            let handles: Vec<_> = threads
                .map(|(i, thread)| {
                    scope.spawn(move || {
                        let balance = GlobalBalance::over(Arc::new(thread));
                        let good = || Load::of(&by_probabilities(A, 1));
                        let first = balance.loss(&good()).is_ok();
                        let mut load = good();
                        if i == bad && i == 0 {
                            load = Load::of(&by_logits([[0.0; 3]; 2], 1));
                        } else if i == bad {
                            load.counts = load.counts * f32::NAN;
                        }
                        let second = balance.loss(&load).is_ok();
                        let third = balance.loss(&good()).is_ok();
                        let counts = balance.counts().unwrap();
                        assert_eq!(counts, [12.0, 12.0, 0.0, 0.0]);
                        vec![first, second, third]
                    })
                })
                .collect();
            let handles = handles.into_iter();
            handles.map(|handle| handle.join().unwrap()).collect()
        });
        assert_eq!(results, vec![vec![true, false, true]; 3]);
    }
}

/// What each of three participants gets of its calls.
fn of_three<T: Send>(rule: impl Fn(usize, GlobalBalance) -> T + Sync) -> Vec<Option<T>> {
    std::thread::scope(|scope| {
        let rule = &rule;
        let threads = Thread::group(3).into_iter().enumerate();
        let handles: Vec<_> = threads
            .map(|(i, thread)| scope.spawn(move || rule(i, GlobalBalance::over(Arc::new(thread)))))
            .collect();
        let handles = handles.into_iter();
        handles.map(|handle| handle.join().ok()).collect()
    })
}

#[test]
fn a_participant_that_panics_in_a_step_fails_the_others() {
    let results = of_three(|i, balance| {
        let load = Load::of(&by_probabilities(A, 1));
        balance.loss(&load).unwrap();
        assert_ne!(i, 1, "on purpose");
        let second = balance.loss(&load);
        (
            matches!(second, Err(MoeError::Reduce(_))),
            balance.counts().unwrap(),
        )
    });
    let others = Some((true, vec![6.0, 6.0, 0.0, 0.0]));
    assert_eq!(results, [others.clone(), None, others]);
}

/// One participant ends its step a call late: the next exchange is of different steps, and fails for all.
#[test]
fn participants_at_different_steps_fail_together() {
    let results = of_three(|i, balance| {
        let load = || Load::of(&by_probabilities(A, 1));
        balance.loss(&load()).unwrap();
        if i != 2 {
            balance.end_step().unwrap();
        }
        let error = balance.loss(&load()).unwrap_err().to_string();
        assert!(error.contains("end their steps equally often"), "{error}");
        balance.restart();
        balance.loss(&load()).is_ok()
    });
    assert_eq!(results, [Some(true); 3]);
}

#[test]
fn a_participant_that_calls_once_more_ends_in_an_error() {
    let results = of_three(|i, balance| {
        let load = || Load::of(&by_probabilities(A, 1));
        let calls = if i == 0 { 2 } else { 1 };
        let answers: Vec<bool> = (0..calls).map(|_| balance.loss(&load()).is_ok()).collect();
        answers
    });
    let once = Some(vec![true]);
    assert_eq!(results, [Some(vec![true, false]), once.clone(), once]);
}

/// One participant gathers by the same group while the others count.
#[test]
fn a_participant_with_another_operation_fails_the_others() {
    let threads: Vec<Arc<Thread>> = Thread::group(2).into_iter().map(Arc::new).collect();
    let answers = std::thread::scope(|scope| {
        let counts = scope.spawn(|| {
            let balance = GlobalBalance::over(threads[0].clone());
            let answer = balance.loss(&Load::of(&by_probabilities(A, 1)));
            answer.unwrap_err().to_string()
        });
        let gathers = scope.spawn(|| threads[1].gather(&[1.0]).unwrap_err().to_string());
        [counts.join().unwrap(), gathers.join().unwrap()]
    });
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].contains("[sum, gather]"), "{}", answers[0]);
}

#[test]
fn the_counts_are_a_part_of_a_checkpoint_also_behind_an_arc() {
    use regimen_tensor::Part;
    let shared = Arc::new(GlobalBalance::new());
    shared.loss(&Load::of(&by_probabilities(A, 1))).unwrap();
    let saved = Part::save(&&*shared).unwrap();
    let other = Arc::new(GlobalBalance::new());
    let replica = other.clone();
    Part::load(&mut &*other, &saved).unwrap();
    assert_eq!(replica.counts().unwrap(), [2.0, 2.0, 0.0, 0.0]);
    for bad in ["{}", r#"{"counts":[-1.0]}"#, r#"{"counts":[1e300]}"#] {
        assert!(Part::load(&mut &*other, bad.as_bytes()).is_err());
    }
    assert_eq!(replica.counts().unwrap(), [2.0, 2.0, 0.0, 0.0]);
}

#[test]
fn a_participant_that_gives_up_leaves_nobody_waiting() {
    let results: Vec<bool> = std::thread::scope(|scope| {
        let threads = Thread::group(3).into_iter().enumerate();
        let handles: Vec<_> = threads
            .map(|(i, thread)| {
                scope.spawn(move || {
                    let balance = GlobalBalance::over(Arc::new(thread));
                    let load = Load::of(&by_probabilities(A, 1));
                    i == 1 || matches!(balance.loss(&load), Err(MoeError::Reduce(_)))
                })
            })
            .collect();
        let handles = handles.into_iter();
        handles.map(|handle| handle.join().unwrap()).collect()
    });
    assert_eq!(results, [true; 3]);
}

#[test]
fn a_copy_has_counts_of_its_own() {
    let balance = GlobalBalance::new();
    balance.loss(&Load::of(&by_probabilities(A, 1))).unwrap();
    let other = || balance.loss(&Load::of(&by_probabilities(B, 1)));
    std::thread::scope(|scope| scope.spawn(other).join().unwrap().unwrap());
    assert_eq!(balance.clone().end_step().unwrap(), [2.0; 4]);
    assert_eq!(balance.end_step_of_thread().unwrap(), [2.0, 2.0, 0.0, 0.0]);
    assert_eq!(balance.end_step().unwrap(), [0.0, 0.0, 2.0, 2.0]);
    balance.loss(&Load::of(&by_probabilities(A, 1))).unwrap();
    let copy = balance.clone();
    copy.loss(&Load::of(&by_probabilities(B, 1))).unwrap();
    assert_eq!(balance.counts().unwrap(), [2.0, 2.0, 0.0, 0.0]);
    assert_eq!(copy.counts().unwrap(), [2.0; 4]);
}

/// Two layers of different experts, one sequence shorter than the other.
#[test]
fn losses_of_all_layers_are_their_weighted_sum_and_padding_counts_in_none() {
    let device = Device::flex().autodiff();
    device.seed(21);
    let noisy = RouterConfig::Noisy(NoisyRouterConfig::new());
    let layers = [
        MoeConfig::new(8, 12, 4, 2).init(&device).unwrap(),
        MoeConfig::new(8, 12, 3, 2)
            .with_router(noisy)
            .init(&device)
            .unwrap(),
    ];
    let x = Tensor::<3>::random([1, 7, 8], Distribution::Normal(0.0, 1.0), &device);
    let run = |padding: usize| {
        let filling = Tensor::full([1, padding, 8], f32::NAN, &device);
        let flags: Vec<bool> = (0..7 + padding).map(|i| i >= 7).collect();
        let flags = Tensor::<1, burn::tensor::Bool>::from_bool(flags.as_slice(), &device);
        let tokens = Tokens {
            padding: Some(flags.reshape([1, 7 + padding])),
            ids: None,
        };
        let mut x = Tensor::cat(vec![x.clone(), filling], 1);
        let mut collector = LossCollector::new();
        for moe in &layers {
            if let Router::Noisy(router) = &moe.router {
                router.noise().resume(0);
            }
            let y = collector.forward(moe, x.clone(), tokens.clone()).unwrap();
            x = x + y;
        }
        collector
    };
    let weights = LossWeights {
        balance: 0.5,
        sequence: 0.25,
        z: 0.125,
        importance: 2.0,
        load: 4.0,
    };
    let collector = run(0);
    assert_eq!(collector.layers(), 2);
    let expected: f32 = collector
        .routings()
        .iter()
        .map(|routing| {
            let losses = routing.losses();
            let load = losses.load.map_or(0.0, scalar);
            0.5 * scalar(losses.balance)
                + 0.25 * scalar(sequence_balancing_loss(routing))
                + 0.125 * scalar(losses.z)
                + 2.0 * scalar(losses.importance)
                + 4.0 * load
        })
        .sum();
    let total = collector.total(&weights).unwrap();
    assert_abs_diff_eq!(scalar(total.clone()), expected, epsilon = 1e-5);
    let grads = total.backward();
    for moe in &layers {
        assert!(moe.router.weight().unwrap().grad(&grads).is_some());
    }
    // The noise of a row depends on the rows before it alone.
    assert_abs_diff_eq!(
        scalar(run(3).total(&weights).unwrap()),
        expected,
        epsilon = 1e-5
    );
    let balances = [GlobalBalance::new(), GlobalBalance::new()];
    let global = collector.total_with(&weights, &balances).unwrap();
    assert_abs_diff_eq!(scalar(global), expected, epsilon = 1e-5);
    assert_eq!(balances[0].end_step().unwrap().iter().sum::<f64>(), 14.0);
    let nothing = LossWeights::new().with_balance(0.0);
    assert_eq!(scalar(collector.total(&nothing).unwrap()), 0.0);

    assert!(collector.total_with(&weights, &balances[..1]).is_err());
    assert!(LossCollector::new().total(&weights).is_err());
    assert!(collector.total(&weights.with_z(f64::NAN)).is_err());
    assert!(collector.total(&weights.with_load(-1.0)).is_err());
    let mut other = LossCollector::new();
    let wrong = Tensor::zeros([1, 7, 9], &device);
    assert!(other.forward(&layers[0], wrong, Tokens::default()).is_err());
    assert_eq!(other.layers(), 0);
}
