//! A fixed number of places an expert, given out on the device: the side of a dispatch with capacity that knows no experts.

use burn::tensor::{Bool, DType, FloatDType, IndexingUpdateOp, Int, Tensor};

use super::{Capacity, DropOrder, capacity};

/// Which place each assignment has, and which assignment each place.
pub(crate) struct Places {
    /// Of each place the token, `[experts * places]`.
    pub(crate) token: Tensor<1, Int>,
    /// Of each place the position in the flat gates.
    pub(crate) gate: Tensor<1, Int>,
    /// 1 for a place that is taken, float32.
    pub(crate) taken: Tensor<1>,
    /// Places of an expert.
    pub(crate) size: usize,
    pub(crate) counts: Tensor<1>,
    pub(crate) dropped: Tensor<1>,
}

impl Places {
    pub(crate) fn assign(
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
        let mut limit = Tensor::<1>::full([1], size as f64, (&device, DType::F32));
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
        let within = position
            .clone()
            .cast(FloatDType::F32)
            .lower(limit.expand([total]));
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
        let counts = hits.sum_dim(0).reshape([experts]).cast(FloatDType::F32);
        Self {
            token: fill(token),
            gate: fill(order),
            taken: fill(Tensor::ones([total], &device)).cast(FloatDType::F32),
            size,
            dropped: counts.clone().sum() - kept.int().cast(FloatDType::F32).sum(),
            counts,
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
