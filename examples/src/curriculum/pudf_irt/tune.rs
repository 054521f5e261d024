//! The arms at several rates, on seeds that do not count: `choices.rs` has what they gave.

use anyhow::Result;

use super::arms::Order;
use super::choices::{DDS, EQUAL, EVERYTHING, LOWEST, NOISE, RANDOM, ROOT, STATIC};
use super::prepared;
use crate::experiment::Context;

/// Rates and lengths that were tried.
const RATES: [f64; 5] = [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2];
const GROWTHS: [usize; 3] = [5, 15, 30];

/// Prints the accuracy of every arm at every rate on one tuning seed, with wrong labels.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    for set in context.image_sets()? {
        let (bench, crowd) = prepared(&context, &set.images, seed)?;
        let job = super::job(&context, &bench, &crowd, NOISE, seed)?;
        for rate in RATES {
            let mut say = |arm: &str, accuracy: f64, visits: usize| {
                line(format!(
                    "{seed}; {}; {arm}; {rate}; {accuracy:.1}; {visits}",
                    set.name
                ));
            };
            let dds = job.dds(rate)?;
            say(DDS, dds.accuracy, dds.visits);
            let last = dds.sizes.last().copied().unwrap_or(0);
            for (arm, order) in [
                (EQUAL, Order::All),
                (EVERYTHING, Order::Everything),
                (RANDOM, Order::Random(&dds.sizes)),
                (STATIC, Order::Static(last)),
                (LOWEST, Order::Lowest(&dds.sizes)),
            ] {
                let done = job.rival(&order, dds.visits, rate)?;
                let done = done.marked.as_deref().unwrap_or(&done);
                say(arm, done.accuracy, done.visits);
            }
            for growth in GROWTHS {
                let done = job.rival(&Order::Root(growth), dds.visits, rate)?;
                say(&format!("{ROOT} {growth}"), done.accuracy, done.visits);
            }
        }
    }
    Ok(())
}
