//! Routers against hand-worked values.

use burn::module::Param;
use burn::tensor::{Device, Int, Tensor};
use regimen_moe::balance::noisy_load;
use regimen_moe::*;

use super::dense::{assert_near, gradients};

fn ints(choices: &Choices) -> Vec<i64> {
    let (Choices::ByToken(choices) | Choices::ByExpert(choices)) = choices;
    choices.clone().try_into_vec_as::<i64>().unwrap()
}

fn floats<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().try_into_vec_as::<f32>().unwrap()
}

fn softmax(top_k: usize, renormalise: Option<bool>) -> SoftmaxRouter {
    let config = SoftmaxRouterConfig::new().with_renormalise(renormalise);
    config.init(3, 4, top_k, &Device::flex()).unwrap()
}

#[test]
fn softmax_of_the_check() {
    let z = Tensor::<2>::from_data([[2.0, 1.0, 0.0, -1.0]], &Device::flex());
    let gating = softmax(2, None).gate(z.clone());
    let p = [0.643_914_26, 0.236_882_82, 0.087_144_32, 0.032_058_6];
    assert_near("p", &floats(&gating.probabilities), &p, 1e-6);
    assert_near(
        "renormalised",
        &floats(&gating.gates),
        &[0.731_058_6, 0.268_941_42],
        1e-6,
    );
    assert_eq!(ints(&gating.choices), [0, 1]);
    let gating = softmax(2, Some(false)).gate(z.clone());
    assert_near("plain", &floats(&gating.gates), &p[..2], 1e-6);
    let single = softmax(1, None).gate(z);
    assert_near(
        "one expert keeps its probability",
        &floats(&single.gates),
        &p[..1],
        1e-6,
    );
}

#[test]
fn one_renormalised_expert_teaches_the_router_nothing() {
    let device = Device::flex().autodiff();
    device.seed(0);
    for (renormalise, learns) in [(true, false), (false, true)] {
        let router = SoftmaxRouterConfig::new().with_renormalise(Some(renormalise));
        let config = MoeConfig::new(6, 8, 4, 1).with_router(RouterConfig::Softmax(router));
        let moe = config.init(&device).unwrap();
        let x = Tensor::<3>::random([2, 8, 6], burn::tensor::Distribution::Default, &device);
        let grads = gradients(&moe, moe.forward(x).0.square().sum().backward());
        let router = grads
            .iter()
            .find(|(path, _)| path.contains("router"))
            .unwrap();
        let largest = router.1.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        assert_eq!(largest > 1e-6, learns, "{renormalise} {largest}");
    }
}

fn sigmoid(groups: usize, kept: usize, top_k: usize, bias: [f32; 8]) -> SigmoidRouter {
    let config = SigmoidRouterConfig::new().with_scale(2.5);
    let config = config.with_groups(groups).with_kept_groups(kept);
    let mut router = config.init(3, 8, top_k, &Device::flex()).unwrap();
    router.bias = Param::from_tensor(Tensor::from_data(bias, &Device::flex()));
    router
}

#[test]
fn sigmoid_of_the_check() {
    let z = [[1.0, 0.5, 0.2, -0.3, 0.8, -1.0, 0.1, 0.4]];
    let z = Tensor::<2>::from_data(z, &Device::flex());
    let bias = [-0.3, 0.0, 0.1, 0.4, -0.2, 0.5, 0.0, 0.05];
    for (groups, kept, bias, experts, gates) in [
        (
            1,
            1,
            [0.0; 8],
            [0, 4, 1],
            [0.894_373_99, 0.844_111_88, 0.761_514_13],
        ),
        (
            4,
            2,
            [0.0; 8],
            [0, 1, 7],
            [0.936_195_69, 0.797_123_19, 0.766_681_12],
        ),
        (
            1,
            1,
            bias,
            [3, 5, 2],
            [0.854_991_22, 0.540_332_54, 1.104_676_24],
        ),
    ] {
        let gating = sigmoid(groups, kept, 3, bias).gate(z.clone());
        assert_eq!(ints(&gating.choices), experts);
        assert_near("gates", &floats(&gating.gates), &gates, 1e-6);
    }
}

#[test]
fn groups_with_negative_scores_are_masked_out_for_good() {
    let biased = Tensor::<2>::from_data([[-0.1, -0.2, -3.0, -4.0]], &Device::flex());
    let chosen = select_sigmoid(biased, 2, 2, 1);
    assert_eq!(chosen.try_into_vec_as::<i64>().unwrap(), [0, 1]);
}

#[test]
fn noisy_of_the_check() {
    let device = Device::flex();
    let router = NoisyRouterConfig::new().init(3, 3, 2, &device).unwrap();
    let clean = Tensor::<2>::from_data([[1.0, 0.5, 0.0]], &device);
    let normal = Tensor::<2>::from_data([[0.2, -0.1, 0.3]], &device);
    let size = Tensor::<2>::full([1, 3], 0.703_147_18, &device);
    let gating = router.gate(clean.clone(), Some((normal, size)));
    assert_eq!(ints(&gating.choices), [0, 1]);
    assert_near(
        "gates",
        &floats(&gating.gates),
        &[0.670_609_75, 0.329_390_25],
        1e-6,
    );
    let load = noisy_load(gating.noisy.as_ref().unwrap(), 2);
    let expected = [0.869_106_5, 0.659_496_24, 0.270_570_44];
    assert_near("load", &floats(&load), &expected, 1e-5);
    assert!(router.gate(clean, None).noisy.is_none());
}

#[test]
fn noise_is_for_training_alone_and_resumes() {
    let device = Device::flex();
    let train = device.clone().autodiff();
    let config = NoisyRouterConfig::new().with_seed(5);
    let router = config.init(3, 4, 2, &train).unwrap();
    let x = Tensor::<2>::ones([6, 3], &train);
    let noisy = |router: &NoisyRouter| floats(&router.forward(x.clone()).noisy.unwrap().noisy);
    let (first, second) = (noisy(&router), noisy(&router));
    assert_ne!(first, second);
    let resumed = config.init(3, 4, 2, &train).unwrap();
    resumed.noise().resume(1);
    assert_eq!(noisy(&resumed), second);
    assert_eq!(resumed.noise().calls(), 2);
    let plain = config.init(3, 4, 2, &device).unwrap();
    assert!(plain.forward(Tensor::ones([6, 3], &device)).noisy.is_none());
    let jitter = SoftmaxRouterConfig::new().with_jitter(0.01);
    let jitter = jitter.init(3, 4, 2, &train).unwrap();
    let logits = |router: &SoftmaxRouter| floats(&router.forward(x.clone()).logits.unwrap());
    let (one, two) = (logits(&jitter), logits(&jitter));
    assert_ne!(one, two);
    assert_near("jitter is small", &one, &two, 0.03);
}

#[test]
fn expert_choice_of_the_check() {
    let logits = [[2.0, 0.0], [1.0, 1.5], [0.0, 1.0], [3.0, 2.0]];
    let logits = Tensor::<2>::from_data(logits, &Device::flex());
    let config = ExpertChoiceRouterConfig::new().with_factor(1.0);
    let router = config.init(3, 2, &Device::flex()).unwrap();
    let gating = router.gate(logits.clone(), None);
    assert_eq!(ints(&gating.choices), [0, 3, 2, 1]);
    let gates = [0.880_797_1, 0.731_058_6, 0.731_058_6, 0.622_459_3];
    assert_near("gates", &floats(&gating.gates), &gates, 1e-6);
    let valid = Tensor::<1>::from_data([0.0, 1.0, 1.0, 0.0], &Device::flex());
    let gating = router.gate(logits, Some(valid));
    assert_eq!(ints(&gating.choices), [1, 2], "padding is never taken");
}

#[test]
fn expert_choice_loads_are_equal_and_leave_tokens_out() {
    let device = Device::flex();
    device.seed(1);
    let router = ExpertChoiceRouterConfig::new().with_factor(1.0);
    let config = MoeConfig::new(8, 8, 4, 1).with_router(RouterConfig::ExpertChoice(router));
    let moe = config.init(&device).unwrap();
    let x = Tensor::<3>::random([4, 16, 8], burn::tensor::Distribution::Default, &device);
    let (_, routing) = moe.forward(x);
    assert_eq!(floats(&routing.counts), [16.0; 4]);
    let chosen = floats(&balance::assignments(&routing).sum_dim(1));
    assert!(chosen.contains(&0.0));
}

#[test]
fn hash_depends_on_identity_alone_and_gives_different_experts() {
    let device = Device::flex();
    let router = HashRouterConfig::new()
        .with_buckets(50)
        .init(8, 3, &device)
        .unwrap();
    let ids = Tensor::<1, Int>::from_data([7_i64, 57, 8, 7], &device);
    let gating = router.forward(ids);
    let rows: Vec<Vec<i64>> = ints(&gating.choices)
        .chunks(3)
        .map(<[i64]>::to_vec)
        .collect();
    assert!(rows[0] == rows[1] && rows[0] == rows[3] && rows[0] != rows[2]);
    for mut row in rows {
        row.sort_unstable();
        row.dedup();
        assert_eq!(row.len(), 3);
    }
    assert_near("gates", &floats(&gating.gates), &[1.0 / 3.0; 12], 1e-6);
    assert_near(
        "sums",
        &floats(&gating.probabilities.sum_dim(1)),
        &[1.0; 4],
        1e-6,
    );
}

#[test]
fn bad_configurations_are_named() {
    let device = Device::flex();
    let bad = |result: Result<Moe>, field: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    };
    let config = MoeConfig::new(4, 4, 4, 2);
    bad(MoeConfig::new(4, 4, 4, 5).init(&device), "top_k");
    bad(MoeConfig::new(4, 4, 4, 0).init(&device), "top_k");
    bad(MoeConfig::new(4, 4, 0, 0).init(&device), "experts");
    bad(MoeConfig::new(0, 4, 4, 2).init(&device), "d_model");
    bad(MoeConfig::new(4, 0, 4, 2).init(&device), "d_hidden");
    let with = |router| config.clone().with_router(router).init(&device);
    for jitter in [-0.1, 1.0, f64::NAN] {
        let router = SoftmaxRouterConfig::new().with_jitter(jitter);
        bad(with(RouterConfig::Softmax(router)), "jitter");
    }
    let sigmoid = SigmoidRouterConfig::new();
    bad(
        with(RouterConfig::Sigmoid(sigmoid.clone().with_groups(3))),
        "groups",
    );
    let grouped = sigmoid.clone().with_groups(4);
    bad(with(RouterConfig::Sigmoid(grouped.clone())), "kept_groups");
    bad(
        with(RouterConfig::Sigmoid(grouped.with_kept_groups(5))),
        "kept_groups",
    );
    bad(
        with(RouterConfig::Sigmoid(sigmoid.with_scale(f64::INFINITY))),
        "scale",
    );
    bad(
        with(RouterConfig::Noisy(
            NoisyRouterConfig::new().with_epsilon(f64::NAN),
        )),
        "epsilon",
    );
    let choice = ExpertChoiceRouterConfig::new().with_factor(0.0);
    bad(with(RouterConfig::ExpertChoice(choice)), "factor");
    bad(
        with(RouterConfig::Hash(HashRouterConfig::new().with_buckets(0))),
        "buckets",
    );
    for factor in [0.0, -1.0, f64::NAN] {
        let dispatch = Dispatch::Capacity(Capacity::new(factor));
        bad(
            config.clone().with_dispatch(dispatch).init(&device),
            "factor",
        );
    }
}
