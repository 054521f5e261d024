//! The fit of items and subjects.

use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;

use super::config::{Estimator, IrtConfig, IrtFit};
use super::responses::Responses;
use super::{joint, marginal};
use crate::error::{CurriculumError, Result};

impl IrtConfig {
    /// Fits items and subjects, on all cores. Memory: of a marginal fit, `points` numbers for each subject and two for each item and point.
    ///
    /// An item without an answer is at the middle of its priors, and so is a subject's ability.
    ///
    /// # Errors
    /// If a setting lies outside its range, or there is no answer at all.
    pub fn fit(&self, responses: &Responses) -> Result<IrtFit> {
        self.fit_watched(responses, &Watch::default())
    }

    /// [`fit`](Self::fit), reporting each step. Work that is stopped gives the fit so far, not `converged`.
    ///
    /// # Errors
    /// As for [`fit`](Self::fit).
    #[tracing::instrument(skip_all, name = "irt", fields(subjects = responses.subjects(), items = responses.items(), answers = responses.len()))]
    pub fn fit_watched(&self, responses: &Responses, watch: &Watch) -> Result<IrtFit> {
        self.check()?;
        if responses.is_empty() {
            return Err(CurriculumError::TooFew {
                field: "responses",
                found: 0,
                needed: 1,
            });
        }
        Ok(match self.estimator() {
            Estimator::Joint => joint::fit(self, responses, watch),
            Estimator::Marginal => marginal::fit(self, responses, watch),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};
    use regimen_tensor::stats::{pearson, spearman};

    use super::super::model::{IrtModel, ItemParameters};
    use super::*;

    fn crowd(
        subjects: usize,
        items: &[ItemParameters],
        seen: f64,
        seed: u64,
    ) -> (Vec<f64>, Responses) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let abilities: Vec<f64> = (0..subjects)
            .map(|_| StandardNormal.sample(&mut rng))
            .collect();
        let mut all = Vec::new();
        for (subject, theta) in abilities.iter().enumerate() {
            for (place, item) in items.iter().enumerate() {
                if rng.random::<f64>() < seen {
                    all.push((
                        subject,
                        place,
                        rng.random::<f64>() < item.probability(*theta),
                    ));
                }
            }
        }
        let responses = Responses::new(subjects, items.len(), all).unwrap();
        (abilities, responses)
    }

    fn difficulties(count: usize) -> Vec<ItemParameters> {
        let mut rng = ChaCha8Rng::seed_from_u64(99);
        (0..count)
            .map(|_| ItemParameters::of_difficulty(StandardNormal.sample(&mut rng)))
            .collect()
    }

    #[test]
    fn the_joint_mode_of_four_subjects() {
        let rows: [[u8; 5]; 4] = [
            [1, 1, 1, 1, 0],
            [1, 1, 1, 0, 0],
            [1, 1, 0, 0, 0],
            [1, 0, 0, 0, 0],
        ];
        let rows = rows.map(|row| row.iter().map(|right| Some(*right == 1)).collect());
        let responses = Responses::of_rows(&rows).unwrap();
        let config = IrtConfig::new()
            .with_estimator(Estimator::Joint)
            .with_tolerance(1e-9);
        for (prior, theta, b) in [
            (1.0, [0.7260, 0.2388], [-1.0719, -0.5220]),
            (1000.0, [0.9490, 0.3126], [-12.8832, -1.2206]),
        ] {
            let fit = config
                .clone()
                .with_difficulty_prior(prior)
                .fit(&responses)
                .unwrap();
            assert!(fit.converged);
            let wanted = [theta[0], theta[1], -theta[1], -theta[0]];
            for (found, wanted) in fit.abilities.iter().zip(wanted) {
                assert!(
                    (found - wanted).abs() < 1e-4,
                    "{prior}: {:?}",
                    fit.abilities
                );
            }
            let wanted: [f64; 5] = [b[0], b[1], 0.0, -b[1], -b[0]];
            for (found, wanted) in fit.difficulties().iter().zip(wanted) {
                // The outermost are known to four digits.
                let close = 1e-4 * wanted.abs().max(1.0);
                assert!((found - wanted).abs() < close, "{:?}", fit.difficulties());
            }
            // What the objective's slope is 0 at: as many wrong answers as are expected, but for the prior.
            let wrong = fit
                .abilities
                .iter()
                .map(|theta| 1.0 - fit.items[0].probability(*theta));
            let slope = wrong.sum::<f64>() + fit.items[0].difficulty / (prior * prior);
            assert!(slope.abs() < 1e-8, "{slope}");
        }
    }

    #[test]
    fn difficulties_and_abilities_of_a_crowd_are_found() {
        let items = difficulties(200);
        let truth: Vec<f64> = items.iter().map(|item| item.difficulty).collect();
        let (abilities, responses) = crowd(300, &items, 0.4, 1);
        for estimator in [Estimator::Marginal, Estimator::Joint] {
            let config = IrtConfig::new().with_estimator(estimator);
            let fit = config.fit(&responses).unwrap();
            assert!(fit.converged, "{estimator:?}: {} steps", fit.steps);
            let found = pearson(&fit.difficulties(), &truth).unwrap();
            assert!(found > 0.97, "{estimator:?}: {found}");
            assert!(pearson(&fit.abilities, &abilities).unwrap() > 0.9);
            if estimator == Estimator::Marginal {
                let found = fit.difficulties();
                let far = found.iter().zip(&truth).map(|(a, b)| (a - b).powi(2));
                let far = (far.sum::<f64>() / 200.0).sqrt();
                assert!(far < 0.3, "{far}");
            }
        }
    }

    /// Where everyone answers everything, difficulty orders items by the share that failed.
    #[test]
    fn complete_answers_order_items_by_their_failures() {
        let items = difficulties(60);
        let (_, responses) = crowd(80, &items, 1.1, 2);
        let fit = IrtConfig::new().fit(&responses).unwrap();
        let failures: Vec<f64> = (0..60)
            .map(|item| 1.0 - responses.share_right(item).unwrap())
            .collect();
        assert!(spearman(&fit.difficulties(), &failures).unwrap() > 0.998);
    }

    #[test]
    fn slopes_guessing_and_ceilings_are_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let items: Vec<ItemParameters> = (0..40)
            .map(|place| ItemParameters {
                difficulty: StandardNormal.sample(&mut rng),
                discrimination: if place % 2 == 0 { 0.7 } else { 2.0 },
                guessing: if place % 4 < 2 { 0.05 } else { 0.3 },
                upper: 1.0,
            })
            .collect();
        let (_, responses) = crowd(4000, &items, 1.1, 3);
        let fit = IrtConfig::new()
            .with_model(IrtModel::ThreePl)
            .fit(&responses)
            .unwrap();
        let of = |part: fn(&ItemParameters) -> f64| {
            let (found, truth): (Vec<f64>, Vec<f64>) = fit
                .items
                .iter()
                .zip(&items)
                .map(|(a, b)| (part(a), part(b)))
                .unzip();
            pearson(&found, &truth).unwrap()
        };
        let found = [
            of(|item| item.difficulty),
            of(|item| item.discrimination),
            of(|item| item.guessing),
        ];
        assert!(
            found[0] > 0.95 && found[1] > 0.9 && found[2] > 0.6,
            "{found:?}"
        );
        let four = IrtConfig::new().with_model(IrtModel::FourPl).with_steps(30);
        let four = four.fit(&responses).unwrap();
        assert!(
            four.items
                .iter()
                .all(|item| item.check().is_ok() && item.upper < 1.0)
        );
    }

    #[test]
    fn what_nobody_saw_is_at_the_middle() {
        let responses = Responses::new(3, 3, [(0, 0, true), (1, 0, false), (1, 1, true)]).unwrap();
        for estimator in [Estimator::Marginal, Estimator::Joint] {
            let fit = IrtConfig::new()
                .with_estimator(estimator)
                .fit(&responses)
                .unwrap();
            assert!(fit.items[2].difficulty.abs() < 0.5 && fit.abilities[2].abs() < 0.5);
            assert!(fit.items[0].difficulty > fit.items[1].difficulty);
        }
        assert!(
            IrtConfig::new()
                .fit(&Responses::new(1, 1, []).unwrap())
                .is_err()
        );
        let two = IrtConfig::new()
            .with_model(IrtModel::TwoPl)
            .with_estimator(Estimator::Joint);
        assert!(two.fit(&responses).is_err());
    }
}
