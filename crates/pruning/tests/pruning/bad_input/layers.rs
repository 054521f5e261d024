//! Layers, methods and optimizers that fit nothing.

use burn::module::{Param, ParamGroup};
use burn::nn::attention::MultiHeadAttentionConfig;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNormConfig, Embedding, LayerNormConfig};
use regimen_pruning::mask::density::{erdos_renyi, erdos_renyi_kernel};
use regimen_pruning::rules::prune_global;
use regimen_pruning::shrink::coupled::{Coupled, group_norms, keep_together};
use regimen_pruning::shrink::heads::head_norms;
use regimen_pruning::shrink::structured::{
    channel_norms, keep_channels, keep_embeddings, keep_features, keep_input_channels, keep_inputs,
    unit_norms,
};
use regimen_tensor::Part;

use super::*;

/// A call that must be refused.
fn refused<T>(
    hostile: &mut Hostile,
    name: impl std::fmt::Display,
    call: impl FnOnce() -> regimen_pruning::Result<T>,
) {
    hostile.input(name, || {
        let result = call();
        assert!(result.is_err(), "accepted");
        result
    });
}

/// The first of so many units stays.
fn units(total: usize) -> Units {
    Units::largest(&vec![1.0; total], 1).unwrap()
}

fn param<const D: usize>(shape: [usize; D], value: f32) -> Param<Tensor<D>> {
    Param::from_tensor(Tensor::full(shape, value, &Device::flex()))
}

fn linear(shape: [usize; 2], bias: Option<usize>, value: f32) -> Linear {
    Linear {
        weight: param(shape, value),
        bias: bias.map(|size| param([size], value)),
    }
}

fn conv(shape: [usize; 4], bias: usize, value: f32) -> Conv2d {
    let mut conv = Conv2dConfig::new([2, 2], [3, 3]).init(&Device::flex());
    conv.weight = param(shape, value);
    conv.bias = Some(param([bias], value));
    conv
}

#[test]
fn norms_and_cuts_of_layers_that_fit_nothing() {
    let mut hostile = Hostile::new("pruning layers");
    let sides = [[0, 3], [3, 0], [0, 0], [3, 2]];
    for value in NUMBERS.map(|x| x as f32) {
        for shape in sides {
            let name = format!("{value} {shape:?}");
            let layer = linear(shape, None, value);
            hostile.input(format!("unit_norms {name}"), || {
                let norms = unit_norms(&layer)?;
                assert_eq!(norms.len(), shape[1]);
                assert!(shape[0] > 0 || norms.iter().all(|norm| *norm == 0.0));
                group_norms(&[Coupled::Outputs(&mut layer.clone())])
            });
            hostile.input(format!("keep_inputs {name}"), || {
                keep_inputs(&layer, &units(3))
            });
            let mut table = Embedding {
                weight: param(shape, value),
            };
            hostile.input(format!("keep_embeddings {name}"), || {
                keep_embeddings(&table, &units(2))
            });
            hostile.input(format!("group_norms {name}"), || {
                group_norms(&[Coupled::Embeddings(&mut table)])
            });
        }
        for shape in [[0, 2, 3, 3], [2, 0, 3, 3], [2, 2, 0, 3], [2, 2, 3, 3]] {
            let name = format!("{value} {shape:?}");
            let layer = conv(shape, shape[0], value);
            hostile.input(format!("channel_norms {name}"), || {
                let norms = channel_norms(&layer)?;
                assert_eq!(norms.len(), shape[0]);
                Ok::<_, PruningError>(())
            });
            hostile.input(format!("keep_output_channels {name}"), || {
                structured::keep_output_channels(&layer, &units(2))
            });
            hostile.input(format!("keep_input_channels {name}"), || {
                keep_input_channels(&layer, &units(2))
            });
        }
    }
    let three = units(3);
    refused(&mut hostile, "keep_outputs, a short bias", || {
        structured::keep_outputs(&linear([2, 3], Some(1), 1.0), &three)
    });
    refused(&mut hostile, "keep_inputs, others", || {
        keep_inputs(&linear([2, 3], None, 1.0), &three)
    });
    refused(&mut hostile, "keep_output_channels, a short bias", || {
        structured::keep_output_channels(&conv([3, 2, 3, 3], 1, 1.0), &three)
    });
    refused(&mut hostile, "keep_input_channels, groups", || {
        let mut layer = conv([3, 3, 3, 3], 3, 1.0);
        layer.groups = usize::MAX;
        keep_input_channels(&layer, &three)
    });
    refused(&mut hostile, "keep_embeddings, others", || {
        let table = Embedding {
            weight: param([3, 2], 1.0),
        };
        keep_embeddings(&table, &three)
    });
    for part in 0..5 {
        let mut norm = BatchNormConfig::new(3).init(&Device::flex());
        let short = || burn::module::RunningState::new(Tensor::ones([1], &Device::flex()));
        match part {
            0 => norm.gamma = param([1], 1.0),
            1 => norm.beta = param([1], 1.0),
            2 => norm.running_mean = short(),
            3 => norm.running_var = short(),
            _ => norm.gamma = param([0], 1.0),
        }
        refused(
            &mut hostile,
            format!("keep_channels, short part {part}"),
            || keep_channels(&norm, &three),
        );
    }
    for x in NUMBERS {
        hostile.input(format!("keep_channels {x}"), || {
            // Burn's own constructor takes no such numbers; a field takes them.
            let mut norm = BatchNormConfig::new(3).init(&Device::flex());
            (norm.epsilon, norm.momentum) = (x, x);
            let smaller = keep_channels(&norm, &three)?;
            assert_eq!(smaller.gamma.val().dims(), [1]);
            assert_eq!(smaller.epsilon.to_bits(), x.to_bits());
            Ok::<_, PruningError>(())
        });
    }
    for size in [0, 1, 4] {
        let mut norm = LayerNormConfig::new(3).init(&Device::flex());
        norm.beta = Some(param([size], 1.0));
        refused(&mut hostile, format!("keep_features, shift {size}"), || {
            keep_features(&norm, &three)
        });
    }
    hostile.finish();
}

#[test]
fn groups_and_heads_that_fit_nothing() {
    let mut hostile = Hostile::new("pruning groups");
    refused(&mut hostile, "group_norms, none", || group_norms(&[]));
    refused(&mut hostile, "group_norms, readers alone", || {
        group_norms(&[Coupled::Inputs(&mut linear([3, 2], None, 1.0))])
    });
    refused(&mut hostile, "group_norms, other numbers", || {
        group_norms(&[
            Coupled::Outputs(&mut linear([3, 2], None, 1.0)),
            Coupled::Outputs(&mut linear([2, 3], None, 1.0)),
        ])
    });
    hostile.input("keep_together, none", || keep_together(vec![], &units(3)));
    for n in COUNTS {
        let mut layer = linear([6, 2], None, 1.0);
        let mut first = linear([2, 3], None, 1.0);
        hostile.input(format!("keep_together, {n} places"), || {
            let group = vec![
                Coupled::Outputs(&mut first),
                Coupled::Flattened(&mut layer, n),
            ];
            let kept = keep_together(group, &units(3));
            assert_eq!(kept.is_ok(), n == 2);
            kept
        });
        let cut = n == 2;
        assert_eq!(
            first.weight.val().dims()[1] == 1,
            cut,
            "all layers or none of them"
        );
        let mut empty = linear([0, 2], None, 1.0);
        hostile.input(format!("keep_together, {n} places of nothing"), || {
            keep_together(vec![Coupled::Flattened(&mut empty, n)], &units(1))
        });
        let attention = || MultiHeadAttentionConfig::new(12, 3).init(&Device::flex());
        hostile.input(format!("head_norms, {n} heads"), || {
            let mut attention = attention();
            attention.n_heads = n;
            let norms = head_norms(&attention);
            assert_eq!(norms.is_ok(), [1, 2, 3].contains(&n));
            norms
        });
        hostile.input(format!("head_norms, {n} heads of nothing"), || {
            let mut attention = attention();
            attention.n_heads = n;
            attention.output = linear([0, 12], None, 1.0);
            let none = head_norms(&attention);
            assert!(none.is_err());
            attention.output = linear([12, 0], None, 1.0);
            head_norms(&attention)
        });
        hostile.input(format!("keep_heads of {n}"), || {
            let mut attention = attention();
            attention.d_k = n;
            keep_heads(&attention, &units(3))
        });
    }
    for x in NUMBERS {
        hostile.input(format!("head_norms {x}"), || {
            let mut attention = MultiHeadAttentionConfig::new(12, 3).init(&Device::flex());
            attention.output = linear([12, 12], None, x as f32);
            let norms = head_norms(&attention)?;
            assert_eq!(norms.len(), 3);
            Units::largest(&norms, 1)
        });
    }
    hostile.finish();
}

#[test]
fn decisions_over_layers_that_fit_nothing() {
    let mut hostile = Hostile::new("pruning decisions");
    let device = Device::flex();
    let flat = |size: usize, x: f64| Tensor::<1>::full([size], x as f32, &device);
    let drops = [
        DropRule::Magnitude,
        DropRule::NextToZero,
        DropRule::Halves,
        DropRule::Taylor,
    ];
    let growths = [
        GrowthRule::Random,
        GrowthRule::Unfired,
        GrowthRule::Gradient,
        GrowthRule::Momentum,
    ];
    let mut swap = |name: String, layer: &DeviceLayer, share: f64, fits: bool| {
        for drop in drops {
            for growth in growths {
                let mut layer = layer.clone();
                hostile.input(format!("{name} {drop:?} {growth:?} {share}"), || {
                    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
                    let before = layer.flags.active.clone();
                    let swapped = layer.swap(drop, share, Rounding::Up, growth, &mut rng);
                    if !fits {
                        assert!(swapped.is_err());
                        assert_eq!(layer.flags.active, before);
                    }
                    swapped
                });
            }
        }
    };
    for weights in [0, 1, 3] {
        for gradient in [None, Some(0), Some(3)] {
            for flags in [0, 1, 3] {
                let mut active = vec![true; flags];
                active.iter_mut().step_by(2).for_each(|on| *on = false);
                let given = gradient.map(|size| flat(size, 1.0));
                let layer = DeviceLayer::new(flat(weights, 1.0), given, active);
                let fits = weights == flags && gradient.is_none_or(|size| size == flags);
                let name = format!("DeviceLayer::new {weights} {gradient:?} {flags}");
                swap(name, &layer, 0.5, fits);
            }
        }
    }
    for x in NUMBERS {
        let active = vec![true, false, true];
        let mut layer = DeviceLayer::new(flat(3, x), Some(flat(3, x)), active.clone());
        layer.momentum = Some(flat(3, x));
        swap(format!("DeviceLayer::new of {x}"), &layer, 0.5, true);
        let layer = DeviceLayer::new(flat(3, 1.0), Some(flat(3, 1.0)), active);
        swap("DeviceLayer::new, share".into(), &layer, x, true);
    }
    for n in COUNTS {
        for x in NUMBERS {
            hostile.input(format!("prune_global {x} {n}"), || {
                let layer = |x: f64| Layer::new(vec![x as f32; 3], vec![], vec![true; 3]);
                let mut layers = [layer(1.0), layer(x)];
                prune_global(&mut layers, n)?;
                assert!(layers.iter().map(Layer::count).sum::<usize>() <= n.min(6));
                Ok::<_, PruningError>(())
            });
        }
        hostile.input(format!("prune_global, no layers, {n}"), || {
            prune_global(&mut [], n)
        });
        for size in [0, 2, 5] {
            hostile.input(format!("prune_global, {size} weights, {n}"), || {
                let mut layers = [Layer::new(vec![1.0; size], vec![], vec![true; 3])];
                let pruned = prune_global(&mut layers, n);
                assert!(pruned.is_err() || n >= 3);
                pruned
            });
        }
    }
    hostile.finish();
}

#[test]
fn densities_over_absurd_shapes() {
    let mut hostile = Hostile::new("pruning densities");
    let mut all: Vec<Vec<Vec<usize>>> = vec![vec![], vec![vec![]], vec![vec![0], vec![3, 3]]];
    for n in COUNTS {
        all.extend([
            vec![vec![n]],
            vec![vec![n], vec![2, 3, 4]],
            vec![vec![n, n], vec![2]],
        ]);
    }
    for shapes in all {
        for x in NUMBERS {
            for (name, rule) in [
                (
                    "erdos_renyi",
                    erdos_renyi as fn(&[Vec<usize>], f64) -> regimen_pruning::Result<Vec<f64>>,
                ),
                ("erdos_renyi_kernel", erdos_renyi_kernel),
            ] {
                hostile.input(format!("{name} {shapes:?} {x}"), || {
                    let densities = rule(&shapes, x)?;
                    assert_eq!(densities.len(), shapes.len());
                    assert!(densities.iter().all(|d| (0.0..=1.0).contains(d)));
                    Ok::<_, PruningError>(())
                });
            }
        }
    }
    hostile.finish();
}

#[test]
fn sweeps_with_factors_that_fit_nothing() {
    let mut hostile = Hostile::new("pruning sweeps");
    let device = Device::flex();
    let patterns = || {
        let shares = NUMBERS.map(Pattern::Share);
        let groups = COUNTS.map(|n| [Pattern::NOfM { n, m: 2 }, Pattern::NOfM { n: 1, m: n }]);
        shares.into_iter().chain(groups.into_iter().flatten())
    };
    for shape in [[0, 4], [3, 0], [0, 0], [3, 4]] {
        let factor = DMatrix::identity(shape[1], shape[1]);
        for pattern in patterns() {
            for block in [0, 1, 2, 3, 4, usize::MAX] {
                let name = format!("prune_pattern {shape:?} {pattern:?} {block}");
                hostile.input(name, || {
                    let weights = Tensor::<2>::ones(shape, &device);
                    let pruned = sparsegpt::prune_pattern(weights, &factor, pattern, block)?;
                    assert_eq!(pruned.dims(), shape);
                    Ok::<_, PruningError>(())
                });
            }
        }
    }
    for factor in [(0, 0), (3, 4), (4, 3), (5, 5)] {
        let factor = DMatrix::from_element(factor.0, factor.1, 1.0);
        refused(&mut hostile, "prune_pattern, another factor", || {
            let weights = Tensor::ones([3, 4], &device);
            sparsegpt::prune_pattern(weights, &factor, Pattern::Share(0.5), 2)
        });
    }
    for x in NUMBERS {
        for pattern in [Pattern::Share(0.5), Pattern::NOfM { n: 1, m: 2 }] {
            hostile.input(format!("prune_pattern, factor {x}"), || {
                let factor = DMatrix::from_element(4, 4, x);
                sparsegpt::prune_pattern(Tensor::ones([3, 4], &device), &factor, pattern, 2)
            });
            let weights = Tensor::<2>::full([3, 4], x as f32, &device);
            let name = format!("prune_pattern, weights {x}");
            let prune =
                || sparsegpt::prune_pattern(weights.clone(), &DMatrix::identity(4, 4), pattern, 2);
            if (x as f32).is_finite() {
                hostile.input(name, prune);
            } else {
                refused(&mut hostile, name, prune);
            }
        }
    }
    hostile.finish();
}

/// A method that returns whatever it likes. Without a name in its `Debug`.
struct Absurd {
    active: Option<usize>,
    kept: Option<usize>,
    grown: usize,
    timing: Timing,
    momentum: bool,
}

impl std::fmt::Debug for Absurd {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl SparseMethod for Absurd {
    fn timing(&self, _: usize) -> Timing {
        self.timing
    }

    fn needs_gradients(&self) -> bool {
        true
    }

    fn needs_momentum(&self) -> bool {
        self.momentum
    }

    fn update(&self, _: &Event, layers: &mut [Layer]) -> regimen_pruning::Result<usize> {
        for layer in layers {
            for (flags, size) in [
                (&mut layer.active, self.active),
                (&mut layer.kept, self.kept),
            ] {
                flags.resize(size.unwrap_or(flags.len()), true);
            }
        }
        Ok(self.grown)
    }
}

#[test]
fn methods_and_masks_that_fit_nothing() {
    let mut hostile = Hostile::new("pruning methods");
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let other = LinearConfig::new(3, 3).init(&device);
    let sizes = [None, Some(0), Some(100), Some(240), Some(1000)];
    for timing in [Timing::None, Timing::After, Timing::Instead] {
        for active in sizes {
            for kept in sizes {
                for momentum in [false, true] {
                    let method = || Absurd {
                        active,
                        kept,
                        grown: usize::MAX,
                        timing,
                        momentum,
                    };
                    let name = format!("{timing:?} {active:?} {kept:?} {momentum}");
                    hostile.input(format!("Pruner::new {name}"), || {
                        let pruner = Pruner::new(method(), Masks::dense(&net)?, u64::MAX);
                        let (mut net, mut optim) = (net.clone(), sgd());
                        for at in 0..2 {
                            net = step(net, &pruner, &mut optim, at, &device);
                        }
                        assert_eq!(pruner.masks().total(), 340);
                        assert_eq!(pruner.masks().count(), 340);
                        assert!(!pruner.kind().is_empty());
                        let fits = active.is_none() && kept.is_none();
                        let status = pruner.status();
                        assert!(timing == Timing::None || fits || status.is_err());
                        status.map_err(PruningError::Failed)
                    });
                    hostile.input(format!("SparseTraining::new {name}"), || {
                        let masks = Masks::dense(&other)?;
                        let mut training = SparseTraining::new(method(), masks, u64::MAX);
                        let grads = GradientsParams::new();
                        let (_, result) =
                            training.optimize(net.clone(), &mut sgd(), f64::NAN, grads);
                        assert!(result.is_err());
                        assert_eq!(training.state().masks.total(), 9);
                        result
                    });
                }
            }
        }
    }
    hostile.input("Pruner::new, masks of another model", || {
        let pruner = GraNetConfig::new(0.5, 10).init(&other)?;
        let refused = pruner.mask(net.clone()).map(drop);
        assert!(refused.is_err());
        refused
    });
    hostile.finish();
}

#[test]
fn optimizers_and_groups_of_other_models() {
    let mut hostile = Hostile::new("pruning optimizers");
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let other = Masks::dense(&LinearConfig::new(3, 3).init(&device)).unwrap();
    let half = |masks: Masks| masks.random(Layout::Uniform, 0.5, 1).unwrap();
    let own = Masks::dense(&net).unwrap();
    let made: [fn() -> ModuleOptimizer; 3] = [
        sgd,
        || SgdConfig::new().init(),
        || AdamWConfig::new().init(),
    ];
    for (i, make) in made.into_iter().enumerate() {
        let fresh = make();
        refused(&mut hostile, format!("momenta, fresh {i}"), || {
            momenta(&fresh, &own)
        });
        let mut stepped = make();
        let pruner = GraNetConfig::new(0.5, 10).init(&net).unwrap();
        let _ = step(net.clone(), &pruner, &mut stepped, 0, &device);
        refused(&mut hostile, format!("momenta, another model {i}"), || {
            momenta(&stepped, &other)
        });
        hostile.input(format!("momenta {i}"), || momenta(&stepped, &own));
        for (name, masks) in [("other", half(other.clone())), ("own", half(own.clone()))] {
            for mut optim in [fresh.clone(), stepped.clone()] {
                hostile.input(format!("mask_optimizer, {name} {i}"), || {
                    mask_optimizer(&mut optim, &masks)
                });
            }
        }
    }
    let none: Vec<String> = vec![];
    for (name, group) in [
        ("no ids", ParamGroup::from_ids(vec![])),
        ("no path", ParamGroup::from_path("")),
        (
            "a long path",
            ParamGroup::from_path("weight.".repeat(100_000)),
        ),
        ("no paths", ParamGroup::from_paths(none)),
        (
            "other ids",
            ParamGroup::from_ids(vec![other.layers()[0].id]),
        ),
        ("a bias", ParamGroup::from_path("first.bias")),
    ] {
        refused(&mut hostile, format!("Masks::dense_of, {name}"), || {
            Masks::dense_of(&net, &group)
        });
    }
    refused(&mut hostile, "Masks::dense_of, no weights", || {
        let norm = LayerNormConfig::new(3).init(&device);
        Masks::dense_of(&norm, &ParamGroup::all())
    });
    hostile.finish();
}

#[cfg(feature = "plot")]
#[test]
fn pictures_of_any_report_and_size() {
    use regimen_pruning::mask::inspect::{Report, picture, report};

    let mut hostile = Hostile::new("pruning pictures");
    let masks = Masks::dense(&Net::new(&Device::flex())).unwrap();
    let whole = report(&masks, |_| usize::MAX);
    for size in [0, 1, 10, 60, 300, 1 << 15, (1 << 15) + 1, u32::MAX] {
        hostile.input(format!("picture {size}"), || picture(&whole, size, 300));
        hostile.input(format!("picture, height {size}"), || {
            picture(&whole, 300, size)
        });
    }
    for x in NUMBERS {
        let mut report = whole.clone();
        report.layers[0].density = x;
        hostile.input(format!("picture, density {x}"), || {
            let drawn = picture(&report, 300, 200);
            assert_eq!(drawn.is_ok(), (0.0..=1.0).contains(&x));
            drawn
        });
    }
    let none = Report {
        layers: vec![],
        ..whole
    };
    refused(&mut hostile, "picture, no layers", || {
        picture(&none, 300, 200)
    });
    hostile.finish();
}
