//! The forward pass.

use burn_flex::FlexTensor;
use faer::Par;
use rayon::prelude::*;

use super::curve;
use super::job::{Inputs, Job};
use super::products::{
    Matrix, Sizes, add_row, combine, gather, product, sharing, split, tensor, values,
};
use super::workspace::Buffer;

/// Rows of an expert that are worked on at a time.
pub(super) const BLOCK: usize = 512;

/// What one expert writes.
struct Task<'a> {
    expert: usize,
    out: &'a mut [f32],
    /// The first product, if the backward pass will ask for it.
    first: Option<&'a mut [f32]>,
}

/// The output, and with `keep` the first product of every assignment (else empty).
pub(super) fn run(inputs: &Inputs, job: &Job, keep: bool) -> (FlexTensor, Buffer) {
    let (plan, sizes) = (&*job.plan, Sizes::of(inputs, job));
    let mut outputs = Buffer::take(plan.len() * sizes.model);
    let mut first = Buffer::take(if keep { plan.len() * sizes.wide } else { 0 });
    let outs = split(plan, sizes.model, &mut outputs);
    let firsts: Vec<_> = if keep {
        split(plan, sizes.wide, &mut first)
            .into_iter()
            .map(Some)
            .collect()
    } else {
        (0..plan.experts()).map(|_| None).collect()
    };
    let tasks: Vec<Task<'_>> = outs
        .into_iter()
        .zip(firsts)
        .enumerate()
        .filter(|(expert, _)| plan.count(*expert) > 0)
        .map(|(expert, (out, first))| Task { expert, out, first })
        .collect();
    let par = sharing(plan);
    tasks
        .into_par_iter()
        .with_max_len(1)
        .for_each(|task| expert(inputs, job, sizes, par, task));
    let gates = values(&inputs[1]);
    let summed = combine(plan, &outputs, sizes.model, |place| {
        gates[plan.gate_of[place]]
    });
    (tensor(summed, [plan.tokens, sizes.model]), first)
}

fn expert(inputs: &Inputs, job: &Job, sizes: Sizes, par: Par, mut task: Task<'_>) {
    let Sizes {
        model,
        hidden,
        wide,
    } = sizes;
    let [x, _, up, up_bias, down, down_bias] = inputs.each_ref().map(values);
    let up = Matrix(
        &up[task.expert * model * wide..][..model * wide],
        model,
        wide,
    );
    let down = Matrix(
        &down[task.expert * hidden * model..][..hidden * model],
        hidden,
        model,
    );
    let start = job.plan.offsets[task.expert];
    for at in (0..job.plan.count(task.expert)).step_by(BLOCK) {
        let rows = BLOCK.min(job.plan.count(task.expert) - at);
        let mut gathered = Buffer::take(rows * model);
        gather(
            &mut gathered,
            x,
            &job.plan.token_of[start + at..][..rows],
            model,
        );
        let mut unkept = Buffer::take(if task.first.is_none() { rows * wide } else { 0 });
        let first = match &mut task.first {
            Some(first) => &mut first[at * wide..][..rows * wide],
            None => &mut unkept,
        };
        product(first, Matrix(&gathered, rows, model), up, par);
        if job.bias {
            add_row(first, &up_bias[task.expert * wide..][..wide]);
        }
        let mut inner = Buffer::take(rows * hidden);
        curve::forward(job.activation, job.gated, hidden, first, &mut inner);
        let out = &mut task.out[at * model..][..rows * model];
        product(out, Matrix(&inner, rows, hidden), down, par);
        if job.bias {
            add_row(out, &down_bias[task.expert * model..][..model]);
        }
    }
}
