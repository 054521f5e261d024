//! Distributions over domains: their checks and draws.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Gamma};

use crate::error::{CurriculumError, Result, check, count};

/// Domains, and measures of feedback: at most so many.
const MOST: usize = 1 << 12;

/// How far from 1 a sum may be.
const ROUNDING: f64 = 1e-6;

/// Refuses what is no number of domains or measures.
pub(super) fn check_many(field: &'static str, many: usize) -> Result<()> {
    count(field, many, (1..=MOST).contains(&many), "1 to 4096")
}

/// Refuses what is no distribution over domains.
pub(super) fn check_distribution(field: &'static str, weights: &[f64]) -> Result<()> {
    check_many(field, weights.len())?;
    for weight in weights {
        check(field, *weight, (0.0..=1.0).contains(weight), "0 to 1")?;
    }
    let sum: f64 = weights.iter().sum();
    let good = (sum - 1.0).abs() <= ROUNDING;
    check(field, sum, good, "a sum of 1, within 1e-6")
}

/// [`check_distribution`] over so many domains.
pub(super) fn check_over(field: &'static str, weights: &[f64], domains: usize) -> Result<()> {
    let given = weights.len();
    count(field, given, given == domains, "one for each domain")?;
    check_distribution(field, weights)
}

/// Refuses values that are not as many as wanted, or not finite and of at most 1e100.
pub(super) fn check_values(field: &'static str, values: &[f64], wanted: usize) -> Result<()> {
    let given = values.len();
    count(field, given, given == wanted, "as many as declared")?;
    for value in values {
        check(field, *value, value.abs() <= 1e100, "-1e100 to 1e100")?;
    }
    Ok(())
}

/// `exp(x) / sum of exp(x)`; of values that are finite or minus infinity, not all the latter.
pub(super) fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let parts: Vec<f64> = logits.iter().map(|x| (x - largest).exp()).collect();
    let sum: f64 = parts.iter().sum();
    parts.iter().map(|part| part / sum).collect()
}

/// `ln sum exp(x)`.
pub(super) fn ln_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() {
        return largest;
    }
    largest + values.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}

/// A draw from the Dirichlet distribution; a concentration of 0 gives a weight of 0.
///
/// By logarithms of gamma variates, so that small concentrations don't vanish.
pub(super) fn dirichlet(concentrations: &[f64], rng: &mut impl Rng) -> Result<Vec<f64>> {
    let draw = |concentration: &f64| {
        if *concentration == 0.0 {
            return Ok(f64::NEG_INFINITY);
        }
        // Gamma(a) is Gamma(a + 1) times u^(1 / a).
        let gamma = Gamma::new(concentration + 1.0, 1.0);
        let gamma = gamma.map_err(|_| CurriculumError::OutOfRange {
            field: "concentration",
            value: concentration.to_string(),
            allowed: "a positive finite number",
        })?;
        let uniform: f64 = 1.0 - rng.random::<f64>();
        let grown = gamma.sample(rng).max(f64::MIN_POSITIVE);
        Ok(grown.ln() + uniform.ln() / concentration)
    };
    let logarithms: Vec<f64> = concentrations.iter().map(draw).collect::<Result<_>>()?;
    let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    check(
        "concentration",
        largest,
        true,
        "one above 0, at least 1e-300",
    )?;
    Ok(softmax(&logarithms))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn draws_have_the_mean_and_the_spread_of_their_distribution() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let concentrations = [2.0, 0.5, 0.0, 1.5];
        let draws: Vec<Vec<f64>> = (0..20_000)
            .map(|_| dirichlet(&concentrations, &mut rng).unwrap())
            .collect();
        for (domain, concentration) in concentrations.iter().enumerate() {
            let mean = draws.iter().map(|draw| draw[domain]).sum::<f64>() / 2e4;
            let square = draws.iter().map(|draw| draw[domain].powi(2)).sum::<f64>() / 2e4;
            let wanted = concentration / 4.0;
            let variance = wanted * (1.0 - wanted) / 5.0;
            assert!((mean - wanted).abs() < 0.01, "{mean} {wanted}");
            assert!((square - mean * mean - variance).abs() < 0.003);
        }
        // So small that the gamma variates themselves are 0.
        let tiny = dirichlet(&[1e-9, 1e-9], &mut rng).unwrap();
        check_distribution("weights", &tiny).unwrap();
        assert!(dirichlet(&[0.0, 0.0], &mut rng).is_err());
    }
}
