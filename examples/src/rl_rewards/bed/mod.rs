//! The test bed of the experiments on rewards, objectives and search: one small policy, and tasks whose answers a program checks.

pub mod budget;
pub mod by_tokens;
pub mod chain;
pub mod countdown;
pub mod countdown_search;
pub mod evaluate;
pub mod grid;
pub mod hints;
mod kept;
pub mod policy;
pub mod ppo;
pub mod record;
pub mod sampler;
pub mod skills;
pub mod styles;
pub mod sudoku;
pub mod symbols;
pub mod task;
pub mod tools;
pub mod turn;
pub mod unit;
pub mod warm_up;
