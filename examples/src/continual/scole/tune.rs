//! The choice of rates and momentum on seeds that count nowhere else: `regimen-examples rates scole --seed 1000`, and so on to 1002.

use anyhow::Result;

use super::arms::ALL;
use super::learn::Bed;
use crate::experiment::Context;

/// A line for each set, arm and setting: what the arm is compared by.
///
/// # Errors
/// If a run fails.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    for set in context.image_sets()? {
        let bed = Bed::new(&context, set.images, seed)?;
        for arm in ALL {
            for setting in arm.settings() {
                let found = bed.run(&arm, setting)?.compared(&arm)?;
                let (rate, momentum) = (setting.rate, setting.momentum);
                line(format!(
                    "{}\t{}\t{rate}\t{momentum}\t{found:.2}",
                    set.name, arm.name
                ));
            }
        }
    }
    Ok(())
}
