//! The data that the policy finds hard.

use std::collections::BTreeMap;

use crate::error::{Result, RlRewardsError, check};

/// `exp(-mean log pi)` of an answer's tokens, in nats: 1 or more.
///
/// # Errors
/// If there is no token, or a log-probability is NaN, infinite or above 0 by more than rounding.
pub fn perplexity(log_probs: &[f32]) -> Result<f64> {
    check(
        "log_probs",
        0.0,
        !log_probs.is_empty(),
        "one a token, of one token or more",
    )?;
    let mut sum = 0.0;
    for value in log_probs {
        let value = f64::from(*value);
        check("log_prob", value, value <= 1e-3, "finite, at most 0")?;
        sum += value;
    }
    Ok((-sum / log_probs.len() as f64).exp())
}

/// The places of the hardest share of each class, the hardest of a class first, class by class in their order: of `n` the first
/// `floor(share n)`.
///
/// With one ranking over all the classes the policy unlearns the one that it finds easy, such as to abstain. Perplexities are the current
/// policy's: measure them again in each iteration.
///
/// ```
/// use regimen_rl_rewards::recipes::itool::hardest;
///
/// let perplexities = [1.5, 9.0, 3.0, 1.1, 1.2, 1.0];
/// let is_call = [true, true, true, true, false, false];
/// assert_eq!(hardest(&perplexities, &is_call, 0.5)?, [4, 1, 2]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
///
/// # Errors
/// If the numbers differ, the share is not within 0 and 1, or a perplexity is NaN.
pub fn hardest<C: Ord>(perplexities: &[f64], classes: &[C], share: f64) -> Result<Vec<usize>> {
    check("share", share, (0.0..=1.0).contains(&share), "0 to 1")?;
    if perplexities.len() != classes.len() {
        return Err(RlRewardsError::OutOfRange {
            field: "classes",
            value: format!("{} of them", classes.len()),
            allowed: "one a perplexity",
        });
    }
    let mut of: BTreeMap<&C, Vec<usize>> = BTreeMap::new();
    for (place, class) in classes.iter().enumerate() {
        let value = perplexities[place];
        if value.is_nan() {
            return Err(RlRewardsError::NotFinite { what: "perplexity" });
        }
        of.entry(class).or_default().push(place);
    }
    let mut found = Vec::new();
    for mut places in of.into_values() {
        places.sort_by(|a, b| perplexities[*b].total_cmp(&perplexities[*a]));
        // .3 of 10 is 3, though .3 is a little less in binary.
        let count = (share * places.len() as f64 + 1e-9) as usize;
        places.truncate(count);
        found.extend(places);
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_perplexity_is_that_of_the_mean() {
        let found = perplexity(&[-0.1, -0.5, -2.0, -0.4]).unwrap();
        approx::assert_abs_diff_eq!(found, 2.117_000_016_6, epsilon = 1e-6);
        assert!(perplexity(&[]).is_err());
        assert!(perplexity(&[f32::NAN]).is_err());
    }

    /// One ranking over both would leave out those without a call, which are easy here.
    #[test]
    fn each_class_keeps_its_share() {
        let perplexities: Vec<f64> = (0..20).map(f64::from).collect();
        let is_call: Vec<bool> = (0..20).map(|place| place >= 10).collect();
        let found = hardest(&perplexities, &is_call, 0.3).unwrap();
        assert_eq!(found, [9, 8, 7, 19, 18, 17]);
        let one = hardest(&perplexities, &[(); 20], 0.3).unwrap();
        assert_eq!(one, [19, 18, 17, 16, 15, 14]);
        assert!(hardest(&[1.0], &[0, 1], 0.3).is_err());
        assert!(hardest(&[f64::NAN], &[0], 0.3).is_err());
        assert!(hardest(&[1.0], &[0], 1.1).is_err());
    }
}
