//! A policy objective: its own cost, and the chunked path from hidden states beside PyTorch's straightforward loss, in time, in memory
//! and in its numbers.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use criterion::Criterion;
use regimen_rl_rewards::{Advantages, Chunked, Objective, TokenBatch, TokenMask};

use crate::peer::{Pair, Peer, Times, cpu, is_wanted};
use crate::pruning::{memory, reset_peak};

/// Value and gradient of objectives over 64 responses of 512 tokens, from log-probabilities.
pub(crate) fn loss(criterion: &mut Criterion) {
    let device = Device::default().autodiff();
    let (rows, tokens) = (64, 512);
    let random = || Tensor::<2>::random([rows, tokens], Distribution::Uniform(-2.0, 0.0), &device);
    let mask = TokenMask::of_lengths(&vec![tokens; rows], tokens).unwrap();
    let batch = TokenBatch::of_mask(&mask, &device)
        .with_old(random())
        .unwrap();
    let values = (0..rows).map(|row| if row % 2 == 0 { 1.0 } else { -1.0 });
    let advantages = Advantages::of_responses(values.collect()).unwrap();
    let mut group = criterion.benchmark_group("objective");
    for (name, objective) in [("dapo", Objective::dapo()), ("gspo", Objective::gspo())] {
        let log_probs = random().detach().require_grad();
        group.bench_function(format!("{name}, 64 x 512"), |b| {
            b.iter(|| {
                objective
                    .loss(log_probs.clone(), &batch, &advantages)
                    .unwrap()
                    .0
                    .backward()
            });
        });
    }
    group.finish();
}

/// The numbers that `peers/objective.py` makes.
fn numbers(count: usize, step: usize) -> impl Iterator<Item = f32> {
    (0..count).map(move |place| ((place * step + 13) % 1009) as f32 / 504.5 - 1.0)
}

struct Case {
    hidden: Tensor<3>,
    output: Tensor<2>,
    tokens: Tensor<2, Int>,
    batch: TokenBatch,
    advantages: Advantages,
}

impl Case {
    fn new([rows, length, width, words]: [usize; 4], device: &Device) -> Self {
        let of = |values: Vec<f32>, shape: [usize; 2]| {
            Tensor::<2>::from_data(TensorData::new(values, shape), device)
        };
        let hidden = of(
            numbers(rows * length * width, 7919).collect(),
            [rows * length, width],
        );
        let output = numbers(width * words, 104_729)
            .map(|value| 0.1 * value)
            .collect();
        let tokens: Vec<i64> = (0..rows * length)
            .map(|place| (place * 37 % words) as i64)
            .collect();
        let old = numbers(rows * length, 31)
            .map(|value| -10.5 + 0.3 * value)
            .collect();
        let mask = TokenMask::of_lengths(&vec![length; rows], length).unwrap();
        let batch = TokenBatch::of_mask(&mask, device)
            .with_old(of(old, [rows, length]))
            .unwrap();
        let advantages = (0..rows).map(|row| if row % 2 == 0 { 1.0 } else { -0.5 });
        Self {
            hidden: hidden
                .reshape([rows, length, width])
                .detach()
                .require_grad(),
            output: of(output, [width, words]).require_grad(),
            tokens: Tensor::<1, Int>::from_data(tokens.as_slice(), device).reshape([rows, length]),
            batch: batch.clone().with_totals(batch.count().unwrap()),
            advantages: Advantages::of_responses(advantages.collect()).unwrap(),
        }
    }

    /// Wall and CPU time in milliseconds, and the loss with both gradients.
    fn pass(&self) -> ([f64; 2], Tensor<1>, Tensor<1>, Tensor<1>) {
        let (start, before) = (Instant::now(), cpu());
        let (hidden, output) = (self.hidden.clone(), self.output.clone());
        let chunked = Chunked::default();
        let found = chunked.loss(
            &Objective::dapo(),
            hidden,
            output,
            self.tokens.clone(),
            &self.batch,
            &self.advantages,
        );
        let loss = found.unwrap().0;
        let gradients = loss.backward();
        let hidden = self.hidden.grad(&gradients).unwrap().flatten::<1>(0, 2);
        let output = self.output.grad(&gradients).unwrap().flatten::<1>(0, 1);
        let _ = output.clone().narrow(0, 0, 1).into_scalar::<f32>();
        let time = [start.elapsed().as_secs_f64() * 1e3, cpu() - before];
        (time, loss, hidden, output)
    }
}

/// As the peer answers `values`.
fn values(loss: Tensor<1>, gradients: [Tensor<1>; 2]) -> Vec<f64> {
    let mut found = vec![loss.into_scalar::<f64>()];
    for gradient in gradients {
        let values = gradient.try_into_vec_as::<f64>().unwrap();
        found.push(values.iter().map(|value| value * value).sum::<f64>().sqrt());
        found.extend(values.iter().step_by((values.len() / 97).max(1)).take(97));
    }
    found
}

/// Time and memory of two passes without PyTorch, which needs three times the logits.
fn alone(size: [usize; 4]) {
    let case = Case::new(size, &Device::default().autodiff());
    let [rows, length, _, words] = size;
    let logits = (rows * length * words) as f64 * 4.0 / 1e6;
    for _ in 0..2 {
        let before = memory("VmRSS");
        reset_peak();
        let ([wall, cpu], loss, ..) = case.pass();
        let rise = (memory("VmHWM") - before) / 1e6;
        println!(
            "objective {size:?} alone: {wall:.0} ms, CPU time {cpu:.0} ms, loss {:.7}; memory above the start {rise:.0} MB, {:.2} of {logits:.0} MB of logits",
            loss.into_scalar::<f64>(),
            rise / logits,
        );
    }
}

/// Takes turns with PyTorch, at one thread and at two. 8 sequences, or with `objective-peer-full` the 64 of the whole size; with
/// `objective-alone` ours at the whole size.
pub(crate) fn peer(criterion: &mut Criterion) {
    // Criterion measures one thing at a time; taking turns needs a loop of its own.
    let _ = criterion;
    let asked = |name: &str| std::env::args().skip(1).any(|arg| arg == name);
    let (small, full) = (is_wanted("objective-peer"), asked("objective-peer-full"));
    if asked("objective-alone") {
        alone([64, 512, 512, 32_000]);
    }
    if !small && !full {
        return;
    }
    let Some(mut peer) = Peer::start("objective") else {
        println!("objective: no PyTorch to compare with; `benches/peers/setup.sh` installs it");
        return;
    };
    let size @ [rows, length, width, words] = [if full { 64 } else { 8 }, 512, 512, 32_000];
    let case = Case::new(size, &Device::default().autodiff());
    peer.ask(&format!("case {rows} {length} {width} {words}"));
    let (mut ours, mut one, mut two) = (Times::default(), Times::default(), Times::default());
    let mut rise = 0.0_f64;
    for round in 0..if full { 3 } else { 6 } {
        std::thread::sleep(Duration::from_millis(50));
        let before = memory("VmRSS");
        reset_peak();
        let (time, loss, hidden, output) = case.pass();
        rise = rise.max(memory("VmHWM") - before);
        std::thread::sleep(Duration::from_millis(50));
        let other = peer.times("run 2");
        if round == 0 {
            let answer = peer.ask("values");
            let expected = answer.split(' ').map(|word| word.parse::<f64>().unwrap());
            let found = values(loss, [hidden, output]);
            let off = found
                .iter()
                .zip(expected.clone())
                .map(|(a, b)| (a - b).abs() / (b.abs() + 1e-6));
            let most = off.fold(0.0, f64::max);
            println!(
                "objective {size:?}: loss {:.7}, {} numbers differ from PyTorch's by at most {most:.1e} of themselves",
                found[0],
                found.len()
            );
            continue;
        }
        ours.push(time);
        two.push(other);
        one.push(peer.times("run 1"));
    }
    let logits = (rows * length * words) as f64 * 4.0 / 1e6;
    let other: f64 = peer.ask("peak").parse().unwrap();
    println!("objective {size:?}: {ours}; PyTorch with one thread {one}, with two {two}");
    let pair = Pair {
        path: format!("objective {size:?}"),
        library: None,
        ours: &ours.wall,
        theirs: &[one.wall.clone(), two.wall.clone()],
        limit: None,
    };
    pair.tell(&peer);
    println!(
        "objective {size:?}: memory above the start {:.0} MB and {other:.0} MB, of {logits:.0} MB of logits: {:.2} and {:.2}",
        rise / 1e6,
        rise / 1e6 / logits,
        other / logits,
    );
}
