//! Control tasks with a context: the same environment with another mass, length or force.
//!
//! Each is plain numbers with `serde` state, and the start of an episode follows from the seed and its number, so that a run goes on where it was. With the feature `burn-rl` they are
//! environments of that crate.

mod cart_pole;
mod pendulum;

pub use cart_pole::{CartPole, CartPoleContext};
pub use pendulum::{Pendulum, PendulumContext};

/// The generator of an episode's start; counts one more.
fn episode(seed: u64, episodes: &mut u64) -> rand_chacha::ChaCha8Rng {
    use rand::SeedableRng;

    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(*episodes);
    *episodes = episodes.wrapping_add(1);
    rng
}
