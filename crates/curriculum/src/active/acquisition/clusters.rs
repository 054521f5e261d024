//! K-means on the device, for pools of embeddings.

use burn::tensor::{Int, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::badge::{TAKEN, drawn};
use super::embeddings::{pieces, squared, squares};
use super::probabilities::read;
use crate::error::{CurriculumError, Result};

/// The cluster of each row after at most so many of Lloyd's sweeps, from centres by k-means++. A cluster that loses its rows keeps its centre.
pub(super) fn k_means(
    rows: &Tensor<2>,
    clusters: usize,
    sweeps: usize,
    seed: u64,
) -> Result<Vec<usize>> {
    let norms = squares(rows.clone());
    let mut centres = first_centres(rows, &norms, clusters, seed)?;
    let mut found: Vec<usize> = Vec::new();
    for _ in 0..=sweeps {
        let (assigned, means) = sweep(rows, &norms, centres);
        let assigned = numbers(assigned)?;
        if assigned == found {
            break;
        }
        (found, centres) = (assigned, means);
    }
    Ok(found)
}

fn first_centres(
    rows: &Tensor<2>,
    norms: &Tensor<2>,
    clusters: usize,
    seed: u64,
) -> Result<Tensor<2>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = rows.dims()[0];
    let mut chosen = vec![rng.random_range(0..count)];
    let mut centres = Vec::with_capacity(clusters);
    let mut nearest: Option<Tensor<2>> = None;
    loop {
        let last = rows.clone().narrow(0, chosen[chosen.len() - 1], 1);
        centres.push(last.clone());
        if centres.len() == clusters {
            return Ok(Tensor::cat(centres, 0));
        }
        let new = squared(rows.clone(), norms.clone(), last);
        let now = match nearest {
            None => new,
            Some(nearest) => nearest.min_pair(new),
        };
        let mut shares = read(now.clone().reshape([count]))?;
        chosen.iter().for_each(|place| shares[*place] = TAKEN);
        chosen.push(drawn(&shares, &mut rng));
        nearest = Some(now);
    }
}

/// The nearest centre of each row, and the means of the clusters.
fn sweep(rows: &Tensor<2>, norms: &Tensor<2>, centres: Tensor<2>) -> (Tensor<1, Int>, Tensor<2>) {
    let [count, features] = rows.dims();
    let clusters = centres.dims()[0];
    let options = (&rows.device(), rows.dtype());
    let mut sums = Tensor::<2>::zeros([clusters, features], options);
    let mut sizes = Tensor::<2>::zeros([1, clusters], options);
    let mut assigned = Vec::new();
    for (start, length) in pieces(count, clusters) {
        let part = rows.clone().narrow(0, start, length);
        let norms = norms.clone().narrow(0, start, length);
        let nearest = squared(part.clone(), norms, centres.clone()).argmin(1);
        let options = (&rows.device(), nearest.dtype());
        let all = Tensor::<1, Int>::arange(0..clusters as i64, options).reshape([1, clusters]);
        let is_in = nearest.clone().equal(all).float().cast(rows.dtype());
        sizes = sizes + is_in.clone().sum_dim(0);
        sums = sums + is_in.swap_dims(0, 1).matmul(part);
        assigned.push(nearest.reshape([length]));
    }
    let sizes = sizes.swap_dims(0, 1);
    let is_empty = sizes.clone().lower_scalar(0.5).expand([clusters, features]);
    let means = (sums / sizes.clamp_min(1.0)).mask_where(is_empty, centres);
    (Tensor::cat(assigned, 0), means)
}

fn numbers(values: Tensor<1, Int>) -> Result<Vec<usize>> {
    let values = values.try_into_vec_as::<i64>();
    let values = values.map_err(|error| CurriculumError::Read(format!("{error:?}")))?;
    Ok(values.into_iter().map(|value| value as usize).collect())
}
