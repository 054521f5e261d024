//! SalUn, as OPTML-Group/Unlearn-Saliency masks and trains.

use burn::tensor::{Int, Tensor};
use regimen_tensor::per_example::cross_entropy;
use regimen_unlearning::methods::train::salun::{SalUn, SalUnConfig, saliency};
use regimen_unlearning::methods::train::{Method, Order};
use regimen_unlearning::{Classifier, Prepared, Result, UnlearnConfig};

use super::scrub::sgd;
use super::{Batch, CLASSES, FORGOTTEN, Golden, Net, network, parameters};

/// SalUn with the labels that the released code drew, and its order for CIFAR-10.
struct Drawn {
    salun: SalUn,
    labels: std::vec::IntoIter<Vec<i32>>,
}

impl Method<Net> for Drawn {
    fn order(&self, _epoch: usize) -> Order {
        Order::ForgetThenRetain
    }

    fn forget(&mut self, net: &Net, batch: &Batch) -> Tensor<1> {
        let labels = self.labels.next().unwrap();
        let labels = Tensor::<1, Int>::from_data(labels.as_slice(), &batch.1.device());
        cross_entropy(net.logits(batch), labels).mean()
    }

    fn retain(&mut self, net: &Net, batch: &Batch) -> Tensor<1> {
        self.salun.retain(net, batch)
    }

    fn after_step(&mut self, net: Net) -> Result<Net> {
        self.salun.after_step(net)
    }
}

#[test]
fn salun_masks_and_trains_as_the_released_code() {
    let golden = Golden::read(include_str!("../../golden/salun.csv"));
    let (net, data) = network();
    let forget = Prepared(data.only(|c| c == FORGOTTEN).batches(4));
    let retain = Prepared(data.only(|c| c != FORGOTTEN).batches(8));
    let evaluated = network().0.evaluated();
    let found = saliency(&evaluated, forget.0.clone()).unwrap();
    golden.assert_near("saliency", &found, 2e-5);
    let config = SalUnConfig::new(CLASSES);
    let salun = config.init(&evaluated, forget.0.clone()).unwrap();
    golden.assert_near("mask", salun.mask(), 0.0);

    let labels = ["0", "1", "2", "3", "4", "5"].map(|step| {
        let labels = golden.of("drawn", step).iter();
        labels.map(|label| *label as i32).collect()
    });
    // The mask is of the evaluated copy's parameters: of the same network, but with ids of their own.
    let mask = salun.mask().to_host().unwrap();
    let mask = parameters(&net).from_host(mask).unwrap();
    let salun = SalUn::from_parts(salun.labels().clone(), mask, &net).unwrap();
    let mut method = Drawn {
        salun,
        labels: Vec::from(labels).into_iter(),
    };
    let mut run = UnlearnConfig::new(3).init().unwrap();
    let net = run.run(&net, &mut method, &mut sgd(), &mut 0.05, &forget, &retain);
    golden.assert_near("after", &parameters(&net.unwrap()), 1e-3);
}
