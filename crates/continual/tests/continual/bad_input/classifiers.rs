//! Classifiers of class means and corrections of heads: absurd arguments and damaged states.

use burn::nn::LinearConfig;
use burn::tensor::{DType, Device, Int, Tensor};
use regimen_continual::{BiasCorrection, NearestMeanConfig, Result, SldaConfig, align_weights};
use regimen_tensor::Part;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use super::super::states::{damaged, mutations};

fn features(a: f64, b: f64) -> Tensor<2> {
    let rows = [[a as f32, b as f32], [1.0, -1.0], [0.5, 2.0]];
    Tensor::from_data(rows, &Device::flex())
}

fn labels(label: i64) -> Tensor<1, Int> {
    Tensor::from_data([label, 0, 1], (&Device::flex(), DType::I64))
}

fn nearest(config: &NearestMeanConfig, a: f64, b: f64, label: i64) -> Result<()> {
    let mut means = config.init(&Device::flex())?;
    means.add(features(a, b), labels(label))?;
    means.logits(features(b, a)).map(drop)
}

fn slda(config: &SldaConfig, a: f64, b: f64, label: i64) -> Result<()> {
    let mut slda = config.init(&Device::flex())?;
    slda.add(features(a, b), labels(label))?;
    slda.logits(features(b, a)).map(drop)
}

#[test]
fn class_means() {
    let mut h = Hostile::new("continual classifiers");
    let device = Device::flex();
    for a in NUMBERS {
        for b in NUMBERS {
            h.input(format_args!("NearestMeanConfig {a} {b}"), || {
                nearest(&NearestMeanConfig::new(2, 2), a, b, 1)
            });
            h.input(format_args!("SldaConfig {a} {b}"), || {
                slda(&SldaConfig::new(2, 2), a, b, 1)
            });
            h.input(
                format_args!("SldaConfig shrinkage {a}, features {b}"),
                || slda(&SldaConfig::new(2, 2).with_shrinkage(a), b, 1.0, 0),
            );
            h.input(format_args!("BiasCorrection::fit {a} {b}"), || {
                let fitted = BiasCorrection::fit(features(a, b), labels(1), &[1])?;
                fitted.apply(features(b, a)).map(drop)
            });
            h.input(format_args!("align_weights {a} {b}"), || {
                let mut head = LinearConfig::new(3, 2).init(&device);
                head.weight = burn::module::Param::from_tensor(features(a, b));
                align_weights(head, &[0], &[1]).map(drop)
            });
        }
    }
    for n in COUNTS {
        for m in COUNTS {
            h.input(format_args!("NearestMeanConfig::init {n} {m}"), || {
                nearest(&NearestMeanConfig::new(n, m), 1.0, 2.0, 1)
            });
            h.input(format_args!("SldaConfig::init {n} {m}"), || {
                slda(&SldaConfig::new(n, m), 1.0, 2.0, 1)
            });
            h.input(format_args!("align_weights of {n} and {m}"), || {
                align_weights(LinearConfig::new(3, 3).init(&device), &[n], &[m]).map(drop)
            });
        }
        h.input(format_args!("label {n}"), || {
            nearest(&NearestMeanConfig::new(2, 2), 1.0, 2.0, n as i64)
        });
        h.input(format_args!("BiasCorrection::fit of class {n}"), || {
            BiasCorrection::fit(features(1.0, 2.0), labels(n as i64), &[n]).map(drop)
        });
    }
    h.input("no examples", || {
        let mut means = NearestMeanConfig::new(2, 2).init(&device)?;
        means.add(Tensor::zeros([0, 2], &device), Tensor::zeros([0], &device))
    });
    h.input("no held-out examples", || {
        BiasCorrection::fit(
            Tensor::zeros([0, 2], &device),
            Tensor::zeros([0], &device),
            &[1],
        )
        .map(drop)
    });
    h.finish();
}

#[test]
fn settings_of_classifiers() {
    let mut h = Hostile::new("continual classifier settings");
    fn json(value: &impl serde::Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }
    fn read<T: serde::de::DeserializeOwned>(text: &str) -> std::result::Result<T, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
    h.state(
        "NearestMeanConfig",
        &json(&NearestMeanConfig::new(2, 2)),
        |text| {
            let config = read::<NearestMeanConfig>(text)?;
            nearest(&config, 1.0, 2.0, 1).map_err(|error| error.to_string())
        },
    );
    h.state("SldaConfig", &json(&SldaConfig::new(2, 2)), |text| {
        let config = read::<SldaConfig>(text)?;
        slda(&config, 1.0, 2.0, 1).map_err(|error| error.to_string())
    });
    let fitted = BiasCorrection::fit(features(1.0, 2.0), labels(1), &[1]).unwrap();
    h.state("BiasCorrection", &json(&fitted), |text| {
        let correction = read::<BiasCorrection>(text)?;
        let applied = correction.apply(features(1.0, 2.0));
        applied.map(drop).map_err(|error| error.to_string())
    });
    h.finish();
}

#[test]
fn damaged_means_are_refused_or_serve() {
    let mut h = Hostile::new("continual classifier states");
    let device = Device::flex();
    let config = NearestMeanConfig::new(2, 2);
    let mut means = config.init(&device).unwrap();
    means.add(features(1.0, 2.0), labels(1)).unwrap();
    let of_means = means.save().unwrap();
    let of_slda = SldaConfig::new(2, 2);
    let mut slda = of_slda.init(&device).unwrap();
    slda.add(features(1.0, 2.0), labels(1)).unwrap();
    let bytes = slda.save().unwrap();
    for seed in 0..mutations() {
        h.input(format_args!("NearestMean {seed}"), || {
            let mut other = config.init(&device).unwrap();
            other
                .load(&damaged(&of_means, seed))
                .map_err(|error| error.to_string())?;
            let added = other.add(features(1.0, 2.0), labels(1));
            added.map_err(|error| error.to_string())?;
            let scores = other.logits(features(1.0, 2.0));
            scores.map_err(|error| error.to_string())?;
            other.save().map_err(|error| error.to_string())
        });
        h.input(format_args!("Slda {seed}"), || {
            let mut other = of_slda.init(&device).unwrap();
            other
                .load(&damaged(&bytes, seed))
                .map_err(|error| error.to_string())?;
            let added = other.add(features(1.0, 2.0), labels(1));
            added.map_err(|error| error.to_string())?;
            let scores = other.logits(features(1.0, 2.0));
            scores.map_err(|error| error.to_string())?;
            other.save().map_err(|error| error.to_string())
        });
    }
    assert!(
        NearestMeanConfig::new(2, 3)
            .init(&device)
            .unwrap()
            .load(&of_means)
            .is_err()
    );
    assert!(
        SldaConfig::new(2, 2)
            .init(&device)
            .unwrap()
            .load(&of_means)
            .is_err()
    );
    h.finish();
}
