//! Agreement with Mixtral of Hugging Face's transformers: `golden/make.py` writes the numbers.

use std::collections::HashMap;

use burn::module::Param;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use regimen_moe::balance::{Load, load_balancing_loss};
use regimen_moe::*;

use crate::routers::values;

const BATCH: usize = 2;
const SEQ: usize = 7;
const WIDTH: usize = 6;
const HIDDEN: usize = 10;
const EXPERTS: usize = 5;
const TOP_K: usize = 2;

/// The file's arrays by name.
fn arrays() -> HashMap<&'static str, Vec<f32>> {
    let mut arrays: HashMap<_, Vec<f32>> = HashMap::new();
    for line in include_str!("../../golden/mixtral.csv").lines().skip(2) {
        let cells: Vec<&str> = line.split(',').collect();
        let array = arrays.entry(cells[0]).or_default();
        assert_eq!(array.len(), cells[1].parse::<usize>().unwrap());
        array.push(cells[2].parse().unwrap());
    }
    arrays
}

struct Golden {
    arrays: HashMap<&'static str, Vec<f32>>,
    device: Device,
}

impl Golden {
    fn values(&self, name: &str, layer: usize) -> &[f32] {
        &self.arrays[format!("{name}{layer}").as_str()]
    }

    fn tensor<const D: usize>(&self, name: &str, layer: usize, shape: [usize; D]) -> Tensor<D> {
        let data = TensorData::new(self.values(name, layer).to_vec(), shape);
        Tensor::from_data(data, &self.device)
    }

    /// The file's layer, with the dispatch.
    fn layer(&self, layer: usize, dispatch: Dispatch) -> Moe {
        let config = MoeConfig::new(WIDTH, HIDDEN, EXPERTS, TOP_K)
            .with_activation(Activation::Silu)
            .with_gated(true)
            .with_dispatch(dispatch);
        let mut moe = config.init(&self.device).unwrap();
        let Router::Softmax(router) = &mut moe.router else {
            panic!("softmax is the default");
        };
        router.weight = Param::from_tensor(self.tensor("router", layer, [WIDTH, EXPERTS]));
        let (up, down) = ([EXPERTS, WIDTH, 2 * HIDDEN], [EXPERTS, HIDDEN, WIDTH]);
        moe.experts.up = Param::from_tensor(self.tensor("up", layer, up));
        moe.experts.down = Param::from_tensor(self.tensor("down", layer, down));
        moe
    }

    fn tokens(&self, layer: usize) -> Tensor<3> {
        self.tensor("x", layer, [BATCH, SEQ, WIDTH])
    }

    fn assert_near(&self, name: &str, layer: usize, found: &[f32]) {
        let expected = self.values(name, layer);
        assert_eq!(expected.len(), found.len(), "{name}{layer}");
        for (expected, found) in expected.iter().zip(found) {
            let error = (expected - found).abs() / (1.0 + expected.abs());
            assert!(error < 1e-5, "{name}{layer}: {found}, not {expected}");
        }
    }
}

fn golden() -> Golden {
    Golden {
        arrays: arrays(),
        device: Device::flex().autodiff(),
    }
}

#[test]
fn routing_output_and_gradients_are_those_of_mixtral() {
    let golden = golden();
    let roomy = Capacity::new(EXPERTS as f64 / TOP_K as f64);
    for dispatch in [Dispatch::Dropless, Dispatch::Capacity(roomy)] {
        for layer in 0..2 {
            let moe = golden.layer(layer, dispatch.clone());
            let x = golden.tokens(layer).require_grad();
            let (y, routing) = moe.forward(x.clone());
            golden.assert_near(
                "logits",
                layer,
                &values(routing.gating.logits.clone().unwrap()),
            );
            golden.assert_near("gates", layer, &values(routing.gating.gates.clone()));
            let Choices::ByToken(choices) = &routing.gating.choices else {
                panic!("tokens choose");
            };
            let choices = choices.clone().float();
            golden.assert_near("choices", layer, &values(choices));
            golden.assert_near("out", layer, &values(y.clone()));
            let target = golden.tensor("target", layer, [BATCH, SEQ, WIDTH]);
            let grads = (y * target).sum().backward();
            golden.assert_near("grad_x", layer, &values(x.grad(&grads).unwrap()));
            let router = moe.router.weight().unwrap().grad(&grads).unwrap();
            golden.assert_near("grad_router", layer, &values(router));
            let up = moe.experts.up.val().grad(&grads).unwrap();
            golden.assert_near("grad_up", layer, &values(up));
            let down = moe.experts.down.val().grad(&grads).unwrap();
            golden.assert_near("grad_down", layer, &values(down));
        }
    }
}

/// transformers' shares sum to `top_k`, and it puts the tokens of all layers together.
#[test]
fn balance_losses_are_those_of_mixtral() {
    let golden = golden();
    let padding = || -> Tensor<2, Bool> {
        let mask = TensorData::new(golden.arrays["mask"].clone(), [BATCH, SEQ]);
        Tensor::<2>::from_data(mask, &golden.device).lower_elem(0.5)
    };
    for masked in [false, true] {
        let load = |layer| {
            let tokens = Tokens {
                padding: masked.then(padding),
                ids: None::<Tensor<2, Int>>,
            };
            let moe = golden.layer(layer, Dispatch::Dropless);
            let (_, routing) = moe.forward_with(golden.tokens(layer), tokens).unwrap();
            Load::of(&routing)
        };
        let suffix = if masked { "_masked" } else { "" };
        for (name, load) in [("one", load(0)), ("both", load(0).plus(load(1)).unwrap())] {
            let expected = golden.arrays[format!("loss_{name}{suffix}").as_str()][0];
            let found = values(load_balancing_loss(&load))[0] * TOP_K as f32;
            assert!((found - expected).abs() < 1e-5, "{name}{suffix}: {found}");
        }
    }
}
