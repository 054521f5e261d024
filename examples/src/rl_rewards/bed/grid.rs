//! Square worlds with walls and rewarded objects, as an environment of the crate `burn-rl`, and the exact value of a policy in them.
//!
//! An agent sees its cell and which objects are there. Stepping onto an object gives its reward, takes it away, and may end the episode;
//! objects that were taken come back at random.

use std::sync::Arc;

use burn_rl::{Environment, StepResult};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Actions: up, down, left, right.
pub const ACTIONS: usize = 4;

/// Steps of an episode at most.
pub const STEPS: usize = 20;

/// Objects at most.
pub const OBJECTS: usize = 3;

/// Something that lies in a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Object {
    /// Where.
    pub cell: usize,
    /// What it gives.
    pub reward: f64,
    /// The chance that taking it ends the episode.
    pub ends: f64,
    /// The chance, after each step, that it comes back.
    pub returns: f64,
}

/// A world.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    side: usize,
    start: usize,
    objects: Vec<Object>,
    /// The cell after each action, `[cells][ACTIONS]`: a wall or the border lets nobody through.
    next: Vec<[usize; ACTIONS]>,
}

impl Grid {
    /// Draws a world: a fifth of its cells are walls, the open ones connected; one to three objects, of which the first is worth `U(0, 1)` and
    /// the others `U(-1, 1)`; chances of an end log-uniform within .01 and 1, of coming back within .001 and .1.
    #[must_use]
    pub fn draw(side: usize, rng: &mut ChaCha8Rng) -> Self {
        let cells = side * side;
        let next = loop {
            let mut walls = vec![false; cells];
            for _ in 0..cells / 5 {
                walls[rng.random_range(0..cells)] = true;
            }
            if let Some(next) = neighbours(side, &walls) {
                break next;
            }
        };
        let open: Vec<usize> = (0..cells).filter(|cell| next[*cell] != WALL).collect();
        let count = rng.random_range(1..=OBJECTS);
        let mut places: Vec<usize> = Vec::new();
        while places.len() <= count {
            let cell = open[rng.random_range(0..open.len())];
            if !places.contains(&cell) {
                places.push(cell);
            }
        }
        let objects = places[1..].iter().enumerate();
        let objects = objects.map(|(place, cell)| {
            let least = if place == 0 { 0.0 } else { -1.0 };
            Object {
                cell: *cell,
                reward: rng.random_range(least..1.0),
                ends: 10_f64.powf(rng.random_range(-2.0..0.0)),
                returns: 10_f64.powf(rng.random_range(-3.0..-1.0)),
            }
        });
        let objects = objects.collect();
        Self {
            side,
            start: places[0],
            objects,
            next,
        }
    }

    /// States at most: each cell with each set of objects that are there.
    #[must_use]
    pub fn states(&self) -> usize {
        (self.side * self.side) << self.objects.len()
    }

    fn state(&self, cell: usize, there: usize) -> usize {
        there * self.side * self.side + cell
    }

    /// The object that a step into a cell takes.
    fn taken(&self, cell: usize, there: usize) -> Option<usize> {
        let mut objects = self.objects.iter();
        let place = objects.position(|object| object.cell == cell)?;
        (there >> place & 1 == 1).then_some(place)
    }

    /// The exact expected return, undiscounted, of an episode under a policy: the chances of the actions in a state.
    #[must_use]
    pub fn worth(&self, policy: impl Fn(usize) -> [f64; ACTIONS]) -> f64 {
        self.value(|state, values| {
            let chances = policy(state);
            chances.iter().zip(values).map(|(p, value)| p * value).sum()
        })
    }

    /// The most that a policy which knows the world and the step can expect.
    #[must_use]
    pub fn best(&self) -> f64 {
        self.value(|_, values| values.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b)))
    }

    /// Backwards over the steps of an episode; `choose` makes a state's value of its actions'.
    fn value(&self, choose: impl Fn(usize, [f64; ACTIONS]) -> f64) -> f64 {
        let (cells, sets) = (self.side * self.side, 1 << self.objects.len());
        let mut after = vec![0.0; cells * sets];
        let mut now = after.clone();
        for _ in 0..STEPS {
            // Objects come back between two steps, each for itself.
            for (place, object) in self.objects.iter().enumerate() {
                for there in (0..sets).filter(|there| there >> place & 1 == 0) {
                    for cell in 0..cells {
                        let with = after[self.state(cell, there | 1 << place)];
                        let without = &mut after[self.state(cell, there)];
                        *without += object.returns * (with - *without);
                    }
                }
            }
            for there in 0..sets {
                for cell in (0..cells).filter(|cell| self.next[*cell] != WALL) {
                    let values = self.next[cell].map(|next| match self.taken(next, there) {
                        None => after[self.state(next, there)],
                        Some(place) => {
                            let object = self.objects[place];
                            let left = after[self.state(next, there & !(1 << place))];
                            object.reward + (1.0 - object.ends) * left
                        }
                    });
                    let state = self.state(cell, there);
                    now[state] = choose(state, values);
                }
            }
            std::mem::swap(&mut now, &mut after);
        }
        after[self.state(self.start, sets - 1)]
    }
}

/// In place of the neighbours of a wall.
const WALL: [usize; ACTIONS] = [usize::MAX; ACTIONS];

/// The cell after each action, unless some open cells can't be reached from others, or there are too few.
fn neighbours(side: usize, walls: &[bool]) -> Option<Vec<[usize; ACTIONS]>> {
    let step = |cell: usize, action: usize| {
        let (row, column) = (cell / side, cell % side);
        let next = match action {
            0 if row > 0 => cell - side,
            1 if row + 1 < side => cell + side,
            2 if column > 0 => cell - 1,
            3 if column + 1 < side => cell + 1,
            _ => cell,
        };
        if walls[next] { cell } else { next }
    };
    let of = |cell| {
        if walls[cell] {
            WALL
        } else {
            std::array::from_fn(|action| step(cell, action))
        }
    };
    let next: Vec<[usize; ACTIONS]> = (0..walls.len()).map(of).collect();
    let open = walls.iter().filter(|wall| !**wall).count();
    let mut reached = vec![false; walls.len()];
    let mut waiting = vec![walls.iter().position(|wall| !wall)?];
    reached[waiting[0]] = true;
    let mut count = 1;
    while let Some(cell) = waiting.pop() {
        for next in next[cell] {
            if !reached[next] {
                reached[next] = true;
                count += 1;
                waiting.push(next);
            }
        }
    }
    (count == open && open > 2 * OBJECTS).then_some(next)
}

/// An episode in a world.
#[derive(Clone, Debug)]
pub struct GridWorld {
    grid: Arc<Grid>,
    rng: ChaCha8Rng,
    cell: usize,
    there: usize,
    steps: usize,
}

impl GridWorld {
    /// At the start of an episode; what comes back and what ends follows from the seed.
    #[must_use]
    pub fn new(grid: Arc<Grid>, seed: u64) -> Self {
        let mut world = Self {
            grid,
            rng: ChaCha8Rng::seed_from_u64(seed),
            cell: 0,
            there: 0,
            steps: 0,
        };
        world.reset();
        world
    }
}

impl Environment for GridWorld {
    type State = usize;
    type Action = usize;
    const MAX_STEPS: usize = STEPS;

    fn state(&self) -> usize {
        self.grid.state(self.cell, self.there)
    }

    fn step(&mut self, action: usize) -> StepResult<usize> {
        self.cell = self.grid.next[self.cell][action % ACTIONS];
        self.steps += 1;
        let (mut reward, mut done) = (0.0, false);
        if let Some(place) = self.grid.taken(self.cell, self.there) {
            let object = self.grid.objects[place];
            reward = object.reward;
            self.there &= !(1 << place);
            done = self.rng.random::<f64>() < object.ends;
        }
        for (place, object) in self.grid.objects.iter().enumerate() {
            if self.there >> place & 1 == 0 && self.rng.random::<f64>() < object.returns {
                self.there |= 1 << place;
            }
        }
        StepResult {
            next_state: self.state(),
            reward,
            done,
            truncated: !done && self.steps >= STEPS,
        }
    }

    fn reset(&mut self) {
        self.cell = self.grid.start;
        self.there = (1 << self.grid.objects.len()) - 1;
        self.steps = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64) -> Grid {
        Grid::draw(5, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    /// A corridor of one row in a world of 3: start, nothing, an object that ends the episode.
    fn corridor(ends: f64, returns: f64) -> Grid {
        let walls = [false, false, false, true, true, true, false, true, true];
        let mut next = vec![WALL; 9];
        for (cell, next) in next.iter_mut().enumerate().take(3) {
            *next = [cell, cell, cell.saturating_sub(1), (cell + 1).min(2)];
        }
        assert!(neighbours(3, &walls).is_none(), "a cell is cut off");
        let object = Object {
            cell: 2,
            reward: 1.0,
            ends,
            returns,
        };
        Grid {
            side: 3,
            start: 0,
            objects: vec![object],
            next,
        }
    }

    #[test]
    fn exact_values_of_a_corridor() {
        let right = |_| [0.0, 0.0, 0.0, 1.0];
        assert_eq!(corridor(1.0, 0.1).worth(right), 1.0);
        assert_eq!(corridor(1.0, 0.1).best(), 1.0);
        // Taken at step 2, and again with the chance of each of the 18 steps after.
        let again = corridor(0.0, 0.05).worth(right);
        assert!((again - (1.0 + 18.0 * 0.05)).abs() < 1e-9, "{again}");
        assert_eq!(corridor(1.0, 0.1).worth(|_| [1.0, 0.0, 0.0, 0.0]), 0.0);
    }

    #[test]
    fn episodes_have_the_exact_value_on_average() {
        for seed in 0..4 {
            let grid = Arc::new(drawn(seed));
            let exact = grid.worth(|_| [0.25; ACTIONS]);
            assert!(exact <= grid.best() + 1e-12 && grid.best() > 0.0);
            let mut world = GridWorld::new(grid, seed);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..20_000 {
                world.reset();
                let mut total = 0.0;
                loop {
                    let step = world.step(rng.random_range(0..ACTIONS));
                    total += step.reward;
                    if step.done || step.truncated {
                        break;
                    }
                }
                sum += total;
                squares += total * total;
            }
            let mean: f64 = sum / 20_000.0;
            let se = ((squares / 20_000.0 - mean * mean) / 20_000.0).sqrt();
            assert!(
                (mean - exact).abs() < 4.5 * se + 1e-9,
                "{mean} {exact} {se}"
            );
        }
    }

    #[test]
    fn worlds_are_those_of_their_seed() {
        assert_eq!(drawn(3), drawn(3));
        assert_ne!(drawn(3), drawn(4));
        assert!((0..50).all(|seed| drawn(seed).states() <= 25 << OBJECTS));
    }
}
