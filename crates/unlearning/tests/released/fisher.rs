//! Fisher forgetting, as AdityaGolatkar/SelectiveForgetting computes it.

use regimen_tensor::fisher;

use super::{FORGOTTEN, Golden, Net, network};

#[test]
fn the_true_fisher_diagonal_is_that_of_the_released_code() {
    let golden = Golden::read(include_str!("../../golden/fisher.csv"));
    let (net, data) = network();
    let retain = data.only(|c| c != FORGOTTEN).batches(1);
    let logits = |net: &Net, (images, _)| net.forward(images);
    let found = fisher::true_diagonal(&net.evaluated(), retain, logits).unwrap();
    golden.assert_near("fisher", &found, 2e-5);
}
