//! Where the score of a response lands, and the KL penalty in the reward.

use super::mask::TokenMask;
use crate::advantage::groups::{check_finite, check_length};
use crate::error::Result;

/// `r_t = -penalty_t`, plus the response's score at its last token: `[responses, tokens]` row by row.
///
/// `penalties` is `beta (lp_old - lp_ref)` (k1) for PPO with KL in the reward, or none. A response without a token loses its score.
///
/// # Errors
/// If the sizes differ, or a score or a penalty that counts is not finite.
pub fn token_rewards(
    scores: &[f64],
    penalties: Option<&[f64]>,
    mask: &TokenMask,
) -> Result<Vec<f64>> {
    check_length("scores", scores.len(), mask.responses())?;
    check_finite("scores", scores)?;
    if let Some(penalties) = penalties {
        mask.check("penalties", penalties)?;
    }
    let tokens = mask.tokens();
    let rewards = mask.backwards(true, |last, at| {
        let score = if *last { scores[at / tokens] } else { 0.0 };
        *last = false;
        score - penalties.map_or(0.0, |penalties| penalties[at])
    });
    Ok(rewards)
}
