//! Searches that end: a line search of so many steps, and a solver that may be stopped with the best so far.

use argmin::core::{
    ArgminError as Failure, CostFunction, Error as ArgminError, Gradient, IterState, KV,
    LineSearch, Problem as Counted, Solver, State as _, TerminationReason, TerminationStatus,
};
use argmin::solver::linesearch::MoreThuenteLineSearch;

/// A line search that gives up after some steps, of which numbers that are not finite would take any number.
#[derive(Clone)]
pub(crate) struct Bounded {
    search: MoreThuenteLineSearch<Vec<f64>, Vec<f64>, f64>,
    steps: u64,
}

impl Bounded {
    pub(crate) fn new(steps: u64) -> Self {
        let search = MoreThuenteLineSearch::new();
        Self { search, steps }
    }
}

impl LineSearch<Vec<f64>, f64> for Bounded {
    fn search_direction(&mut self, direction: Vec<f64>) {
        self.search.search_direction(direction);
    }

    fn initial_step_length(&mut self, length: f64) -> std::result::Result<(), ArgminError> {
        self.search.initial_step_length(length)
    }
}

/// Where a search is.
type State = IterState<Vec<f64>, Vec<f64>, (), (), (), f64>;

/// What a solver hands on.
type Step = std::result::Result<(State, Option<KV>), ArgminError>;

impl<O> Solver<O, State> for Bounded
where
    O: CostFunction<Param = Vec<f64>, Output = f64>
        + Gradient<Param = Vec<f64>, Gradient = Vec<f64>>,
{
    fn name(&self) -> &'static str {
        "bounded line search"
    }

    fn init(&mut self, problem: &mut Counted<O>, state: State) -> Step {
        self.search.init(problem, state)
    }

    fn next_iter(&mut self, problem: &mut Counted<O>, state: State) -> Step {
        if state.get_iter() >= self.steps {
            let text = "no step meets the conditions".into();
            return Err(Failure::ConditionViolated { text }.into());
        }
        self.search.next_iter(problem, state)
    }
}

/// A solver that is asked before each iteration whether it goes on.
pub(crate) struct Asked<S, F> {
    pub(crate) solver: S,
    /// Takes how many iterations are done.
    pub(crate) goes_on: F,
}

impl<O, S: Solver<O, State>, F: FnMut(u64) -> bool> Solver<O, State> for Asked<S, F> {
    fn name(&self) -> &str {
        self.solver.name()
    }

    fn init(&mut self, problem: &mut Counted<O>, state: State) -> Step {
        self.solver.init(problem, state)
    }

    fn next_iter(&mut self, problem: &mut Counted<O>, state: State) -> Step {
        let (state, values) = self.solver.next_iter(problem, state)?;
        if (self.goes_on)(state.get_iter() + 1) || state.terminated() {
            return Ok((state, values));
        }
        let reason = TerminationReason::SolverExit("stopped".into());
        Ok((state.terminate_with(reason), values))
    }

    fn terminate(&mut self, state: &State) -> TerminationStatus {
        self.solver.terminate(state)
    }
}
