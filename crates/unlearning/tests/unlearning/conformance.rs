//! Every method on every reference model under every condition.

use burn::module::Module;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::{Int, Tensor};
use regimen_tensor::checkpoint::Part;
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::testing::Method as Tested;
use regimen_tensor::testing::{
    Answer, Batch, CLASSES, Case, Condition, Reference, Suite, check_support,
};
use regimen_tensor::{ParamVector, independent};
use regimen_unlearning::methods::edit::{lfssd, task_vector};
use regimen_unlearning::methods::train::amnesiac::{Amnesiac, AmnesiacConfig};
use regimen_unlearning::methods::train::bad_teacher::BadTeacher;
use regimen_unlearning::methods::train::finetune::FineTune;
use regimen_unlearning::methods::train::gradient_ascent::GradientAscentConfig;
use regimen_unlearning::methods::train::gradient_difference::GradientDifferenceConfig;
use regimen_unlearning::methods::train::neg_grad::NegGradPlusConfig;
use regimen_unlearning::methods::train::npo::{NpoConfig, SimNpoConfig};
use regimen_unlearning::methods::train::rmu::RmuConfig;
use regimen_unlearning::methods::train::salun::{SalUn, SalUnConfig};
use regimen_unlearning::methods::train::scrub::ScrubConfig;
use regimen_unlearning::methods::train::unsir::{NoiseConfig, Unsir};
use regimen_unlearning::{
    Attributed, Classifier, Evidence, FisherForgetting, FisherForgettingConfig, Matching,
    MatchingConfig, Method, Models, Predictions, Prepared, ReportConfig, SsdConfig, TrakConfig,
    Unlearn, UnlearnConfig, token_log_probabilities,
};

/// A reference model as a classifier.
#[derive(Module, Debug)]
struct Net<M: Module> {
    inner: M,
}

/// A batch; its logits are not numbers where it is poisoned.
#[derive(Clone, Debug)]
struct Fed {
    batch: Batch,
    poison: bool,
}

fn spoiled(values: Tensor<2>, poison: bool) -> Tensor<2> {
    if poison { values * f64::NAN } else { values }
}

impl<M: Reference> Classifier for Net<M> {
    type Batch = Fed;

    fn logits(&self, fed: &Fed) -> Tensor<2> {
        spoiled(self.inner.logits(fed.batch.inputs.clone()), fed.poison)
    }

    fn targets(fed: &Fed) -> Tensor<1, Int> {
        fed.batch.targets.clone()
    }
}

fn net<M: Reference>(inner: &M) -> Net<M> {
    let inner = inner.clone();
    Net { inner }
}

/// The first two batches are to be forgotten, the others stay.
struct Data {
    forget: Prepared<Fed>,
    retain: Prepared<Fed>,
}

impl Data {
    fn of<M: Reference>(case: &Case<M>) -> Self {
        let fed = |batch: &Batch| -> Vec<Fed> {
            let parts = case.parts(batch).into_iter();
            parts
                .map(|batch| Fed {
                    batch,
                    poison: false,
                })
                .collect()
        };
        let (forget, retain) = case.batches().split_at(2);
        Self {
            forget: Prepared(forget.iter().flat_map(fed).collect()),
            retain: Prepared(retain.iter().flat_map(fed).collect()),
        }
    }

    fn poisoned(mut self) -> Self {
        self.forget.0[1].poison = true;
        self.retain.0[1].poison = true;
        self
    }

    fn all(&self) -> Vec<Fed> {
        [self.forget.0.clone(), self.retain.0.clone()].concat()
    }
}

/// Methods of the shared loop.
#[derive(Clone, Copy)]
enum Way {
    FineTune,
    Ascent,
    Difference,
    Divergence,
    NegGradPlus,
    Npo,
    SimNpo,
    Rmu,
    Scrub,
    BadTeacher,
    Amnesiac,
    SalUn,
}

type Boxed<M> = Box<dyn Method<Net<M>>>;

impl Way {
    const ALL: [(Self, &str); 12] = [
        (Self::FineTune, "FineTune"),
        (Self::Ascent, "GradientAscent"),
        (Self::Difference, "GradientDifference"),
        (Self::Divergence, "GradientDifference with the original"),
        (Self::NegGradPlus, "NegGradPlus"),
        (Self::Npo, "Npo"),
        (Self::SimNpo, "SimNpo"),
        (Self::Rmu, "Rmu"),
        (Self::Scrub, "Scrub"),
        (Self::BadTeacher, "BadTeacher"),
        (Self::Amnesiac, "Amnesiac"),
        (Self::SalUn, "SalUn"),
    ];

    fn method<M: Reference>(self, original: &Net<M>, data: &Data) -> Answer<Boxed<M>> {
        let layer = |model: &Net<M>, fed: &Fed| {
            spoiled(model.inner.features(fed.batch.inputs.clone()), fed.poison)
        };
        Ok(match self {
            Self::FineTune => Box::new(FineTune),
            Self::Ascent => Box::new(GradientAscentConfig::new(3.0).init()?),
            Self::Difference => Box::new(GradientDifferenceConfig::new().init::<Net<M>>()?),
            Self::Divergence => {
                Box::new(GradientDifferenceConfig::new().init_with_original(original)?)
            }
            Self::NegGradPlus => Box::new(NegGradPlusConfig::new().init()?),
            Self::Npo => Box::new(NpoConfig::new().with_divergence(0.5).init(original)?),
            Self::SimNpo => Box::new(SimNpoConfig::new().init()?),
            Self::Rmu => Box::new(
                RmuConfig::new()
                    .with_c(2.0)
                    .with_alpha(1.0)
                    .init(original, layer)?,
            ),
            Self::Scrub => Box::new(ScrubConfig::new().with_max_epochs(1).init(original)?),
            Self::BadTeacher => {
                let bad = ParamVector::of(original)
                    .scale(0.1)
                    .write_to(independent(original))?;
                Box::new(BadTeacher::new(original, &bad))
            }
            Self::Amnesiac => Box::new(AmnesiacConfig::new(CLASSES).init()?),
            Self::SalUn => {
                Box::new(SalUnConfig::new(CLASSES).init(original, data.forget.0.clone())?)
            }
        })
    }
}

fn optimizer() -> ModuleOptimizer {
    SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new()))
        .init()
}

fn started(condition: Condition) -> Answer<Unlearn> {
    // Under two devices the halves of a batch are micro-batches of one step.
    let accumulation = match condition {
        Condition::Accumulation => 3,
        Condition::TwoDevices => 2,
        _ => 1,
    };
    Ok(UnlearnConfig::new(2)
        .with_accumulation(accumulation)
        .init()?)
}

fn run<M: Reference>(
    case: &Case<M>,
    method: &mut impl Method<Net<M>>,
    data: &Data,
) -> Answer<(M, Unlearn)> {
    let (mut run, original) = (started(case.condition())?, net(case.original()));
    let (forget, retain) = (&data.forget, &data.retain);
    let model = run.run(
        &original,
        method,
        &mut optimizer(),
        &mut 0.01,
        forget,
        retain,
    )?;
    let finite = |loss: Option<f64>| loss.is_none_or(f64::is_finite);
    assert!(run.steps() > 0);
    assert!(
        run.log()
            .iter()
            .all(|log| finite(log.forget) && finite(log.retain))
    );
    Ok((model.inner, run))
}

/// Two epochs at once, and one and one with all state saved, dropped and restored in between.
fn resumed<M: Reference, T: Method<Net<M>>>(
    case: &Case<M>,
    make: impl Fn(&Net<M>, &Data) -> Answer<T>,
    restored: impl Fn(T, &Net<M>, &Data) -> Answer<T>,
) -> Answer<(M, M)> {
    let (data, original) = (Data::of(case), net(case.original()));
    let mut method = make(&original, &data)?;
    let (straight, _) = run(case, &mut method, &data)?;

    let (mut run, mut optim) = (started(case.condition())?, optimizer());
    let (forget, retain) = (&data.forget, &data.retain);
    let mut method = make(&original, &data)?;
    let half = run.epoch(
        net(&case.model()),
        &mut method,
        &mut optim,
        &mut 0.01,
        forget,
        retain,
    )?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.safetensors");
    ParamVector::state(&half).save(&path)?;
    let text = serde_json::to_string(&run)?;
    let (record, mut method) = (optim.to_record(), restored(method, &original, &data)?);
    drop((half, run, optim));

    let mut run: Unlearn = serde_json::from_str(&text)?;
    let mut optim = optimizer().load_record(record);
    let fresh = net(&case.model());
    let half = ParamVector::load(&path, &ParamVector::state(&fresh))?.write_to(fresh)?;
    let model = run.run(&half, &mut method, &mut optim, &mut 0.01, forget, retain)?;
    Ok((straight, model.inner))
}

fn filed(labels: &Amnesiac) -> Answer<Amnesiac> {
    Ok(serde_json::from_str(&serde_json::to_string(labels)?)?)
}

struct Trained(Way, &'static str);

impl Tested for Trained {
    fn name(&self) -> String {
        self.1.into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let data = Data::of(case);
        let mut method = self.0.method(&net(case.original()), &data)?;
        Ok(run(case, &mut method, &data)?.0)
    }

    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        Some(match self.0 {
            Way::Amnesiac => resumed(
                case,
                |_, _| Ok(AmnesiacConfig::new(CLASSES).init()?),
                |labels, _, _| filed(&labels),
            ),
            Way::SalUn => resumed(
                case,
                |original, data| {
                    let config = SalUnConfig::new(CLASSES);
                    Ok(config.init(original, data.forget.0.clone())?)
                },
                |method: SalUn, original, data| {
                    // A mask of no saliency, which the part replaces.
                    let labels = AmnesiacConfig::new(CLASSES).init()?;
                    let zero = method.mask().clone().scale(0.0);
                    let mut restored = SalUn::from_parts(labels, zero, original)?;
                    let saved = method.save().map_err(|error| error.to_string())?;
                    restored.load(&saved).map_err(|error| error.to_string())?;
                    let same = restored.mask().to_host()? == method.mask().to_host()?;
                    assert!(same && !data.forget.0.is_empty());
                    let labels = filed(method.labels())?;
                    Ok(SalUn::from_parts(
                        labels,
                        restored.mask().clone(),
                        original,
                    )?)
                },
            ),
            way => resumed(
                case,
                |original, data| way.method(original, data),
                |_, original, data| way.method(original, data),
            ),
        })
    }

    /// A poisoned batch on each side is left out in each epoch that sees it.
    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let clean = Data::of(case);
        let poisoned = || -> Answer<M> {
            let mut method = self.0.method(&net(case.original()), &clean)?;
            let (model, run) = run(case, &mut method, &Data::of(case).poisoned())?;
            assert!(run.skipped() >= 2, "{}", run.skipped());
            Ok(model)
        };
        Some(poisoned())
    }
}

struct Noise;

impl Tested for Noise {
    fn name(&self) -> String {
        "Unsir".into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let (mut data, model) = (Data::of(case), independent(case.original()).freeze());
        let first = data.forget.0[0].batch.clone();
        // Token ids lie between 0 and 7; they pass no gradient.
        let logits = |inputs: Tensor<2>| model.logits(inputs.clamp(0.0, 7.0));
        let noise = NoiseConfig::new()
            .with_steps(3)
            .learn(&first.inputs, 0, logits)?;
        assert_eq!(noise.dtype(), case.dtype());
        data.forget.0[0].batch.inputs = noise.clamp(0.0, 7.0);
        Ok(run(case, &mut Unsir, &data)?.0)
    }
}

struct Matched;

impl Matched {
    fn matching<M: Reference>(case: &Case<M>, poison: bool) -> Answer<(M, M)> {
        let batches = case.batches();
        let inputs = Tensor::cat(batches.iter().map(|b| b.inputs.clone()).collect(), 0);
        let points: Vec<usize> = (0..inputs.dims()[0]).collect();
        let config = MatchingConfig::new()
            .with_epochs(2)
            .with_batch_size(8)
            .with_pull(0.1);
        let matching = config.init(&points[..4], &points[4..])?;
        let targets = case.original().valid().logits(inputs.clone().inner()) * 0.5;
        let targets = Tensor::from_inner(targets);
        let logits = |model: &M, points| {
            let logits = model.logits(inputs.clone().select(0, points));
            spoiled(logits, poison)
        };
        let straight = matching.forget(case.original(), targets.clone(), logits)?;
        // Burn restores an optimizer's record in f32: of a model in bf16 only the straight run is made.
        if case.condition() != Condition::Resumed {
            let model = independent(&straight);
            return Ok((straight, model));
        }
        let (mut model, mut optim) = (case.model(), matching.optimizer());
        model = matching.epoch(0, model, case.original(), &mut optim, &targets, logits)?;
        let matching: Matching = serde_json::from_str(&serde_json::to_string(&matching)?)?;
        let mut optim = matching.optimizer().load_record(optim.to_record());
        model = matching.epoch(1, model, case.original(), &mut optim, &targets, logits)?;
        Ok((straight, model))
    }
}

impl Tested for Matched {
    fn name(&self) -> String {
        "Matching".into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        Ok(Self::matching(case, false)?.0)
    }

    fn trains(&self) -> bool {
        false
    }

    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        Some(Self::matching(case, false))
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        Some(Self::matching(case, true).map(|pair| pair.0))
    }
}

/// Edits of the weights.
#[derive(Clone, Copy)]
enum Edit {
    Ssd,
    Lfssd,
    Fisher,
    TaskVector,
}

impl Edit {
    fn edited<M: Reference>(self, case: &Case<M>, data: &Data) -> Answer<M> {
        let original = net(case.original());
        let loss = |model: &Net<M>, fed: Fed| {
            let logits = model.logits(&fed);
            cross_entropy(logits, fed.batch.targets).mean()
        };
        let forward = |model: &Net<M>, fed: Fed| model.logits(&fed);
        let ssd = SsdConfig::new().with_alpha(1.01).init()?;
        let edited = match self {
            Self::Ssd => {
                let forget = data.forget.0.clone();
                let dampened = ssd.forget(original.clone(), data.all(), forget, loss)?;
                assert!(dampened.edited > 0 && dampened.edited < dampened.total);
                dampened.model
            }
            Self::Lfssd => {
                let all = lfssd::importance(&original, data.all(), forward)?;
                let forget = lfssd::importance(&original, data.forget.0.clone(), forward)?;
                ssd.dampen(original.clone(), &all, &forget)?.model
            }
            Self::Fisher => {
                let single = |fed: &Fed| Fed {
                    batch: Batch {
                        inputs: fed.batch.inputs.clone().narrow(0, 0, 1),
                        targets: fed.batch.targets.clone().narrow(0, 0, 1),
                    },
                    poison: fed.poison,
                };
                let singles: Vec<Fed> = data.retain.0.iter().map(single).collect();
                let importance = FisherForgetting::importance(&original, singles, forward)?;
                let head = Some("inner.head".to_owned());
                let config = FisherForgettingConfig::new()
                    .with_head(head)
                    .with_class(Some(1));
                let edited = config.init()?.forget(original.clone(), &importance, 3)?;
                edited.model
            }
            Self::TaskVector => {
                let (tuned, _) = run(case, &mut FineTune, data)?;
                task_vector::negate(&original, &net(&tuned), 0.5)?.model
            }
        };
        let moved = ParamVector::of(&edited).sub(&ParamVector::of(&original))?;
        assert!(moved.l2().into_scalar::<f32>() > 0.0, "nothing was edited");
        Ok(edited.inner)
    }
}

struct Edited(Edit, &'static str);

impl Tested for Edited {
    fn name(&self) -> String {
        self.1.into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        self.0.edited(case, &Data::of(case))
    }

    fn trains(&self) -> bool {
        false
    }

    /// Noise is for frozen parameters too, as in the released code: they have no Fisher information.
    fn keeps_frozen(&self) -> bool {
        !matches!(self.0, Edit::Fisher)
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        Some(self.0.edited(case, &Data::of(case).poisoned()))
    }
}

/// What measures a model and leaves it as it is.
#[derive(Clone, Copy)]
enum Measure {
    Trak,
    Report,
    Predictions,
}

impl Measure {
    fn measured<M: Reference>(self, case: &Case<M>, data: &Data) -> Answer<M> {
        let original = net(case.original());
        match self {
            Self::Trak => {
                let example = |fed: &Fed| {
                    let label = fed
                        .batch
                        .targets
                        .clone()
                        .narrow(0, 0, 1)
                        .into_scalar::<i64>();
                    (
                        Fed {
                            batch: Batch {
                                inputs: fed.batch.inputs.clone().narrow(0, 0, 1),
                                ..fed.batch.clone()
                            },
                            poison: fed.poison,
                        },
                        label as usize,
                    )
                };
                let examples: Vec<(Fed, usize)> = data.all().iter().map(example).collect();
                for attributed in [Attributed::Margin, Attributed::Logits] {
                    let config = TrakConfig::new().with_dimensions(4).with_lambda(1e-3);
                    let mut trak = config.with_attributed(attributed).init()?;
                    let (train, eval) = (examples.clone(), examples[..2].to_vec());
                    trak.add(&original, train, eval, |model, fed| model.logits(&fed))?;
                    assert_eq!(trak.datamodel()?.n_train(), examples.len());
                }
            }
            Self::Report => {
                let evidence = Evidence {
                    retain: &data.retain,
                    forget: &data.forget,
                    test: &data.retain,
                };
                let (tuned, _) = run(case, &mut FineTune, &Data::of(case))?;
                let (tuned, before) = (net(&tuned), ParamVector::state(&tuned).to_host()?);
                let models = Models::new(&original, &tuned).with_untrained(&tuned);
                ReportConfig::new().measure("two batches", "none", &models, &evidence)?;
                assert_eq!(ParamVector::state(&tuned).to_host()?, before);
            }
            Self::Predictions => {
                let rows = Predictions::of(&original, &data.retain)?.losses();
                let tokens = token_log_probabilities(&original, &data.retain)?.concat();
                assert!(rows.iter().zip(tokens).all(|(a, b)| (a + b).abs() < 1e-4));
            }
        }
        Ok(case.model())
    }
}

struct Measured(Measure, &'static str);

impl Tested for Measured {
    fn name(&self) -> String {
        self.1.into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        self.0.measured(case, &Data::of(case))
    }

    fn trains(&self) -> bool {
        false
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        Some(self.0.measured(case, &Data::of(case).poisoned()))
    }
}

/// The main methods on the perceptron: what a run on a GPU tries.
#[test]
fn smoke() {
    let mut suite = Suite::smoke();
    suite.add(&Trained(Way::Npo, "Npo"));
    suite.add(&Trained(Way::SalUn, "SalUn")).add(&Matched);
    suite.add(&Edited(Edit::Ssd, "Ssd"));
    suite.add(&Edited(Edit::TaskVector, "task_vector"));
    suite.finish().unwrap();
}

#[test]
fn every_method_serves_every_model() {
    let mut suite = Suite::new();
    for (way, name) in Way::ALL {
        suite.add(&Trained(way, name));
    }
    suite.add(&Noise).add(&Matched);
    for (edit, name) in [
        (Edit::Ssd, "Ssd"),
        (Edit::Lfssd, "lfssd"),
        (Edit::Fisher, "FisherForgetting"),
        (Edit::TaskVector, "task_vector"),
    ] {
        suite.add(&Edited(edit, name));
    }
    for (measure, name) in [
        (Measure::Trak, "Trak"),
        (Measure::Report, "ForgettingReport"),
        (Measure::Predictions, "Predictions"),
    ] {
        suite.add(&Measured(measure, name));
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support.csv");
    check_support(suite, file).unwrap();
}
