//! # memorisation
//!
//! How well each batch is remembered by where it stood: `M[i][j]` is the loss on batch `i` after training with `i` at
//! position `j`, the others in random places, averaged over orders.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::error::{CurriculumError, Result, count};

/// The map of losses by batch and position.
///
/// `losses` returns the loss of every batch after training in an order, such as at the estimate of an
/// [`OrderTable`](super::OrderTable). It is called once an order: every batch is moved to every position once for each of
/// `orders` Latin squares of `batches` orders, so the map costs `orders * batches` calls.
///
/// # Errors
/// `OutOfRange` for no batches or no orders; `Lengths` where `losses` does not return one for each batch; its own errors.
pub fn memorisation_map(
    batches: usize,
    orders: usize,
    seed: u64,
    mut losses: impl FnMut(&[usize]) -> Result<Vec<f64>>,
) -> Result<Vec<Vec<f64>>> {
    count(
        "batches",
        batches,
        (1..=4096).contains(&batches),
        "1 to 4096",
    )?;
    count(
        "orders",
        orders,
        (1..=65536).contains(&orders),
        "1 to 65536",
    )?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut map = vec![vec![0.0; batches]; batches];
    let mut order: Vec<usize> = (0..batches).collect();
    for _ in 0..orders {
        order.shuffle(&mut random);
        for _ in 0..batches {
            order.rotate_left(1);
            let values = losses(&order)?;
            if values.len() != batches {
                return Err(CurriculumError::Lengths {
                    ids: batches,
                    losses: values.len(),
                });
            }
            for (position, batch) in order.iter().enumerate() {
                map[*batch][position] += values[*batch] / orders as f64;
            }
        }
    }
    Ok(map)
}
