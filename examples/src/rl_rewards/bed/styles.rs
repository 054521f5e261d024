//! The task `chain` in the variant `styles`: a response writes all, some or none of the running results ahead of its answer.
//!
//! Of `k` operations the full style writes `k` running results, the half one the first `(k - 1) / 2`, and the bare one none. What is not
//! written must be worked out at once: where two operations or more are left, short text costs accuracy.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, Rollout, Rollouts};

use super::chain::{Chain, Class, Problem, demonstration};
use super::symbols::{ANSWER, END};
use super::task::{Part, Task};

/// How much of the way to its answer a response writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Style {
    /// Every running result.
    Full,
    /// Some of them.
    Half,
    /// None.
    Bare,
}

impl Style {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Full, Self::Half, Self::Bare];

    /// The name in a record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Half => "half",
            Self::Bare => "bare",
        }
    }

    /// Running results that it writes of so many.
    #[must_use]
    pub fn writes(self, operations: usize) -> usize {
        match self {
            Self::Full => operations,
            Self::Half => operations.saturating_sub(1) / 2,
            Self::Bare => 0,
        }
    }
}

/// The task: a [`Chain`] whose warm-up shows the full style in half of the responses, and each of the others in a quarter.
#[derive(Clone, Debug)]
pub struct Styles {
    chain: Chain,
}

impl Styles {
    /// With the facts of a chain.
    #[must_use]
    pub fn new(chain: Chain) -> Self {
        Self { chain }
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Operations of a problem.
    #[must_use]
    pub fn operations(&self, problem: &Problem) -> usize {
        self.chain.results(problem).len()
    }

    /// The style of a completion: full with as many running results as there are operations, or more.
    #[must_use]
    pub fn style(&self, problem: &Problem, completion: &Completion) -> Style {
        match pad(completion).len() {
            0 => Style::Bare,
            written if written < self.operations(problem) => Style::Half,
            _ => Style::Full,
        }
    }

    /// The share of right ones among the running results that were written; none where none was.
    #[must_use]
    pub fn share_right(&self, problem: &Problem, completion: &Completion) -> Option<f64> {
        let written = pad(completion);
        let results = self.chain.results(problem);
        let right = written.iter().zip(&results).filter(|(a, b)| a == b).count();
        (!written.is_empty()).then(|| right as f64 / written.len() as f64)
    }

    /// A response in a style, with running results as the warm-up teaches them.
    #[must_use]
    pub fn shown(&self, problem: &Problem, style: Style, rng: &mut ChaCha8Rng) -> Completion {
        let whole = self.chain.taught(problem, rng);
        let results = pad(&whole);
        let written = style.writes(results.len());
        let answer = results.last().copied();
        let tokens = results[..written].iter().copied().chain([ANSWER]);
        demonstration(tokens.chain(answer).chain([END]))
    }
}

/// The scratch pad: what stands before the first `;`.
#[must_use]
pub fn pad(completion: &Completion) -> &[u32] {
    let mut parts = completion.content().split(|token| *token == ANSWER);
    parts.next().unwrap_or_default()
}

/// The share of right completions, in percent, of each style that occurs, over the problems of two operations or more, and the share of
/// the style.
#[must_use]
pub fn by_style(
    task: &Styles,
    problems: &[Problem],
    rollouts: &Rollouts,
) -> [(Style, f64, f64); 3] {
    let long = |one: &&Rollout| task.operations(&problems[one.prompt]) > 1;
    let all: Vec<&Rollout> = rollouts.rollouts().iter().filter(long).collect();
    let percent = |count: usize, of: usize| 100.0 * count as f64 / of.max(1) as f64;
    Style::ALL.map(|style| {
        let has = |one: &&&Rollout| task.style(&problems[one.prompt], &one.completion) == style;
        let of: Vec<_> = all.iter().filter(has).collect();
        let is_right = |one: &&&&Rollout| task.is_right(&problems[one.prompt], &one.completion);
        let right = of.iter().filter(is_right).count();
        (
            style,
            percent(right, of.len()),
            percent(of.len(), all.len()),
        )
    })
}

impl Task for Styles {
    type Problem = Problem;
    type Level = Class;

    fn draw(&self, part: Part, rng: &mut ChaCha8Rng) -> Problem {
        self.chain.problem(part, rng)
    }

    fn prompt(&self, problem: &Problem) -> Vec<u32> {
        self.chain.prompt(problem)
    }

    fn response_length(&self) -> usize {
        self.chain.response_length()
    }

    fn taught(&self, problem: &Problem, rng: &mut ChaCha8Rng) -> Completion {
        let style = match rng.random_range(0..4) {
            0 => Style::Bare,
            1 => Style::Half,
            _ => Style::Full,
        };
        self.shown(problem, style, rng)
    }

    fn is_right(&self, problem: &Problem, completion: &Completion) -> bool {
        self.chain.is_right(problem, completion)
    }

    fn level(&self, problem: &Problem) -> Class {
        self.chain.class(problem)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;

    use super::super::symbols::text;
    use super::*;

    #[test]
    fn a_style_writes_as_many_results_as_said() {
        let counts = |style: Style| [1, 2, 3, 8].map(|operations| style.writes(operations));
        assert_eq!(counts(Style::Full), [1, 2, 3, 8]);
        assert_eq!(counts(Style::Half), [0, 0, 1, 3]);
        assert_eq!(counts(Style::Bare), [0; 4]);
    }

    /// Each style keeps the answer of the whole response, and the scratch pad is what stands before it.
    #[test]
    fn a_style_shortens_the_pad_and_keeps_the_answer() {
        let task = Styles::new(Chain::new(0));
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for _ in 0..200 {
            let problem = task.chain().problem_of(3, Part::Training, &mut rng);
            let of = |style| task.shown(&problem, style, &mut rng.clone());
            let whole = of(Style::Full);
            for style in Style::ALL {
                let one = of(style);
                assert_eq!(
                    pad(&one),
                    &pad(&whole)[..style.writes(3)],
                    "{}",
                    text(one.tokens())
                );
                assert_eq!(
                    task.is_right(&problem, &one),
                    task.is_right(&problem, &whole)
                );
                assert_eq!(task.style(&problem, &one), style);
            }
            assert_eq!(task.share_right(&problem, &of(Style::Bare)), None);
            task.draw(Part::Training, &mut rng);
        }
    }

    #[test]
    fn right_results_are_counted_among_those_written() {
        let task = Styles::new(Chain::new(0));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let problem = task.chain().problem_of(3, Part::Training, &mut rng);
        let results = task.chain().results(&problem);
        let wrong = (results[1] + 1) % 7;
        let share = |tokens: Vec<u32>| task.share_right(&problem, &demonstration(tokens));
        let answer = [ANSWER, results[2], END];
        let with = |pad: &[u32]| share(pad.iter().copied().chain(answer).collect());
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[results[0]]), Some(1.0));
        assert_eq!(with(&[results[0], wrong]), Some(0.5));
        assert_eq!(with(&[results[0], results[1], results[2], 0]), Some(0.75));
        // Without an answer all of it is scratch pad.
        assert_eq!(share(vec![results[0], END]), Some(1.0));
    }

    #[test]
    fn the_warm_up_shows_the_full_style_in_a_half() {
        let task = Styles::new(Chain::new(2));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut counts = [0; 3];
        for _ in 0..6000 {
            let problem = task.chain().problem_of(3, Part::Training, &mut rng);
            let shown = task.taught(&problem, &mut rng);
            counts[task.style(&problem, &shown) as usize] += 1;
        }
        let near = |count: i32, said: i32| (count - said).abs() < 150;
        assert!(near(counts[0], 3000) && near(counts[1], 1500), "{counts:?}");
    }
}
