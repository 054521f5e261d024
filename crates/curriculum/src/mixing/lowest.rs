//! The mixtures with the lowest value of a function.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::simplex::{check_distribution, dirichlet};
use crate::error::{Result, count};

/// The most weights of a list of mixtures.
const WEIGHTS: usize = 1 << 24;

/// Refuses a list of mixtures that is empty or does not fit into memory.
pub(super) fn check_draws(draws: usize, domains: usize) -> Result<()> {
    let good = draws > 0 && draws.saturating_mul(domains) <= WEIGHTS;
    let allowed = "1 or more, up to 2^24 weights in all";
    count("draws", draws, good, allowed)
}

/// The mean of those with the lowest value among draws with these concentrations, and the corners.
pub(super) fn lowest(
    value: impl Fn(&[f64]) -> f64,
    concentrations: &[f64],
    draws: usize,
    best: usize,
    seed: u64,
) -> Result<Vec<f64>> {
    let domains = concentrations.len();
    check_draws(draws, domains)?;
    let good = (1..=draws).contains(&best);
    count("best", best, good, "1 to the number of draws")?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let drawn = (0..draws).map(|_| dirichlet(concentrations, &mut rng));
    let mut mixtures = drawn.collect::<Result<Vec<_>>>()?;
    for domain in 0..domains {
        let mut corner = vec![0.0; domains];
        corner[domain] = 1.0;
        mixtures.push(corner);
    }
    let values = mixtures.iter().map(|mixture| value(mixture));
    let mut order: Vec<(f64, usize)> = values.zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut sum = vec![0.0; domains];
    for (_, place) in order.iter().take(best) {
        for (sum, weight) in sum.iter_mut().zip(&mixtures[*place]) {
            *sum += weight / best as f64;
        }
    }
    check_distribution("mixture", &sum)?;
    Ok(sum)
}
