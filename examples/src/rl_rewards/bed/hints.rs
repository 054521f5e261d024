//! The task `chain` with hints: a field of the prompt is blank, or shows the running results that an expert has found, as letters.
//!
//! The warm-up shows responses in digits only, with a hint the right ones. So the policy can restate a hint in its own
//! notation, and never writes letters by itself, though the verifier takes an answer in either.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, End};

use super::chain::{Chain, Class, Problem, demonstration};
use super::symbols::{ANSWER, BLANK, END, LETTERS};
use super::task::{Part, Task};

/// A problem, with or without a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hinted {
    /// The problem.
    pub problem: Problem,
    /// Whether the prompt shows the expert's results.
    pub is_hinted: bool,
}

/// The task: chains whose prompts have a field for a hint.
#[derive(Clone, Debug)]
pub struct Hints {
    chain: Chain,
}

impl Hints {
    /// Over the facts of a chain.
    #[must_use]
    pub fn new(chain: Chain) -> Self {
        Self { chain }
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Draws a problem without a hint, every second one with a hidden fact on its way.
    pub fn half_hidden(&self, part: Part, rng: &mut ChaCha8Rng) -> Hinted {
        let is_hidden = rng.random_bool(0.5);
        loop {
            let problem = self.chain.problem(part, rng);
            if (self.chain.class(&problem) == Class::Hidden) == is_hidden {
                return Hinted {
                    problem,
                    is_hinted: false,
                };
            }
        }
    }

    /// The right response in the policy's own notation.
    #[must_use]
    pub fn own(&self, problem: &Problem) -> Completion {
        self.chain.right(problem)
    }

    /// The right response as the expert writes it: in letters.
    #[must_use]
    pub fn expert(&self, problem: &Problem) -> Completion {
        let results = self.letters(problem);
        let last = results.last().copied();
        let tokens = results.into_iter().chain([ANSWER]).chain(last);
        demonstration(tokens.chain([END]))
    }

    fn letters(&self, problem: &Problem) -> Vec<u32> {
        let results = self.chain.results(problem).into_iter();
        results.map(|result| LETTERS + result).collect()
    }
}

impl Task for Hints {
    type Problem = Hinted;
    type Level = Class;

    /// Half of them with a hint for training, none of those that are held out.
    fn draw(&self, part: Part, rng: &mut ChaCha8Rng) -> Hinted {
        let problem = self.chain.problem(part, rng);
        let is_hinted = part == Part::Training && rng.random_bool(0.5);
        Hinted { problem, is_hinted }
    }

    /// As the chain's, with the field ahead of the `=`.
    fn prompt(&self, problem: &Hinted) -> Vec<u32> {
        let mut tokens = self.chain.prompt(&problem.problem);
        let equals = tokens.pop();
        let mut field = if problem.is_hinted {
            self.letters(&problem.problem)
        } else {
            Vec::new()
        };
        field.resize(self.chain.most(), BLANK);
        tokens.extend(field);
        tokens.extend(equals);
        tokens
    }

    fn response_length(&self) -> usize {
        self.chain.response_length()
    }

    fn taught(&self, problem: &Hinted, rng: &mut ChaCha8Rng) -> Completion {
        if problem.is_hinted {
            self.own(&problem.problem)
        } else {
            self.chain.taught(&problem.problem, rng)
        }
    }

    /// In either notation.
    fn is_right(&self, problem: &Hinted, completion: &Completion) -> bool {
        let mut parts = completion.content().split(|token| *token == ANSWER);
        let answer = self.chain.answer(&problem.problem);
        let answers = [[answer], [LETTERS + answer]];
        let found = (parts.next(), parts.next(), parts.next());
        completion.end() == End::EndToken
            && matches!(found, (Some(_), Some(found), None) if answers.iter().any(|one| found == one))
    }

    fn level(&self, problem: &Hinted) -> Class {
        self.chain.class(&problem.problem)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::symbols::text;
    use super::*;

    #[test]
    fn a_hint_is_the_expert_s_results_in_letters() {
        let hints = Hints::new(Chain::new(0));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut lengths = Vec::new();
        for _ in 0..200 {
            let blank = hints.half_hidden(Part::Training, &mut rng);
            let hinted = Hinted {
                is_hinted: true,
                ..blank.clone()
            };
            let (plain, shown) = (hints.prompt(&blank), hints.prompt(&hinted));
            lengths.extend([plain.len(), shown.len()]);
            let results = hints.chain().results(&blank.problem);
            let letters = results.iter().map(|result| LETTERS + result);
            let field = &shown[shown.len() - 4..][..results.len()];
            assert!(field.iter().copied().eq(letters), "{}", text(&shown));
            assert_eq!(plain[plain.len() - 4..][..3], [BLANK; 3]);
            // Right in either notation, and taught right with a hint.
            let (own, expert) = (hints.own(&blank.problem), hints.expert(&blank.problem));
            assert!(hints.is_right(&blank, &own) && hints.is_right(&blank, &expert));
            assert_eq!(hints.taught(&hinted, &mut rng), own);
            assert!(expert.tokens().iter().all(|token| *token >= 100));
            let cut = expert.with_end(End::Truncated);
            assert!(!hints.is_right(&blank, &cut));
        }
        assert!(lengths.iter().all(|length| *length == lengths[0]));
    }

    #[test]
    fn half_have_a_hidden_fact() {
        let hints = Hints::new(Chain::new(1));
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let drawn = (0..2000).map(|_| hints.half_hidden(Part::HeldOut, &mut rng));
        let hidden = drawn.filter(|one| hints.level(one) == Class::Hidden);
        assert!(hidden.count().abs_diff(1000) < 90);
        assert!(!hints.draw(Part::HeldOut, &mut rng).is_hinted);
    }
}
