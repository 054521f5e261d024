//! The choice of settings on seeds that count nowhere else: `regimen-examples rates plasticity --seed 1000`.
//!
//! Finding A, memorised over the last five tasks, seeds 1000 (12 tasks) and 1001 (20 tasks), the better rate of two:
//!
//! | way | digits | clothing |
//! |---|---|---|
//! | plain, 3e-3 | 74.9, 19.1 | 78.0, 26.4 |
//! | layer norm, 1e-3 | 94.8, 94.2 | 89.7, 90.5 |
//! | concatenated ReLU, 3e-3 | 99.8, 99.9 | 98.9, 99.7 |
//! | L2 1e-4; 1e-3 | 76.4, 26.4; 68.9, 66.7 | 69.8, 75.5; 62.4, 64.9 |
//! | L2 to the start 1e-4; 1e-3 | 85.4, 50.1; 92.5, 84.5 | 84.4, 64.4; 85.9, 80.3 |
//! | shrink and perturb .95, .05, every 70; 130 | 78.9, 70.5; 83.2, 61.5 | 73.3, 71.5; 72.8, 78.6 |
//! | ReDo .025, every 70; 130 | 98.2, 97.4; 97.8, 85.0 | 93.9, 97.1; 91.6, 90.2 |
//! | ReDo .1, every 70; 130 | 96.0, 96.8; 96.4, 96.8 | 84.2, 92.0; 94.7, 88.7 |
//! | continual backprop 1e-3; 1e-2 | 90.5, 67.6; 91.6, 91.5 | 88.8, 57.5; 84.6, 92.9 |
//!
//! Finding B, accuracy over the stable part, on both seeds where there are two numbers:
//!
//! | when | digits | clothing |
//! |---|---|---|
//! | ratio .25; .5; 1 | 57.2, 51.9; 57.9, 56.7; 51.3, 54.7 | 45.4, 46.8; 48.0, 49.3; 44.6, 45.4 |
//! | ratio 2; 4 | 51.8, 49.8; 50.1, 50.5 | 42.2, 42.0; 41.5, 43.7 |
//! | at the change | 58.1, 59.9 | 49.1, 48.2 |
//! | active .005, 200; .02, 400 | 57.9, 58.8; 57.9, 49.9 | 44.3, 45.8; 49.4 |
//! | loss .01, 200; .1, 400 | 57.9, 56.7; 54.4, 58.8 | 49.4; 44.3 |

use anyhow::Result;

use super::arms::{When, tried};
use super::bed::Bed;
use super::memorise::{Size, memorise};
use super::stream::learn;
use crate::experiment::Context;

/// A line for each set and setting: what the arms are compared by. `part` is `memorise`, `stream` or empty for both.
///
/// # Errors
/// If a run fails.
pub fn tune(seed: u64, part: &str, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    for set in context.image_sets()? {
        let bed = Bed::new(&context, set.images, seed)?;
        if part != "stream" {
            for way in tried() {
                let found = memorise(&bed, &way)?;
                let (first, last) = found.ends(&Size::of(&context));
                let (active, dormant) = (found.active, found.dormant);
                line(format!(
                    "{}\t{:?}\t{}\t{first:.1}\t{last:.1}\t{active:.1}\t{dormant:.1}",
                    set.name, way.keep, way.rate
                ));
            }
        }
        if part == "memorise" {
            continue;
        }
        let mut whens = [0.25, 0.5, 1.0, 2.0, 4.0].map(When::Always).to_vec();
        whens.push(When::Oracle);
        for interval in [200, 300, 400] {
            whens.extend([0.0025, 0.005, 0.01, 0.02, 0.04].map(|tau| When::Active(tau, interval)));
            whens.extend([0.01, 0.03, 0.1].map(|tau| When::Loss(tau, interval)));
        }
        for when in whens {
            let found = learn(&bed, when)?;
            let (mean, end, switched) = (found.mean, found.end, found.switched);
            line(format!(
                "{}\t{when:?}\t{mean:.2}\t{end:.2}\t{switched}\t{}",
                set.name, found.updates
            ));
        }
    }
    Ok(())
}
