//! Schedules and rates that follow a metric, in the training of every reference model.

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::Tensor;
use regimen_schedules::{
    AdaGradNorm, Importance, Linear, LrFeedback, LrSchedule, Norm, ReduceOnPlateauConfig,
};
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::testing::{Answer, Batch, Case, Method, Reference, Suite, check_support};
use regimen_tensor::{GradientNorms, ParamVector};

/// Descent at a scheduler's rates: how to make one, and what it sees of each update's gradient.
struct Descent<S> {
    name: &'static str,
    new: fn() -> S,
    observe: fn(&S, f64),
}

impl<S: LrScheduler> Descent<S> {
    /// Trains on some windows, one step of the scheduler each.
    fn train<M: Reference>(
        &self,
        case: &Case<M>,
        mut model: M,
        optim: &mut ModuleOptimizer,
        scheduler: &mut S,
        windows: &[&[Batch]],
    ) -> Answer<M> {
        let log = GradientNorms::new(Norm::L2);
        for window in windows {
            let grads = case.gradients(&model, window)?;
            let rate = scheduler.step();
            assert!(rate.is_finite() && rate >= 0.0);
            log.observe(&model, &grads);
            let norms = log.norms()?;
            (self.observe)(scheduler, norms[norms.len() - 1]);
            model = optim.step(rate, model, grads);
        }
        assert_eq!(log.len(), windows.len());
        Ok(model)
    }
}

impl<S: LrScheduler> Method for Descent<S> {
    fn name(&self) -> String {
        self.name.into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let windows: Vec<&[Batch]> = case.windows().collect();
        let (mut optim, mut scheduler) = (SgdConfig::new().init(), (self.new)());
        self.train(case, case.model(), &mut optim, &mut scheduler, &windows)
    }

    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        let windows: Vec<&[Batch]> = case.windows().collect();
        let run = |stop: bool| -> Answer<M> {
            let (mut optim, mut scheduler) = (SgdConfig::new().init(), (self.new)());
            let (before, after) = windows.split_at(3);
            let model = self.train(case, case.model(), &mut optim, &mut scheduler, before)?;
            if stop {
                let record = scheduler.to_record().into_bytes().unwrap();
                scheduler = (self.new)();
                scheduler.load_record(LrSchedulerRecord::from_bytes(record).unwrap());
            }
            self.train(case, model, &mut optim, &mut scheduler, after)
        };
        let runs = || Ok((run(false)?, run(true)?));
        Some(runs())
    }

    /// The log shows it, and the rate stays one: a loop that looks leaves the update out.
    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let run = || {
            let (mut model, mut scheduler) = (case.model(), (self.new)());
            let mut optim = SgdConfig::new().init();
            let log = GradientNorms::new(Norm::L1);
            for (update, window) in case.windows().enumerate() {
                let grads = match update {
                    2 => case.poisoned(&model, window)?,
                    _ => case.gradients(&model, window)?,
                };
                let rate = scheduler.step();
                assert!(rate.is_finite(), "{rate}");
                log.observe(&model, &grads);
                let norm = log.norms()?[update];
                assert_eq!(norm.is_nan(), update == 2);
                (self.observe)(&scheduler, norm);
                if norm.is_finite() {
                    model = optim.step(rate, model, grads);
                }
            }
            Ok(model)
        };
        Some(run())
    }
}

/// Two losses of one model under a weight that slides.
struct Slide;

impl Method for Slide {
    fn name(&self) -> String {
        "Importance".into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let importance = Importance::linear(7)?;
        let mut optim = SgdConfig::new().init();
        let mut model = case.model();
        for (step, window) in case.windows().enumerate() {
            let grads = case.gradients_of(&model, window, |model, batch| {
                let logits = model.logits(batch.inputs);
                let second: Tensor<1> = logits.clone().square().mean();
                let first = cross_entropy(logits, batch.targets).mean();
                importance.combine(step, first, second).unwrap()
            })?;
            model = optim.step(0.01, model, grads);
        }
        let moved = ParamVector::of(&model).sub(&ParamVector::of(case.original()))?;
        assert!(moved.l1().into_scalar::<f32>() > 0.0);
        Ok(model)
    }
}

fn plateau() -> LrFeedback<regimen_schedules::ReduceOnPlateau> {
    let config = ReduceOnPlateauConfig::torch()
        .with_patience(0)
        .with_factor(0.5);
    LrFeedback::new(config.init(0.01).unwrap())
}

#[test]
fn every_method_serves_every_model() {
    let mut suite = Suite::new();
    suite.add(&Descent {
        name: "LrSchedule",
        new: || LrSchedule::new(Linear::new(0.02, 7).unwrap()),
        observe: |_, _| (),
    });
    suite.add(&Descent {
        name: "ReduceOnPlateau",
        new: plateau,
        observe: |rate, norm| {
            rate.observe(norm);
        },
    });
    suite.add(&Descent {
        name: "AdaGradNorm",
        new: || LrFeedback::new(AdaGradNorm::new(0.05).unwrap()),
        observe: |rate, norm| {
            assert!(rate.observe(norm) > 0.0);
        },
    });
    suite.add(&Slide);
    check_support(
        suite,
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support.csv"),
    )
    .unwrap();
}

/// What touches tensors, small, on whatever device `BURN_DEVICE` names.
#[test]
fn smoke() {
    let mut suite = Suite::smoke();
    suite.add(&Descent {
        name: "LrSchedule",
        new: || LrSchedule::new(Linear::new(0.02, 7).unwrap()),
        observe: |_, _| (),
    });
    suite.add(&Descent {
        name: "ReduceOnPlateau",
        new: plateau,
        observe: |rate, norm| {
            rate.observe(norm);
        },
    });
    suite.add(&Slide);
    let table = suite.finish().unwrap();
    assert!(!table.contains("refused"), "{table}");
}
