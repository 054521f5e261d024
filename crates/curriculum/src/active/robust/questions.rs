//! # NoisyQuestions
//!
//! Which item of a table someone thinks of, by yes-or-no questions of which some answers are wrong.
//!
//! Source: noisy 20 questions as in Zhang, Jain and Jamieson, "Learning to Actively Learn: A Robust Approach", arXiv 2010.15382; the choice of the question is
//! generalised binary search, Nowak 2011

use rand::{Rng, RngExt};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::complexity::least_of_largest;
use crate::error::{CurriculumError, Result, check, count};

/// Answers of a table at most.
const ANSWERS: usize = 1 << 24;
/// Questions of a game at most.
const ROUNDS: usize = 1 << 16;

/// What is true of each item, `[items][questions]`.
///
/// On a table of yours: a line for each item, a column for each question.
///
/// ```
/// use rand::SeedableRng;
/// use regimen_curriculum::active::robust::{NoisyQuestions, QuestionTable};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("faults.csv");
/// # std::fs::write(&path, "pump,1,0,0\nvalve,1,1,0\nfuse,0,0,1\nfan,0,1,1\n")?;
/// let text = std::fs::read_to_string(&path)?; // such as `pump,1,0,0`
/// let rows = text.lines().map(|line| line.split(',').skip(1).map(|cell| cell == "1").collect()).collect();
/// let game = NoisyQuestions::new(QuestionTable::new(rows)?, 0.1, 6)?;
/// let mut posterior = game.start(&[0.25; 4])?;
/// for _ in 0..game.rounds() {
///     let question = game.question(&posterior);
///     let yes = question == 0; // what the user answers
///     game.learn(&mut posterior, question, yes);
/// }
/// assert!(game.answer(&posterior) < 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct QuestionTable {
    rows: Vec<Vec<bool>>,
}

checked_serde!(QuestionTable);

impl Checked for QuestionTable {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let (items, questions) = (self.items(), self.questions());
        let good = items >= 2 && questions >= 1 && items.saturating_mul(questions) <= ANSWERS;
        count(
            "rows",
            items,
            good,
            "2 items or more, 1 question or more, up to 2^24 answers",
        )?;
        for row in &self.rows {
            count(
                "rows",
                row.len(),
                row.len() == questions,
                "all of one length",
            )?;
        }
        let mut sorted: Vec<&Vec<bool>> = self.rows.iter().collect();
        sorted.sort_unstable();
        let same = sorted.windows(2).any(|pair| pair[0] == pair[1]);
        count(
            "rows",
            items,
            !same,
            "different from each other: no question tells two alike",
        )
    }
}

impl QuestionTable {
    /// From a row of answers for each item.
    ///
    /// # Errors
    /// If there are fewer than two items, no question, over 2^24 answers, rows of several lengths, or two that are the same.
    pub fn new(rows: Vec<Vec<bool>>) -> Result<Self> {
        Self { rows }.checked()
    }

    /// Items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.rows.len()
    }

    /// Questions.
    #[must_use]
    pub fn questions(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// How hard each item is to tell from the others: the least, over shares of the questions, of the largest over other items of 1 divided by the share of
    /// the questions in which the two differ. By so many steps, see [`Hypotheses::complexity`](super::Hypotheses::complexity).
    ///
    /// # Errors
    /// If `steps` is 0 or over a million.
    pub fn complexities(&self, steps: usize) -> Result<Vec<f64>> {
        let of = |item: usize| {
            let others = self
                .rows
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != item);
            let rivals = others.map(|(_, row)| {
                let differs = row.iter().zip(&self.rows[item]).enumerate();
                let differs = differs.filter(|(_, (a, b))| a != b);
                (differs.map(|(question, _)| question).collect(), 1.0)
            });
            let rivals: Vec<(Vec<usize>, f64)> = rivals.collect();
            let value = |differs: &[usize], _: f64, shares: &[f64]| {
                1.0 / differs
                    .iter()
                    .map(|question| shares[*question])
                    .sum::<f64>()
            };
            least_of_largest(self.questions(), &rivals, steps, value)
        };
        (0..self.items()).map(of).collect()
    }
}

/// A game of so many questions about one item, where each answer is wrong with a probability of its own. Its policy keeps the exact posterior, asks the
/// question whose predicted yes is nearest to one half (the most information; the first of several), and answers the likeliest item.
///
/// The prior is the policy's only parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct NoisyQuestions {
    table: QuestionTable,
    flip: f64,
    rounds: usize,
}

checked_serde!(NoisyQuestions);

impl Checked for NoisyQuestions {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.table.check()?;
        let good = (0.0..0.5).contains(&self.flip);
        check("flip", self.flip, good, "0 to below .5")?;
        let good = (1..=ROUNDS).contains(&self.rounds);
        count("rounds", self.rounds, good, "1 to 65536")
    }
}

impl NoisyQuestions {
    /// With a probability `flip` of a wrong answer, and so many questions.
    ///
    /// # Errors
    /// If `flip` is not from 0 to below .5, or there are not 1 to 65,536 questions.
    pub fn new(table: QuestionTable, flip: f64, rounds: usize) -> Result<Self> {
        Self {
            table,
            flip,
            rounds,
        }
        .checked()
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &QuestionTable {
        &self.table
    }

    /// Questions of a game.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// The posterior at the start of a game: the prior, which need not sum to 1.
    ///
    /// # Errors
    /// If there is not one number an item, one is negative or not finite, or all are 0.
    pub fn start(&self, prior: &[f64]) -> Result<Vec<f64>> {
        let items = self.table.items();
        count("prior", prior.len(), prior.len() == items, "one an item")?;
        for chance in prior {
            check(
                "prior",
                *chance,
                (0.0..=1e100).contains(chance),
                "0 or more",
            )?;
        }
        let sum: f64 = prior.iter().sum();
        check("prior", sum, sum > 0.0, "one above 0")?;
        Ok(prior.iter().map(|chance| chance / sum).collect())
    }

    /// The question to ask.
    #[must_use]
    pub fn question(&self, posterior: &[f64]) -> usize {
        let mut yes = vec![0.0; self.table.questions()];
        for (row, chance) in self.table.rows.iter().zip(posterior) {
            for (yes, is_true) in yes.iter_mut().zip(row) {
                // Without a branch, so that several questions are added to at once.
                *yes += if *is_true { *chance } else { 0.0 };
            }
        }
        let far = |question: usize| (yes[question] - 0.5_f64).abs();
        let places = 0..yes.len();
        places
            .reduce(|best, next| if far(next) < far(best) { next } else { best })
            .unwrap_or(0)
    }

    /// Takes in an answer; nothing if there is no such question.
    pub fn learn(&self, posterior: &mut [f64], question: usize, yes: bool) {
        let mut sum = 0.0;
        for (row, chance) in self.table.rows.iter().zip(posterior.iter_mut()) {
            let Some(is_true) = row.get(question) else {
                return;
            };
            *chance *= if *is_true == yes {
                1.0 - self.flip
            } else {
                self.flip
            };
            sum += *chance;
        }
        if sum > 0.0 {
            posterior.iter_mut().for_each(|chance| *chance /= sum);
        }
    }

    /// The likeliest item, the first of several.
    #[must_use]
    pub fn answer(&self, posterior: &[f64]) -> usize {
        let places = 0..posterior.len().min(self.table.items());
        places
            .reduce(|best, next| {
                if posterior[next] > posterior[best] {
                    next
                } else {
                    best
                }
            })
            .unwrap_or(0)
    }

    /// What someone who thinks of an item says to a question; no if there is no such item or question.
    pub fn said(&self, item: usize, question: usize, rng: &mut impl Rng) -> bool {
        let row = self.table.rows.get(item);
        let is_true = row
            .and_then(|row| row.get(question))
            .copied()
            .unwrap_or(false);
        is_true != (rng.random::<f64>() < self.flip)
    }

    /// Plays a game about an item: whether the answer is wrong.
    ///
    /// # Errors
    /// As for [`start`](Self::start), or if there is no such item.
    pub fn play(&self, prior: &[f64], item: usize, rng: &mut impl Rng) -> Result<bool> {
        let items = self.table.items();
        count("item", item, item < items, "below the number of items")?;
        let mut posterior = self.start(prior)?;
        for _ in 0..self.rounds {
            let question = self.question(&posterior);
            let yes = self.said(item, question, rng);
            self.learn(&mut posterior, question, yes);
        }
        Ok(self.answer(&posterior) != item)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn bits(items: usize) -> QuestionTable {
        let row = |item: usize| (0..3).map(|bit| item >> bit & 1 == 1).collect();
        QuestionTable::new((0..items).map(row).collect()).unwrap()
    }

    #[test]
    fn without_noise_bits_are_asked_once_each() {
        let game = NoisyQuestions::new(bits(8), 0.0, 3).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for item in 0..8 {
            assert!(!game.play(&[1.0; 8], item, &mut rng).unwrap());
        }
    }

    #[test]
    fn bits_have_a_complexity_of_three() {
        for complexity in bits(8).complexities(5000).unwrap() {
            approx::assert_relative_eq!(complexity, 3.0, max_relative = 1e-3);
        }
    }

    /// Bayes' rule by hand: one question, one wrong answer in ten.
    #[test]
    fn an_answer_changes_the_posterior() {
        let game = NoisyQuestions::new(bits(2), 0.1, 1).unwrap();
        let mut posterior = game.start(&[3.0, 1.0]).unwrap();
        game.learn(&mut posterior, 0, true);
        approx::assert_relative_eq!(
            posterior[1],
            0.25 * 0.9 / (0.25 * 0.9 + 0.75 * 0.1),
            epsilon = 1e-12
        );
        assert!(QuestionTable::new(vec![vec![true], vec![true]]).is_err());
    }
}
