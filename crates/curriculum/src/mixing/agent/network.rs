//! The networks: a causal transformer over the tokens of a run, an actor and a critic on it.

use burn::module::Module;
use burn::nn::activation::ActivationConfig;
use burn::nn::attention::generate_autoregressive_mask;
use burn::nn::transformer::{
    TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Int, Tensor};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::ParamVector;

use super::config::MixingAgentConfig;
use super::failed;
use crate::error::Result;

/// What a run says so far: each place sees itself and those before it.
#[derive(Module, Debug)]
pub(super) struct History {
    tokens: Linear,
    places: Embedding,
    decoder: TransformerEncoder,
    norm: LayerNorm,
}

impl History {
    fn new(config: &MixingAgentConfig, device: &Device) -> Self {
        let (width, inputs) = (config.width, config.domains + config.measures);
        // Burn's encoder with a causal mask is a decoder without a second text to attend to.
        let decoder =
            TransformerEncoderConfig::new(width, config.hidden, config.heads, config.layers);
        Self {
            tokens: LinearConfig::new(inputs, width).init(device),
            places: EmbeddingConfig::new(config.steps, width).init(device),
            decoder: decoder
                .with_dropout(0.0)
                .with_norm_first(true)
                .with_activation(ActivationConfig::Relu)
                .init(device),
            norm: LayerNormConfig::new(width).init(device),
        }
    }

    /// Tokens `[runs, places, domains + measures]` to states `[runs, places, width]`.
    fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let ([runs, places, _], device) = (tokens.dims(), tokens.device());
        let mask = generate_autoregressive_mask(runs, places, &device);
        let place = Tensor::<1, Int>::arange(0..places as i64, &device).reshape([1, places]);
        let start = self.tokens.forward(tokens) + self.places.forward(place);
        let input = TransformerEncoderInput::new(start).mask_attn(mask);
        self.norm.forward(self.decoder.forward(input))
    }
}

/// The policy.
#[derive(Module, Debug)]
pub(super) struct Actor {
    history: History,
    head: Linear,
}

impl Actor {
    pub(super) fn new(config: &MixingAgentConfig, device: &Device) -> Self {
        Self {
            history: History::new(config, device),
            head: LinearConfig::new(config.width, config.domains).init(device),
        }
    }

    /// Logits of the next mixture after each place, `[runs, places, domains]`.
    pub(super) fn logits(&self, tokens: Tensor<3>) -> Tensor<3> {
        self.head.forward(self.history.forward(tokens))
    }

    /// The next mixture after each place.
    pub(super) fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        softmax(self.logits(tokens), 2)
    }
}

/// The value of a mixture after what happened so far: a perceptron on the state and the mixture.
#[derive(Module, Debug)]
pub(super) struct Critic {
    history: History,
    state: Linear,
    action: Linear,
    value: Linear,
}

impl Critic {
    pub(super) fn new(config: &MixingAgentConfig, device: &Device) -> Self {
        Self {
            history: History::new(config, device),
            state: LinearConfig::new(config.width, config.hidden).init(device),
            action: LinearConfig::new(config.domains, config.hidden)
                .with_bias(false)
                .init(device),
            value: LinearConfig::new(config.hidden, 1).init(device),
        }
    }

    /// What a mixture is judged by, `[runs, places, hidden]`.
    pub(super) fn states(&self, tokens: Tensor<3>) -> Tensor<3> {
        self.state.forward(self.history.forward(tokens))
    }

    /// The value of one mixture a place, `[runs, places]`.
    pub(super) fn value(&self, states: Tensor<3>, actions: Tensor<3>) -> Tensor<2> {
        let hidden = relu(states + self.action.forward(actions));
        self.value.forward(hidden).squeeze_dim(2)
    }

    /// The values of the same mixtures `[actions, domains]` at all places, `[runs * places, actions]`.
    pub(super) fn values(&self, states: Tensor<3>, actions: Tensor<2>) -> Tensor<2> {
        let ([runs, places, hidden], [many, _]) = (states.dims(), actions.dims());
        let states = states.reshape([runs * places, 1, hidden]);
        let actions = self.action.forward(actions).reshape([1, many, hidden]);
        let hidden = relu(states + actions);
        self.value.forward(hidden).squeeze_dim(2)
    }
}

/// The module with weights from this generator, so that Burn's own stays as it is: uniform within `1 / sqrt(inputs)`, of embeddings within 0.1; layer
/// norms as they are.
pub(super) fn drawn<M: Module>(module: M, rng: &mut ChaCha8Rng) -> Result<M> {
    let vector = ParamVector::of(&module);
    let values = vector.entries().iter().map(|entry| {
        let number = entry.len();
        let within = match entry.shape.as_slice() {
            [inputs, _] if !entry.path.contains("places") => 1.0 / (*inputs as f32).sqrt(),
            [_, _] => 0.1,
            _ if entry.path.ends_with("gamma") => return vec![1.0; number],
            _ => return vec![0.0; number],
        };
        let one = |_| within * (2.0 * rng.random::<f32>() - 1.0);
        (0..number).map(one).collect()
    });
    let values = values.collect();
    let vector = vector.from_host(values).map_err(failed)?;
    vector.write_to(module).map_err(failed)
}
