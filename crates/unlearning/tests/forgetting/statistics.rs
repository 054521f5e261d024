//! A network with batch norm: originals keep their statistics, in any float type, and what is not finite does no harm.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::tensor::activation::relu;
use burn::tensor::{DType, FloatDType, Int, Tensor};
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::{ParamVector, independent};
use regimen_unlearning::methods::edit::{lfssd, task_vector};
use regimen_unlearning::methods::train::amnesiac::AmnesiacConfig;
use regimen_unlearning::methods::train::bad_teacher::BadTeacher;
use regimen_unlearning::methods::train::finetune::FineTune;
use regimen_unlearning::methods::train::gradient_ascent::GradientAscentConfig;
use regimen_unlearning::methods::train::gradient_difference::GradientDifferenceConfig;
use regimen_unlearning::methods::train::neg_grad::NegGradPlusConfig;
use regimen_unlearning::methods::train::npo::{NpoConfig, SimNpoConfig};
use regimen_unlearning::methods::train::rmu::RmuConfig;
use regimen_unlearning::methods::train::salun::SalUnConfig;
use regimen_unlearning::methods::train::scrub::ScrubConfig;
use regimen_unlearning::methods::train::unsir::{NoiseConfig, Unsir};
use regimen_unlearning::metrics::RelearnConfig;
use regimen_unlearning::{
    Classifier, Evidence, FisherForgetting, FisherForgettingConfig, MatchingConfig, Method, Models,
    Predictions, Prepared, ReportConfig, Ssd, SsdConfig, TrakConfig, UnlearnConfig,
    UnlearningError,
};

use super::{Batch, batches, clouds, of_class};

#[derive(Module, Debug)]
struct Normed {
    hidden: Linear,
    norm: BatchNorm,
    head: Linear,
}

impl Normed {
    fn features(&self, points: Tensor<2>) -> Tensor<2> {
        relu(self.norm.forward(self.hidden.forward(points)))
    }
}

impl Classifier for Normed {
    type Batch = Batch;

    fn logits(&self, batch: &Batch) -> Tensor<2> {
        self.head.forward(self.features(batch.0.clone()))
    }

    fn targets(batch: &Batch) -> Tensor<1, Int> {
        batch.1.clone()
    }
}

/// Weights of a formula, statistics of a few batches of which the last still waits to be counted.
fn normed(phase: f32) -> Normed {
    let device = super::device();
    let model = Normed {
        hidden: LinearConfig::new(2, 8).init(&device),
        norm: BatchNormConfig::new(8).init(&device),
        head: LinearConfig::new(8, 4).init(&device),
    };
    let vector = ParamVector::of(&model);
    let values = vector.entries().iter().enumerate().map(|(i, entry)| {
        let value = |j: usize| {
            let sine = ((i * 31 + j) as f32 * 12.9898 + phase).sin();
            // The scale of batch norm is near 1.
            if entry.path.ends_with("gamma") {
                1.0 + 0.1 * sine
            } else {
                0.7 * sine
            }
        };
        (0..entry.len()).map(value).collect()
    });
    let vector = vector.from_host(values.collect()).unwrap();
    let model = vector.write_to(model).unwrap();
    for batch in &batches(&clouds(60, phase)).0 {
        let _ = model.logits(batch);
    }
    model
}

struct Cast(FloatDType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|old| {
            let tracked = old.is_require_grad();
            let new = Tensor::from_inner(old.inner().cast(self.0));
            if tracked { new.require_grad() } else { new }
        })
    }
}

fn cast(data: &Prepared<Batch>, dtype: FloatDType) -> Prepared<Batch> {
    let cast = |(x, y): &Batch| (x.clone().cast(dtype), y.clone());
    Prepared(data.0.iter().map(cast).collect())
}

fn state(model: &Normed) -> Vec<u32> {
    let values = ParamVector::state(model).to_host().unwrap().concat();
    values.into_iter().map(f32::to_bits).collect()
}

fn buffers(model: &Normed) -> Vec<Vec<f32>> {
    ParamVector::buffers(model).to_host().unwrap()
}

fn finite(model: &Normed) -> bool {
    let values = ParamVector::state(model).to_host().unwrap().concat();
    values.into_iter().all(f32::is_finite)
}

struct Data {
    forget: Prepared<Batch>,
    retain: Prepared<Batch>,
}

fn data() -> Data {
    let points = clouds(160, 0.0);
    Data {
        forget: batches(&of_class(&points, 3, true)),
        retain: batches(&of_class(&points, 3, false)),
    }
}

fn loss(model: &Normed, batch: Batch) -> Tensor<1> {
    cross_entropy(model.logits(&batch), batch.1.clone()).mean()
}

type Outcome = Result<Normed, UnlearningError>;

fn by(model: &Normed, data: &Data, mut method: impl Method<Normed>) -> Outcome {
    let (mut run, mut optim) = (UnlearnConfig::new(2).init()?, SgdConfig::new().init());
    run.run(
        model,
        &mut method,
        &mut optim,
        &mut 0.05,
        &data.forget,
        &data.retain,
    )
}

/// Every method that trains, by name.
fn training(model: &Normed, data: &Data) -> Vec<(&'static str, Outcome)> {
    let layer = |model: &Normed, batch: &Batch| model.features(batch.0.clone());
    let bad = independent(model);
    let salun = SalUnConfig::new(4).init(model, data.forget.0.clone());
    let salun = salun.and_then(|method| by(model, data, method));
    let noise = NoiseConfig::new()
        .with_steps(2)
        .learn(&data.forget.0[0].0.zeros_like(), 3, |x| {
            independent(model)
                .freeze()
                .logits(&(x, data.forget.0[0].1.clone()))
        });
    let unsir = noise.and_then(|noise| {
        let forget = Prepared(vec![(noise, data.forget.0[0].1.clone())]);
        let retain = Prepared(data.retain.0.clone());
        by(model, &Data { forget, retain }, Unsir)
    });
    let points: Vec<usize> = (0..20).collect();
    let matching = MatchingConfig::new()
        .with_epochs(2)
        .init(&points[..4], &points[4..]);
    let targets = model.valid().logits(&(
        data.retain.0[0].0.clone().inner(),
        data.retain.0[0].1.clone().inner(),
    ));
    let targets = if data.retain.0[0].0.is_autodiff() {
        Tensor::from_inner(targets)
    } else {
        targets
    };
    let rows = data.retain.0[0].0.clone();
    let matched =
        matching
            .unwrap()
            .forget(model, targets.zeros_like(), |model: &Normed, points| {
                model
                    .head
                    .forward(model.features(rows.clone().select(0, points)))
            });
    vec![
        ("fine-tuning", by(model, data, FineTune)),
        (
            "ascent",
            by(model, data, GradientAscentConfig::new(1.4).init().unwrap()),
        ),
        (
            "difference",
            by(model, data, GradientDifferenceConfig::new().init().unwrap()),
        ),
        (
            "divergence",
            by(
                model,
                data,
                GradientDifferenceConfig::new()
                    .init_with_original(model)
                    .unwrap(),
            ),
        ),
        (
            "NegGrad+",
            by(model, data, NegGradPlusConfig::new().init().unwrap()),
        ),
        (
            "NPO",
            by(model, data, NpoConfig::new().init(model).unwrap()),
        ),
        (
            "SimNPO",
            by(model, data, SimNpoConfig::new().init().unwrap()),
        ),
        (
            "RMU",
            by(
                model,
                data,
                RmuConfig::new().with_alpha(1.0).init(model, layer).unwrap(),
            ),
        ),
        (
            "SCRUB",
            by(model, data, ScrubConfig::new().init(model).unwrap()),
        ),
        ("bad teacher", by(model, data, BadTeacher::new(model, &bad))),
        (
            "amnesiac",
            by(model, data, AmnesiacConfig::new(4).init().unwrap()),
        ),
        ("SalUn", salun),
        ("UNSIR", unsir),
        ("matching", matched),
    ]
}

/// Every method that edits the weights, by name.
fn editing(model: &Normed, data: &Data) -> Vec<(&'static str, Outcome)> {
    let all = [data.retain.0.clone(), data.forget.0.clone()].concat();
    let ssd = SsdConfig::new().with_alpha(1.1).init().unwrap();
    let forward = |model: &Normed, batch: Batch| model.logits(&batch);
    let single = |(x, y): &Batch| (x.clone().narrow(0, 0, 1), y.clone().narrow(0, 0, 1));
    let singles: Vec<Batch> = data.retain.0.iter().map(single).collect();
    let fisher = FisherForgettingConfig::new()
        .with_head(Some("head".into()))
        .with_class(Some(3));
    vec![
        (
            "SSD",
            ssd.forget(model.clone(), all.clone(), data.forget.0.clone(), loss)
                .map(|d| d.model),
        ),
        (
            "LFSSD",
            (|| {
                let all = lfssd::importance(model, all.clone(), forward)?;
                let forget = lfssd::importance(model, data.forget.0.clone(), forward)?;
                Ok(ssd.dampen(model.clone(), &all, &forget)?.model)
            })(),
        ),
        (
            "Fisher",
            (|| {
                let importance = FisherForgetting::importance(model, singles, forward)?;
                Ok(fisher.init()?.forget(model.clone(), &importance, 1)?.model)
            })(),
        ),
        (
            "task vector",
            (|| {
                let tuned = by(model, data, FineTune)?;
                Ok(task_vector::negate(model, &tuned, 1.0)?.model)
            })(),
        ),
    ]
}

#[test]
fn no_method_moves_the_statistics_of_the_original() {
    let (model, data) = (normed(0.0), data());
    let before = state(&model);
    for (name, outcome) in training(&model, &data) {
        let result = outcome.unwrap();
        assert_eq!(state(&model), before, "{name}: the original moved");
        assert_ne!(
            buffers(&result),
            buffers(&model),
            "{name}: no statistics of its own"
        );
    }
    for (name, outcome) in editing(&model, &data) {
        let result = outcome.unwrap();
        assert_eq!(state(&model), before, "{name}: the original moved");
        assert_ne!(state(&result), before, "{name}: nothing was edited");
        assert_eq!(
            buffers(&result),
            buffers(&model),
            "{name}: statistics were edited"
        );
        // What is done with the result does not reach the original.
        by(&result, &data, FineTune).unwrap();
        let _ = result.logits(&data.retain.0[0]);
        assert_eq!(
            state(&model),
            before,
            "{name}: the result shares its statistics"
        );
    }
}

#[test]
fn teachers_keep_their_statistics_while_the_student_trains() {
    let (model, data) = (normed(0.0), data());
    let scrub = ScrubConfig::new().init(&model).unwrap();
    let before = state(scrub.teacher());
    assert_eq!(before, state(&model));
    // The student is the model itself: as in a loop that calls `epoch`.
    for batch in &data.retain.0 {
        let _ = model.logits(batch);
    }
    assert_ne!(state(&model), before);
    assert_eq!(state(scrub.teacher()), before);
}

#[test]
fn an_epoch_leaves_checkpoints_as_they_were() {
    let (model, data) = (normed(0.0), data());
    let (mut run, mut optim) = (
        UnlearnConfig::new(3).init().unwrap(),
        SgdConfig::new().init(),
    );
    let (mut student, mut checkpoints) = (model.clone(), vec![(state(&model), model.clone())]);
    while !run.finished() {
        let (forget, retain) = (&data.forget, &data.retain);
        student = run
            .epoch(
                student,
                &mut FineTune,
                &mut optim,
                &mut 0.05,
                forget,
                retain,
            )
            .unwrap();
        checkpoints.push((state(&student), student.clone()));
    }
    for (epoch, (before, checkpoint)) in checkpoints.iter().enumerate() {
        assert_eq!(&state(checkpoint), before, "checkpoint {epoch} moved");
    }
    assert_ne!(checkpoints[0].0, checkpoints[1].0);
}

#[test]
fn measuring_changes_no_model() {
    let (original, unlearned, data) = (normed(0.0), normed(0.4), data());
    let before = [state(&original), state(&unlearned)];
    let test = batches(&clouds(40, 0.5));
    let evidence = Evidence {
        retain: &data.retain,
        forget: &data.forget,
        test: &test,
    };
    let config = ReportConfig::new()
        .with_relearn_rate(0.1)
        .with_tolerance(0.0);
    let models = Models::new(&original, &unlearned).with_untrained(&unlearned);
    config
        .measure("class 3", "none", &models, &evidence)
        .unwrap();
    RelearnConfig::new()
        .run(&unlearned, &data.forget, 1.0)
        .unwrap();
    let single = |(x, y): &Batch| {
        (
            x.clone().narrow(0, 0, 1),
            y.clone().narrow(0, 0, 1).into_scalar::<i64>() as usize,
        )
    };
    let examples: Vec<(Tensor<2>, usize)> = data.retain.0.iter().map(single).collect();
    let mut trak = TrakConfig::new()
        .with_dimensions(3)
        .with_lambda(1e-3)
        .init()
        .unwrap();
    let forward = |model: &Normed, x: Tensor<2>| model.head.forward(model.features(x));
    trak.add(&original, examples.clone(), examples, forward)
        .unwrap();
    assert_eq!([state(&original), state(&unlearned)], before);
}

/// The statistics of the last batch still wait in the model: a prediction counts them.
#[test]
fn predictions_see_statistics_that_wait() {
    let (model, data) = (normed(0.0), data());
    let found = Predictions::of(&model, &data.retain).unwrap();
    let settled = independent(&model);
    assert_eq!(found, Predictions::of(&settled, &data.retain).unwrap());
    assert_eq!(buffers(&settled), buffers(&model));
}

#[test]
fn a_model_on_a_plain_device_is_a_typed_error() {
    let (model, data) = (normed(0.0).valid(), data());
    let plain = |data: &Prepared<Batch>| {
        Prepared(
            data.0
                .iter()
                .map(|(x, y)| (x.clone().inner(), y.clone().inner()))
                .collect(),
        )
    };
    let data = Data {
        forget: plain(&data.forget),
        retain: plain(&data.retain),
    };
    for (name, outcome) in training(&model, &data)
        .into_iter()
        .chain(editing(&model, &data))
    {
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, UnlearningError::NoGradient),
            "{name}: {error}"
        );
    }
    let importance = Ssd::importance(&model, data.forget.0.clone(), loss);
    assert!(matches!(importance, Err(UnlearningError::NoGradient)));
    let relearned = RelearnConfig::new().run(&model, &data.forget, 1.0);
    assert!(matches!(relearned, Err(UnlearningError::NoGradient)));
    let examples = vec![(data.forget.0[0].0.clone().narrow(0, 0, 1), 3)];
    let mut trak = TrakConfig::new().with_dimensions(1).init().unwrap();
    let forward = |model: &Normed, x: Tensor<2>| model.head.forward(model.features(x));
    let added = trak.add(&model, examples.clone(), examples, forward);
    assert!(matches!(added, Err(UnlearningError::NoGradient)));
}

fn poisoned(batch: &Batch) -> Batch {
    (batch.0.clone() * f32::NAN, batch.1.clone())
}

/// A batch that is not finite is as if it had not been there: weights, statistics, optimizer and rate.
#[test]
fn a_step_that_is_not_finite_is_left_out_and_counted() {
    let (model, data) = (normed(0.0), data());
    let run = |retain: Vec<Batch>| {
        let (mut run, mut optim) = (UnlearnConfig::new(2).init().unwrap(), super::momentum());
        let (forget, retain) = (&data.forget, &Prepared(retain));
        let found = run.run(&model, &mut FineTune, &mut optim, &mut 0.05, forget, retain);
        (state(&found.unwrap()), run)
    };
    let clean = data.retain.0.clone();
    let mut dirty = clean.clone();
    dirty.insert(2, poisoned(&clean[0]));
    let ((straight, _), (found, log)) = (run(clean), run(dirty));
    assert_eq!(found, straight);
    assert_eq!((log.skipped(), log.log()[0].skipped), (2, 1));
    assert!(
        log.log()
            .iter()
            .all(|epoch| epoch.retain.unwrap().is_finite())
    );
}

#[test]
fn what_is_not_finite_leaves_all_as_it_was() {
    let (model, mut data) = (normed(0.0), data());
    let before = state(&model);
    data.forget.0[0] = poisoned(&data.forget.0[0]);
    data.retain.0[0] = poisoned(&data.retain.0[0]);
    for (name, outcome) in training(&model, &data)
        .into_iter()
        .chain(editing(&model, &data))
    {
        match outcome {
            Ok(model) => assert!(finite(&model), "{name}: a model that is not finite"),
            Err(error) => {
                use UnlearningError::{Diverged, NotFinite, Tensor};
                assert!(
                    matches!(error, Diverged(_) | NotFinite(_) | Tensor(_)),
                    "{name}: {error}"
                );
            }
        }
        assert_eq!(state(&model), before, "{name}: the original moved");
    }
    let all = Prepared(vec![poisoned(&data.retain.0[1])]);
    let (mut run, mut optim) = (
        UnlearnConfig::new(2).init().unwrap(),
        SgdConfig::new().init(),
    );
    let error = run
        .run(&model, &mut FineTune, &mut optim, &mut 0.05, &all, &all)
        .unwrap_err();
    assert!(matches!(error, UnlearningError::Diverged(_)), "{error}");
    assert_eq!((run.log().len(), state(&model)), (0, before.clone()));
    // A rate so large that the weights overflow.
    let data = super::statistics::data();
    let error = run.run(
        &model,
        &mut FineTune,
        &mut optim,
        &mut 1e38,
        &data.forget,
        &data.retain,
    );
    assert!(matches!(error, Err(UnlearningError::Diverged(_))));
    assert_eq!((run.log().len(), state(&model)), (0, before));
}

/// Sums are taken in f32 at least; parameters keep their type.
#[test]
fn every_method_runs_in_every_float_type() {
    let (single, data) = (normed(0.0), data());
    let all = [
        (FloatDType::BF16, DType::BF16),
        (FloatDType::F16, DType::F16),
        (FloatDType::F64, DType::F64),
    ];
    for (dtype, expected) in all {
        let model = independent(&single).map(&mut Cast(dtype));
        let data = Data {
            forget: cast(&data.forget, dtype),
            retain: cast(&data.retain, dtype),
        };
        let before = state(&model);
        for (name, outcome) in training(&model, &data)
            .into_iter()
            .chain(editing(&model, &data))
        {
            // Adam's epsilon is 0 in f16: matching, which owns its optimizer, refuses.
            if let ("matching", DType::F16, Err(error)) = (name, expected, &outcome) {
                assert!(
                    matches!(error, UnlearningError::Diverged("matching")),
                    "{error}"
                );
                continue;
            }
            let result = outcome.unwrap_or_else(|error| panic!("{name}, {expected:?}: {error}"));
            let entries = ParamVector::state(&result);
            let same = entries
                .entries()
                .iter()
                .all(|entry| entry.values.dtype() == expected);
            assert!(same, "{name}, {expected:?}: another type");
            assert!(finite(&result), "{name}, {expected:?}: not finite");
            assert_ne!(
                state(&result),
                before,
                "{name}, {expected:?}: nothing happened"
            );
            assert_eq!(
                state(&model),
                before,
                "{name}, {expected:?}: the original moved"
            );
        }
        let found = Predictions::of(&model, &data.retain).unwrap();
        let exact = Predictions::of(&single, &super::statistics::data().retain).unwrap();
        let pairs = found.losses().into_iter().zip(exact.losses());
        assert!(
            pairs
                .into_iter()
                .all(|(a, b)| (a - b).abs() < 0.1 * (1.0 + b)),
            "{expected:?}"
        );
    }
}

#[test]
fn noise_of_fisher_forgetting_leaves_variances_positive() {
    let (model, data) = (normed(0.0), data());
    let fisher = ParamVector::of(&model).map(|_, values| values.zeros_like());
    let method = FisherForgettingConfig::new()
        .with_alpha(1e-2)
        .init()
        .unwrap();
    let noisy = method.forget(model.clone(), &fisher, 1).unwrap().model;
    assert_eq!(buffers(&noisy), buffers(&model));
    assert!(Predictions::of(&noisy, &data.retain).is_ok());
    // Statistics are no parameters.
    assert!(
        method
            .forget(model.clone(), &ParamVector::state(&model), 1)
            .is_err()
    );
}
