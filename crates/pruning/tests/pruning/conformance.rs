//! Every method that masks before or during training, or by tasks, on every reference model under every condition.

use burn::optim::{
    AdamWConfig, GradientsParams, ModuleOptimizer, MultiGradientsParams, OptimizerRecord,
    SgdConfig, momentum::MomentumConfig,
};
use burn::tensor::Tensor;
use regimen_pruning::before::{grasp, snip, synflow};
use regimen_pruning::mask::checkpoint::{self, Framework};
use regimen_pruning::*;
use regimen_tensor::testing::{
    Answer, Batch, CLASSES, Case, Condition, FEATURES, Method, Reference, Suite, check_support,
};
use regimen_tensor::{ParamVector, independent};

/// A handle that takes the optimizer's steps.
trait Steps: Sized {
    /// The handle on a model, and the model under its first masks.
    fn start<M: Reference>(&self, model: M, steps: usize) -> Result<(Box<dyn Handle<M>>, M)>;
}

/// What all handles have.
trait Handle<M> {
    fn optimize(&self, model: M, optim: &mut ModuleOptimizer, grads: GradientsParams) -> M;
    fn many(&self, model: M, optim: &mut ModuleOptimizer, grads: MultiGradientsParams) -> M;
    fn status(&self) -> std::result::Result<(), std::sync::Arc<PruningError>>;
    fn skipped(&self) -> usize;
    fn masks(&self) -> Masks;
    fn step(&self) -> usize;
    fn save(&self) -> String;
    fn restore(&self, text: &str);
}

const RATE: f64 = 0.01;

macro_rules! handle {
    ($type:ty, $masks:expr, $state:expr) => {
        impl<M: Reference> Handle<M> for $type {
            fn optimize(&self, model: M, optim: &mut ModuleOptimizer, grads: GradientsParams) -> M {
                <$type>::optimize(self, model, optim, RATE, grads)
            }
            fn many(
                &self,
                model: M,
                optim: &mut ModuleOptimizer,
                grads: MultiGradientsParams,
            ) -> M {
                <$type>::optimize_multi(self, model, optim, RATE, grads)
            }
            fn status(&self) -> std::result::Result<(), std::sync::Arc<PruningError>> {
                <$type>::status(self)
            }
            fn skipped(&self) -> usize {
                <$type>::skipped(self)
            }
            fn masks(&self) -> Masks {
                $masks(self)
            }
            fn step(&self) -> usize {
                let state = serde_json::to_value($state(self)).unwrap();
                let step = state.get("step").or_else(|| state["present"].get("step"));
                step.and_then(serde_json::Value::as_u64).unwrap() as usize
            }
            fn save(&self) -> String {
                serde_json::to_string(&$state(self)).unwrap()
            }
            fn restore(&self, text: &str) {
                <$type>::restore(self, serde_json::from_str(text).unwrap()).unwrap();
            }
        }
    };
}

handle!(Pruner, Pruner::masks, Pruner::state);
handle!(Movement, Movement::masks, |m: &Movement| m.state().unwrap());
handle!(TopKast, TopKast::forward, |k: &TopKast| k.state().unwrap());
handle!(
    PerTask,
    |t: &PerTask| t.state().masks().unwrap().clone(),
    PerTask::state
);

/// A method by its name; the configuration of an event every second step.
struct During(&'static str);

impl Steps for During {
    fn start<M: Reference>(&self, model: M, steps: usize) -> Result<(Box<dyn Handle<M>>, M)> {
        let seed = 5;
        let granet = GraNetConfig::new(0.5, steps)
            .with_update_every(2)
            .with_seed(seed);
        let granet = granet.with_prune_until(Some(steps));
        let pruner = match self.0 {
            "GraNet" => granet.init(&model)?,
            "GraNet from sparse" => granet.with_initial_sparsity(0.25).init(&model)?,
            "Magnitude" => MagnitudeConfig::new(0.5, steps)
                .with_update_every(2)
                .with_prune_until(Some(steps))
                .init(&model)?,
            "Magnitude uniform" => MagnitudeConfig::new(0.5, steps)
                .with_update_every(2)
                .with_prune_until(Some(steps))
                .with_uniform(true)
                .init(&model)?,
            "RigL" => RigLConfig::new(0.5, 2 * steps)
                .with_update_every(2)
                .with_seed(seed)
                .init(&model)?,
            "SET" => SetConfig::new(0.5, 2 * steps)
                .with_update_every(2)
                .with_seed(seed)
                .init(&model)?,
            "DynamicSparse" => DynamicSparseConfig::new(0.5, 2 * steps)
                .with_update_every(2)
                .with_drop(DropRule::Taylor)
                .with_growth(GrowthRule::Momentum)
                .with_seed(seed)
                .init(&model)?,
            "Fixed" => Fixed::init(Masks::dense(&model)?.random(Layout::Erk, 0.5, seed)?),
            "Movement" => {
                let movement = MovementConfig::new(0.5, steps)
                    .with_prune_from(Some(0))
                    .with_prune_until(Some(steps))
                    .init(&model)?;
                return Ok((Box::new(movement), model));
            }
            "TopKast" => {
                let kast = TopKastConfig::new(0.5, 0.75)
                    .with_update_every(2)
                    .init(&model)?;
                let model = kast.mask(model)?;
                return Ok((Box::new(kast), model));
            }
            _ => {
                let tasks = PerTaskConfig::new(0.5)
                    .with_update_every(2)
                    .with_growth(GrowthRule::Gradient)
                    .with_seed(seed)
                    .init(&model)?;
                let model = tasks.begin(model, steps)?;
                return Ok((Box::new(tasks), model));
            }
        };
        let model = pruner.mask(model)?;
        Ok((Box::new(pruner), model))
    }
}

fn optimizer() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_dampening(0.0);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

/// That the model is zero where the masks are off, and that half of the prunable weights are left.
fn masked<M: Reference>(model: &M, masks: &Masks) {
    let live = ParamVector::of(model);
    for mask in masks.layers() {
        let values = live.get(mask.id).unwrap().values.clone();
        let values = values.try_into_vec_as::<f32>().unwrap();
        let zero = values
            .iter()
            .zip(&mask.active)
            .all(|(v, on)| *on || *v == 0.0);
        assert!(zero, "`{}` has weights that are off", mask.path);
    }
}

fn half(masks: &Masks) {
    let (left, total) = (masks.count(), masks.total());
    assert_eq!(left, total / 2, "of {total}");
}

/// One step on a window; under two devices by `optimize_multi`, each half with its own gradients.
fn advance<M: Reference>(
    handle: &dyn Handle<M>,
    case: &Case<M>,
    model: M,
    optim: &mut ModuleOptimizer,
    window: &[Batch],
) -> Answer<M> {
    if case.condition() != Condition::TwoDevices {
        let grads = case.gradients(&model, window)?;
        return Ok(handle.optimize(model, optim, grads));
    }
    let device = case.device().clone().inner();
    let parts = case.parts(&window[0]).into_iter().map(|part| {
        let replica = case.replica(&model);
        let loss = replica.logits(part.inputs);
        let loss = regimen_tensor::per_example::cross_entropy(loss, part.targets).mean();
        let grads = GradientsParams::from_grads(loss.backward(), &replica);
        (grads, device.clone())
    });
    let grads = MultiGradientsParams {
        grads: parts.collect(),
    };
    Ok(handle.many(model, optim, grads))
}

impl Method for During {
    fn name(&self) -> String {
        self.0.into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let steps = case.windows().count();
        let (handle, mut model) = self.start(case.model(), steps)?;
        let mut optim = optimizer();
        for window in case.windows() {
            model = advance(handle.as_ref(), case, model, &mut optim, window)?;
            masked(&model, &handle.masks());
        }
        handle.status().map_err(|error| error.to_string())?;
        assert_eq!(handle.step(), steps, "one step an optimizer step");
        half(&handle.masks());
        Ok(model)
    }

    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        let steps = case.windows().count();
        let run = || -> Answer<(M, M)> {
            let (handle, mut model) = self.start(case.model(), steps)?;
            let mut optim: ModuleOptimizer = AdamWConfig::new().init();
            let mut saved = None;
            for (at, window) in case.windows().enumerate() {
                if at == 3 {
                    let record = optim.to_record().into_bytes()?;
                    saved = Some((independent(&model), record, handle.save()));
                }
                model = advance(handle.as_ref(), case, model, &mut optim, window)?;
            }
            handle.status().map_err(|error| error.to_string())?;
            let straight = model;
            let (mut model, record, text) = saved.ok_or("nothing saved")?;
            let (handle, _) = self.start(case.model(), steps)?;
            handle.restore(&text);
            let mut optim = AdamWConfig::new()
                .init()
                .load_record(OptimizerRecord::from_bytes(record)?);
            for window in case.windows().skip(3) {
                model = advance(handle.as_ref(), case, model, &mut optim, window)?;
            }
            handle.status().map_err(|error| error.to_string())?;
            Ok((straight, model))
        };
        Some(run())
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let steps = case.windows().count();
        let run = || -> Answer<M> {
            let (handle, mut model) = self.start(case.model(), steps)?;
            let mut optim = optimizer();
            for (at, window) in case.windows().enumerate() {
                if at % 2 == 1 {
                    let before = ParamVector::of(&model).to_host()?;
                    let record = optim.to_record().into_bytes()?.to_vec();
                    let masks = handle.masks();
                    let grads = case.poisoned(&model, window)?;
                    // Batch norm has seen the batch, as in any training.
                    model = handle.optimize(model, &mut optim, grads);
                    assert_eq!(ParamVector::of(&model).to_host()?, before);
                    assert_eq!(optim.to_record().into_bytes()?.to_vec(), record);
                    assert!(handle.masks() == masks);
                } else {
                    model = advance(handle.as_ref(), case, model, &mut optim, window)?;
                }
                masked(&model, &handle.masks());
            }
            let error = handle.status().unwrap_err().to_string();
            assert!(error.contains("gradient"), "{error}");
            assert_eq!(handle.skipped(), 3);
            half(&handle.masks());
            Ok(model)
        };
        Some(run())
    }
}

/// Masks from one look at the model.
struct Before(&'static str);

impl Before {
    fn masks<M: Reference>(&self, case: &Case<M>, model: &M, poison: bool) -> Answer<Masks> {
        let dense = Masks::dense(model)?;
        let batch = &case.batches()[..1];
        let gradients = |model: &M| match poison {
            true => case.poisoned(model, batch),
            false => case.gradients(model, batch),
        };
        let unread = |error: Box<dyn std::error::Error>| regimen_tensor::TensorError::Read {
            what: "gradient".into(),
            reason: error.to_string(),
        };
        Ok(match self.0 {
            "SNIP" => {
                let grads = gradients(&independent(model))?;
                snip::snip(model, &grads, dense, 0.5)?
            }
            "GraSP" => grasp::grasp(model, dense, 0.5, |model: &M| {
                let grads = gradients(model).map_err(unread)?;
                Ok(ParamVector::gradients(model, &grads))
            })?,
            "SynFlow" => synflow::synflow(model, dense, 0.5, 5, |model: &M| {
                let ones = Tensor::<2>::ones([1, FEATURES], (case.device(), case.dtype()));
                let mut flow = model.logits(ones).sum();
                if poison {
                    flow = flow * f64::NAN;
                }
                let grads = GradientsParams::from_grads(flow.backward(), model);
                Ok(ParamVector::gradients(model, &grads))
            })?,
            "Checkpoint" => {
                let masks = dense.random(Layout::Erk, 0.5, 3)?;
                let sparse = masks.apply(independent(model))?;
                let folder = tempfile::tempdir()?;
                let path = folder.path().join("model.safetensors");
                checkpoint::save(&sparse, &masks, &path, Framework::Burn)?;
                let (read, again) = checkpoint::load(case.model(), &path, Framework::Burn)?;
                assert!(again == masks);
                let values = |model: &M| ParamVector::of(model).to_host();
                assert_eq!(values(&read)?, values(&sparse)?);
                again
            }
            _ => dense.random(Layout::Erk, 0.5, 3)?,
        })
    }
}

impl Method for Before {
    fn name(&self) -> String {
        self.0.into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let masks = self.masks(case, case.original(), false)?;
        half(&masks);
        let model = masks.apply(case.model())?;
        masked(&model, &masks);
        let [rows, classes] = model.logits(case.batches()[0].inputs.clone()).dims();
        assert_eq!((rows, classes), (8, CLASSES));
        Ok(case.model().load_record(model.into_record()))
    }

    fn trains(&self) -> bool {
        false
    }

    fn keeps_frozen(&self) -> bool {
        true
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        if !["SNIP", "GraSP", "SynFlow"].contains(&self.0) {
            return None;
        }
        let error = self.masks(case, case.original(), true);
        assert!(error.is_err(), "a score that is not finite makes no mask");
        Some(Ok(case.model()))
    }
}

#[test]
fn every_method_serves_every_model_or_refuses_it() {
    let mut suite = Suite::new();
    for name in ["SNIP", "GraSP", "SynFlow", "Masks", "Checkpoint"] {
        suite.add(&Before(name));
    }
    for name in [
        "GraNet",
        "GraNet from sparse",
        "Magnitude",
        "Magnitude uniform",
        "RigL",
        "SET",
        "DynamicSparse",
        "Fixed",
        "Movement",
        "TopKast",
        "PerTask",
    ] {
        suite.add(&During(name));
    }
    super::conformance_after::add_to(&mut suite);
    check_support(
        suite,
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support.csv"),
    )
    .unwrap();
}

/// The main methods on the perceptron, for GPUs whose kernels take long to compile.
#[test]
fn smoke() {
    let mut suite = Suite::smoke();
    suite.add(&Before("SNIP"));
    for name in ["GraNet", "RigL", "Movement", "TopKast"] {
        suite.add(&During(name));
    }
    suite.finish().unwrap();
}
