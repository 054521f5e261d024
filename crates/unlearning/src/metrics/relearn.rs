use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::optim::SgdConfig;
use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use crate::Classifier;
use crate::classifier::mean_loss;
use crate::error::{Result, UnlearningError, check, count};
use crate::gradients::{finite_step, gradients, own};
use crate::predictions::{accuracy_of, check_labels};

/// How a forgotten set is taught again: plain gradient descent on it.
#[derive(Config, Debug, PartialEq)]
pub struct RelearnConfig {
    /// Rate, above 0.
    #[config(default = 0.02)]
    pub rate: f64,
    /// Epochs at most, 1 or more.
    #[config(default = 10)]
    pub max_epochs: usize,
}

/// How long it took: longer is better up to the retrained reference's time, which is perfect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Relearned {
    /// Epochs until the accuracy was back; 0 if it was never lost, `None` if it did not come back in time.
    pub epochs: Option<usize>,
    /// Optimizer steps taken.
    pub steps: usize,
}

regimen_tensor::checked_serde!(Relearned);

impl Checked for Relearned {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        let good = match self.epochs {
            None => true,
            Some(0) => self.steps == 0,
            Some(epochs) => self.steps >= epochs,
        };
        let allowed = "0 where `epochs` is 0, else at least `epochs`";
        count("steps", self.steps, good, allowed)
    }
}

impl RelearnConfig {
    /// Longer is better up to the retrained reference's own time, which is perfect: the reference scores what a model needs
    /// that never saw the set, and more than that is damage.
    ///
    /// Epochs over the forget set until accuracy on it is at least `accuracy`, in `0..=1` (the original's, less some
    /// tolerance). `model` stays as it is. Give a loader on an autodiff device.
    ///
    /// # Errors
    /// If a value is out of range, the loader fails or is empty, a label is no class, the loss carries no gradient, or a loss or gradient is
    /// not finite.
    pub fn run<M: Classifier>(
        &self,
        model: &M,
        forget: &dyn DataLoader<M::Batch>,
        accuracy: f64,
    ) -> Result<Relearned> {
        self.run_watched(model, forget, accuracy, &Watch::default())
    }

    /// [`run`](Self::run), watched: `"relearn"` reports epochs, and a stop is asked for after each batch. Where it is stopped the accuracy
    /// counts as not back (`epochs` is none), after the steps so far: longer is better, the reference's own time is perfect.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_watched<M: Classifier>(
        &self,
        model: &M,
        forget: &dyn DataLoader<M::Batch>,
        accuracy: f64,
        watch: &Watch,
    ) -> Result<Relearned> {
        let epochs = self.max_epochs;
        check("rate", self.rate, self.rate > 0.0, "above 0")?;
        count("max_epochs", epochs, epochs > 0, "1 or more")?;
        check(
            "accuracy",
            accuracy,
            (0.0..=1.0).contains(&accuracy),
            "0 to 1",
        )?;
        let _span = tracing::info_span!("relearn", epochs).entered();
        let (mut model, mut optim) = (own(model), SgdConfig::new().init());
        let mut steps = 0;
        for epoch in 0..=epochs {
            if accuracy_of(&model, forget)? >= accuracy {
                let epochs = Some(epoch);
                return Ok(Relearned { epochs, steps });
            }
            let goes_on = epoch == 0 || watch.goes_on("relearn", epoch, epochs);
            if epoch == epochs || !goes_on {
                break;
            }
            for batch in forget.iter() {
                let batch = batch?;
                let loss = mean_loss(&model, &batch);
                let grads = gradients(&loss, &model)?;
                if !finite_step(&loss, &model, &grads) {
                    check_labels(&model, &batch)?;
                    return Err(UnlearningError::Diverged("forget"));
                }
                model = optim.step(self.rate, model, grads);
                steps += 1;
                if watch.is_stopped() {
                    let epochs = None;
                    return Ok(Relearned { epochs, steps });
                }
            }
        }
        let epochs = None;
        Ok(Relearned { epochs, steps })
    }
}
