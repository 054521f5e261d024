//! Absurd arguments of every constructor and function: an error, or a value that serves.

use burn::optim::{GradientsParams, SgdConfig};
use regimen_continual::penalties::{Fisher, Quadratic, fisher, quadratic};
use regimen_continual::*;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};
use regimen_tensor::{ParamVector, Prepared, Watch};

use super::two::{Two, batch};

#[path = "bad_input/architectures.rs"]
pub(super) mod architectures;
#[path = "bad_input/classifiers.rs"]
mod classifiers;
#[path = "bad_input/data.rs"]
mod data;
#[path = "bad_input/few_shot.rs"]
pub(super) mod few_shot;
#[path = "bad_input/outputs.rs"]
pub(super) mod outputs;
#[path = "bad_input/plasticity.rs"]
pub(super) mod plasticity;
#[path = "bad_input/projections.rs"]
mod projections;
#[path = "bad_input/replay.rs"]
mod replay;

/// Two updates and a task's end, with whatever the strategy was made of.
pub(super) fn used<S: Strategy<Two>>(strategy: Result<S>) -> Result<()> {
    let seen = batch(&[[1.0, 2.0], [0.5, -1.0]], &[0, 1]);
    trained(&strategy?, Two::new([0.1, 0.2]), &seen).map(drop)
}

/// Two tasks of two updates, with the same data.
pub(super) fn trained<M: Classifier, S: Strategy<M>>(
    strategy: &S,
    mut model: M,
    seen: &M::Batch,
) -> Result<M> {
    let mut optim = SgdConfig::new().init();
    for _ in 0..2 {
        for _ in 0..2 {
            let loss = strategy.loss(&model, seen)?;
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = strategy.optimize(model, &mut optim, 0.1, grads);
        }
        model = strategy.after_task(model, &Prepared(vec![seen.clone()]))?;
    }
    strategy.logits(&model, seen)?;
    let values = ParamVector::of(&model).to_host()?.concat();
    assert!(values.iter().all(|value| value.is_finite()));
    Ok(model)
}

#[test]
fn regularisers() {
    let mut h = Hostile::new("continual regularisers");
    let model = Two::new([0.1, 0.2]);
    for a in NUMBERS {
        h.input(format_args!("EwcConfig lambda {a}"), || {
            used(EwcConfig::new(a).init(&model))
        });
        h.input(format_args!("MasConfig lambda {a}"), || {
            used(MasConfig::new(a).init(&model))
        });
        h.input(format_args!("MasConfig decay {a}"), || {
            used(MasConfig::new(1.0).with_decay(Some(a)).init(&model))
        });
        for b in NUMBERS {
            h.input(format_args!("OnlineEwcConfig {a} {b}"), || {
                used(OnlineEwcConfig::new(a).with_gamma(b).init(&model))
            });
            h.input(format_args!("SiConfig {a} {b}"), || {
                used(SiConfig::new(a).with_xi(b).init(&model))
            });
            h.input(format_args!("SiConfig clip {a} scale {b}"), || {
                used(
                    SiConfig::new(1.0)
                        .with_clip(Some(a))
                        .with_loss_scale(b)
                        .init(&model),
                )
            });
            h.input(format_args!("RWalkConfig {a} {b}"), || {
                used(RWalkConfig::new().with_lambda(a).with_alpha(b).init(&model))
            });
            h.input(format_args!("RWalkConfig scale {a}"), || {
                used(RWalkConfig::new().with_loss_scale(a).init(&model))
            });
        }
    }
    for n in COUNTS {
        h.input(format_args!("EwcConfig examples {n}"), || {
            used(EwcConfig::new(1.0).with_examples(n).init(&model))
        });
        h.input(format_args!("OnlineEwcConfig examples {n}"), || {
            used(
                OnlineEwcConfig::new(1.0)
                    .with_examples(n)
                    .with_seed(n as u64)
                    .init(&model),
            )
        });
        h.input(format_args!("MasConfig examples {n}"), || {
            used(MasConfig::new(1.0).with_examples(n).init(&model))
        });
        h.input(format_args!("RWalkConfig interval {n}"), || {
            used(RWalkConfig::new().with_interval(n).init(&model))
        });
    }
    h.finish();
}

#[test]
fn penalties() {
    let mut h = Hostile::new("continual penalties");
    let model = Two::new([0.1, 0.2]);
    let vector = |a: f64, b: f64| ParamVector::of(&model).from_host(vec![vec![a as f32, b as f32]]);
    let data = Prepared(vec![batch(&[[1.0, 2.0]], &[0])]);
    for a in NUMBERS {
        for b in NUMBERS {
            h.input(format_args!("Quadratic::new {a} {b}"), || {
                let one = Quadratic::new(vector(a, b)?, vector(b, a)?)?;
                one.at(&model)?;
                one.gradient(&ParamVector::of(&model))?;
                one.clone().plus(&one)?.scale(a).map(drop)
            });
            h.input(format_args!("quadratic {a} {b}"), || {
                quadratic(&model, &vector(a, b)?, &vector(b, a)?).map(drop)
            });
        }
    }
    let none = Prepared(Vec::new());
    for kind in [
        Fisher::Sampled,
        Fisher::True,
        Fisher::Empirical,
        Fisher::Weighted,
    ] {
        for n in COUNTS {
            h.input(format_args!("fisher {kind:?} {n}"), || {
                fisher(&model, &data, kind, n, n as u64, &Watch::default()).map(drop)
            });
        }
        h.input(format_args!("fisher {kind:?} without data"), || {
            fisher(&model, &none, kind, 5, 0, &Watch::default()).map(drop)
        });
    }
    let row = FloatRow {
        shape: vec![2],
        values: vec![1.0, f32::NAN],
        label: -1,
    };
    h.input("FloatRow of another shape", || {
        let like = batch(&[[1.0, 2.0]], &[0]);
        let odd = FloatRow {
            shape: vec![usize::MAX, 2],
            ..row.clone()
        };
        <_ as Examples>::of(&[row.clone(), odd], &like).map(drop)
    });
    h.finish();
}
