//! Methods by optimisation, requests in sequence, the report.

mod effects;
mod sequence;
mod statistics;
mod tokens;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use regimen_tensor::ParamVector;
use regimen_tensor::per_example::cross_entropy;
use regimen_unlearning::Predictions;
use regimen_unlearning::methods::train::amnesiac::AmnesiacConfig;
use regimen_unlearning::methods::train::bad_teacher::BadTeacher;
use regimen_unlearning::methods::train::finetune::FineTune;
use regimen_unlearning::methods::train::gradient_ascent::GradientAscentConfig;
use regimen_unlearning::methods::train::gradient_difference::GradientDifferenceConfig;
use regimen_unlearning::methods::train::neg_grad::NegGradPlusConfig;
use regimen_unlearning::methods::train::npo::{NpoConfig, SimNpoConfig};
use regimen_unlearning::methods::train::rmu::RmuConfig;
use regimen_unlearning::methods::train::salun::{SalUnConfig, saliency};
use regimen_unlearning::methods::train::scrub::ScrubConfig;
use regimen_unlearning::methods::train::unsir::{NoiseConfig, Unsir};
use regimen_unlearning::report::ModelMetrics;
use regimen_unlearning::{
    Classifier, Evidence, ForgettingReport, KlomMeans, Method, Models, Prepared, ReportConfig,
    Unlearn, UnlearnConfig,
};

type Point<const N: usize = 2> = ([f32; N], usize);
type Batch = (Tensor<2>, Tensor<1, Int>);

#[derive(Module, Debug)]
struct Model {
    hidden: Linear,
    head: Linear,
}

impl Model {
    fn features(&self, points: Tensor<2>) -> Tensor<2> {
        relu(self.hidden.forward(points))
    }
}

impl Classifier for Model {
    type Batch = Batch;

    fn logits(&self, batch: &Batch) -> Tensor<2> {
        self.head.forward(self.features(batch.0.clone()))
    }

    fn targets(batch: &Batch) -> Tensor<1, Int> {
        batch.1.clone()
    }
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// Weights from a fixed formula: tests run in threads that share the device's generator.
fn untrained(phase: f32) -> Model {
    network([2, 32, 4], phase)
}

fn network([inputs, hidden, classes]: [usize; 3], phase: f32) -> Model {
    let device = device();
    let model = Model {
        hidden: LinearConfig::new(inputs, hidden).init(&device),
        head: LinearConfig::new(hidden, classes).init(&device),
    };
    let vector = ParamVector::of(&model);
    let mut place = phase;
    let mut next = || {
        place += 1.0;
        0.7 * (place * 12.9898).sin()
    };
    let sizes = vector.entries().iter().map(|entry| entry.len());
    let values = sizes.map(|size| (0..size).map(|_| next()).collect());
    vector
        .from_host(values.collect())
        .unwrap()
        .write_to(model)
        .unwrap()
}

/// Four clouds, one a class.
fn clouds(count: usize, phase: f32) -> Vec<Point> {
    let cloud = |i: usize| {
        let (class, angle) = (i % 4, i as f32 + phase);
        let center = [[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]][class];
        let x = center[0] + 0.4 * angle.sin();
        let y = center[1] + 0.4 * (1.3 * angle).cos();
        ([x, y], class)
    };
    (0..count).map(cloud).collect()
}

fn batches<const N: usize>(points: &[Point<N>]) -> Prepared<Batch> {
    let batch = |points: &[Point<N>]| {
        let x: Vec<f32> = points.iter().flat_map(|(point, _)| *point).collect();
        let y: Vec<i64> = points.iter().map(|(_, class)| *class as i64).collect();
        let x = Tensor::from_data(TensorData::new(x, [points.len(), N]), &device());
        let y = Tensor::from_data(TensorData::new(y, [points.len()]), &device());
        (x, y)
    };
    Prepared(points.chunks(20).map(batch).collect())
}

fn of_class<const N: usize>(points: &[Point<N>], class: usize, same: bool) -> Vec<Point<N>> {
    let points = points.iter().filter(|point| (point.1 == class) == same);
    points.copied().collect()
}

fn momentum() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_dampening(0.0);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

fn trained(points: &[Point]) -> Model {
    trained_from(&untrained(0.0), points)
}

fn trained_from<const N: usize>(start: &Model, points: &[Point<N>]) -> Model {
    let data = batches(points);
    let mut run = UnlearnConfig::new(20).init().unwrap();
    let optim = &mut momentum();
    run.run(start, &mut FineTune, optim, &mut 0.05, &data, &data)
        .unwrap()
}

fn accuracy<const N: usize>(model: &Model, points: &[Point<N>]) -> f64 {
    Predictions::of(model, &batches(points)).unwrap().accuracy()
}

fn bits(model: &Model) -> Vec<u32> {
    let values = ParamVector::of(model).to_host().unwrap().concat();
    values.into_iter().map(f32::to_bits).collect()
}

/// Runs a method that is to forget class 3; asserts that the original is what it was and the result another.
fn forget(
    original: &Model,
    points: &[Point],
    method: &mut impl Method<Model>,
    (mut optim, mut rate): (ModuleOptimizer, f64),
    epochs: usize,
) -> (Model, Unlearn) {
    let before = bits(original);
    let (forget, retain) = (of_class(points, 3, true), of_class(points, 3, false));
    let (forget, retain) = (batches(&forget), batches(&retain));
    let mut run = UnlearnConfig::new(epochs).init().unwrap();
    let model = run
        .run(original, method, &mut optim, &mut rate, &forget, &retain)
        .unwrap();
    assert_eq!(bits(original), before, "the original moved");
    assert_ne!(bits(&model), before, "nothing was learned");
    (model, run)
}

fn adam() -> (ModuleOptimizer, f64) {
    (AdamConfig::new().init(), 5e-3)
}

#[test]
fn every_method_forgets_a_class_and_leaves_the_original_alone() {
    let points = clouds(240, 0.0);
    let original = trained(&points);
    assert!(accuracy(&original, &points) > 0.97);
    let (gone, kept) = (of_class(&points, 3, true), of_class(&points, 3, false));
    let check = |name: &str, model: &Model, most: f64, least: f64| {
        let (gone, kept) = (accuracy(model, &gone), accuracy(model, &kept));
        assert!(
            gone <= most && kept >= least,
            "{name}: {gone} forgotten, {kept} kept"
        );
    };
    let mut amnesiac = AmnesiacConfig::new(4).init().unwrap();
    let (model, _) = forget(&original, &points, &mut amnesiac, adam(), 10);
    check("amnesiac", &model, 0.1, 0.9);
    let mut bad = BadTeacher::new(&original, &untrained(50.0));
    let (model, _) = forget(&original, &points, &mut bad, adam(), 20);
    check("bad teacher", &model, 0.5, 0.9);
    let mut difference = GradientDifferenceConfig::new()
        .with_bound(3.0)
        .init()
        .unwrap();
    let (model, _) = forget(&original, &points, &mut difference, adam(), 20);
    check("gradient difference", &model, 0.1, 0.9);
    let mut plus = NegGradPlusConfig::new().with_a(0.8).init().unwrap();
    let (model, _) = forget(&original, &points, &mut plus, adam(), 10);
    check("NegGrad+", &model, 0.1, 0.9);
    let mut npo = NpoConfig::new().init(&original).unwrap();
    let (model, _) = forget(&original, &points, &mut npo, adam(), 30);
    check("NPO", &model, 0.1, 0.9);
    let mut simple = SimNpoConfig::new().with_weight(1.0).init().unwrap();
    let (model, _) = forget(&original, &points, &mut simple, adam(), 30);
    check("SimNPO", &model, 0.1, 0.9);
    let target = |model: &Model, batch: &Batch| model.features(batch.0.clone());
    let mut rmu = RmuConfig::new()
        .with_alpha(10.0)
        .init(&original, target)
        .unwrap();
    let (model, _) = forget(&original, &points, &mut rmu, adam(), 40);
    assert!(accuracy(&model, &kept) > 0.9);
    let noise = NoiseConfig::new().learn(&Tensor::zeros([20, 2], &device()), 3, |x| {
        original.head.forward(original.features(x))
    });
    let labels = Tensor::<1, Int>::full([20], 3, &device());
    let noise = Prepared(vec![(noise.unwrap(), labels); 8]);
    let (mut run, mut optim) = (UnlearnConfig::new(2).init().unwrap(), adam().0);
    let kept_data = batches(&kept);
    let model = run
        .run(
            &original, &mut Unsir, &mut optim, &mut 5e-3, &noise, &kept_data,
        )
        .unwrap();
    assert_eq!(run.log()[1].forget, None);
    assert!(accuracy(&model, &kept) > 0.9);
}

#[test]
fn ascent_stops_at_its_bound() {
    let points = clouds(240, 0.0);
    let original = trained(&points);
    let mut ascent = GradientAscentConfig::new(4.0_f64.ln()).init().unwrap();
    let (_, run) = forget(
        &original,
        &points,
        &mut ascent,
        (SgdConfig::new().init(), 0.5),
        200,
    );
    assert!(
        run.finished() && run.log().len() < 200,
        "{}",
        run.log().len()
    );
    assert!(run.log().iter().all(|epoch| epoch.retain.is_none()));
}

#[test]
fn the_student_of_scrub_moves_and_its_teacher_does_not() {
    let points = clouds(240, 0.0);
    let original = trained(&points);
    let mut scrub = ScrubConfig::new().init(&original).unwrap();
    let (student, run) = forget(&original, &points, &mut scrub, adam(), 4);
    assert_eq!(bits(scrub.teacher()), bits(&original));
    assert_ne!(bits(&student), bits(&original));
    // Max steps in the first two epochs only, and they do leave the teacher.
    let max: Vec<bool> = run
        .log()
        .iter()
        .map(|epoch| epoch.forget.is_some())
        .collect();
    assert_eq!(max, [true, true, false, false]);
    let divergence = |epoch: usize| -run.log()[epoch].forget.unwrap();
    assert!(divergence(1) > divergence(0));
}

#[test]
fn salun_sums_before_it_takes_magnitudes_and_moves_the_mask_only() {
    let points = clouds(240, 0.0);
    let original = trained(&points);
    let forget_data = batches(&of_class(&points, 3, true));
    let found = saliency(&original, forget_data.0.clone())
        .unwrap()
        .to_host()
        .unwrap()
        .concat();
    let mut sum = vec![0.0_f32; found.len()];
    let mut magnitudes = sum.clone();
    for batch in &forget_data.0 {
        let loss = cross_entropy(original.logits(batch), batch.1.clone()).mean();
        let grads = GradientsParams::from_grads(loss.backward(), &original);
        let values = ParamVector::gradients(&original, &grads)
            .to_host()
            .unwrap()
            .concat();
        for (i, g) in values.into_iter().enumerate() {
            sum[i] += g;
            magnitudes[i] += g.abs();
        }
    }
    let close = |a: &[f32]| {
        a.iter()
            .zip(&found)
            .all(|(a, b)| (a.abs() - b).abs() < 1e-6)
    };
    assert!(close(&sum) && !close(&magnitudes));

    let mut salun = SalUnConfig::new(4).init(&original, forget_data.0).unwrap();
    let mask = salun.mask().to_host().unwrap().concat();
    let share = mask.iter().sum::<f32>() / mask.len() as f32;
    assert!((share - 0.5).abs() < 0.01);
    let (model, _) = forget(&original, &points, &mut salun, adam(), 5);
    let moved = bits(&original).into_iter().zip(bits(&model)).zip(&mask);
    assert!(
        moved
            .into_iter()
            .all(|((a, b), mask)| *mask == 1.0 || a == b)
    );
}

#[test]
fn a_run_that_is_saved_goes_on_to_the_same_weights() {
    let points = clouds(240, 0.0);
    let original = trained(&points);
    let (gone, kept) = (of_class(&points, 3, true), of_class(&points, 3, false));
    let (gone, kept) = (batches(&gone), batches(&kept));
    let mut method = BadTeacher::new(&original, &untrained(50.0));
    let mut run = UnlearnConfig::new(4).init().unwrap();
    let straight = run
        .run(
            &original,
            &mut method,
            &mut momentum(),
            &mut 0.01,
            &gone,
            &kept,
        )
        .unwrap();

    let (mut run, mut optim) = (UnlearnConfig::new(4).init().unwrap(), momentum());
    let mut model = original.clone();
    for _ in 0..2 {
        model = run
            .epoch(model, &mut method, &mut optim, &mut 0.01, &gone, &kept)
            .unwrap();
    }
    let saved = serde_json::to_string(&run).unwrap();
    let record = optim.to_record();
    let mut run: Unlearn = serde_json::from_str(&saved).unwrap();
    let mut optim = momentum().load_record(record);
    let resumed = run
        .run(&model, &mut method, &mut optim, &mut 0.01, &gone, &kept)
        .unwrap();
    assert_eq!(bits(&resumed), bits(&straight));
    assert_eq!(run.log().len(), 4);
}

#[test]
fn a_report_is_measured_filed_and_read_back() {
    let points = clouds(240, 0.0);
    let (gone, kept) = (of_class(&points, 3, true), of_class(&points, 3, false));
    let (original, retrained) = (trained(&points), trained(&kept));
    let mut method = AmnesiacConfig::new(4).init().unwrap();
    let (unlearned, _) = forget(&original, &points, &mut method, adam(), 10);
    let (retain, forget, test) = (batches(&kept), batches(&gone), batches(&clouds(80, 0.5)));
    let data = Evidence {
        retain: &retain,
        forget: &forget,
        test: &test,
    };
    let shadows: Vec<Model> = [10.0, 20.0, 30.0]
        .map(|phase| trained_from(&untrained(phase), &kept))
        .into();
    let ignorant = untrained(40.0);
    let models = Models::new(&original, &unlearned)
        .with_retrained(&retrained)
        .with_shadows(&shadows)
        .with_untrained(&ignorant);
    let measure =
        |models: &Models<Model>| ReportConfig::new().measure("class 3", "amnesiac", models, &data);
    let report = measure(&models).unwrap();
    assert!(measure(&models.with_shadows(&shadows[..1])).is_err());
    let bare = measure(&Models::new(&original, &unlearned)).unwrap();
    assert_eq!((bare.retrained, bare.original.zrf), (None, None));
    assert_eq!(bare.original.membership.likelihood_ratio, None);
    assert!(!bare.to_string().contains("ZRF"));
    let ratio = |metrics: &ModelMetrics| metrics.membership.likelihood_ratio.unwrap();
    assert!(ratio(&report.original) > 0.7, "{}", ratio(&report.original));
    assert!(ratio(&report.unlearned) < ratio(&report.original));
    assert!(report.unlearned.zrf > report.original.zrf);
    let means = |forget| KlomMeans {
        retain: 0.9,
        forget,
        test: 1.0,
    };
    let report = report.with_klom(means(1.5), means(0.8));
    assert!(report.original.forget_accuracy > 0.9 && report.unlearned.forget_accuracy < 0.1);
    assert_eq!(report.original.relearn.epochs, Some(0));
    assert_ne!(report.unlearned.relearn.epochs, Some(0));
    let (far, near) = (report.to_original, report.to_retrained.unwrap());
    assert!(far.forget.kl > near.forget.kl);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    report.save(&path).unwrap();
    let filed = ForgettingReport::load(&path).unwrap();
    assert_eq!(filed.to_string(), report.to_string());
    assert_eq!(
        (filed.original.relearn, filed.examples),
        (report.original.relearn, [180, 60, 80])
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(ForgettingReport::load(folder.path().join("none.json")).is_err());
    let text = report.to_string();
    for part in [
        "re-trained: floor: retained 0.90, forgotten 0.80, unseen 1.00",
        "likelihood ratio",
        "ZRF",
        "Request: class 3",
        "180 retained, 60 forgotten, 80 unseen",
        "retrained",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
