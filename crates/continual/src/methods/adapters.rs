//! # AdapterPool
//!
//! Small adapters behind the layers of a frozen encoder, one a task, chosen by keys where the task is not known.
//!
//! Source: Houlsby et al., "Parameter-efficient transfer learning for NLP" (arXiv 1902.00751), the adapter; the keys as in L2P (arXiv
//! 2112.08654).

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::prompts::{cosines, uniform};
use crate::error::positive;
use crate::{ContinualError, Result};

/// `h + relu(h D) U` of a task's own D `[width, bottleneck]` and U `[bottleneck, width]`: U starts at 0, so that a new adapter
/// changes nothing.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `query` | | width of queries and keys, at least 1 |
/// | `width` | | width of what is adapted, at least 1 |
/// | `tasks` | | adapters, at least 1 |
/// | `bottleneck` | 16 | at least 1 |
/// | `seed` | 0 | of keys and of D, uniform in -1 to 1 over `sqrt(width)` |
///
/// In training the task is known; [`pull`](AdapterPool::pull) draws its key to the queries, which are features of the frozen
/// encoder. In evaluation [`likest`](AdapterPool::likest) gives each query the task whose key has the largest cosine with it.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_continual::AdapterPoolConfig;
///
/// let device = Device::flex().autodiff();
/// let pool = AdapterPoolConfig::new(16, 32, 5).init(&device)?;
/// let hidden = Tensor::<3>::ones([4, 7, 32], &device);
/// let adapted = pool.forward(hidden.clone(), &[2, 2, 0, 1])?;
/// assert_eq!((adapted - hidden).abs().max().into_scalar::<f32>(), 0.0); // new ones change nothing
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct AdapterPoolConfig {
    /// Width of queries and keys.
    pub query: usize,
    /// Width of what is adapted.
    pub width: usize,
    /// Adapters.
    pub tasks: usize,
    /// Width of the bottleneck.
    #[config(default = 16)]
    pub bottleneck: usize,
    /// Of keys and of D.
    #[config(default = 0)]
    pub seed: u64,
}

impl AdapterPoolConfig {
    /// The adapters on this device.
    ///
    /// # Errors
    /// If a number is 0, or more than 268 million numbers are asked for.
    pub fn init(&self, device: &Device) -> Result<AdapterPool> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let (tasks, width) = (("tasks", self.tasks), ("width", self.width));
        let bottleneck = ("bottleneck", self.bottleneck);
        positive("tasks", self.tasks)?;
        let scale = 1.0 / (self.width.max(1) as f64).sqrt();
        let down = uniform([tasks, width, bottleneck], &mut rng, device)?;
        Ok(AdapterPool {
            keys: uniform([tasks, ("query", self.query)], &mut rng, device)?,
            down: scaled(down, scale),
            up: scaled(uniform([tasks, bottleneck, width], &mut rng, device)?, 0.0),
        })
    }
}

fn scaled<const D: usize>(param: Param<Tensor<D>>, factor: f64) -> Param<Tensor<D>> {
    param.map(|values| {
        let tracked = values.is_require_grad();
        let on_tape = values.is_autodiff();
        let values = values.inner() * factor;
        match (on_tape, tracked) {
            (true, true) => Tensor::from_inner(values).require_grad(),
            (true, false) => Tensor::from_inner(values),
            (false, _) => values,
        }
    })
}

/// Adapters with keys. See [`AdapterPoolConfig`].
#[derive(Module, Debug)]
pub struct AdapterPool {
    /// `[tasks, query]`.
    pub keys: Param<Tensor<2>>,
    /// `[tasks, width, bottleneck]`.
    pub down: Param<Tensor<3>>,
    /// `[tasks, bottleneck, width]`.
    pub up: Param<Tensor<3>>,
}

impl AdapterPool {
    /// The outputs `[batch, positions, width]` of a layer, each example under its task's adapter.
    ///
    /// # Errors
    /// If there are not as many tasks as examples, one has no adapter, or the width is another.
    pub fn forward(&self, outputs: Tensor<3>, tasks: &[usize]) -> Result<Tensor<3>> {
        let [batch, _, found] = outputs.dims();
        let [known, width, _] = self.down.val().dims();
        if found != width {
            return Err(ContinualError::mismatch("width of outputs", width, found));
        }
        if tasks.len() != batch {
            let what = "tasks of a batch";
            return Err(ContinualError::mismatch(what, batch, tasks.len()));
        }
        if let Some(task) = tasks.iter().find(|task| **task >= known) {
            let allowed = format!("below {known}: the adapters");
            return Err(ContinualError::range("task", task, &allowed));
        }
        let dtype = outputs.dtype();
        let places: Vec<i64> = tasks.iter().map(|task| *task as i64).collect();
        let places = burn::tensor::TensorData::new(places, [batch]);
        let places = Tensor::from_data(places, &self.down.val().device());
        let (down, up) = (self.down.val(), self.up.val());
        let down = down.select(0, Tensor::clone(&places)).cast(dtype);
        let up = up.select(0, places).cast(dtype);
        Ok(outputs.clone() + relu(outputs.matmul(down)).matmul(up))
    }

    /// `mean_x (1 - cos(q, k))` of queries `[batch, query]` and a task's key, `[1]`, in f32.
    ///
    /// # Errors
    /// If there is no such task, or the queries have another width.
    pub fn pull(&self, queries: Tensor<2>, task: usize) -> Result<Tensor<1>> {
        let all = cosines(queries, self.keys.val())?;
        let [_, tasks] = all.dims();
        if task >= tasks {
            let allowed = format!("below {tasks}: the adapters");
            return Err(ContinualError::range("task", task, &allowed));
        }
        Ok((all.narrow(1, task, 1).neg() + 1.0).mean())
    }

    /// For each query the task whose key is likest, among the first `tasks`: one read.
    ///
    /// # Errors
    /// If `tasks` is 0 or more than the adapters, the queries have another width, or the device fails.
    pub fn likest(&self, queries: Tensor<2>, tasks: usize) -> Result<Vec<usize>> {
        let all = cosines(queries, self.keys.val())?;
        let [_, known] = all.dims();
        if tasks == 0 || tasks > known {
            let allowed = format!("1 to {known}: the adapters");
            return Err(ContinualError::range("tasks", tasks, &allowed));
        }
        let places = all.inner().narrow(1, 0, tasks).argmax(1);
        let places: Vec<i64> = crate::examples::read("tasks", places.try_into_vec_as())?;
        Ok(places
            .into_iter()
            .map(|place| place.max(0) as usize)
            .collect())
    }
}
