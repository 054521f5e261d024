//! Long work that is watched: what is reported, and what is left after a stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor};
use regimen_tensor::{ParamVector, Watch};
use regimen_unlearning::methods::edit::lfssd;
use regimen_unlearning::methods::train::finetune::FineTune;
use regimen_unlearning::methods::train::salun::SalUnConfig;
use regimen_unlearning::methods::train::scrub::rewind_watched;
use regimen_unlearning::methods::train::unsir::NoiseConfig;
use regimen_unlearning::metrics::RelearnConfig;
use regimen_unlearning::{
    Classifier, Evidence, FisherForgetting, MatchingConfig, Models, Prepared, ReportConfig,
    TrakConfig, Unlearn, UnlearnConfig,
};

use super::bad_input::{Batch, Model, batch};

fn data(batches: usize) -> Prepared<Batch> {
    Prepared(vec![batch(); batches])
}

fn host(model: &Model) -> Vec<f32> {
    ParamVector::of(model).to_host().unwrap().concat()
}

fn stopped() -> Watch {
    Watch::new().until(|| true)
}

/// Steps that were reported, each with the number of all.
type Steps = Arc<Mutex<Vec<(usize, usize)>>>;

/// Stops once `steps` steps were reported, and keeps what was.
fn after(steps: usize) -> (Watch, Steps) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (own, flag) = (seen.clone(), Arc::new(AtomicBool::new(false)));
    let asked = flag.clone();
    let watch = Watch::new().with_progress(move |at| {
        own.lock().unwrap().push((at.done, at.total));
        flag.store(at.done >= steps, Ordering::Relaxed);
    });
    (watch.until(move || asked.load(Ordering::Relaxed)), seen)
}

fn run(model: &Model, run: &mut Unlearn, watch: &Watch) -> Model {
    let (data, mut optim) = (data(3), SgdConfig::new().init());
    run.run_watched(
        model,
        &mut FineTune,
        &mut optim,
        &mut 0.1,
        &data,
        &data,
        watch,
    )
    .unwrap()
}

#[test]
fn a_run_that_is_stopped_after_an_epoch_goes_on_as_the_straight_one() {
    let start = Model::new();
    let config = UnlearnConfig::new(3);
    let straight = run(&start, &mut config.init().unwrap(), &Watch::default());
    let mut two = config.init().unwrap();
    let (watch, seen) = after(1);
    let half = run(&start, &mut two, &watch);
    assert_eq!(*seen.lock().unwrap(), [(1, 3)]);
    assert!(two.log().len() == 1 && !two.log()[0].stopped && !two.finished());
    let whole = run(&half, &mut two, &Watch::default());
    assert_eq!(host(&whole), host(&straight));
}

#[test]
fn a_run_that_is_stopped_within_an_epoch_keeps_the_steps_it_made() {
    let start = Model::new();
    let mut stopped_run = UnlearnConfig::new(3).init().unwrap();
    let half = run(&start, &mut stopped_run, &stopped());
    let log = stopped_run.log()[0];
    assert_eq!((log.steps, log.stopped), (1, true));
    assert_ne!(host(&half), host(&start));
    run(&half, &mut stopped_run, &Watch::default());
    assert_eq!(
        (stopped_run.log().len(), stopped_run.steps()),
        (3, 1 + 3 + 3)
    );
    // Of accumulated gradients what there is makes a step.
    let mut gathered = UnlearnConfig::new(3).with_accumulation(2).init().unwrap();
    run(&start, &mut gathered, &stopped());
    assert_eq!(gathered.steps(), 1);
}

#[test]
fn matching_that_is_stopped_gives_the_model_after_its_last_step() {
    let (model, inputs) = (Model::new(), batch().0);
    let targets = Tensor::ones([2, 2], &Device::flex().autodiff());
    let forget = |epochs: usize, watch: &Watch| {
        let config = MatchingConfig::new().with_epochs(epochs).with_batch_size(1);
        let matching = config.init(&[0], &[1]).unwrap();
        let logits = |model: &Model, points| model.head.forward(inputs.clone().select(0, points));
        matching
            .forget_watched(&model, targets.clone(), logits, watch)
            .unwrap()
    };
    let (watch, seen) = after(2);
    let found = forget(5, &watch);
    assert_eq!(*seen.lock().unwrap(), [(1, 10), (2, 10)]);
    assert_eq!(host(&found), host(&forget(1, &Watch::default())));
}

#[test]
fn attribution_and_reports_that_are_stopped_leave_nothing_half_done() {
    let model = Model::new();
    let examples = || (0..2).map(|i| (batch().0.narrow(0, i, 1), i));
    let mut trak = TrakConfig::new().with_dimensions(1).init().unwrap();
    let before = trak.clone();
    let logits = |model: &Model, x| model.head.forward(x);
    for steps in [1, 2] {
        let (watch, _) = after(steps);
        let added = trak.add_watched(&model, examples(), examples(), logits, &watch);
        assert!(!added.unwrap());
        assert_eq!(trak, before);
    }
    let added = trak.add_watched(&model, examples(), examples(), logits, &Watch::default());
    assert!(added.unwrap() && trak.checkpoints() == 1);

    let (data, other) = (data(1), Model::new());
    let evidence = Evidence {
        retain: &data,
        forget: &data,
        test: &data,
    };
    let models = Models::new(&model, &other)
        .with_retrained(&other)
        .with_untrained(&other);
    for steps in [1, 3, 4] {
        let (watch, seen) = after(steps);
        let report = ReportConfig::new().measure_watched("", "", &models, &evidence, &watch);
        assert_eq!(report.unwrap(), None);
        assert_eq!(seen.lock().unwrap()[0], (1, 4));
    }
    let whole = ReportConfig::new().measure_watched("", "", &models, &evidence, &Watch::new());
    assert!(whole.unwrap().is_some());
}

#[test]
fn measurements_that_are_stopped_say_what_they_have() {
    let (model, data) = (Model::new(), data(3));
    let config = RelearnConfig::new().with_rate(1e-9);
    let inverted = Prepared(
        data.0
            .iter()
            .map(|(inputs, labels)| (inputs.clone(), labels.clone() * -1 + 1))
            .collect(),
    );
    // One of the two labellings is not met.
    let lost = [&data, &inverted].into_iter().find(|data| {
        let found = config.run(&model, *data, 1.0).unwrap();
        found.epochs.is_none()
    });
    let found = config.run_watched(&model, lost.unwrap(), 1.0, &stopped());
    let found = found.unwrap();
    assert_eq!((found.epochs, found.steps), (None, 1));
    let checkpoints = [Model::new(), Model::new(), Model::new()];
    let (watch, _) = after(2);
    let found = rewind_watched(&checkpoints, &data, &data, &watch).unwrap();
    assert_eq!(found.forget_errors.len(), 2);
    assert!(found.checkpoint < 2);
    let none = rewind_watched(&Vec::<Model>::new(), &data, &data, &watch);
    assert!(none.is_err());
}

#[test]
fn importances_and_noise_that_are_stopped_are_of_what_was_seen() {
    let model = Model::new();
    let single = |i: usize| (batch().0.narrow(0, i, 1), batch().1.narrow(0, i, 1));
    let both = || (0..2).map(single);
    let logits = |model: &Model, batch: Batch| model.logits(&batch);
    let value = |vector: ParamVector| vector.to_host().unwrap();
    let some = lfssd::importance_watched(&model, both(), logits, &stopped()).unwrap();
    let one = lfssd::importance(&model, [single(0)], logits).unwrap();
    assert_eq!(value(some), value(one));
    let some = FisherForgetting::importance_watched(&model, both(), logits, &stopped());
    let one = FisherForgetting::importance(&model, [single(0)], logits);
    assert_eq!(value(some.unwrap()), value(one.unwrap()));
    let config = SalUnConfig::new(2).with_share(0.5);
    let some = config.init_watched(&model, both(), &stopped()).unwrap();
    let one = config.init(&model, [single(0)]).unwrap();
    assert_eq!(value(some.mask().clone()), value(one.mask().clone()));
    let like = Tensor::<2>::zeros([3, 2], &Device::flex().autodiff());
    let head = |x| model.head.forward(x);
    let config = NoiseConfig::new();
    let some = config.learn_watched(&like, 0, head, &stopped()).unwrap();
    let one = config.with_steps(1).learn(&like, 0, head).unwrap();
    let values = |noise: Tensor<2>| noise.try_into_vec_as::<f32>().unwrap();
    assert_eq!(values(some), values(one));
}
