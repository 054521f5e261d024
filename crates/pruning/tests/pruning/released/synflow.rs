//! SynFlow, as ganguli-lab/Synaptic-Flow scores a network with biases and batch norm.

use std::cell::RefCell;

use burn::tensor::{DType, Tensor};
use regimen_pruning::Masks;
use regimen_pruning::before::synflow;
use regimen_tensor::ParamVector;

use super::{Golden, Net, active, flags, gradient, network, of_masks};

#[test]
fn synflow_scores_and_prunes_as_the_released_code() {
    let golden = Golden::read(include_str!("../../../golden/residual/synflow.csv"));
    let (net, data) = network(DType::F32);
    let device = data.batches(1)[0].0.device();
    let masks = Masks::dense(&net).unwrap();
    let first = RefCell::new(None);
    let flow = |net: &Net| {
        let output = net.forward(Tensor::ones([1, 2, 4, 4], &device)).sum();
        let gradient = ParamVector::gradients(net, &gradient(net, output));
        let scores = gradient.clone().hadamard(&ParamVector::of(net))?;
        first.borrow_mut().get_or_insert(of_masks(&scores, &masks));
        Ok(gradient)
    };
    let prune = |rounds| synflow::synflow(&net, masks.clone(), 0.5, rounds, flow).unwrap();
    let differ = |pruned: &Masks, what| {
        let expected = flags(&golden, what, pruned).concat();
        let pairs = active(pruned).concat().into_iter().zip(expected);
        pairs.filter(|(found, expected)| found != expected).count()
    };
    assert_eq!(differ(&prune(1), "kept 1"), 0);
    let scores = first.take().unwrap().map(|_, scores| scores.abs());
    golden.assert_near("score", &scores, 2e-5);
    // Where the share of a round is no whole number of weights, the released code keeps one more.
    let pruned = prune(20);
    assert_eq!(pruned.count(), 471);
    assert!(differ(&pruned, "kept 20") <= 4);
}
