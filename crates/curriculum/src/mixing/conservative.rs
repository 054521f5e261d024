//! # conservative_penalty
//!
//! How much a critic prefers actions that the data don't show: the term that conservative Q-learning holds down.
//!
//! Source: "Conservative Q-Learning for Offline Reinforcement Learning", arXiv 2006.04779, as the data mixing agent uses it, arXiv 2507.15640; the integral over
//! the simplex by importance samples

use super::simplex::{check_distribution, check_many, check_values, ln_sum_exp};
use crate::error::{Result, check, count};

/// `ln ((1 / n) sum_m exp(Q(s, a_m)) / q(a_m)) - Q(s, a)`: the logarithm of the integral of `exp Q` over all actions, estimated from `n` that were drawn
/// with known densities, less the value of the action that was logged.
///
/// Of discrete actions that are all listed give `ln (1 / n)` as each density: the sum is exact then, and the penalty 0 or more where the logged action
/// is among them. Adding a constant to all values changes nothing.
///
/// # Errors
/// If there is no action, or a number is not finite.
///
/// ```
/// use regimen_curriculum::mixing::conservative_penalty;
///
/// let each = (1.0_f64 / 3.0).ln();
/// let penalty = conservative_penalty(&[1.0, 2.0, 0.5], &[each; 3], 1.0)?;
/// assert!((penalty - 1.4643687841).abs() < 1e-9);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
pub fn conservative_penalty(values: &[f64], ln_densities: &[f64], logged: f64) -> Result<f64> {
    check_many("values", values.len())?;
    check_values("values", values, values.len())?;
    check_values("ln_densities", ln_densities, values.len())?;
    check("logged", logged, true, "a finite number")?;
    let parts = values.iter().zip(ln_densities);
    let weighted: Vec<f64> = parts.map(|(value, density)| value - density).collect();
    Ok(ln_sum_exp(&weighted) - (values.len() as f64).ln() - logged)
}

/// The logarithm of the density of the symmetric Dirichlet distribution with a whole concentration at a mixture:
/// `ln (D c - 1)! - D ln (c - 1)! + (c - 1) sum_d ln w_d`. With a concentration of 1 all mixtures have the density `(D - 1)!`.
///
/// # Errors
/// If the weights are no distribution, or the concentration is not 1 to 1000.
///
/// ```
/// use regimen_curriculum::mixing::ln_dirichlet_density;
///
/// let six = ln_dirichlet_density(&[0.5, 0.1, 0.1, 0.1, 0.1, 0.1], 1)?;
/// assert!((six - 120.0_f64.ln()).abs() < 1e-12);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
pub fn ln_dirichlet_density(weights: &[f64], concentration: usize) -> Result<f64> {
    check_distribution("weights", weights)?;
    let good = (1..=1000).contains(&concentration);
    count("concentration", concentration, good, "1 to 1000")?;
    Ok(ln_density(weights, concentration))
}

/// [`ln_dirichlet_density`] of what is checked; weights of 0 count as the least number.
pub(super) fn ln_density(weights: &[f64], concentration: usize) -> f64 {
    let domains = weights.len();
    let ln_factorial = |n: usize| (2..=n).map(|factor| (factor as f64).ln()).sum::<f64>();
    let logarithms = weights
        .iter()
        .map(|weight| weight.max(f64::MIN_POSITIVE).ln());
    ln_factorial(domains * concentration - 1) - domains as f64 * ln_factorial(concentration - 1)
        + (concentration as f64 - 1.0) * logarithms.sum::<f64>()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_abs_diff_eq;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::simplex::dirichlet;
    use super::*;

    #[test]
    fn a_constant_changes_nothing_and_the_gradient_is_the_softmax_less_the_logged() {
        let each = [(1.0_f64 / 3.0).ln(); 3];
        let penalty = |values: [f64; 3]| conservative_penalty(&values, &each, values[0]).unwrap();
        let values = [1.0, 2.0, 0.5];
        assert_abs_diff_eq!(penalty(values), 1.464_368_784_1, epsilon = 1e-9);
        assert_abs_diff_eq!(
            penalty(values.map(|x| x + 7.0)),
            penalty(values),
            epsilon = 1e-12
        );
        for (action, wanted) in [-0.768_776, 0.628_532, 0.140_244].into_iter().enumerate() {
            let moved = |by: f64| {
                let mut values = values;
                values[action] += by;
                penalty(values)
            };
            let gradient = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert_abs_diff_eq!(gradient, wanted, epsilon = 1e-6);
        }
        // r = .2, gamma = .9, next value 1.5: half the square of .55, and the penalty with a factor of 1.
        let error: f64 = 0.2 + 0.9 * 1.5 - values[0];
        assert_abs_diff_eq!(
            0.5 * error * error + penalty(values),
            1.615_618_784_1,
            epsilon = 1e-9
        );
    }

    /// The integral of exp(w_1) over the simplex of 3 domains is e - 2, whichever draws estimate it.
    #[test]
    fn the_integral_does_not_depend_on_the_draws() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for concentration in [1, 2] {
            let draws: Vec<Vec<f64>> = (0..4096)
                .map(|_| dirichlet(&[concentration as f64; 3], &mut rng).unwrap())
                .collect();
            let values: Vec<f64> = draws.iter().map(|draw| draw[0]).collect();
            let densities: Vec<f64> = draws
                .iter()
                .map(|draw| ln_dirichlet_density(draw, concentration).unwrap())
                .collect();
            let found = conservative_penalty(&values, &densities, 0.0).unwrap();
            let wanted = (1.0_f64.exp() - 2.0).ln();
            assert!((found - wanted).abs() < 0.1, "{found} {wanted}");
        }
    }
}
