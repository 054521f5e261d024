//! Every strategy on every reference model under every condition.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor};
use regimen_continual::memory::MemoryConfig;
use regimen_continual::plasticity::Activations;
use regimen_continual::projections::Layers;
use regimen_continual::*;
use regimen_tensor::testing::{
    Answer, Batch, CLASSES, Case, Condition, Method as Tested, Reference, Suite, check_support,
};
use regimen_tensor::{ParamVector, Prepared};

use super::wrapped::{
    Adapted, Alone, Columns, Cosines, Directions, Dual, Fed, Few, Gates, Prompted, Whole, Wrapped,
    bits, few, shown, units, with_all, with_targets,
};

/// A reference model as a classifier.
#[derive(Module, Debug)]
pub(crate) struct Net<M: Module> {
    inner: M,
}

impl<M: Reference> Classifier for Net<M> {
    type Batch = Fed;

    fn logits(&self, (inputs, _): &Fed) -> Tensor<2> {
        self.inner.logits(inputs.clone())
    }
}

impl<M: Reference> Encoder for Net<M> {
    fn features(&self, (inputs, _): &Fed) -> Tensor<2> {
        self.inner.features(inputs.clone())
    }
}

impl<M: Reference> Wrapped for Net<M> {
    type Inner = M;

    fn inner(&self) -> &M {
        &self.inner
    }
}

impl<M: Reference> Probed for Net<M> {
    fn probed(&self, batch: &Fed) -> Result<(Tensor<2>, Vec<Activations>)> {
        Ok((self.logits(batch), shown(&self.inner, &batch.0)))
    }
}

/// The head's inputs: the one layer that all networks but the tied transformer have in common.
impl<M: Reference> Layers for Net<M> {
    fn layer_inputs(&self, (inputs, _): &Fed) -> Result<Vec<(String, Tensor<2>)>> {
        Ok(vec![(
            "inner.head.weight".into(),
            self.inner.features(inputs.clone()),
        )])
    }
}

type Boxed<M> = Box<dyn Whole<M>>;

/// A model with its method, and the handle by whose `unlearn` the weights move ahead of a step, where the method has one.
type Made<M> = (M, Boxed<M>, Option<Refresh<Ewc>>);

/// A method with what it makes of a reference model.
trait Kind {
    /// The model that it trains.
    type Model<M: Reference>: Wrapped<Inner = M>;

    fn name(&self) -> &'static str;

    fn made<M: Reference>(&self, inner: M, device: &Device) -> Result<Made<Self::Model<M>>>;
}

macro_rules! made {
    ($config:expr, $model:expr) => {
        Ok(Box::new($config.init($model)?))
    };
}

/// A strategy by its name.
struct Way(&'static str);

const WAYS: [&str; 27] = [
    "Ewc",
    "OnlineEwc",
    "Si",
    "Mas",
    "RWalk",
    "Lwf",
    "Er",
    "ErAce",
    "Der",
    "DerPlusPlus",
    "AGem",
    "Gem",
    "Ogd",
    "Gpm",
    "PackNet",
    "Mir",
    "Gss",
    "GroupMask",
    "SubNet",
    "Icarl",
    "Refresh",
    "Refresh of the paper",
    "ReDo",
    "ContinualBackprop",
    "Reset",
    "ShrinkPerturb",
    "L2Init",
];

impl Way {
    fn refresh<M: Reference>(&self, model: &Net<M>) -> Result<Option<Refresh<Ewc>>> {
        let form = match self.0 {
            "Refresh" => Form::code(1e-3),
            "Refresh of the paper" => Form::paper(1e-3),
            _ => return Ok(None),
        };
        let ewc = EwcConfig::new(10.0).with_examples(5).init(model)?;
        let config = RefreshConfig::new().with_form(form).with_examples(5);
        config.init(model, ewc).map(Some)
    }

    fn strategy<M: Reference>(&self, model: &Net<M>) -> Result<Boxed<Net<M>>> {
        match self.0 {
            "Ewc" => made!(EwcConfig::new(10.0).with_examples(5), model),
            "OnlineEwc" => made!(OnlineEwcConfig::new(10.0).with_gamma(0.9), model),
            "Si" => made!(SiConfig::new(0.1), model),
            "Mas" => made!(MasConfig::new(0.1), model),
            "RWalk" => made!(RWalkConfig::new().with_interval(2), model),
            "Lwf" => made!(LwfConfig::new(), model),
            "Er" => made!(ErConfig::new(memory()), model),
            "ErAce" => made!(ErAceConfig::new(memory()), model),
            "Der" => made!(DerConfig::new(memory()), model),
            "DerPlusPlus" => made!(DerPlusPlusConfig::new(memory()), model),
            "AGem" => Ok(Box::new(AGemConfig::new().with_memory(6).init::<Fed>()?)),
            "Gem" => Ok(Box::new(GemConfig::new().with_memory(6).init::<Fed>()?)),
            "Ogd" => made!(OgdConfig::new().with_examples(3), model),
            "Gpm" => made!(GpmConfig::new().with_first(0.8), model),
            "PackNet" => made!(PackNetConfig::new(), model),
            "Mir" => made!(MirConfig::new(memory(), 0.1), model),
            "Gss" => made!(GssConfig::new(6), model),
            "GroupMask" => Ok(Box::new(GroupMask::default())),
            "SubNet" => made!(SubNetConfig::new(), model),
            "Icarl" => made!(IcarlConfig::new(6), model),
            "ReDo" => {
                // Some units of every layer, whatever the weights.
                let config = ReDoConfig::new(units::<M>()).with_tau(0.9);
                made!(config.with_every(2).with_seed(4), model)
            }
            "ContinualBackprop" => {
                let config = ContinualBackpropConfig::new(units::<M>()).with_rho(0.2);
                made!(config.with_maturity(1).with_seed(4), model)
            }
            "Reset" => {
                let head = match M::KIND {
                    regimen_tensor::testing::Kind::TiedTransformer => "inner.first.down",
                    _ => "inner.head",
                };
                made!(ResetConfig::new(vec![head.into()], 3).with_seed(4), model)
            }
            "ShrinkPerturb" => Ok(Box::new(ShrinkPerturbConfig::new(2).with_seed(4).init()?)),
            "L2Init" => made!(L2InitConfig::new(0.1), model),
            name => panic!("no strategy `{name}`"),
        }
    }
}

impl Kind for Way {
    type Model<M: Reference> = Net<M>;

    fn name(&self) -> &'static str {
        self.0
    }

    fn made<M: Reference>(&self, inner: M, _: &Device) -> Result<Made<Net<M>>> {
        let model = Net { inner };
        let (strategy, refresh): (Boxed<Net<M>>, _) = match self.refresh(&model)? {
            Some(refresh) => (Box::new(refresh.clone()), Some(refresh)),
            None => (self.strategy(&model)?, None),
        };
        Ok((model, strategy, refresh))
    }
}

/// A method that has a model of its own kind: its name, the model, and the strategy of one.
macro_rules! kind {
    ($name:ident, $model:ident, |$inner:ident, $device:ident| $new:expr, |$of:ident| $strategy:expr) => {
        struct $name;

        impl Kind for $name {
            type Model<M: Reference> = $model<M>;

            fn name(&self) -> &'static str {
                stringify!($name)
            }

            fn made<M: Reference>(
                &self,
                $inner: M,
                $device: &Device,
            ) -> Result<Made<Self::Model<M>>> {
                let $of = $new?;
                let strategy = Box::new($strategy);
                Ok(($of, strategy, None))
            }
        }
    };
}

/// The tricks of few-shot learning under a name, all in the base session's classes.
struct Tricks(&'static str, fn(FewShotConfig) -> FewShotConfig);

impl Kind for Tricks {
    type Model<M: Reference> = Few<M>;

    fn name(&self) -> &'static str {
        self.0
    }

    fn made<M: Reference>(&self, inner: M, _: &Device) -> Result<Made<Few<M>>> {
        let (model, strategy) = few(inner, (0..CLASSES).collect(), CLASSES, self.1)?;
        Ok((model, Box::new(strategy), None))
    }
}

/// The seed of heads, gates, columns, prompts and adapters.
const SEED: u64 = 5;

kind!(
    Lucir,
    Cosines,
    |inner, device| Cosines::new(inner, CLASSES, device, SEED),
    |model| LucirConfig::new(6).init(&model)?
);
kind!(
    WeightNormLinear,
    Directions,
    |inner, device| Directions::new(inner, CLASSES, device, SEED),
    |model| GroupMask::default()
);
kind!(
    Hat,
    Gates,
    |inner, device| Gates::new(inner, CLASSES, 3, device, SEED),
    |model| model.hat()
);
kind!(
    Progressive,
    Columns,
    |inner, device| Columns::new(inner, CLASSES, device, SEED),
    |model| Alone::default()
);
kind!(
    PromptPool,
    Prompted,
    |inner, device| Prompted::new(inner, CLASSES, device, SEED),
    |model| Alone::default()
);
kind!(
    DualPrompt,
    Dual,
    |inner, device| Dual::new(inner, CLASSES, device, SEED),
    |model| Alone::default()
);
kind!(
    AdapterPool,
    Adapted,
    |inner, device| Adapted::new(inner, CLASSES, device, SEED),
    |model| Alone::default()
);

fn memory() -> MemoryConfig {
    MemoryConfig::reservoir(6).with_seed(3)
}

const RATE: f64 = 0.01;

fn optimizer() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_dampening(0.0);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

fn fed(batch: &Batch) -> Fed {
    (batch.inputs.clone(), batch.targets.clone())
}

/// A run of two tasks.
struct Run<'a, W: Wrapped> {
    case: &'a Case<W::Inner>,
    strategy: Boxed<W>,
    refresh: Option<Refresh<Ewc>>,
    model: W,
    optim: ModuleOptimizer,
}

impl<'a, W: Wrapped> Run<'a, W> {
    fn new<K: Kind<Model<W::Inner> = W>>(case: &'a Case<W::Inner>, kind: &K) -> Result<Self> {
        let (model, strategy, refresh) = kind.made(case.model(), case.device())?;
        Ok(Self {
            case,
            strategy,
            refresh,
            model,
            optim: optimizer(),
        })
    }

    /// The windows of a task: the first has three of seven batches.
    fn windows(&self, task: usize) -> Vec<Vec<Batch>> {
        let (first, second) = self.case.batches().split_at(3);
        let length = match self.case.condition() {
            Condition::Accumulation => 3,
            _ => 1,
        };
        let batches = if task == 0 { first } else { second };
        batches.chunks(length).map(<[Batch]>::to_vec).collect()
    }

    /// Gradients of a loss over a window: a move is decided on by the first micro-batch.
    fn gradients(
        &self,
        window: &[Batch],
        loss: impl Fn(&W, &Fed) -> Result<Tensor<1>>,
    ) -> Answer<GradientsParams> {
        let mut sum = GradientsAccumulator::new();
        for batch in window {
            for part in self.case.parts(batch) {
                let replica = match self.case.condition() {
                    Condition::TwoDevices => self.model.clone().fork(self.case.device()),
                    _ => self.model.clone(),
                };
                let replica = match &self.refresh {
                    Some(refresh) => refresh.unlearn(&replica, &fed(&part))?,
                    None => replica,
                };
                let grads = loss(&replica, &fed(&part))?.backward();
                sum.accumulate(&replica, GradientsParams::from_grads(grads, &replica));
            }
        }
        Ok(sum.grads())
    }

    fn update(&mut self, grads: GradientsParams) {
        let rate = ModuleLearningRate::from(RATE);
        let model = self.model.clone();
        self.model = self
            .strategy
            .update(model, &mut self.optim, rate, grads.into());
    }

    fn step(mut self, window: &[Batch]) -> Answer<Self> {
        let grads = self.gradients(window, |model, batch| self.strategy.loss(model, batch))?;
        self.update(grads);
        self.strategy.status().map_err(|error| error.to_string())?;
        Ok(self)
    }

    fn task(&self, id: usize) -> Task {
        Task {
            id,
            classes: if id == 0 { vec![0, 1] } else { vec![2, 3] },
            examples: 8 * self.windows(id).iter().map(Vec::len).sum::<usize>(),
        }
    }

    fn begin(mut self, id: usize) -> Answer<Self> {
        self.model = self
            .strategy
            .before_task(self.model.clone(), &self.task(id))?;
        Ok(self)
    }

    fn end(mut self, id: usize) -> Answer<Self> {
        let data = self.windows(id).concat();
        let data = Prepared(data.iter().map(fed).collect());
        self.model = self.strategy.after_task(self.model.clone(), &data)?;
        Ok(self)
    }

    /// Both tasks. `between` is done after the first step of the second one.
    fn both(mut self, between: impl FnOnce(Self) -> Answer<Self>) -> Answer<Self> {
        self = self.begin(0)?;
        for window in self.windows(0) {
            self = self.step(&window)?;
        }
        self = self.end(0)?.begin(1)?;
        let held = self.model.held();
        let mut between = Some(between);
        for window in self.windows(1) {
            self = self.step(&window)?;
            if let Some(between) = between.take() {
                self = between(self)?;
            }
        }
        assert!(self.model.held() == held, "what is held has changed");
        self = self.end(1)?;
        let batch = fed(&self.case.batches()[0]);
        let penalty = self.strategy.penalty(&self.model, &batch)?;
        assert!(penalty.into_scalar::<f32>().is_finite());
        let [_, classes] = self.strategy.logits(&self.model, &batch)?.dims();
        assert_eq!(classes, CLASSES);
        alike(&self.model)?;
        Ok(self)
    }

    fn inner(&self) -> W::Inner {
        self.model.inner().clone()
    }
}

/// All parameters are finite, and of one type: heads, gates, columns, prompts and adapters have that of the model.
fn alike<W: Wrapped>(model: &W) -> Answer<()> {
    let vector = ParamVector::of(model);
    let inner = ParamVector::of(model.inner());
    let dtype = inner.entries()[0].values.dtype();
    for (entry, values) in vector.entries().iter().zip(vector.to_host()?) {
        assert_eq!(entry.values.dtype(), dtype, "{}", entry.path);
        assert!(
            values.iter().all(|value| value.is_finite()),
            "{}",
            entry.path
        );
    }
    Ok(())
}

/// A [`Kind`] as a method of the suite.
struct Of<K>(K);

impl<K: Kind> Tested for Of<K> {
    fn name(&self) -> String {
        self.0.name().to_owned()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        Ok(Run::new(case, &self.0)?.both(Ok)?.inner())
    }

    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        let straight = || Run::new(case, &self.0)?.both(Ok);
        let restored = || {
            Run::new(case, &self.0)?.both(|mut run| {
                let bytes = run.strategy.save().map_err(|error| error.to_string())?;
                // Another process: a strategy of a model with other ids, which then gets the record's.
                let fresh = M::seeded(case.device(), 99)?;
                let (fresh, strategy, refresh) = self.0.made(fresh, case.device())?;
                (run.strategy, run.refresh) = (strategy, refresh);
                run.strategy
                    .load(&bytes)
                    .map_err(|error| error.to_string())?;
                assert_eq!(run.strategy.save().unwrap(), bytes);
                run.model = run.model.anew(fresh);
                Ok(run)
            })
        };
        let runs = || -> Answer<(M, M)> {
            let (straight, restored): (Run<'_, _>, Run<'_, _>) = (straight()?, restored()?);
            // The suite compares the reference models.
            assert!(bits(&straight.model) == bits(&restored.model));
            Ok((straight.inner(), restored.inner()))
        };
        Some(runs())
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let answer = || {
            let mut run = Run::new(case, &self.0)?.begin(0)?;
            let batches = case.batches();
            run = run.step(&batches[..1])?;
            let window = &batches[1..2];
            let grads = run.gradients(window, |model, batch| {
                Ok(plain_loss(model, batch) * f64::NAN)
            })?;
            let before = bits(&run.model);
            run.update(grads);
            assert!(bits(&run.model) == before);
            assert_eq!(run.strategy.skipped(), 1);
            assert!(run.strategy.status().is_err());
            Ok(run.inner())
        };
        Some(answer())
    }
}

/// All methods.
fn add(suite: &mut Suite) {
    for way in WAYS {
        suite.add(&Of(Way(way)));
    }
    suite.add(&Of(Lucir)).add(&Of(WeightNormLinear));
    suite.add(&Of(Hat)).add(&Of(Progressive));
    suite.add(&Of(PromptPool)).add(&Of(DualPrompt));
    suite.add(&Of(AdapterPool));
    suite.add(&Of(Tricks("FewShot", with_all)));
    suite.add(&Of(Tricks("FewShot to a simplex", with_targets)));
}

#[test]
fn every_strategy_on_every_model() {
    let mut suite = Suite::new();
    add(&mut suite);
    check_support(
        suite,
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support.csv"),
    )
    .unwrap();
}

/// For devices whose kernels compile slowly.
#[test]
fn smoke() {
    let mut suite = Suite::smoke();
    add(&mut suite);
    suite.finish().unwrap();
}
