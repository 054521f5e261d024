//! What the tuning seeds 1000 and 1001 chose, and how.
//!
//! | choice | by | tried, with the mean of both seeds |
//! |---|---|---|
//! | warm-up of 800 updates | the fewest with 95 % of chains of known facts right in both seeds | 600: 95.3 (one seed 90.5); **800: 99.8**; 1000: 99.5 |
//! | fit of 1000 updates at 2e-3 | order of right and wrong beginnings by the fair reward | 300 updates at 5e-3: .9926, 1e-2: .9933, 2e-2: .9916; 1000 at 1e-3: .9933, **2e-3: .9950**, 5e-3: .9942, 1e-2: .9940 |
//! | constant temperature 2 | right answers, mean over both rewards, 8 particles | **2: 52.4**; 4: 51.1; 8: 49.3 |
//!
//! Below 2 there is 1, the plain filter, which has 53.0 on these seeds and so is the baseline; the entropic one has 52.2. A network that
//! starts from the policy and reads whole beginnings was tried first, with 300 to 2000 updates at 5e-4 and 1e-3: by its scores 16 to 24 % of answers were right
//! on seed 1000, where 18.8 % of the most probable ones are.

use crate::experiment::Context;
use crate::rl_rewards::bed::warm_up::WarmUp;

/// What the policy and its process rewards are made by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) warm_up: WarmUp,
    /// Updates and rate of a process reward's fit.
    pub(super) fit: (usize, f64),
}

/// The settings of the seeds that count.
pub(super) const SETTINGS: Settings = Settings {
    warm_up: warm_up(800, 32),
    fit: (1000, 2e-3),
};

impl Settings {
    pub(super) fn of(context: &Context) -> Self {
        if context.small {
            return Self {
                warm_up: warm_up(150, 32),
                fit: (100, 2e-2),
            };
        }
        SETTINGS
    }
}

pub(super) const fn warm_up(updates: usize, batch: usize) -> WarmUp {
    WarmUp {
        updates,
        batch,
        rate: 2e-3,
    }
}

/// The early temperature of the control, of the three that were tried.
pub(super) const CONSTANT: f64 = 2.0;
