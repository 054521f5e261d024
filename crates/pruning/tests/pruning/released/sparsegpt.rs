//! SparseGPT on convolutions, as the sweep of IST-DASLab/sparsegpt prunes them.

use burn::tensor::module::unfold4d;
use burn::tensor::ops::UnfoldOptions;
use burn::tensor::{DType, Tensor};
use regimen_pruning::after::{Pattern, sparsegpt};
use regimen_tensor::ParamVector;
use regimen_tensor::linalg::DMatrix;

use super::{Golden, network};

/// The patches, `[positions, channels * 9]`, that a kernel of 3 by 3 sees.
fn patches(inputs: Tensor<4>, stride: usize) -> DMatrix<f64> {
    let options = UnfoldOptions::new([stride, stride], [1, 1], [1, 1]);
    let [_, channels, _, _] = inputs.dims();
    let patches = unfold4d(inputs.inner(), [3, 3], options).swap_dims(1, 2);
    let patches: Vec<f32> = patches.try_into_vec_as().unwrap();
    let rows = patches.len() / (channels * 9);
    let values = patches.into_iter().map(f64::from);
    DMatrix::from_row_iterator(rows, channels * 9, values)
}

#[test]
fn sparsegpt_prunes_convolutions_as_the_released_code() {
    let golden = Golden::read(include_str!("../../../golden/residual/sparsegpt.csv"));
    let (net, data) = network(DType::F32);
    let net = net.evaluated();
    let (first, second) = net.inputs_of_block2(data.batches(24)[0].0.clone());
    let cases = [
        (
            "share",
            "block2.conv1.weight",
            &first,
            2,
            Pattern::Share(0.5),
            18,
        ),
        (
            "share",
            "block2.conv2.weight",
            &second,
            1,
            Pattern::Share(0.5),
            18,
        ),
        (
            "2:4",
            "block2.conv1.weight",
            &first,
            2,
            Pattern::NOfM { n: 2, m: 4 },
            36,
        ),
    ];
    for (what, path, inputs, stride, pattern, block) in cases {
        let patches = patches(inputs.clone(), stride);
        let weights = ParamVector::of(&net).filter(|entry| entry.path == path);
        let entry = &weights.entries()[0];
        let weight = entry.values.clone();
        let weight = weight.reshape([entry.shape[0], patches.ncols()]);
        let factor = sparsegpt::upper_factor(sparsegpt::hessian(&patches, 0.01).unwrap()).unwrap();
        let pruned = sparsegpt::prune_pattern(weight, &factor, pattern, block).unwrap();
        let found: Vec<f32> = pruned.try_into_vec_as().unwrap();
        let zeros = found.iter().filter(|w| **w == 0.0).count();
        assert_eq!(zeros, found.len() / 2, "{what} of {path}");
        let found = weights.from_host(vec![found]).unwrap();
        golden.assert_near(what, &found, 1e-3);
    }
}
