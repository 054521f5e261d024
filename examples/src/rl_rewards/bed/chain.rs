//! The task `chain`: modular arithmetic with a scratch pad, of which the warm-up teaches some facts wrongly.
//!
//! `5*3-4=` is evaluated from left to right modulo 7: the response is the running results, `;`, the last one again, and the end. Of the
//! facts of one operation, such as `5*3=1`, most are taught right; the weak ones are right now and then, so that sampling finds them and
//! the most probable answer is wrong; the hidden ones are always taught wrong.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, End};

use super::symbols::{ANSWER, BLANK, END, EQUALS, OPERATIONS};
use super::task::{Part, Task};

/// How the warm-up shows a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// Right.
    Known,
    /// Right in one of five cases, with one wrong value in two of five, and with any digit in the others.
    Weak,
    /// With one wrong value.
    Hidden,
}

/// What the way to a prompt's answer needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Known facts alone.
    Known,
    /// One weak fact, and else known ones.
    OneWeak,
    /// Several weak facts, none hidden.
    SeveralWeak,
    /// A hidden fact.
    Hidden,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Known, Self::OneWeak, Self::SeveralWeak, Self::Hidden];

    /// The name in a record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::OneWeak => "one weak",
            Self::SeveralWeak => "several weak",
            Self::Hidden => "hidden",
        }
    }
}

/// A first number, and an operation with a number for each step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    first: u32,
    steps: Vec<(usize, u32)>,
}

/// The task with the facts of a seed.
#[derive(Clone, Debug)]
pub struct Chain {
    modulus: u32,
    most: usize,
    /// Of each fact `(operation, left, right)`: how it is taught, and its wrong value.
    facts: Vec<(Fact, u32)>,
}

/// Operations: plus, minus, times.
const KINDS: usize = 3;

impl Chain {
    /// Modulo 7, of up to 3 operations: 103 known facts, 29 weak and 15 hidden ones.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::of(7, 3, seed)
    }

    /// Modulo 7, of up to 6 operations.
    #[must_use]
    pub fn long(seed: u64) -> Self {
        Self::of(7, 6, seed)
    }

    /// Modulo 10, of up to 8 operations, with the same shares of facts.
    #[must_use]
    pub fn large(seed: u64) -> Self {
        Self::of(10, 8, seed)
    }

    fn of(modulus: u32, most: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = KINDS * (modulus * modulus) as usize;
        let (weak, hidden) = (count * 29 / 147, count * 15 / 147);
        let mut kinds = vec![Fact::Known; count];
        kinds[..weak].fill(Fact::Weak);
        kinds[weak..weak + hidden].fill(Fact::Hidden);
        kinds.shuffle(&mut rng);
        let mut chain = Self {
            modulus,
            most,
            facts: Vec::new(),
        };
        let facts = kinds.into_iter().enumerate().map(|(place, fact)| {
            let square = (modulus * modulus) as usize;
            let (operation, rest) = (place / square, (place % square) as u32);
            let right = apply(operation, rest / modulus, rest % modulus, modulus);
            let wrong = (right + rng.random_range(1..modulus)) % modulus;
            (fact, wrong)
        });
        chain.facts = facts.collect();
        chain
    }

    fn place(&self, operation: usize, left: u32, right: u32) -> usize {
        operation * (self.modulus * self.modulus) as usize + (left * self.modulus + right) as usize
    }

    /// Tokens of a prompt.
    #[must_use]
    pub fn prompt_length(&self) -> usize {
        2 * self.most + 2
    }

    /// Tokens of a response at most.
    #[must_use]
    pub fn response_length(&self) -> usize {
        self.most + 3
    }

    /// Operations of a prompt at most.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// Draws a problem of one to the largest number of operations. Those of one operation are of both parts.
    pub fn problem(&self, part: Part, rng: &mut impl Rng) -> Problem {
        let steps = rng.random_range(1..=self.most);
        self.problem_of(steps, part, rng)
    }

    /// Draws a problem of so many operations.
    pub fn problem_of(&self, steps: usize, part: Part, rng: &mut impl Rng) -> Problem {
        loop {
            let number = |rng: &mut _| Rng::next_u32(rng) % self.modulus;
            let problem = Problem {
                first: number(rng),
                steps: (0..steps)
                    .map(|_| (rng.random_range(0..KINDS), number(rng)))
                    .collect(),
            };
            if steps < 2 || self.is_held_out(&problem) == (part == Part::HeldOut) {
                return problem;
            }
        }
    }

    /// One prompt in five, by its tokens.
    fn is_held_out(&self, problem: &Problem) -> bool {
        let bytes = self.prompt(problem).into_iter().flat_map(u32::to_le_bytes);
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (hash >> 32).is_multiple_of(5)
    }

    /// The tokens of a prompt: the numbers and operations, blanks up to its width, `=`. What a step needs is then always in the same
    /// columns.
    #[must_use]
    pub fn prompt(&self, problem: &Problem) -> Vec<u32> {
        let mut tokens = vec![problem.first];
        for (operation, number) in &problem.steps {
            tokens.extend([OPERATIONS[*operation], *number]);
        }
        tokens.resize(self.prompt_length() - 1, BLANK);
        tokens.push(EQUALS);
        tokens
    }

    /// The right running results.
    #[must_use]
    pub fn results(&self, problem: &Problem) -> Vec<u32> {
        let mut value = problem.first;
        let steps = problem.steps.iter().map(|(operation, number)| {
            value = apply(*operation, value, *number, self.modulus);
            value
        });
        steps.collect()
    }

    /// The right answer.
    #[must_use]
    pub fn answer(&self, problem: &Problem) -> u32 {
        self.results(problem)
            .last()
            .copied()
            .unwrap_or(problem.first)
    }

    /// How each fact on the right way to the answer is taught.
    #[must_use]
    pub fn way(&self, problem: &Problem) -> Vec<Fact> {
        let mut value = problem.first;
        let facts = problem.steps.iter().map(|(operation, number)| {
            let fact = self.facts[self.place(*operation, value, *number)].0;
            value = apply(*operation, value, *number, self.modulus);
            fact
        });
        facts.collect()
    }

    /// What the right way to the answer needs.
    #[must_use]
    pub fn class(&self, problem: &Problem) -> Class {
        let facts = self.way(problem);
        let weak = facts.iter().filter(|fact| **fact == Fact::Weak).count();
        match (facts.contains(&Fact::Hidden), weak) {
            (true, _) => Class::Hidden,
            (false, 0) => Class::Known,
            (false, 1) => Class::OneWeak,
            (false, _) => Class::SeveralWeak,
        }
    }

    /// A response as the warm-up shows it: each running result follows from the one before by the facts as they are taught.
    pub fn taught(&self, problem: &Problem, rng: &mut impl Rng) -> Completion {
        let mut value = problem.first;
        let results = problem.steps.iter().map(|(operation, number)| {
            let right = apply(*operation, value, *number, self.modulus);
            let (fact, wrong) = self.facts[self.place(*operation, value, *number)];
            value = match fact {
                Fact::Known => right,
                Fact::Hidden => wrong,
                Fact::Weak => match rng.random_range(0..5) {
                    0 => right,
                    1 | 2 => wrong,
                    _ => rng.random_range(0..self.modulus),
                },
            };
            value
        });
        response(&results.collect::<Vec<_>>())
    }

    /// The right response.
    #[must_use]
    pub fn right(&self, problem: &Problem) -> Completion {
        response(&self.results(problem))
    }

    /// Of each running result of a text, whether it follows from the one before it: by the rules of arithmetic, or, with `as_taught`, by these or by the
    /// wrong value that the warm-up teaches of a weak or hidden fact.
    #[must_use]
    pub fn follows(&self, problem: &Problem, results: &[u32], as_taught: bool) -> Vec<bool> {
        let mut value = problem.first;
        let steps = problem.steps.iter().zip(results);
        let follows = steps.map(|((operation, number), result)| {
            // A token that is no number of the task follows from nothing, and nothing from it.
            if value >= self.modulus {
                return false;
            }
            let right = apply(*operation, value, *number, self.modulus);
            let (fact, wrong) = self.facts[self.place(*operation, value, *number)];
            value = *result;
            *result == right || as_taught && fact != Fact::Known && *result == wrong
        });
        follows.collect()
    }

    /// Whether a completion ends, and the number after its only `;` is the answer.
    #[must_use]
    pub fn is_right(&self, problem: &Problem, completion: &Completion) -> bool {
        let mut parts = completion.content().split(|token| *token == ANSWER);
        let answers = (parts.next(), parts.next(), parts.next());
        let answer = [self.answer(problem)];
        completion.end() == End::EndToken
            && matches!(answers, (Some(_), Some(found), None) if found == answer)
    }
}

impl Task for Chain {
    type Problem = Problem;
    type Level = Class;

    fn draw(&self, part: Part, rng: &mut ChaCha8Rng) -> Problem {
        self.problem(part, rng)
    }

    fn prompt(&self, problem: &Problem) -> Vec<u32> {
        self.prompt(problem)
    }

    fn response_length(&self) -> usize {
        self.response_length()
    }

    fn taught(&self, problem: &Problem, rng: &mut ChaCha8Rng) -> Completion {
        self.taught(problem, rng)
    }

    fn is_right(&self, problem: &Problem, completion: &Completion) -> bool {
        self.is_right(problem, completion)
    }

    fn level(&self, problem: &Problem) -> Class {
        self.class(problem)
    }
}

/// Someone who shows how it is done, and is wrong in some facts, in each of them always in the same way.
#[derive(Clone, Debug)]
pub struct Expert {
    modulus: u32,
    /// Of each fact, the result that the expert writes.
    results: Vec<u32>,
}

impl Expert {
    /// Wrong in this share of the facts, 0 to 1: which ones has nothing to do with how the warm-up teaches them.
    #[must_use]
    pub fn new(chain: &Chain, wrong: f64, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // The facts of the chain were shared out by the first stream of the same seed.
        rng.set_stream(1);
        let modulus = chain.modulus;
        let count = chain.facts.len();
        let mistakes = ((wrong * count as f64).round() as usize).min(count);
        let mut is_wrong = vec![false; count];
        is_wrong[..mistakes].fill(true);
        is_wrong.shuffle(&mut rng);
        let square = (modulus * modulus) as usize;
        let results = is_wrong.into_iter().enumerate().map(|(place, is_wrong)| {
            let (operation, rest) = (place / square, (place % square) as u32);
            let right = apply(operation, rest / modulus, rest % modulus, modulus);
            let off = if is_wrong {
                rng.random_range(1..modulus)
            } else {
                0
            };
            (right + off) % modulus
        });
        Self {
            modulus,
            results: results.collect(),
        }
    }

    /// The expert's response to a problem.
    #[must_use]
    pub fn shows(&self, problem: &Problem) -> Completion {
        let mut value = problem.first;
        let results = problem.steps.iter().map(|(operation, number)| {
            let square = (self.modulus * self.modulus) as usize;
            let place = *operation * square + (value * self.modulus + *number) as usize;
            value = self.results[place];
            value
        });
        response(&results.collect::<Vec<_>>())
    }
}

/// A response with these running results.
fn response(results: &[u32]) -> Completion {
    let last = results.last().copied();
    let tokens = results
        .iter()
        .copied()
        .chain([ANSWER])
        .chain(last)
        .chain([END]);
    demonstration(tokens)
}

/// A completion that counts as sampled with certainty: a demonstration.
pub fn demonstration(tokens: impl IntoIterator<Item = u32>) -> Completion {
    let mut completion = Completion::new(End::EndToken);
    for token in tokens {
        // 0 is a log-probability.
        let added = completion.sampled(token, 0.0);
        debug_assert!(added.is_ok());
    }
    completion
}

fn apply(operation: usize, left: u32, right: u32, modulus: u32) -> u32 {
    match operation {
        0 => (left + right) % modulus,
        1 => (left + modulus - right) % modulus,
        _ => left * right % modulus,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::symbols::text;
    use super::*;

    #[test]
    fn facts_are_shared_out_as_said() {
        let chain = Chain::new(4);
        let count = |fact| chain.facts.iter().filter(|one| one.0 == fact).count();
        let counts = [Fact::Known, Fact::Weak, Fact::Hidden].map(count);
        assert_eq!(counts, [103, 29, 15]);
        assert_ne!(Chain::new(5).facts, chain.facts);
        for (place, (_, wrong)) in chain.facts.iter().enumerate() {
            let (operation, rest) = (place / 49, place as u32 % 49);
            assert_ne!(*wrong, apply(operation, rest / 7, rest % 7, 7));
        }
    }

    #[test]
    fn a_problem_reads_from_left_to_right() {
        let chain = Chain::new(0);
        let problem = Problem {
            first: 5,
            steps: vec![(2, 3), (1, 4)],
        };
        let tokens = chain.prompt(&problem);
        assert_eq!(text(&tokens), "5 * 3 - 4 _ _ =");
        assert_eq!(tokens.len(), chain.prompt_length());
        assert_eq!(
            (chain.results(&problem), chain.answer(&problem)),
            (vec![1, 4], 4)
        );
        let right = chain.right(&problem);
        assert_eq!(text(right.tokens()), "1 4 ; 4 .");
        assert!(chain.is_right(&problem, &right));
        let open = right.clone().with_end(End::Truncated);
        assert!(!chain.is_right(&problem, &open));
        for wrong in [
            vec![1, 4, ANSWER, 3, END],
            vec![4, END],
            vec![ANSWER, 4, ANSWER, 4, END],
        ] {
            assert!(!chain.is_right(&problem, &demonstration(wrong)));
        }
        assert!(chain.is_right(&problem, &demonstration([6, ANSWER, 4, END])));
    }

    /// Of 30,000 traces of one step: known facts always right, weak ones in .2 + .4 / 7, hidden ones never.
    #[test]
    fn traces_show_each_class_as_often_as_said() {
        let chain = Chain::new(1);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut shown = [(0, 0); 4];
        for _ in 0..30_000 {
            let problem = chain.problem_of(1, Part::Training, &mut rng);
            let right = chain.is_right(&problem, &chain.taught(&problem, &mut rng));
            let (count, of) = &mut shown[chain.class(&problem) as usize];
            *count += usize::from(right);
            *of += 1;
        }
        let share = |class: Class| shown[class as usize].0 as f64 / shown[class as usize].1 as f64;
        assert_eq!((share(Class::Known), share(Class::Hidden)), (1.0, 0.0));
        assert!((share(Class::OneWeak) - (0.2 + 0.4 / 7.0)).abs() < 0.02);
        let weak = shown[Class::OneWeak as usize].1 as f64 / 30_000.0;
        assert!((weak - 29.0 / 147.0).abs() < 0.01);
    }

    #[test]
    fn an_expert_is_wrong_in_as_many_facts_as_said() {
        let chain = Chain::new(3);
        let wrong = |share| {
            let expert = Expert::new(&chain, share, 7);
            let facts =
                (0..3).flat_map(|o| (0..7).flat_map(move |a| (0..7).map(move |b| (o, a, b))));
            let problem = |(operation, first, number)| Problem {
                first,
                steps: vec![(operation, number)],
            };
            let is_wrong = |one: &Problem| !chain.is_right(one, &expert.shows(one));
            facts.map(problem).filter(is_wrong).count()
        };
        assert_eq!([0.0, 0.2, 1.0].map(wrong), [0, 29, 147]);
        // Of the same seed as the chain: about a fifth of the weak facts, not all of them.
        let shares = (0..40).map(|seed| {
            let chain = Chain::new(seed);
            let expert = Expert::new(&chain, 0.2, seed);
            let weak = chain.facts.iter().zip(&expert.results).enumerate();
            let wrong = weak.filter(|(place, ((fact, _), result))| {
                let (operation, rest) = (place / 49, *place as u32 % 49);
                *fact == Fact::Weak && **result != apply(operation, rest / 7, rest % 7, 7)
            });
            wrong.count() as f64 / 29.0
        });
        let mean = shares.sum::<f64>() / 40.0;
        assert!((mean - 0.2).abs() < 0.04, "{mean}");
    }

    /// By arithmetic alone a right response follows throughout; as taught, what the warm-up shows of known and hidden facts does too.
    #[test]
    fn results_follow_by_arithmetic_or_as_taught() {
        let chain = Chain::long(1);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (mut right, mut taught) = (0, 0);
        for _ in 0..400 {
            let problem = chain.problem_of(6, Part::Training, &mut rng);
            assert_eq!(
                chain.follows(&problem, &chain.results(&problem), false),
                [true; 6]
            );
            let shown = chain.taught(&problem, &mut rng);
            let results = &shown.tokens()[..6];
            let own = chain.follows(&problem, results, false);
            let lax = chain.follows(&problem, results, true);
            assert!(own.iter().zip(&lax).all(|(own, lax)| !own || *lax));
            // Up to the first step that does not follow, results are the right ones.
            let first = own.iter().take_while(|own| **own).count();
            assert_eq!(results[..first], chain.results(&problem)[..first]);
            right += own.iter().filter(|own| **own).count();
            taught += lax.iter().filter(|lax| **lax).count();
        }
        assert!(right < taught && taught < 2400, "{right} {taught}");
        let problem = chain.problem_of(2, Part::Training, &mut rng);
        assert!(!chain.follows(&problem, &[ANSWER, 0], true)[1]);
    }

    #[test]
    fn a_held_out_prompt_is_never_trained_on() {
        let chain = Chain::new(2);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut draw = |part| {
            let problems = (0..4000).map(|i| chain.problem_of(2 + i % 2, part, &mut rng));
            problems
                .map(|problem| chain.prompt(&problem))
                .collect::<HashSet<_>>()
        };
        let (held_out, training) = (draw(Part::HeldOut), draw(Part::Training));
        assert!(held_out.is_disjoint(&training) && held_out.len() > 1000);
    }
}
