//! One draw from each of many categorical distributions, exact in their tails.

use burn::tensor::{Int, Tensor, TensorData};
use rand::{Rng, RngExt};

use super::blocks::blocks;

/// Draws a column of each row of log-probabilities `[rows, columns]`: `[rows, 1]`.
///
/// `noise` gives Gumbel noise for a row.
///
/// The largest of `log p + g`, with Gumbel noise `g`, is a draw from `p` (Gumbel-max), and no sum over the row has to tell small
/// probabilities apart. It is drawn in two races, a block of columns by its probability and then a column of the block, so that
/// a row takes two numbers for each root of its length. A row without a distribution gets any column.
pub(super) fn draw(log_probs: Tensor<2>, noise: &mut impl FnMut(usize) -> f32) -> Tensor<2, Int> {
    let [rows, columns] = log_probs.dims();
    let blocks = blocks(log_probs, f32::NEG_INFINITY);
    let [_, count, width] = blocks.dims();
    let masses = blocks.clone().exp().sum_dim(2).log();
    let block = winner(masses.reshape([rows, count]), noise);
    let chosen = block.clone().reshape([rows, 1, 1]).expand([rows, 1, width]);
    let inside = blocks.gather(1, chosen).reshape([rows, width]);
    let column = winner(inside, noise) + block * (width as i64);
    column.clamp_max(columns as i64 - 1)
}

/// The column with the largest sum of log-weight and noise.
fn winner(log_weights: Tensor<2>, noise: &mut impl FnMut(usize) -> f32) -> Tensor<2, Int> {
    let [rows, columns] = log_weights.dims();
    let noise = (0..rows * columns).map(|place| noise(place / columns));
    let noise = TensorData::new(noise.collect::<Vec<f32>>(), log_weights.dims());
    let options = (&log_weights.device(), log_weights.dtype());
    let noise = Tensor::<2>::from_data(noise, options);
    (log_weights + noise).argmax(1)
}

/// `-ln(e)` of an exponential variate `e`, whose small values, which let small probabilities win, come in steps of `2^-52`.
pub(super) fn gumbel(rng: &mut impl Rng) -> f32 {
    // 52 bits and a half: never 0, never 1.
    let uniform = ((rng.random::<u64>() >> 12) as f64 + 0.5) * f64::EPSILON;
    let exponential = -(-uniform).ln_1p();
    -exponential.ln() as f32
}
