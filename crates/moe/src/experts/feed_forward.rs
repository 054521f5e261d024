//! # Experts
//!
//! The feed-forward networks of a mixture, stacked: two linear maps with a nonlinearity between, or gated (SwiGLU, GeGLU).
//!
//! Source: Shazeer, "GLU Variants Improve Transformer" (arXiv 2002.05202) for the gated form.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::{DType, Device, IndexingUpdateOp, Int, Tensor, TensorData};

use super::{Activation, wide};
use crate::Result;
use crate::dispatch::Plan;
use crate::error::{MoeError, at_most, check_width, most_experts, positive};

/// Experts of one shape.
///
/// Expert `e` computes `f(x U_e + a_e) D_e + b_e`. Gated, `U_e` has twice as many columns: `u, v` are the halves of
/// `x U_e + a_e`, and the expert computes `(f(u) * v) D_e + b_e`.
///
/// The parameters may be replaced by others, whose shapes must fit each other: what takes experts and returns a `Result` checks them.
#[derive(Module, Debug)]
pub struct Experts {
    /// First map, `[experts, d_model, d_hidden]`, or `[experts, d_model, 2 d_hidden]` if gated.
    pub up: Param<Tensor<3>>,
    /// Bias of the first map, `[experts, columns]`.
    pub up_bias: Option<Param<Tensor<2>>>,
    /// Second map, `[experts, d_hidden, d_model]`.
    pub down: Param<Tensor<3>>,
    /// Bias of the second map, `[experts, d_model]`.
    pub down_bias: Option<Param<Tensor<2>>>,
    #[module(skip)]
    pub(crate) activation: Activation,
    pub(crate) gated: bool,
}

/// The experts' weights as tensors.
pub(crate) struct Weights {
    pub(crate) up: Tensor<3>,
    pub(crate) down: Tensor<3>,
    /// Of the first and of the second map.
    pub(crate) biases: Option<(Tensor<2>, Tensor<2>)>,
}

/// What the experts of a mixture, or a dense layer, are like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    pub(crate) d_model: usize,
    pub(crate) d_hidden: usize,
    pub(crate) activation: Activation,
    pub(crate) gated: bool,
    pub(crate) bias: bool,
}

/// Hidden units of an expert.
const WIDEST: usize = 1 << 28;

impl Body {
    /// Draws the weights of each expert as Burn draws a linear layer's.
    pub(crate) fn init(self, experts: usize, device: &Device) -> Result<Experts> {
        check_width(self.d_model)?;
        positive("d_hidden", self.d_hidden)?;
        at_most("d_hidden", self.d_hidden, WIDEST)?;
        positive("experts", experts)?;
        most_experts(experts)?;
        let (from, hidden) = (self.d_model, self.d_hidden);
        let wide = if self.gated { 2 * hidden } else { hidden };
        let uniform = Initializer::KaimingUniform {
            gain: 1.0 / 3f64.sqrt(),
            fan_out_only: false,
        };
        let bias = |inputs: usize, width: usize| {
            let shape = [experts, width];
            let drawn = || uniform.init_with(shape, Some(inputs), Some(width), device);
            self.bias.then(drawn)
        };
        Ok(Experts {
            up: uniform.init_with([experts, from, wide], Some(from), Some(wide), device),
            up_bias: bias(from, wide),
            down: uniform.init_with([experts, hidden, from], Some(hidden), Some(from), device),
            down_bias: bias(hidden, from),
            activation: self.activation,
            gated: self.gated,
        })
    }
}

impl Experts {
    /// One expert from the two layers of a dense feed-forward network. For a gated network `up` has twice as many outputs as
    /// `down` has inputs, the gate's first.
    ///
    /// # Errors
    /// If a width is 0, the widths or the types do not fit, a bias does not fit its layer, or one layer has a bias and the other none.
    pub fn from_linear(
        up: &Linear,
        down: &Linear,
        activation: Activation,
        gated: bool,
    ) -> Result<Self> {
        let ([model, wide], [hidden, out]) = (up.weight.val().dims(), down.weight.val().dims());
        if model == 0 || hidden == 0 {
            let expected = "[d_model, columns], none of them 0";
            return Err(MoeError::shape("up", &[model, wide], expected));
        }
        let expected = if gated { 2 * hidden } else { hidden };
        if wide != expected || out != model {
            let expected = format!("[{out}, {expected}] to fit the second layer");
            return Err(MoeError::shape("up", &[model, wide], expected));
        }
        let (first, second) = (up.weight.val().dtype(), down.weight.val().dtype());
        if first != second {
            let allowed = format!("{second:?}, as the second layer's");
            return Err(MoeError::range("up", format!("{first:?}"), &allowed));
        }
        if up.bias.is_some() != down.bias.is_some() {
            let found = format!("{} and {}", up.bias.is_some(), down.bias.is_some());
            return Err(MoeError::range("bias", found, "both or none"));
        }
        let bias = |layer: &Linear| {
            let bias = layer.bias.as_ref();
            bias.map(|bias| Param::from_tensor(bias.val().unsqueeze().detach()))
        };
        let experts = Self {
            up: Param::from_tensor(up.weight.val().unsqueeze().detach()),
            up_bias: bias(up),
            down: Param::from_tensor(down.weight.val().unsqueeze().detach()),
            down_bias: bias(down),
            activation,
            gated,
        };
        experts.fit()?;
        Ok(experts)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.up.val().dims()[0]
    }

    /// Width of a token.
    #[must_use]
    pub fn d_model(&self) -> usize {
        self.up.val().dims()[1]
    }

    /// Hidden units of an expert.
    #[must_use]
    pub fn d_hidden(&self) -> usize {
        self.down.val().dims()[1]
    }

    /// The nonlinearity.
    #[must_use]
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// Whether half of the first map gates the other half.
    #[must_use]
    pub fn is_gated(&self) -> bool {
        self.gated
    }

    /// The type of the weights, in which the experts compute.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.up.val().dtype()
    }

    /// Whether the parameters, which may have been replaced, fit each other in shape and type.
    pub(crate) fn fit(&self) -> Result<()> {
        let (up, down) = (self.up.val(), self.down.val());
        let [experts, model, wide] = up.dims();
        if experts == 0 || model == 0 || wide == 0 {
            let expected = "[experts, d_model, columns], none of them 0";
            return Err(MoeError::shape("up", &[experts, model, wide], expected));
        }
        let hidden = if self.gated { wide / 2 } else { wide };
        let columns = if self.gated { 2 * hidden } else { hidden };
        if wide != columns || hidden == 0 {
            let expected = "an even number of columns, as gated experts have";
            return Err(MoeError::shape("up", &[experts, model, wide], expected));
        }
        if down.dims() != [experts, hidden, model] {
            let expected = format!("[{experts}, {hidden}, {model}] to fit `up`");
            return Err(MoeError::shape("down", &down.dims(), expected));
        }
        if self.up_bias.is_some() != self.down_bias.is_some() {
            let found = format!(
                "{} and {}",
                self.up_bias.is_some(),
                self.down_bias.is_some()
            );
            return Err(MoeError::range("bias", found, "both or none"));
        }
        let same = |name, found: DType| {
            let allowed = format!("{:?}, the type of `up`", up.dtype());
            let differs = found != up.dtype();
            match differs {
                true => Err(MoeError::range(name, format!("{found:?}"), &allowed)),
                false => Ok(()),
            }
        };
        same("down", down.dtype())?;
        for (name, bias, width) in [
            ("up_bias", &self.up_bias, wide),
            ("down_bias", &self.down_bias, model),
        ] {
            let Some(bias) = bias.as_ref().map(Param::val) else {
                continue;
            };
            if bias.dims() != [experts, width] {
                let expected = format!("[{experts}, {width}]");
                return Err(MoeError::shape(name, &bias.dims(), expected));
            }
            same(name, bias.dtype())?;
        }
        Ok(())
    }

    /// Whether tokens `[.., width]` of a type can go through these experts.
    pub(crate) fn check(&self, width: usize, found: &[usize], dtype: DType) -> Result<()> {
        self.fit()?;
        let model = self.d_model();
        if width != model {
            let expected = format!("a width of {model}");
            return Err(MoeError::shape("x", found, expected));
        }
        if dtype != self.dtype() {
            let allowed = format!("{:?}, the type of the experts' weights", self.dtype());
            return Err(MoeError::range("x", format!("{dtype:?}"), &allowed));
        }
        Ok(())
    }

    pub(crate) fn weights(&self) -> Weights {
        let biases = (self.up_bias.as_ref(), self.down_bias.as_ref());
        Weights {
            up: self.up.val(),
            down: self.down.val(),
            biases: match biases {
                (Some(up), Some(down)) => Some((up.val(), down.val())),
                _ => None,
            },
        }
    }

    /// The weighted sum over the plan's assignments, `[tokens, d_model]`, in Burn's operations: one gather, one contiguous product an expert and map, one scatter.
    pub(crate) fn run_composed(&self, x: Tensor<2>, gates: Tensor<1>, plan: &Plan) -> Tensor<2> {
        let (device, model) = (x.device(), self.d_model());
        let dtype = x.dtype();
        if plan.len() == 0 {
            let zeros = Tensor::<2>::zeros([plan.tokens, model], (&device, dtype));
            return zeros + self.nothing(&x, &gates);
        }
        let index = |places: &[usize]| {
            let places: Vec<i64> = places.iter().map(|place| *place as i64).collect();
            let count = places.len();
            Tensor::<1, Int>::from_data(TensorData::new(places, [count]), &device)
        };
        let tokens = index(&plan.token_of);
        let rows = wide(x).select(0, tokens.clone()).cast(dtype);
        let weights = self.weights();
        let used = (0..plan.experts()).filter(|&expert| plan.count(expert) > 0);
        let outputs = used.map(|expert| {
            let rows = rows
                .clone()
                .narrow(0, plan.offsets[expert], plan.count(expert));
            let one = |t: &Tensor<3>| t.clone().narrow(0, expert, 1).squeeze_dim::<2>(0);
            let mut first = rows.matmul(one(&weights.up));
            if let Some((bias, _)) = &weights.biases {
                first = first + bias.clone().narrow(0, expert, 1);
            }
            let out = self.inner(first).matmul(one(&weights.down));
            match &weights.biases {
                Some((_, bias)) => out + bias.clone().narrow(0, expert, 1),
                None => out,
            }
        });
        let outputs = wide(Tensor::cat(outputs.collect(), 0));
        let gates = gates.select(0, index(&plan.gate_of)).unsqueeze_dim::<2>(1);
        let outputs = outputs.clone() * gates.cast(outputs.dtype());
        let zeros = Tensor::<2>::zeros([plan.tokens, model], (&device, outputs.dtype()));
        let sum = zeros.select_assign(0, tokens, outputs, IndexingUpdateOp::Add);
        sum.cast(dtype)
    }

    /// Zero, with a gradient of zeros for everything: so that experts without tokens have gradients, not none.
    fn nothing(&self, x: &Tensor<2>, gates: &Tensor<1>) -> Tensor<2> {
        let weights = self.weights();
        let (dtype, gates) = (x.dtype(), gates.clone().cast(x.dtype()));
        let mut sum = x.clone().sum() + gates.sum() + weights.up.sum() + weights.down.sum();
        if let Some((up, down)) = weights.biases {
            sum = sum + up.sum() + down.sum();
        }
        (sum * 0.0).cast(dtype).unsqueeze()
    }

    /// Blocks of rows, `[blocks, rows, d_model]` to the same, each through the expert that `expert` `[blocks]` names; without
    /// names block `e` goes through expert `e`.
    pub(crate) fn run_batched(&self, x: Tensor<3>, expert: Option<&Tensor<1, Int>>) -> Tensor<3> {
        let Weights { up, down, biases } = self.weights();
        let of_maps = |weight: Tensor<3>| match expert {
            Some(expert) => weight.select(0, expert.clone()),
            None => weight,
        };
        let of_biases = |bias: Tensor<2>| {
            let bias = match expert {
                Some(expert) => bias.select(0, expert.clone()),
                None => bias,
            };
            bias.unsqueeze_dim::<3>(1)
        };
        let biases = biases.map(|(first, second)| (of_biases(first), of_biases(second)));
        let mut first = x.matmul(of_maps(up));
        if let Some((bias, _)) = &biases {
            first = first + bias.clone();
        }
        let out = self.inner(first).matmul(of_maps(down));
        match biases {
            Some((_, bias)) => out + bias,
            None => out,
        }
    }

    /// The hidden values of a first product.
    fn inner<const D: usize>(&self, first: Tensor<D>) -> Tensor<D> {
        if !self.gated {
            return self.activation.forward(first);
        }
        let hidden = self.d_hidden();
        let gate = first.clone().narrow(D - 1, 0, hidden);
        self.activation.forward(gate) * first.narrow(D - 1, hidden, hidden)
    }
}
