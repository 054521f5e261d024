//! The choice of rates and momentum on the seeds 1000 and 1001, which count nowhere else: `regimen-examples rates scole --seed 1000`.
//!
//! By rate and momentum, the accuracy on all classes over the last 50 tasks, for the long tasks over 6 to 25, mean of both seeds:
//!
//! | set | arm | .01, 0 | .03, 0 | .1, 0 | .001, .9 | .003, .9 | .01, .9 |
//! |---|---|---|---|---|---|---|---|
//! | digits | blocked, masked | **43.5** | 40.0 | 41.1 |  |  |  |
//! | digits | default, masked | 92.0 | 94.3 | **96.0** |  |  |  |
//! | digits | blocked | 19.7 | 19.7 | 19.7 | 19.7 | 19.7 | 19.7 |
//! | digits | recurring pairs | 94.9 | 95.7 | **96.4** | 95.5 | 96.2 | 96.3 |
//! | digits | default | 95.3 | 96.0 | 96.5 | 95.5 | 96.4 | **96.8** |
//! | digits | iid | 95.7 | 96.0 | **96.0** | 95.7 | 96.0 | 95.9 |
//! | digits | lambda 4 | 83.3 | 89.5 | 95.2 | 83.9 | 92.5 | **96.8** |
//! | digits | lambda 4, frequency replay | 91.5 | 94.8 | 96.5 | 92.8 | 96.0 | **96.9** |
//! | digits | lambda 4, random replay | 86.0 | 91.6 | 96.0 | 87.2 | 94.3 | **97.0** |
//! | digits | long, masked | **54.1** | 52.1 | 45.9 | 53.5 | 51.5 | 43.4 |
//! | digits | long, momentum 0 | 36.6 | 40.9 | **42.2** |  |  |  |
//! | digits | long, momentum .9 |  |  |  | 38.4 | **39.4** | 32.7 |
//! | clothing | blocked, masked | 23.6 | 23.9 | **28.2** |  |  |  |
//! | clothing | default, masked | 73.2 | 77.0 | **77.5** |  |  |  |
//! | clothing | blocked | 19.9 | 19.9 | 20.0 | 19.8 | 20.1 | 19.9 |
//! | clothing | recurring pairs | 74.8 | 75.4 | 78.2 | 77.9 | **79.7** | 79.0 |
//! | clothing | default | 75.2 | 76.2 | 79.0 | 77.8 | 79.7 | **80.1** |
//! | clothing | iid | 80.9 | 81.0 | **81.5** | 80.8 | 81.4 | 81.0 |
//! | clothing | lambda 4 | 59.1 | 64.0 | 66.5 | 61.2 | **68.6** | 65.2 |
//! | clothing | lambda 4, frequency replay | 67.5 | 70.4 | 71.8 | 70.8 | **75.0** | 73.4 |
//! | clothing | lambda 4, random replay | 63.1 | 67.0 | 70.2 | 65.8 | **71.4** | 70.7 |
//! | clothing | long, masked | **38.9** | 38.6 | 37.6 | 38.2 | 38.6 | 37.3 |
//! | clothing | long, momentum 0 | 24.9 | 26.5 | **28.5** |  |  |  |
//! | clothing | long, momentum .9 |  |  |  | **27.6** | 26.3 | 22.0 |

use anyhow::Result;

use super::arms::{ALL, IID};
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
        for arm in ALL.into_iter().chain([IID]) {
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
