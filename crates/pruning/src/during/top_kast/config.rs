//! What Top-KAST is told.

use burn::config::Config;

/// Configuration of Top-KAST.
///
/// Of each layer's `n` stored weights `theta` the `D n` largest `|theta|` are the set `A` of the forward pass, and
/// the `(D + M) n` largest the set `B` that learns: gradients are those of the masked network, taken on `B`. The
/// exploration penalty `strength / 2 (sum over A of theta^2 + sum over B \ A of theta^2 / D)` is felt more by
/// those that do not compute, so that they must earn their place. What is outside of `B` keeps its stored value
/// bit for bit. The model itself always holds `theta` on `A` and zero elsewhere.
#[derive(Config, Debug)]
pub struct TopKastConfig {
    /// Density `D` of the forward pass, in (0, 1].
    pub forward: f64,
    /// Density `D + M` of the backward pass, from `forward` to 1.
    pub backward: f64,
    /// Steps between selections of the two sets.
    #[config(default = 100)]
    pub update_every: usize,
    /// Strength of the exploration penalty, 0 or more; the place of weight decay.
    #[config(default = 1e-4)]
    pub penalty: f64,
}
