//! Principal components.

/// Rounds of the iteration: the largest components of images lie far apart.
const ROUNDS: usize = 60;

/// The coordinates of rows of so many values along their first principal components, `[rows, wanted]`: by powers of the covariance on an
/// orthonormal basis, without a random start.
pub(super) fn components(values: &[f32], width: usize, wanted: usize) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = values
        .chunks_exact(width)
        .map(|row| row.iter().map(|x| f64::from(*x)).collect())
        .collect();
    let mut mean = vec![0.0; width];
    for row in &rows {
        mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    mean.iter_mut().for_each(|sum| *sum /= rows.len() as f64);
    let mut covariance = vec![0.0; width * width];
    for row in &rows {
        let centred: Vec<f64> = row.iter().zip(&mean).map(|(x, mean)| x - mean).collect();
        for (x, line) in centred.iter().zip(covariance.chunks_exact_mut(width)) {
            line.iter_mut()
                .zip(&centred)
                .for_each(|(sum, y)| *sum += x * y);
        }
    }
    // Any basis that no component is orthogonal to.
    let start = |one: usize| (0..width).map(move |i| ((one + 1) * (i + 1)) as f64 % 7.3 - 3.0);
    let mut basis: Vec<Vec<f64>> = (0..wanted).map(|one| start(one).collect()).collect();
    for _ in 0..ROUNDS {
        for vector in &mut basis {
            let lines = covariance.chunks_exact(width);
            *vector = lines.map(|line| dot(line, vector)).collect();
        }
        orthonormalise(&mut basis);
    }
    let each = rows.iter().flat_map(|row| {
        let centred: Vec<f64> = row.iter().zip(&mean).map(|(x, mean)| x - mean).collect();
        let along = basis.iter().map(move |vector| dot(vector, &centred));
        along.collect::<Vec<_>>()
    });
    each.collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Gram and Schmidt's, twice for the sake of rounding.
fn orthonormalise(basis: &mut [Vec<f64>]) {
    for _ in 0..2 {
        for place in 0..basis.len() {
            let (before, rest) = basis.split_at_mut(place);
            let vector = &mut rest[0];
            for other in before {
                let along = dot(vector, other);
                vector
                    .iter_mut()
                    .zip(&*other)
                    .for_each(|(x, y)| *x -= along * y);
            }
            let norm = dot(vector, vector).sqrt().max(f64::MIN_POSITIVE);
            vector.iter_mut().for_each(|x| *x /= norm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::components;

    #[test]
    fn the_long_axes_of_a_cloud_are_found() {
        let cloud = (0..60_u8).flat_map(|i| {
            let (a, b) = (f32::from(i % 10) - 4.5, f32::from(i / 10) - 2.5);
            [3.0 * a + 1.0, b, 0.1 * a * b, 3.0 * a]
        });
        let found = components(&cloud.collect::<Vec<_>>(), 4, 2);
        for (i, pair) in (0_u8..60).zip(found.chunks_exact(2)) {
            let (a, b) = (f64::from(i % 10) - 4.5, f64::from(i / 10) - 2.5);
            assert!((pair[0].abs() - (18.0_f64).sqrt() * a.abs()).abs() < 1e-6);
            assert!((pair[1].abs() - b.abs()).abs() < 1e-6);
        }
    }
}
