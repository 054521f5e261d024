//! Masks before training against the released codes: what is differentiated, what is linearised, and what stays as it was.

use super::*;
use burn::module::ModuleMapper;
use burn::module::Param;
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig};
use burn::tensor::FloatDType;

#[derive(Module, Debug)]
struct Normed {
    first: Linear,
    norm: BatchNorm,
    dropout: Dropout,
    second: Linear,
}

impl Normed {
    fn new(device: &Device) -> Self {
        Self {
            first: LinearConfig::new(12, 8).init(device),
            norm: BatchNormConfig::new(8).init(device),
            dropout: DropoutConfig::new(0.5).init(),
            second: LinearConfig::new(8, 5).init(device),
        }
    }

    /// Linear, as the flow is for positive weights and inputs.
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let hidden = self.norm.forward(self.first.forward(x));
        self.second.forward(self.dropout.forward(hidden))
    }

    fn gradients(&self, x: Tensor<2>) -> ParamVector {
        let loss = (self.forward(x) - 1.0).square().mean();
        ParamVector::gradients(self, &GradientsParams::from_grads(loss.backward(), self))
    }
}

/// A model whose norm and biases are of both signs, with statistics from some batches.
fn trained(device: &Device) -> Normed {
    let model = Normed::new(device);
    for at in 0..5 {
        let _ = model.forward(batch(at, device));
    }
    let wave = |_: &regimen_tensor::ParamEntry, v: Tensor<1>| {
        let device = v.device();
        let n = v.dims()[0];
        let shift = (0..n).map(|i| if i % 3 == 0 { -0.6 } else { 0.3 });
        v + Tensor::<1>::from_data(TensorData::new(shift.collect::<Vec<f32>>(), [n]), &device)
    };
    let state = ParamVector::of(&model).map(wave);
    state.write_to(model).unwrap()
}

fn state(model: &Normed) -> Vec<Vec<u32>> {
    let host = ParamVector::state(model).to_host().unwrap();
    host.iter()
        .map(|v| v.iter().map(|x| x.to_bits()).collect())
        .collect()
}

/// The flow of the whole state's absolute values, by hand: batch norm by its running statistics, no dropout.
#[test]
fn synflow_linearises_the_whole_state_and_evaluates() {
    let device = Device::flex().autodiff();
    let model = trained(&device);
    let before = state(&model);
    let ones = || Tensor::<2>::ones([1, 12], &device);
    let mut seen = Vec::new();
    let flow = |net: &Normed| {
        assert!(
            ParamVector::state(net)
                .to_host()
                .unwrap()
                .iter()
                .flatten()
                .all(|v| *v >= 0.0)
        );
        let output = net.forward(ones()).sum();
        seen.push(output.clone().into_scalar::<f32>());
        let grads = GradientsParams::from_grads(output.backward(), net);
        Ok(ParamVector::gradients(net, &grads))
    };
    let masks = Masks::dense(&model).unwrap();
    let masks = synflow::synflow(&model, masks, 0.3, 1, flow).unwrap();
    assert_eq!(masks.count(), 40);
    assert_eq!(state(&model), before, "the model stays as it is");

    let host = ParamVector::state(&model).to_host().unwrap();
    let abs: Vec<Vec<f64>> = host
        .iter()
        .map(|v| v.iter().map(|x| f64::from(x.abs())).collect())
        .collect();
    let paths: Vec<String> = ParamVector::state(&model)
        .entries()
        .iter()
        .map(|e| e.path.clone())
        .collect();
    let of = |path: &str| &abs[paths.iter().position(|p| p == path).unwrap()];
    let (w1, b1, w2, b2) = (
        of("first.weight"),
        of("first.bias"),
        of("second.weight"),
        of("second.bias"),
    );
    let (gamma, beta) = (of("norm.gamma"), of("norm.beta"));
    let (mean, var) = (of("norm.running_mean"), of("norm.running_var"));
    let scale: Vec<f64> = (0..8)
        .map(|j| gamma[j] / (var[j] + model.norm.epsilon).sqrt())
        .collect();
    let hidden = |j: usize| {
        let sum: f64 = (0..12).map(|i| w1[i * 8 + j]).sum::<f64>() + b1[j];
        (sum - mean[j]) * scale[j] + beta[j]
    };
    let out = |j: usize| (0..5).map(|k| w2[j * 5 + k]).sum::<f64>();
    let flow: f64 = (0..8).map(|j| hidden(j) * out(j)).sum::<f64>() + b2.iter().sum::<f64>();
    assert!(
        (f64::from(seen[0]) / flow - 1.0).abs() < 1e-4,
        "{} {flow}",
        seen[0]
    );
    let first: Vec<f32> = (0..96)
        .map(|i| (w1[i] * scale[i % 8] * out(i % 8)) as f32)
        .collect();
    let second: Vec<f32> = (0..40)
        .map(|i| (w2[i] * hidden(i / 5)).abs() as f32)
        .collect();
    let expected = Masks::dense(&model)
        .unwrap()
        .keep_top(&[first, second], 0.3)
        .unwrap();
    assert!(masks == expected);
}

/// `H g` with `g` of the masked weights alone: the products with biases and norms are left out.
#[test]
fn grasp_differentiates_the_masked_weights_alone() {
    let device = Device::flex().autodiff();
    let model = trained(&device);
    let plain = Normed {
        dropout: DropoutConfig::new(0.0).init(),
        ..model
    };
    let x = || batch(3, &device);
    let before = state(&plain);
    let dense = || Masks::dense(&plain).unwrap();
    let found = grasp::grasp(&plain, dense(), 0.4, |net| Ok(net.gradients(x()))).unwrap();
    assert_eq!(state(&plain), before, "statistics stay as they are");

    let g = regimen_tensor::independent(&plain).gradients(x());
    let masked = |entry: &regimen_tensor::ParamEntry| entry.path.ends_with("weight");
    let only = g
        .clone()
        .map(|e, v| if masked(e) { v } else { v.zeros_like() });
    let scores = |direction: &ParamVector| {
        let copy = regimen_tensor::independent(&plain);
        let hg = regimen_tensor::directional::hessian_vector(&copy, direction, |net: &Normed| {
            Ok(net.gradients(x()))
        });
        let product = hg.unwrap().hadamard(&ParamVector::of(&plain)).unwrap();
        product.filter(masked).to_host().unwrap()
    };
    let expected = dense().keep_top(&scores(&only), 0.4).unwrap();
    assert!(found == expected);
    let whole = dense().keep_top(&scores(&g), 0.4).unwrap();
    assert!(
        found != whole,
        "the gradient of all parameters gives another mask"
    );
}

struct Cast(FloatDType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let dtype = self.0;
        param.map(|t| Tensor::from_inner(t.inner().cast(dtype)).require_grad())
    }
}

#[test]
fn other_precisions_run_or_are_refused() {
    let device = Device::flex().autodiff();
    for dtype in [FloatDType::F16, FloatDType::BF16, FloatDType::F64] {
        let net = Net::new(&device).map(&mut Cast(dtype));
        let gradient = |net: &Net, x: Tensor<2>| {
            let out = net.second.forward(relu(net.first.forward(x.cast(dtype))));
            GradientsParams::from_grads((out - 1.0).square().mean().backward(), net)
        };
        let dense = || Masks::dense(&net).unwrap();
        let grads = gradient(&net, batch(0, &device));
        let found = snip::snip(&net, &grads, dense(), 0.2).unwrap();
        assert_eq!(found.count(), 68, "{dtype:?}");
        let ones = |net: &Net| {
            let x = Tensor::<2>::ones([1, 12], &device).cast(dtype);
            let out = net.second.forward(net.first.forward(x));
            let grads = GradientsParams::from_grads(out.sum().backward(), net);
            Ok(ParamVector::gradients(net, &grads))
        };
        let found = synflow::synflow(&net, dense(), 0.2, 10, ones).unwrap();
        assert_eq!(found.count(), 68, "{dtype:?}");
        let flow = |net: &Net| {
            let grads = gradient(net, batch(0, &device));
            Ok(ParamVector::gradients(net, &grads))
        };
        match grasp::grasp(&net, dense(), 0.2, flow) {
            Ok(found) => assert_eq!((found.count(), dtype), (68, FloatDType::F64)),
            Err(error) => {
                assert_ne!(dtype, FloatDType::F64);
                assert!(error.to_string().contains("first.weight"), "{error}");
            }
        }
        let masked = found.apply(net).unwrap();
        let wanted: burn::tensor::DType = dtype.into();
        assert_eq!(masked.first.weight.val().dtype(), wanted);
    }
}

#[test]
fn a_gradient_that_is_not_finite_makes_no_mask() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let dense = || Masks::dense(&net).unwrap();
    let nan = |net: &Net| Ok(ParamVector::of(net).map(|_, v| v * f32::NAN));
    let grads = nan(&net).unwrap().into_gradients();
    assert!(snip::snip(&net, &grads, dense(), 0.2).is_err());
    assert!(grasp::grasp(&net, dense(), 0.2, nan).is_err());
    assert!(synflow::synflow(&net, dense(), 0.2, 3, nan).is_err());
}
