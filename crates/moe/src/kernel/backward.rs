//! The backward pass.

use burn_flex::FlexTensor;
use faer::Par;
use rayon::prelude::*;

use super::curve::{self, Slopes};
use super::forward::BLOCK;
use super::job::{Inputs, Job};
use super::products::{
    Matrix, Sizes, add_row, combine, gather, product_at, product_bt, sharing, split, tensor, values,
};
use super::workspace::Buffer;

/// What one expert writes: gradients of its rows and of its weights.
struct Task<'a> {
    expert: usize,
    x: &'a mut [f32],
    gates: &'a mut [f32],
    up: &'a mut [f32],
    up_bias: &'a mut [f32],
    down: &'a mut [f32],
    down_bias: &'a mut [f32],
}

/// What every expert reads.
struct Given<'a> {
    inputs: [&'a [f32]; 6],
    first: &'a [f32],
    upstream: &'a [f32],
    job: &'a Job,
    sizes: Sizes,
    par: Par,
    /// Whether the gradient of the tokens is asked for.
    wants_x: bool,
}

/// The gradients of the inputs, of those that are wanted.
pub(super) fn run(
    inputs: &Inputs,
    first: &[f32],
    upstream: &FlexTensor,
    job: &Job,
    wanted: [bool; 6],
) -> [Option<FlexTensor>; 6] {
    let (plan, sizes) = (&*job.plan, Sizes::of(inputs, job));
    let Sizes {
        model,
        hidden,
        wide,
    } = sizes;
    let experts = plan.experts();
    let biases = if job.bias { [wide, model] } else { [0, 0] };
    let mut rows = Buffer::take(plan.len() * if wanted[0] { model } else { 0 });
    let mut gates = Buffer::take(plan.len());
    let [mut up, mut up_bias, mut down, mut down_bias] =
        [model * wide, biases[0], hidden * model, biases[1]].map(|size| vec![0.0; experts * size]);
    let given = Given {
        inputs: inputs.each_ref().map(values),
        first,
        upstream: values(upstream),
        job,
        sizes,
        par: sharing(plan),
        wants_x: wanted[0],
    };
    let parts = split(plan, if wanted[0] { model } else { 0 }, &mut rows);
    let mut parts = parts.into_iter().zip(split(plan, 1, &mut gates));
    let mut weights = [
        Chunks(&mut up, model * wide),
        Chunks(&mut up_bias, biases[0]),
        Chunks(&mut down, hidden * model),
        Chunks(&mut down_bias, biases[1]),
    ];
    let mut tasks = Vec::with_capacity(experts);
    for expert in 0..experts {
        let [up, up_bias, down, down_bias] = weights.each_mut().map(Chunks::next);
        let Some((x, gates)) = parts.next() else {
            break;
        };
        tasks.push(Task {
            expert,
            x,
            gates,
            up,
            up_bias,
            down,
            down_bias,
        });
    }
    tasks.retain(|task| plan.count(task.expert) > 0);
    tasks
        .into_par_iter()
        .with_max_len(1)
        .for_each(|task| given.expert(task));
    let mut flat_gates = vec![0.0; inputs[1].layout().num_elements()];
    for (place, grad) in plan.gate_of.iter().zip(&*gates) {
        flat_gates[*place] = *grad;
    }
    let grad_x =
        wanted[0].then(|| tensor(combine(plan, &rows, model, |_| 1.0), [plan.tokens, model]));
    let bias = |index: usize, values: Vec<f32>, width: usize| {
        (wanted[index] && job.bias).then(|| tensor(values, [experts, width]))
    };
    let length = flat_gates.len();
    [
        grad_x,
        wanted[1].then(|| tensor(flat_gates, [length])),
        wanted[2].then(|| tensor(up, [experts, model, wide])),
        bias(3, up_bias, wide),
        wanted[4].then(|| tensor(down, [experts, hidden, model])),
        bias(5, down_bias, model),
    ]
}

/// A buffer that is handed out in equal parts.
struct Chunks<'a>(&'a mut [f32], usize);

impl<'a> Chunks<'a> {
    fn next(&mut self) -> &'a mut [f32] {
        let (part, rest) = std::mem::take(&mut self.0).split_at_mut(self.1);
        self.0 = rest;
        part
    }
}

impl Given<'_> {
    fn expert(&self, mut task: Task<'_>) {
        let count = self.job.plan.count(task.expert);
        for at in (0..count).step_by(BLOCK) {
            self.block(&mut task, at, BLOCK.min(count - at));
        }
    }

    /// Some of an expert's rows.
    fn block(&self, task: &mut Task<'_>, at: usize, rows: usize) {
        let (plan, par) = (&self.job.plan, self.par);
        let Sizes {
            model,
            hidden,
            wide,
        } = self.sizes;
        let [x, gates, up, _, down, down_bias] = self.inputs;
        let expert = task.expert;
        let up = Matrix(&up[expert * model * wide..][..model * wide], model, wide);
        let down = Matrix(
            &down[expert * hidden * model..][..hidden * model],
            hidden,
            model,
        );
        let places = plan.offsets[expert] + at..plan.offsets[expert] + at + rows;
        let tokens = &plan.token_of[places.clone()];

        let mut upstream = Buffer::take(rows * model);
        gather(&mut upstream, self.upstream, tokens, model);
        let upstream = Matrix(&upstream, rows, model);
        let mut inner = Buffer::take(rows * hidden);
        product_bt(&mut inner, upstream, down, par);
        let mut gate = Buffer::take(rows);
        for (gate, place) in gate.iter_mut().zip(&plan.gate_of[places.clone()]) {
            *gate = gates[*place];
        }
        let mut scaled = Buffer::take(rows * hidden);
        let mut grad_u = Buffer::take(rows * wide);
        let grad_gates = &mut task.gates[at..at + rows];
        curve::backward(
            self.job.activation,
            self.job.gated,
            hidden,
            Slopes {
                u: &self.first[places.start * wide..places.end * wide],
                upstream: &inner,
                gates: &gate,
                scaled: &mut scaled,
                grad_u: &mut grad_u,
                grad_gates,
            },
        );
        if self.job.bias {
            let bias = &down_bias[expert * model..][..model];
            for ((grad, gate), row) in grad_gates
                .iter_mut()
                .zip(&*gate)
                .zip(upstream.0.chunks_exact(model))
            {
                *grad += row.iter().zip(bias).map(|(a, b)| a * b).sum::<f32>();
                let add = |(out, value): (&mut f32, &f32)| *out += gate * value;
                task.down_bias.iter_mut().zip(row).for_each(add);
            }
            for row in grad_u.chunks_exact(wide) {
                add_row(task.up_bias, row);
            }
        }
        product_at(
            task.down,
            at > 0,
            Matrix(&scaled, rows, hidden),
            upstream,
            par,
        );
        let mut gathered = Buffer::take(rows * model);
        gather(&mut gathered, x, tokens, model);
        let grad_u = Matrix(&grad_u, rows, wide);
        product_at(task.up, at > 0, Matrix(&gathered, rows, model), grad_u, par);
        if self.wants_x {
            product_bt(&mut task.x[at * model..][..rows * model], grad_u, up, par);
        }
    }
}
