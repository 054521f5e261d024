//! How well datamodels predict, by the number of models that they are made from.

use anyhow::Result;
use burn::tensor::Tensor;
use regimen_tensor::stats::mean;
use regimen_unlearning::attribution::datamodel_score::{calibration, linear_datamodelling_score};
use regimen_unlearning::{Datamodel, Outputs, Subsets, TrakConfig};

use super::Job;
use crate::ensemble::Ensemble;
use crate::experiment::Trial;

/// Validation points whose margins are predicted.
const POINTS: usize = 40;
/// Checkpoints of the projected-gradient estimator.
const CHECKPOINTS: [usize; 5] = [1, 5, 10, 20, 40];

impl Job {
    /// The mean linear datamodelling score over margins of validation points, on held-out subsets with one model each.
    pub(super) fn scores(
        &self,
        trial: &mut Trial,
        originals: &[Ensemble],
        subsets: &Subsets,
        outputs: &Outputs,
    ) -> Result<()> {
        let margins = self.validation_margins(outputs)?;
        let (fit, held_out) = subsets.split_at(self.subset_models)?;
        let (fit_margins, held_out_margins) = margins.split_at(self.subset_models)?;
        let score = |datamodel: &Datamodel| -> Result<f64> {
            let scores = linear_datamodelling_score(datamodel, &held_out, &held_out_margins)?;
            Ok(mean(&scores))
        };
        let mut curve = Vec::new();
        for count in [50, 100, 200, 400, 1000] {
            if count >= self.subset_models {
                break;
            }
            let (some, some_margins) = (fit.split_at(count)?.0, fit_margins.split_at(count)?.0);
            let value = score(&Datamodel::ridge(&some, &some_margins, 5.0)?)?;
            trial.record("datamodel", &format!("score, {count} models"), value);
            curve.push((count as f64, value));
        }
        let whole = Datamodel::ridge(&fit, &fit_margins, 5.0)?;
        let value = score(&whole)?;
        let slope = calibration(&whole, &held_out, &held_out_margins)?;
        trial.record("datamodel", "score, all models", value);
        trial.record("datamodel", "slope, all models", slope);
        curve.push((self.subset_models as f64, value));
        trial.curve("ridge datamodel", curve);
        self.trak(trial, originals, score)
    }

    fn trak(
        &self,
        trial: &mut Trial,
        originals: &[Ensemble],
        score: impl Fn(&Datamodel) -> Result<f64>,
    ) -> Result<()> {
        let images = self.all.batch(&self.context.device).images;
        let train = self.train.labels.len();
        let examples = |points: std::ops::Range<usize>| {
            let images = images.clone();
            points.map(move |i| (images.clone().narrow(0, i, 1), self.all.labels[i]))
        };
        let members = originals
            .iter()
            .flat_map(|ensemble| (0..ensemble.members()).map(|index| ensemble.member(index)));
        let most = CHECKPOINTS[CHECKPOINTS.len() - 1];
        let mut trak = TrakConfig::new().with_dimensions(128).init()?;
        let mut curve: Vec<(f64, f64)> = Vec::new();
        for model in members.take(most) {
            let eval = examples(train..train + POINTS.min(self.all.labels.len() - train));
            trak.add(
                &model,
                examples(0..train),
                eval,
                |model, image: Tensor<2>| model.side_by_side(image),
            )?;
            let count = trak.checkpoints();
            if CHECKPOINTS.contains(&count) {
                let value = score(&trak.datamodel()?)?;
                trial.record("trak", &format!("score, {count} models"), value);
                curve.push((count as f64, value));
            }
        }
        let gain = curve[curve.len() - 1].1 - curve[0].1;
        trial.record("trak", "gain", gain);
        trial.curve("projected gradients", curve);
        Ok(())
    }

    /// Margins of the first validation points, one row a subset model.
    fn validation_margins(&self, outputs: &Outputs) -> Result<Outputs> {
        let train = self.train.labels.len();
        let points = POINTS.min(self.all.labels.len() - train);
        let classes = outputs.classes();
        let margin = |row: &[f32], point: usize| {
            let logits = &row[point * classes..(point + 1) * classes];
            margin(logits, self.all.labels[point])
        };
        let rows = (0..outputs.len()).map(|subset| {
            let row = outputs.row(subset);
            (train..train + points)
                .map(|point| margin(row, point))
                .collect()
        });
        Ok(Outputs::new(rows.collect(), points, 1)?)
    }
}

/// `z_y - log sum_{c != y} exp z_c` of one point.
fn margin(logits: &[f32], label: usize) -> f32 {
    let others = || {
        logits
            .iter()
            .enumerate()
            .filter(|(class, _)| *class != label)
    };
    let largest = others().map(|(_, z)| *z).fold(f32::MIN, f32::max);
    let sum: f32 = others().map(|(_, z)| (z - largest).exp()).sum();
    logits[label] - largest - sum.ln()
}
