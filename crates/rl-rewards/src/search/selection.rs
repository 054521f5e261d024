//! # Selection
//!
//! The score by which a tree search chooses among children.
//!
//! Source: PUCT as in "Monte Carlo Tree Search Boosts Reasoning via Iterative Preference Learning", arXiv 2405.00451; the logarithmic form as
//! in the released code of iTool, arXiv 2501.09766.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, check};

/// What a score is of: a child among its siblings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Its value: a mean for [`Selection::puct`], a sum for [`Selection::logarithmic`].
    pub value: f64,
    /// How often it was visited.
    pub visits: u64,
    /// Its probability.
    pub prior: f64,
    /// How often its parent was visited.
    pub parent_visits: u64,
}

/// A value, and more for what is probable and seldom visited.
///
/// | form | score of a child visited `n` times, `N` times its parent |
/// |---|---|
/// | [`puct`](Self::puct) | `Q + c p sqrt(N) / (1 + n)` |
/// | [`logarithmic`](Self::logarithmic) | `W / (n + 1) + c p sqrt(ln(max(N, 1)) / (n + 1))` |
///
/// `Q` is a mean and `W` a sum that has the initial value in it. In the logarithmic form the parent's first visit counts as none at all; without
/// the bound a parent without a visit has no score that is a number.
///
/// ```
/// use regimen_rl_rewards::search::{Candidate, Selection};
///
/// let child = Candidate { value: 0.3, visits: 0, prior: 0.8, parent_visits: 5 };
/// assert!((Selection::puct(1.0)?.score(child) - 2.0888543820).abs() < 1e-9);
/// assert!((Selection::logarithmic(1.0)?.score(child) - 1.3149089929).abs() < 1e-9);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("PUCT", "UCT", "UCB"))]
pub struct Selection {
    form: Form,
    c: f64,
}
checked_serde!(Selection);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Puct,
    Logarithmic,
}

impl Selection {
    /// The logarithmic form with `c` = 1.
    pub const LOGARITHMIC: Self = Self {
        form: Form::Logarithmic,
        c: 1.0,
    };

    /// `Q + c p sqrt(N) / (1 + n)`; `c` is mostly 1.
    ///
    /// # Errors
    /// If `c` is not finite, or below 0.
    pub fn puct(c: f64) -> Result<Self> {
        let form = Form::Puct;
        Self { form, c }.checked()
    }

    /// `W / (n + 1) + c p sqrt(ln(max(N, 1)) / (n + 1))`.
    ///
    /// # Errors
    /// If `c` is not finite, or below 0.
    pub fn logarithmic(c: f64) -> Result<Self> {
        let form = Form::Logarithmic;
        Self { form, c }.checked()
    }

    /// The score of a child; finite where its value and prior are moderate.
    #[must_use]
    pub fn score(&self, of: Candidate) -> f64 {
        let times = of.visits as f64 + 1.0;
        let parent = of.parent_visits as f64;
        match self.form {
            Form::Puct => of.value + self.c * of.prior * parent.sqrt() / times,
            Form::Logarithmic => {
                let bonus = (parent.max(1.0).ln() / times).sqrt();
                of.value / times + self.c * of.prior * bonus
            }
        }
    }

    /// Whether the score wants sums.
    pub(super) fn takes_sums(&self) -> bool {
        self.form == Form::Logarithmic
    }
}

impl Checked for Selection {
    type Error = crate::RlRewardsError;

    fn check(&self) -> Result<()> {
        let good = (0.0..=1e100).contains(&self.c);
        check("c", self.c, good, "0 to 1e100")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(value: f64, visits: u64, prior: f64, parent_visits: u64) -> Candidate {
        Candidate {
            value,
            visits,
            prior,
            parent_visits,
        }
    }

    #[test]
    fn scores_are_those_of_the_paper_and_of_its_code() {
        let log = Selection::logarithmic(1.0).unwrap();
        for (child, score) in [
            (of(0.3, 0, 0.8, 5), 1.314_908_992_9),
            (of(0.9, 3, 0.4, 5), 0.478_727_248_2),
            (of(0.1, 1, 0.1, 5), 0.139_706_128_9),
            (of(0.3, 0, 0.8, 1), 0.3),
        ] {
            approx::assert_abs_diff_eq!(log.score(child), score, epsilon = 1e-9);
        }
        let puct = Selection::puct(1.0).unwrap();
        for (child, score) in [
            (of(0.3, 0, 0.8, 5), 2.088_854_382_0),
            (of(0.3, 3, 0.4, 5), 0.523_606_797_7),
        ] {
            approx::assert_abs_diff_eq!(puct.score(child), score, epsilon = 1e-9);
        }
    }

    /// `ln 0` is minus infinity, and its root no number.
    #[test]
    fn a_parent_without_a_visit_gives_a_score() {
        let child = of(0.3, 0, 0.8, 0);
        for selection in [Selection::puct(1.0), Selection::logarithmic(1.0)] {
            assert_eq!(selection.unwrap().score(child), 0.3);
        }
    }
}
