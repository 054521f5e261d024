//! Selective synaptic dampening, as if-loops/selective-synaptic-dampening computes it.

use burn::tensor::Tensor;
use regimen_tensor::fisher;
use regimen_tensor::per_example::cross_entropy;
use regimen_unlearning::SsdConfig;

use super::{Batch, FORGOTTEN, Golden, Net, network, parameters};

fn loss(net: &Net, (images, labels): Batch) -> Tensor<1> {
    cross_entropy(net.forward(images), labels).mean()
}

#[test]
fn ssd_dampens_as_the_released_code() {
    let golden = Golden::read(include_str!("../../golden/ssd.csv"));
    let (net, data) = network();
    let net = net.evaluated();
    let (all, gone) = (data.batches(8), data.only(|c| c == FORGOTTEN).batches(8));
    for (what, batches) in [("all", &all), ("forget", &gone)] {
        let importance = fisher::batch_diagonal(&net, batches.clone(), loss).unwrap();
        golden.assert_near(what, &importance, 2e-5);
    }
    let ssd = SsdConfig::new().with_alpha(1.5).with_lambda(2.0);
    let dampened = ssd.init().unwrap().forget(net, all, gone, loss).unwrap();
    golden.assert_near("after", &parameters(&dampened.model), 1e-4);
    // Some weights are dampened, and some are selected whose factor is cut off at 1.
    assert_eq!(dampened.edited, 563);
}
