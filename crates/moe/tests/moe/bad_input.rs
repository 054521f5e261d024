//! Absurd arguments are errors or documented values, never a panic or an endless wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::module::Param;
use burn::nn::LinearConfig;
use burn::tensor::{DType, Device, Tensor};
use regimen_moe::balance::{
    BiasUpdateConfig, GlobalBalance, Load, LoadStatistics, Specialisation, noisy_load,
};
use regimen_moe::pathways::{
    Pathway, Unit, consistency, effective_dimension, expert_embeddings, generalised_from,
    kernel_dimension, mean_distance, mean_distance_watched, mean_distance_within,
    memorisation_limit, memorised_from, routing_kernel, routing_weights,
};
use regimen_moe::*;
use regimen_tensor::linalg::DMatrix;
use regimen_tensor::reduce::{ReduceResult, Reducer};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};
use regimen_tensor::{Alone, Watch};

fn moe() -> Moe {
    MoeConfig::new(3, 4, 2, 1).init(&Device::flex()).unwrap()
}

#[test]
fn configurations() {
    let device = Device::flex().autodiff();
    let mut hostile = Hostile::new("moe configurations");
    for count in COUNTS {
        let base = MoeConfig::new(3, 4, 2, 1);
        for (field, config) in [
            ("d_model", MoeConfig::new(count, 4, 2, 1)),
            ("d_hidden", MoeConfig::new(3, count, 2, 1)),
            (
                "d_hidden, gated",
                MoeConfig::new(3, count, 2, 1).with_gated(true),
            ),
            ("experts", MoeConfig::new(3, 4, count, 1)),
            ("top_k", MoeConfig::new(3, 4, 2, count)),
            (
                "shared",
                base.clone().with_shared(count).with_shared_gate(true),
            ),
            ("all", MoeConfig::new(count, count, count, count)),
        ] {
            for router in [
                RouterConfig::Softmax(SoftmaxRouterConfig::new().with_selection_bias(true)),
                RouterConfig::Sigmoid(SigmoidRouterConfig::new()),
                RouterConfig::Noisy(NoisyRouterConfig::new()),
                RouterConfig::ExpertChoice(ExpertChoiceRouterConfig::new()),
                RouterConfig::Hash(HashRouterConfig::new().with_buckets(16)),
            ] {
                let config = config.clone().with_router(router);
                hostile.input(format!("MoeConfig, {field} {count}"), || {
                    config.init(&device)
                });
            }
        }
        hostile.input(format!("groups {count}"), || {
            let groups = SigmoidRouterConfig::new().with_groups(count);
            groups.with_kept_groups(count).init(3, 4, 2, &device)
        });
        hostile.input(format!("buckets {count}"), || {
            // At 2^26 numbers it takes a second; what is larger is refused.
            let config = HashRouterConfig::new().with_buckets(count);
            config.init(2, 1, &device)
        });
        hostile.input(format!("Specialisation {count}"), || {
            Specialisation::new(count, 2)?;
            Specialisation::new(2, count)?;
            Specialisation::new(count, count)
        });
        hostile.input(format!("top_k {count}"), || {
            top_k(Tensor::<2>::ones([2, 3], &device), count)
        });
        hostile.input(format!("select_sigmoid {count}"), || {
            select_sigmoid(Tensor::<2>::ones([2, 4], &device), 1, count, count)
        });
        hostile.input(format!("upcycling to {count}"), || {
            let dense = merge(&moe().experts, &[1.0, 1.0])?;
            UpcycleConfig::new(count, 1).with_noise(0.1).init(&dense)
        });
        hostile.input(format!("forward_one {count}"), || {
            moe()
                .experts
                .forward_one(count, Tensor::ones([2, 3], &Device::flex()))
        });
        for factor in NUMBERS {
            let _ = capacity(count, count, count, factor);
        }
    }
    for value in NUMBERS {
        let few = MoeConfig::new(3, 4, 2, 1);
        for (field, config) in [
            (
                "factor",
                few.clone()
                    .with_dispatch(Dispatch::Capacity(Capacity::new(value))),
            ),
            (
                "factor of each sequence",
                few.clone().with_dispatch(Dispatch::Capacity(
                    Capacity::new(value)
                        .with_order(DropOrder::Probability)
                        .with_group(DropGroup::Sequence),
                )),
            ),
            (
                "jitter",
                few.clone().with_router(RouterConfig::Softmax(
                    SoftmaxRouterConfig::new().with_jitter(value),
                )),
            ),
            (
                "epsilon",
                few.clone().with_router(RouterConfig::Noisy(
                    NoisyRouterConfig::new().with_epsilon(value),
                )),
            ),
            (
                "scale",
                few.clone().with_router(RouterConfig::Sigmoid(
                    SigmoidRouterConfig::new().with_scale(value),
                )),
            ),
            (
                "choice",
                few.clone().with_router(RouterConfig::ExpertChoice(
                    ExpertChoiceRouterConfig::new().with_factor(value),
                )),
            ),
        ] {
            hostile.input(format!("{field} {value}"), || {
                let x = Tensor::ones([2, 3, 3], &device);
                config.init(&device)?.forward_with(x, Tokens::default())
            });
        }
        hostile.input(format!("rate {value}"), || {
            BiasUpdateConfig::new()
                .with_rate(value)
                .init()?
                .changes(&[1.0, 2.0])
        });
        hostile.input(format!("noise {value}"), || {
            let dense = merge(&moe().experts, &[1.0, 1.0])?;
            UpcycleConfig::new(2, 1).with_noise(value).init(&dense)
        });
    }
    hostile.finish();
}

#[test]
fn figures() {
    let mut hostile = Hostile::new("moe figures");
    for a in NUMBERS {
        for b in NUMBERS {
            hostile.input(format!("LoadStatistics {a} {b}"), || {
                let found = LoadStatistics::of(&[a, b])?;
                let text = serde_json::to_string(&found).map_err(|e| e.to_string());
                let back = text.and_then(|text| {
                    serde_json::from_str::<LoadStatistics>(&text).map_err(|e| e.to_string())
                });
                assert!(back.is_ok(), "{found:?}: {back:?}");
                Ok::<_, MoeError>(())
            });
            hostile.input(format!("Specialisation {a} {b}"), || {
                let mut table = Specialisation::new(2, 2)?;
                table.add(0, &[a, b])?;
                table.add(0, &[a, b])?;
                assert!(table.mutual_information().is_finite());
                Ok::<_, MoeError>(())
            });
            hostile.input(format!("merge {a} {b}"), || merge(&moe().experts, &[a, b]));
            hostile.input(format!("loads {a} {b}"), || {
                BiasUpdateConfig::new().init()?.changes(&[a, b])
            });
            hostile.input(format!("Pathway {a} {b}"), || {
                Pathway::of(&[vec![a, b]], 0.7)
            });
            hostile.input(format!("threshold {a}"), || {
                Pathway::of(&[vec![0.5, 0.5]], a)
            });
            hostile.input(format!("consistency {a} {b}"), || {
                let embeddings = vec![vec![vec![a, b], vec![1.0, b]]; 3];
                consistency(&[vec![a, 0.5], vec![b, 0.5], vec![a, b]], &embeddings)
            });
            hostile.input(format!("dimension {a} {b}"), || {
                effective_dimension(&[a, 1.0], b)
            });
            hostile.input(format!("memorisation {a} {b}"), || {
                let curves = [vec![a, b], vec![b, 1.0], Vec::new()];
                let _ = memorised_from(&curves[0], a, b);
                memorisation_limit(&curves, a, 0.5)?;
                memorisation_limit(&curves, 0.1, b)
            });
        }
    }
    hostile.input("no layers", || Pathway::of(&[], 0.5));
    hostile.input("no experts", || Pathway::of(&[Vec::new()], 0.5));
    hostile.input("no loads", || LoadStatistics::of(&[]));
    assert_eq!(generalised_from(&[]), None);
    assert_eq!(mean_distance(&[], Unit::Symbol), None);
    hostile.input("labels", || mean_distance_within(&[], &[1], Unit::Symbol));
    for count in COUNTS {
        let scores = NoisyScores {
            clean: Tensor::ones([2, 3], &Device::flex()),
            noisy: Tensor::ones([2, 3], &Device::flex()),
            deviation: Tensor::ones([2, 3], &Device::flex()),
        };
        hostile.input(format!("noisy_load {count}"), || noisy_load(&scores, count));
    }
    hostile.finish();
}

/// Figures of loads whose squares have no place in float64 are those of the same loads in another unit.
#[test]
fn figures_do_not_depend_on_the_unit() {
    let plain = LoadStatistics::of(&[1.0, 3.0]).unwrap();
    for unit in [1e-200, 1e200] {
        let found = LoadStatistics::of(&[unit, 3.0 * unit]).unwrap();
        approx::assert_abs_diff_eq!(
            found.squared_variation,
            plain.squared_variation,
            epsilon = 1e-12
        );
    }
}

/// What is changed, and the change.
type Broken<'a> = (&'static str, Box<dyn Fn(&mut Moe) + 'a>);

fn broken<'a>(name: &'static str, change: impl Fn(&mut Moe) + 'a) -> Broken<'a> {
    (name, Box::new(change))
}

/// Parameters that were replaced by some that do not fit.
#[test]
fn replaced_parameters_that_do_not_fit_are_errors() {
    let device = Device::flex();
    let wrong = |shape: [usize; 3]| Param::from_tensor(Tensor::<3>::ones(shape, &device));
    let x = || Tensor::<3>::ones([1, 2, 3], &device);
    let all = vec![
        broken("up", |moe| moe.experts.up = wrong([2, 3, 5])),
        broken("up", |moe| moe.experts.up = wrong([0, 3, 4])),
        broken("down", |moe| moe.experts.down = wrong([3, 4, 3])),
        broken("down", |moe| moe.experts.down = wrong([2, 4, 7])),
        broken("type", |moe| {
            let down = moe.experts.down.val().cast(DType::F64);
            moe.experts.down = Param::from_tensor(down);
        }),
        broken("one bias", |moe| {
            let bias = Tensor::<2>::ones([2, 4], &device);
            moe.experts.up_bias = Some(Param::from_tensor(bias));
        }),
        broken("bias", |moe| {
            let bias =
                |shape: [usize; 2]| Some(Param::from_tensor(Tensor::<2>::ones(shape, &device)));
            moe.experts.up_bias = bias([2, 4]);
            moe.experts.down_bias = bias([2, 4]);
        }),
        broken("router", |moe| {
            if let Router::Softmax(router) = &mut moe.router {
                router.weight = Param::from_tensor(Tensor::ones([3, 5], &device));
            }
        }),
        broken("hash router", |moe| {
            let router = HashRouterConfig::new().with_buckets(4).init(7, 1, &device);
            moe.router = Router::Hash(router.unwrap());
        }),
        broken("shared", |moe| {
            moe.shared = Some(MoeConfig::new(5, 4, 1, 1).init(&device).unwrap().experts);
        }),
        broken("shared gate", |moe| {
            moe.shared_gate = Some(Param::from_tensor(Tensor::ones([4, 1], &device)));
        }),
    ];
    for (name, change) in all {
        let mut moe = moe();
        change(&mut moe);
        let answer = moe.forward_with(x(), Tokens::default());
        assert!(answer.is_err(), "{name}");
    }
    let mut one = moe();
    one.experts.down = wrong([1, 4, 3]);
    assert!(
        one.experts
            .forward_one(0, Tensor::ones([1, 3], &device))
            .is_err()
    );
    assert!(merge(&one.experts, &[1.0, 1.0]).is_err());
    assert!(Dense::new(one.experts).is_err());
}

#[test]
fn files_that_lie_are_errors_and_a_neighbour_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let config = HuggingFaceConfig::new(HuggingFaceFamily::Mixtral, 0).with_top_k(Some(1));
    let path = folder.path().join("layer.safetensors");
    let mine = folder.path().join("layer.tmp");
    std::fs::write(&mine, "mine").unwrap();
    let swiglu = MoeConfig::new(3, 4, 2, 1)
        .with_activation(Activation::Silu)
        .with_gated(true);
    let moe = swiglu.init(&device).unwrap();
    config.save(&moe, &path).unwrap();
    assert_eq!(std::fs::read(&mine).unwrap(), b"mine");
    let stop = Watch::new().until(|| true);
    let stopped = config.load_watched(&[&path], &device, &stop);
    assert!(matches!(stopped, Err(MoeError::Stopped { done: 1, .. })));
    let none = folder.path().join("none");
    assert!(config.save_watched(&moe, &none, &stop).is_err() && !none.exists());
    config.load(&[&path], &device).unwrap();

    let mut hostile = Hostile::new("moe files");
    let header = |size: u64, text: &str| {
        let mut bytes = size.to_le_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes.extend([0; 24]);
        bytes
    };
    let gate = "model.layers.0.block_sparse_moe.gate.weight";
    let tensor = |from: u64, to: u64, shape: &str| {
        format!(r#"{{"{gate}":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
    };
    let mut files = vec![
        Vec::new(),
        vec![255; 8],
        header(u64::MAX, "{}"),
        header(99_999_999, "{}"),
    ];
    for text in [
        tensor(0, 24, "[2, 3]"),
        tensor(24, 0, "[2, 3]"),
        tensor(0, u64::MAX, "[2, 3]"),
        tensor(0, 24, "[18446744073709551615, 18446744073709551615]"),
        tensor(0, 0, "[18446744073709551615, 0]"),
        tensor(0, 24, "[6]"),
        "{}".to_owned(),
        "[".repeat(100_000),
    ] {
        files.push(header(text.len() as u64, &text));
    }
    for (place, bytes) in files.into_iter().enumerate() {
        std::fs::write(&path, bytes).unwrap();
        hostile.input(format!("file {place}"), || {
            let answer = config.load(&[&path], &device);
            assert!(answer.is_err());
            answer
        });
    }
    hostile.finish();
}

#[test]
fn a_watch_stops_long_work() {
    let pathways = [0.2, 0.5, 0.9].map(|p| Pathway::of(&[vec![p, 1.0 - p]], 0.6).unwrap());
    let stop = Watch::new().until(|| true);
    let all = mean_distance(&pathways, Unit::Symbol).unwrap();
    let some = mean_distance_watched(&pathways, Unit::Symbol, &stop).unwrap();
    let first = pathways[1..]
        .iter()
        .map(|other| regimen_moe::pathways::distance(&pathways[0], other, Unit::Symbol) as f64);
    assert_eq!(some, first.sum::<f64>() / 2.0);
    assert!(all.is_finite());
    let dense = merge(&moe().experts, &[1.0, 1.0]).unwrap();
    let stopped = UpcycleConfig::new(2, 1).init_watched(&dense, &stop);
    assert!(matches!(stopped, Err(MoeError::Stopped { done: 1, .. })));
    let stopped = merge_watched(&moe().experts, &[1.0, 1.0], &stop);
    let said = MoeError::Stopped {
        work: "merge",
        done: 1,
        total: 2,
    };
    assert_eq!(stopped.unwrap_err().to_string(), said.to_string());
    let heard = Arc::new(AtomicUsize::new(0));
    let hears = heard.clone();
    let watch = Watch::new().with_progress(move |at| hears.store(at.done, Ordering::Relaxed));
    merge_watched(&moe().experts, &[1.0, 1.0], &watch).unwrap();
    assert_eq!(heard.load(Ordering::Relaxed), 2);
}

/// Loads that do not fit each other.
#[test]
fn loads() {
    let device = Device::flex();
    let load = |counts: usize, probabilities: usize, tokens: usize| Load {
        counts: Tensor::ones([counts], &device),
        probabilities: Tensor::ones([probabilities], &device),
        tokens: Tensor::ones([tokens], &device),
    };
    for (counts, probabilities, tokens) in [(2, 3, 1), (2, 2, 2), (3, 2, 1)] {
        let balance = GlobalBalance::new();
        assert!(balance.loss(&load(counts, probabilities, tokens)).is_err());
        assert!(balance.counts().unwrap().is_empty());
    }
    assert!(load(2, 2, 1).plus(load(3, 3, 1)).is_err());
    assert!(load(2, 2, 1).plus(load(2, 3, 1)).is_err());
}

/// A reducer that counts wrong.
struct Liar(usize, f64);

impl Reducer for Liar {
    fn participants(&self) -> usize {
        self.0
    }

    fn sum(&self, values: &mut [f64]) -> ReduceResult<()> {
        values.fill(self.1);
        Ok(())
    }

    fn gather(&self, _: &[f64]) -> ReduceResult<Vec<f64>> {
        Ok(Vec::new())
    }
}

#[test]
fn layers_reducers_and_selections() {
    let mut hostile = Hostile::new("moe layers");
    let device = Device::flex();
    let linear = |from, to, bias| LinearConfig::new(from, to).with_bias(bias).init(&device);
    for (up, down) in [
        (linear(3, 4, true), linear(4, 3, false)),
        (linear(3, 4, true), linear(5, 3, true)),
        (linear(3, 4, true), linear(4, 2, true)),
        (linear(3, 0, false), linear(0, 3, false)),
        (linear(0, 4, false), linear(4, 0, false)),
    ] {
        for gated in [false, true] {
            hostile.input("Experts::from_linear", || {
                let found = Experts::from_linear(&up, &down, Activation::Silu, gated);
                assert!(found.is_err());
                found
            });
        }
    }
    for count in COUNTS {
        for number in NUMBERS {
            hostile.input(format!("GlobalBalance::over, {count} {number}"), || {
                let balance = GlobalBalance::over(Arc::new(Liar(count, number)));
                let load = || Load {
                    counts: Tensor::full([2], number, &device),
                    probabilities: Tensor::ones([2], &device),
                    tokens: Tensor::ones([1], &device),
                };
                balance.loss(&load())?;
                balance.loss(&load())
            });
        }
        for shape in [[0, 0], [0, 4], [2, 0], [2, 4]] {
            hostile.input(format!("select, {count} of {shape:?}"), || {
                let ones = || Tensor::<2>::ones(shape, &device);
                let _ = select_sigmoid(ones(), count, 1, 1);
                let _ = select_sigmoid(ones(), 1, 2, count);
                select_sigmoid(ones() * f64::NAN, 1, count, 1)
            });
        }
    }
    let alone = GlobalBalance::over(Arc::new(Alone));
    assert!(alone.counts().unwrap().is_empty());
    hostile.finish();
}

#[test]
fn records_and_kernels() {
    let mut hostile = Hostile::new("moe records");
    let device = Device::flex();
    let record = || {
        let forward = moe().forward_with(Tensor::ones([1, 2, 3], &device), Tokens::default());
        forward.unwrap().1
    };
    for shape in [
        [0, 0],
        [0, 2],
        [2, 0],
        [2, 1],
        [usize::MAX, 0],
        [usize::MAX, 2],
        [1 << 63, 4],
    ] {
        let lying = Routing { shape, ..record() };
        hostile.input(format!("routing_weights, {shape:?}"), || {
            routing_weights(std::slice::from_ref(&lying))
        });
        hostile.input(format!("Pathway::of_batch, {shape:?}"), || {
            Pathway::of_batch(&[record(), lying.clone()], 0.5)
        });
    }
    let mut none = record();
    none.gating.probabilities = Tensor::zeros([2, 0], &device);
    assert!(routing_weights(&[none]).is_err());
    let valid = Some(Tensor::ones([5], &device));
    assert!(routing_weights(&[Routing { valid, ..record() }]).is_err());
    assert!(routing_weights(&[]).unwrap().is_empty());
    for number in NUMBERS {
        let mut record = record();
        record.gating.probabilities = Tensor::full([2, 2], number, &device);
        hostile.input(format!("Pathway::of_batch, {number}"), || {
            Pathway::of_batch(&[record.clone()], 0.5)
        });
        hostile.input(format!("Pathway::of_batch, threshold {number}"), || {
            Pathway::of_batch(&[record.clone()], number)
        });
        for other in NUMBERS {
            hostile.input(format!("kernel_dimension, {number} {other}"), || {
                let kernel = DMatrix::from_row_slice(2, 2, &[number, other, other, number]);
                let found = kernel_dimension(&kernel, 1.0);
                assert!(found.as_ref().is_ok_and(|d| d.is_finite()) || found.is_err());
                kernel_dimension(&DMatrix::from_element(1, 1, number), other)
            });
            hostile.input(format!("routing_kernel, {number} {other}"), || {
                let kernel = DMatrix::from_element(1, 1, other);
                kernel_dimension(&routing_kernel(&[vec![number]], &[kernel])?, 1.0)
            });
        }
    }
    for (rows, columns) in [(0, 0), (0, 1), (1, 0), (2, 1)] {
        let kernel = DMatrix::from_element(rows, columns, 1.0);
        hostile.input(format!("kernel_dimension, {rows} by {columns}"), || {
            kernel_dimension(&kernel, 1.0)
        });
        for weights in [vec![], vec![vec![]], vec![vec![1.0]], vec![vec![1.0]; 2]] {
            hostile.input(format!("routing_kernel, {rows} by {columns}"), || {
                routing_kernel(&weights, std::slice::from_ref(&kernel))
            });
        }
    }
    let hash = HashRouterConfig::new().with_buckets(4).init(2, 1, &device);
    let hash = Router::Hash(hash.unwrap());
    hostile.input("expert_embeddings, a hash router", || {
        expert_embeddings([&hash])
    });
    for shape in [[0, 0], [0, 2], [3, 0]] {
        let mut moe = moe();
        if let Router::Softmax(router) = &mut moe.router {
            router.weight = Param::from_tensor(Tensor::zeros(shape, &device));
        }
        assert!(expert_embeddings([&moe.router]).is_err(), "{shape:?}");
    }
    assert!(expert_embeddings([]).unwrap().is_empty());
    hostile.finish();
}
