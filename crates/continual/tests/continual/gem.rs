//! The quadratic program of GEM, and gradients under it.

use approx::assert_relative_eq;
use proptest::prelude::*;
use regimen_continual::ContinualError;
use regimen_continual::projections::quadratic_program;
use regimen_tensor::linalg::{DMatrix, DVector};

fn solved(rows: &[&[f64]], g: &[f64], margin: f64, ridge: f64) -> (DVector<f64>, DVector<f64>) {
    let memory = DMatrix::from_fn(rows.len(), g.len(), |row, column| rows[row][column]);
    let g = DVector::from_row_slice(g);
    let v = quadratic_program(
        &(&memory * memory.transpose()),
        &(&memory * &g),
        margin,
        ridge,
    )
    .unwrap();
    let projected = memory.transpose() * &v + g;
    (v, projected)
}

#[test]
fn two_memory_gradients_with_and_without_a_margin() {
    let rows: [&[f64]; 2] = [&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0]];
    let (v, g) = solved(&rows, &[-1.0, 2.0, 1.0], 0.0, 1e-3);
    assert_relative_eq!(v, DVector::from_vec(vec![0.999_001, 0.0]), epsilon = 1e-6);
    assert_relative_eq!(
        g,
        DVector::from_vec(vec![-0.000_999, 2.0, 1.0]),
        epsilon = 1e-6
    );
    let (v, g) = solved(&rows, &[-1.0, 2.0, 1.0], 0.5, 1e-3);
    assert_relative_eq!(v, DVector::from_vec(vec![0.999_001, 0.5]), epsilon = 1e-6);
    assert_relative_eq!(
        g,
        DVector::from_vec(vec![-0.000_999, 2.5, 1.0]),
        epsilon = 1e-6
    );
}

#[test]
fn opposite_gradients_leave_what_the_ridge_leaves() {
    for ridge in [1e-1, 1e-3, 1e-9, 0.0] {
        let (_, g) = solved(&[&[-1.0, 0.0]], &[1.0, 0.0], 0.0, ridge);
        let left = ridge / (1.0 + ridge);
        assert_relative_eq!(g, DVector::from_vec(vec![left, 0.0]), epsilon = 1e-12);
    }
}

#[test]
fn memory_gradients_that_depend_on_each_other_have_a_solution() {
    let rows: [&[f64]; 3] = [&[1.0, 0.0], &[2.0, 0.0], &[1.0, 0.0]];
    for ridge in [0.0, 1e-3] {
        for scale in [1e-8, 1.0, 1e10] {
            let (v, g) = solved(&rows, &[-scale, scale], 0.0, ridge);
            assert!(v.iter().all(|v| v.is_finite() && *v >= 0.0), "{v}");
            assert!(g[0] >= -scale * (1e-3 + 1e-9) && g[1] == scale, "{g}");
        }
    }
    let huge = DMatrix::from_element(3, 3, 1e300);
    let v = quadratic_program(&huge, &DVector::repeat(3, -1e300), 0.0, 1e-3).unwrap();
    assert!(v.iter().all(|v| v.is_finite() && *v >= 0.0), "{v}");
}

#[test]
fn what_is_no_program_is_refused() {
    let gram = DMatrix::identity(2, 2);
    let two = DVector::repeat(2, 1.0);
    assert!(quadratic_program(&gram, &DVector::repeat(3, 1.0), 0.0, 1e-3).is_err());
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(quadratic_program(&gram, &two, bad, 1e-3).is_err());
        assert!(quadratic_program(&gram, &two, 0.0, bad).is_err());
    }
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let products = DVector::from_vec(vec![1.0, bad]);
        let error = quadratic_program(&gram, &products, 0.0, 1e-3).unwrap_err();
        assert!(matches!(error, ContinualError::NotFinite(_)), "{error}");
    }
    let none = quadratic_program(&DMatrix::zeros(0, 0), &DVector::zeros(0), 0.5, 1e-3).unwrap();
    assert_eq!(none.len(), 0);
}

proptest! {
    /// v >= margin, slope >= 0, and slope 0 where v is above the margin.
    #[test]
    fn the_solution_satisfies_the_conditions_of_karush_kuhn_and_tucker(
        (tasks, width) in (1_usize..9, 1_usize..7),
        values in prop::collection::vec(-3.0_f64..3.0, 9 * 7 + 7),
        margin in 0.0_f64..1.0,
    ) {
        let memory = DMatrix::from_fn(tasks, width, |row, column| values[row * 7 + column]);
        let g = DVector::from_fn(width, |row, _| values[9 * 7 + row]);
        let (gram, products) = (&memory * memory.transpose(), &memory * g);
        let v = quadratic_program(&gram, &products, margin, 1e-3).unwrap();
        let slope = (gram + DMatrix::identity(tasks, tasks) * 1e-3) * &v + products;
        for (v, slope) in v.iter().zip(slope.iter()) {
            prop_assert!(*v >= margin);
            prop_assert!(*slope >= -1e-7, "slope {slope}");
            prop_assert!((v - margin) * slope <= 1e-5, "v {v}, slope {slope}");
        }
    }
}
