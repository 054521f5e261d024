//! Pathways from the records of layers: tokens averaged first, padding left out, embeddings from routers.

use approx::assert_abs_diff_eq;
use burn::module::Param;
use burn::tensor::{Device, Distribution, Tensor};
use regimen_moe::pathways::*;
use regimen_moe::*;

use crate::routers::softmax_router;

/// The record of a layer with these probabilities, `[batch][token][expert]`; the last `padding` tokens of each row are none.
fn record<const B: usize, const T: usize>(rows: [[[f32; 4]; T]; B], padding: usize) -> Routing {
    let device = Device::flex();
    let probabilities = Tensor::<3>::from_data(rows, &device).reshape([B * T, 4]);
    let mut gating = softmax_router(2, false, 4).gate(probabilities.clone().log());
    gating.probabilities = probabilities;
    let valid = (0..B * T).map(|token| f32::from(u8::from(token % T < T - padding)));
    let valid: Vec<f32> = valid.collect();
    Routing {
        gating,
        counts: Tensor::zeros([4], &device),
        dropped: Tensor::zeros([1], &device),
        tokens: Tensor::full([1], (B * (T - padding)) as f32, &device),
        valid: (padding > 0).then(|| Tensor::<1>::from_floats(valid.as_slice(), &device)),
        shape: [B, T],
    }
}

#[test]
fn tokens_are_averaged_before_the_selection() {
    let rows = [[[0.6, 0.2, 0.1, 0.1], [0.2, 0.6, 0.1, 0.1]]];
    let weights = routing_weights(&[record(rows, 0)]).unwrap();
    for (found, expected) in weights[0][0].iter().zip([0.4, 0.4, 0.1, 0.1]) {
        assert_abs_diff_eq!(*found, expected, epsilon = 1e-6);
    }
    let pathways = Pathway::of_batch(&[record(rows, 0)], 0.7).unwrap();
    assert_eq!(pathways[0].to_string(), "0,1");
}

#[test]
fn padding_changes_nothing() {
    let rows = [[[0.6, 0.2, 0.1, 0.1], [0.0, 0.0, 0.0, 1.0]]];
    let pathways = Pathway::of_batch(&[record(rows, 1)], 0.7).unwrap();
    assert_eq!(pathways[0].to_string(), "0,1");
}

#[test]
fn a_sum_of_exactly_the_threshold_has_reached_it() {
    let pathways = Pathway::of_batch(&[record([[[0.4, 0.3, 0.2, 0.1]]], 0)], 0.7).unwrap();
    assert_eq!(pathways[0].to_string(), "0,1");
}

#[test]
fn the_three_samples_of_the_check() {
    let first = [
        [[0.5, 0.3, 0.12, 0.08]],
        [[0.3, 0.5, 0.12, 0.08]],
        [[0.5, 0.3, 0.12, 0.08]],
    ];
    let second = [
        [[0.1, 0.15, 0.3, 0.45]],
        [[0.62, 0.2, 0.1, 0.08]],
        [[0.1, 0.15, 0.45, 0.3]],
    ];
    let layers = [record(first, 0), record(second, 0)];
    let pathways = Pathway::of_batch(&layers, 0.7).unwrap();
    let texts: Vec<String> = pathways.iter().map(Pathway::to_string).collect();
    assert_eq!(texts, ["0,1-3,2", "1,0-0,1", "0,1-2,3"]);
    let mean = mean_distance(&pathways, Unit::Character).unwrap();
    assert_abs_diff_eq!(mean, 10.0 / 3.0, epsilon = 1e-12);
    let text = serde_json::to_string(&pathways).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<Pathway>>(&text).unwrap(),
        pathways
    );
}

#[test]
fn records_of_other_batches_are_an_error() {
    let one = record([[[0.4, 0.3, 0.2, 0.1]]], 0);
    let two = record([[[0.4, 0.3, 0.2, 0.1]], [[0.4, 0.3, 0.2, 0.1]]], 0);
    assert!(Pathway::of_batch(&[one, two], 0.7).is_err());
}

#[test]
fn a_whole_model_is_read_by_its_routers() {
    let device = Device::flex();
    device.seed(3);
    let moe = MoeConfig::new(4, 8, 3, 2).init(&device).unwrap();
    let x = Tensor::<3>::random([5, 2, 4], Distribution::Default, &device);
    let (y, first) = moe.forward(x);
    let (z, second) = moe.forward(y);
    let (_, third) = moe.forward(z);
    let weights = routing_weights(&[first, second, third]).unwrap();
    let embeddings = expert_embeddings([&moe.router; 3]).unwrap();
    let matrix = moe.router.weight().unwrap();
    let matrix = matrix.try_into_vec_as::<f32>().unwrap();
    assert_eq!(embeddings[2][1][3], f64::from(matrix[3 * 3 + 1]));
    for sample in &weights {
        let found = consistency(sample, &embeddings).unwrap();
        assert!(found.mean_cosine.abs() <= 1.0 + 1e-12 && found.roughness.is_some());
        assert_abs_diff_eq!(sample[0].iter().sum::<f64>(), 1.0, epsilon = 1e-9);
    }
}

#[test]
fn a_hash_router_has_no_embeddings() {
    let router = RouterConfig::Hash(HashRouterConfig::new());
    let router = router.init(4, 3, 1, &Device::flex()).unwrap();
    let error = expert_embeddings([&router]).unwrap_err().to_string();
    assert!(error.contains("hash"), "{error}");
}

#[test]
fn an_expert_is_a_column_of_the_weight() {
    let mut router = softmax_router(1, false, 2);
    let weight = Tensor::<2>::from_data(
        [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]],
        &Device::flex(),
    );
    router.weight = Param::from_tensor(weight);
    let found = expert_embeddings([&Router::Softmax(router)]).unwrap();
    assert_eq!(
        found[0],
        [vec![1.0, 3.0, 5.0, 7.0], vec![2.0, 4.0, 6.0, 8.0]]
    );
}
