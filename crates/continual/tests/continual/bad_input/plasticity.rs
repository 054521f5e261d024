//! Meters, interventions and the replay ratio under absurd arguments.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::AdamConfig;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use regimen_continual::plasticity::{
    Activations, Draw, Units, Which, active, crelu, dormancy, gradient_diversity, probe, ranks,
    recycle, reset, shrink_perturb,
};
use regimen_continual::*;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use super::super::models::drawn;
use super::trained;

/// Four inputs, three hidden units, four classes.
#[derive(Module, Debug)]
pub(crate) struct Shown {
    hidden: Linear,
    head: Linear,
}

impl Shown {
    pub(crate) fn new() -> Self {
        let device = Device::flex().autodiff();
        Self {
            hidden: LinearConfig::new(4, 3).init(&device),
            head: LinearConfig::new(3, 4).init(&device),
        }
    }

    pub(crate) fn units() -> Units {
        Units::new("hidden").before("head")
    }
}

impl Classifier for Shown {
    type Batch = (Tensor<2>, Tensor<1, Int>);

    fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
        self.head.forward(relu(self.hidden.forward(inputs.clone())))
    }
}

impl Probed for Shown {
    fn probed(&self, (inputs, _): &Self::Batch) -> Result<(Tensor<2>, Vec<Activations>)> {
        let hidden = relu(self.hidden.forward(inputs.clone()));
        let logits = self.head.forward(hidden.clone());
        Ok((logits, vec![Activations::flat("hidden", hidden)]))
    }
}

/// Training with whatever the strategy was made of.
pub(crate) fn kept_plastic<S: Strategy<Shown>>(make: impl Fn(&Shown) -> Result<S>) -> Result<()> {
    let model = Shown::new();
    let strategy = make(&model)?;
    trained(&strategy, model, &drawn(1, 6, &[0, 1])).map(drop)
}

/// A few steps with a ratio.
pub(crate) fn counted(mut ratio: ReplayRatio) -> Result<()> {
    for _ in 0..40 {
        let due = ratio.step();
        assert!(due as f64 <= ratio.config().high + 1.0);
        if due > 0 && ratio.watches() {
            ratio.observe(0.5)?;
        }
    }
    Ok(())
}

#[test]
fn interventions() {
    let mut h = Hostile::new("continual plasticity");
    let layers = || vec![Shown::units()];
    for x in NUMBERS {
        for draw in [Draw::Uniform(x), Draw::Normal(x)] {
            h.input(format_args!("recycle {draw:?}"), || {
                let (model, renewed) =
                    recycle(Shown::new(), &[(Shown::units(), vec![1])], draw, 1)?;
                renewed.clear(&mut AdamConfig::new().init())?;
                probe(&model, &drawn(1, 6, &[0]), 0.1).map(drop)
            });
            h.input(format_args!("reset {draw:?}"), || {
                reset(Shown::new(), &[String::new()], draw, 1).map(drop)
            });
            h.input(format_args!("ReDoConfig::init {draw:?}"), || {
                let config = ReDoConfig::new(layers()).with_tau(x).with_every(1);
                kept_plastic(|model| config.clone().with_draw(draw).init(model))
            });
        }
        h.input(format_args!("probe {x}"), || {
            probe(&Shown::new(), &drawn(1, 6, &[0]), x).map(drop)
        });
        h.input(format_args!("L2InitConfig::init {x}"), || {
            kept_plastic(|model| L2InitConfig::new(x).init(model))
        });
        for y in NUMBERS {
            h.input(
                format_args!("ContinualBackpropConfig::init {x} {y}"),
                || {
                    let config = ContinualBackpropConfig::new(layers())
                        .with_rho(x)
                        .with_eta(y);
                    kept_plastic(|model| config.clone().with_maturity(0).init(model))
                },
            );
            h.input(format_args!("ShrinkPerturbConfig::init {x} {y}"), || {
                let config = ShrinkPerturbConfig::new(1).with_shrink(x).with_perturb(y);
                kept_plastic(|_| config.init())
            });
            h.input(format_args!("shrink_perturb {x} {y}"), || {
                shrink_perturb(Shown::new(), x, y, Draw::default(), 1).map(drop)
            });
            h.input(format_args!("ranks {x} {y}"), || {
                ranks(&[1.0, x], y).map(drop)
            });
        }
    }
    for n in COUNTS {
        h.input(format_args!("recycle unit {n}"), || {
            recycle(
                Shown::new(),
                &[(Shown::units(), vec![n])],
                Draw::default(),
                1,
            )
            .map(drop)
        });
        h.input(format_args!("ReDoConfig::init every {n}"), || {
            let config = ReDoConfig::new(layers())
                .with_every(n)
                .with_which(Which::Random);
            kept_plastic(|model| config.init(model))
        });
        h.input(format_args!("ResetConfig::init every {n}"), || {
            kept_plastic(|model| ResetConfig::new(vec!["head".into()], n).init(model))
        });
        h.input(format_args!("ContinualBackpropConfig maturity {n}"), || {
            let config = ContinualBackpropConfig::new(layers()).with_maturity(n as u64);
            kept_plastic(|model| config.init(model))
        });
        h.input(format_args!("crelu axis {n}"), || {
            crelu(Tensor::<2>::zeros([2, 2], &Device::flex()), n).map(drop)
        });
    }
    for units in [
        Units::new("hidden"),
        Units::new("nothing").before("head"),
        Units::new("head").before("hidden"),
        Units::new("hidden").before("head").with_norm("head"),
        Units::new("hidden.bias").before("head"),
    ] {
        h.input(format_args!("Units::new {units:?}"), || {
            recycle(
                Shown::new(),
                &[(units.clone(), vec![0])],
                Draw::default(),
                1,
            )
            .map(drop)
        });
    }
    h.input("no layers", || {
        kept_plastic(|model| ReDoConfig::new(Vec::new()).init(model))
    });
    h.finish();
}

#[test]
fn meters() {
    let mut h = Hostile::new("continual meters");
    let device = Device::flex();
    for x in NUMBERS {
        let of = |value: f64| Tensor::<2>::full([2, 3], value as f32, &device);
        h.input(format_args!("active, dormancy {x}"), || {
            let shown = Activations::flat("layer", of(x));
            active(std::slice::from_ref(&shown))?;
            dormancy(&shown).map(drop)
        });
        h.input(
            format_args!("Activations::tokens, Activations::images {x}"),
            || {
                let tokens = Activations::tokens("a", of(x).unsqueeze());
                let images = Activations::images("b", of(x).unsqueeze());
                active(&[tokens, images]).map(drop)
            },
        );
        h.input(format_args!("gradient_diversity {x}"), || {
            let model = Shown::new();
            gradient_diversity(&model, [x, 1.0], |model, by| {
                plain_loss(model, &drawn(1, 2, &[0])) * by
            })
            .map(drop)
        });
    }
    let none = Activations::flat("layer", Tensor::<2>::zeros([0, 3], &device));
    h.input("Activations::flat without examples", || {
        dormancy(&none).map(drop)
    });
    h.input("active without layers", || active(&[]).map(drop));
    h.input("ranks without values", || ranks(&[], 0.5).map(drop));
    h.finish();
}

#[test]
fn replay_ratio() {
    let mut h = Hostile::new("continual replay ratio");
    for x in NUMBERS {
        for y in NUMBERS {
            h.input(format_args!("ReplayRatioConfig::init {x} {y}"), || {
                let config = ReplayRatioConfig::new(8).with_low(x).with_high(y);
                counted(config.init()?)
            });
        }
        h.input(format_args!("ReplayRatioConfig tau {x}"), || {
            counted(ReplayRatioConfig::new(8).with_tau(x).init()?)
        });
        h.input(format_args!("observe {x}"), || {
            let mut ratio = ReplayRatioConfig::new(8).init()?;
            ratio.step();
            ratio.observe(x)
        });
    }
    for n in COUNTS {
        h.input(format_args!("ReplayRatioConfig::new {n}"), || {
            counted(ReplayRatioConfig::new(n as u64).init()?)
        });
        h.input(format_args!("ReplayRatioConfig window {n}"), || {
            counted(ReplayRatioConfig::new(8).with_window(n as u64).init()?)
        });
    }
    h.finish();
}
