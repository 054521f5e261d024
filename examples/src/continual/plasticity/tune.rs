//! The choice of settings on seeds that count nowhere else: `regimen-examples rates plasticity --seed 1000`.

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
        for interval in [100, 200, 400] {
            whens.extend([0.005, 0.01, 0.02, 0.04].map(|tau| When::Active(tau, interval)));
            whens.extend([0.03, 0.1, 0.3].map(|tau| When::Loss(tau, interval)));
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
