//! Routers by hand-worked values.

use approx::assert_abs_diff_eq;
use burn::module::Param;
use burn::tensor::{Device, Distribution, Int, Tensor};
use regimen_moe::balance::noisy_load;
use regimen_moe::*;

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}

pub(crate) fn integers(tensor: Tensor<2, Int>) -> Vec<i64> {
    tensor.try_into_vec_as::<i64>().unwrap()
}

pub(crate) fn assert_values<const D: usize>(found: Tensor<D>, expected: &[f32]) {
    let found = values(found);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_abs_diff_eq!(found, expected, epsilon = 2e-6);
    }
}

/// Runs the body of a test in a process of its own, which runs that test and nothing else.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    const ALONE: &str = "REGIMEN_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let program = std::env::current_exe().unwrap();
    let out = std::process::Command::new(program)
        .args([test, "--exact"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && text.contains("1 passed"), "{text}");
}

fn experts_of(gating: &Gating) -> Vec<i64> {
    match &gating.choices {
        Choices::ByToken(choices) | Choices::ByExpert(choices) => integers(choices.clone()),
    }
}

pub(crate) fn softmax_router(top_k: usize, renormalise: bool, experts: usize) -> SoftmaxRouter {
    let config = SoftmaxRouterConfig::new().with_renormalise(Some(renormalise));
    config.init(4, experts, top_k, &Device::flex()).unwrap()
}

#[test]
fn softmax() {
    let z = || Tensor::<2>::from_data([[2.0, 1.0, 0.0, -1.0]], &Device::flex());
    let gating = softmax_router(2, false, 4).gate(z());
    assert_values(
        gating.probabilities,
        &[0.643_914_26, 0.236_882_82, 0.087_144_32, 0.032_058_60],
    );
    assert_values(gating.gates, &[0.643_914_26, 0.236_882_82]);
    let gating = softmax_router(2, true, 4).gate(z());
    assert_values(gating.gates.clone(), &[0.731_058_58, 0.268_941_42]);
    assert_eq!(experts_of(&gating), [0, 1]);
}

#[test]
fn noisy() {
    let device = Device::flex();
    let row = |row: [f32; 3]| Tensor::<2>::from_data([row], &device);
    let router = NoisyRouterConfig::new().init(4, 3, 2, &device).unwrap();
    let deviation = row([0.703_147_18; 3]);
    let noise = (row([0.2, -0.1, 0.3]), deviation);
    let gating = router.gate(row([1.0, 0.5, 0.0]), Some(noise));
    let scores = gating.noisy.clone().unwrap();
    assert_values(
        scores.noisy.clone(),
        &[1.140_629_44, 0.429_685_28, 0.210_944_15],
    );
    assert_values(gating.gates, &[0.670_609_75, 0.329_390_25]);
    assert_values(
        noisy_load(&scores, 2).unwrap(),
        &[0.869_106_5, 0.659_496_2, 0.270_570_4],
    );
}

#[test]
fn noise_is_for_training_and_resumes() {
    let inside = Device::flex();
    let config = NoisyRouterConfig::new().with_seed(3);
    let x = || Tensor::<2>::ones([6, 4], &inside);
    let router = config.init(4, 3, 2, &inside).unwrap();
    assert!(router.forward(x()).noisy.is_none());
    let training = inside.clone().autodiff();
    let router = config.init(4, 3, 2, &training).unwrap();
    let draw = |router: &NoisyRouter| values(router.forward(Tensor::ones([6, 4], &training)).gates);
    let (first, second) = (draw(&router), draw(&router));
    assert_ne!(first, second);
    router.noise().resume(1);
    assert_eq!(draw(&router), second);
    assert_eq!(router.noise().calls(), 2);
}

#[test]
fn jitter_is_for_training_and_resumes() {
    let config = SoftmaxRouterConfig::new().with_jitter(0.01).with_seed(5);
    let draw = |router: &SoftmaxRouter, device: &Device| {
        values(router.forward(Tensor::ones([6, 4], device)).logits.unwrap())
    };
    let (device, training) = (Device::flex(), Device::flex().autodiff());
    let router = config.init(4, 3, 2, &device).unwrap();
    assert_eq!(draw(&router, &device), draw(&router, &device));
    let router = config.init(4, 3, 2, &training).unwrap();
    let (first, second) = (draw(&router, &training), draw(&router, &training));
    assert_ne!(first, second);
    router.noise().resume(0);
    assert_eq!(draw(&router, &training), first);
}

fn sigmoid_router(groups: usize, kept: usize, bias: [f32; 8]) -> SigmoidRouter {
    let config = SigmoidRouterConfig::new()
        .with_scale(2.5)
        .with_groups(groups)
        .with_kept_groups(kept);
    let device = Device::flex();
    let mut router = config.init(4, 8, 3, &device).unwrap();
    router.bias = Param::from_tensor(Tensor::from_floats(bias, &device));
    router
}

#[test]
fn sigmoid() {
    let z = [1.0, 0.5, 0.2, -0.3, 0.8, -1.0, 0.1, 0.4];
    let z = || Tensor::<2>::from_data([z], &Device::flex());
    let gating = sigmoid_router(1, 1, [0.0; 8]).gate(z());
    assert_eq!(experts_of(&gating), [0, 4, 1]);
    assert_values(gating.gates, &[0.894_373_99, 0.844_111_88, 0.761_514_13]);
    let gating = sigmoid_router(4, 2, [0.0; 8]).gate(z());
    assert_eq!(experts_of(&gating), [0, 1, 7]);
    assert_values(gating.gates, &[0.936_195_69, 0.797_123_19, 0.766_681_12]);
    let bias = [-0.3, 0.0, 0.1, 0.4, -0.2, 0.5, 0.0, 0.05];
    let gating = sigmoid_router(1, 1, bias).gate(z());
    assert_eq!(experts_of(&gating), [3, 5, 2]);
    assert_values(gating.gates, &[0.854_991_22, 0.540_332_54, 1.104_676_24]);
}

/// Where all biased scores are negative, a masked group must still lose.
#[test]
fn groups_that_are_out_stay_out_below_zero() {
    let gating = sigmoid_router(4, 2, [-5.0; 8]).gate(Tensor::zeros([1, 8], &Device::flex()));
    assert_eq!(experts_of(&gating), [0, 1, 2]);
}

#[test]
fn expert_choice() {
    let device = Device::flex();
    let logits =
        || Tensor::<2>::from_data([[2.0, 0.0], [1.0, 1.5], [0.0, 1.0], [3.0, 2.0]], &device);
    let config = ExpertChoiceRouterConfig::new().with_factor(1.0);
    let router = config.init(4, 2, &device).unwrap();
    let gating = router.gate(logits(), None);
    assert_eq!(experts_of(&gating), [0, 3, 2, 1]);
    assert_values(
        gating.gates,
        &[0.880_797_08, 0.731_058_58, 0.731_058_58, 0.622_459_33],
    );
    let valid = Tensor::<1>::from_floats([1.0, 1.0, 0.0, 0.0], &device);
    assert_eq!(experts_of(&router.gate(logits(), Some(valid))), [0, 1]);
}

#[test]
fn expert_choice_is_even_and_leaves_tokens_out() {
    let device = Device::flex();
    device.seed(2);
    let config = ExpertChoiceRouterConfig::new().with_factor(1.0);
    let moe = MoeConfig::new(8, 8, 4, 1).with_router(RouterConfig::ExpertChoice(config));
    let moe = moe.init(&device).unwrap();
    let x = Tensor::random([2, 32, 8], Distribution::Normal(0.0, 1.0), &device);
    let (y, routing) = moe.forward(x);
    assert_eq!(values(routing.counts.clone()), [16.0; 4]);
    let of_token = values(balance::assignments(&routing).sum_dim(1));
    let left_out: Vec<usize> = (0..64).filter(|&token| of_token[token] == 0.0).collect();
    assert!(!left_out.is_empty());
    let y = values(y);
    assert!(
        left_out
            .iter()
            .all(|&token| y[token * 8..][..8].iter().all(|v| *v == 0.0))
    );
}

#[test]
fn hash_goes_by_identity_and_seed() {
    let device = Device::flex();
    let ids = || Tensor::<1, Int>::from_ints([5, 9, 5, 9 + 64, 0], &device);
    let choose = |seed| {
        let config = HashRouterConfig::new().with_buckets(64).with_seed(seed);
        experts_of(&config.init(7, 3, &device).unwrap().forward(ids()))
    };
    let rows = choose(1);
    assert_eq!(rows, choose(1));
    assert_ne!(rows, choose(2));
    assert_eq!(rows[..3], rows[6..9]);
    assert_eq!(rows[3..6], rows[9..12]);
    for row in rows.chunks(3) {
        assert!(row[0] != row[1] && row[1] != row[2] && row[0] != row[2]);
    }
}

#[test]
fn with_one_renormalised_expert_the_router_learns_nothing() {
    let device = Device::flex().autodiff();
    device.seed(0);
    let x = Tensor::<3>::random([2, 8, 6], Distribution::Normal(0.0, 1.0), &device);
    let slope = |renormalise| {
        let router = SoftmaxRouterConfig::new().with_renormalise(renormalise);
        let config = MoeConfig::new(6, 8, 4, 1).with_router(RouterConfig::Softmax(router));
        let moe = config.init(&device).unwrap();
        let grads = moe.forward(x.clone()).0.square().sum().backward();
        let grad = moe.router.weight().unwrap().grad(&grads).unwrap();
        values(grad.abs().sum())[0]
    };
    assert!(slope(Some(true)) < 1e-5);
    assert!(slope(None) > 1e-3);
}

#[test]
fn out_of_range_is_an_error() {
    let device = Device::flex();
    assert!(MoeConfig::new(0, 8, 4, 2).init(&device).is_err());
    assert!(MoeConfig::new(8, 0, 4, 2).init(&device).is_err());
    assert!(MoeConfig::new(8, 8, 0, 0).init(&device).is_err());
    assert!(MoeConfig::new(8, 8, 4, 5).init(&device).is_err());
    for jitter in [-0.1, 1.0, f64::NAN] {
        assert!(
            SoftmaxRouterConfig::new()
                .with_jitter(jitter)
                .init(8, 4, 2, &device)
                .is_err()
        );
    }
    for scale in [0.0, f64::INFINITY, f64::NAN] {
        assert!(
            SigmoidRouterConfig::new()
                .with_scale(scale)
                .init(8, 4, 2, &device)
                .is_err()
        );
        assert!(
            ExpertChoiceRouterConfig::new()
                .with_factor(scale)
                .init(8, 4, &device)
                .is_err()
        );
        let capacity = Dispatch::Capacity(Capacity::new(scale));
        assert!(
            MoeConfig::new(8, 8, 4, 2)
                .with_dispatch(capacity)
                .init(&device)
                .is_err()
        );
    }
    for (groups, kept) in [(0, 1), (3, 1), (4, 0), (4, 5), (4, 1)] {
        let config = SigmoidRouterConfig::new()
            .with_groups(groups)
            .with_kept_groups(kept);
        assert!(config.init(8, 8, 3, &device).is_err(), "{groups} {kept}");
    }
    assert!(
        NoisyRouterConfig::new()
            .with_epsilon(-1.0)
            .init(8, 4, 2, &device)
            .is_err()
    );
    assert!(
        HashRouterConfig::new()
            .with_buckets(0)
            .init(4, 2, &device)
            .is_err()
    );
}

#[test]
fn configurations_are_plain_data() {
    let router = RouterConfig::Sigmoid(SigmoidRouterConfig::new().with_scale(2.5));
    let config = MoeConfig::new(8, 8, 4, 2).with_router(router);
    let text = serde_json::to_string(&config).unwrap();
    let again: MoeConfig = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
}

/// In float32 `12 + 1e-8` and `12 + 3e-8` are the same number.
#[test]
fn a_large_bias_does_not_hide_the_scores() {
    let device = Device::flex();
    let logit = |score: f32| (score / (1.0 - score)).ln();
    let logits = || Tensor::<2>::from_data([[logit(1e-8), logit(3e-8)]], &device);
    let mut router = SigmoidRouterConfig::new().init(4, 2, 1, &device).unwrap();
    router.bias = Param::from_tensor(Tensor::from_floats([12.0, 12.0], &device));
    assert_eq!(experts_of(&router.gate(logits())), [1]);
    // A bias that differs decides, by however little.
    let above = f32::from_bits(12f32.to_bits() + 1);
    router.bias = Param::from_tensor(Tensor::from_floats([above, 12.0], &device));
    assert_eq!(experts_of(&router.gate(logits())), [0]);
    let config = SoftmaxRouterConfig::new().with_selection_bias(true);
    let mut router = config.init(4, 3, 2, &device).unwrap();
    router.bias = Some(Param::from_tensor(Tensor::from_floats([9.0; 3], &device)));
    let logits = || Tensor::<2>::from_data([[-20.0, 3.0, -18.0]], &device);
    assert_eq!(experts_of(&router.gate(logits())), [1, 2]);
}

/// Groups of two whose sums are equal in float32.
#[test]
fn a_large_bias_does_not_hide_the_groups() {
    let device = Device::flex();
    let config = SigmoidRouterConfig::new().with_groups(2);
    let mut router = config.init(4, 4, 1, &device).unwrap();
    router.bias = Param::from_tensor(Tensor::from_floats([12.0; 4], &device));
    let logits = Tensor::<2>::from_data([[-19.0, -18.0, -19.0, -17.5]], &device);
    assert_eq!(experts_of(&router.gate(logits)), [3]);
}

/// From about 17 on a sigmoid is 1 in float32, and softmax gives 0 far below the largest logit.
#[test]
fn scores_that_saturated_are_ranked_by_their_logits() {
    let device = Device::flex();
    let router = SigmoidRouterConfig::new().init(4, 3, 2, &device).unwrap();
    let logits = Tensor::<2>::from_data([[20.0, 25.0, 30.0]], &device);
    assert_eq!(experts_of(&router.gate(logits)), [2, 1]);
    let logits = || Tensor::<2>::from_data([[-300.0, 0.0, -200.0]], &device);
    for bias in [false, true] {
        let config = SoftmaxRouterConfig::new().with_selection_bias(bias);
        let router = config.init(4, 3, 2, &device).unwrap();
        assert_eq!(experts_of(&router.gate(logits())), [1, 2]);
    }
}

#[test]
fn sigmoid_and_noisy_routers_learn_with_one_expert_a_token() {
    let device = Device::flex().autodiff();
    device.seed(0);
    let x = Tensor::<3>::random([2, 8, 6], Distribution::Normal(0.0, 1.0), &device);
    let slope = |router: RouterConfig| {
        let config = MoeConfig::new(6, 8, 4, 1).with_router(router);
        let moe = config.init(&device).unwrap();
        let grads = moe.forward(x.clone()).0.square().sum().backward();
        let grad = moe.router.weight().unwrap().grad(&grads).unwrap();
        values(grad.abs().sum())[0]
    };
    let sigmoid = |renormalise| {
        RouterConfig::Sigmoid(SigmoidRouterConfig::new().with_renormalise(renormalise))
    };
    let noisy =
        |renormalise| RouterConfig::Noisy(NoisyRouterConfig::new().with_renormalise(renormalise));
    for router in [sigmoid(None), noisy(None)] {
        assert!(slope(router.clone()) > 1e-3, "{router:?}");
    }
    // Asked for, the constant gate is there.
    for router in [sigmoid(Some(true)), noisy(Some(true))] {
        assert!(slope(router.clone()) < 1e-5, "{router:?}");
    }
}

#[test]
fn one_expert_has_the_gate_of_its_score() {
    let device = Device::flex();
    let z = || Tensor::<2>::from_data([[2.0, 1.0, 0.0, -1.0]], &device);
    let router = SigmoidRouterConfig::new().with_scale(2.5);
    let gating = router.init(4, 4, 1, &device).unwrap().gate(z());
    assert_values(gating.gates, &[2.5 * 0.880_797_1]);
    let router = NoisyRouterConfig::new().init(4, 4, 1, &device).unwrap();
    assert_values(router.gate(z(), None).gates, &[0.643_914_26]);
}

#[test]
fn groups_that_do_not_hold_the_choices_are_an_error() {
    let scores = || Tensor::<2>::from_data([[0.1, 0.2, 0.3, 0.4]], &Device::flex());
    for (k, groups, kept) in [
        (1, 0, 1),
        (0, 2, 1),
        (3, 2, 1),
        (5, 1, 1),
        (1, 3, 1),
        (1, 2, 0),
        (1, 2, 3),
    ] {
        assert!(
            select_sigmoid(scores(), k, groups, kept).is_err(),
            "{k} {groups} {kept}"
        );
    }
    let best = select_sigmoid(scores(), 2, 2, 1).unwrap();
    assert_eq!(integers(best), [3, 2]);
    assert!(top_k(scores(), 5).is_err());
    let even = NoisyScores {
        clean: scores(),
        noisy: scores(),
        deviation: scores(),
    };
    assert!(noisy_load(&even, 0).is_err());
    let mixed = NoisyScores {
        clean: Tensor::zeros([1, 3], &Device::flex()),
        ..even
    };
    assert!(noisy_load(&mixed, 1).is_err());
}

fn noisy_routers() -> [RouterConfig; 2] {
    [
        RouterConfig::Noisy(NoisyRouterConfig::new().with_seed(3)),
        RouterConfig::Softmax(SoftmaxRouterConfig::new().with_jitter(0.1).with_seed(3)),
    ]
}

/// The scores of tokens of ones: those with noise, or the logits of jittered tokens.
fn scores(router: &Router, device: &Device) -> Vec<f32> {
    let gating = router.forward(&RouterInput {
        x: Tensor::ones([6, 4], device),
        valid: None,
        ids: Tensor::zeros([6], device),
    });
    values(
        gating
            .noisy
            .map_or_else(|| gating.logits.unwrap(), |noisy| noisy.noisy),
    )
}

/// The device's generator belongs to the whole process.
#[test]
fn routers_of_one_configuration_draw_different_noise_and_a_seeded_run_repeats() {
    let name =
        "routers::routers_of_one_configuration_draw_different_noise_and_a_seeded_run_repeats";
    alone(name, streams_of_noise);
}

fn streams_of_noise() {
    let device = Device::flex().autodiff();
    for config in noisy_routers() {
        let pair = |seed| {
            device.seed(seed);
            let routers = [0, 1].map(|_| config.init(4, 3, 2, &device).unwrap());
            let weights = Tensor::zeros([4, 3], &device);
            let same = |router: &Router| {
                let mut router = router.clone();
                match &mut router {
                    Router::Noisy(router) => router.weight = Param::from_tensor(weights.clone()),
                    Router::Softmax(router) => {
                        router.weight = Param::from_tensor(weights.clone() + 1.0);
                    }
                    _ => panic!(),
                }
                scores(&router, &device)
            };
            routers.each_ref().map(same)
        };
        let [first, second] = pair(4);
        assert_ne!(first, second, "{config:?}");
        assert_eq!([first.clone(), second], pair(4), "{config:?}");
        assert_ne!(first, pair(5)[0], "{config:?}");
    }
}

#[test]
fn a_record_goes_on_with_the_noise() {
    use burn::module::Module;
    let device = Device::flex().autodiff();
    for config in noisy_routers() {
        let router = config.init(4, 3, 2, &device).unwrap();
        let _ = scores(&router, &device);
        let record = router.clone().into_record();
        let rest = [scores(&router, &device), scores(&router, &device)];
        let other = config.init(4, 3, 2, &device).unwrap().load_record(record);
        assert_eq!(
            [scores(&other, &device), scores(&other, &device)],
            rest,
            "{config:?}"
        );
        // Back to an earlier record of the same router, and unlike a copy, it does not move with the other.
        let record = other.clone().into_record();
        let next = scores(&other, &device);
        let _ = scores(&other, &device);
        let again = other.load_record(record);
        assert_eq!(scores(&again, &device), next, "{config:?}");
    }
}
