//! What movement pruning is told.

use burn::config::Config;

use crate::{CubicSparsity, PruningError, Result};

/// Configuration of movement pruning.
///
/// Every masked weight `w` has a score `S`, 0 at first. At each step `S <- S - g w`, with `g` the gradient at the masked
/// weight (the straight-through gradient of the score): it rises where a step of descent moves the weight away from zero.
/// At events the weights of largest score are kept, as many as the sparsity
/// `s(t) = s_f (1 - (1 - (t - prune_from) / (prune_until - prune_from))^3)` leaves. What is off keeps its stored value bit
/// for bit, its score goes on, and it returns with that value.
///
/// The rate of the paper's score update has no place here: it scales all scores alike, and only their order counts.
#[derive(Config, Debug)]
pub struct MovementConfig {
    /// Sparsity at the end, in [0, 1).
    pub final_sparsity: f64,
    /// Training steps of the whole run.
    pub total_steps: usize,
    /// Steps between selections. The paper selects at every step; a selection reads the scores on the host, so take more
    /// for large models.
    #[config(default = 1)]
    pub update_every: usize,
    /// Step at which pruning starts; a tenth of `total_steps` if not given, as in the authors' recipe.
    pub prune_from: Option<usize>,
    /// Step at which the final sparsity is reached, a selection in any case; four fifths of `total_steps` if not given, as
    /// in the authors' recipe.
    pub prune_until: Option<usize>,
    /// Compares scores over all layers together instead of layer by layer.
    #[config(default = false)]
    pub global: bool,
}

impl MovementConfig {
    /// The sparsity over steps.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn sparsity(&self) -> Result<CubicSparsity> {
        let total = self.total_steps;
        let from = self.prune_from.unwrap_or(total / 10);
        let until = self.until();
        if until > total {
            let allowed = format!("to total_steps, {total}");
            return Err(PruningError::range("prune_until", until, &allowed));
        }
        CubicSparsity::new(0.0, self.final_sparsity, from, until)
    }

    fn until(&self) -> usize {
        let total = self.total_steps;
        self.prune_until.unwrap_or(total - total / 5)
    }

    /// The step at which the final sparsity is reached: the first that can be.
    pub(super) fn ends(&self) -> usize {
        self.until().max(1)
    }
}
