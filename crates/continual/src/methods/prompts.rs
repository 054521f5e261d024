//! # PromptPool
//!
//! Prompts for a frozen transformer, chosen for each example by the likeness of its features to keys.
//!
//! Source: Wang et al., "Learning to prompt for continual learning" (L2P, arXiv 2112.08654) and "DualPrompt" (arXiv 2204.04799).

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{check, positive};
use crate::{ContinualError, Result};

/// Numbers that one pool may hold.
const MOST: usize = 1 << 28;

/// A pool of prompts with keys: for a query the prompts of the `chosen` keys of largest cosine similarity.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `query` | | width of queries and keys, at least 1 |
/// | `width` | | width of the transformer's tokens, at least 1 |
/// | `pool` | 10 | prompts, at least 1 |
/// | `length` | 5 | tokens of a prompt, at least 1 |
/// | `chosen` | 5 | prompts for one example, 1 to `pool` |
/// | `seed` | 0 | of keys and prompts, uniform in -1 to 1 |
///
/// The query is a feature of the frozen encoder, such as its class token. Prepend [`Chosen::prompts`] to the embedded tokens, take as
/// the head's input the mean of their outputs, and add `lambda` times [`Chosen::pull`] to the loss, which draws the chosen keys to their
/// queries: `pull = mean_x sum_chosen (1 - cos(q, k))`, lambda 0.5 in the paper. Mammoth subtracts 0.1 times the sum of cosines: the
/// same gradient at lambda 0.1.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_continual::PromptPoolConfig;
///
/// let device = Device::flex().autodiff();
/// let pool = PromptPoolConfig::new(16, 32).init(&device)?;
/// let queries = Tensor::<2>::ones([4, 16], &device); // of the frozen encoder
/// let chosen = pool.choose(queries)?;
/// assert_eq!(chosen.prompts.dims(), [4, 25, 32]); // 5 prompts of 5 tokens
/// let loss = chosen.pull * 0.5;
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct PromptPoolConfig {
    /// Width of queries and keys.
    pub query: usize,
    /// Width of tokens.
    pub width: usize,
    /// Prompts.
    #[config(default = 10)]
    pub pool: usize,
    /// Tokens of a prompt.
    #[config(default = 5)]
    pub length: usize,
    /// Prompts for one example.
    #[config(default = 5)]
    pub chosen: usize,
    /// Of keys and prompts.
    #[config(default = 0)]
    pub seed: u64,
}

impl PromptPoolConfig {
    /// A pool on this device.
    ///
    /// # Errors
    /// If a number is 0, `chosen` is more than `pool`, or the pool would hold more than 268 million numbers.
    pub fn init(&self, device: &Device) -> Result<PromptPool> {
        positive("chosen", self.chosen)?;
        let fits = self.chosen <= self.pool;
        check("chosen", self.chosen as f64, fits, "1 to `pool`")?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let keys = [("pool", self.pool), ("query", self.query)];
        let prompts = [
            ("pool", self.pool),
            ("length", self.length),
            ("width", self.width),
        ];
        Ok(PromptPool {
            keys: uniform(keys, &mut rng, device)?,
            prompts: uniform(prompts, &mut rng, device)?,
            chosen: self.chosen,
        })
    }
}

/// Numbers in -1 to 1.
pub(super) fn uniform<const D: usize>(
    sizes: [(&'static str, usize); D],
    rng: &mut ChaCha8Rng,
    device: &Device,
) -> Result<Param<Tensor<D>>> {
    for (field, size) in sizes {
        positive(field, size)?;
    }
    let shape = sizes.map(|(_, size)| size);
    let count = shape
        .iter()
        .fold(1_usize, |all, size| all.saturating_mul(*size));
    let (field, size) = sizes[D - 1];
    check(
        field,
        size as f64,
        count <= MOST,
        "268 million with the others",
    )?;
    let values: Vec<f32> = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
    Ok(Param::from_data(TensorData::new(values, shape), device))
}

/// Keys and prompts. See [`PromptPoolConfig`].
#[derive(Module, Debug)]
pub struct PromptPool {
    /// `[pool, query]`.
    pub keys: Param<Tensor<2>>,
    /// `[pool, length, width]`.
    pub prompts: Param<Tensor<3>>,
    #[module(skip)]
    chosen: usize,
}

/// What was chosen for a batch.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Which prompts, the likest first, `[batch, chosen]`.
    pub places: Tensor<2, Int>,
    /// Their tokens, `[batch, chosen * length, width]`.
    pub prompts: Tensor<3>,
    /// `mean_x sum_chosen (1 - cos(q, k))`, `[1]`, in f32: its gradient is the keys' alone.
    pub pull: Tensor<1>,
}

impl PromptPool {
    /// The cosines of queries `[batch, query]` with all keys, `[batch, pool]`, in f32; 0 for a query or key of length 0.
    ///
    /// # Errors
    /// If the queries have another width.
    pub fn cosines(&self, queries: Tensor<2>) -> Result<Tensor<2>> {
        cosines(queries, self.keys.val())
    }

    /// The prompts for queries `[batch, query]`. Queries are taken off the tape: the encoder is frozen.
    ///
    /// # Errors
    /// If the queries have another width.
    pub fn choose(&self, queries: Tensor<2>) -> Result<Chosen> {
        let cosines = self.cosines(queries)?;
        let [batch, _] = cosines.dims();
        let [pool, length, width] = self.prompts.val().dims();
        let chosen = self.chosen.min(pool);
        let (_, places) = cosines.clone().inner().topk_with_indices(chosen, 1);
        let of = cosines.gather(1, places.clone());
        let pull = (of.neg() + 1.0).sum_dim(1).mean();
        let all = self.prompts.val().reshape([pool, length * width]);
        let prompts = all.select(0, places.clone().reshape([batch * chosen]));
        Ok(Chosen {
            places,
            prompts: prompts.reshape([batch, chosen * length, width]),
            pull,
        })
    }
}

pub(super) fn cosines(queries: Tensor<2>, keys: Tensor<2>) -> Result<Tensor<2>> {
    let ([_, found], [_, expected]) = (queries.dims(), keys.dims());
    if found != expected {
        return Err(ContinualError::mismatch(
            "width of queries",
            expected,
            found,
        ));
    }
    let normal = |rows: Tensor<2>| {
        let rows = rows.cast(FloatDType::F32);
        let length = rows.clone().square().sum_dim(1).clamp_min(1e-24).sqrt();
        rows / length
    };
    Ok(normal(queries.inner()).matmul(normal(keys).transpose()))
}

/// DualPrompt: one general prompt for all tasks, and one prompt of experts for each task.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `query` | | width of queries and keys, at least 1 |
/// | `width` | | width of the transformer's tokens, at least 1 |
/// | `tasks` | | tasks that are to come, at least 1 |
/// | `general` | 5 | tokens of the general prompt, at least 1 |
/// | `expert` | 20 | tokens of a task's prompt, at least 1 |
/// | `seed` | 0 | of keys and prompts, uniform in -1 to 1 |
///
/// In training the task is known ([`DualPrompt::of_task`]); in evaluation each example has the prompt of the task whose key is likest
/// ([`DualPrompt::choose`]). Prompts here are prepended to tokens; the paper's prefix tuning, which splits a prompt into keys
/// and values of the attention, takes the same tensors, the general one in early and the experts' in later layers.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_continual::DualPromptConfig;
///
/// let device = Device::flex().autodiff();
/// let prompts = DualPromptConfig::new(16, 32, 5).init(&device)?;
/// let queries = Tensor::<2>::ones([4, 16], &device);
/// let chosen = prompts.of_task(queries, 2)?;
/// assert_eq!(prompts.general(4)?.dims(), [4, 5, 32]);
/// assert_eq!(chosen.prompts.dims(), [4, 20, 32]);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct DualPromptConfig {
    /// Width of queries and keys.
    pub query: usize,
    /// Width of tokens.
    pub width: usize,
    /// Tasks that are to come.
    pub tasks: usize,
    /// Tokens of the general prompt.
    #[config(default = 5)]
    pub general: usize,
    /// Tokens of a task's prompt.
    #[config(default = 20)]
    pub expert: usize,
    /// Of keys and prompts.
    #[config(default = 0)]
    pub seed: u64,
}

impl DualPromptConfig {
    /// The prompts on this device.
    ///
    /// # Errors
    /// If a number is 0, or more than 268 million numbers are asked for.
    pub fn init(&self, device: &Device) -> Result<DualPrompt> {
        let experts = PromptPoolConfig::new(self.query, self.width)
            .with_pool(self.tasks)
            .with_length(self.expert)
            .with_chosen(1)
            .with_seed(self.seed);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(1));
        let general = [("general", self.general), ("width", self.width)];
        positive("tasks", self.tasks)?;
        Ok(DualPrompt {
            general: uniform(general, &mut rng, device)?,
            experts: experts.init(device)?,
        })
    }
}

/// A general prompt and those of tasks. See [`DualPromptConfig`].
#[derive(Module, Debug)]
pub struct DualPrompt {
    /// `[general, width]`.
    pub general: Param<Tensor<2>>,
    /// One a task.
    pub experts: PromptPool,
}

impl DualPrompt {
    /// The general prompt for each of a batch, `[batch, general, width]`.
    ///
    /// # Errors
    /// If `batch` is 0, or more than 268 million numbers are asked for.
    pub fn general(&self, batch: usize) -> Result<Tensor<3>> {
        let [length, width] = self.general.val().dims();
        positive("batch", batch)?;
        let fits = batch.saturating_mul(length * width) <= MOST;
        let allowed = "268 million with the prompt";
        check("batch", batch as f64, fits, allowed)?;
        let prompt = self.general.val().unsqueeze::<3>();
        Ok(prompt.expand([batch, length, width]))
    }

    /// A task's prompt for queries `[batch, query]`, and the pull of its key to them.
    ///
    /// # Errors
    /// If there is no such task, there is no query, or the queries have another width.
    pub fn of_task(&self, queries: Tensor<2>, task: usize) -> Result<Chosen> {
        let [tasks, length, width] = self.experts.prompts.val().dims();
        if task >= tasks {
            let allowed = format!("below {tasks}: the prompts of tasks");
            return Err(ContinualError::range("task", task, &allowed));
        }
        let [batch, _] = queries.dims();
        if batch == 0 {
            return Err(ContinualError::Empty("queries"));
        }
        let cosines = self.experts.cosines(queries)?.narrow(1, task, 1);
        let device = cosines.device().inner();
        let places = TensorData::new(vec![task as i64; batch], [batch, 1]);
        let prompts = self.experts.prompts.val().narrow(0, task, 1);
        Ok(Chosen {
            places: Tensor::from_data(places, &device),
            prompts: prompts.expand([batch, length, width]),
            pull: (cosines.neg() + 1.0).mean(),
        })
    }

    /// For each query the prompt of the task whose key is likest.
    ///
    /// # Errors
    /// If the queries have another width.
    pub fn choose(&self, queries: Tensor<2>) -> Result<Chosen> {
        self.experts.choose(queries)
    }
}
