//! Outputs and gradients against a reference that computes every expert for every token and multiplies by the gate.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Gradients, Tensor, TensorData};
use proptest::prelude::*;
use regimen_moe::*;

/// The mixture's output computed densely from its own routing.
pub(crate) fn reference(moe: &Moe, x: Tensor<3>, routing: &Routing) -> Tensor<3> {
    let [batch, seq, width] = x.dims();
    let rows = x.reshape([batch * seq, width]);
    let gates = balance::gates(routing);
    let mut sum = Tensor::zeros([batch * seq, width], &rows.device());
    let (up, down) = (moe.experts.up.val(), moe.experts.down.val());
    for expert in 0..moe.experts.count() {
        let one = |t: &Tensor<3>| t.clone().narrow(0, expert, 1).squeeze_dim::<2>(0);
        let mut first = rows.clone().matmul(one(&up));
        if let Some(bias) = &moe.experts.up_bias {
            first = first + bias.val().narrow(0, expert, 1);
        }
        let activation = moe.experts.activation();
        let hidden = if moe.experts.is_gated() {
            let half = moe.experts.d_hidden();
            activation.forward(first.clone().narrow(1, 0, half)) * first.narrow(1, half, half)
        } else {
            activation.forward(first)
        };
        let mut out = hidden.matmul(one(&down));
        if let Some(bias) = &moe.experts.down_bias {
            out = out + bias.val().narrow(0, expert, 1);
        }
        sum = sum + out * gates.clone().narrow(1, expert, 1);
    }
    sum.reshape([batch, seq, width])
}

/// Every parameter's gradient by path; absent ones are absent.
pub(crate) fn gradients<M: Module>(model: &M, grads: Gradients) -> Vec<(String, Vec<f32>)> {
    struct Visitor(GradientsParams, Vec<String>, Vec<(String, Vec<f32>)>);
    impl ModuleVisitor for Visitor {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.1.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.1.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.0.get::<D>(param.id) {
                self.2
                    .push((self.1.join("."), grad.try_into_vec_as::<f32>().unwrap()));
            }
        }
    }
    let grads = GradientsParams::from_grads(grads, model);
    let mut visitor = Visitor(grads, Vec::new(), Vec::new());
    model.visit(&mut visitor);
    visitor.2
}

pub(crate) fn assert_near(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_near_beside(what, found, expected, tolerance, 1e-3);
}

/// As [`assert_near`]; what is smaller than `least` is held to the rounding of that size.
fn assert_near_beside(what: &str, found: &[f32], expected: &[f32], tolerance: f32, least: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let error: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    let (error, size) = (norm(&error), norm(expected));
    assert!(
        error <= tolerance * size.max(least),
        "{what}: error {error} of {size}"
    );
}

fn norm(values: &[f32]) -> f32 {
    values.iter().map(|v| v * v).sum::<f32>().sqrt()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}

/// Output and all gradients of the mixture agree with the reference.
fn assert_dense(moe: &Moe, x: &Tensor<3>) {
    let target = x.random_like(Distribution::Normal(0.0, 1.0)).detach();
    let run = |dense: bool| {
        let x = x.clone().detach().require_grad();
        let (mut y, routing) = moe.forward(x.clone());
        if dense {
            y = reference(moe, x.clone(), &routing);
        }
        let grads = (y.clone() * target.clone()).sum().backward();
        let grad_x = x.grad(&grads).map(values).unwrap_or_default();
        (values(y), grad_x, gradients(moe, grads))
    };
    let (mixture, dense) = (run(false), run(true));
    assert_near("output", &mixture.0, &dense.0, 1e-5);
    let find = |grads: &[(String, Vec<f32>)], path: &str| {
        grads
            .iter()
            .find(|(name, _)| name == path)
            .map(|(_, grad)| grad.clone())
    };
    assert!(!mixture.2.is_empty());
    // The router's gradient is what is left of the gates' after the softmax, and that of the input is a sum over the
    // hidden units that may cancel: both have the rounding of the larger ones. All are sums of products of values of about
    // one, whose rounding stays where a narrow layer's terms cancel.
    let largest = dense.2.iter().map(|(_, grad)| norm(grad));
    let least = largest.fold(1.0, f32::max) / 100.0;
    assert_near_beside("x", &mixture.1, &dense.1, 1e-5, least);
    for (path, grad) in &dense.2 {
        let found = find(&mixture.2, path);
        // A reference in which nothing was chosen may lack a path where the mixture has zeros.
        let found = found.unwrap_or_else(|| panic!("no gradient of {path}"));
        assert_near_beside(path, &found, grad, 1e-5, least);
    }
}

pub(crate) fn routers(top_k: usize) -> Vec<(&'static str, RouterConfig)> {
    let softmax = |renormalise| SoftmaxRouterConfig::new().with_renormalise(Some(renormalise));
    vec![
        ("softmax", RouterConfig::Softmax(softmax(false))),
        ("renormalised", RouterConfig::Softmax(softmax(true))),
        (
            "renormalised, chosen with a bias",
            RouterConfig::Softmax(softmax(true).with_selection_bias(true)),
        ),
        (
            "sigmoid",
            RouterConfig::Sigmoid(SigmoidRouterConfig::new().with_scale(2.5)),
        ),
        // With one stream of noise both runs would draw differently: its evaluation is compared here.
        (
            "expert choice",
            RouterConfig::ExpertChoice(ExpertChoiceRouterConfig::new().with_factor(top_k as f64)),
        ),
        (
            "hash",
            RouterConfig::Hash(HashRouterConfig::new().with_buckets(97)),
        ),
    ]
}

/// Dropless, and a capacity with room for everything.
pub(crate) fn dispatches(experts: usize, top_k: usize) -> [Dispatch; 2] {
    let factor = experts as f64 / top_k as f64;
    [
        Dispatch::Dropless,
        Dispatch::Capacity(Capacity::new(factor)),
    ]
}

#[test]
fn every_router_activation_and_dispatch_agrees_with_the_dense_reference() {
    let device = Device::flex().autodiff();
    device.seed(3);
    let x = Tensor::<3>::random([3, 11, 12], Distribution::Normal(0.0, 1.0), &device);
    for (_, router) in routers(2) {
        for dispatch in dispatches(6, 2) {
            for activation in Activation::ALL {
                for (gated, bias) in [(false, true), (true, false), (true, true)] {
                    let config = MoeConfig::new(12, 20, 6, 2)
                        .with_router(router.clone())
                        .with_dispatch(dispatch.clone())
                        .with_activation(activation)
                        .with_gated(gated)
                        .with_bias(bias);
                    assert_dense(&config.init(&device).unwrap(), &x);
                }
            }
        }
    }
}

#[test]
fn the_noisy_router_agrees_with_the_dense_reference_under_the_same_noise() {
    let device = Device::flex().autodiff();
    device.seed(4);
    let x = Tensor::<3>::random([2, 9, 8], Distribution::Normal(0.0, 1.0), &device);
    for dispatch in dispatches(5, 2) {
        let config = MoeConfig::new(8, 12, 5, 2)
            .with_router(RouterConfig::Noisy(NoisyRouterConfig::new()))
            .with_dispatch(dispatch);
        let moe = config.init(&device).unwrap();
        let Router::Noisy(router) = &moe.router else {
            panic!()
        };
        let run = |dense: bool| {
            router.noise().resume(7);
            let (y, routing) = moe.forward(x.clone());
            let y = if dense {
                reference(&moe, x.clone(), &routing)
            } else {
                y
            };
            gradients(&moe, (y * x.clone()).sum().backward())
        };
        for ((path, found), (_, expected)) in run(false).iter().zip(&run(true)) {
            assert_near(path, found, expected, 1e-5);
        }
        assert_eq!(run(false).len(), 4);
    }
}

/// A softmax router that sends every token to the first experts.
fn all_on_the_first(moe: &mut Moe) {
    let Router::Softmax(router) = &mut moe.router else {
        panic!()
    };
    let [width, experts] = router.weight.val().dims();
    let weight: Vec<f32> = (0..width * experts)
        .map(|i| -((i % experts) as f32) * 0.1)
        .collect();
    router.weight = router.weight.clone().map(|w| {
        Tensor::from_data(
            TensorData::new(weight.clone(), [width, experts]),
            &w.device(),
        )
        .require_grad()
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn random_shapes_with_idle_and_crowded_experts(
        shape in (1_usize..4, 1_usize..9, 1_usize..20, 1_usize..40),
        experts in 1_usize..12,
        top_k in 1_usize..4,
        crowded in any::<bool>(),
        gated in any::<bool>(),
        bias in any::<bool>(),
        seed in any::<u32>(),
    ) {
        let (batch, seq, width, hidden) = shape;
        let top_k = top_k.min(experts);
        let device = Device::flex().autodiff();
        device.seed(u64::from(seed));
        let x = Tensor::<3>::random([batch, seq, width], Distribution::Uniform(0.1, 1.0), &device);
        for dispatch in dispatches(experts, top_k) {
            let config = MoeConfig::new(width, hidden, experts, top_k)
                .with_activation(Activation::Silu)
                .with_gated(gated)
                .with_bias(bias)
                .with_dispatch(dispatch);
            let mut moe = config.init(&device).unwrap();
            if crowded {
                all_on_the_first(&mut moe);
                let (_, routing) = moe.forward(x.clone());
                let counts = values(routing.counts);
                prop_assert!(counts[..top_k].iter().all(|c| *c == (batch * seq) as f32));
                prop_assert!(counts[top_k..].iter().all(|c| *c == 0.0));
            }
            assert_dense(&moe, &x);
        }
    }
}
