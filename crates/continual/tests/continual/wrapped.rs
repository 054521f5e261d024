//! The reference models in what methods need of them: heads of their own, gates, columns, prompts and adapters.

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Int, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_continual::few_shot::{Contrast, PseudoClasses, Simplex, Tuning};
use regimen_continual::plasticity::{Activations, Units};
use regimen_continual::projections::Layers;
use regimen_continual::*;
use regimen_tensor::ParamVector;
use regimen_tensor::checkpoint::{Part, PartError};
use regimen_tensor::testing::{FEATURES, Kind, Reference, cast};

pub(crate) type Fed = (Tensor<2>, Tensor<1, Int>);

/// A strategy with its state.
pub(crate) trait Whole<M: Classifier>: Strategy<M> + Part {}
impl<M: Classifier, T: Strategy<M> + Part> Whole<M> for T {}

/// A reference model within a classifier.
pub(crate) trait Wrapped: Classifier<Batch = Fed> {
    /// The reference model.
    type Inner: Reference;

    fn inner(&self) -> &Self::Inner;

    /// A task begins: what is trained from here on.
    fn begin(self, task: usize) -> Self {
        let _ = task;
        self
    }

    /// What is added to the loss of a batch.
    fn pull(&self, batch: &Fed) -> Result<Tensor<1>> {
        Ok(Tensor::zeros([1], &batch.0.device()))
    }

    /// The bits that a later task must not change.
    fn held(&self) -> Vec<u32> {
        Vec::new()
    }

    /// This model, made anew: a handle within is that of `fresh`, and parts of its own are read from a record. The reference model stays:
    /// a record does not bring the ids of running statistics.
    fn anew(self, fresh: Self) -> Self {
        let _ = fresh;
        self
    }

    /// For looking at a task, or at none in particular.
    fn shown(self, task: Option<usize>) -> Self {
        let _ = task;
        self
    }
}

/// Training of what the model itself keeps from task to task: the loss, and what the model adds to it.
#[derive(Debug, Default)]
pub(crate) struct Alone(Steps);

impl<M: Wrapped> Strategy<M> for Alone {
    fn steps(&self) -> &Steps {
        &self.0
    }

    fn penalty(&self, model: &M, batch: &Fed) -> Result<Tensor<1>> {
        Ok(model.pull(batch)? * 0.5)
    }

    fn before_task(&self, model: M, task: &Task) -> Result<M> {
        Ok(model.begin(task.id))
    }

    fn after_task(&self, model: M, _: &dyn DataLoader<Fed>) -> Result<M> {
        Ok(model)
    }
}

impl Part for Alone {
    fn kind(&self) -> String {
        "alone 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        Ok(Vec::new())
    }

    fn load(&mut self, _: &[u8]) -> std::result::Result<(), PartError> {
        Ok(())
    }
}

/// The hidden layers of a reference model that is a field `inner`.
pub(crate) fn units<M: Reference>() -> Vec<Units> {
    let units = |hidden: regimen_tensor::testing::Hidden| {
        let path = |path: &str| format!("inner.{path}");
        let units = Units::new(path(hidden.layer));
        let units = hidden
            .norm
            .into_iter()
            .fold(units, |units, norm| units.with_norm(path(norm)));
        hidden
            .next
            .iter()
            .fold(units, |units, next| units.before(path(next)))
    };
    M::hidden_layers().into_iter().map(units).collect()
}

/// What leaves these layers.
pub(crate) fn shown<M: Reference>(inner: &M, inputs: &Tensor<2>) -> Vec<Activations> {
    let values = inner.hidden(inputs.clone());
    let pairs = units::<M>().into_iter().zip(values);
    let of = pairs.map(|(units, values)| Activations {
        layer: units.layer,
        values,
    });
    of.collect()
}

/// A module in this type with weights that a seed of the host decides; norms keep theirs.
pub(crate) fn seeded<M: Module>(module: M, dtype: DType, seed: u64) -> M {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let vector = ParamVector::of(&module);
    let values = vector.entries().iter().map(|entry| {
        let mut draw = || rng.random_range(-0.6..0.6);
        (0..entry.len()).map(|_| draw()).collect()
    });
    let values = vector.from_host(values.collect()).unwrap();
    cast(values.write_to(module).unwrap(), dtype)
}

/// The width of what enters a model's head, and the type of its weights.
fn width<M: Reference>(inner: &M) -> (usize, DType) {
    let dtype = ParamVector::of(inner).entries()[0].values.dtype();
    let device = inner.devices().into_iter().next().unwrap();
    let [_, width] = inner
        .valid()
        .features(Tensor::zeros([1, FEATURES], (&device.inner(), dtype)))
        .dims();
    (width, dtype)
}

/// The features of a model that does not train: neither weights nor running statistics move.
fn frozen<M: Reference>(inner: &M, inputs: &Tensor<2>) -> Tensor<2> {
    match inputs.is_autodiff() {
        true => Tensor::from_inner(inner.valid().features(inputs.clone().inner())),
        false => inner.features(inputs.clone()),
    }
}

pub(crate) fn bits<M: Module>(model: &M) -> Vec<u32> {
    let values = ParamVector::state(model).to_host().unwrap();
    values.into_iter().flatten().map(f32::to_bits).collect()
}

fn linear(from: usize, to: usize, device: &Device, dtype: DType, seed: u64) -> Linear {
    seeded(LinearConfig::new(from, to).init(device), dtype, seed)
}

/// Features under a linear head.
#[derive(Module, Debug)]
pub(crate) struct Headed<M: Module> {
    inner: M,
    head: Linear,
}

impl<M: Reference> Headed<M> {
    pub(crate) fn new(inner: M, classes: usize, device: &Device, seed: u64) -> Self {
        let (width, dtype) = width(&inner);
        let head = linear(width, classes, device, dtype, seed);
        Self { inner, head }
    }
}

impl<M: Reference> Classifier for Headed<M> {
    type Batch = Fed;

    fn logits(&self, batch: &Fed) -> Tensor<2> {
        self.head.forward(self.features(batch))
    }
}

impl<M: Reference> Encoder for Headed<M> {
    fn features(&self, (inputs, _): &Fed) -> Tensor<2> {
        self.inner.features(inputs.clone())
    }
}

impl<M: Reference> Probed for Headed<M> {
    fn probed(&self, batch: &Fed) -> Result<(Tensor<2>, Vec<Activations>)> {
        Ok((self.logits(batch), shown(&self.inner, &batch.0)))
    }
}

impl<M: Reference> Layers for Headed<M> {
    fn layer_inputs(&self, batch: &Fed) -> Result<Vec<(String, Tensor<2>)>> {
        Ok(vec![("head.weight".into(), self.features(batch))])
    }
}

impl<M: Reference> Wrapped for Headed<M> {
    type Inner = M;

    fn inner(&self) -> &M {
        &self.inner
    }
}

/// Features under a head of cosines.
#[derive(Module, Debug)]
pub(crate) struct Cosines<M: Module> {
    inner: M,
    head: CosineLinear,
}

impl<M: Reference> Cosines<M> {
    pub(crate) fn new(inner: M, classes: usize, device: &Device, seed: u64) -> Result<Self> {
        let (width, dtype) = width(&inner);
        let head = CosineLinearConfig::new(width, classes).init(device)?;
        let head = seeded(head, dtype, seed);
        Ok(Self { inner, head })
    }
}

impl<M: Reference> Classifier for Cosines<M> {
    type Batch = Fed;

    fn logits(&self, batch: &Fed) -> Tensor<2> {
        self.head.forward(self.features(batch))
    }
}

impl<M: Reference> Encoder for Cosines<M> {
    fn features(&self, (inputs, _): &Fed) -> Tensor<2> {
        self.inner.features(inputs.clone())
    }
}

impl<M: Reference> CosineClassifier for Cosines<M> {
    fn head(&self) -> &CosineLinear {
        &self.head
    }
}

impl<M: Reference> Wrapped for Cosines<M> {
    type Inner = M;

    fn inner(&self) -> &M {
        &self.inner
    }
}

/// Features under a head of directions.
#[derive(Module, Debug)]
pub(crate) struct Directions<M: Module> {
    inner: M,
    head: WeightNormLinear,
}

impl<M: Reference> Directions<M> {
    pub(crate) fn new(inner: M, classes: usize, device: &Device, seed: u64) -> Result<Self> {
        let (width, dtype) = width(&inner);
        let head = WeightNormLinearConfig::new(width, classes).init(device)?;
        let head = seeded(head, dtype, seed);
        Ok(Self { inner, head })
    }
}

impl<M: Reference> Classifier for Directions<M> {
    type Batch = Fed;

    fn logits(&self, (inputs, _): &Fed) -> Tensor<2> {
        self.head.forward(self.inner.features(inputs.clone()))
    }
}

impl<M: Reference> Wrapped for Directions<M> {
    type Inner = M;

    fn inner(&self) -> &M {
        &self.inner
    }
}

/// Features behind gates, under a linear head.
#[derive(Module, Debug)]
pub(crate) struct Gates<M: Module> {
    inner: M,
    gate: HatGate,
    head: Linear,
    #[module(skip)]
    hat: Hat,
}

impl<M: Reference> Gates<M> {
    /// For three tasks of so many steps an epoch.
    pub(crate) fn new(
        inner: M,
        classes: usize,
        steps: usize,
        device: &Device,
        seed: u64,
    ) -> Result<Self> {
        let (width, dtype) = width(&inner);
        let mut layers = vec![Gated::new("head").behind("gate")];
        // Where the features are what leaves one layer, the gate is on its outputs.
        if [Kind::Perceptron, Kind::Convolution].contains(&M::KIND) {
            layers.push(Gated::new("inner.second").before("gate"));
        }
        let gate = HatGateConfig::new(3, width).with_seed(seed).init(device)?;
        Ok(Self {
            inner,
            gate: cast(gate, dtype),
            head: linear(width, classes, device, dtype, seed),
            hat: HatConfig::new(steps).with_layers(layers).init()?,
        })
    }

    pub(crate) fn hat(&self) -> Hat {
        self.hat.clone()
    }
}

impl<M: Reference> Classifier for Gates<M> {
    type Batch = Fed;

    fn logits(&self, (inputs, _): &Fed) -> Tensor<2> {
        let features = self.inner.features(inputs.clone());
        self.head.forward(self.gate.forward(features, &self.hat))
    }
}

impl<M: Reference> Wrapped for Gates<M> {
    type Inner = M;

    fn inner(&self) -> &M {
        &self.inner
    }

    /// The rows of the head under the gates of one.
    fn held(&self) -> Vec<u32> {
        let host = |values: Tensor<1>| values.try_into_vec_as::<f32>().unwrap();
        let kept = self.hat.kept();
        let kept = host(kept["gate.embedding"].clone());
        let weight = self.head.weight.val();
        let [_, classes] = weight.dims();
        let weight = host(weight.flatten(0, 1));
        let rows = weight.chunks(classes).zip(kept);
        let rows = rows.filter(|(_, gate)| *gate == 1.0);
        let held: Vec<u32> = rows
            .flat_map(|(row, _)| row.iter().map(|value| value.to_bits()))
            .collect();
        assert!(!held.is_empty());
        held
    }

    fn anew(self, fresh: Self) -> Self {
        Self {
            hat: fresh.hat,
            ..self
        }
    }

    fn shown(self, task: Option<usize>) -> Self {
        if let Some(task) = task {
            self.hat.show(task);
        }
        self
    }
}

/// Columns over the features of a model that does not train.
#[derive(Module, Debug)]
pub(crate) struct Columns<M: Module> {
    inner: M,
    columns: Progressive,
    #[module(skip)]
    classes: usize,
    #[module(skip)]
    shown: Option<usize>,
}

impl<M: Reference> Columns<M> {
    pub(crate) fn new(inner: M, classes: usize, device: &Device, seed: u64) -> Result<Self> {
        let (width, dtype) = width(&inner);
        let columns = ProgressiveConfig::new(vec![width, 8]).with_adapter(4);
        let columns = columns.init(classes, device)?;
        Ok(Self {
            inner: inner.freeze(),
            columns: seeded(columns, dtype, seed),
            classes,
            shown: None,
        })
    }
}

impl<M: Reference> Classifier for Columns<M> {
    type Batch = Fed;

    fn logits(&self, (inputs, _): &Fed) -> Tensor<2> {
        let last = self.columns.columns.len() - 1;
        let column = self.shown.unwrap_or(last);
        let features = frozen(&self.inner, inputs);
        self.columns.forward(features, column).unwrap()
    }
}

impl<M: Reference> Wrapped for Columns<M> {
    type Inner = M;

    fn inner(&self) -> &M {
        &self.inner
    }

    fn begin(self, task: usize) -> Self {
        let mut columns = self.columns;
        while columns.columns.len() <= task {
            let dtype = columns.columns[0].layers[0].weight.val().dtype();
            let seed = columns.columns.len() as u64 + 50;
            columns = columns.grow(self.classes).unwrap();
            let last = columns.columns.pop().unwrap();
            columns.columns.push(seeded(last, dtype, seed));
        }
        Self {
            columns,
            shown: None,
            ..self
        }
    }

    fn held(&self) -> Vec<u32> {
        [bits(&self.inner), bits(&self.columns.columns[0])].concat()
    }

    fn anew(self, fresh: Self) -> Self {
        let (inner, columns) = (self.inner.clone(), self.columns.columns.len());
        let fresh = fresh.begin(columns - 1).load_record(self.into_record());
        Self { inner, ..fresh }
    }

    fn shown(self, task: Option<usize>) -> Self {
        Self {
            shown: task,
            ..self
        }
    }
}

/// L2P: chosen prompts before the tokens of a transformer that does not train.
#[derive(Module, Debug)]
pub(crate) struct Prompted<M: Module> {
    inner: M,
    pool: PromptPool,
    head: Linear,
}

/// Refuses a model without tokens.
fn tokens<M: Reference>(method: &'static str, inner: &M, device: &Device) -> Result<()> {
    let (_, dtype) = width(inner);
    let inputs = Tensor::zeros([1, FEATURES], (device, dtype));
    match inner.embedded(inputs) {
        Some(_) => Ok(()),
        None => Err(ContinualError::Unsupported {
            method,
            reason: "prompts stand before tokens, and it has none".into(),
        }),
    }
}

/// The mean of what leaves the prompts, of prompts before the tokens of the inputs.
fn prompted<M: Reference>(inner: &M, inputs: &Tensor<2>, prompts: Tensor<3>) -> Tensor<2> {
    let [batch, length, width] = prompts.dims();
    let tokens = inner.embedded(inputs.clone()).unwrap();
    let states = inner.encoded(Tensor::cat(vec![prompts, tokens], 1));
    let of_prompts = states.unwrap().narrow(1, 0, length);
    of_prompts.mean_dim(1).reshape([batch, width])
}

impl<M: Reference> Prompted<M> {
    pub(crate) fn new(inner: M, classes: usize, device: &Device, seed: u64) -> Result<Self> {
        tokens("PromptPool", &inner, device)?;
        let (width, dtype) = width(&inner);
        let pool = PromptPoolConfig::new(width, width).with_pool(4);
        let pool = pool.with_length(2).with_chosen(2).with_seed(seed);
        Ok(Self {
            inner: inner.freeze(),
            pool: cast(pool.init(device)?, dtype),
            head: linear(width, classes, device, dtype, seed),
        })
    }

    fn chosen(&self, inputs: &Tensor<2>) -> Chosen {
        self.pool.choose(frozen(&self.inner, inputs)).unwrap()
    }
}

impl<M: Reference> Classifier for Prompted<M> {
    type Batch = Fed;

    fn logits(&self, (inputs, _): &Fed) -> Tensor<2> {
        let prompts = self.chosen(inputs).prompts;
        self.head.forward(prompted(&self.inner, inputs, prompts))
    }
}

impl<M: Reference> Wrapped for Prompted<M> {
    type Inner = M;

    fn inner(&self) -> &M {
        &self.inner
    }

    fn pull(&self, (inputs, _): &Fed) -> Result<Tensor<1>> {
        Ok(self.chosen(inputs).pull)
    }

    fn held(&self) -> Vec<u32> {
        bits(&self.inner)
    }

    fn anew(self, fresh: Self) -> Self {
        let inner = self.inner.clone();
        let fresh = fresh.load_record(self.into_record());
        Self { inner, ..fresh }
    }
}

/// DualPrompt: a general prompt and the task's before the tokens of a transformer that does not train.
#[derive(Module, Debug)]
pub(crate) struct Dual<M: Module> {
    inner: M,
    prompts: DualPrompt,
    head: Linear,
    #[module(skip)]
    task: usize,
}

impl<M: Reference> Dual<M> {
    pub(crate) fn new(inner: M, classes: usize, device: &Device, seed: u64) -> Result<Self> {
        tokens("DualPrompt", &inner, device)?;
        let (width, dtype) = width(&inner);
        let prompts = DualPromptConfig::new(width, width, 3).with_general(1);
        let prompts = prompts.with_expert(2).with_seed(seed).init(device)?;
        Ok(Self {
            inner: inner.freeze(),
            prompts: cast(prompts, dtype),
            head: linear(width, classes, device, dtype, seed),
            task: 0,
        })
    }

    fn of_task(&self, inputs: &Tensor<2>) -> Chosen {
        let queries = frozen(&self.inner, inputs);
        self.prompts.of_task(queries, self.task).unwrap()
    }
}

impl<M: Reference> Classifier for Dual<M> {
    type Batch = Fed;

    fn logits(&self, (inputs, _): &Fed) -> Tensor<2> {
        let chosen = match inputs.is_autodiff() {
            true => self.of_task(inputs),
            false => self.prompts.choose(frozen(&self.inner, inputs)).unwrap(),
        };
        let general = self.prompts.general(inputs.dims()[0]).unwrap();
        let prompts = Tensor::cat(vec![general, chosen.prompts], 1);
        self.head.forward(prompted(&self.inner, inputs, prompts))
    }
}

impl<M: Reference> Wrapped for Dual<M> {
    type Inner = M;

    fn inner(&self) -> &M {
        &self.inner
    }

    fn begin(self, task: usize) -> Self {
        Self { task, ..self }
    }

    fn pull(&self, (inputs, _): &Fed) -> Result<Tensor<1>> {
        Ok(self.of_task(inputs).pull)
    }

    fn held(&self) -> Vec<u32> {
        bits(&self.inner)
    }

    fn anew(self, fresh: Self) -> Self {
        let (inner, fresh) = (self.inner.clone(), fresh.begin(self.task));
        let fresh = fresh.load_record(self.into_record());
        Self { inner, ..fresh }
    }
}

/// Adapters behind the features of a model that does not train.
#[derive(Module, Debug)]
pub(crate) struct Adapted<M: Module> {
    inner: M,
    adapters: AdapterPool,
    head: Linear,
    #[module(skip)]
    task: usize,
}

impl<M: Reference> Adapted<M> {
    pub(crate) fn new(inner: M, classes: usize, device: &Device, seed: u64) -> Result<Self> {
        let (width, dtype) = width(&inner);
        let adapters = AdapterPoolConfig::new(width, width, 3).with_bottleneck(4);
        let adapters = adapters.with_seed(seed).init(device)?;
        Ok(Self {
            inner: inner.freeze(),
            adapters: cast(adapters, dtype),
            head: linear(width, classes, device, dtype, seed),
            task: 0,
        })
    }
}

impl<M: Reference> Classifier for Adapted<M> {
    type Batch = Fed;

    fn logits(&self, (inputs, _): &Fed) -> Tensor<2> {
        let features = frozen(&self.inner, inputs);
        let [batch, width] = features.dims();
        let tasks = match inputs.is_autodiff() {
            true => vec![self.task; batch],
            false => {
                let likest = self.adapters.likest(features.clone(), self.task + 1);
                likest.unwrap()
            }
        };
        let features = features.reshape([batch, 1, width]);
        let adapted = self.adapters.forward(features, &tasks).unwrap();
        self.head.forward(adapted.reshape([batch, width]))
    }
}

impl<M: Reference> Wrapped for Adapted<M> {
    type Inner = M;

    fn inner(&self) -> &M {
        &self.inner
    }

    fn begin(self, task: usize) -> Self {
        Self { task, ..self }
    }

    fn pull(&self, (inputs, _): &Fed) -> Result<Tensor<1>> {
        self.adapters.pull(frozen(&self.inner, inputs), self.task)
    }

    fn held(&self) -> Vec<u32> {
        bits(&self.inner)
    }

    fn anew(self, fresh: Self) -> Self {
        let (inner, fresh) = (self.inner.clone(), fresh.begin(self.task));
        let fresh = fresh.load_record(self.into_record());
        Self { inner, ..fresh }
    }
}

/// A reference model as an encoder without a head.
#[derive(Module, Debug)]
pub(crate) struct Body<M: Module> {
    inner: M,
}

impl<M: Reference> Backbone for Body<M> {
    type Batch = Fed;

    fn features(&self, (inputs, _): &Fed) -> Tensor<2> {
        self.inner.features(inputs.clone())
    }
}

/// An encoder with the heads of a base session.
pub(crate) type Few<M> = FewShotNet<Body<M>>;

/// With the settings that `with` adds, for a base session with these classes.
pub(crate) fn few<M: Reference>(
    inner: M,
    base: Vec<usize>,
    classes: usize,
    with: impl Fn(FewShotConfig) -> FewShotConfig,
) -> Result<(Few<M>, FewShot)> {
    let (width, _) = width(&inner);
    let config = FewShotConfig::new(base, classes, width).with_projection(Some(5));
    with(config).init(Body { inner })
}

/// All tricks: contrast, pseudo-classes, quarters, a sub-network.
pub(crate) fn with_all(config: FewShotConfig) -> FewShotConfig {
    config
        .with_contrast(Some(Contrast {
            weight: 0.2,
            tau: 0.5,
        }))
        .with_pseudo(PseudoClasses::Rotations)
        .with_rotation(Some(0.5))
        .with_tuning(Tuning::SubNet(SubNetConfig::new()))
}

/// Targets set before training, mixtures, and all weights trained in later sessions.
pub(crate) fn with_targets(config: FewShotConfig) -> FewShotConfig {
    config
        .with_simplex(Some(Simplex::DotRegression(10.0)))
        .with_tuning(Tuning::Full)
}

impl<M: Reference> Wrapped for Few<M> {
    type Inner = M;

    fn inner(&self) -> &M {
        &self.encoder.inner
    }

    /// The heads train in the base session alone.
    fn held(&self) -> Vec<u32> {
        let projector = self.projector.iter().flat_map(bits);
        bits(&self.head).into_iter().chain(projector).collect()
    }
}
