//! What a fragment is worth before it is visited, and what a simulation is worth.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{Result, check};

/// `|A n B| / min(|A|, |B|)` of the sets of two lists' items, such as words or tokens; 0 where one is empty.
#[must_use]
pub fn overlap<T: Ord>(a: &[T], b: &[T]) -> f64 {
    let (a, b): (BTreeSet<_>, BTreeSet<_>) = (a.iter().collect(), b.iter().collect());
    let fewer = a.len().min(b.len());
    if fewer == 0 {
        return 0.0;
    }
    a.intersection(&b).count() as f64 / fewer as f64
}

/// The value that a child is created with: .1 where fragment and truth agree on having what closes an answer, else -.1, and `overlap - .5`.
/// An empty fragment has 0.
///
/// ```
/// use regimen_rl_rewards::recipes::itool::initial_value;
///
/// let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
/// let value = initial_value(&words("get weather city Paris"), &words("get weather city London unit"), &[")]"]);
/// assert!((value - 0.35).abs() < 1e-12);
/// ```
#[must_use]
pub fn initial_value<T: Ord>(fragment: &[T], truth: &[T], closing: &[T]) -> f64 {
    if fragment.is_empty() {
        return 0.0;
    }
    let closes =
        |items: &[T]| closing.is_empty() || items.windows(closing.len()).any(|one| one == closing);
    let agree = if closes(fragment) == closes(truth) {
        0.1
    } else {
        -0.1
    };
    agree + overlap(fragment, truth) - 0.5
}

/// How good an answer is beside the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// (D): -2.
    Poor,
    /// (C): -1.
    Fair,
    /// (B): .1.
    Acceptable,
    /// (A): 1. A fragment of the truth is excellent.
    Excellent,
}

impl Grade {
    /// What it counts, over 4.
    #[must_use]
    pub fn reward(self) -> f64 {
        let points = match self {
            Self::Excellent => 1.0,
            Self::Acceptable => 0.1,
            Self::Fair => -1.0,
            Self::Poor => -2.0,
        };
        points / 4.0
    }
}

/// The probabilities that a grading policy gives the four grades, at **one** place of its answer.
///
/// Over several places they sum to more than 1; and a token is a grade's only if it is that grade's whole token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grades([f64; 4]);

impl Grades {
    /// Of excellent, acceptable, fair and poor, each 0 to 1; what is left is no grade.
    ///
    /// # Errors
    /// If a probability is out of its range, or they sum to more than 1.
    pub fn new(probabilities: [f64; 4]) -> Result<Self> {
        for value in probabilities {
            check("probability", value, (0.0..=1.0).contains(&value), "0 to 1")?;
        }
        let sum: f64 = probabilities.iter().sum();
        check(
            "probabilities",
            sum,
            sum <= 1.0 + 1e-6,
            "a sum of at most 1: those of one place",
        )?;
        Ok(Self(probabilities))
    }

    /// `(A + .1 B - C - 2 D) / 4`.
    #[must_use]
    pub fn reward(&self) -> f64 {
        let all = [
            Grade::Excellent,
            Grade::Acceptable,
            Grade::Fair,
            Grade::Poor,
        ];
        let each = all.iter().zip(self.0);
        each.map(|(grade, probability)| grade.reward() * probability)
            .sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_abs_diff_eq;

    use super::*;

    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }

    #[test]
    fn overlaps_and_initial_values_are_those_of_the_released_code() {
        let (a, b) = (
            words("get weather city Paris"),
            words("get weather city London unit"),
        );
        assert_eq!(overlap(&a, &b), 0.75);
        assert_eq!(overlap(&words("a b"), &words("a b c d")), 1.0);
        assert_eq!(overlap::<u32>(&[], &[1]), 0.0);
        assert_abs_diff_eq!(initial_value(&a, &b, &[")]"]), 0.35, epsilon = 1e-12);
        // The truth closes, the fragment does not.
        let closed = words("get weather city London unit )]");
        assert_abs_diff_eq!(initial_value(&a, &closed, &[")]"]), 0.15, epsilon = 1e-12);
        assert_eq!(initial_value(&[], &b, &[")]"]), 0.0);
    }

    #[test]
    fn grades_are_weighed() {
        for (grades, reward) in [
            ([1.0, 0.0, 0.0, 0.0], 0.25),
            ([0.0, 1.0, 0.0, 0.0], 0.025),
            ([0.0, 0.0, 1.0, 0.0], -0.25),
            ([0.0, 0.0, 0.0, 1.0], -0.5),
            ([0.7, 0.2, 0.1, 0.0], 0.155),
            ([0.25; 4], -0.11875),
        ] {
            let found = Grades::new(grades).unwrap().reward();
            assert_abs_diff_eq!(found, reward, epsilon = 1e-12);
        }
    }

    /// What several places of an answer give together.
    #[test]
    fn grades_of_more_than_one_place_are_refused() {
        assert!(Grades::new([0.9, 0.6, 0.0, 0.0]).is_err());
        assert!(Grades::new([-0.1, 0.0, 0.0, 0.0]).is_err());
        assert!(Grades::new([f64::NAN, 0.0, 0.0, 0.0]).is_err());
    }
}
