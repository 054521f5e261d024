//! Every strategy on every reference model under every condition.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Int, Tensor};
use regimen_continual::memory::MemoryConfig;
use regimen_continual::projections::Layers;
use regimen_continual::*;
use regimen_tensor::checkpoint::Part;
use regimen_tensor::testing::{
    Answer, Batch, CLASSES, Case, Condition, Method as Tested, Reference, Suite, check_support,
};
use regimen_tensor::{ParamVector, Prepared};

/// A reference model as a classifier.
#[derive(Module, Debug)]
pub(crate) struct Net<M: Module> {
    inner: M,
}

type Fed = (Tensor<2>, Tensor<1, Int>);

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

/// The head's inputs: the one layer that all networks but the tied transformer have in common.
impl<M: Reference> Layers for Net<M> {
    fn layer_inputs(&self, (inputs, _): &Fed) -> Result<Vec<(String, Tensor<2>)>> {
        Ok(vec![(
            "inner.head.weight".into(),
            self.inner.features(inputs.clone()),
        )])
    }
}

fn fed(batch: &Batch) -> Fed {
    (batch.inputs.clone(), batch.targets.clone())
}

/// A strategy with its state.
trait Whole<M: Classifier>: Strategy<M> + Part {}
impl<M: Classifier, T: Strategy<M> + Part> Whole<M> for T {}

type Boxed<M> = Box<dyn Whole<Net<M>>>;

macro_rules! made {
    ($config:expr, $model:expr) => {
        Ok(Box::new($config.init($model)?))
    };
}

/// A strategy by its name.
struct Way(&'static str);

const WAYS: [&str; 20] = [
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
    "Icarl",
    "Refresh",
    "Refresh of the paper",
];

impl Way {
    /// The handle by whose `unlearn` the weights move ahead of a step, where the method has one.
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

    fn made<M: Reference>(&self, model: &Net<M>) -> Result<Boxed<M>> {
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
            "Icarl" => made!(IcarlConfig::new(6), model),
            name => panic!("no strategy `{name}`"),
        }
    }
}

fn memory() -> MemoryConfig {
    MemoryConfig::reservoir(6).with_seed(3)
}

const RATE: f64 = 0.01;

fn optimizer() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_dampening(0.0);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

/// A run of two tasks.
struct Run<'a, M: Reference> {
    case: &'a Case<M>,
    strategy: Boxed<M>,
    refresh: Option<Refresh<Ewc>>,
    model: Net<M>,
    optim: ModuleOptimizer,
}

impl<'a, M: Reference> Run<'a, M> {
    fn new(case: &'a Case<M>, way: &Way) -> Result<Self> {
        let model = Net {
            inner: case.model(),
        };
        let (strategy, refresh) = Self::handles(way, &model)?;
        Ok(Self {
            case,
            strategy,
            refresh,
            model,
            optim: optimizer(),
        })
    }

    fn handles(way: &Way, model: &Net<M>) -> Result<(Boxed<M>, Option<Refresh<Ewc>>)> {
        Ok(match way.refresh(model)? {
            Some(refresh) => (Box::new(refresh.clone()), Some(refresh)),
            None => (way.made(model)?, None),
        })
    }

    /// Gradients of moved copies: the first micro-batch of a window decides on the move.
    fn of_moved(&self, refresh: &Refresh<Ewc>, window: &[Batch]) -> Answer<GradientsParams> {
        let mut sum = GradientsAccumulator::new();
        for batch in window {
            for part in self.case.parts(batch) {
                let inner = self.case.replica(&self.model.inner);
                let moved = refresh.unlearn(&Net { inner }, &fed(&part))?;
                let grads = self.strategy.loss(&moved, &fed(&part))?.backward();
                sum.accumulate(&moved, GradientsParams::from_grads(grads, &moved));
            }
        }
        Ok(sum.grads())
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

    fn gradients(&self, window: &[Batch]) -> Answer<GradientsParams> {
        if let Some(refresh) = &self.refresh {
            return self.of_moved(refresh, window);
        }
        self.case
            .gradients_of(&self.model.inner, window, |inner, batch| {
                let net = Net {
                    inner: inner.clone(),
                };
                self.strategy.loss(&net, &fed(&batch)).unwrap()
            })
    }

    fn step(mut self, window: &[Batch]) -> Answer<Self> {
        let grads = self.gradients(window)?;
        let rate = ModuleLearningRate::from(RATE);
        self.model = self
            .strategy
            .update(self.model, &mut self.optim, rate, grads.into());
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
        let mut between = Some(between);
        for id in 0..2 {
            self = self.begin(id)?;
            for window in self.windows(id) {
                self = self.step(&window)?;
                if let (1, Some(between)) = (id, between.take_if(|_| id == 1)) {
                    self = between(self)?;
                }
            }
            self = self.end(id)?;
        }
        let batch = fed(&self.case.batches()[0]);
        let penalty = self.strategy.penalty(&self.model, &batch)?;
        assert!(penalty.into_scalar::<f32>().is_finite());
        let [_, classes] = self.strategy.logits(&self.model, &batch)?.dims();
        assert_eq!(classes, CLASSES);
        Ok(self)
    }
}

impl Tested for Way {
    fn name(&self) -> String {
        self.0.to_owned()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        Ok(Run::new(case, self)?.both(Ok)?.model.inner)
    }

    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        let straight = || -> Answer<M> { Ok(Run::new(case, self)?.both(Ok)?.model.inner) };
        let restored = || -> Answer<M> {
            let run = Run::new(case, self)?.both(|mut run| {
                let bytes = run.strategy.save().map_err(|error| error.to_string())?;
                // Another process: a strategy of a model with other ids, which then gets the record's.
                let fresh = Net {
                    inner: M::seeded(case.device(), 99)?,
                };
                (run.strategy, run.refresh) = Run::handles(self, &fresh)?;
                run.strategy
                    .load(&bytes)
                    .map_err(|error| error.to_string())?;
                assert_eq!(run.strategy.save().unwrap(), bytes);
                Ok(run)
            })?;
            Ok(run.model.inner)
        };
        Some(straight().and_then(|straight| Ok((straight, restored()?))))
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let answer = || {
            let mut run = Run::new(case, self)?.begin(0)?;
            let batches = case.batches();
            run = run.step(&batches[..1])?;
            let grads = case.poisoned(&run.model.inner, &batches[1..2])?;
            let before = ParamVector::of(&run.model).to_host()?;
            let rate = ModuleLearningRate::from(RATE);
            run.model = run
                .strategy
                .update(run.model, &mut run.optim, rate, grads.into());
            assert_eq!(ParamVector::of(&run.model).to_host()?, before);
            assert_eq!(run.strategy.skipped(), 1);
            assert!(run.strategy.status().is_err());
            Ok(run.model.inner)
        };
        Some(answer())
    }
}

#[test]
fn every_strategy_on_every_model() {
    let mut suite = Suite::new();
    for way in WAYS {
        suite.add(&Way(way));
    }
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
    for way in WAYS {
        suite.add(&Way(way));
    }
    suite.finish().unwrap();
}
