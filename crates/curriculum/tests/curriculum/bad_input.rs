//! Absurd arguments for every public constructor, configuration and function.

mod acquisition;
mod order;
mod robust;
mod tasks;
mod transfer;

use std::ops::RangeInclusive;
use std::sync::Arc;

use burn::data::dataset::Dataset;
use burn::nn::LinearConfig;
use burn::tensor::{DType, Device, Tensor};
use rand::SeedableRng;
use regimen_curriculum::ability::irt::{
    AbilityEstimate, Estimator, IrtConfig, IrtModel, ItemParameters, Responses, VariationalConfig,
    ability,
};
use regimen_curriculum::ability::mastery::{
    ClusterDrawsConfig, DpMeansConfig, DpRule, FirstCentre, KMeansConfig, Node2Vec,
    PairSampleConfig, Points, RefinementConfig, Step, WordVectorsConfig, alignment,
    attention_similarity, blend, equal_draws, farthest_first, in_order, jaccard, label_agreement,
    positions,
};
use regimen_curriculum::select::kmeans::{cluster, cuts};
use regimen_curriculum::select::seta::window;
use regimen_curriculum::select::{el2n, grand};
use regimen_curriculum::text::{
    Aggregation, Bm25Config, Bm25Shots, Bm25Variant, CodeBleu, DecontaminationConfig, Evaluation,
    FixedShots, KeepRate, LikenessConfig, NearDuplicatesConfig, RandomShots, Scored, Shots,
    TargetVectors, TextClassifierConfig, TextTokens, Threshold, TokenWindows, Vectors, Verify,
    balanced, bleu4, centroid, centroids, code_tokens, exact_match, rouge_l, rouge_n,
};
use regimen_curriculum::{
    AbilityPacedConfig, AdaptiveBatchConfig, BatchNormGroups, BatchNormStatistics, BatchSizes,
    BatchTest, Chosen, CurriculumLoader, DynamicRandom, GradientMoments, GradientStatistics,
    InfoBatchConfig, LiveBatchSize, LrBySamples, MicroBatches, MultigridConfig, Replay, Sampler,
    SetaConfig, StaticSubset, SubBatchNormConfig, Uniform, combined_variance, jitter_range,
    merge_groups, split, temporal_strides,
};
use regimen_curriculum::{AdaptiveDifficultyConfig, difficulty, normalised_inversions};
use regimen_curriculum::{
    EasyFirst, Forgetting, MixtureConfig, Pacing, Prioritised, ReplayDraw, ReplayMixConfig,
    SelfPaced, Weighted, mixture_weights,
};
use regimen_schedules::{Lambda, Linear};
use regimen_tensor::ParamVector;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use super::states::run;
use super::trainings::{Batch, Stack, Watched, items};

/// Two epochs, where memory allows.
fn planned<E>(sampler: Result<impl Sampler, E>) -> Result<(), E> {
    let mut sampler = sampler?;
    for _ in 0..2 {
        let ids = sampler.plan().ids;
        assert!(!ids.is_empty());
        assert!(sampler.observe(&ids, &vec![1.0; ids.len()]).is_ok());
    }
    assert!(sampler.observe(&[usize::MAX], &[1.0]).is_err());
    assert!(sampler.observe(&[0], &[f32::NAN]).is_err());
    Ok(())
}

#[test]
fn samplers() {
    let mut hostile = Hostile::new("curriculum samplers");
    for n in COUNTS {
        hostile.input(format!("Uniform {n}"), || {
            planned(Uniform::new(n, u64::MAX))
        });
        for share in NUMBERS {
            let name = format!("{n} examples, share {share}");
            for seed in [0, u64::MAX] {
                hostile.input(&name, || planned(DynamicRandom::new(n, share, seed)));
                hostile.input(&name, || planned(StaticSubset::new(n, share, seed)));
            }
        }
        for m in COUNTS {
            let name = format!("replay of {n} for {m}");
            hostile.input(&name, || {
                planned(ReplayMixConfig::new(0.25, 4).init(&[n, n], m))
            });
            let config = ReplayMixConfig::new(0.25, n).with_batches(m);
            hostile.input(&name, || planned(config.init(&[40], 90)));
            let config = ReplayMixConfig::new(0.25, 4).with_devices(m);
            hostile.input(&name, || {
                let (data, stack) = (items(20), Arc::new(Stack(DType::F32)));
                let old: Vec<Arc<dyn Dataset<usize>>> = vec![data.clone(); m.min(3)];
                config.loader(old, data, stack, &Device::flex()).map(drop)
            });
            hostile.input(&name, || {
                let windows = TokenWindows::new(vec![0_u8; 50], n)?.with_stride(m)?;
                assert_eq!(
                    windows.get(windows.len() - 1).map(|one| one.len()).ok(),
                    Some(n + 1)
                );
                assert!(windows.get(usize::MAX).is_err());
                Ok::<_, regimen_curriculum::CurriculumError>(())
            });
            hostile.input(format!("{m} chosen of {n}"), || {
                planned(Chosen::new(n, vec![m, 0, 1], u64::MAX))
            });
            let name = format!("{n} examples or groups, {m} epochs");
            hostile.input(&name, || planned(SetaConfig::new(m).init(n)));
            hostile.input(&name, || {
                planned(SetaConfig::new(m).with_groups(n).init(40))
            });
            hostile.input(&name, || planned(InfoBatchConfig::new(m).init(n)));
        }
    }
    for a in NUMBERS {
        for b in NUMBERS {
            hostile.input(format!("a share of {a}, alpha {b}"), || {
                planned(Prioritised::new(9, a, b, 1))
            });
            hostile.input(format!("weights {a} and {b}"), || {
                planned(Weighted::new(&[a, b, 1.0], 0.5, 1))
            });
            hostile.input(format!("a share of {a} by weights"), || {
                planned(Weighted::new(&[0.0, b], a, 1))
            });
            hostile.input(format!("domains of weights {a} and {b}"), || {
                let config = MixtureConfig::new(vec![a, b, 0.0]);
                planned(config.init(&[0, 1, 1, 0]))?;
                let config = config.with_until(vec![b, a, 1.0], 2).with_length(2);
                let mut mixture = config.init(&[0, 1, 1, 0])?;
                mixture.set_weights(&[b, 0.0, a])?;
                let sum: f64 = mixture.shares().iter().sum();
                assert!((sum - 1.0).abs() < 1e-9, "{sum}");
                planned(Ok::<_, regimen_curriculum::CurriculumError>(mixture))
            });
            for draw in [ReplayDraw::Even, ReplayDraw::Round, ReplayDraw::Sample] {
                hostile.input(format!("{draw:?} replay of {a} with weight {b}"), || {
                    let config = ReplayMixConfig::new(a, 3).with_draw(draw);
                    let config = config.with_weights(vec![b, a, 0.0]);
                    planned(config.with_seed(u64::MAX).init(&[7, 2, 9], 20))
                });
            }
            hostile.input(format!("sizes to the power {a}"), || {
                let weights = mixture_weights(&[0, 5, usize::MAX], a)?;
                assert!(weights.iter().all(|weight| (0.0..=1.0).contains(weight)));
                Ok::<_, regimen_curriculum::CurriculumError>(())
            });
            for n in COUNTS {
                for pacing in [
                    Pacing::Linear {
                        start: a,
                        epochs: n,
                    },
                    Pacing::Root {
                        start: a,
                        epochs: n,
                    },
                    Pacing::Step {
                        start: a,
                        factor: b,
                        every: n,
                    },
                ] {
                    hostile.input(format!("{pacing:?}"), || {
                        planned(SelfPaced::new(9, pacing, 1))?;
                        assert!((0.0..=1.0).contains(&pacing.share(usize::MAX)));
                        planned(EasyFirst::new(&[0.5, -1.0, 1e300], pacing, 1))
                    });
                }
            }
            hostile.input(format!("difficulties {a} and {b}"), || {
                let (start, epochs) = (0.5, 3);
                planned(EasyFirst::new(&[a, b], Pacing::Linear { start, epochs }, 1))
            });
            let seta = SetaConfig::new(3).with_window_scale(a).with_delta(b);
            hostile.input(format!("{seta:?}"), || planned(seta.init(9)));
            let seta = seta.with_prune_ratio(b);
            hostile.input(format!("{seta:?}"), || planned(seta.init(9)));
            let infobatch = InfoBatchConfig::new(3).with_prune_ratio(a).with_delta(b);
            hostile.input(format!("{infobatch:?}"), || planned(infobatch.init(9)));
        }
    }
    for n in COUNTS {
        hostile.input(format!("domain {n}"), || {
            planned(MixtureConfig::new(vec![1.0; 3]).init(&[n, 0, 0]))
        });
        for m in COUNTS {
            hostile.input(format!("{n} of a mixture until epoch {m}"), || {
                let config = MixtureConfig::new(vec![1.0, 2.0]).with_until(vec![2.0, 1.0], m);
                planned(config.with_length(n).init(&[0, 1, 1, 0]))
            });
        }
        hostile.input(format!("{n} examples that are forgotten"), || {
            let mut events = Forgetting::new(n)?;
            events.observe(&[0], &[true])?;
            assert_eq!(events.scores().len(), n);
            assert_eq!(events.events().len(), n);
            assert!(events.is_unlearned(n).is_none());
            events.observe(&[n], &[true])
        });
    }
    hostile.finish();
}

#[test]
fn difficulties() {
    let mut hostile = Hostile::new("curriculum difficulties");
    for n in COUNTS {
        for shuffle in [false, true] {
            hostile.input(format!("{n} chunks, {shuffle}"), || {
                let config = AdaptiveDifficultyConfig::new(n).with_seed(u64::MAX);
                planned(config.with_shuffle(shuffle).init(&[1.0, 0.5, 0.5, 0.0]))
            });
        }
        for m in COUNTS {
            hostile.input(format!("{n} of {m} attempts"), || {
                assert!((0.0..=1.0).contains(&difficulty(n, m)?));
                Ok::<_, regimen_curriculum::CurriculumError>(())
            });
        }
    }
    for a in NUMBERS {
        for b in NUMBERS {
            hostile.input(format!("scores of {a} and {b}"), || {
                planned(AdaptiveDifficultyConfig::new(2).init(&[a as f32, b as f32, 1.0]))
            });
            hostile.input(format!("inversions of {a} and {b}"), || {
                let rate = normalised_inversions(&[a, b, 0.0], &[b, a, -0.0])?;
                assert!((0.0..=1.0).contains(&rate));
                Ok::<_, regimen_curriculum::CurriculumError>(())
            });
        }
        hostile.input(format!("one score of {a}"), || {
            normalised_inversions(&[a], &[a])
        });
        hostile.input(format!("another number of scores of {a}"), || {
            normalised_inversions(&[a, a], &[])
        });
    }
    hostile.input("no scores", || {
        planned(AdaptiveDifficultyConfig::new(1).init(&[]))
    });
    hostile.finish();
}

#[test]
fn windows_and_clusters() {
    let mut hostile = Hostile::new("curriculum clusters");
    let many: Vec<f32> = (0..6000_u16).map(f32::from).collect();
    for n in COUNTS {
        for m in COUNTS {
            for scale in NUMBERS {
                hostile.input(format!("window {n} {m} {scale}"), || {
                    let window = window(n, m, scale);
                    assert!(window.start <= window.end && window.end <= m.max(window.start));
                    Ok::<_, String>(())
                });
            }
        }
        hostile.input(format!("{n} clusters"), || {
            let few = cuts(&[1.0, 2.0, f32::MAX, f32::MIN, f32::NAN, -0.0, 0.0], n);
            assert!(few.len() < 5 && cluster(&few, f32::NAN) <= few.len());
            assert!(cuts(&many, n).len() < many.len());
            assert!(cuts(&[], n).is_empty());
            Ok::<_, String>(())
        });
    }
    hostile.finish();
}

#[test]
fn sizes_and_loaders() {
    let mut hostile = Hostile::new("curriculum sizes");
    let device = Device::flex();
    let deliver = |sizes: BatchSizes, drop_last: bool, workers: usize| {
        use burn::data::dataloader::DataLoader;
        let stack = Arc::new(Stack(DType::F32));
        let loader =
            CurriculumLoader::<_, _, Batch>::new(Watched::new(5), items(5), stack, sizes, &device);
        let loader = loader.map_err(|error| error.to_string())?;
        let loader = loader.with_drop_last(drop_last).with_workers(workers);
        for slice in [loader.slice(0, 2), loader.slice(2, usize::MAX)] {
            for batch in slice.iter() {
                batch.map_err(|error| error.to_string())?;
            }
        }
        loader.slice(usize::MAX, 0).num_items();
        for batch in loader.iter() {
            batch.map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(())
    };
    for n in COUNTS {
        for drop_last in [false, true] {
            let name = format!("batches of {n}, {drop_last}");
            hostile.input(&name, || deliver(n.into(), drop_last, 0));
            hostile.input(&name, || {
                deliver(BatchSizes::planned(move |_| n), drop_last, 2)
            });
            hostile.input(&name, || {
                let live = LiveBatchSize::new(n).map_err(|error| error.to_string())?;
                deliver(live.into(), drop_last, 2)
            });
        }
        hostile.input(format!("size {n}"), || BatchSizes::from(n).at(usize::MAX));
        for x in NUMBERS {
            hostile.input(format!("Replay {x} {n}"), || {
                let replay = Replay::new(x, n)?;
                for step in COUNTS {
                    let (old, fresh) = (replay.old(step), replay.fresh(step));
                    assert!(old <= n && fresh <= n, "{old} {fresh}");
                    assert!(replay.fresh_in(step) <= step.saturating_mul(n));
                }
                Ok::<_, regimen_curriculum::CurriculumError>(())
            });
        }
        for m in COUNTS {
            hostile.input(format!("split {n} {m}"), || {
                let mut parts = split(n, m);
                let first = parts.next();
                assert_eq!(first.is_none(), n == 0 || m == 0);
                let far = parts.nth((m.min(n) / 2).min(10_000_000)).unwrap_or(0..0);
                assert!(far.start <= far.end && far.end <= n);
                Ok::<_, String>(())
            });
            for k in COUNTS {
                let name = format!("{n} {m} {k}");
                hostile.input(&name, || MicroBatches::new(n, m, k));
                hostile.input(&name, || BatchNormGroups::new(n, m, k));
                hostile.input(&name, || temporal_strides(n, m, k));
                hostile.input(&name, || jitter_range(RangeInclusive::new(n, m), k, n));
                hostile.input(&name, || jitter_range(RangeInclusive::new(n, m), k, k));
            }
        }
    }
    for x in NUMBERS {
        let sizes = move || BatchSizes::schedule(Lambda(move |_: usize| x));
        hostile.input(format!("a schedule of {x}"), || deliver(sizes(), true, 2));
    }
    hostile.input("LrBySamples", || {
        use burn::lr_scheduler::LrScheduler;
        let mut rate = LrBySamples::new(Linear::new(1.0, 10)?);
        COUNTS.iter().for_each(|count| rate.advance(*count));
        assert_eq!(rate.step(), 0.0);
        Ok::<_, regimen_schedules::Error>(())
    });
    hostile.finish();
}

#[test]
fn adaptive_batches() {
    let mut hostile = Hostile::new("curriculum adaptive batches");
    for a in NUMBERS {
        for b in NUMBERS {
            let statistics = GradientStatistics {
                squared_norm: a,
                variance: b,
                inner_product_variance: Some(b),
                largest_ratio: a,
            };
            for c in NUMBERS {
                let (eta, theta, nu) = (c, c, c);
                for test in [
                    BatchTest::Norm { eta },
                    BatchTest::CoordinateWise { eta },
                    BatchTest::InnerProduct { theta },
                    BatchTest::Augmented { theta, nu },
                ] {
                    hostile.input(format!("{test:?} {statistics:?}"), || {
                        let mut batch = AdaptiveBatchConfig::new(test, 2, usize::MAX).init()?;
                        assert!(!test.wanted(&statistics)?.is_nan());
                        batch.step(usize::MAX, Some(&statistics))?;
                        batch.step(usize::MAX, Some(&statistics))
                    });
                }
            }
            hostile.input(format!("gradients of {a} and {b}"), || {
                let statistics = GradientStatistics::of(&[[a, b], [b, a]])?;
                assert!(statistics.variance.is_finite() && statistics.squared_norm.is_finite());
                statistics.orthogonal_variance()
            });
            hostile.input(format!("chunks of {a} and {b}"), || {
                let all = combined_variance(&[[a], [b]], &[[b], [a]])?;
                assert!(all[0].is_finite());
                Ok::<_, regimen_curriculum::CurriculumError>(())
            });
            hostile.input(format!("norms of {a} and {b}"), || {
                let norms = BatchNormStatistics::new(vec![vec![a], vec![b]], vec![vec![b]; 2])?;
                let (mean, variance) = norms.merged();
                assert!(mean[0].is_finite() && variance[0].is_finite());
                norms.regrouped(usize::MAX)
            });
        }
    }
    let test = BatchTest::Norm { eta: 0.5 };
    for n in COUNTS {
        for m in COUNTS {
            for k in COUNTS {
                let config = AdaptiveBatchConfig::new(test, n, m).with_test_interval(k);
                hostile.input(format!("{config:?}"), || config.init());
                let config = config.with_micro_batch(k, m).with_test_interval(1);
                hostile.input(format!("{config:?}"), || {
                    let batch = config.init()?;
                    assert!(batch.batch_size() <= m);
                    assert!(batch.micro_batches().is_some());
                    Ok::<_, regimen_curriculum::CurriculumError>(())
                });
            }
        }
    }
    hostile.input("no gradients", || GradientStatistics::of::<[f64; 0]>(&[]));
    hostile.input("empty gradients", || {
        GradientStatistics::of(&[[0.0_f64; 0]; 2])
    });
    hostile.input("examples beyond a machine word", || {
        let layer = LinearConfig::new(2, 1).init(&Device::flex());
        let mut moments = GradientMoments::new();
        moments.add(ParamVector::of(&layer), usize::MAX)?;
        let mut more = GradientMoments::new();
        more.add(ParamVector::of(&layer), usize::MAX)?;
        assert_eq!(moments.clone().merge(more)?.examples(), usize::MAX);
        moments.add(ParamVector::of(&layer), 1)
    });
    hostile.finish();
}

#[test]
fn multigrids() {
    let mut hostile = Hostile::new("curriculum multigrid");
    let images = || MultigridConfig::images(4, 16, vec![0, 3, 5], 8);
    for n in COUNTS {
        for m in COUNTS {
            for config in [
                MultigridConfig::images(n, m, vec![0, 3], 8),
                MultigridConfig::images(n, 16, vec![0, m], 8),
                MultigridConfig::video(4, n, m, vec![0], 8),
                MultigridConfig::images(4, m, vec![0, n], n.saturating_add(1)),
                MultigridConfig::images(4, 16, vec![m, n], n),
                images().with_dimension("depth", n, m as u32),
            ] {
                hostile.input(format!("{config:?}"), || run(&config));
            }
        }
        hostile.input(format!("{n} examples"), || {
            let run = images().init()?.run(n)?;
            assert!(run.shape(usize::MAX).batch > 0);
            run.warmed_up_rate(1.0, n, 0.0)
        });
        hostile.input(format!("{n} features"), || {
            SubBatchNormConfig::new(n, 3).init(&Device::flex())
        });
        hostile.input(format!("{n} groups"), || {
            SubBatchNormConfig::new(3, n).init(&Device::flex())
        });
        hostile.input(format!("regrouped {n}"), || {
            let norm = SubBatchNormConfig::new(3, 1).init(&Device::flex())?;
            norm.regrouped(n)
        });
    }
    for x in NUMBERS {
        for y in NUMBERS {
            for config in [
                images().with_epoch_factor(x).with_gamma(y),
                images().with_long_cycle(vec![vec![x], vec![y], vec![1.0]]),
                images().with_short_cycle("side", vec![x, y]),
                images()
                    .with_short_cycle("side", vec![x])
                    .with_epoch_factor(y),
            ] {
                hostile.input(format!("{config:?}"), || run(&config));
            }
            hostile.input(format!("rate {x} from {y}"), || {
                let run = images().init().unwrap().run(100).unwrap();
                run.warmed_up_rate(x, 1, y)
            });
            let norm = SubBatchNormConfig::new(2, 2)
                .with_epsilon(x)
                .with_momentum(y);
            hostile.input(format!("{norm:?}"), || {
                let device = Device::flex().autodiff();
                let norm = norm.init(&device)?;
                norm.forward(Tensor::<3>::ones([0, 2, 2], &device))?;
                norm.forward(Tensor::<3>::ones([3, 2, 2], &device) * x)
            });
        }
    }
    hostile.input("labels that are none", || {
        let device = Device::flex();
        for labels in [[-1_i64], [i64::from(i32::MAX)]] {
            let labels = Tensor::<1, burn::tensor::Int>::from_data(labels, &device);
            let score: f32 = el2n(Tensor::ones([1, 2], &device), labels).into_scalar();
            assert!(score.is_nan());
        }
        grand(&LinearConfig::new(1, 1).init(&device), [0; 0], |_, _| {
            Tensor::ones([1], &device)
        })
    });
    hostile.input("no rank", || {
        let norm = SubBatchNormConfig::new(2, 2).init(&Device::flex())?;
        norm.forward(Tensor::<1>::ones([2], &Device::flex()))
    });
    hostile.input("other groups", || {
        let zeros = |groups| Tensor::<2>::zeros([groups, 2], &Device::flex());
        merge_groups(zeros(1), zeros(2)).map(drop)
    });
    hostile.finish();
}

#[test]
fn clusters() {
    let mut hostile = Hostile::new("curriculum clusters");
    let points = Points::of_rows(&[[0.0], [0.1], [4.0], [4.2], [9.0]]).unwrap();
    for a in NUMBERS {
        for b in NUMBERS {
            hostile.input(format!("points of {a} and {b}"), || {
                let points = Points::new(1, vec![a, b, 0.0])?;
                let _ = points.radius_squared();
                let found = DpMeansConfig::new(1.0).fit(&points)?;
                assert!(found.cost.is_finite() && !found.is_empty());
                farthest_first(&points, 3, 0)?;
                KMeansConfig::new(2).fit(&points).map(drop)
            });
            hostile.input(format!("word vectors, rate {a}, frequent {b}"), || {
                let config = WordVectorsConfig::new().with_width(2).with_rate(a);
                config.with_frequent(b).fit(&[[0, 1], [1, 2]], 3).map(drop)
            });
            for rule in [DpRule::Squared, DpRule::Unsquared] {
                let config = DpMeansConfig::new(a).with_rule(rule);
                hostile.input(format!("{config:?}"), || config.fit(&points).map(drop));
            }
            for step in [Step::Down { from: a, to: b }, Step::Divide(a)] {
                let config = RefinementConfig::new(step);
                hostile.input(format!("{config:?}, score {b}"), || {
                    let found = config.refine(&points, |_| b)?;
                    assert!(!found.rounds.is_empty());
                    Ok::<_, regimen_curriculum::CurriculumError>(())
                });
            }
            let vectors = vec![vec![a, b], vec![b, a]];
            let _ = alignment(&positions(&vectors), &vectors) + attention_similarity(&[a], &[b, a]);
            hostile.input(format!("Node2Vec {a}, {b}"), || {
                Node2Vec::new(3, &[(0, 1, 1.0), (1, 2, a)], b, 1.0).map(|walks| {
                    assert_eq!(walks.steps(Some(0), 1).len(), 2);
                })
            });
            hostile.input(format!("blend {a}, {b}"), || blend(&[a], &[b], a));
        }
        let draws = ClusterDrawsConfig::new(4).with_share(a);
        hostile.input(format!("{draws:?}"), || {
            planned(draws.init(&[0, 0, 3, 3, usize::MAX]))
        });
    }
    for n in COUNTS {
        let some = n.min(100);
        for config in [
            DpMeansConfig::new(0.01).with_sweeps(n),
            DpMeansConfig::new(0.01).with_most(n),
            DpMeansConfig::new(0.01).with_first(FirstCentre::Point(n)),
        ] {
            hostile.input(format!("{config:?}"), || config.fit(&points).map(drop));
        }
        hostile.input(format!("{n} clusters"), || {
            KMeansConfig::new(n)
                .with_sweeps(some)
                .fit(&points)
                .map(drop)
        });
        hostile.input(format!("{n} sweeps"), || {
            KMeansConfig::new(2).with_sweeps(n).fit(&points).map(drop)
        });
        let vectors = WordVectorsConfig::new().with_width(2);
        for config in [
            vectors.clone().with_width(n),
            vectors.clone().with_window(n),
            vectors.clone().with_negatives(n),
            vectors.clone().with_epochs(n.min(3)),
        ] {
            hostile.input(format!("{config:?}"), || {
                config.fit(&[[0, 1], [1, 2]], 3)?;
                config.fit(&[[0, 1], [1, n]], 3).map(drop)
            });
        }
        hostile.input(format!("{n} words"), || vectors.fit(&[[0, 1]], n).map(drop));
        let step = Step::Divide(2.0);
        let refining = RefinementConfig::new(step).with_rounds(n).with_patience(n);
        hostile.input(format!("{refining:?}"), || {
            refining.refine(&points, |of| of.len() as f64).map(drop)
        });
        let most = RefinementConfig::new(step).with_most(n);
        hostile.input(format!("{most:?}"), || {
            most.refine(&points, |of| of.len() as f64).map(drop)
        });
        let fixed = RefinementConfig::new(step).with_fixed(n);
        hostile.input(format!("{fixed:?}"), || {
            fixed.refine(&points, |_| 0.0).map(drop)
        });
        hostile.input(format!("width {n}"), || {
            Points::new(n, vec![0.0; 6]).map(drop)
        });
        hostile.input(format!("farthest {n}"), || {
            farthest_first(&points, n, n).map(drop)
        });
        hostile.input(format!("draws {n}"), || {
            planned(ClusterDrawsConfig::new(n).init(&[0; 5]))
        });
        hostile.input(format!("equal draws {n}"), || {
            let mut rng = rand_chacha::ChaCha8Rng::from_seed([0; 32]);
            equal_draws(&[1, 2, n], n, 1.0, &mut rng).map(drop)
        });
        hostile.input(format!("node {n}"), || {
            Node2Vec::new(some.max(2), &[(0, n, 1.0)], 1.0, 1.0).map(drop)
        });
        hostile.input(format!("pairs {n}"), || {
            let clusters = DpMeansConfig::new(1.0).fit(&points)?;
            let config = PairSampleConfig::new().with_first(n).with_second(n);
            config.sample(&clusters, &clusters, &[(0, n)]).map(drop)
        });
    }
    hostile.input("no points", || Points::new(1, Vec::new()).map(drop));
    hostile.input("rows of two lengths", || {
        Points::of_rows(&[vec![1.0], vec![]]).map(drop)
    });
    assert_eq!(label_agreement(&[1], &[]), 0.0);
    assert!(jaccard::<u8>(&[], &[]) + in_order::<u8>(&[], &[]) == 2.0);
    hostile.finish();
}

#[test]
fn abilities() {
    let mut hostile = Hostile::new("curriculum abilities");
    let all = (0..6).flat_map(|s| (0..4).map(move |i| (s, i, (s * i) % 3 > 0)));
    let responses = Responses::new(6, 4, all).unwrap();
    let models = [
        IrtModel::OnePl,
        IrtModel::TwoPl,
        IrtModel::ThreePl,
        IrtModel::FourPl,
    ];
    for a in NUMBERS {
        for b in NUMBERS {
            for model in models {
                for estimator in [Estimator::Marginal, Estimator::Joint] {
                    let config = IrtConfig::new().with_model(model).with_estimator(estimator);
                    let config = config.with_steps(3).with_points(9);
                    for config in [
                        config
                            .clone()
                            .with_ability_prior(a)
                            .with_difficulty_prior(b),
                        config
                            .clone()
                            .with_discrimination_prior(a)
                            .with_tolerance(b),
                        config.clone().with_guessing_prior(a, b),
                        config.with_upper_prior(a, b),
                    ] {
                        hostile.input(format!("{config:?}"), || {
                            let fit = config.fit(&responses)?;
                            assert!(fit.abilities.iter().all(|ability| ability.is_finite()));
                            ability(
                                &fit.items,
                                &[true, false, true, true],
                                AbilityEstimate::default(),
                            )
                        });
                    }
                }
            }
            let varied = VariationalConfig::new().with_steps(3);
            for config in [
                varied
                    .clone()
                    .with_ability_prior(a)
                    .with_difficulty_prior(b),
                varied.with_rate(a).with_decay(b),
            ] {
                hostile.input(format!("{config:?}"), || {
                    let fit = config.fit(&responses)?;
                    let all = fit.abilities.iter().chain(&fit.difficulties);
                    for one in all {
                        assert!(one.mean.is_finite() && one.deviation > 0.0);
                    }
                    ability(
                        &fit.items(),
                        &[true, false, true, true],
                        AbilityEstimate::default(),
                    )
                });
            }
            let item = ItemParameters {
                difficulty: a,
                discrimination: b,
                guessing: b,
                upper: a,
            };
            hostile.input(format!("{item:?}"), || {
                let _ = item.probability(b) + item.ability_for(a);
                ability(
                    &[item, item],
                    &[true, false],
                    AbilityEstimate::Map { prior: b },
                )
            });
            let paced = AbilityPacedConfig::new()
                .with_lower(a)
                .with_upper(b)
                .with_bump(b);
            hostile.input(format!("{paced:?}"), || {
                let mut sampler = paced.init(&[a, b, 0.0])?;
                sampler.report(0.5)?;
                sampler.report(b)?;
                planned(Ok::<_, regimen_curriculum::CurriculumError>(sampler))
            });
        }
    }
    for n in COUNTS {
        for m in COUNTS {
            hostile.input(format!("{n} subjects, {m} items"), || {
                if n.min(m) < 1_000_000 && n.max(m) >= 1 << 28 || n.max(m) < 1_000_000 {
                    Responses::new(n, m, [(0, 0, true), (n, m, false)]).map(drop)
                } else {
                    Responses::new(1, 1, [(0, m, true)]).map(drop)
                }
            });
        }
        let config = IrtConfig::new().with_points(n).with_steps(n.min(3));
        hostile.input(format!("{config:?}"), || config.fit(&responses));
        let paced = AbilityPacedConfig::new().with_least(n).with_patience(n);
        hostile.input(format!("{paced:?}"), || {
            planned(paced.with_seed(n as u64).init(&[0.0; 5]))
        });
    }
    hostile.input("no rows", || Responses::of_rows(&[]));
    hostile.input("rows of two lengths", || {
        Responses::of_rows(&[vec![None], vec![Some(true), None]])
    });
    hostile.input("the same answer twice", || {
        Responses::new(2, 2, [(0, 1, true), (0, 1, true)])
    });
    hostile.finish();
}

/// Texts that break what cuts and counts them, if anything does.
fn texts() -> [String; 8] {
    [
        String::new(),
        " \n\t".into(),
        "a".into(),
        "a a a a a a a a a a".into(),
        "\u{0}\u{feff}e\u{301} \u{10ffff} ﬃ ŉ İ".into(),
        "x".repeat(100_000),
        "x y ".repeat(20_000),
        "(((((==".repeat(1_000),
    ]
}

#[test]
fn choices_of_text() {
    let mut hostile = Hostile::new("curriculum text");
    for a in NUMBERS {
        for b in NUMBERS {
            for variant in [
                Bm25Variant::Okapi,
                Bm25Variant::Lucene8,
                Bm25Variant::L { delta: b },
                Bm25Variant::Plus { delta: a },
            ] {
                let config = Bm25Config::new().with_variant(variant);
                let config = config.with_k1(a).with_b(b);
                hostile.input(format!("{config:?}"), || {
                    let index = config.init(["a b c", "c", "a a a a"])?;
                    assert!(index.scores("a c c z").iter().all(|score| !score.is_nan()));
                    Bm25Shots::new(&config, ["a", "b"])
                });
            }
        }
        for n in COUNTS {
            let config = DecontaminationConfig::new().with_threshold(a).with_n(n);
            hostile.input(format!("{config:?}"), || {
                let tests = Evaluation::new("tests").with_tests(texts());
                let index = config.init(&[tests, Evaluation::new("none")])?;
                let scan = index.scan(texts());
                assert_eq!((scan.documents, scan.tests_found.len()), (8, 2));
                Ok::<_, regimen_curriculum::CurriculumError>(())
            });
        }
    }
    for a in NUMBERS {
        for b in NUMBERS {
            for verify in [Verify::Exact, Verify::Estimate, Verify::Nothing] {
                let config = NearDuplicatesConfig::new().with_threshold(a);
                let config = config.with_recall(b).with_verify(verify);
                hostile.input(format!("{config:?}"), || {
                    let found = config.init()?.groups(texts())?;
                    assert!(config.probability(a)? >= b);
                    assert_eq!(found.documents(), 8);
                    Ok::<_, regimen_curriculum::CurriculumError>(())
                });
            }
        }
        for n in COUNTS {
            let config = NearDuplicatesConfig::new().with_seed(n as u64);
            let config = config.with_shingle(n).with_permutations(n);
            hostile.input(format!("{config:?}"), || {
                let index = config.init()?;
                for text in texts() {
                    let signature = index.signature(&text);
                    assert!([0.0, 1.0].contains(&index.estimate(&signature, &signature)));
                    assert!(index.band_keys(&signature).len() <= index.bands().0);
                }
                config.probability(a)
            });
        }
    }
    for n in COUNTS {
        hostile.input(format!("{n} shots"), || {
            let random = RandomShots::new(texts(), n as u64)?;
            let nearest = Bm25Shots::new(&Bm25Config::new(), texts())?;
            let fixed = FixedShots::new(vec![n, 0]);
            for text in texts() {
                let all: [&dyn Shots; 3] = [&random, &nearest, &fixed];
                for shots in all {
                    assert!(shots.shots(n as u64, &text, n).len() <= n.min(8));
                }
            }
            Ok::<_, regimen_curriculum::CurriculumError>(())
        });
    }
    let short: Vec<String> = texts()
        .into_iter()
        .filter(|text| text.len() < 10_000)
        .collect();
    for a in &short {
        for b in &short {
            hostile.input(format!("{} and {} bytes", a.len(), b.len()), || {
                assert_eq!(exact_match(a, b), exact_match(b, a));
                assert!((0.0..=1.0 + 1e-9).contains(&bleu4(a, b)));
                for share in NUMBERS {
                    let bleu = CodeBleu::new([a.as_str()]);
                    if let Ok(score) = bleu.score(a, b, Some(share), None) {
                        assert!((0.0..=1.0 + 1e-9).contains(&score.combined));
                    }
                    let _ = bleu.with_weights([share, 1.0, share, 0.0]);
                }
                for n in COUNTS {
                    assert!((0.0..=1.0).contains(&rouge_n(a, b, n).f1));
                }
                assert!(rouge_l(a, b).recall <= 1.0 && code_tokens(a).len() <= a.len());
                assert!(TextTokens::Whitespace.split(a).len() <= a.len());
                Ok::<_, String>(())
            });
        }
    }
    hostile.finish();
}

#[test]
fn likeness_to_targets() {
    let mut hostile = Hostile::new("curriculum likeness");
    for a in NUMBERS {
        for b in NUMBERS {
            let (a32, b32) = (a as f32, b as f32);
            hostile.input(format!("vectors of {a} and {b}"), || {
                let (pool, targets) = ([a32, b32, 1.0, b32, 0.0, a32], [b32, a32, 1.0, 1.0]);
                let (pool, targets) = (Vectors::new(&pool, 2)?, Vectors::new(&targets, 2)?);
                assert!(centroid(&targets).iter().all(|value| value.is_finite()));
                let cosines = TargetVectors::new(&targets).cosines(&pool)?;
                assert!(cosines.len() == 6 && cosines.iter().all(|one| one.abs() < 1.001));
                for aggregation in [
                    Aggregation::Max,
                    Aggregation::MeanLog,
                    Aggregation::MeanCosine,
                ] {
                    let config = LikenessConfig::new().with_aggregation(aggregation);
                    let likeness = config.init(&pool, &targets)?;
                    assert!(likeness.scores().iter().all(|score| score.is_finite()));
                    assert!(likeness.best_cosines().iter().all(|one| one.abs() < 1.001));
                    assert_eq!(likeness.order().len(), 3);
                }
                Ok::<_, regimen_curriculum::CurriculumError>(())
            });
            hostile.input(format!("score {a}, share {b}"), || {
                let one = |score| Scored {
                    score,
                    tokens: u64::MAX,
                };
                let threshold = Threshold::of([one(a), one(0.0)], b)?;
                assert!((0.0..=1.0).contains(&threshold.share));
                KeepRate::PowerLaw {
                    factor: a,
                    exponent: b,
                }
                .share(1e20)?;
                KeepRate::NemotronCc.share(a)
            });
        }
        hostile.input(format!("rate {a}"), || {
            let config = TextClassifierConfig::new().with_rate(a).with_least(1);
            let classifier = config.with_bits(8).fit(texts(), &[true, false].repeat(4))?;
            assert!(
                texts()
                    .iter()
                    .all(|text| classifier.score(text).is_finite())
            );
            Ok::<_, regimen_curriculum::CurriculumError>(())
        });
        hostile.input(format!("the best {a}"), || {
            let vectors = Vectors::new(&[1.0, 2.0], 1)?;
            LikenessConfig::new().init(&vectors, &vectors)?.best(a)
        });
    }
    for n in COUNTS {
        hostile.input(format!("vectors of {n} dimensions"), || {
            let vectors = Vectors::new(&[1.0, 2.0, 3.0, 4.0], n)?;
            let config = LikenessConfig::new().with_cosines_at_once(n);
            let one = Vectors::new(&[1.0], 1)?;
            config.init(&vectors, &one)?;
            TargetVectors::new(&one).cosines(&vectors)
        });
        hostile.input(format!("cosines at once {n}"), || {
            let vectors = Vectors::new(&[1.0, 2.0, 3.0, 4.0], 1)?;
            let config = LikenessConfig::new().with_cosines_at_once(n);
            config.init(&vectors, &vectors)
        });
        hostile.input(format!("{n} centroids"), || {
            centroids(&Vectors::new(&[1.0, 2.0, 3.0, 4.0], 2)?, n, 0)
        });
        hostile.input(format!("{n} of each"), || balanced(&[1, 2, 2], Some(n), 0));
        let config = TextClassifierConfig::new().with_bits(8);
        for config in [
            config.clone().with_n(n),
            config.clone().with_bits(n as u32 % 20),
            config.clone().with_least(n as u32),
            config.clone().with_epochs(n.min(3)),
        ] {
            hostile.input(format!("{config:?}"), || {
                let classifier = config.fit(texts(), &[true, false].repeat(4))?;
                let scores = classifier.score_all(texts());
                assert_eq!(scores.len(), 8);
                let threshold = Threshold::of(scores, 0.5)?;
                classifier.select(texts(), threshold).sampler(n as u64)
            });
        }
    }
    hostile.finish();
}
