//! The tricks of few-shot learning: absurd arguments and damaged states.

use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{DType, Device, Int, Tensor};
use regimen_continual::few_shot::{
    Contrast, PseudoClasses, Simplex, Tuning, dot_regression, nt_xent, simplex_etf,
    supervised_contrastive,
};
use regimen_continual::*;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};
use regimen_tensor::{ParamVector, Part, Prepared};

use super::super::models::{Net, drawn};
use super::super::states::{damaged, mutations};
use super::super::two::Two;
use super::used;

fn rows(a: f64, b: f64) -> Tensor<2> {
    let rows = [[a as f32, b as f32], [1.0, -1.0], [0.5, 2.0]];
    Tensor::from_data(rows, &Device::flex())
}

fn labels(label: i64) -> Tensor<1, Int> {
    Tensor::from_data([label, 0, 1], (&Device::flex(), DType::I64))
}

/// A base session and another, of two steps each.
pub(in super::super) fn tried(config: &FewShotConfig, labels: &[i64]) -> Result<()> {
    let (mut model, handle) = config.init(Net::new(1))?;
    for session in 0..2 {
        let batch = drawn(session, 6, labels);
        let mut optim = SgdConfig::new().init();
        for _ in 0..2 {
            let loss = match config.pretrain {
                Some(_) if session == 0 => handle.pretrain_loss(&model, &batch, &batch)?,
                _ => handle.loss(&model, &batch)?,
            };
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = handle.optimize(model, &mut optim, 0.1, grads);
        }
        model = handle.after_task(model, &Prepared(vec![batch.clone()]))?;
        handle.logits(&model, &batch)?;
    }
    let values = ParamVector::of(&model).to_host()?.concat();
    assert!(values.iter().all(|value| value.is_finite()));
    Ok(())
}

pub(in super::super) fn averaged(
    config: &PrototypesConfig,
    a: f64,
    b: f64,
    label: i64,
) -> Result<()> {
    let mut prototypes = config.init(&Device::flex())?;
    prototypes.add(rows(a, b), labels(label))?;
    prototypes.logits(rows(b, a)).map(drop)
}

fn config() -> FewShotConfig {
    FewShotConfig::new(vec![0, 1], 3, 6)
}

#[test]
fn losses_and_targets() {
    let mut h = Hostile::new("continual few-shot losses");
    let device = Device::flex();
    for a in NUMBERS {
        for b in NUMBERS {
            h.input(format_args!("supervised_contrastive {a} {b}"), || {
                supervised_contrastive(rows(a, b), labels(1), 0.5)
            });
            h.input(format_args!("dot_regression {a} {b}"), || {
                dot_regression(rows(a, b), rows(b, a).transpose(), labels(1))
            });
            h.input(format_args!("Prototypes {a} {b}"), || {
                averaged(&PrototypesConfig::new(2, 2), a, b, 1)
            });
            h.input(format_args!("mixed {a} {b}"), || {
                let batch = (rows(a, b), labels(0));
                batch.mixed(&batch, a).map(drop)
            });
        }
        h.input(format_args!("supervised_contrastive tau {a}"), || {
            supervised_contrastive(rows(1.0, 2.0), labels(0), a)
        });
        h.input(format_args!("nt_xent tau {a}"), || {
            nt_xent(rows(1.0, 2.0), rows(2.0, 1.0), a)
        });
        h.input(format_args!("harmonic_mean {a}"), || {
            let _ = (harmonic_mean(a, 1.0), harmonic_mean(a, -a));
            Ok::<_, ContinualError>(())
        });
    }
    for n in COUNTS {
        for m in COUNTS {
            h.input(format_args!("simplex_etf {n} {m}"), || {
                simplex_etf(n, m, n as u64, &device)
            });
            h.input(format_args!("PrototypesConfig {n} {m}"), || {
                averaged(&PrototypesConfig::new(n, m), 1.0, 2.0, 1)
            });
        }
        h.input(format_args!("turned {n}"), || {
            (rows(1.0, 2.0), labels(0)).turned(n).map(drop)
        });
        h.input(format_args!("PseudoClasses::columns {n}"), || {
            let _ = PseudoClasses::Rotations.columns(n);
            let _ = PseudoClasses::Mixtures.columns(n);
            Ok::<_, ContinualError>(())
        });
        h.input(format_args!("Sessions {n}"), || {
            let mut sessions = Sessions::new(&[n])?;
            sessions.record(&[n, 0], &[0, n])
        });
        h.input(format_args!("dot_regression of label {n}"), || {
            dot_regression(rows(1.0, 2.0), rows(1.0, 2.0).transpose(), labels(n as i64))
        });
    }
    let none = || Tensor::<2>::zeros([0, 2], &device);
    let no_labels = || Tensor::<1, Int>::zeros([0], &device);
    h.input("supervised_contrastive of none", || {
        supervised_contrastive(none(), no_labels(), 0.5)
    });
    h.input("nt_xent of none", || nt_xent(none(), none(), 0.5));
    h.input("other labels", || {
        supervised_contrastive(rows(1.0, 2.0), no_labels(), 0.5)
    });
    h.finish();
}

#[test]
fn settings_together() {
    let mut h = Hostile::new("continual few-shot settings");
    let model = Two::new([0.1, 0.2]);
    for a in NUMBERS {
        for b in NUMBERS {
            h.input(format_args!("Contrast {a} {b}"), || {
                let contrast = Contrast { weight: a, tau: b };
                tried(&config().with_contrast(Some(contrast)), &[0, 1])
            });
        }
        h.input(format_args!("FewShotConfig scale {a}"), || {
            tried(&config().with_scale(a), &[0, 1])
        });
        h.input(format_args!("FewShotConfig rotation {a}"), || {
            tried(&config().with_rotation(Some(a)), &[0, 1])
        });
        h.input(format_args!("FewShotConfig pretrain {a}"), || {
            tried(&config().with_pretrain(Some(a)), &[0, 1])
        });
        h.input(format_args!("Simplex {a}"), || {
            let simplex = Some(Simplex::DotRegression(a));
            tried(&config().with_simplex(simplex), &[0, 1])
        });
        h.input(format_args!("SubNetConfig {a}"), || {
            used(SubNetConfig::new().with_share(a).init(&model))?;
            let tuning = Tuning::SubNet(SubNetConfig::new().with_share(a));
            tried(&config().with_tuning(tuning), &[0, 1])
        });
    }
    for n in COUNTS {
        h.input(format_args!("FewShotConfig base {n}"), || {
            tried(&FewShotConfig::new(vec![n, 0], 3, 6), &[0, 1])
        });
        h.input(format_args!("FewShotConfig classes {n}"), || {
            tried(&FewShotConfig::new(vec![0], n, 6), &[0, 0])
        });
        h.input(format_args!("FewShotConfig width {n}"), || {
            tried(&FewShotConfig::new(vec![0], 3, n), &[0, 0])
        });
        h.input(format_args!("FewShotConfig room {n}"), || {
            tried(&config().with_room(n), &[0, 1])?;
            let simplex = Some(Simplex::CrossEntropy);
            tried(&config().with_room(n).with_simplex(simplex), &[0, 1])
        });
        h.input(format_args!("FewShotConfig projection {n}"), || {
            let contrast = Contrast {
                weight: 1.0,
                tau: 0.5,
            };
            let config = config().with_contrast(Some(contrast));
            tried(&config.with_projection(Some(n)), &[0, 1])
        });
        h.input(format_args!("label {n}"), || {
            tried(&config(), &[0, n.min(1 << 30) as i64])
        });
    }
    h.finish();
}

#[test]
fn damaged_sessions_are_refused_or_serve() {
    let mut h = Hostile::new("continual few-shot states");
    let made = || {
        let tuning = Tuning::SubNet(SubNetConfig::new());
        config().with_tuning(tuning).init(Net::new(1)).unwrap()
    };
    let batch = drawn(1, 6, &[0, 1]);
    let (model, handle) = made();
    let model = handle
        .after_task(model, &Prepared(vec![batch.clone()]))
        .unwrap();
    let bytes = handle.save().unwrap();
    let mut prototypes = PrototypesConfig::new(2, 2).init(&Device::flex()).unwrap();
    prototypes.add(rows(1.0, 2.0), labels(1)).unwrap();
    let of_prototypes = prototypes.save().unwrap();
    let text = |error: &dyn std::fmt::Display| error.to_string();
    for seed in 0..mutations() {
        h.input(format_args!("FewShot {seed}"), || {
            let (_, mut other) = made();
            other
                .load(&damaged(&bytes, seed))
                .map_err(|error| text(&error))?;
            let loss = other.loss(&model, &batch).map_err(|error| text(&error))?;
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            let mut optim = SgdConfig::new().init();
            let _ = other.optimize(model.clone(), &mut optim, 0.1, grads);
            other.save().map_err(|error| text(&error))
        });
        h.input(format_args!("Prototypes {seed}"), || {
            let mut other = prototypes.clone();
            other
                .load(&damaged(&of_prototypes, seed))
                .map_err(|error| text(&error))?;
            let added = other.add(rows(1.0, 2.0), labels(0));
            added.map_err(|error| text(&error))?;
            other.save().map_err(|error| text(&error))
        });
    }
    let config = PrototypesConfig::new(2, 2).with_normalised(false);
    let other = config.init(&Device::flex()).unwrap();
    assert_ne!(other.kind(), prototypes.kind());
    h.finish();
}
