//! Divergences, distillation and refresh under absurd arguments.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use regimen_continual::penalties::{
    OutputDivergence, Target, gaussian_kl, kronecker, of_classes, soft_cross_entropy,
};
use regimen_continual::*;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use super::super::models::{Net, drawn};
use super::super::two::{Two, batch};
use super::{trained, used};

type Rows = (Tensor<2>, Tensor<1, Int>);

/// A layer, and cosines with directions.
#[derive(Module, Debug)]
pub(crate) struct Cosine {
    body: Linear,
    head: CosineLinear,
}

impl Cosine {
    pub(crate) fn new() -> Self {
        let device = Device::flex().autodiff();
        Self {
            body: LinearConfig::new(4, 3).init(&device),
            head: CosineLinearConfig::new(3, 4).init(&device).unwrap(),
        }
    }
}

impl Classifier for Cosine {
    type Batch = Rows;

    fn logits(&self, batch: &Rows) -> Tensor<2> {
        self.head.forward(self.features(batch))
    }
}

impl Encoder for Cosine {
    fn features(&self, (inputs, _): &Rows) -> Tensor<2> {
        self.body.forward(inputs.clone())
    }
}

impl CosineClassifier for Cosine {
    fn head(&self) -> &CosineLinear {
        &self.head
    }
}

pub(crate) fn herded(config: &IcarlConfig) -> Result<()> {
    let model = Net::new(1);
    trained(&config.init(&model)?, model, &drawn(1, 6, &[0, 1])).map(drop)
}

pub(crate) fn rebalanced(config: &LucirConfig) -> Result<()> {
    let model = Cosine::new();
    trained(&config.init(&model)?, model, &drawn(1, 6, &[0, 1])).map(drop)
}

pub(crate) fn refreshed(config: &RefreshConfig) -> Result<()> {
    let model = Two::new([0.1, 0.2]);
    let refresh = config.init(&model, EwcConfig::new(1.0).init(&model)?)?;
    let seen = batch(&[[1.0, 2.0], [0.5, -1.0]], &[0, 1]);
    let model = trained(&refresh, model, &seen)?;
    refresh.unlearn(&model, &seen).map(drop)
}

#[test]
fn exemplars_and_teachers() {
    let mut h = Hostile::new("continual distillation");
    let model = Two::new([0.1, 0.2]);
    for n in COUNTS {
        h.input(format_args!("IcarlConfig::init {n}"), || {
            herded(&IcarlConfig::new(n).with_seed(n as u64))
        });
        h.input(format_args!("IcarlConfig replay {n}"), || {
            herded(&IcarlConfig::new(4).with_replay(Some(n)))
        });
        h.input(format_args!("LucirConfig::init {n}"), || {
            rebalanced(&LucirConfig::new(n).with_seed(n as u64))
        });
        h.input(format_args!("LucirConfig {n}"), || {
            rebalanced(&LucirConfig::new(4).with_replay(Some(n)).with_hardest(n))
        });
    }
    for a in NUMBERS {
        h.input(format_args!("LucirConfig margin {a}"), || {
            rebalanced(&LucirConfig::new(4).with_margin(a))
        });
        for b in NUMBERS {
            h.input(format_args!("LwfConfig::init {a} {b}"), || {
                let config = LwfConfig::new().with_alpha(a).with_temperature(b);
                used(config.init(&model))
            });
            h.input(format_args!("LucirConfig {a} {b}"), || {
                rebalanced(&LucirConfig::new(4).with_lambda_base(a).with_rank(b))
            });
        }
    }
    h.finish();
}

#[test]
fn refresh() {
    let mut h = Hostile::new("continual refresh");
    for a in NUMBERS {
        for form in [Form::code(a), Form::paper(a)] {
            for direction in [Direction::Ascent, Direction::Descent, Direction::Random] {
                h.input(
                    format_args!("RefreshConfig::init {form:?} {direction:?}"),
                    || {
                        let config = RefreshConfig::new().with_form(form);
                        refreshed(&config.with_direction(direction).with_restore(true))
                    },
                );
            }
        }
        h.input(format_args!("RefreshConfig tau {a}"), || {
            refreshed(&RefreshConfig::new().with_tau(a))
        });
        for b in NUMBERS {
            h.input(format_args!("Form::code with noise {a} {b}"), || {
                let form = Form::Code { delta: a, noise: b };
                refreshed(&RefreshConfig::new().with_form(form))
            });
            h.input(format_args!("Form::paper with noise {a} {b}"), || {
                let form = Form::Paper {
                    gamma: 1e-3,
                    steps: 2,
                    noise: a,
                    damping: b,
                };
                refreshed(&RefreshConfig::new().with_form(form))
            });
        }
    }
    for n in COUNTS {
        h.input(format_args!("RefreshConfig steps {n}"), || {
            let form = Form::Paper {
                gamma: 1e-3,
                steps: n,
                noise: 1.0,
                damping: 1e-3,
            };
            refreshed(&RefreshConfig::new().with_form(form))
        });
        h.input(format_args!("RefreshConfig examples {n}"), || {
            let config = RefreshConfig::new().with_examples(n);
            refreshed(&config.with_seed(n as u64).with_fisher(true))
        });
    }
    h.finish();
}

#[test]
fn divergences() {
    let mut h = Hostile::new("continual divergences");
    let device = Device::flex().autodiff();
    let rows = |a: f64, b: f64| Tensor::<2>::from_data([[a as f32, b as f32], [0.5, 1.0]], &device);
    let flat = |a: f64, b: f64| Tensor::<1>::from_data([a as f32, b as f32], &device);
    for a in NUMBERS {
        for b in NUMBERS {
            for of in [
                OutputDivergence::LogitMse,
                OutputDivergence::ProbL2,
                OutputDivergence::KlToStored { temperature: a },
                OutputDivergence::KlToUniform,
                OutputDivergence::CrossEntropyToLabel,
            ] {
                h.input(format_args!("{of:?} {a} {b}"), || -> Result<()> {
                    let labels = Tensor::<1, Int>::from_data([0, 1], &device);
                    for target in [Target::Logits(rows(b, a)), Target::Labels(labels)] {
                        if let Ok(value) = of.of(rows(a, b).require_grad(), &target) {
                            value.backward();
                        }
                    }
                    of.of(rows(a, b), &Target::None).map(drop)
                });
            }
            h.input(format_args!("gaussian_kl {a} {b}"), || {
                gaussian_kl(flat(a, b), flat(b, a), flat(1.0, a), flat(b, 1.0))
            });
            h.input(format_args!("kronecker {a} {b}"), || {
                kronecker(rows(a, b), rows(b, a), rows(a, a))
            });
            h.input(format_args!("soft_cross_entropy {a} {b}"), || {
                soft_cross_entropy(rows(b, 1.0), &rows(a, b), a)
            });
        }
    }
    let one = || Tensor::<1>::ones([1], &device);
    h.input("gaussian_kl of other lengths", || {
        gaussian_kl(one(), flat(1.0, 1.0), one(), one())
    });
    h.input("kronecker of other shapes", || {
        kronecker(
            rows(1.0, 1.0),
            Tensor::ones([3, 3], &device),
            rows(1.0, 1.0),
        )
    });
    for n in COUNTS {
        h.input(format_args!("of_classes {n}"), || {
            of_classes(rows(1.0, 2.0), &[n, 0, n])
        });
    }
    h.input("of_classes of none", || of_classes(rows(1.0, 2.0), &[]));
    h.input("soft_cross_entropy of other shapes", || {
        soft_cross_entropy(rows(1.0, 1.0), &Tensor::ones([2, 3], &device), 1.0)
    });
    for shape in [[0, 2], [2, 0], [0, 0]] {
        let none = || Tensor::<2>::ones(shape, &device);
        h.input(format_args!("soft_cross_entropy {shape:?}"), || {
            soft_cross_entropy(none(), &none(), 1.0)
        });
        for of in [
            OutputDivergence::LogitMse,
            OutputDivergence::ProbL2,
            OutputDivergence::KlToStored { temperature: 1.0 },
            OutputDivergence::KlToUniform,
        ] {
            h.input(format_args!("{of:?} {shape:?}"), || {
                of.of(none(), &Target::Logits(none()))
            });
        }
        h.input(format_args!("kronecker {shape:?}"), || {
            let [rows, columns] = shape;
            let side = |n: usize| Tensor::<2>::ones([n, n], &device);
            kronecker(none(), side(rows), side(columns))
        });
    }
    h.finish();
}
