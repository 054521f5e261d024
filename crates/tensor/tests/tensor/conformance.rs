//! The suite finds what it looks for, and every operation of this crate serves every model.

use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::DType;
use regimen_tensor::logs::{GradientNorms, Norm, ScalarLog};
use regimen_tensor::testing::{
    Answer, Case, Condition, Method, Perceptron, Reference, Residual, Suite, cast, check_support,
};
use regimen_tensor::{
    ParamVector, Projection, TensorError, directional, fisher, independent, per_example, threshold,
};

/// Descent by what a closure makes of each gradient.
struct Descent<F>(&'static str, F);

impl<F: Fn(ParamVector) -> Result<ParamVector, TensorError>> Method for Descent<F> {
    fn name(&self) -> String {
        self.0.into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let mut optim = SgdConfig::new().init();
        let mut model = case.model();
        for window in case.windows() {
            let grads = case.gradients(&model, window)?;
            let moved = (self.1)(ParamVector::gradients(&model, &grads))?;
            // What is frozen has no gradient.
            let frozen = |path: &str| case.condition() == Condition::Frozen && path == M::frozen();
            let moved = moved.filter(|entry| !frozen(&entry.path));
            model = optim.step(0.01, model, moved.into_gradients());
        }
        Ok(model)
    }
}

/// What measures a model and leaves it as it is.
struct Measure<F>(&'static str, F);

trait Measures {
    fn of<M: Reference>(&self, case: &Case<M>) -> Answer<()>;
}

impl<F: Measures> Method for Measure<F> {
    fn name(&self) -> String {
        self.0.into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        self.1.of(case)?;
        Ok(independent(case.original()))
    }

    fn trains(&self) -> bool {
        false
    }
}

fn loss<M: Reference>(model: &M, batch: regimen_tensor::testing::Batch) -> burn::Tensor<1> {
    per_example::cross_entropy(model.logits(batch.inputs), batch.targets).mean()
}

fn finite(vector: &ParamVector) {
    let values = vector.to_host().unwrap().concat();
    assert!(values.iter().all(|value| value.is_finite()));
    assert!(values.iter().any(|value| *value != 0.0));
}

struct Fisher;

impl Measures for Fisher {
    fn of<M: Reference>(&self, case: &Case<M>) -> Answer<()> {
        let batches = || case.batches().iter().cloned();
        let diagonal = fisher::batch_diagonal(case.original(), batches(), loss)?;
        finite(&diagonal);
        assert!(
            diagonal
                .entries()
                .iter()
                .all(|entry| entry.values.dtype() == DType::F32)
        );
        finite(&fisher::batch_absolute(case.original(), batches(), loss)?);
        let logits = |model: &M, batch: regimen_tensor::testing::Batch| {
            model.logits(batch.inputs).narrow(0, 0, 1)
        };
        finite(&fisher::true_diagonal(
            case.original(),
            batches().take(2),
            logits,
        )?);
        Ok(())
    }
}

struct Projected;

impl Measures for Projected {
    fn of<M: Reference>(&self, case: &Case<M>) -> Answer<()> {
        let projection = Projection::new(16, 3)?;
        let mut rows = 0;
        let examples = case.batches().iter().cloned();
        per_example::for_each_gradient(case.original(), examples, loss, |_, gradient| {
            let values = projection.apply(&gradient)?.try_into_vec_as::<f32>();
            let values = values.map_err(|error| TensorError::Read {
                what: "projection".into(),
                reason: error.to_string(),
            })?;
            assert!(values.len() == 16 && values.iter().all(|value| value.is_finite()));
            rows += 1;
            Ok(())
        })?;
        assert_eq!(rows, case.batches().len());
        Ok(())
    }
}

struct SecondDerivative;

impl Measures for SecondDerivative {
    fn of<M: Reference>(&self, case: &Case<M>) -> Answer<()> {
        let batch = &case.batches()[0];
        let gradient = |model: &M| {
            let grads = GradientsParams::from_grads(loss(model, batch.clone()).backward(), model);
            Ok(ParamVector::gradients(model, &grads))
        };
        let direction = gradient(&case.model())?;
        finite(&directional::hessian_vector(
            case.original(),
            &direction,
            gradient,
        )?);
        Ok(())
    }
}

struct Threshold;

impl Measures for Threshold {
    fn of<M: Reference>(&self, case: &Case<M>) -> Answer<()> {
        let magnitudes = ParamVector::of(case.original()).map(|_, values| values.abs());
        for scope in [threshold::Scope::Global, threshold::Scope::PerTensor] {
            let mask = threshold::keep_largest(&magnitudes, 0.5, &scope)?;
            let kept = mask.l1().into_scalar::<f32>();
            let half = magnitudes.len() as f32 / 2.0;
            assert!((kept - half).abs() <= magnitudes.entries().len() as f32);
        }
        Ok(())
    }
}

struct File;

impl Measures for File {
    fn of<M: Reference>(&self, case: &Case<M>) -> Answer<()> {
        let folder = tempfile::tempdir()?;
        let state = ParamVector::state(case.original());
        state.save(folder.path().join("state.safetensors"))?;
        let read = ParamVector::load(folder.path().join("state.safetensors"), &state)?;
        assert_eq!(read.to_host()?, state.to_host()?);
        Ok(())
    }
}

/// Descent whose losses and gradient norms are logged.
struct Logged;

impl Logged {
    /// Trains on some windows, poisoned at one of them; the logs have an entry for each.
    fn train<M: Reference>(
        case: &Case<M>,
        mut model: M,
        windows: &[&[regimen_tensor::testing::Batch]],
        logs: &(GradientNorms, ScalarLog),
        poisoned: Option<usize>,
    ) -> Answer<M> {
        let mut optim = SgdConfig::new().init();
        for (update, window) in windows.iter().enumerate() {
            let observed = |model: &M, batch| {
                let loss = loss(model, batch);
                logs.1.observe(loss.clone());
                loss
            };
            let bad = poisoned == Some(update);
            let grads = match bad {
                true => case.poisoned(&model, window)?,
                false => case.gradients_of(&model, window, observed)?,
            };
            logs.0.observe(&model, &grads);
            logs.1.end_update(&model);
            if !bad {
                model = optim.step(0.01, model, grads);
            }
        }
        Ok(model)
    }

    fn empty() -> (GradientNorms, ScalarLog) {
        (GradientNorms::new(Norm::L2), ScalarLog::new())
    }
}

impl Method for Logged {
    fn name(&self) -> String {
        "GradientNorms".into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let windows: Vec<_> = case.windows().collect();
        let logs = Self::empty();
        let model = Self::train(case, case.model(), &windows, &logs, None)?;
        let (norms, losses) = (logs.0.norms()?, logs.1.values()?);
        assert_eq!((norms.len(), losses.len()), (windows.len(), windows.len()));
        let good = |values: &[f64]| values.iter().all(|value| value.is_finite() && *value > 0.0);
        assert!(good(&norms) && good(&losses), "{norms:?} {losses:?}");
        Ok(model)
    }

    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        let windows: Vec<_> = case.windows().collect();
        let run = |stop: bool| -> Answer<(M, Vec<f64>, Vec<f64>)> {
            let (before, after) = windows.split_at(3);
            let mut logs = Self::empty();
            let model = Self::train(case, case.model(), before, &logs, None)?;
            if stop {
                let norms = GradientNorms::resume(Norm::L2, logs.0.norms()?);
                logs = (norms, ScalarLog::resume(logs.1.values()?));
            }
            let model = Self::train(case, model, after, &logs, None)?;
            Ok((model, logs.0.norms()?, logs.1.values()?))
        };
        let runs = || {
            let (straight, restored) = (run(false)?, run(true)?);
            assert_eq!((straight.1, straight.2), (restored.1, restored.2));
            Ok((straight.0, restored.0))
        };
        Some(runs())
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let run = || {
            let (windows, logs): (Vec<_>, _) = (case.windows().collect(), Self::empty());
            let model = Self::train(case, case.model(), &windows, &logs, Some(2))?;
            let norms = logs.0.norms()?;
            assert!((0..windows.len()).all(|update| norms[update].is_nan() == (update == 2)));
            Ok(model)
        };
        Some(run())
    }
}

#[test]
fn every_operation_serves_every_model() {
    let mut suite = Suite::new();
    suite.add(&Descent("ParamVector", |gradient: ParamVector| {
        let norm = f64::from(gradient.l2().into_scalar::<f32>());
        Ok(gradient.scale(1.0 / (1.0 + norm)))
    }));
    suite.add(&Measure("fisher", Fisher));
    suite.add(&Measure("Projection", Projected));
    suite.add(&Measure("directional", SecondDerivative));
    suite.add(&Measure("threshold", Threshold));
    suite.add(&Measure("ParamVector files", File));
    suite.add(&Logged);
    check_support(
        suite,
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support.csv"),
    )
    .unwrap();
}

/// The operations that a first run on a new device must pass.
#[test]
fn smoke() {
    let mut suite = Suite::smoke();
    suite.add(&Descent("ParamVector", |gradient: ParamVector| {
        let norm = f64::from(gradient.l2().into_scalar::<f32>());
        Ok(gradient.scale(1.0 / (1.0 + norm)))
    }));
    suite.add(&Measure("fisher", Fisher));
    suite.add(&Measure("Projection", Projected));
    suite.add(&Measure("threshold", Threshold));
    suite.add(&Logged);
    let table = suite.finish().unwrap();
    let answers = table.lines().skip(1);
    assert!(
        answers.clone().count() == 10 && answers.clone().all(|line| !line.contains("refused")),
        "{table}"
    );
    assert!(table.contains("GradientNorms,perceptron,resumed,yes"));
}

/// A method that does one thing wrong.
enum Wrong {
    Panics,
    Casts,
    Nan,
    MovesStatistics,
    MovesFrozen,
    ForgetsState,
    Refuses,
    RefusesToResume,
}

impl Method for Wrong {
    fn name(&self) -> String {
        "wrong".into()
    }

    fn trains(&self) -> bool {
        false
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let model = case.model();
        Ok(match self {
            Self::Panics => panic!("on purpose"),
            Self::Casts => cast(model, DType::F16),
            Self::Nan => ParamVector::of(&model)
                .map(|_, v| v * f64::NAN)
                .write_to(model)?,
            Self::MovesStatistics => {
                let shared = case.original().clone();
                for _ in 0..2 {
                    let _ = shared.logits(case.batches()[0].inputs.clone());
                }
                model
            }
            Self::MovesFrozen => ParamVector::of(&model).scale(2.0).write_to(model)?,
            Self::Refuses => return Err("no such model".into()),
            Self::ForgetsState | Self::RefusesToResume => model,
        })
    }

    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        let moved = ParamVector::of(case.original()).scale(2.0);
        match self {
            Self::ForgetsState => Some(
                moved
                    .write_to(case.model())
                    .map(|moved| (case.model(), moved))
                    .map_err(Into::into),
            ),
            Self::RefusesToResume => {
                Some(Err("a restored run differs from what is allowed".into()))
            }
            _ => None,
        }
    }
}

#[test]
fn the_suite_finds_each_fault() {
    let failures = |wrong: Wrong| {
        let mut suite = Suite::new();
        suite.model::<Perceptron>(&wrong).model::<Residual>(&wrong);
        suite.finish().map_err(|failures| failures.0.join("\n"))
    };
    assert!(
        failures(Wrong::Panics)
            .unwrap_err()
            .contains("perceptron, f32: panic: on purpose")
    );
    assert!(
        failures(Wrong::Casts)
            .unwrap_err()
            .contains("is of F16 where BF16 was")
    );
    assert!(
        failures(Wrong::Nan)
            .unwrap_err()
            .contains("`first.weight` is not finite")
    );
    let moved = failures(Wrong::MovesStatistics).unwrap_err();
    assert!(
        moved.contains("residual, f32: the original is changed") && !moved.contains("perceptron")
    );
    assert!(
        failures(Wrong::MovesFrozen)
            .unwrap_err()
            .contains("frozen `first.weight` is changed")
    );
    assert!(
        failures(Wrong::ForgetsState)
            .unwrap_err()
            .contains("differs from a straight one")
    );
    let table = failures(Wrong::Refuses).unwrap();
    assert!(table.contains("wrong,residual,bf16,refused: no such model"));
    assert!(table.contains("wrong,residual,resumed,-"));
    let table = failures(Wrong::RefusesToResume).unwrap();
    assert!(table.contains("resumed,refused: a restored run differs from what is allowed"));
}
