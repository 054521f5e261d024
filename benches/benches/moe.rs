//! A mixture of experts: dropless beside the plain loop over experts, and beside the same layer in PyTorch.

use std::time::{Duration, Instant};

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Distribution, IndexingUpdateOp, Int, Tensor, TensorData};
use criterion::Criterion;
use regimen_benches::Limits;
use regimen_moe::{Activation, Capacity, Dispatch, Moe, MoeConfig};

use crate::peer::{Pair, Peer, Times, cpu, is_wanted};

/// Tokens, width, hidden units, experts, experts a token, gated.
#[derive(Clone, Copy)]
struct Case {
    tokens: usize,
    width: usize,
    hidden: usize,
    experts: usize,
    top_k: usize,
    gated: bool,
}

const SMALL: Case = Case {
    tokens: 2048,
    width: 256,
    hidden: 512,
    experts: 16,
    top_k: 2,
    gated: false,
};

const LARGE: Case = Case {
    tokens: 8192,
    experts: 64,
    top_k: 8,
    ..SMALL
};

impl Case {
    fn name(self) -> String {
        let activation = if self.gated { "SwiGLU" } else { "GELU" };
        let Self {
            tokens,
            experts,
            top_k,
            ..
        } = self;
        format!("{tokens} tokens, {experts} experts, top {top_k}, {activation}")
    }

    fn both_bodies(self) -> [Self; 2] {
        [false, true].map(|gated| Self { gated, ..self })
    }

    fn layer(self, device: &Device) -> Moe {
        self.with_dispatch(Dispatch::Dropless, device)
    }

    fn with_dispatch(self, dispatch: Dispatch, device: &Device) -> Moe {
        let activation = if self.gated {
            Activation::Silu
        } else {
            Activation::Gelu
        };
        let config = MoeConfig::new(self.width, self.hidden, self.experts, self.top_k);
        let config = config.with_activation(activation).with_gated(self.gated);
        config.with_dispatch(dispatch).init(device).unwrap()
    }

    fn input(self, device: &Device) -> Tensor<3> {
        Tensor::random(
            [1, self.tokens, self.width],
            Distribution::Normal(0.0, 1.0),
            device,
        )
    }

    /// Operations of the experts' products in one forward pass; the backward pass has twice as many.
    fn operations(self) -> f64 {
        let maps = if self.gated { 3 } else { 2 };
        (2 * self.tokens * self.top_k * self.width * self.hidden * maps) as f64
    }
}

/// The layer as one writes it at first: for each expert select, two products, scatter.
#[derive(Module, Debug)]
struct Naive {
    router: Param<Tensor<2>>,
    up: Vec<Linear>,
    down: Vec<Linear>,
    top_k: usize,
}

impl Naive {
    fn new(case: Case, device: &Device) -> Self {
        let layers = |from, to| {
            let layer = LinearConfig::new(from, to).with_bias(false);
            (0..case.experts).map(|_| layer.init(device)).collect()
        };
        let wide = if case.gated {
            2 * case.hidden
        } else {
            case.hidden
        };
        Self {
            router: LinearConfig::new(case.width, case.experts)
                .init(device)
                .weight,
            up: layers(case.width, wide),
            down: layers(case.hidden, case.width),
            top_k: case.top_k,
        }
    }

    fn forward(&self, x: Tensor<2>, gated: bool) -> Tensor<2> {
        let ([tokens, _], device) = (x.dims(), x.device());
        let probabilities = softmax(x.clone().matmul(self.router.val()), 1);
        let (best, choices) = probabilities.topk_with_indices(self.top_k, 1);
        let gates = (best.clone() / best.sum_dim(1)).reshape([tokens * self.top_k]);
        let choices: Vec<i64> = choices.into_data().convert::<i64>().try_into_vec().unwrap();
        let index = |values: Vec<i64>| {
            let count = values.len();
            Tensor::<1, Int>::from_data(TensorData::new(values, [count]), &device)
        };
        let mut out = x.zeros_like();
        for (expert, (up, down)) in self.up.iter().zip(&self.down).enumerate() {
            let slots = choices
                .iter()
                .enumerate()
                .filter(|(_, e)| **e as usize == expert);
            let slots: Vec<i64> = slots.map(|(slot, _)| slot as i64).collect();
            if slots.is_empty() {
                continue;
            }
            let rows = index(slots.iter().map(|slot| slot / self.top_k as i64).collect());
            let first = up.forward(x.clone().select(0, rows.clone()));
            let hidden = if gated {
                let [_, wide] = first.dims();
                let gate = first.clone().narrow(1, 0, wide / 2);
                Activation::Silu.forward(gate) * first.narrow(1, wide / 2, wide / 2)
            } else {
                Activation::Gelu.forward(first)
            };
            let gate = gates.clone().select(0, index(slots)).unsqueeze_dim::<2>(1);
            let part = down.forward(hidden) * gate;
            out = out.select_assign(0, rows, part, IndexingUpdateOp::Add);
        }
        out
    }
}

/// Dropless beside the plain loop and a fixed capacity, at the smaller size.
pub(crate) fn layer(criterion: &mut Criterion) {
    let device = Device::default();
    let train = device.clone().autodiff();
    let mut group = criterion.benchmark_group("moe");
    for case in SMALL.both_bodies() {
        let (moe, naive) = (case.layer(&device), Naive::new(case, &device));
        let x = case.input(&device);
        let flat = x.clone().reshape([case.tokens, case.width]);
        group.bench_function(format!("dropless forward, {}", case.name()), |b| {
            b.iter(|| moe.forward(x.clone()).0);
        });
        group.bench_function(format!("loop forward, {}", case.name()), |b| {
            b.iter(|| naive.forward(flat.clone(), case.gated));
        });
        let (moe, naive) = (case.layer(&train), Naive::new(case, &train));
        let x = case.input(&train).require_grad();
        let flat = x
            .clone()
            .reshape([case.tokens, case.width])
            .detach()
            .require_grad();
        group.bench_function(format!("dropless both, {}", case.name()), |b| {
            b.iter(|| moe.forward(x.clone()).0.sum().backward());
        });
        group.bench_function(format!("loop both, {}", case.name()), |b| {
            b.iter(|| naive.forward(flat.clone(), case.gated).sum().backward());
        });
        let capacity = Dispatch::Capacity(Capacity::new(1.25));
        let moe = case.with_dispatch(capacity, &train);
        group.bench_function(format!("capacity 1.25 both, {}", case.name()), |b| {
            b.iter(|| moe.forward(x.clone()).0.sum().backward());
        });
    }
    group.finish();
}

/// Takes turns with PyTorch at one and two threads, and prints the ratio of the medians.
pub(crate) fn peer(criterion: &mut Criterion) {
    // Criterion measures one thing at a time; taking turns needs a loop of its own.
    let _ = criterion;
    if !is_wanted("moe-peer") {
        return;
    }
    let Some(mut peer) = Peer::start("moe") else {
        println!("moe: no PyTorch to compare with; `benches/peers/setup.sh` installs it");
        return;
    };
    let device = Device::default();
    let mut limit = 0.0_f64;
    for case in SMALL.both_bodies().into_iter().chain(LARGE.both_bodies()) {
        let body = if case.gated { "swiglu" } else { "gelu" };
        let Case {
            tokens,
            width,
            hidden,
            experts,
            top_k,
            ..
        } = case;
        peer.ask(&format!(
            "case {tokens} {width} {hidden} {experts} {top_k} {body}"
        ));
        limit = limit.max(Limits::measure(&device).matmul);
        for (pass, times) in [("forward", 1.0), ("both", 3.0)] {
            let [ours, one, two] = compare(&mut peer, case, pass, &device);
            let share = |ms: f64| case.operations() * times / (ms * 1e-3) / limit;
            let better = if one.wall() < two.wall() { &one } else { &two };
            println!(
                "moe {}, {pass}: {:.2} of the matmul rate of {:.0} GFLOP/s, PyTorch {:.2}; CPU time {:.1} and {:.1} ms",
                case.name(),
                share(ours.wall()),
                limit / 1e9,
                share(better.wall()),
                ours.cpu(),
                better.cpu(),
            );
            let pair = Pair {
                path: format!("moe {}, {pass}", case.name()),
                library: None,
                ours: &ours.wall,
                theirs: &[one.wall.clone(), two.wall.clone()],
                limit: Some((share(ours.wall()), "matrix products")),
            };
            pair.tell(&peer);
        }
    }
}

/// Ours, and PyTorch's with one thread and with two.
fn compare(peer: &mut Peer, case: Case, pass: &str, device: &Device) -> [Times; 3] {
    let rounds = if case.tokens > 4000 { 5 } else { 21 };
    let training = pass == "both";
    let device = if training {
        device.clone().autodiff()
    } else {
        device.clone()
    };
    let (moe, x) = (case.layer(&device), case.input(&device));
    let run = || {
        let (start, before) = (Instant::now(), cpu());
        if training {
            let x = x.clone().detach().require_grad();
            let grads = moe.forward(x.clone()).0.sum().backward();
            let grad = x.grad(&grads).unwrap();
            let _ = grad.slice([0..1, 0..1, 0..1]).into_scalar::<f32>();
        } else {
            let y = moe.forward(x.clone()).0;
            let _ = y.slice([0..1, 0..1, 0..1]).into_scalar::<f32>();
        }
        [start.elapsed().as_secs_f64() * 1e3, cpu() - before]
    };
    let mut times: [Times; 3] = Default::default();
    for round in 0..rounds + 2 {
        // Threads of the one before may spin for a while.
        let settle = || std::thread::sleep(Duration::from_millis(50));
        settle();
        let ours = run();
        settle();
        let one = peer.times(&format!("run {pass} 1"));
        settle();
        let turn = [ours, one, peer.times(&format!("run {pass} 2"))];
        // The first rounds warm up.
        if round >= 2 {
            times
                .iter_mut()
                .zip(turn)
                .for_each(|(all, time)| all.push(time));
        }
    }
    times
}
