//! Absurd searches, lifetimes, and inputs of learned objectives.

use burn::tensor::{Device, Tensor};
use regimen_rl_rewards::recipes::learned::{
    DriftConfig, Experience, Horizons, Lifetime, LpgConfig, LpgTargets, OpenEsConfig, Shaping,
    Ties, flat, with_flat,
};
use regimen_rl_rewards::{Advantages, Aggregation, RlRewardsError, TokenBatch, TokenMask};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

#[test]
fn searches() {
    let mut h = Hostile::new("rl-rewards searches");
    let settings = |value| {
        let config = OpenEsConfig::new().with_pairs(2);
        [
            config.clone().with_sigma(value),
            config.clone().with_rate(value),
            config.clone().with_decay(value, 0.0),
            config.clone().with_decay(0.9, value),
            config.with_shaping(Shaping::Raw).with_sigma(value),
        ]
    };
    for value in NUMBERS {
        for config in settings(value) {
            h.input(format_args!("{config:?}"), || {
                let mut search = config.init(vec![0.5, -0.5], 3)?;
                search.update(&[[1.0, 0.0], [0.0, 2.0]])?;
                assert!(search.mean().iter().all(|value| value.is_finite()));
                assert_eq!(search.candidates().count(), 2);
                Ok::<(), RlRewardsError>(())
            });
        }
        h.input(format_args!("mean {value}"), || {
            OpenEsConfig::new().init(vec![1.0, value], 0).map(drop)
        });
        for shaping in [
            Shaping::PairRanks(Ties::Second),
            Shaping::PairRanks(Ties::Half),
            Shaping::ZScored,
            Shaping::Raw,
        ] {
            h.input(format_args!("fitness {shaping:?} {value}"), || {
                let config = OpenEsConfig::new().with_pairs(2).with_shaping(shaping);
                let mut search = config.init(vec![0.5; 3], 3)?;
                search.update(&[[value, 1.0], [-value, value]])?;
                assert!(search.mean().iter().all(|value| value.is_finite()));
                Ok::<(), RlRewardsError>(())
            });
        }
    }
    for n in COUNTS {
        h.input(format_args!("pairs {n}"), || {
            let search = OpenEsConfig::new().with_pairs(n).init(vec![0.0], 0)?;
            search.candidates().take(2).for_each(drop);
            let _ = search.seeds(n);
            assert!(OpenEsConfig::new().rate_at(n) >= 1e-5);
            Ok::<(), RlRewardsError>(())
        });
        h.input(format_args!("fitness of {n} pairs"), || {
            let mut search = OpenEsConfig::new().with_pairs(3).init(vec![0.0], 0)?;
            search.update(&vec![[0.0, 1.0]; n.min(9)])
        });
    }
    h.input("no mean", || {
        OpenEsConfig::new().init(Vec::new(), 0).map(drop)
    });
    h.finish();
}

#[test]
fn lifetimes() {
    let mut h = Hostile::new("rl-rewards lifetimes");
    for (a, b) in COUNTS.iter().flat_map(|a| COUNTS.map(|b| (*a, b))) {
        h.input(format_args!("Lifetime {a} {b}"), || {
            let life = Lifetime::new(a, b)?;
            assert!((0.0..=1.0).contains(&life.fraction()) && life.log_horizon() >= 0.0);
            Ok::<(), RlRewardsError>(())
        });
        h.input(format_args!("Horizons {a} {b}"), || {
            let horizons = Horizons::new(a, b)?;
            for share in NUMBERS {
                assert!((a..=b).contains(&horizons.at(share)));
            }
            Ok::<(), RlRewardsError>(())
        });
    }
    h.finish();
}

#[test]
fn networks() {
    let mut h = Hostile::new("rl-rewards learned objectives");
    let device = Device::flex();
    for n in [0, 1, 3, 1 << 31, usize::MAX] {
        h.input(format_args!("DriftConfig {n}"), || {
            let drift = DriftConfig::new().with_hidden(n).init(&device)?;
            let numbers = flat(&drift)?;
            with_flat(drift.clone(), &numbers)?;
            with_flat(drift, &numbers[1..]).map(drop)
        });
        for config in [
            LpgConfig::new().with_width(n),
            LpgConfig::new().with_width(2).with_categories(n),
            LpgConfig::new().with_width(2).with_embedding(n),
        ] {
            h.input(format_args!("{config:?}"), || {
                config.init(&device).map(drop)
            });
        }
    }
    let of = |value: f64, shape: [usize; 2]| Tensor::<2>::full(shape, value, &device);
    for value in NUMBERS {
        h.input(format_args!("drift at {value}"), || {
            let drift = DriftConfig::new().with_hidden(2).init(&device)?;
            drift
                .forward(of(value, [1, 2]), of(1.0, [1, 3]), None)
                .map(drop)?;
            let batch = TokenBatch::of_mask(&TokenMask::of_lengths(&[2], 2)?, &device);
            let advantages = Advantages::of_responses(vec![value])?;
            let mean = Aggregation::TokenMean;
            drift
                .loss(of(value, [1, 2]), &batch, &advantages, None, mean)
                .map(drop)
        });
    }
    for shape in [[0, 0], [1, 0], [1, 2], [2, 1]] {
        h.input(format_args!("experience {shape:?}"), || {
            let network = LpgConfig::new().with_width(2).init(&device)?;
            let [batch, time] = shape;
            let even = Tensor::<3>::full([batch, time, 8], 0.125, &device);
            let experience = Experience {
                rewards: of(1e30, shape),
                dones: of(0.0, [1, 2]).equal_elem(1.0),
                log_probs: of(-1.0, shape),
                targets: even.clone(),
                next_targets: even.clone(),
            };
            let wanted = network.forward(&experience, None)?;
            wanted.loss(&experience).map(drop)?;
            let other = LpgTargets {
                policy: of(0.0, [3, 3]),
                target: even,
            };
            other.loss(&experience).map(drop)
        });
    }
    h.finish();
}
