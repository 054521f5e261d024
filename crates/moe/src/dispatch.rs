//! # Dispatch
//!
//! How tokens reach their experts: dropless, sorted by expert, or in a fixed number of places an expert.
//!
//! Source: Gale et al., "MegaBlocks" (arXiv 2211.15841), section 4 (dropless); Fedus et al. (arXiv 2101.03961), equation 3, and
//! Lepikhin et al., "GShard" (arXiv 2006.16668), algorithm 1 (capacity).

use burn::config::Config;
use burn::tensor::{Bool, IndexingUpdateOp, Int, Tensor};

use crate::Result;
use crate::error::above_zero;
use crate::experts::Experts;
use crate::plan::Plan;
use crate::routers::{Choices, Gating};

/// How tokens reach their experts.
#[derive(Config, Debug, PartialEq)]
pub enum Dispatch {
    /// Every assignment is computed. The choices are read from the device, so that each expert gets one contiguous product of
    /// exactly its rows.
    Dropless,
    /// Each expert has a fixed number of places: shapes never change and nothing is read from the device. Assignments beyond
    /// are dropped; with a factor from `experts / top_k` none is.
    Capacity(Capacity),
}

/// A fixed number of places an expert: `ceil(tokens * top_k * factor / experts)`.
#[derive(Config, Debug, PartialEq)]
pub struct Capacity {
    /// Places over the average load; 1 to 1.25 is usual in training, 2 in evaluation.
    pub factor: f64,
    /// Who keeps a place where there are too few.
    #[config(default = "DropOrder::Position")]
    pub order: DropOrder,
}

/// Who keeps a place where there are too few.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum DropOrder {
    /// Earlier tokens (Switch).
    Position,
    /// First choices of all tokens before second choices, earlier tokens first (GShard).
    Choice,
    /// Higher gates.
    Probability,
}

impl Dispatch {
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Dropless => Ok(()),
            Self::Capacity(capacity) => above_zero("factor", capacity.factor),
        }
    }
}

/// The places of an expert: `ceil(tokens * top_k * factor / experts)`.
///
/// ```
/// assert_eq!(regimen_moe::capacity(64, 8, 1, 1.25), 10);
/// assert_eq!(regimen_moe::capacity(7, 4, 1, 1.0), 2);
/// ```
#[must_use]
pub fn capacity(tokens: usize, experts: usize, top_k: usize, factor: f64) -> usize {
    let places = (tokens * top_k) as f64 * factor / experts as f64;
    // A product that is whole but for rounding is not rounded up.
    (places * (1.0 - 1e-12)).ceil() as usize
}

/// What came of a dispatch.
pub(crate) struct Dispatched {
    /// `[tokens, d_model]`.
    pub(crate) output: Tensor<2>,
    /// Assignments of each expert before any was dropped, `[experts]`.
    pub(crate) counts: Tensor<1>,
    /// Assignments that were dropped, `[1]`.
    pub(crate) dropped: Tensor<1>,
}

/// Every assignment, sorted by expert on the host.
pub(crate) fn dropless(
    experts: &Experts,
    x: Tensor<2>,
    gating: &Gating,
    valid: Option<&Tensor<1>>,
) -> Dispatched {
    let (device, [tokens, _]) = (x.device(), x.dims());
    let plan = plan(gating, valid, tokens, experts.count());
    let counts: Vec<f32> = (0..plan.experts()).map(|e| plan.count(e) as f32).collect();
    let gates = gating.gates.clone();
    let [rows, columns] = gates.dims();
    Dispatched {
        output: experts.run(x, gates.reshape([rows * columns]), plan),
        counts: Tensor::from_floats(counts.as_slice(), &device),
        dropped: Tensor::zeros([1], &device),
    }
}

/// The assignments of all tokens that are no padding.
fn plan(gating: &Gating, valid: Option<&Tensor<1>>, tokens: usize, experts: usize) -> Plan {
    let valid: Option<Vec<f32>> = valid.map(|valid| read(valid.clone()));
    let is_valid = |token: usize| valid.as_ref().is_none_or(|valid| valid[token] > 0.0);
    let integers = |choices: &Tensor<2, Int>| -> Vec<i64> {
        choices
            .clone()
            .into_data()
            .convert::<i64>()
            .try_into_vec()
            .unwrap_or_default()
    };
    match &gating.choices {
        Choices::ByToken(choices) => {
            let [_, k] = choices.dims();
            let choices = integers(choices);
            let flat = choices.iter().enumerate();
            let all = flat.map(|(place, &expert)| (place / k, expert as usize, place));
            Plan::new(tokens, experts, all.filter(|(token, ..)| is_valid(*token)))
        }
        Choices::ByExpert(choices) => {
            let [_, taken] = choices.dims();
            let choices = integers(choices);
            let flat = choices.iter().enumerate();
            let all = flat.map(|(place, &token)| (token as usize, place / taken.max(1), place));
            Plan::new(tokens, experts, all.filter(|(token, ..)| is_valid(*token)))
        }
    }
}

fn read(tensor: Tensor<1>) -> Vec<f32> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_into_vec()
        .unwrap_or_default()
}

/// A fixed number of places an expert, on the device throughout.
pub(crate) fn with_capacity(
    experts: &Experts,
    x: Tensor<2>,
    gating: &Gating,
    valid: Option<&Tensor<1>>,
    capacity: &Capacity,
) -> Dispatched {
    match &gating.choices {
        Choices::ByToken(choices) => {
            let places = Places::assign(choices, &gating.gates, valid, experts.count(), capacity);
            places.run(experts, x, gating.gates.clone())
        }
        Choices::ByExpert(choices) => by_experts(experts, x, gating, choices, valid),
    }
}

/// Experts that chose their tokens have as many places as they chose.
fn by_experts(
    experts: &Experts,
    x: Tensor<2>,
    gating: &Gating,
    choices: &Tensor<2, Int>,
    valid: Option<&Tensor<1>>,
) -> Dispatched {
    let (device, [tokens, model], [count, taken]) = (x.device(), x.dims(), choices.dims());
    let flat = choices.clone().reshape([count * taken]);
    let rows = x.select(0, flat.clone()).reshape([count, taken, model]);
    let out = experts.run_batched(rows) * gating.gates.clone().unsqueeze_dim::<3>(2);
    let zeros = Tensor::<2>::zeros([tokens, model], &device);
    let all = || Tensor::full([count], taken as f64, &device);
    let counts = valid.map_or_else(all, |valid| {
        let valid = valid.clone().select(0, flat.clone());
        valid.reshape([count, taken]).sum_dim(1).reshape([count])
    });
    Dispatched {
        output: zeros.select_assign(
            0,
            flat,
            out.reshape([count * taken, model]),
            IndexingUpdateOp::Add,
        ),
        counts,
        dropped: Tensor::zeros([1], &device),
    }
}

/// Which place each assignment has, and which assignment each place.
struct Places {
    /// Of each place the token, `[experts * places]`.
    token: Tensor<1, Int>,
    /// Of each place the position in the flat gates.
    gate: Tensor<1, Int>,
    /// 1 for a place that is taken.
    taken: Tensor<1>,
    /// Places of an expert.
    size: usize,
    counts: Tensor<1>,
    dropped: Tensor<1>,
}

impl Places {
    fn assign(
        choices: &Tensor<2, Int>,
        gates: &Tensor<2>,
        valid: Option<&Tensor<1>>,
        experts: usize,
        rule: &Capacity,
    ) -> Self {
        let ([tokens, k], device) = (choices.dims(), choices.device());
        let total = tokens * k;
        let size = capacity(tokens, experts, k, rule.factor).min(tokens);
        let order = order(rule.order, gates, tokens, k);
        let chosen = choices.clone().reshape([total]).select(0, order.clone());
        let token = order.clone().div_scalar(k as i64);
        let index = Tensor::<1, Int>::arange(0..experts as i64, &device).reshape([1, experts]);
        let pair = [total, experts];
        let column = chosen.clone().unsqueeze_dim::<2>(1);
        let mut hits = column.expand(pair).equal(index.expand(pair)).int();
        let mut limit = Tensor::<1>::full([1], size as f64, &device);
        if let Some(valid) = valid {
            let valid = valid.clone().detach();
            let rows = valid.clone().int().select(0, token.clone());
            hits = hits * rows.unsqueeze_dim::<2>(1);
            let real = valid.sum() * (k as f64 * rule.factor / experts as f64);
            limit = (real - 1e-4).ceil().min_pair(limit);
        }
        let before = hits.clone().cumsum(0) - hits.clone();
        let position = (before * hits.clone()).sum_dim(1).reshape([total]);
        let present: Tensor<1, Bool> = hits.clone().sum_dim(1).reshape([total]).greater_elem(0);
        let within = position.clone().float().lower(limit.expand([total]));
        let kept = present.clone().bool_and(within);
        let place = chosen * size as i64 + position;
        // What is dropped goes to one place behind all others, which is cut off.
        let trash = (experts * size) as i64;
        let place = place.mask_fill(kept.clone().bool_not(), trash);
        let fill = |values: Tensor<1, Int>| {
            let places = Tensor::<1, Int>::zeros([experts * size + 1], &device);
            let values = values * kept.clone().int();
            let filled = places.select_assign(0, place.clone(), values, IndexingUpdateOp::Add);
            filled.narrow(0, 0, experts * size)
        };
        let counts = hits.sum_dim(0).reshape([experts]).float();
        Self {
            token: fill(token),
            gate: fill(order),
            taken: fill(Tensor::ones([total], &device)).float(),
            size,
            dropped: counts.clone().sum() - kept.float().sum(),
            counts,
        }
    }

    fn run(self, experts: &Experts, x: Tensor<2>, gates: Tensor<2>) -> Dispatched {
        let (device, [tokens, model], count) = (x.device(), x.dims(), experts.count());
        let [rows, columns] = gates.dims();
        let gates = gates.reshape([rows * columns]).select(0, self.gate) * self.taken;
        let rows = x
            .select(0, self.token.clone())
            .reshape([count, self.size, model]);
        let out = experts
            .run_batched(rows)
            .reshape([count * self.size, model]);
        let out = out * gates.unsqueeze_dim::<2>(1);
        let zeros = Tensor::<2>::zeros([tokens, model], &device);
        Dispatched {
            output: zeros.select_assign(0, self.token, out, IndexingUpdateOp::Add),
            counts: self.counts,
            dropped: self.dropped,
        }
    }
}

/// The flat assignments in the order in which places are given out.
fn order(rule: DropOrder, gates: &Tensor<2>, tokens: usize, k: usize) -> Tensor<1, Int> {
    let device = gates.device();
    let positions = Tensor::<1, Int>::arange(0..(tokens * k) as i64, &device);
    match rule {
        DropOrder::Position => positions,
        DropOrder::Choice => positions
            .reshape([tokens, k])
            .transpose()
            .reshape([tokens * k]),
        DropOrder::Probability => {
            let gates = gates.clone().detach().reshape([tokens * k]);
            gates.argsort_descending(0)
        }
    }
}
