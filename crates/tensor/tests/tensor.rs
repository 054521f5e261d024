//! Properties of the parameter-space algebra.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "tensor/bad_input.rs"]
mod bad_input;
#[path = "tensor/checkpoint/mod.rs"]
mod checkpoint;
#[path = "tensor/conformance.rs"]
mod conformance;
#[path = "tensor/states.rs"]
mod states;

use burn::module::{Module, ParamGroup};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use proptest::prelude::*;
#[cfg(feature = "linalg")]
use regimen_tensor::linalg::{DMatrix, DVector, cholesky_lower, inverse_spd, solve_spd};
use regimen_tensor::logs::{GradientNorms, Norm, ScalarLog};
use regimen_tensor::threshold::{Scope, keep_largest, kth_largest, top_k, top_k_masks};
use regimen_tensor::{
    Alone, Distribution, ParamVector, Projection, Reducer, TensorError, directional, fisher,
    independent, per_example, stats,
};

#[derive(Module, Debug)]
struct Net {
    first: Linear,
    second: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        Self {
            first: LinearConfig::new(3, 4).init(device),
            second: LinearConfig::new(4, 2).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let hidden = burn::tensor::activation::relu(self.first.forward(x));
        self.second.forward(hidden)
    }
}

const SCALARS: usize = 3 * 4 + 4 + 4 * 2 + 2;

fn device() -> Device {
    Device::default()
}

fn vector(net: &Net, values: &[f32]) -> ParamVector {
    let like = ParamVector::of(net);
    let mut rest = values;
    let parts = like.entries().iter().map(|entry| {
        let (own, tail) = rest.split_at(entry.len());
        rest = tail;
        own.to_vec()
    });
    like.from_host(parts.collect()).unwrap()
}

fn host(vector: &ParamVector) -> Vec<f32> {
    vector.to_host().unwrap().concat()
}

fn close(left: &[f32], right: &[f32]) -> bool {
    let pairs = left.iter().zip(right);
    pairs
        .into_iter()
        .all(|(a, b)| (a - b).abs() <= 1e-3 * (1.0 + a.abs()))
}

fn scalars() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-10.0_f32..10.0, SCALARS)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn vectors_form_a_vector_space(a in scalars(), b in scalars(), c in scalars(), s in -3.0..3.0) {
        let net = Net::new(&device());
        let (a, b, c) = (vector(&net, &a), vector(&net, &b), vector(&net, &c));
        let left = a.clone().add(&b).unwrap().add(&c).unwrap();
        let right = b.clone().add(&c).unwrap().add(&a).unwrap();
        prop_assert!(close(&host(&left), &host(&right)));
        let left = a.clone().add(&b).unwrap().scale(s);
        let right = a.clone().scale(s).axpy(s, &b).unwrap();
        prop_assert!(close(&host(&left), &host(&right)));
        prop_assert_eq!(host(&a.clone().sub(&a).unwrap()), vec![0.0; SCALARS]);
        prop_assert_eq!(host(&a.clone().add(&a.zeros_like()).unwrap()), host(&a));
        let squared = a.dot(&a).unwrap().into_scalar::<f32>();
        let norm = a.l2().into_scalar::<f32>();
        prop_assert!((norm * norm - squared).abs() <= 1e-3 * (1.0 + squared));
        let l1: f32 = host(&a).iter().map(|x| x.abs()).sum();
        prop_assert!((a.l1().into_scalar::<f32>() - l1).abs() <= 1e-3 * (1.0 + l1));
    }

    #[test]
    fn writing_back_what_was_read_changes_no_bit(values in scalars()) {
        let net = Net::new(&device().autodiff());
        let net = vector(&net, &values).write_to(net).unwrap();
        let bits = |net: &Net| -> Vec<u32> {
            host(&ParamVector::of(net)).into_iter().map(f32::to_bits).collect()
        };
        let before = bits(&net);
        let net = ParamVector::of(&net).write_to(net).unwrap();
        prop_assert_eq!(bits(&net), before);
    }

    #[test]
    fn gradients_go_there_and_back(values in scalars()) {
        let net = Net::new(&device());
        let vector = vector(&net, &values);
        let grads = vector.clone().into_gradients();
        let back = ParamVector::gradients(&net, &grads);
        prop_assert_eq!(host(&back), host(&vector));
    }

    #[test]
    fn kth_largest_agrees_with_a_sort(values in prop::collection::vec(-3_i8..3, 1..200), k in 0_usize..220) {
        let values: Vec<f32> = values.into_iter().map(|v| f32::from(v) * 0.5).collect();
        let mut sorted = values.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        match kth_largest(&values, k) {
            Ok(found) => prop_assert_eq!(found, k.checked_sub(1).map(|i| sorted[i])),
            Err(_) => prop_assert!(k > values.len()),
        }
        if k <= values.len() {
            let mask = top_k(&values, k).unwrap();
            prop_assert_eq!(mask.iter().filter(|kept| **kept).count(), k);
            let kept = values.iter().zip(&mask).filter(|(_, m)| **m).map(|(v, _)| *v);
            let dropped = values.iter().zip(&mask).filter(|(_, m)| !**m).map(|(v, _)| *v);
            let least = kept.fold(f32::INFINITY, f32::min);
            prop_assert!(dropped.fold(f32::NEG_INFINITY, f32::max) <= least);
            let cut = values.len() / 2;
            let parts = top_k_masks(&[&values[..cut], &values[cut..]], None, k).unwrap();
            prop_assert_eq!(parts.concat(), mask);
        }
    }

    #[test]
    fn a_projection_is_the_same_on_any_chunking(values in scalars(), seed in any::<u64>()) {
        let net = Wide::new(&device());
        let wide = ParamVector::of(&net).axpy(f64::from(values[0]), &ParamVector::of(&net)).unwrap();
        for law in [Distribution::Rademacher, Distribution::Gaussian, Distribution::Sparse { s: 3.0 }] {
            let projection = Projection::new(3, seed).unwrap().with_distribution(law).unwrap();
            let whole = projection.with_chunk(1 << 20).apply(&wide).unwrap();
            let cut = projection.with_chunk(1).apply(&wide).unwrap();
            prop_assert!(close(&read(whole), &read(cut)));
        }
    }
}

#[derive(Module, Debug)]
struct Wide {
    layer: Linear,
}

impl Wide {
    fn new(device: &Device) -> Self {
        Self {
            layer: LinearConfig::new(50, 60).init(device),
        }
    }
}

fn read(tensor: Tensor<1>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}

#[test]
fn rows_are_projected_as_vectors_are() {
    let device = Device::flex();
    let layer = LinearConfig::new(40, 60).init(&device);
    let one = ParamVector::of(&layer);
    let two = one.clone().map(|_, values| values.square());
    let projection = Projection::new(5, 11).unwrap().with_chunk(1);
    let flat = |vector: &ParamVector| {
        let values = vector.entries().iter().map(|entry| entry.values.clone());
        Tensor::<1>::cat(values.collect(), 0)
    };
    let rows = Tensor::<1>::stack::<2>(vec![flat(&one), flat(&two)], 0);
    let found = projection.apply_rows(rows).unwrap();
    let alone = [&one, &two].map(|vector| projection.apply(vector).unwrap());
    let alone = Tensor::<1>::stack::<2>(alone.to_vec(), 0);
    let difference = (found - alone).abs().max().into_scalar::<f32>();
    assert!(difference < 1e-4, "{difference}");
    assert!(
        projection
            .apply_rows(Tensor::zeros([0, 3], &device))
            .is_err()
    );
}

/// Rows of a formula, `[count, 5000]`.
fn formula_rows(count: usize) -> Tensor<2> {
    let values = (0..count * 5000).map(|i| (i as f32 * 0.37).sin());
    let data = TensorData::new(values.collect::<Vec<f32>>(), [count, 5000]);
    Tensor::from_data(data, &Device::flex())
}

#[test]
fn a_drawn_projection_does_not_depend_on_batch_memory_or_chunk() {
    let rows = formula_rows(3);
    let of = |projection: &Projection, rows: &Tensor<2>| -> Vec<f32> {
        let drawn = projection.draw(5000, &rows.device()).unwrap();
        drawn
            .apply(rows.clone())
            .unwrap()
            .try_into_vec_as()
            .unwrap()
    };
    let dense = Projection::new(7, 3).unwrap();
    for projection in [dense, dense.with_buckets(1000).unwrap()] {
        let whole = of(&projection, &rows);
        for other in [
            projection.with_chunk(1),
            projection.with_memory(0),
            projection.with_chunk(1).with_memory(4 * 7 * 1024),
        ] {
            assert!(close(&whole, &of(&other, &rows)));
        }
        for row in 0..3 {
            let alone = of(&projection, &rows.clone().narrow(0, row, 1));
            assert!(close(&whole[row * 7..(row + 1) * 7], &alone));
        }
        let direct: Vec<f32> = projection
            .apply_rows(rows.clone())
            .unwrap()
            .try_into_vec_as()
            .unwrap();
        assert!(close(&whole, &direct));
    }
    let drawn = dense.draw(5000, &rows.device()).unwrap();
    let error = drawn.apply(rows.narrow(1, 0, 4999)).unwrap_err();
    assert!(error.to_string().contains("4999"), "{error}");
    assert!(dense.with_buckets(0).is_err() && dense.draw(0, &Device::flex()).is_err());
}

/// The mean over seeds is the inner product; the variance is that of the dense projection and of the folding.
#[test]
fn folding_preserves_inner_products() {
    let rows = formula_rows(2);
    let values: Vec<f32> = rows.clone().try_into_vec_as().unwrap();
    let (a, b) = values.split_at(5000);
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(a * b));
        products.sum()
    };
    let found = (0..300).map(|seed| {
        let projection = Projection::new(32, seed).unwrap();
        let projection = projection.with_buckets(250).unwrap();
        let both: Vec<f32> = projection
            .apply_rows(rows.clone())
            .unwrap()
            .try_into_vec_as()
            .unwrap();
        dot(&both[..32], &both[32..])
    });
    let found: Vec<f64> = found.collect();
    let error = stats::mean(&found) - dot(a, b);
    let standard = stats::standard_error(&found);
    assert!(error.abs() < 4.0 * standard, "{error} {standard}");
    // The product of the squared norms, and twice the square of the inner product at most, over dimensions and buckets.
    let bound = (dot(a, a) * dot(b, b) + dot(a, b).powi(2)) * (1.0 / 32.0 + 1.0 / 250.0);
    let variance = standard.powi(2) * 300.0;
    assert!(
        variance < 1.35 * bound && variance > 0.7 * bound,
        "{variance} {bound}"
    );
}

#[test]
fn half_precision_rows_are_projected_in_single() {
    let rows = formula_rows(2);
    let drawn = Projection::new(4, 1)
        .unwrap()
        .draw(5000, &rows.device())
        .unwrap();
    for half in [FloatDType::BF16, FloatDType::F16, FloatDType::F64] {
        let found = drawn.apply(rows.clone().cast(half)).unwrap();
        assert_eq!(found.dtype(), DType::F32);
        let same = drawn
            .apply(rows.clone().cast(half).cast(FloatDType::F32))
            .unwrap();
        assert_eq!(found.to_data(), same.to_data());
    }
}

#[test]
fn projections_preserve_inner_products_in_expectation() {
    let net = Net::new(&device());
    let a = vector(&net, &[1.0; SCALARS]);
    let b = vector(
        &net,
        &std::array::from_fn::<f32, SCALARS, _>(|i| i as f32 / 10.0),
    );
    let exact = a.dot(&b).unwrap().into_scalar::<f32>();
    for law in [
        Distribution::Rademacher,
        Distribution::Gaussian,
        Distribution::Sparse { s: 3.0 },
    ] {
        let products = (0..400).map(|seed| {
            let projection = Projection::new(8, seed)
                .unwrap()
                .with_distribution(law)
                .unwrap();
            let (pa, pb) = (projection.apply(&a).unwrap(), projection.apply(&b).unwrap());
            f64::from((pa * pb).sum().into_scalar::<f32>())
        });
        let products: Vec<f64> = products.collect();
        let error = (stats::mean(&products) - f64::from(exact)).abs();
        assert!(
            error < 4.0 * stats::standard_error(&products),
            "{law:?}: {error}"
        );
    }
}

#[test]
fn a_written_module_still_trains() {
    let device = device().autodiff();
    let net = Net::new(&device);
    let net = ParamVector::of(&net).scale(0.5).write_to(net).unwrap();
    let loss = net.forward(Tensor::ones([2, 3], &device)).square().mean();
    let grads = GradientsParams::from_grads(loss.backward(), &net);
    assert_eq!(grads.len(), 4);
    let before = host(&ParamVector::of(&net));
    let net = SgdConfig::new().init().step(0.1, net, grads);
    assert_ne!(host(&ParamVector::of(&net)), before);
}

#[test]
fn vectors_of_other_modules_are_refused() {
    let (one, two) = (Net::new(&device()), Net::new(&device()));
    let error = ParamVector::of(&one)
        .add(&ParamVector::of(&two))
        .unwrap_err();
    assert!(error.to_string().contains("first.weight"), "{error}");
    assert!(matches!(error, TensorError::Mismatch { .. }));
    assert!(ParamVector::of(&one).write_to(two).is_err());
    let part = ParamVector::of_group(&one, &ParamGroup::from_path("first.bias"));
    assert_eq!(part.len(), 4);
    assert!(ParamVector::of(&one).add(&part).is_err());
    assert!(part.from_host(vec![vec![0.0; 3]]).is_err());
}

#[test]
fn a_saved_vector_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("importance.safetensors");
    let net = Net::new(&device());
    let vector = ParamVector::of(&net);
    vector.save(&path).unwrap();
    let loaded = ParamVector::load(&path, &vector.zeros_like()).unwrap();
    assert_eq!(host(&loaded), host(&vector));
    let wide = ParamVector::of(&Wide::new(&device()));
    assert!(matches!(
        ParamVector::load(&path, &wide),
        Err(TensorError::Mismatch { .. })
    ));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(
        ParamVector::load(&path, &vector),
        Err(TensorError::File { .. })
    ));
    assert!(ParamVector::load(folder.path().join("none"), &vector).is_err());
}

#[test]
fn keeping_the_largest_counts_by_scope() {
    let net = Net::new(&device());
    let scores = vector(&net, &std::array::from_fn::<f32, SCALARS, _>(|i| i as f32));
    let ones = |scope: &Scope| -> Vec<usize> {
        let mask = keep_largest(&scores, 0.5, scope)
            .unwrap()
            .to_host()
            .unwrap();
        mask.iter()
            .map(|part| part.iter().filter(|x| **x == 1.0).count())
            .collect()
    };
    assert_eq!(ones(&Scope::Global), [0, 3, 8, 2]);
    assert_eq!(ones(&Scope::PerTensor), [6, 2, 4, 1]);
    assert_eq!(ones(&Scope::Grouped(vec![0, 0, 1, 1])), [4, 4, 3, 2]);
    assert!(keep_largest(&scores, 1.5, &Scope::Global).is_err());
    assert!(keep_largest(&scores, 0.5, &Scope::Grouped(vec![0])).is_err());
}

#[test]
fn the_true_fisher_of_a_linear_classifier() {
    let device = device().autodiff();
    let model = LinearConfig::new(1, 2).with_bias(false).init(&device);
    let model = ParamVector::of(&model).scale(0.0).write_to(model).unwrap();
    let x = Tensor::<2>::from_data([[2.0]], &device);
    let fisher = fisher::true_diagonal(&model, [x], |model, x| model.forward(x)).unwrap();
    // p = 1/2: the gradient of log p(y) is x (1[y = j] - 1/2), its mean square x^2 / 4.
    assert!(close(&host(&fisher), &[1.0, 1.0]));
    let none: [Tensor<2>; 0] = [];
    assert!(fisher::batch_diagonal(&model, none, |_, x| x.sum()).is_err());
}

#[test]
fn per_example_gradients_add_up_to_the_batch() {
    let device = device().autodiff();
    let net = Net::new(&device);
    let x = Tensor::<2>::from_data([[1.0, -2.0, 0.5], [0.3, 0.1, -1.0]], &device);
    let y = Tensor::<1, burn::tensor::Int>::from_data([1, 0], &device);
    let loss = per_example::cross_entropy(net.forward(x.clone()), y.clone()).sum();
    let whole = GradientsParams::from_grads(loss.backward(), &net);
    let whole = ParamVector::gradients(&net, &whole);
    let mut sum = whole.zeros_like();
    let one = |net: &Net, i: usize| {
        let logits = net.forward(x.clone().narrow(0, i, 1));
        per_example::cross_entropy(logits, y.clone().narrow(0, i, 1)).sum()
    };
    per_example::for_each_gradient(&net, 0..2, one, |_, gradient| {
        sum = gradient.add(&sum)?;
        Ok(())
    })
    .unwrap();
    assert!(close(&host(&sum), &host(&whole)));
}

#[test]
fn the_hessian_of_a_quadratic() {
    let device = device().autodiff();
    let model = LinearConfig::new(2, 1).with_bias(false).init(&device);
    let point = ParamVector::of(&model)
        .from_host(vec![vec![1.0, -1.0]])
        .unwrap();
    let model = point.write_to(model).unwrap();
    let a = Tensor::<2>::from_data([[2.0, 1.0], [1.0, 3.0]], &device);
    let gradient = |model: &Linear| {
        let w = model.weight.val();
        let loss = (w.clone().transpose().matmul(a.clone()).matmul(w)).sum() * 0.5;
        let grads = GradientsParams::from_grads(loss.backward(), model);
        Ok(ParamVector::gradients(model, &grads))
    };
    let direction = point.from_host(vec![vec![0.0, -2.0]]).unwrap();
    let product = directional::hessian_vector(&model, &direction, gradient).unwrap();
    assert!(
        close(&host(&product), &[-2.0, -6.0]),
        "{:?}",
        host(&product)
    );
    let x = Tensor::<2>::from_data(TensorData::from([[3.0, 5.0]]), &device);
    let outputs = |model: &Linear| model.forward(x.clone()).reshape([1]);
    let product = directional::jacobian_vector(&model, &direction, outputs).unwrap();
    assert!(close(&read(product), &[-10.0]));
    assert!(directional::step_size(&point, &point.zeros_like()).is_err());
}

#[cfg(feature = "linalg")]
#[test]
fn small_solves() {
    let a = DMatrix::from_row_slice(2, 2, &[4.0, 2.0, 2.0, 3.0]);
    let lower = cholesky_lower(a.clone()).unwrap();
    assert!((&lower * lower.transpose() - &a).norm() < 1e-12);
    let inverse = inverse_spd(a.clone()).unwrap();
    assert!((&a * inverse - DMatrix::identity(2, 2)).norm() < 1e-12);
    assert!(solve_spd(-a.clone(), &DVector::from_vec(vec![1.0, 1.0])).is_err());
    assert!(solve_spd(a, &DVector::from_vec(vec![1.0])).is_err());
}

#[test]
fn ranks_of_many_values_take_the_time_of_sorting() {
    let values: Vec<f64> = (0..1_000_000_u64)
        .map(|i| (i * 7_919 % 1_000_003) as f64)
        .collect();
    let start = std::time::Instant::now();
    let ranks = regimen_tensor::stats::ranks(&values);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    assert_eq!(ranks.iter().sum::<f64>(), 1_000_000.0 * 1_000_001.0 / 2.0);
}

#[test]
fn ranks_share_ties() {
    assert_eq!(stats::ranks(&[3.0, 1.0, 3.0]), [2.5, 1.0, 2.5]);
    assert_eq!(stats::pearson(&[1.0, 2.0], &[2.0, 1.0]).unwrap(), -1.0);
    assert!(stats::pearson(&[1.0], &[f64::NAN]).is_err());
    let mut values = [2.0];
    Alone.mean(&mut values).unwrap();
    assert_eq!((values, Alone.gather(&[1.0])), ([2.0], Ok(vec![1.0])));
}

#[test]
fn logged_norms_are_those_of_the_gradients() {
    let device = Device::flex().autodiff();
    let mut model: Linear = LinearConfig::new(3, 2).init(&device);
    let mut optim = SgdConfig::new().init();
    let (l1, l2) = (GradientNorms::new(Norm::L1), GradientNorms::new(Norm::L2));
    let mut expected = Vec::new();
    for i in 0..5 {
        let x = Tensor::<2>::full([4, 3], f64::from(i) - 1.5, &device);
        let loss = model.forward(x).square().mean();
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        l1.observe(&model, &grads);
        l2.observe(&model, &grads);
        let values = ParamVector::gradients(&model, &grads)
            .to_host()
            .unwrap()
            .concat();
        let squares: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        let sizes: f64 = values.iter().map(|v| f64::from(v.abs())).sum();
        expected.push((sizes, squares.sqrt()));
        model = optim.step(0.1, model, grads);
    }
    let (l1, l2) = (l1.norms().unwrap(), l2.norms().unwrap());
    assert_eq!((l1.len(), l2.len()), (5, 5));
    for (i, (sum, root)) in expected.into_iter().enumerate() {
        assert!((l1[i] - sum).abs() < 1e-4 * (1.0 + sum));
        assert!((l2[i] - root).abs() < 1e-4 * (1.0 + root));
    }
    let resumed = GradientNorms::resume(Norm::L2, l2.clone());
    assert_eq!(resumed.norms().unwrap(), l2);
    assert!(!resumed.is_empty());
}

#[derive(Module, Debug)]
struct Normalised {
    linear: Linear,
    norm: BatchNorm,
}

impl Normalised {
    fn new(device: &Device) -> Self {
        Self {
            linear: LinearConfig::new(3, 4).init(device),
            norm: BatchNormConfig::new(4).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.norm.forward(self.linear.forward(x))
    }
}

fn rows(device: &Device) -> Tensor<2> {
    Tensor::from_data([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]], device)
}

fn paths(vector: &ParamVector) -> Vec<&str> {
    let entries = vector.entries().iter();
    entries.map(|entry| entry.path.as_str()).collect()
}

#[test]
fn running_statistics_are_no_parameters() {
    for device in [device(), device().autodiff()] {
        let net = Normalised::new(&device);
        let parameters = ["linear.weight", "linear.bias", "norm.gamma", "norm.beta"];
        let buffers = ["norm.running_mean", "norm.running_var"];
        assert_eq!(paths(&ParamVector::of(&net)), parameters);
        assert_eq!(paths(&ParamVector::of(&net.clone().freeze())), parameters);
        assert_eq!(paths(&ParamVector::buffers(&net)), buffers);
        assert_eq!(paths(&ParamVector::state(&net)).len(), 6);
        let gradients = ParamVector::gradients(&net, &GradientsParams::new());
        assert_eq!(paths(&gradients), parameters);
    }
}

#[test]
fn statistics_that_wait_for_their_next_update_are_read() {
    let device = device().autodiff();
    let net = Normalised::new(&device);
    let _ = net.forward(rows(&device));
    let read = host(&ParamVector::buffers(&net));
    let settled = net
        .norm
        .running_mean
        .value_sync()
        .try_into_vec_as::<f32>()
        .unwrap();
    assert_eq!(read[..4], settled);
    assert!(settled.iter().any(|mean| *mean != 0.0));
}

#[test]
fn an_independent_copy_and_its_original_train_apart() {
    let device = device().autodiff();
    let net = Normalised::new(&device).freeze_group(ParamGroup::from_path("linear.bias"));
    let _ = net.forward(rows(&device));
    let copy = independent(&net);
    assert_eq!(
        host(&ParamVector::state(&copy)),
        host(&ParamVector::state(&net))
    );
    assert!(copy.linear.weight.is_require_grad());
    assert!(!copy.linear.bias.as_ref().unwrap().is_require_grad());
    let before = host(&ParamVector::state(&net));
    let _ = copy.forward(rows(&device) * 3.0);
    assert_eq!(host(&ParamVector::state(&net)), before);
    assert_ne!(host(&ParamVector::state(&copy)), before);
    let after = host(&ParamVector::state(&copy));
    let _ = net.forward(rows(&device) * 7.0);
    assert_eq!(host(&ParamVector::state(&copy)), after);
}

#[test]
fn measuring_a_model_moves_no_running_statistic() {
    let device = device().autodiff();
    let net = Normalised::new(&device);
    let before = host(&ParamVector::state(&net));
    let loss = |net: &Normalised, x: Tensor<2>| net.forward(x).square().mean();
    fisher::batch_diagonal(&net, [rows(&device)], loss).unwrap();
    fisher::batch_absolute(&net, [rows(&device)], loss).unwrap();
    fisher::true_diagonal(&net, [rows(&device)], |net, x| {
        net.forward(x).narrow(0, 0, 1)
    })
    .unwrap();
    per_example::for_each_gradient(&net, [rows(&device)], loss, |_, _| Ok(())).unwrap();
    let direction = ParamVector::of(&net);
    let gradient = |net: &Normalised| {
        let grads = loss(net, rows(&device)).backward();
        Ok(ParamVector::gradients(
            net,
            &GradientsParams::from_grads(grads, net),
        ))
    };
    directional::hessian_vector(&net, &direction, gradient).unwrap();
    let outputs = |net: &Normalised| net.forward(rows(&device)).flatten(0, 1);
    directional::jacobian_vector(&net, &direction, outputs).unwrap();
    assert_eq!(host(&ParamVector::state(&net)), before);
}

#[test]
fn half_precision_sums_in_single_and_returns_to_its_own_type() {
    let device = device();
    for dtype in [DType::BF16, DType::F16, DType::F64] {
        // 300 ones: bf16 counts no further than 256.
        let linear = LinearConfig::new(300, 1).with_bias(false).init(&device);
        let linear = linear.map(&mut Cast(dtype));
        let ones = ParamVector::of(&linear).map(|_, values| values.ones_like());
        let linear = ones.write_to(linear).unwrap();
        let ones = ParamVector::of(&linear);
        assert_eq!(ones.entries()[0].values.dtype(), dtype);
        assert_eq!(ones.l1().into_scalar::<f32>(), 300.0);
        assert_eq!(ones.dot(&ones).unwrap().into_scalar::<f32>(), 300.0);
        assert_eq!(ones.l2().into_scalar::<f32>(), 300.0_f32.sqrt());
        let mixed = ones.clone().add(&ones.clone().widened()).unwrap();
        assert_eq!(host(&mixed), vec![2.0; 300]);
        let linear = mixed.clone().write_to(linear).unwrap();
        assert_eq!(linear.weight.val().dtype(), dtype);
        let grads = mixed.into_gradients();
        let gradient = grads.get::<2>(linear.weight.id).unwrap();
        assert_eq!(gradient.dtype(), dtype);
        let read = ones.from_host(vec![vec![0.5; 300]]).unwrap();
        assert_eq!(read.entries()[0].values.dtype(), dtype);
    }
}

struct Cast(DType);

impl burn::module::ModuleMapper for Cast {
    fn map_float<const D: usize>(
        &mut self,
        param: burn::module::Param<Tensor<D>>,
    ) -> burn::module::Param<Tensor<D>> {
        param.map(|tensor| tensor.cast(self.0))
    }
}

#[test]
fn norms_of_half_precision_are_taken_in_f32() {
    let device = device();
    let model: Linear = LinearConfig::new(500, 400).with_bias(false).init(&device);
    for dtype in [DType::BF16, DType::F16] {
        let mut grads = GradientsParams::new();
        let gradient = Tensor::<2>::full([500, 400], 25.0, (&device, dtype));
        grads.register(model.weight.id, gradient);
        for (norm, expected) in [(Norm::L1, 5e6), (Norm::L2, 25.0 * 2e5_f64.sqrt())] {
            let log = GradientNorms::new(norm);
            log.observe(&model, &grads);
            let found = log.norms().unwrap();
            assert!((found[0] - expected).abs() < 1e-5 * expected, "{found:?}");
        }
    }
}

#[test]
fn a_log_holds_one_entry_for_each_update_of_any_type() {
    let device = device();
    let model: Linear = LinearConfig::new(1, 1).init(&device);
    let log = ScalarLog::resume(vec![9.0]);
    let full = |value: f64, dtype| Tensor::<1>::full([1], value, (&device, dtype));
    for update in 0..600 {
        log.observe(full(f64::from(update % 7), DType::BF16));
        log.observe(full(f64::from(update % 7) + 1.0, DType::F32));
        assert_eq!(log.len(), 1 + update as usize);
        log.end_update(&model);
    }
    log.observe(full(1e9, DType::F32)); // of an update that never ends
    let values = log.values().unwrap();
    assert_eq!((values.len(), values[0]), (601, 9.0));
    let right = |update: usize| (update % 7) as f64 + 0.5;
    assert!((0..600).all(|update| values[1 + update] == right(update)));
    // Several numbers count as their mean.
    let batch = ScalarLog::new();
    batch.observe(Tensor::from_data(
        TensorData::from([1.0_f32, 2.0, 6.0]),
        &device,
    ));
    batch.end_update(&model);
    assert_eq!(batch.values().unwrap(), [3.0]);
}
