//! # Trace
//!
//! A search for a puzzle's solution as text: the shortest way, depth first, or with a set number of wrong turns.
//!
//! Source: "How Much Backtracking is Enough? Exploring the Interplay of SFT and RL in Enhancing LLM Reasoning", arXiv 2505.24273; depth-first
//! traces as in "Stream of Search", arXiv 2404.03683.

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::puzzle::Puzzle;
use crate::error::{Result, RlRewardsError, check};

/// Draws of a wrong way, until one ends without a solution.
const TRIES: usize = 512;

/// A part of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event<M> {
    /// A move.
    Step(M),
    /// Back to so many moves.
    Back(usize),
}

/// Moves and returns, in order.
///
/// | made by | is |
/// |---|---|
/// | [`direct`](Self::direct) | the moves of a solution |
/// | [`depth_first`](Self::depth_first) | the whole search: every dead end is gone into |
/// | [`with_backtracks`](Self::with_backtracks) | the moves of a solution with `k` wrong turns, each to its dead end |
/// | [`shuffled`](Self::shuffled) | the same events in another order |
/// | [`misleading`](Self::misleading) | the same structure with other moves |
///
/// ```
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
/// use regimen_rl_rewards::tasks::{SudokuPuzzle, Trace};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let puzzle = SudokuPuzzle::draw(9, 40, &mut rng)?;
/// let solution = puzzle.solution();
/// let trace = Trace::with_backtracks(&puzzle, &solution, 3, &mut rng)?;
/// assert_eq!((trace.backtracks(), trace.last()), (3, solution));
/// println!("{}", trace.text(&puzzle));
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trace<M> {
    events: Vec<Event<M>>,
}

impl<M: Clone + PartialEq> Trace<M> {
    /// These moves and no other.
    #[must_use]
    pub fn direct(moves: &[M]) -> Self {
        let events = moves.iter().cloned().map(Event::Step).collect();
        Self { events }
    }

    /// A search depth first in the order of the puzzle's moves, of up to `most` moves in all: it ends at the first solution, or without
    /// one. A return goes back to where there is a move left.
    ///
    /// # Errors
    /// If `most` is 0.
    pub fn depth_first<P: Puzzle<Move = M>>(puzzle: &P, most: usize) -> Result<Self> {
        check("most", most as f64, most > 0, "1 or more")?;
        let mut events = Vec::new();
        let mut path: Vec<M> = Vec::new();
        let mut left = vec![puzzle.moves(&path).into_iter()];
        // Moves that stand after the events: more than the path's where the search went back.
        let (mut steps, mut standing) = (0, 0);
        while let Some(moves) = left.last_mut() {
            let Some(next) = moves.next() else {
                left.pop();
                path.truncate(left.len().saturating_sub(1));
                continue;
            };
            if steps == most {
                break;
            }
            if standing > path.len() {
                events.push(Event::Back(path.len()));
            }
            steps += 1;
            path.push(next.clone());
            standing = path.len();
            events.push(Event::Step(next));
            if puzzle.is_solved(&path) {
                break;
            }
            left.push(puzzle.moves(&path).into_iter());
        }
        Ok(Self { events })
    }

    /// A solution with `backtracks` wrong turns. Each leaves it at a place that is drawn, by a legal move that is not the solution's, goes on by moves that are
    /// drawn until there is none, and comes back to that place. Places are in order, no wrong way is there twice, and none comes to a solution.
    ///
    /// A puzzle may offer fewer wrong turns: [`backtracks`](Self::backtracks) tells. The released code for Countdown repeats one wrong way.
    ///
    /// # Errors
    /// If the solution is none, or there are more than 2^16 backtracks.
    pub fn with_backtracks<P: Puzzle<Move = M>>(
        puzzle: &P,
        solution: &[M],
        backtracks: usize,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        check(
            "backtracks",
            backtracks as f64,
            backtracks <= 1 << 16,
            "up to 2^16",
        )?;
        if !puzzle.is_solved(solution) {
            return Err(RlRewardsError::OutOfRange {
                field: "solution",
                value: "moves that do not solve the puzzle".into(),
                allowed: "a solution",
            });
        }
        let mut turns: Vec<(usize, Vec<M>)> = Vec::new();
        let has_others = |place: &usize| puzzle.moves(&solution[..*place]).len() > 1;
        let places: Vec<usize> = (0..solution.len()).filter(has_others).collect();
        for _ in 0..backtracks {
            let mut tries = 0..TRIES;
            let turn = tries.find_map(|_| {
                let place = *places.choose(rng)?;
                let way = Self::wrong_way(puzzle, solution, place, rng)?;
                let turn = (place, way);
                (!turns.contains(&turn)).then_some(turn)
            });
            let Some(turn) = turn else { break };
            turns.push(turn);
        }
        turns.sort_by_key(|(place, _)| *place);
        let mut turns = turns.into_iter().peekable();
        let mut events = Vec::new();
        for (place, step) in solution.iter().enumerate() {
            while let Some((_, way)) = turns.next_if(|(at, _)| *at == place) {
                events.extend(way.into_iter().map(Event::Step));
                events.push(Event::Back(place));
            }
            events.push(Event::Step(step.clone()));
        }
        Ok(Self { events })
    }

    /// A way that leaves the solution at a place and ends without one.
    fn wrong_way<P: Puzzle<Move = M>>(
        puzzle: &P,
        solution: &[M],
        place: usize,
        rng: &mut impl Rng,
    ) -> Option<Vec<M>> {
        let mut path = solution[..place].to_vec();
        let mut others = puzzle.moves(&path);
        others.retain(|one| *one != solution[place]);
        path.push(others.choose(rng)?.clone());
        loop {
            if puzzle.is_solved(&path) {
                return None;
            }
            match puzzle.moves(&path).choose(rng) {
                Some(next) => path.push(next.clone()),
                None => return Some(path.split_off(place)),
            }
        }
    }

    /// The same events in an order that is drawn: lines that do not follow from each other.
    #[must_use]
    pub fn shuffled(mut self, rng: &mut impl Rng) -> Self {
        self.events.shuffle(rng);
        self
    }

    /// The same structure, each move but a share `kept` replaced by another one of the same form: wrong content in an intact trace.
    ///
    /// # Errors
    /// If `kept` is not within 0 and 1.
    pub fn misleading<P: Puzzle<Move = M>>(
        mut self,
        puzzle: &P,
        kept: f64,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        check("kept", kept, (0.0..=1.0).contains(&kept), "0 to 1")?;
        for event in &mut self.events {
            if let Event::Step(step) = event
                && rng.random::<f64>() >= kept
            {
                *step = puzzle.wrong(step, rng);
            }
        }
        Ok(self)
    }

    /// The events.
    #[must_use]
    pub fn events(&self) -> &[Event<M>] {
        &self.events
    }

    /// Moves that were made, wrong ones included: the cost of the search.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.events
            .iter()
            .filter(|event| matches!(event, Event::Step(_)))
            .count()
    }

    /// Returns.
    #[must_use]
    pub fn backtracks(&self) -> usize {
        self.events.len() - self.steps()
    }

    /// The moves that stand at the end.
    #[must_use]
    pub fn last(&self) -> Vec<M> {
        let mut path: Vec<M> = Vec::new();
        for event in &self.events {
            match event {
                Event::Step(step) => path.push(step.clone()),
                Event::Back(kept) => path.truncate(*kept),
            }
        }
        path
    }

    /// A line an event, and the answer in tags. Of a shuffled trace each line is as it is after the events before it.
    #[must_use]
    pub fn text<P: Puzzle<Move = M>>(&self, puzzle: &P) -> String {
        let mut lines = self.lines(puzzle);
        lines.push(format!("<answer>{}</answer>", puzzle.answer(&self.last())));
        lines.join("\n")
    }

    /// A line an event.
    #[must_use]
    pub fn lines<P: Puzzle<Move = M>>(&self, puzzle: &P) -> Vec<String> {
        let mut path: Vec<M> = Vec::new();
        let mut lines = Vec::with_capacity(self.events.len() + 1);
        for event in &self.events {
            match event {
                Event::Step(step) => {
                    lines.push(puzzle.line(&path, step));
                    path.push(step.clone());
                }
                Event::Back(kept) => {
                    lines.push(puzzle.back(&path, *kept));
                    path.truncate(*kept);
                }
            }
        }
        lines
    }
}
