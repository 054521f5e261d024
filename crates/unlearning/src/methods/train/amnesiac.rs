//! # Amnesiac
//!
//! Trains on with wrong labels on the forget set and right ones elsewhere.
//!
//! Source: Graves, Nagisetty and Ganesh, "Amnesiac Machine Learning", AAAI 2021; as a baseline of arXiv
//! 2308.07707: 3 epochs on both sets, Adam 1e-4.

use burn::config::Config;
use burn::tensor::{Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use super::{Method, Order};
use crate::classifier::mean_loss;
use crate::error::{Result, UnlearningError, count};
use crate::part::part;
use crate::{Classifier, Likelihoods};

/// Draws of wrong labels.
#[derive(Config, Debug, PartialEq)]
pub struct AmnesiacConfig {
    /// Number of classes, 2 to 2^30: labels and shifts are added in 32 bits.
    pub classes: usize,
    /// Seed of the labels.
    #[config(default = 0)]
    pub seed: u64,
}

impl AmnesiacConfig {
    /// Checks the number of classes.
    ///
    /// # Errors
    /// If there are fewer than two classes, or more than 2^30.
    pub fn init(&self) -> Result<Amnesiac> {
        let (config, batches) = (self.clone(), 0);
        Amnesiac { config, batches }.checked()
    }
}

/// Amnesiac relabelling. Each visit draws a wrong label anew, uniformly, so that over epochs the target is the even
/// mixture of the other classes. For labels that stay the same, train with [`FineTune`](super::finetune::FineTune) on data
/// that [`relabel`](super::relabel()) has changed, as the released code of 2308.07707 does.
///
/// It holds its position in the draw of labels: save it (serde) beside [`Unlearn`](super::Unlearn), and a run that goes
/// on draws what the straight one would have drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Amnesiac {
    config: AmnesiacConfig,
    /// Forget batches that have got labels.
    batches: u64,
}

regimen_tensor::checked_serde!(Amnesiac);

impl Checked for Amnesiac {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        let classes = self.config.classes;
        let good = (2..=1 << 30).contains(&classes);
        count("classes", classes, good, "2 to 2^30")
    }
}

impl Amnesiac {
    /// For labels `[batch]` other ones, without reading them; labels below 0 stay ignored.
    pub fn wrong(&mut self, targets: Tensor<1, Int>) -> Tensor<1, Int> {
        let [batch] = targets.dims();
        let classes = self.config.classes as i64;
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(self.batches);
        self.batches = self.batches.wrapping_add(1);
        let shifts: Vec<i64> = (0..batch).map(|_| rng.random_range(1..classes)).collect();
        let shifts = Tensor::<1, Int>::from_data(
            TensorData::new(shifts, [batch]),
            (&targets.device(), targets.dtype()),
        );
        let wrong = (targets.clone() + shifts).remainder_scalar(classes);
        wrong.mask_where(targets.clone().lower_elem(0), targets)
    }
}

part!(
    /// The position in the draw of labels, as JSON; another number of classes or seed is refused.
    Amnesiac,
    "amnesiac 1"
);

impl<M: Classifier> Method<M> for Amnesiac {
    fn order(&self, _epoch: usize) -> Order {
        Order::Mixed
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        let wrong = self.wrong(M::targets(batch));
        match model.projected(batch) {
            Some(projected) => projected.loss(wrong, Likelihoods::mean_loss),
            None => Likelihoods::of_logits(model.logits(batch), wrong, 1).mean_loss(),
        }
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;
    use regimen_tensor::Part;

    use super::*;

    #[test]
    fn a_drawn_label_is_wrong_and_every_wrong_one_is_drawn() {
        let mut method = AmnesiacConfig::new(4).init().unwrap();
        let targets = Tensor::<1, Int>::full([200], 3, &Device::flex());
        let wrong: Vec<i64> = method.wrong(targets).try_into_vec_as().unwrap();
        assert!(wrong.iter().all(|label| (0..3).contains(label)));
        assert!((0..3).all(|class| wrong.contains(&class)));
        assert!(AmnesiacConfig::new(1).init().is_err());
    }

    #[test]
    fn a_record_of_no_class_or_of_another_draw_is_refused() {
        for classes in ["0", "1", "18446744073709551615"] {
            let text = format!(r#"{{"config":{{"classes":{classes},"seed":0}},"batches":0}}"#);
            let error = serde_json::from_str::<Amnesiac>(&text).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("`classes` is {classes}"))
            );
        }
        let saved = AmnesiacConfig::new(4).init().unwrap().save().unwrap();
        let mut other = AmnesiacConfig::new(4).with_seed(1).init().unwrap();
        assert!(other.load(&saved).is_err());
        assert!(AmnesiacConfig::new(4).init().unwrap().load(&saved).is_ok());
    }

    #[test]
    fn an_ignored_label_stays_ignored() {
        let mut method = AmnesiacConfig::new(4).init().unwrap();
        let targets = Tensor::<1, Int>::from_data([-100, 2, -100], &Device::flex());
        let wrong: Vec<i64> = method.wrong(targets).try_into_vec_as().unwrap();
        assert!(wrong[0] == -100 && wrong[2] == -100 && (0..4).contains(&wrong[1]));
    }

    #[test]
    fn a_saved_draw_goes_on_where_it_stopped() {
        let targets = Tensor::<1, Int>::full([50], 3, &Device::flex());
        let draw = |method: &mut Amnesiac| -> Vec<i64> {
            method.wrong(targets.clone()).try_into_vec_as().unwrap()
        };
        let mut straight = AmnesiacConfig::new(10).with_seed(4).init().unwrap();
        let first = draw(&mut straight);
        let text = serde_json::to_string(&straight).unwrap();
        let mut resumed: Amnesiac = serde_json::from_str(&text).unwrap();
        let second = draw(&mut straight);
        assert_ne!(first, second);
        assert_eq!(draw(&mut resumed), second);
    }
}
