//! # Countdown
//!
//! Whether an expression makes the target out of the given numbers, each used once.
//!
//! Source: "How Much Backtracking is Enough?" (arXiv 2505.24273) and "To Backtrack or Not to Backtrack" (arXiv 2504.07052)

use num_rational::Ratio;
use num_traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub, Zero};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::extract::{Extract, after_thinking};
use super::verdict::{Reason, Verdict, Verifier};
use crate::error::{Result, RlRewardsError, check};

/// The longest answer, in bytes, and the most brackets in each other.
const LONGEST: usize = 1024;
const MOST_DEPTH: usize = 40;

type Value = Ratio<i128>;

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountdownForm {
    /// One expression, `(3*5)+7`; a `= 22` behind it must be its value.
    #[default]
    Expression,
    /// Steps in lines or after `;`, each `a op b = c` of two numbers that are left, in whose place `c` comes; the last one's result is
    /// the answer. Results are whole and not negative: larger first in a difference, exact division.
    Steps,
}

/// Countdown: all of the numbers, each exactly once, with `+ - * /` and brackets.
///
/// The reference holds the numbers and then the target: `3 5 7 = 22`, `[3, 5, 7] 22`. The answer is in the last box, the answer tags, or
/// the last line. `**` and `//` are no operators. Arithmetic is exact.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `form` | [`CountdownForm::Expression`] | how the answer is written |
/// | `for_form` | 0 | the score of an answer that can be read but is wrong, 0 to below 1 (the paper: 0.1) |
///
/// ```
/// use regimen_rl_rewards::verify::{Countdown, Verifier};
///
/// let verifier = Countdown::default();
/// assert!(verifier.verify("<answer>(3*5)+7</answer>", "3 5 7 = 22").is_right());
/// assert!(!verifier.verify("<answer>3*7+1</answer>", "3 5 7 = 22").is_right());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Countdown {
    form: CountdownForm,
    for_form: f64,
}
checked_serde!(Countdown);

impl Countdown {
    /// With answers of this form.
    #[must_use]
    pub fn new(form: CountdownForm) -> Self {
        Self {
            form,
            for_form: 0.0,
        }
    }

    /// The score of an answer that can be read but is wrong.
    ///
    /// # Errors
    /// If it is not from 0 to below 1.
    pub fn with_score_for_form(self, for_form: f64) -> Result<Self> {
        Self { for_form, ..self }.checked()
    }
}

impl Checked for Countdown {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let allowed = self.for_form >= 0.0 && self.for_form < 1.0;
        check("for_form", self.for_form, allowed, "0 to below 1")
    }
}

impl Verifier for Countdown {
    fn verify(&self, response: &str, reference: &str) -> Verdict {
        let Some((numbers, target)) = instance(reference) else {
            return Verdict::wrong(Reason::Reference);
        };
        let places = [Extract::Boxed, Extract::AnswerTags];
        let Some(answer) = Extract::first(&places, response).or_else(|| match self.form {
            CountdownForm::Expression => last_line(response),
            CountdownForm::Steps => Extract::Whole.find(after_thinking(response)),
        }) else {
            return Verdict::wrong(Reason::NoAnswer);
        };
        if answer.len() > LONGEST {
            return Verdict::wrong(Reason::TooLarge);
        }
        let found = match self.form {
            CountdownForm::Expression => expression(answer, &numbers),
            CountdownForm::Steps => steps(answer, &numbers),
        };
        match found {
            Ok(value) if value == target => Verdict::right(),
            Ok(_) => Verdict::graded(self.for_form, Reason::Different),
            Err(reason @ (Reason::Unreadable | Reason::TooLarge)) => Verdict::wrong(reason),
            Err(reason) => Verdict::graded(self.for_form, reason),
        }
    }
}

/// The numbers and the target.
fn instance(reference: &str) -> Option<(Vec<i128>, Value)> {
    if reference.len() > LONGEST {
        return None;
    }
    let separator = |c: char| c.is_whitespace() || ",;[](){}=:->".contains(c);
    let words = reference.split(separator).filter(|word| !word.is_empty());
    let numbers: Option<Vec<i128>> = words.map(whole).collect();
    let mut numbers = numbers?;
    let target = numbers.pop()?;
    (!numbers.is_empty()).then_some((numbers, Value::from_integer(target)))
}

/// A whole number of at most 15 digits.
fn whole(word: &str) -> Option<i128> {
    let digits = (1..=15).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| word.parse().ok())?
}

fn last_line(response: &str) -> Option<&str> {
    let lines = response.rsplit('\n').map(str::trim);
    lines.into_iter().find(|line| !line.is_empty())
}

fn expression(answer: &str, numbers: &[i128]) -> Result<Value, Reason> {
    let (left, right) = match answer.split_once('=') {
        Some((left, right)) => (left, Some(right)),
        None => (answer, None),
    };
    let mut reader = Reader::new(left);
    let value = reader.sum(0)?;
    reader.end()?;
    let mut used = reader.used;
    if let Some(right) = right {
        let mut reader = Reader::new(right);
        let claimed = reader.sum(0)?;
        reader.end()?;
        if claimed != value {
            return Err(Reason::Broken("what stands behind `=` is the value"));
        }
    }
    let mut given = numbers.to_vec();
    given.sort_unstable();
    used.sort_unstable();
    if used == given {
        Ok(value)
    } else {
        Err(Reason::Broken("each number exactly once"))
    }
}

fn steps(answer: &str, numbers: &[i128]) -> Result<Value, Reason> {
    let mut left: Vec<Value> = numbers.iter().copied().map(Value::from_integer).collect();
    let lines = answer.split(['\n', ';']).map(str::trim);
    for line in lines.filter(|line| !line.is_empty()) {
        let (operation, result) = line.split_once('=').ok_or(Reason::Unreadable)?;
        let mut reader = Reader::new(operation);
        let value = reader.sum(0)?;
        reader.end()?;
        let result = whole(result.trim()).ok_or(Reason::Unreadable)?;
        if reader.used.len() != 2 {
            return Err(Reason::Broken("two numbers a step"));
        }
        for number in reader.used {
            let at = left
                .iter()
                .position(|value| *value == Value::from_integer(number));
            let at = at.ok_or(Reason::Broken("each number exactly once"))?;
            left.swap_remove(at);
        }
        if value != Value::from_integer(result) {
            return Err(Reason::Broken("a step's result is right"));
        }
        left.push(value);
    }
    match left[..] {
        [last] => Ok(last),
        _ => Err(Reason::Broken("each number exactly once")),
    }
}

/// Reads an expression and keeps the numbers in it.
struct Reader<'t> {
    rest: &'t str,
    used: Vec<i128>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            rest: text.trim(),
            used: Vec::new(),
        }
    }

    fn end(&self) -> Result<(), Reason> {
        self.rest.is_empty().then_some(()).ok_or(Reason::Unreadable)
    }

    fn take(&mut self, marks: &[char]) -> bool {
        match self.rest.strip_prefix(marks) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn sum(&mut self, depth: usize) -> Result<Value, Reason> {
        let mut value = self.product(depth)?;
        loop {
            let next = if self.take(&['+']) {
                value.checked_add(&self.product(depth)?)
            } else if self.take(&['-', '−']) {
                value.checked_sub(&self.product(depth)?)
            } else {
                return Ok(value);
            };
            value = next.ok_or(Reason::TooLarge)?;
        }
    }

    fn product(&mut self, depth: usize) -> Result<Value, Reason> {
        let mut value = self.factor(depth)?;
        loop {
            let next = if self.take(&['*', '×']) {
                value.checked_mul(&self.factor(depth)?)
            } else if self.take(&['/', '÷']) {
                let divisor = self.factor(depth)?;
                if divisor.is_zero() {
                    return Err(Reason::Broken("no division by zero"));
                }
                value.checked_div(&divisor)
            } else {
                return Ok(value);
            };
            value = next.ok_or(Reason::TooLarge)?;
        }
    }

    fn factor(&mut self, depth: usize) -> Result<Value, Reason> {
        if depth > MOST_DEPTH {
            return Err(Reason::TooLarge);
        }
        if self.take(&['(']) {
            let value = self.sum(depth + 1)?;
            return if self.take(&[')']) {
                Ok(value)
            } else {
                Err(Reason::Unreadable)
            };
        }
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = whole(&self.rest[..length]).ok_or(Reason::Unreadable)?;
        self.rest = self.rest[length..].trim_start();
        self.used.push(number);
        Ok(Value::from_integer(number))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let verifier = Countdown::default();
        let of = |answer: &str| verifier.verify(answer, "[3, 5, 7] 22");
        for right in [
            "3*5+7",
            "(3*5)+7 = 22",
            "<answer> 7 + 5×3 </answer>",
            r"\boxed{3*5+7}",
            "so\n7+(3*5)\n",
        ] {
            assert!(of(right).is_right(), "{right}: {}", of(right));
        }
        for wrong in [
            "22",
            "3*7+1",
            "3*5+7+3-3",
            "3**5",
            "15//3+7",
            "3*5+7=23",
            "3*5 7",
            "(3*5+7",
            "-3+5+7",
            "",
            "3*5+07.0",
            "3 5 * 7 +",
            "3/0+5+7",
        ] {
            assert!(!of(wrong).is_right(), "{wrong}");
        }
        assert_eq!(verifier.verify("8/3*3", "3 3 8 = 8").score, 1.0);
        let twice = verifier.verify("3+3", "3 5 = 6");
        assert_eq!(twice.reason, Reason::Broken("each number exactly once"));
        let graded = verifier.with_score_for_form(0.1).unwrap();
        assert_eq!(graded.verify("3*5-7", "3 5 7 = 22").score, 0.1);
        assert_eq!(graded.verify("maybe", "3 5 7 = 22").score, 0.0);
        assert_eq!(verifier.verify("3", "3").reason, Reason::Reference);
        assert!(verifier.with_score_for_form(1.0).is_err());
        let deep = format!("{}3", "(".repeat(1000));
        assert_eq!(of(&deep).reason, Reason::TooLarge);
        let large = ["999999999999999"; 9].join("*");
        assert_eq!(of(&large).reason, Reason::TooLarge);
    }

    #[test]
    fn steps_of_two_numbers() {
        let verifier = Countdown::new(CountdownForm::Steps);
        let of = |answer: &str| verifier.verify(answer, "3 5 7 = 22");
        assert!(of("3*5=15\n7+15=22").is_right());
        assert!(of("5 * 3 = 15; 15 + 7 = 22").is_right());
        for wrong in [
            "3*5=15",
            "3*5=16\n7+16=23",
            "3*5=15\n3+15=18",
            "3-5=2\n7*2=14",
            "3*5+7=22",
            "15+7=22",
        ] {
            assert!(!of(wrong).is_right(), "{wrong}");
        }
    }
}
