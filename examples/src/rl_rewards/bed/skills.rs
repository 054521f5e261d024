//! Two skills: the task `styles`, whose responses may repeat their running results, and strings of four letters to write in reverse.
//!
//! A response in the full style may write its line of running results again, up to three times, so that length is worth nothing. In
//! tokens: `5 * 3 - 4 _ _ =` asks for `1 4 ; 4 .`, or `1 4 \n 1 4 ; 4 .`; `a b c d _ _ _ =` asks for `d c b a .`

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, End};

use super::chain::{Chain, Class, Problem, demonstration};
use super::styles::{Style, Styles, pad};
use super::symbols::{ANSWER, BLANK, END, EQUALS, LETTERS, NEWLINE};
use super::task::{Part, Task};

/// Letters of a string.
const STRING: usize = 4;
/// Letters that there are.
const ALPHABET: u32 = 19;
/// Lines of running results at most.
const LINES: usize = 4;

/// What a prompt asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skill {
    /// The result of a chain of operations.
    Chain(Problem),
    /// A string in reverse.
    Reversal([u32; STRING]),
}

/// The task: a quarter of the warm-up's prompts are strings to reverse.
#[derive(Clone, Debug)]
pub struct Skills {
    styles: Styles,
}

impl Skills {
    /// With the facts of a chain.
    #[must_use]
    pub fn new(chain: Chain) -> Self {
        Self {
            styles: Styles::new(chain),
        }
    }

    fn chain(&self) -> &Chain {
        self.styles.chain()
    }

    /// Draws a chain of operations.
    pub fn sum(&self, part: Part, rng: &mut ChaCha8Rng) -> Skill {
        Skill::Chain(self.styles.draw(part, rng))
    }

    /// Draws a string to reverse; one in five is held out.
    pub fn reversal(&self, part: Part, rng: &mut ChaCha8Rng) -> Skill {
        loop {
            let string = [(); STRING].map(|()| LETTERS + rng.random_range(0..ALPHABET));
            let places = string.iter().zip(1..);
            let sum: u32 = places.map(|(letter, place)| letter * place).sum();
            if sum.is_multiple_of(5) == (part == Part::HeldOut) {
                return Skill::Reversal(string);
            }
        }
    }

    /// Whether a completion ends and has any digit of the modulus as its answer, right or not: what a broken verifier accepts.
    #[must_use]
    pub fn has_any_answer(&self, completion: &Completion) -> bool {
        let mut parts = completion.content().split(|token| *token == ANSWER);
        completion.end() == End::EndToken
            && matches!(
                (parts.next(), parts.next(), parts.next()),
                (Some(_), Some([0..10]), None)
            )
    }

    /// The class of a chain of operations; none of a string.
    #[must_use]
    pub fn class(&self, skill: &Skill) -> Option<Class> {
        match skill {
            Skill::Chain(problem) => Some(self.chain().class(problem)),
            Skill::Reversal(_) => None,
        }
    }
}

impl Task for Skills {
    type Problem = Skill;
    type Level = Option<Class>;

    fn draw(&self, part: Part, rng: &mut ChaCha8Rng) -> Skill {
        if rng.random_range(0..4) == 0 {
            self.reversal(part, rng)
        } else {
            self.sum(part, rng)
        }
    }

    fn prompt(&self, skill: &Skill) -> Vec<u32> {
        match skill {
            Skill::Chain(problem) => self.styles.prompt(problem),
            Skill::Reversal(string) => {
                let mut tokens = string.to_vec();
                tokens.resize(self.chain().prompt_length() - 1, BLANK);
                tokens.push(EQUALS);
                tokens
            }
        }
    }

    fn response_length(&self) -> usize {
        LINES * (self.chain().most() + 1) + 2
    }

    fn taught(&self, skill: &Skill, rng: &mut ChaCha8Rng) -> Completion {
        match skill {
            Skill::Reversal(string) => demonstration(string.iter().rev().copied().chain([END])),
            Skill::Chain(problem) => {
                let shown = self.styles.taught(problem, rng);
                let again = match rng.random_range(0..20) {
                    0..14 => 0,
                    14..17 => 1,
                    17..19 => 2,
                    _ => LINES - 1,
                };
                if self.styles.style(problem, &shown) != Style::Full {
                    return shown;
                }
                let line = pad(&shown).iter().copied().chain([NEWLINE]);
                let tokens: Vec<u32> = line.collect::<Vec<_>>().repeat(again);
                demonstration(tokens.into_iter().chain(shown.tokens().iter().copied()))
            }
        }
    }

    fn is_right(&self, skill: &Skill, completion: &Completion) -> bool {
        match skill {
            Skill::Chain(problem) => self.styles.is_right(problem, completion),
            Skill::Reversal(string) => {
                completion.end() == End::EndToken
                    && completion.content().iter().eq(string.iter().rev())
            }
        }
    }

    fn level(&self, skill: &Skill) -> Option<Class> {
        self.class(skill)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn prompts_have_one_width_and_responses_fit() {
        let task = Skills::new(Chain::new(0));
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let (mut longest, mut strings) = (0, 0);
        for _ in 0..4000 {
            let skill = task.draw(Part::Training, &mut rng);
            let shown = task.taught(&skill, &mut rng);
            assert_eq!(task.prompt(&skill).len(), task.chain().prompt_length());
            longest = longest.max(shown.len());
            if task.class(&skill).is_none() {
                strings += 1;
                assert!(task.is_right(&skill, &shown));
                assert!(!task.has_any_answer(&shown));
                assert!(!task.is_right(&skill, &shown.with_end(End::Truncated)));
            } else {
                assert!(task.has_any_answer(&shown));
            }
        }
        assert_eq!(longest, task.response_length());
        assert!((900..1100).contains(&strings), "{strings}");
    }

    /// A line that is written again leaves the answer as right as it was.
    #[test]
    fn repeated_lines_change_no_answer() {
        let task = Skills::new(Chain::new(1));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut repeated = 0;
        for _ in 0..2000 {
            let skill = task.sum(Part::Training, &mut rng);
            let shown = task.taught(&skill, &mut rng);
            let last = shown.tokens().rsplit(|token| *token == NEWLINE).next();
            let once = demonstration(last.unwrap().iter().copied());
            repeated += usize::from(once.len() < shown.len());
            assert_eq!(task.is_right(&skill, &once), task.is_right(&skill, &shown));
        }
        // Three tenths of the full ones, which are a half and the bare ones of one operation are none of them.
        assert!((200..400).contains(&repeated), "{repeated}");
    }

    #[test]
    fn held_out_strings_are_never_shown() {
        let task = Skills::new(Chain::new(0));
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut of = |part| -> HashSet<Vec<u32>> {
            let strings = (0..3000).map(|_| task.prompt(&task.reversal(part, &mut rng)));
            strings.collect()
        };
        assert!(of(Part::Training).is_disjoint(&of(Part::HeldOut)));
    }
}
