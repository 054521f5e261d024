//! GraSP, as alecwangcq/GraSP scores.

use burn::tensor::{DType, Int, Tensor};
use regimen_pruning::Masks;
use regimen_pruning::before::grasp;
use regimen_tensor::ParamVector;
use regimen_tensor::directional::hessian_vector;
use regimen_tensor::per_example::cross_entropy;

use super::network::Batch;
use super::{Golden, Net, active, flags, gradient, network, of_masks};

/// Four images of each class, class by class, in two halves.
fn halves(all: &Batch) -> [Batch; 2] {
    [[0, 3, 6, 9, 1, 4], [7, 10, 2, 5, 8, 11]].map(|chosen| {
        let chosen = Tensor::<1, Int>::from_data(chosen, &all.0.device());
        let images = all.0.clone().select(0, chosen.clone());
        (images, all.1.clone().select(0, chosen))
    })
}

#[test]
fn grasp_scores_and_prunes_as_the_released_code() {
    let golden = Golden::read(include_str!("../../../golden/residual/grasp.csv"));
    let (net, data) = network(DType::F64);
    let halves = halves(&data.batches(24)[0]);
    // The released code divides the logits by 200, and takes a gradient from each half's batch statistics.
    let of = |net: &Net| {
        let loss = |(images, labels): &Batch| {
            let logits = net.forward(images.clone()) / 200.0;
            cross_entropy(logits, labels.clone()).mean()
        };
        let loss = loss(&halves[0]) + loss(&halves[1]);
        Ok(ParamVector::gradients(net, &gradient(net, loss)))
    };
    let masks = Masks::dense(&net).unwrap();
    let g = of(&net).unwrap().map(|entry, values| {
        let masked = masks.layers().iter().any(|mask| mask.id == entry.id);
        if masked { values } else { values.zeros_like() }
    });
    let hg = of_masks(&hessian_vector(&net, &g, of).unwrap(), &masks);
    let scores = hg
        .hadamard(&of_masks(&ParamVector::of(&net), &masks))
        .unwrap();
    let sum: f32 = scores.to_host().unwrap().iter().flatten().sum();
    let scores = scores.scale(f64::from(-1.0 / sum.abs()));
    // In single precision the difference steps over kinks of ReLU, which its double backward does not see.
    golden.assert_near("score", &scores, 0.01);

    // Its masks keep all weights on the threshold: the last one, and those of a score of zero.
    let found = active(&grasp::grasp(&net, masks.clone(), 0.5, of).unwrap()).concat();
    let expected = flags(&golden, "kept", &masks).concat();
    let scores = masks.layers().iter();
    let scores = scores.map(|mask| golden.ours("score", &mask.path, &mask.shape));
    let scores: Vec<f32> = scores.flatten().collect();
    let kept = scores.iter().zip(&expected).filter(|(_, kept)| **kept);
    let threshold = kept.map(|(score, _)| *score).fold(f32::MIN, f32::max);
    for ((found, expected), score) in found.iter().zip(&expected).zip(&scores) {
        assert!(found == expected || (*expected && *score == threshold));
    }
    let count = |flags: &[bool]| flags.iter().filter(|kept| **kept).count();
    assert_eq!((count(&found), count(&expected)), (471, 477));
}
