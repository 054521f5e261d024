//! # Subspace
//!
//! The span of what enters a layer, from its singular values, on the host.
//!
//! Source: Saha et al., "Gradient projection memory for continual learning" (arXiv 2103.09762), equations 5 to 9.

use regimen_tensor::linalg::{DMatrix, DVector};

use crate::{ContinualError, Result};

/// Rounds of the iterations of nalgebra, for each row: it needs a few.
const ROUNDS: usize = 100;

/// What was seen of a layer's inputs, one a row of R, in f64.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// R itself, `[rows, width]`.
    Rows(DMatrix<f64>),
    /// `R^T R`, `[width, width]`: for more rows than `width`.
    Gram(DMatrix<f64>),
}

/// How many leading singular values reach a share of the energy.
///
/// The smallest k with `kept + sum_{i <= k} energies_i >= share * total`; 0 where `kept` alone reaches it. `strict` counts the values
/// whose sum stays below the share, one fewer, as the released code does in the first task.
///
/// ```
/// use regimen_continual::projections::leading;
///
/// // singular values 3, 2, 1, .5
/// let energies = [9.0, 4.0, 1.0, 0.25];
/// assert_eq!(leading(&energies, 14.25, 0.0, 0.9, false), 2);
/// assert_eq!(leading(&energies, 14.25, 0.0, 0.9, true), 1);
/// assert_eq!(leading(&energies, 20.0, 18.5, 0.9, false), 0);
/// ```
#[must_use]
pub fn leading(energies: &[f64], total: f64, kept: f64, share: f64, strict: bool) -> usize {
    let wanted = share * total;
    let sums = energies.iter().scan(kept, |sum, energy| {
        *sum += energy;
        Some(*sum)
    });
    let below = sums.take_while(|sum| *sum < wanted).count();
    match kept >= wanted {
        true => 0,
        false if strict => below,
        false => (below + 1).min(energies.len()),
    }
}

/// The basis with what a new task adds: `known` `[width, k]` with orthonormal columns, and new columns, orthonormal too.
///
/// `R^ = R - R M M^T`, and of its right singular vectors the first that [`leading`] asks for, so that the basis holds `share` of the
/// energy of R. `strict` counts in the first task only (`known` without a column).
///
/// # Errors
/// If the widths differ or are 0, `share` is not above 0 and at most 1, a value or the energy is not finite, or the decomposition does not
/// converge.
pub fn grown(known: &DMatrix<f64>, seen: &Seen, share: f64, strict: bool) -> Result<DMatrix<f64>> {
    let width = known.nrows();
    let within = share > 0.0 && share <= 1.0;
    crate::error::check("share", share, within, "above 0, at most 1")?;
    let (Seen::Rows(values) | Seen::Gram(values)) = seen;
    if values.ncols() != width {
        return Err(ContinualError::mismatch(
            "width of a layer's inputs",
            width,
            values.ncols(),
        ));
    }
    if values.is_empty() {
        return Err(ContinualError::Empty("a layer's inputs"));
    }
    if matches!(seen, Seen::Gram(_)) && values.nrows() != width {
        let what = "rows of a layer's `R^T R`";
        return Err(ContinualError::mismatch(what, width, values.nrows()));
    }
    if known.ncols() > width {
        let what = "directions of a basis";
        return Err(ContinualError::mismatch(what, width, known.ncols()));
    }
    let not_finite = || ContinualError::NotFinite("a layer's inputs".into());
    let mut all = values.iter().chain(known.iter());
    if all.any(|value| !value.is_finite()) || !values.norm_squared().is_finite() {
        return Err(not_finite());
    }
    // Directions are columns, the strongest first.
    let (total, left, energies, directions) = match seen {
        Seen::Rows(rows) => {
            let left = rows - (rows * known) * known.transpose();
            let (total, energy) = (rows.norm_squared(), left.norm_squared());
            if !energy.is_finite() {
                return Err(not_finite());
            }
            // By the symmetric R^ R^T: nalgebra's singular values of a matrix of lower rank are not always right.
            let (values, rotation) = eigen(&left * left.transpose())?;
            let mut directions = left.transpose() * rotation;
            for mut direction in directions.column_iter_mut() {
                let norm = direction.norm();
                if norm > 0.0 {
                    direction /= norm;
                }
            }
            (total, energy, values, directions)
        }
        Seen::Gram(gram) => {
            let keep = DMatrix::identity(width, width) - known * known.transpose();
            let left = &keep * gram * &keep;
            let energy = left.trace();
            if !left.norm_squared().is_finite() {
                return Err(not_finite());
            }
            let (values, directions) = eigen(left)?;
            (gram.trace(), energy, values, directions)
        }
    };
    let mut order: Vec<usize> = (0..energies.len()).collect();
    order.sort_by(|i, j| energies[*j].total_cmp(&energies[*i]));
    let sorted: Vec<f64> = order.iter().map(|place| energies[*place]).collect();
    let kept = (total - left).max(0.0);
    let strict = strict && known.ncols() == 0;
    let count = leading(&sorted, total, kept, share, strict);
    let mut columns: Vec<DVector<f64>> = known.column_iter().map(|c| c.into_owned()).collect();
    for place in order.into_iter().take(count) {
        if columns.len() == width || energies[place] <= 1e-12 * total {
            break;
        }
        let mut column: DVector<f64> = directions.column(place).into_owned();
        for _ in 0..2 {
            for other in &columns {
                column -= other * other.dot(&column);
            }
        }
        let norm = column.norm();
        if norm > 0.1 {
            columns.push(column / norm);
        }
    }
    let columns: Vec<f64> = columns.iter().flat_map(|c| c.iter().copied()).collect();
    Ok(DMatrix::from_vec(
        width,
        columns.len() / width.max(1),
        columns,
    ))
}

/// Eigenvalues of 0 or more, and the eigenvectors as columns, of a matrix that is symmetric up to rounding.
fn eigen(matrix: DMatrix<f64>) -> Result<(DVector<f64>, DMatrix<f64>)> {
    let rounds = ROUNDS * matrix.nrows();
    let even = (&matrix + matrix.transpose()) * 0.5;
    let eigen = even.try_symmetric_eigen(f64::EPSILON, rounds);
    let eigen = eigen.ok_or_else(unsolved)?;
    let values = eigen.eigenvalues.map(|value| value.max(0.0));
    Ok((values, eigen.eigenvectors))
}

/// Eigenvalues of 0 or more of a matrix that is symmetric up to rounding.
pub(crate) fn eigenvalues(matrix: DMatrix<f64>) -> Result<Vec<f64>> {
    let (values, _) = eigen(matrix)?;
    Ok(values.iter().copied().collect())
}

fn unsolved() -> ContinualError {
    ContinualError::Solve {
        what: "singular values of a layer's inputs",
        reason: "the iteration does not converge".into(),
    }
}
