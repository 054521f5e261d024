//! # Moe
//!
//! A mixture of experts in place of a transformer block's feed-forward part: router, experts, shared experts.
//!
//! Source: Shazeer et al. (arXiv 1701.06538), equation 1; shared experts: Dai et al., "DeepSeekMoE" (arXiv 2401.06066), section
//! 3.2; their sigmoid gate: Qwen2-MoE.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, DType, Device, Int, Tensor};

use crate::dispatch::Dispatch;
use crate::error::{MoeError, check_width};
use crate::experts::{Body, Experts};
use crate::kernel::{self, Dispatched};
use crate::routers::{Router, RouterConfig, RouterInput, single};
use crate::{Activation, Result, Routing};

/// Configuration of a mixture of experts.
///
/// ```
/// # use burn::tensor::{Device, Distribution, Tensor};
/// use regimen_moe::{Activation, MoeConfig};
///
/// let device = Device::default();
/// let moe = MoeConfig::new(16, 32, 8, 2)
///     .with_activation(Activation::Silu)
///     .with_gated(true)
///     .init(&device)?;
/// let x = Tensor::<3>::random([4, 10, 16], Distribution::Default, &device);
/// let (y, routing) = moe.forward(x);
/// assert_eq!(y.dims(), [4, 10, 16]);
/// assert_eq!(routing.counts.sum().into_scalar::<f32>(), 80.0); // 40 tokens, two experts each
/// # Ok::<(), regimen_moe::MoeError>(())
/// ```
#[derive(Config, Debug)]
pub struct MoeConfig {
    /// Width of a token.
    pub d_model: usize,
    /// Hidden units of an expert.
    pub d_hidden: usize,
    /// Experts that are routed to.
    pub experts: usize,
    /// Experts of a token, from 1 to `experts`.
    pub top_k: usize,
    /// The router; softmax if not given.
    #[config(default = "RouterConfig::default()")]
    pub router: RouterConfig,
    /// The experts' nonlinearity.
    #[config(default = "Activation::Gelu")]
    pub activation: Activation,
    /// Whether half of the first map gates the other half: with `Silu` this is SwiGLU.
    #[config(default = false)]
    pub gated: bool,
    /// Whether the experts' maps have biases.
    #[config(default = false)]
    pub bias: bool,
    /// Experts that every token goes to, with weight 1; together they are one expert with `shared * d_hidden` hidden units.
    #[config(default = 0)]
    pub shared: usize,
    /// Whether the shared experts' output is multiplied by `sigmoid(x w)`.
    #[config(default = false)]
    pub shared_gate: bool,
    /// How tokens reach their experts.
    #[config(default = "Dispatch::Dropless")]
    pub dispatch: Dispatch,
}

/// A mixture of experts.
#[derive(Module, Debug)]
pub struct Moe {
    /// Chooses experts and their weights.
    pub router: Router,
    /// The experts that are routed to.
    pub experts: Experts,
    /// The experts that every token goes to, as one.
    pub shared: Option<Experts>,
    /// `[d_model, 1]`.
    pub shared_gate: Option<Param<Tensor<2>>>,
    #[module(skip)]
    pub(crate) dispatch: Dispatch,
}

/// What is known of the tokens beside their values.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    /// True where there is padding, `[batch, seq]`: such tokens change nothing, whatever they hold, and come out as zero.
    pub padding: Option<Tensor<2, Bool>>,
    /// The tokens' identities, `[batch, seq]`, which a hash router goes by.
    pub ids: Option<Tensor<2, Int>>,
}

impl MoeConfig {
    /// Draws the weights from the device's generator.
    ///
    /// # Errors
    /// Names the field that is out of range. A layer has at most 65,536 experts; tokens are at most 2^24 wide, and an expert, or the shared ones
    /// together, has at most 2^28 hidden units.
    pub fn init(&self, device: &Device) -> Result<Moe> {
        self.dispatch.check()?;
        check_width(self.d_model)?;
        let body = self.body();
        let shared = Body {
            // What is too wide then is refused as such.
            d_hidden: self.shared.saturating_mul(self.d_hidden),
            ..body
        };
        let gate = self.shared > 0 && self.shared_gate;
        let column = || Param::from_tensor(Tensor::zeros([self.d_model, 1], device));
        Ok(Moe {
            experts: body.init(self.experts, device)?,
            router: self
                .router
                .init(self.d_model, self.experts, self.top_k, device)?,
            shared: (self.shared > 0)
                .then(|| shared.init(1, device))
                .transpose()?,
            shared_gate: gate.then(column),
            dispatch: self.dispatch.clone(),
        })
    }

    pub(crate) fn body(&self) -> Body {
        Body {
            d_model: self.d_model,
            d_hidden: self.d_hidden,
            activation: self.activation,
            gated: self.gated,
            bias: self.bias,
        }
    }
}

impl Moe {
    /// Tokens `[batch, seq, d_model]` to the same shape, and what was done with them. Where there is no token at all, the record
    /// is that of one padding token.
    ///
    /// The router computes in float32, the experts in the type of their weights; tokens of another type are cast to it, and the output
    /// comes in the tokens' type. Counts, probabilities and gates of the record are float32 whatever these types are.
    ///
    /// A hash router goes by the tokens' positions in their sequences here; give it identities by [`Self::forward_with`].
    ///
    /// # Panics
    /// As Burn's own layers do, if the tokens have another width, or parameters were replaced by some that do not fit.
    #[must_use]
    pub fn forward(&self, x: Tensor<3>) -> (Tensor<3>, Routing) {
        self.run(x, Tokens::default())
    }

    /// The same with padding, or with the tokens' identities.
    ///
    /// # Errors
    /// If a shape does not fit, of the tokens or of parameters that were replaced.
    pub fn forward_with(&self, x: Tensor<3>, tokens: Tokens) -> Result<(Tensor<3>, Routing)> {
        self.fit()?;
        let [batch, seq, width] = x.dims();
        if width != self.experts.d_model() {
            let expected = format!("[batch, seq, {}]", self.experts.d_model());
            return Err(MoeError::shape("x", &[batch, seq, width], expected));
        }
        let check = |name, dims: Option<[usize; 2]>| match dims {
            Some(dims) if dims != [batch, seq] => {
                Err(MoeError::shape(name, &dims, format!("[{batch}, {seq}]")))
            }
            _ => Ok(()),
        };
        check("padding", tokens.padding.as_ref().map(Tensor::dims))?;
        check("ids", tokens.ids.as_ref().map(Tensor::dims))?;
        Ok(self.run(x, tokens))
    }

    /// Whether router, experts and shared experts fit each other: their parameters may have been replaced.
    pub(crate) fn fit(&self) -> Result<()> {
        self.experts.fit()?;
        let (model, experts) = (self.experts.d_model(), self.experts.count());
        self.router.check(model, experts)?;
        if let Some(shared) = &self.shared {
            shared.fit()?;
            if (shared.count(), shared.d_model()) != (1, model) {
                let found = [shared.count(), shared.d_model(), shared.d_hidden()];
                let expected = format!("[1, {model}, columns]");
                return Err(MoeError::shape("shared", &found, expected));
            }
        }
        match self.shared_gate.as_ref().map(|gate| gate.val().dims()) {
            Some(found) if found != [model, 1] => Err(MoeError::shape(
                "shared_gate",
                &found,
                format!("[{model}, 1]"),
            )),
            _ => Ok(()),
        }
    }

    fn run(&self, x: Tensor<3>, tokens: Tokens) -> (Tensor<3>, Routing) {
        let ([batch, seq, width], device) = (x.dims(), x.device());
        let count = batch * seq;
        if count == 0 {
            let dtype = x.dtype();
            return (x, self.idle(&device, dtype));
        }
        let mut x = x.reshape([count, width]);
        let padding = tokens.padding.map(|padding| padding.reshape([count, 1]));
        if let Some(padding) = &padding {
            x = x.mask_fill(padding.clone().expand([count, width]), 0.0);
        }
        let valid = padding.map(|padding| single(padding.bool_not().float()).reshape([count]));
        let positions = || Tensor::<1, Int>::arange(0..seq as i64, &device).reshape([1, seq]);
        let ids = tokens
            .ids
            .unwrap_or_else(|| positions().expand([batch, seq]));
        let gating = self.router.forward(&RouterInput {
            x: x.clone(),
            valid: valid.clone(),
            ids: ids.reshape([count]),
        });
        let (given, computed) = (x.dtype(), self.experts.up.val().dtype());
        let x = cast(x, computed);
        let mut weighed = gating.clone();
        weighed.gates = cast(weighed.gates, computed);
        let Dispatched {
            mut output,
            counts,
            dropped,
        } = match &self.dispatch {
            Dispatch::Dropless => {
                kernel::dropless(&self.experts, x.clone(), &weighed, valid.as_ref())
            }
            Dispatch::Capacity(capacity) => {
                let valid = valid.as_ref();
                kernel::with_capacity(&self.experts, x.clone(), &weighed, valid, capacity, batch)
            }
        };
        if let Some(shared) = self.shared_output(x) {
            output = output + cast(shared, computed);
        }
        output = cast(output, given);
        if let Some(valid) = &valid {
            output = output * cast(valid.clone(), given).unsqueeze_dim::<2>(1);
        }
        let total = || Tensor::full([1], count as f64, (&device, DType::F32));
        let routing = Routing {
            gating,
            counts,
            dropped,
            tokens: valid
                .as_ref()
                .map_or_else(total, |valid| valid.clone().sum()),
            valid,
            shape: [batch, seq],
        };
        (output.reshape([batch, seq, width]), routing)
    }

    /// The record of a pass without tokens: that of one padding token.
    fn idle(&self, device: &Device, dtype: DType) -> Routing {
        let nothing = Tensor::zeros([1, 1, self.experts.d_model()], (device, dtype));
        let padding = Some(Tensor::<2>::zeros([1, 1], device).equal_elem(0.0));
        self.run(nothing, Tokens { padding, ids: None }).1
    }

    fn shared_output(&self, x: Tensor<2>) -> Option<Tensor<2>> {
        let shared = self.shared.as_ref()?;
        let dtype = shared.up.val().dtype();
        let x = cast(x, dtype);
        let out = shared.run_one(0, x.clone());
        Some(match &self.shared_gate {
            Some(weight) => out * sigmoid(x.matmul(cast(weight.val(), dtype))),
            None => out,
        })
    }
}

/// The same values in another type of float.
fn cast<const D: usize>(tensor: Tensor<D>, dtype: DType) -> Tensor<D> {
    if tensor.dtype() == dtype {
        return tensor;
    }
    tensor.cast(dtype)
}
