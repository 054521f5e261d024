//! Bases, projections and the small dense solves under absurd arguments.

use burn::tensor::{Device, Tensor};
use regimen_continual::projections::{
    Basis, Directions, Patches, Seen, against, grown, patches, quadratic_program,
};
use regimen_continual::{GpmConfig, Result};
use regimen_tensor::ParamVector;
use regimen_tensor::linalg::{DMatrix, DVector};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use super::super::net::{Net, examples};
use super::super::two::Two;
use super::trained;

#[test]
fn bases() {
    let mut h = Hostile::new("continual bases");
    let space = ParamVector::of(&Two::new([0.1, 0.2]));
    let vector = |a: f64, b: f64| space.from_host(vec![vec![a as f32, b as f32]]);
    for a in NUMBERS {
        for b in NUMBERS {
            h.input(format_args!("Basis::new {a} {b}"), || -> Result<()> {
                let mut basis = Basis::new(&space);
                basis.add(&vector(a, b)?)?;
                basis.add(&vector(b, a)?)?;
                let left = basis.project(&vector(a, 1.0)?)?;
                assert!(basis.directions().len() <= 2 && left.entries().len() == 1);
                Ok(())
            });
            h.input(format_args!("Directions::new {a} {b}"), || -> Result<()> {
                let mut directions = Directions::new(&space);
                directions.extend(&[vector(a, b)?, vector(b, a)?])?;
                let like = vector(a, a)?;
                let factors = directions.products(&like)?;
                let _ = directions.gram();
                let factors = factors.unwrap_or_else(|| Tensor::zeros([2], &Device::flex()));
                directions.combined(factors, &like).map(drop)
            });
            h.input(format_args!("against {a} {b}"), || {
                against(&vector(a, b)?, &vector(b, -1.0)?)
            });
        }
    }
    let none = ParamVector::from_entries(Vec::new());
    h.input("Directions::new of nothing", || -> Result<()> {
        let mut directions = Directions::new(&none);
        directions.extend(std::slice::from_ref(&none))?;
        directions.extend(std::slice::from_ref(&none))?;
        let _ = (directions.products(&none)?, directions.gram());
        let factors = Tensor::zeros([directions.len()], &Device::flex());
        directions.combined(factors, &none).map(drop)
    });
    h.input("Basis::new of nothing", || -> Result<()> {
        let mut basis = Basis::new(&none);
        basis.add(&none)?;
        basis.project(&none).map(drop)
    });
    h.input("Basis::new of another space", || {
        Basis::new(&none).add(&vector(1.0, 2.0)?)
    });
    h.input("against nothing", || against(&vector(1.0, 2.0)?, &none));
    h.finish();
}

#[test]
fn solves() {
    let mut h = Hostile::new("continual solves");
    for a in NUMBERS {
        for b in NUMBERS {
            let gram = DMatrix::from_row_slice(2, 2, &[a, b, b, 1.0]);
            let products = DVector::from_vec(vec![b, -1.0]);
            h.input(format_args!("quadratic_program {a} {b}"), || {
                quadratic_program(&gram, &products, 0.0, 1e-3)
            });
            h.input(
                format_args!("quadratic_program, margin {a} ridge {b}"),
                || quadratic_program(&DMatrix::identity(2, 2), &products, a, b),
            );
            let known = DMatrix::zeros(2, 0);
            for strict in [false, true] {
                h.input(format_args!("grown rows {a} {b}"), || {
                    let rows = DMatrix::from_row_slice(3, 2, &[a, b, b, 1.0, a, 0.5]);
                    let basis = grown(&known, &Seen::Rows(rows.clone()), 0.9, strict)?;
                    grown(&basis, &Seen::Rows(rows), 0.99, strict)
                });
                h.input(format_args!("grown gram {a} {b}"), || {
                    grown(&known, &Seen::Gram(gram.clone()), 0.9, strict)
                });
                h.input(format_args!("grown share {a}"), || {
                    grown(&known, &Seen::Rows(gram.map(|_| 0.5)), a, strict)
                });
            }
            h.input(format_args!("grown known {a} {b}"), || {
                let known = DMatrix::from_row_slice(2, 1, &[a, b]);
                grown(&known, &Seen::Gram(DMatrix::identity(2, 2)), 0.9, false)
            });
        }
    }
    for rows in 0..4 {
        for columns in 0..4 {
            h.input(format_args!("grown {rows} by {columns}"), || {
                let values = DMatrix::from_element(rows, columns, 1.0);
                grown(&DMatrix::zeros(2, 0), &Seen::Gram(values), 0.9, false)
            });
            h.input(format_args!("grown to {rows} by {columns}"), || {
                let known = DMatrix::from_element(rows, columns, 1.0);
                let seen = Seen::Rows(DMatrix::from_element(columns, rows, 1.0));
                grown(&known, &seen, 0.9, false)
            });
            h.input(
                format_args!("quadratic_program {rows} by {columns}"),
                || {
                    let gram = DMatrix::from_element(rows, columns, 1.0);
                    quadratic_program(&gram, &DVector::zeros(rows), 0.0, 0.0)
                },
            );
        }
    }
    h.finish();
}

#[test]
fn layers() {
    let mut h = Hostile::new("continual layers");
    let device = Device::flex();
    for n in COUNTS {
        for m in COUNTS {
            let of = Patches::of([n, 1]);
            for of in [
                Patches::of([n, m]),
                Patches {
                    stride: [n, m],
                    ..of
                },
                Patches {
                    padding: [n, m],
                    ..of
                },
                Patches {
                    dilation: [m, n],
                    ..of
                },
                Patches { groups: m, ..of },
            ] {
                h.input(format_args!("{of:?}"), || {
                    patches(Tensor::ones([1, 2, 3, 3], &device), &of)
                });
            }
        }
        h.input(format_args!("GpmConfig::init examples {n}"), || {
            let model = Net::new(1);
            let gpm = GpmConfig::new().with_examples(n).init(&model)?;
            trained(&gpm, model, &examples(3, 1))
        });
    }
    h.input("no images", || {
        patches(Tensor::ones([0, 2, 3, 3], &device), &Patches::of([1, 1]))
    });
    for a in NUMBERS {
        h.input(format_args!("GpmConfig {a}"), || {
            let model = Net::new(1);
            let config = GpmConfig::new().with_first(a).with_others(a);
            let gpm = config.with_strict(a > 0.5).init(&model)?;
            trained(&gpm, model, &examples(3, 1))
        });
    }
    h.finish();
}
