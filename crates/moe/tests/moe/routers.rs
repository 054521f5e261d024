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
        noisy_load(&scores, 2),
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
    let again = config.init(4, 3, 2, &training).unwrap();
    again.noise().resume(1);
    assert_eq!(draw(&again), second);
    assert_eq!(again.noise().calls(), router.noise().calls());
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
