//! # HashRouter
//!
//! A token's experts follow from its identity by a fixed hash: nothing is learned and nothing collapses.
//!
//! Source: Roller et al., "Hash Layers For Large Sparse Models" (arXiv 2106.04426), section 3 (random hash; several hashes).

use burn::config::Config;
use burn::module::{Module, Param, ParamId};
use burn::tensor::{DType, Device, IndexingUpdateOp, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::scores::check_top_k;
use super::{Choices, Gating};
use crate::Result;
use crate::error::{MoeError, at_most, positive};

/// Configuration of a hash router.
#[derive(Config, Debug)]
pub struct HashRouterConfig {
    /// Entries of the table: a token's identity is taken modulo this. At least the size of the vocabulary keeps tokens apart.
    #[config(default = 65536)]
    pub buckets: usize,
    /// Seed of the table.
    #[config(default = 0)]
    pub seed: u64,
}

/// Numbers of a table.
const MOST: usize = 1 << 26;

/// By the token's identity, through a table of `buckets` rows of `top_k` different experts.
#[derive(Module, Debug)]
pub struct HashRouter {
    table: Param<Tensor<2, Int>>,
    experts: usize,
    top_k: usize,
}

impl HashRouterConfig {
    /// A router to `experts`.
    ///
    /// # Errors
    /// If `top_k` is not from 1 to `experts`, or the table has no bucket or more than 2^26 numbers.
    pub fn init(&self, experts: usize, top_k: usize, device: &Device) -> Result<HashRouter> {
        check_top_k(experts, top_k)?;
        positive("buckets", self.buckets)?;
        at_most("buckets", self.buckets, MOST / top_k)?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let row = |_| {
            sample(&mut rng, experts, top_k)
                .into_iter()
                .map(|e| e as i64)
        };
        let table: Vec<i64> = (0..self.buckets).flat_map(row).collect();
        let table = TensorData::new(table, [self.buckets, top_k]);
        Ok(HashRouter {
            table: Param::initialized(ParamId::new(), Tensor::from_data(table, device)),
            experts,
            top_k,
        })
    }
}

impl HashRouter {
    /// Whether it chooses among so many experts.
    pub(super) fn check(&self, experts: usize) -> Result<()> {
        if self.experts != experts {
            let allowed = format!("{experts}, the number of experts of the mixture");
            return Err(MoeError::range(
                "experts of the router",
                self.experts,
                &allowed,
            ));
        }
        Ok(())
    }

    /// Identities `[tokens]` to experts, each with the gate `1 / top_k`.
    #[must_use]
    pub fn forward(&self, ids: Tensor<1, Int>) -> Gating {
        let ([tokens], device) = (ids.dims(), ids.device());
        let table = self.table.val();
        let [buckets, _] = table.dims();
        let choices = table.select(0, ids.remainder_scalar(buckets as i64));
        let gates = Tensor::ones([tokens, self.top_k], (&device, DType::F32)) / self.top_k as f64;
        let zeros = Tensor::<2>::zeros([tokens, self.experts], (&device, DType::F32));
        Gating {
            logits: None,
            probabilities: zeros.scatter(1, choices.clone(), gates.clone(), IndexingUpdateOp::Add),
            choices: Choices::ByToken(choices),
            gates,
            noisy: None,
        }
    }
}
