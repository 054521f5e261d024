//! Damaged states and settings of the methods against loss of plasticity.

use burn::optim::{GradientsParams, SgdConfig};
use regimen_continual::plasticity::{Draw, Units, Which, recycle};
use regimen_continual::*;
use regimen_tensor::testing::Hostile;

use super::super::bad_input::plasticity::{Shown, counted, kept_plastic};
use super::super::models::drawn;
use super::data::{state, text_of};
use super::{Whole, damaged, mutations};

type Make = fn(&Shown) -> Box<dyn Whole<Shown>>;

fn layers() -> Vec<Units> {
    vec![Shown::units()]
}

fn all() -> Vec<(&'static str, Make)> {
    vec![
        ("ReDo", |model| {
            let config = ReDoConfig::new(layers()).with_every(2).with_tau(0.9);
            Box::new(config.init(model).unwrap())
        }),
        ("ContinualBackprop", |model| {
            let config = ContinualBackpropConfig::new(layers()).with_rho(0.3);
            Box::new(config.with_maturity(0).init(model).unwrap())
        }),
        ("Reset", |model| {
            Box::new(
                ResetConfig::new(vec!["head".into()], 2)
                    .init(model)
                    .unwrap(),
            )
        }),
        ("ShrinkPerturb", |_| {
            Box::new(ShrinkPerturbConfig::new(2).init().unwrap())
        }),
        ("L2Init", |model| {
            Box::new(L2InitConfig::new(0.1).init(model).unwrap())
        }),
    ]
}

fn step(method: &dyn Whole<Shown>, model: Shown) -> Result<Shown> {
    let loss = method.loss(&model, &drawn(1, 6, &[0, 1]))?;
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    Ok(method.update(
        model,
        &mut SgdConfig::new().init(),
        0.1.into(),
        grads.into(),
    ))
}

#[test]
fn damaged_states_of_plasticity_are_refused_or_serve() {
    let mut h = Hostile::new("continual plasticity states");
    for (name, make) in all() {
        let mut model = Shown::new();
        let method = make(&model);
        for _ in 0..3 {
            model = step(&*method, model).unwrap();
        }
        let bytes = method.save().unwrap();
        make(&model).load(&bytes).unwrap();
        for seed in 0..mutations() {
            h.input(format_args!("{name} {seed}"), || {
                let mut other = make(&model);
                other.load(&damaged(&bytes, seed)).map_err(text_of)?;
                let model = step(&*other, model.clone()).map_err(text_of)?;
                step(&*other, model).map_err(text_of)?;
                other.save().map_err(text_of)?;
                Ok::<_, String>(())
            });
        }
    }
    h.finish();
}

#[test]
fn settings_of_plasticity() {
    let mut h = Hostile::new("continual plasticity settings");
    let h = &mut h;
    let used = |units: Units, draw| {
        recycle(Shown::new(), &[(units, vec![1])], draw, 1)
            .map(drop)
            .map_err(text_of)
    };
    state(h, "Units", &Shown::units(), |units: Units| {
        used(units, Draw::default())
    });
    state(h, "Draw", &Draw::Normal(1.0), |draw: Draw| {
        used(Shown::units(), draw)
    });
    let redo = ReDoConfig::new(layers()).with_every(1);
    state(h, "ReDoConfig", &redo, |c: ReDoConfig| {
        kept_plastic(|model| c.init(model)).map_err(text_of)
    });
    state(h, "Which", &Which::Random, |which: Which| {
        kept_plastic(|model| redo.clone().with_which(which).init(model)).map_err(text_of)
    });
    let config = ContinualBackpropConfig::new(layers());
    state(
        h,
        "ContinualBackpropConfig",
        &config,
        |c: ContinualBackpropConfig| kept_plastic(|model| c.init(model)).map_err(text_of),
    );
    let config = ResetConfig::new(vec!["head".into()], 1);
    state(h, "ResetConfig", &config, |c: ResetConfig| {
        kept_plastic(|model| c.init(model)).map_err(text_of)
    });
    state(
        h,
        "ShrinkPerturbConfig",
        &ShrinkPerturbConfig::new(1),
        |c: ShrinkPerturbConfig| kept_plastic(|_| c.init()).map_err(text_of),
    );
    state(
        h,
        "L2InitConfig",
        &L2InitConfig::new(0.1),
        |c: L2InitConfig| kept_plastic(|model| c.init(model)).map_err(text_of),
    );
    let config = ReplayRatioConfig::new(8);
    state(h, "ReplayRatioConfig", &config, |c: ReplayRatioConfig| {
        counted(c.init().map_err(text_of)?).map_err(text_of)
    });
    let mut ratio = config.init().unwrap();
    for step in 0..20 {
        if ratio.step() > 0 {
            ratio.observe(1.0 / f64::from(step + 1)).unwrap();
        }
    }
    state(h, "ReplayRatio", &ratio, |ratio: ReplayRatio| {
        counted(ratio).map_err(text_of)
    });
    h.finish();
}
