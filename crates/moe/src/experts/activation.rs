//! The nonlinearity of an expert.

use burn::config::Config;
use burn::tensor::{Tensor, activation};

/// The nonlinearity between an expert's two linear maps.
///
/// | variant | `f(u)` |
/// |---|---|
/// | `Relu` | `max(u, 0)` |
/// | `SquaredRelu` | `max(u, 0)^2` |
/// | `Gelu` | `u Phi(u)`, `Phi` the normal distribution (not the approximation by `tanh`) |
/// | `GeluTanh` | `u (1 + tanh(sqrt(2 / pi) (u + 0.044715 u^3))) / 2` |
/// | `Silu` | `u / (1 + exp(-u))` |
/// | `Tanh` | `tanh(u)` |
///
/// With [`gated`](crate::MoeConfig::gated) experts `Silu` gives SwiGLU and `Gelu` gives GeGLU.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `max(u, 0)`.
    Relu,
    /// `max(u, 0)^2`.
    SquaredRelu,
    /// `u Phi(u)`.
    Gelu,
    /// GELU by its `tanh` approximation.
    GeluTanh,
    /// `u sigmoid(u)`.
    Silu,
    /// `tanh(u)`.
    Tanh,
}

impl Activation {
    /// Every variant.
    pub const ALL: [Self; 6] = [
        Self::Relu,
        Self::SquaredRelu,
        Self::Gelu,
        Self::GeluTanh,
        Self::Silu,
        Self::Tanh,
    ];

    /// Applies it to each value, in Burn's operations.
    #[must_use]
    pub fn forward<const D: usize>(self, u: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu => activation::relu(u),
            Self::SquaredRelu => activation::relu(u).square(),
            Self::Gelu => activation::gelu(u),
            Self::GeluTanh => {
                let inner = (u.clone() + u.clone().powi_scalar(3) * 0.044715) * SQRT_2_OVER_PI;
                u * (inner.tanh() + 1.0) * 0.5
            }
            Self::Silu => activation::silu(u),
            Self::Tanh => u.tanh(),
        }
    }
}

/// `sqrt(2 / pi)`.
pub(crate) const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
