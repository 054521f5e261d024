//! The paired effect of a finding in standard errors, with its 95 % interval.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::text::{agrees, has_figures};
use crate::experiment::Check;

/// The probability below the upper end of a two-sided interval of 95 %.
const UPPER: f64 = 0.975;

/// How far the method is ahead of its baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Effect {
    /// No seed has figures of both arms.
    None,
    /// One seed has: there is no interval.
    OneSeed,
    /// All seeds have the same difference.
    Same,
    /// In standard errors of the mean difference.
    Interval {
        /// The mean difference.
        mean: f64,
        /// Half the width of the interval.
        half: f64,
    },
}

impl Effect {
    /// Of the differences, seed by seed.
    pub(super) fn of(differences: &Check) -> Self {
        let count = differences.values.len();
        if !has_figures(differences) {
            return Self::None;
        }
        if count == 1 {
            return Self::OneSeed;
        }
        if agrees(differences.mean, differences.se) {
            return Self::Same;
        }
        match student(count) {
            Some(half) => Self::Interval {
                mean: differences.mean / differences.se,
                half,
            },
            None => Self::None,
        }
    }
}

/// Student's t for 95 % with the degrees of freedom of this many seeds: none for one seed.
pub(super) fn student(seeds: usize) -> Option<f64> {
    let freedom = seeds.checked_sub(1).filter(|freedom| *freedom > 0)?;
    let distribution = StudentsT::new(0.0, 1.0, freedom as f64).ok()?;
    Some(distribution.inverse_cdf(UPPER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Quantity;

    fn effect(values: &[f64]) -> Effect {
        Effect::of(&Quantity::new("x", "", values.to_vec()).at_least(0.0))
    }

    /// With one and two degrees of freedom the quantile has a closed form: tan(pi (p - 1/2)), and
    /// (2 p - 1) sqrt(2 / (4 p (1 - p))) = .95 sqrt(2 / .0975) = 4.3027. With four, tables have 2.7764.
    #[test]
    fn students_quantile() {
        assert_eq!(student(0), None);
        assert_eq!(student(1), None);
        let quantile = |seeds| student(seeds).unwrap_or_default();
        let one = (std::f64::consts::PI * 0.475).tan();
        assert!((quantile(2) - one).abs() < 1e-6, "{}", quantile(2));
        assert!((quantile(3) - 0.95 * (2.0 / 0.0975_f64).sqrt()).abs() < 1e-6);
        assert!((quantile(5) - 2.7764).abs() < 1e-4);
    }

    /// Mean 2, standard error 1 / sqrt(3).
    #[test]
    fn effects_are_in_standard_errors() {
        let Effect::Interval { mean, half } = effect(&[1.0, 2.0, 3.0]) else {
            unreachable!("three different seeds have an interval");
        };
        assert!((mean - 2.0 * 3.0_f64.sqrt()).abs() < 1e-12);
        assert!((half - 4.3027).abs() < 1e-4);
    }

    #[test]
    fn without_spread_there_is_no_interval() {
        assert_eq!(effect(&[]), Effect::None);
        assert_eq!(effect(&[f64::NAN, 1.0]), Effect::None);
        assert_eq!(effect(&[1.0]), Effect::OneSeed);
        assert_eq!(effect(&[1.0, 1.0, 1.0]), Effect::Same);
        assert_eq!(effect(&[0.0; 3]), Effect::Same);
    }
}
