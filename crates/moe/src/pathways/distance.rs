//! # Pathway distance
//!
//! The edit distance between samples' pathways, and its mean over pairs.
//!
//! Source: arXiv 2506.21551, equation of the pathway distance (Levenshtein); the unit of an edit is open there: both are offered.

use strsim::{generic_levenshtein, levenshtein};

use regimen_tensor::Watch;

use super::Pathway;
use crate::Result;
use crate::error::MoeError;

/// What one edit changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// An expert or the end of a layer: does not depend on how many digits an index has.
    Symbol,
    /// A character of the pathway's text, commas and hyphens included.
    Character,
}

/// The fewest insertions, deletions and substitutions that turn one pathway into the other.
#[must_use]
pub fn distance(a: &Pathway, b: &Pathway, unit: Unit) -> usize {
    match unit {
        Unit::Symbol => generic_levenshtein(&symbols(a), &symbols(b)),
        Unit::Character => levenshtein(&a.to_string(), &b.to_string()),
    }
}

/// Experts, with a symbol that no expert has between layers.
fn symbols(pathway: &Pathway) -> Vec<usize> {
    pathway.layers.join(&usize::MAX)
}

/// The mean distance over all pairs; absent for fewer than two pathways. Time grows with the square of their number.
#[must_use]
pub fn mean_distance(pathways: &[Pathway], unit: Unit) -> Option<f64> {
    mean_distance_watched(pathways, unit, &Watch::default())
}

/// As [`mean_distance`]; `watch` hears of each pathway that is compared with all later ones. Where it stops the work, the mean is that over
/// the pairs so far.
#[must_use]
pub fn mean_distance_watched(pathways: &[Pathway], unit: Unit, watch: &Watch) -> Option<f64> {
    mean_over_pairs(pathways, unit, watch, |_, _| true)
}

/// The mean distance over the pairs whose labels are equal: samples that share structure. Absent if there is no such pair.
///
/// # Errors
/// If there is not one label a pathway.
pub fn mean_distance_within(
    pathways: &[Pathway],
    labels: &[usize],
    unit: Unit,
) -> Result<Option<f64>> {
    mean_distance_within_watched(pathways, labels, unit, &Watch::default())
}

/// As [`mean_distance_within`], watched as [`mean_distance_watched`] is.
///
/// # Errors
/// If there is not one label a pathway.
pub fn mean_distance_within_watched(
    pathways: &[Pathway],
    labels: &[usize],
    unit: Unit,
    watch: &Watch,
) -> Result<Option<f64>> {
    if labels.len() != pathways.len() {
        let expected = format!("[{}]", pathways.len());
        return Err(MoeError::shape("labels", &[labels.len()], expected));
    }
    Ok(mean_over_pairs(pathways, unit, watch, |i, j| {
        labels[i] == labels[j]
    }))
}

fn mean_over_pairs(
    pathways: &[Pathway],
    unit: Unit,
    watch: &Watch,
    counts: impl Fn(usize, usize) -> bool,
) -> Option<f64> {
    let total = pathways.len();
    let _span = tracing::info_span!("pathway distances", pathways = total).entered();
    let mean = |between: &dyn Fn(usize, usize) -> usize| {
        let (mut sum, mut pairs) = (0, 0_usize);
        for i in 0..pathways.len() {
            for j in (i + 1..pathways.len()).filter(|&j| counts(i, j)) {
                sum += between(i, j);
                pairs += 1;
            }
            if !watch.goes_on("pathway distances", i + 1, total) {
                break;
            }
        }
        (pairs > 0).then(|| sum as f64 / pairs as f64)
    };
    // Each pathway is written out once, not once a pair.
    match unit {
        Unit::Symbol => {
            let written: Vec<_> = pathways.iter().map(symbols).collect();
            mean(&|i, j| generic_levenshtein(&written[i], &written[j]))
        }
        Unit::Character => {
            let written: Vec<_> = pathways.iter().map(Pathway::to_string).collect();
            mean(&|i, j| levenshtein(&written[i], &written[j]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;

    fn pathway(text: &str) -> Pathway {
        let layer = |layer: &str| layer.split(',').filter_map(|e| e.parse().ok()).collect();
        Pathway {
            layers: text.split('-').map(layer).collect(),
        }
    }

    #[test]
    fn check_values() {
        let samples = ["0,1-3,2", "1,0-0,1", "0,1-2,3"].map(pathway);
        let between = |i: usize, j: usize| distance(&samples[i], &samples[j], Unit::Character);
        assert_eq!([between(0, 1), between(0, 2), between(1, 2)], [4, 2, 4]);
        let mean = mean_distance(&samples, Unit::Character).unwrap_or(f64::NAN);
        assert_abs_diff_eq!(mean, 3.333_333_3, epsilon = 1e-6);
        assert_eq!(distance(&samples[0], &samples[1], Unit::Symbol), 4);
        let other = |a, b, unit| distance(&pathway(a), &pathway(b), unit);
        assert_eq!(other("3,1,5-2,6", "3,5-2,7", Unit::Character), 3);
        assert_eq!(other("1,12-3", "1,2-3", Unit::Character), 1);
        assert_eq!(other("1,12-3", "1,2-3", Unit::Symbol), 1);
        assert_eq!(other("1,12-3", "1,7-3", Unit::Character), 2);
    }

    #[test]
    fn sets_ignore_the_order() {
        let (a, b) = (pathway("0,1-3,2"), pathway("1,0-2,3"));
        assert_eq!(distance(&a.as_sets(), &b.as_sets(), Unit::Symbol), 0);
    }

    #[test]
    fn pairs_with_equal_labels_alone() {
        let samples = ["0-1", "0-1", "2-3"].map(pathway);
        let within = |labels| mean_distance_within(&samples, labels, Unit::Symbol);
        assert!(matches!(within(&[0, 0, 1]), Ok(Some(0.0))));
        assert!(matches!(within(&[0, 1, 2]), Ok(None)));
        assert!(within(&[0, 1]).is_err());
        assert!(mean_distance(&samples[..1], Unit::Symbol).is_none());
    }

    fn any_pathway() -> impl Strategy<Value = Pathway> {
        let layer = proptest::collection::vec(0_usize..14, 1..4);
        proptest::collection::vec(layer, 3).prop_map(|layers| Pathway { layers })
    }

    proptest! {
        #[test]
        fn is_a_metric(a in any_pathway(), b in any_pathway(), c in any_pathway()) {
            for unit in [Unit::Symbol, Unit::Character] {
                prop_assert_eq!(distance(&a, &a, unit), 0);
                prop_assert_eq!(distance(&a, &b, unit), distance(&b, &a, unit));
                prop_assert!(distance(&a, &c, unit) <= distance(&a, &b, unit) + distance(&b, &c, unit));
            }
        }
    }
}
