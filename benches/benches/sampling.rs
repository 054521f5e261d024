//! Sampling from the test bed's transformer with its cache, beside the products of matrices alone and the same model in PyTorch.

use std::time::Instant;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use criterion::Criterion;
use regimen_examples::experiment::Context;
use regimen_examples::rl_rewards::bed::policy::{Policy, PolicyConfig};
use regimen_rl_rewards::TokenSampler;
use regimen_rl_rewards::policy::{Decoding, NextToken, generate};
use regimen_schedules::Constant;

use crate::peer::{Pair, Peer, is_wanted, median};

const WORDS: usize = 128;
/// No word of the policy: every row has all its tokens.
const NO_END: u32 = 1 << 20;

/// Prompts, samples of each, tokens of a prompt and tokens sampled: a step of training on chains, and boards in lines; both with the
/// policy of the default size and with that of the large one.
const SIZES: [[usize; 4]; 2] = [[32, 8, 8, 12], [64, 8, 24, 48]];

fn policies() -> [(&'static str, PolicyConfig); 2] {
    let large = Context {
        full: true,
        ..Context::new(0)
    };
    [
        ("", PolicyConfig::new()),
        (" large", PolicyConfig::sized(&large)),
    ]
}

/// Every policy at every size, with a name.
fn cases() -> impl Iterator<Item = (String, PolicyConfig, [usize; 4])> {
    policies().into_iter().flat_map(|(name, config)| {
        SIZES.map(|size| (format!("{size:?}{name}"), config.clone(), size))
    })
}

/// Weights by a rule of their place, in the order of the module, as `peers/sampling.py` makes them.
struct ByRule(usize);

impl ModuleMapper for ByRule {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        let step = 7919 + 2 * self.0;
        param.map(|tensor| {
            let shape = tensor.dims();
            let count: usize = shape.iter().product();
            let values = (0..count).map(|place| ((place * step + 13) % 1009) as f32 / 504.5 - 1.0);
            let values: Vec<f32> = values.map(|value| 0.2 * value).collect();
            Tensor::from_data(TensorData::new(values, shape), &tensor.device())
        })
    }
}

struct Case {
    policy: Policy,
    prompts: Vec<Vec<u32>>,
    samples: usize,
    decoding: Decoding,
    device: Device,
}

impl Case {
    fn new(config: &PolicyConfig, [prompts, samples, length, tokens]: [usize; 4]) -> Self {
        let device = Device::default();
        let policy = config.init(&device).map(&mut ByRule(0));
        let prompt =
            |row: usize| (0..length).map(move |place| ((row * length + place) * 37 % 100) as u32);
        let sampler = TokenSampler::new(Constant::new(1.0).unwrap());
        let decoding = Decoding::new(sampler, NO_END, tokens).unwrap();
        Self {
            policy,
            prompts: (0..prompts).map(|row| prompt(row).collect()).collect(),
            samples,
            decoding,
            device,
        }
    }

    fn tokens(&self) -> usize {
        self.prompts.len() * self.samples * self.decoding.max_tokens()
    }

    fn run(&self) {
        let seed = 0;
        let found = generate(
            &self.policy,
            &self.prompts,
            self.samples,
            &self.decoding,
            seed,
            &self.device,
        );
        assert_eq!(found.unwrap().len(), self.prompts.len() * self.samples);
    }

    /// Some logits after the prompts.
    fn values(&self) -> Vec<f64> {
        let length = self.prompts[0].len();
        let tokens: Vec<i64> = self
            .prompts
            .iter()
            .flatten()
            .map(|token| i64::from(*token))
            .collect();
        let tokens = TensorData::new(tokens, [self.prompts.len(), length]);
        let (logits, _) = self
            .policy
            .read(Tensor::<2, Int>::from_data(tokens, &self.device), 0)
            .unwrap();
        let values: Vec<f64> = logits.try_into_vec_as().unwrap();
        values.into_iter().step_by(7).take(97).collect()
    }
}

/// The products of so many tokens, a step of all rows at a time: those with weights, and those of attention with the cache.
struct Products {
    places: std::ops::Range<usize>,
    wide: Tensor<2>,
    hidden: Tensor<2>,
    weights: Vec<Tensor<2>>,
    layers: usize,
    query: Tensor<4>,
    keys: Tensor<4>,
    values: Tensor<4>,
}

impl Products {
    fn new(config: &PolicyConfig, [prompts, samples, length, tokens]: [usize; 4]) -> Self {
        let device = Device::default();
        let (width, hidden, heads) = (config.width, config.hidden, config.heads);
        let (rows, features) = (prompts * samples, width / heads);
        let uniform = Distribution::Uniform(-1.0, 1.0);
        let random = |shape: [usize; 2]| Tensor::random(shape, uniform, &device);
        let places = length + tokens;
        let cache = |shape: [usize; 2]| {
            Tensor::<4>::random([rows, heads, shape[0], shape[1]], uniform, &device)
        };
        let mut shapes = vec![[width, WORDS]];
        for _ in 0..config.layers {
            shapes.extend([
                [width, 3 * width],
                [width, width],
                [width, hidden],
                [hidden, width],
            ]);
        }
        Self {
            places: length..places,
            wide: random([rows, width]),
            hidden: random([rows, hidden]),
            weights: shapes.into_iter().map(random).collect(),
            layers: config.layers,
            query: cache([1, features]),
            keys: cache([places, features]),
            values: cache([places, features]),
        }
    }

    fn with_weights(&self) {
        for weight in &self.weights {
            let fits = |x: &&Tensor<2>| x.dims()[1] == weight.dims()[0];
            let x = [&self.wide, &self.hidden].into_iter().find(fits).unwrap();
            let _ = x.clone().matmul(weight.clone()).narrow(0, 0, 1).into_data();
        }
    }

    fn of_attention(&self, places: usize) {
        for _ in 0..self.layers {
            let keys = self.keys.clone().narrow(2, 0, places);
            let shares = self.query.clone().matmul(keys.swap_dims(2, 3));
            let found = shares.matmul(self.values.clone().narrow(2, 0, places));
            let _ = found.narrow(0, 0, 1).into_data();
        }
    }

    fn run(&self) {
        for places in self.places.clone() {
            self.with_weights();
            self.of_attention(places);
        }
    }

    fn run_weights(&self) {
        self.places.clone().for_each(|_| self.with_weights());
    }

    /// Multiplications and additions of a step's products with weights.
    fn flops(&self) -> f64 {
        let weights = self.weights.iter();
        let sizes = weights.map(|weight| weight.dims().iter().product::<usize>());
        2.0 * (sizes.sum::<usize>() * self.wide.dims()[0]) as f64
    }
}

/// Ours beside the products of a step alone.
pub(crate) fn generation(c: &mut Criterion) {
    let mut group = c.benchmark_group("sampling");
    for (name, config, size) in cases() {
        let (case, products) = (Case::new(&config, size), Products::new(&config, size));
        group.throughput(criterion::Throughput::Elements(case.tokens() as u64));
        group.bench_function(&name, |b| b.iter(|| case.run()));
        group.bench_function(format!("{name}, products alone"), |b| {
            b.iter(|| products.run());
        });
        group.bench_function(format!("{name}, products with weights alone"), |b| {
            b.iter(|| products.run_weights());
        });
    }
    group.finish();
}

/// Takes turns with PyTorch at one thread and at two.
pub(crate) fn peer(criterion: &mut Criterion) {
    // Criterion measures one thing at a time; taking turns needs a loop of its own.
    let _ = criterion;
    if !is_wanted("sampling-peer") {
        return;
    }
    let Some(mut peer) = Peer::start("sampling") else {
        println!("sampling: no PyTorch to compare with; `benches/peers/setup.sh` installs it");
        return;
    };
    for (name, config, size @ [prompts, samples, length, tokens]) in cases() {
        let (case, products) = (Case::new(&config, size), Products::new(&config, size));
        let PolicyConfig {
            width,
            hidden,
            layers,
            ..
        } = config;
        peer.ask(&format!(
            "case {prompts} {samples} {length} {tokens} {width} {hidden} {layers}"
        ));
        let expected: [f64; 97] = peer.numbers("values");
        let off = case
            .values()
            .into_iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs());
        let off = off.fold(0.0, f64::max);
        let mut times: [Vec<f64>; 5] = Default::default();
        let timed = |run: &dyn Fn()| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e3
        };
        for round in 0..24 {
            let ours = timed(&|| case.run());
            let products_alone = timed(&|| products.run());
            let weights_alone = timed(&|| products.run_weights());
            let ([one, _], [two, _]) = (peer.times("run 1"), peer.times("run 2"));
            if round > 3 {
                let found = [ours, products_alone, weights_alone, one, two];
                times
                    .iter_mut()
                    .zip(found)
                    .for_each(|(all, time)| all.push(time));
            }
        }
        let rate = |time: f64| case.tokens() as f64 / time * 1e3;
        let [mine, all, weights, one, two] = times;
        let (all, weights) = (median(all), median(weights));
        let pair = Pair {
            path: format!("sampling {name}"),
            library: None,
            ours: &mine,
            theirs: &[one.clone(), two.clone()],
            limit: Some((all / median(mine.clone()), "products of the model alone")),
        };
        pair.tell(&peer);
        let [ours, one, two] = [mine, one, two].map(median);
        let flops = products.flops() * tokens as f64 / weights / 1e6;
        println!(
            "sampling {name}: {:.0} tokens a second ({ours:.1} ms); {:.2} of the rate of all its products alone ({all:.1} ms), {:.2} of those with weights alone ({weights:.1} ms, {flops:.1} billion operations a second); PyTorch with one thread {:.0}, with two {:.0}; logits differ by at most {off:.1e}",
            rate(ours),
            all / ours,
            weights / ours,
            rate(one),
            rate(two),
        );
    }
}
