//! Every public constructor, configuration and reader, with arguments that no one expects: an error or a value, soon.

use burn::nn::conv::Conv2dConfig;
use regimen_pruning::after::sparsegpt::{self, hessian};
use regimen_pruning::after::{self, Calibration, Pattern, Rule, n_m, wanda};
use regimen_pruning::mask::checkpoint::{self, Framework};
use regimen_pruning::mask::inspect;
use regimen_pruning::shrink::heads::keep_heads;
use regimen_pruning::shrink::structured::{self, Units};
use regimen_tensor::linalg::DMatrix;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use super::*;

#[path = "bad_input/layers.rs"]
mod layers;

/// Steps under a pruner, if the configuration made one.
fn used(name: &str, net: &Net, made: regimen_pruning::Result<Pruner>, hostile: &mut Hostile) {
    let device = net.first.weight.val().device();
    hostile.input(name, || {
        let pruner = made?;
        let mut net = pruner.mask(net.clone())?;
        let mut optim = sgd();
        for at in 0..2 {
            net = step(net, &pruner, &mut optim, at, &device);
        }
        pruner.status().map_err(PruningError::Failed)
    });
}

#[test]
fn configurations_are_refused_or_serve() {
    let mut hostile = Hostile::new("pruning configurations");
    let net = Net::new(&Device::flex().autodiff());
    for x in NUMBERS {
        let at = |name: &str| format!("{name} {x}");
        for (name, made) in [
            ("GraNet final_sparsity", GraNetConfig::new(x, 10).init(&net)),
            (
                "GraNet initial_sparsity",
                GraNetConfig::new(0.5, 10)
                    .with_initial_sparsity(x)
                    .with_update_every(1)
                    .init(&net),
            ),
            (
                "GraNet swap_start",
                GraNetConfig::new(0.5, 10)
                    .with_swap_start(x)
                    .with_update_every(1)
                    .init(&net),
            ),
            (
                "GraNet swap_end",
                GraNetConfig::new(0.5, 10)
                    .with_swap_end(x)
                    .with_update_every(1)
                    .init(&net),
            ),
            (
                "Magnitude",
                MagnitudeConfig::new(x, 10).with_update_every(1).init(&net),
            ),
            (
                "RigL sparsity",
                RigLConfig::new(x, 200).with_update_every(1).init(&net),
            ),
            (
                "RigL until",
                RigLConfig::new(0.5, 200)
                    .with_until(x)
                    .with_update_every(1)
                    .init(&net),
            ),
            (
                "RigL alpha",
                RigLConfig::new(0.5, 200)
                    .with_alpha(x)
                    .with_update_every(1)
                    .init(&net),
            ),
            (
                "SET fraction",
                SetConfig::new(0.5, 200)
                    .with_fraction(x)
                    .with_update_every(1)
                    .init(&net),
            ),
            (
                "SET until",
                SetConfig::new(0.5, 200)
                    .with_until(x)
                    .with_update_every(1)
                    .init(&net),
            ),
            (
                "DynamicSparse swap_start",
                DynamicSparseConfig::new(0.5, 10)
                    .with_swap_start(x)
                    .with_update_every(1)
                    .init(&net),
            ),
        ] {
            used(&at(name), &net, made, &mut hostile);
        }
        hostile.input(at("Movement"), || MovementConfig::new(x, 10).init(&net));
        hostile.input(at("TopKast forward"), || {
            TopKastConfig::new(x, 1.0).init(&net)
        });
        hostile.input(at("TopKast backward"), || {
            TopKastConfig::new(0.5, x).init(&net)
        });
        hostile.input(at("TopKast penalty"), || {
            TopKastConfig::new(0.5, 0.6).with_penalty(x).init(&net)
        });
        hostile.input(at("PerTask density"), || PerTaskConfig::new(x).init(&net));
        hostile.input(at("PerTask until"), || {
            PerTaskConfig::new(0.5).with_until(x).init(&net)
        });
        hostile.input(at("PerTask swap"), || {
            PerTaskConfig::new(0.5)
                .with_swap_start(x)
                .with_swap_end(x)
                .init(&net)
        });
        hostile.input(at("CubicSparsity"), || CubicSparsity::new(x, 0.9, 0, 10));
        hostile.input(at("CubicSparsity last"), || {
            CubicSparsity::new(0.0, x, 10, 0)
        });
    }
    for n in COUNTS {
        let at = |name: &str| format!("{name} {n}");
        for (name, made) in [
            (
                "GraNet total_steps",
                GraNetConfig::new(0.5, n).with_update_every(1).init(&net),
            ),
            (
                "GraNet update_every",
                GraNetConfig::new(0.5, 10).with_update_every(n).init(&net),
            ),
            (
                "GraNet prune_from",
                GraNetConfig::new(0.5, 10).with_prune_from(n).init(&net),
            ),
            (
                "GraNet prune_until",
                GraNetConfig::new(0.5, usize::MAX)
                    .with_prune_until(Some(n))
                    .init(&net),
            ),
            (
                "RigL total_steps",
                RigLConfig::new(0.5, n).with_update_every(1).init(&net),
            ),
            (
                "RigL update_every",
                RigLConfig::new(0.5, usize::MAX)
                    .with_update_every(n)
                    .init(&net),
            ),
            (
                "SET total_steps",
                SetConfig::new(0.5, n).with_update_every(1).init(&net),
            ),
        ] {
            used(&at(name), &net, made, &mut hostile);
        }
        hostile.input(at("Movement total_steps"), || {
            MovementConfig::new(0.5, n).init(&net)
        });
        hostile.input(at("Movement update_every"), || {
            MovementConfig::new(0.5, 10).with_update_every(n).init(&net)
        });
        hostile.input(at("Movement prune_until"), || {
            MovementConfig::new(0.5, 10)
                .with_prune_until(Some(n))
                .init(&net)
        });
        hostile.input(at("TopKast update_every"), || {
            TopKastConfig::new(0.5, 0.6).with_update_every(n).init(&net)
        });
        hostile.input(at("PerTask begin"), || {
            PerTaskConfig::new(0.5).init(&net)?.begin(net.clone(), n)
        });
        hostile.input(at("PerTask model_of"), || {
            PerTaskConfig::new(0.5).init(&net)?.model_of(n, net.clone())
        });
        hostile.input(at("CubicSparsity"), || {
            CubicSparsity::new(0.0, 0.9, n, usize::MAX)
        });
    }
    hostile.finish();
}

#[test]
fn masks_densities_and_rules_take_anything() {
    let mut hostile = Hostile::new("pruning masks");
    let device = Device::flex();
    let net = Net::new(&device);
    let dense = || Masks::dense(&net).unwrap();
    let shapes = vec![vec![12, 20], vec![20, 5]];
    for x in NUMBERS {
        let at = |name: &str| format!("{name} {x}");
        for layout in [Layout::Erk, Layout::ErdosRenyi, Layout::Uniform] {
            hostile.input(at("densities"), || layout.densities(&shapes, x));
            hostile.input(at("random"), || dense().random(layout, x, 1));
        }
        hostile.input(at("epsilon"), || density::erdos_renyi_epsilon(&shapes, x));
        let _ = (density::keep(10, x), density::counts(&shapes, &[x, x]));
        hostile.input(at("keep_top"), || {
            dense().keep_top(&[vec![1.0; 240], vec![1.0; 100]], x)
        });
        hostile.input(at("keep_top of"), || {
            dense().keep_top(&[vec![x as f32; 240], vec![1.0; 100]], 0.5)
        });
        hostile.input(at("magnitude"), || after::magnitude(&net, dense(), x));
        hostile.input(at("magnitude_per_layer"), || {
            after::magnitude_per_layer(&net, dense(), x)
        });
        hostile.input(at("rewind"), || {
            lottery::rewind(&net, net.clone(), dense(), x)
        });
        hostile.input(at("find"), || {
            lottery::find(net.clone(), dense(), x, 2, |net, _| Ok(net))
        });
        let _ = (
            lottery::density_after(usize::MAX, x),
            Rounding::Up.of(x, 7),
            Rounding::Down.of(x, 7),
        );
        for drop in [
            DropRule::Magnitude,
            DropRule::NextToZero,
            DropRule::Halves,
            DropRule::Taylor,
        ] {
            for growth in [
                GrowthRule::Random,
                GrowthRule::Unfired,
                GrowthRule::Gradient,
                GrowthRule::Momentum,
            ] {
                let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
                let mut layer = Layer::new(vec![x as f32, 1.0], vec![], vec![true, false]);
                hostile.input(at("swap"), || {
                    layer.swap(drop, 0.5, Rounding::Up, growth, &mut rng)
                });
                let mut layer =
                    Layer::new(vec![1.0, 2.0, 3.0], vec![1.0; 3], vec![true, false, true]);
                hostile.input(at("swap share"), || {
                    layer.swap(drop, x, Rounding::Up, growth, &mut rng)
                });
            }
        }
        let mut layers = vec![Layer::new(vec![1.0; 4], vec![], vec![true; 4]); 2];
        hostile.input(at("prune_uniform"), || prune_uniform(&mut layers, x));
        hostile.input(at("Wanda"), || {
            wanda::mask(
                Tensor::ones([3, 4], &device),
                Tensor::ones([4], &device) * x as f32,
                0.5,
            )
        });
        hostile.input(at("Wanda share"), || {
            wanda::mask(Tensor::ones([3, 4], &device), Tensor::ones([4], &device), x)
        });
        hostile.input(at("hessian"), || {
            hessian(&DMatrix::from_element(3, 2, 1.0), x)
        });
        hostile.input(at("hessian of"), || {
            sparsegpt::upper_factor(hessian(&DMatrix::from_element(3, 2, x), 0.01)?)
        });
        for rule in [
            Rule::Magnitude,
            Rule::Wanda,
            Rule::SPARSE_GPT,
            Rule::SparseGpt {
                damping: x,
                block: 2,
            },
        ] {
            for value in [1.0, x as f32] {
                let layer = || {
                    after::prune_layer(
                        Tensor::<2>::ones([3, 4], &device) * value,
                        Tensor::<2>::ones([5, 4], &device) * value,
                        rule,
                        Pattern::Share(if value == 1.0 { x } else { 0.5 }),
                    )
                };
                hostile.input(at("prune_layer"), layer);
            }
        }
        let flow = |_: &Net| Ok(ParamVector::of(&net));
        hostile.input(at("SynFlow"), || {
            synflow::synflow(&net, dense(), x, 2, flow)
        });
        hostile.input(at("GraSP"), || grasp::grasp(&net, dense(), x, flow));
        hostile.input(at("SNIP"), || {
            snip::snip(&net, &GradientsParams::new(), dense(), x)
        });
        hostile.input(at("Units"), || Units::largest(&[x as f32, 1.0], 1));
        hostile.input(at("accuracy"), || AccuracyMatrix::new(2)?.set(0, 0, x));
        let _ = penalty(&[x as f32], &[true], &[true], x, x);
    }
    for n in COUNTS {
        let at = |name: &str| format!("{name} {n}");
        hostile.input(at("densities"), || {
            Layout::Erk.densities(&[vec![n, n], vec![2]], 0.5)
        });
        hostile.input(at("uniform"), || density::uniform(&[vec![n], vec![n]], 0.5));
        let _ = (
            density::counts(&[vec![n, n], vec![2]], &[0.5, 0.5]),
            density::keep(n, 0.5),
        );
        // 2^31 flags fit in memory and take their time.
        if n != 1 << 31 {
            hostile.input(at("random"), || density::random(&[n], &[1], 1));
        }
        hostile.input(at("random counts"), || density::random(&[3], &[n], 1));
        hostile.input(at("n_m"), || n_m::mask(&[1.0; 8], n, 4));
        hostile.input(at("n_m m"), || n_m::mask(&[1.0; 8], 1, n));
        hostile.input(at("n_m keep"), || {
            n_m::keep(Tensor::ones([2, 8], &device), 1, n)
        });
        for rule in [
            Rule::Magnitude,
            Rule::SPARSE_GPT,
            Rule::SparseGpt {
                damping: 0.01,
                block: n,
            },
        ] {
            for pattern in [
                Pattern::NOfM { n, m: 4 },
                Pattern::NOfM { n: 1, m: n },
                Pattern::Share(0.5),
            ] {
                hostile.input(at("prune_layer"), || {
                    after::prune_layer(
                        Tensor::ones([3, 8], &device),
                        Tensor::ones([5, 8], &device),
                        rule,
                        pattern,
                    )
                });
            }
        }
        // Rounds that are allowed run.
        if n == 0 || n > 10_000 {
            hostile.input(at("SynFlow"), || {
                synflow::synflow(&net, dense(), 0.5, n, |_| Ok(ParamVector::of(&net)))
            });
            hostile.input(at("find"), || {
                lottery::find(net.clone(), dense(), 0.2, n, |net, _| Ok(net))
            });
        }
        hostile.input(at("Units"), || Units::largest(&[1.0, 2.0], n));
        hostile.input(at("flattened"), || {
            Units::largest(&[1.0, 2.0], 1)?.flattened(if n == 1 << 31 { 4 } else { n })
        });
        hostile.input(at("AccuracyMatrix"), || AccuracyMatrix::new(n));
        hostile.input(at("AccuracyMatrix set"), || {
            AccuracyMatrix::new(2)?.set(n, n, 0.5)
        });
        let _ = AccuracyMatrix::new(2).unwrap().backward_transfer(n);
        let _ = AccuracyMatrix::new(2)
            .unwrap()
            .forward_transfer(n.min(1 << 60));
        let _ = inspect::output_side(n, n, n, n, n);
        for (inputs, outputs, count) in [(n, 1, 0), (1, n, 0), (2, 2, n), (n, n, n)] {
            // Sides up to 2^26 take memory of their size.
            if inputs.max(outputs) != 1 << 31 {
                hostile.input(at("with_count"), || {
                    SparseLinear::with_count(inputs, outputs, count, true, &device)
                });
            }
        }
        hostile.input(at("apply"), || {
            SparseLinear::new(&net.first)?.apply(&vec![1.0; n.min(100)])
        });
    }
    hostile.finish();
}

#[test]
fn shapes_files_and_other_models_are_refused() {
    let mut hostile = Hostile::new("pruning readers");
    let device = Device::flex();
    let net = Net::new(&device);
    let dense = || Masks::dense(&net).unwrap();
    for scores in [
        vec![],
        vec![vec![]],
        vec![vec![1.0; 3]; 2],
        vec![vec![f32::NAN; 240], vec![1.0; 100]],
    ] {
        let error = dense().keep_top(&scores, 0.5).unwrap_err().to_string();
        assert!(error.contains("scores"), "{error}");
        hostile.input("keep_top", || dense().keep_top(&scores, 0.5));
    }
    hostile.input("set", || dense().set(vec![vec![true]]));
    hostile.input("no shapes", || Layout::Erk.densities(&[], 0.5));
    hostile.input("empty shapes", || {
        Layout::Erk.densities(&[vec![], vec![0]], 0.5)
    });
    hostile.input("no sizes", || density::random(&[], &[], 1));
    let mut calibration = Calibration::new(Rule::Wanda);
    hostile.input("no rows", || calibration.norms());
    hostile.input("empty rows", || {
        calibration.add(Tensor::zeros([0, 3], &device))
    });
    hostile.input("prune", || {
        after::prune(
            net.clone(),
            dense(),
            Rule::Wanda,
            Pattern::Share(0.5),
            |_, _| Tensor::ones([2, 3], &device),
        )
    });
    hostile.input("prune_on", || {
        after::prune_on(
            net.clone(),
            dense(),
            Rule::Wanda,
            Pattern::Share(0.5),
            &[(); 0],
            |_, (), _| {},
        )
    });
    hostile.input("prune_on, no call", || {
        after::prune_on(
            net.clone(),
            dense(),
            Rule::Wanda,
            Pattern::Share(0.5),
            &[()],
            |_, (), _| {},
        )
    });
    let other = LinearConfig::new(3, 3).init(&device);
    hostile.input("apply", || dense().apply(other.clone()));
    hostile.input("rebind", || dense().rebind(&other));
    hostile.input("agreement", || {
        inspect::agreement(&dense(), &Masks::dense(&other)?)
    });
    let units = Units::largest(&[1.0, 2.0], 1).unwrap();
    hostile.input("keep_outputs", || structured::keep_outputs(&other, &units));
    let attention = burn::nn::attention::MultiHeadAttentionConfig::new(12, 3).init(&device);
    hostile.input("keep_heads", || keep_heads(&attention, &units));
    let grouped = Conv2dConfig::new([2, 2], [3, 3])
        .with_groups(2)
        .init(&device);
    hostile.input("keep_output_channels", || {
        structured::keep_output_channels(&grouped, &units)
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    checkpoint::save(&net, &dense(), &path, Framework::Burn).unwrap();
    let (file, masks) = (
        std::fs::read(&path).unwrap(),
        std::fs::read(checkpoint::masks_path(&path)).unwrap(),
    );
    for cut in [0, 1, 8, 9, 100, file.len() / 2, file.len() - 1] {
        std::fs::write(&path, &file[..cut]).unwrap();
        let read = || checkpoint::load(Net::new(&device), &path, Framework::Burn);
        assert!(read().is_err(), "a model cut at {cut}");
        hostile.input(format!("model cut at {cut}"), read);
    }
    std::fs::write(&path, &file).unwrap();
    for cut in [0, 1, 50, masks.len() - 1] {
        std::fs::write(checkpoint::masks_path(&path), &masks[..cut]).unwrap();
        let read = || checkpoint::load(Net::new(&device), &path, Framework::Burn);
        assert!(read().is_err(), "masks cut at {cut}");
    }
    hostile.input("no file", || {
        checkpoint::load_model(net.clone(), &folder.path().join("none"), Framework::PyTorch)
    });
    hostile.finish();
}

#[test]
fn messages_name_the_argument_that_was_given() {
    let text = |result: regimen_pruning::Result<Units>| result.unwrap_err().to_string();
    for keep in [0, 65] {
        let error = text(Units::largest(&[1.0; 64], keep));
        assert!(
            error.contains("`keep`") && error.contains("1 to 64"),
            "{error}"
        );
    }
    let error = n_m::mask(&[1.0; 8], 1, 0).unwrap_err().to_string();
    assert!(error.contains("`m`") && !error.contains("`n`"), "{error}");
    let error = Layout::Uniform.densities(&[], 0.5).unwrap_err().to_string();
    assert!(error.contains("`shapes`"), "{error}");
    let layer = LinearConfig::new(4, 3).init(&Device::flex());
    let units = Units::largest(&[1.0, 2.0], 1).unwrap();
    let error = structured::keep_outputs(&layer, &units)
        .unwrap_err()
        .to_string();
    assert!(!error.contains("mask"), "{error}");
}
