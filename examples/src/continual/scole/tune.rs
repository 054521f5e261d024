//! The choice of rates and momentum on seed 1000, which counts nowhere else: `regimen-examples rates scole --seed 1000`.
//!
//! By rate and momentum, the accuracy on all classes over the last 50 tasks, for the long tasks over 6 to 25:
//!
//! | set | arm | .01, 0 | .03, 0 | .1, 0 | .001, .9 | .003, .9 | .01, .9 |
//! |---|---|---|---|---|---|---|---|
//! | digits | blocked | 19.9 | 19.9 | 19.9 | 19.9 | 19.9 | 19.9 |
//! | digits | recurring pairs | 92.8 | 94.8 | 96.1 | 93.8 | 95.9 | **96.8** |
//! | digits | default | 92.6 | 94.4 | 96.7 | 93.6 | 95.6 | **97.4** |
//! | digits | iid | 95.0 | 95.6 | **95.7** | 95.0 | 95.7 | 95.7 |
//! | digits | default, masked | 89.9 | 93.3 | 94.1 | 89.7 | 93.4 | **94.1** |
//! | digits | lambda 4 | 81.4 | 88.2 | 94.8 | 82.4 | 91.3 | **96.9** |
//! | digits | lambda 4, frequency replay | 92.1 | 95.2 | 96.7 | 93.6 | 96.1 | **97.7** |
//! | digits | lambda 4, random replay | 84.5 | 90.4 | 95.8 | 86.0 | 93.3 | **97.0** |
//! | digits | long, masked | **56.4** | 56.1 | 44.4 | 54.2 | 55.0 | 44.9 |
//! | digits | long, momentum 0 | 35.1 | 39.6 | **41.2** |  |  |  |
//! | digits | long, momentum .9 |  |  |  | 36.9 | **38.2** | 31.1 |
//! | clothing | blocked | 19.8 | 19.8 | 19.8 | 19.8 | 19.8 | 19.8 |
//! | clothing | recurring pairs | 70.2 | 71.6 | 72.9 | 73.3 | **76.1** | 73.1 |
//! | clothing | default | 69.2 | 71.5 | 73.1 | 72.2 | **76.2** | 72.7 |
//! | clothing | iid | 78.2 | 80.8 | 80.9 | 78.1 | 81.2 | **81.5** |
//! | clothing | default, masked | 67.9 | **74.6** | 72.5 | 65.2 | 66.2 | 69.6 |
//! | clothing | lambda 4 | 58.8 | 62.3 | 64.2 | 61.5 | **68.8** | 65.3 |
//! | clothing | lambda 4, frequency replay | 67.8 | 69.5 | 70.2 | 72.0 | **75.1** | 70.6 |
//! | clothing | lambda 4, random replay | 63.7 | 66.7 | 69.6 | 66.9 | 71.4 | **72.0** |
//! | clothing | long, masked | 44.5 | 46.7 | 43.2 | 43.0 | **47.8** | 41.1 |
//! | clothing | long, momentum 0 | 24.5 | 25.6 | **27.6** |  |  |  |
//! | clothing | long, momentum .9 |  |  |  | **26.6** | 24.5 | 21.6 |

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
