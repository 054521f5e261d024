//! # Upcycling
//!
//! A dense feed-forward network turned into a mixture that computes the same, to train on from; and a mixture's experts merged
//! into one dense network.
//!
//! Source: Komatsuzaki et al., "Sparse Upcycling: Training Mixture-of-Experts from Dense Checkpoints" (arXiv 2212.05055); merging
//! by averaged weights: Wortsman et al., "Model soups" (arXiv 2203.05482).

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use regimen_tensor::Watch;

use crate::dispatch::Dispatch;
use crate::error::{MoeError, most_experts, not_negative, positive, read};
use crate::experts::wide;
use crate::{Experts, Moe, MoeConfig, Result, RouterConfig};

/// A dense feed-forward network: one expert that every token goes to.
#[derive(Module, Debug)]
pub struct Dense {
    /// Its weights, as one expert.
    pub body: Experts,
}

impl Dense {
    /// A network of one expert, as [`Experts::from_linear`] makes it.
    ///
    /// # Errors
    /// If there is not exactly one, or its weights do not fit each other.
    pub fn new(body: Experts) -> Result<Self> {
        body.fit()?;
        if body.count() != 1 {
            return Err(MoeError::range("body", body.count(), "exactly one expert"));
        }
        Ok(Self { body })
    }

    /// Tokens `[batch, seq, d_model]` to the same shape.
    ///
    /// # Errors
    /// If `x` has another width or type than the weights.
    pub fn forward(&self, x: Tensor<3>) -> Result<Tensor<3>> {
        let [batch, seq, width] = x.dims();
        self.body.check(width, &[batch, seq, width], x.dtype())?;
        if batch * seq == 0 {
            return Ok(x);
        }
        let rows = x.reshape([batch * seq, width]);
        Ok(self.body.run_one(0, rows).reshape([batch, seq, width]))
    }
}

/// Configuration of upcycling.
#[derive(Config, Debug)]
pub struct UpcycleConfig {
    /// Experts, each a copy of the dense network.
    pub experts: usize,
    /// Experts of a token.
    pub top_k: usize,
    /// The new router. With renormalised gates (the default for more than one expert a token), and without noise on the
    /// weights, the mixture computes exactly what the dense network does.
    #[config(default = "RouterConfig::default()")]
    pub router: RouterConfig,
    /// Standard deviation of the normal noise that is added to each expert's weights, relative to that of the weights of the
    /// map: it parts the experts.
    #[config(default = 0.0)]
    pub noise: f64,
    /// Seed of the noise.
    #[config(default = 0)]
    pub seed: u64,
    /// How tokens reach their experts.
    #[config(default = "Dispatch::Dropless")]
    pub dispatch: Dispatch,
}

impl UpcycleConfig {
    /// A mixture whose experts are copies of a dense network, on its device.
    ///
    /// # Errors
    /// Names the field that is out of range, the dense network's weights that do not fit each other, or those that can't be read (with noise
    /// only). There are at most 65,536 experts.
    pub fn init(&self, dense: &Dense) -> Result<Moe> {
        self.init_watched(dense, &Watch::default())
    }

    /// As [`Self::init`]; `watch` hears of the router and of each of the two maps of weights.
    ///
    /// # Errors
    /// As for [`Self::init`], and [`MoeError::Stopped`] where the watch stops it: there is no mixture then.
    pub fn init_watched(&self, dense: &Dense, watch: &Watch) -> Result<Moe> {
        positive("experts", self.experts)?;
        most_experts(self.experts)?;
        not_negative("noise", self.noise)?;
        let body = &dense.body;
        body.fit()?;
        if body.count() != 1 {
            return Err(MoeError::range("body", body.count(), "exactly one expert"));
        }
        let _span = tracing::info_span!(
            "upcycle",
            experts = self.experts,
            d_model = body.d_model(),
            d_hidden = body.d_hidden()
        )
        .entered();
        let step = |done| match watch.goes_on("upcycle", done, 3) {
            true => Ok(()),
            false => Err(MoeError::stopped("upcycle", done, 3)),
        };
        let device = body.up.val().device();
        let shell = MoeConfig::new(body.d_model(), 1, self.experts, self.top_k)
            .with_router(self.router.clone())
            .with_dispatch(self.dispatch.clone())
            .init(&device)?;
        step(1)?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut copies = |t: Tensor<3>| self.copies(t, &mut rng);
        let up = copies(body.up.val())?;
        step(2)?;
        let down = copies(body.down.val())?;
        // All is done: there is nothing to stop.
        let _ = watch.goes_on("upcycle", 3, 3);
        let bias = |bias: &Option<Param<Tensor<2>>>| {
            let bias = bias.as_ref().map(Param::val);
            bias.map(|bias| Param::from_tensor(bias.repeat_dim(0, self.experts).detach()))
        };
        let experts = Experts {
            up_bias: bias(&body.up_bias),
            down_bias: bias(&body.down_bias),
            up,
            down,
            activation: body.activation,
            gated: body.gated,
        };
        Ok(Moe { experts, ..shell })
    }

    fn copies(&self, weight: Tensor<3>, rng: &mut ChaCha8Rng) -> Result<Param<Tensor<3>>> {
        let mut copies = weight.clone().repeat_dim(0, self.experts);
        if self.noise > 0.0 {
            let values = read("weights", weight)?;
            let size = self.noise * deviation(&values);
            let normal = Normal::new(0.0, size)
                .map_err(|_| MoeError::range("weights", size, "values with a finite deviation"))?;
            let shape = copies.dims();
            let count = shape.iter().product();
            let noise: Vec<f32> = (0..count).map(|_| normal.sample(rng) as f32).collect();
            let like = (&copies.device(), copies.dtype());
            copies = copies + Tensor::from_data(TensorData::new(noise, shape), like);
        }
        Ok(Param::from_tensor(copies.detach()))
    }
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / count)
        .sqrt()
}

/// One dense network whose weights are the experts' weighted average: the inverse of upcycling.
///
/// With `weights` such as the experts' loads, busy experts count more; the weights are divided by their sum. The average of copies of one network
/// is that network. Of experts that have learned different things it is a start for training on, not an equal.
///
/// # Errors
/// If there is not one finite weight from 0 an expert, all are zero, or the experts' parameters do not fit each other.
pub fn merge(experts: &Experts, weights: &[f64]) -> Result<Dense> {
    merge_watched(experts, weights, &Watch::default())
}

/// As [`merge`]; `watch` hears of each of the two maps of weights, as `"merge"`.
///
/// # Errors
/// As for [`merge`], and [`MoeError::Stopped`] where the watch stops it: there is no network then.
pub fn merge_watched(experts: &Experts, weights: &[f64], watch: &Watch) -> Result<Dense> {
    experts.fit()?;
    let count = experts.count();
    let _span = tracing::info_span!("merge", experts = count).entered();
    if weights.len() != count {
        return Err(MoeError::shape(
            "weights",
            &[weights.len()],
            format!("[{count}]"),
        ));
    }
    let total: f64 = weights.iter().sum();
    let bad = weights
        .iter()
        .find(|weight| !weight.is_finite() || **weight < 0.0);
    if let Some(bad) = bad.or((total <= 0.0 || !total.is_finite()).then_some(&total)) {
        return Err(MoeError::range(
            "weights",
            bad,
            "finite numbers from 0 with a positive, finite sum",
        ));
    }
    let shares: Vec<f32> = weights
        .iter()
        .map(|weight| (weight / total) as f32)
        .collect();
    let shares = TensorData::new(shares, [1, count]);
    let mean = |rows: Tensor<2>| {
        let (dtype, rows) = (rows.dtype(), wide(rows));
        let shares = Tensor::<2>::from_data(shares.clone(), (&rows.device(), rows.dtype()));
        shares.matmul(rows).cast(dtype).detach()
    };
    let average = |t: Tensor<3>| {
        let [count, rows, columns] = t.dims();
        let mean = mean(t.reshape([count, rows * columns]));
        Param::from_tensor(mean.reshape([1, rows, columns]))
    };
    let bias = |bias: &Option<Param<Tensor<2>>>| {
        let bias = bias.as_ref().map(Param::val);
        bias.map(|bias| Param::from_tensor(mean(bias)))
    };
    let up = average(experts.up.val());
    if !watch.goes_on("merge", 1, 2) {
        return Err(MoeError::stopped("merge", 1, 2));
    }
    let down = average(experts.down.val());
    // All is done: there is nothing to stop.
    let _ = watch.goes_on("merge", 2, 2);
    Dense::new(Experts {
        up,
        down,
        up_bias: bias(&experts.up_bias),
        down_bias: bias(&experts.down_bias),
        activation: experts.activation,
        gated: experts.gated,
    })
}
