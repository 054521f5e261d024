//! What each method does besides forgetting: its own effect, and that it can be stopped and go on.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor, TensorData};
use regimen_tensor::ParamVector;
use regimen_unlearning::Predictions;
use regimen_unlearning::methods::edit::task_vector::negate;
use regimen_unlearning::methods::train::amnesiac::{Amnesiac, AmnesiacConfig};
use regimen_unlearning::methods::train::bad_teacher::BadTeacher;
use regimen_unlearning::methods::train::finetune::FineTune;
use regimen_unlearning::methods::train::gradient_difference::GradientDifferenceConfig;
use regimen_unlearning::methods::train::npo::NpoConfig;
use regimen_unlearning::methods::train::rmu::{RmuConfig, target};
use regimen_unlearning::methods::train::salun::{SalUn, SalUnConfig};
use regimen_unlearning::methods::train::scrub::{ScrubConfig, rewind};
use regimen_unlearning::methods::train::unsir::{NoiseConfig, Unsir};
use regimen_unlearning::{Classifier, Method, Prepared, Unlearn, UnlearnConfig};

use super::sequence::simplex;
use super::{
    Batch, Model, Point, accuracy, adam, batches, bits, clouds, device, forget, network, of_class,
    trained, trained_from,
};

/// A trained model, all points, those of class 3 and the others.
fn setting() -> (Model, Vec<Point>, Vec<Point>, Vec<Point>) {
    let points = clouds(240, 0.0);
    let (gone, kept) = (of_class(&points, 3, true), of_class(&points, 3, false));
    (trained(&points), points, gone, kept)
}

#[test]
fn scrub_forgets_by_its_max_steps_and_keeps_by_its_min_steps() {
    let (original, points, gone, kept) = setting();
    let after = |config: ScrubConfig| {
        let mut scrub = config.init(&original).unwrap();
        let (student, _) = forget(&original, &points, &mut scrub, (adam().0, 1e-2), 12);
        [accuracy(&student, &gone), accuracy(&student, &kept)]
    };
    let config = || ScrubConfig::new().with_max_epochs(4).with_temperature(1.0);
    let [forgotten, retained] = after(config());
    assert!(forgotten < 0.1 && retained > 0.95, "{forgotten} {retained}");
    let [forgotten, _] = after(config().with_max_epochs(0));
    assert!(forgotten > 0.95, "without max steps: {forgotten}");
    let [_, retained] = after(config().with_gamma(0.0).with_alpha(0.0));
    assert!(retained < 0.9, "without min steps: {retained}");
}

#[test]
fn scrub_rewinds_to_the_error_of_unseen_examples() {
    let (original, _, gone, kept) = setting();
    // Half of the class is to go; max steps without an end drive its error to 1.
    let (gone, stays) = gone.split_at(30);
    let kept = batches(&[&kept, stays].concat());
    // The last student is wrong on one half of these and right on the other.
    let unseen = clouds(240, 0.37);
    let unseen = [of_class(&unseen, 3, true), of_class(&unseen, 0, true)];
    let (gone, validation) = (batches(gone), batches(&unseen.concat()));
    let mut scrub = ScrubConfig::new()
        .with_max_epochs(8)
        .init(&original)
        .unwrap();
    let (mut run, (mut optim, mut rate)) =
        (UnlearnConfig::new(8).init().unwrap(), (adam().0, 1e-2));
    let (mut student, mut checkpoints) = (original.clone(), Vec::new());
    while !run.finished() {
        student = run
            .epoch(student, &mut scrub, &mut optim, &mut rate, &gone, &kept)
            .unwrap();
        checkpoints.push(student.clone());
    }
    let rewound = rewind(&checkpoints, &gone, &validation).unwrap();
    let distance = |error: &f64| (error - rewound.reference).abs();
    let chosen = distance(&rewound.forget_errors[rewound.checkpoint]);
    assert_eq!(rewound.forget_errors.len(), 8);
    assert!(
        rewound
            .forget_errors
            .iter()
            .all(|error| chosen <= distance(error))
    );
    let last = rewound.forget_errors.last().unwrap();
    assert!(
        chosen < distance(last),
        "no checkpoint but the last: {rewound:?}"
    );
    let none: [Model; 0] = [];
    let error = rewind(&none, &gone, &validation).unwrap_err();
    assert_eq!(error.to_string(), "the checkpoint set is empty");
}

#[test]
fn rmu_steers_forgotten_activations_to_its_direction_and_holds_the_others() {
    let (original, points, gone, kept) = setting();
    let config = RmuConfig::new().with_c(12.0).with_alpha(6.0).with_seed(5);
    let layer = |model: &Model, batch: &Batch| model.features(batch.0.clone());
    let mut rmu = config.init(&original, layer).unwrap();
    let (model, _) = forget(&original, &points, &mut rmu, (adam().0, 1e-2), 100);

    let activations = |model: &Model, points: &[Point]| -> Tensor<2> {
        let rows = batches(points)
            .0
            .iter()
            .map(|batch| layer(model, batch))
            .collect();
        Tensor::cat(rows, 0)
    };
    let direction = |seed: u64| {
        let target = TensorData::new(target(32, 12.0, seed), [1, 32]);
        Tensor::<2>::from_data(target, &device())
    };
    let gap =
        |h: Tensor<2>, to: Tensor<2>| f64::from((h - to).square().mean().into_scalar::<f32>());
    let (own, other) = (direction(5), direction(6));
    let before = gap(activations(&original, &gone), own.clone());
    let after = gap(activations(&model, &gone), own);
    assert!(after < 0.5 * before, "{before} {after}");
    let elsewhere = gap(activations(&model, &gone), other);
    assert!(
        after < elsewhere,
        "as near to another direction: {elsewhere}"
    );
    let (h, reference) = (activations(&model, &kept), activations(&original, &kept));
    let size = gap(reference.clone(), reference.zeros_like());
    let moved = gap(h, reference);
    assert!(moved < 0.05 * size, "{moved} of {size}");
    assert!(accuracy(&model, &kept) > 0.95);
}

#[test]
fn salun_forgets_with_half_of_the_weights_and_those_move() {
    let (original, points, gone, kept) = setting();
    let config = SalUnConfig::new(4);
    let mut salun = config.init(&original, batches(&gone).0).unwrap();
    let (model, _) = forget(&original, &points, &mut salun, adam(), 20);
    let (forgotten, retained) = (accuracy(&model, &gone), accuracy(&model, &kept));
    assert!(forgotten < 0.1 && retained > 0.95, "{forgotten} {retained}");
    let mask = salun.mask().to_host().unwrap().concat();
    let (mut moved, mut free) = (0, 0);
    for ((before, after), mask) in bits(&original).into_iter().zip(bits(&model)).zip(mask) {
        assert!(
            mask == 1.0 || before == after,
            "a weight outside the mask moved"
        );
        free += usize::from(mask == 1.0);
        moved += usize::from(before != after);
    }
    assert!(moved > free * 9 / 10, "{moved} of {free}");
}

/// UNSIR with noise of so many steps on eight clouds: the mean probability of class 3 for the noise, then accuracies on
/// class 3 and on the others after it.
fn unsir(steps: usize) -> [f64; 3] {
    let points = simplex(320);
    let original = trained_from(&network([8, 64, 8], 0.0), &points);
    let (gone, kept) = (of_class(&points, 3, true), of_class(&points, 3, false));
    let logits = |x| original.head.forward(original.features(x));
    let noise = NoiseConfig::new()
        .with_steps(steps)
        .learn(&Tensor::zeros([20, 8], &device()), 3, logits)
        .unwrap();
    let p = softmax(logits(noise.clone()), 1).narrow(1, 3, 1).mean();
    let labels = Tensor::<1, Int>::full([20], 3, &device());
    let noise = Prepared(vec![(noise, labels); 80]);
    let kept_batches = batches(&kept);
    let (mut run, mut model) = (UnlearnConfig::new(2).init().unwrap(), original.clone());
    while !run.finished() {
        // A fresh optimizer for each phase.
        model = run
            .epoch(
                model,
                &mut Unsir,
                &mut adam().0,
                &mut 2e-2,
                &noise,
                &kept_batches,
            )
            .unwrap();
    }
    assert_eq!((run.log()[0].steps, run.log()[1].forget), (80, None));
    [
        f64::from(p.into_scalar::<f32>()),
        accuracy(&model, &gone),
        accuracy(&model, &kept),
    ]
}

#[test]
fn unsirs_noise_is_what_impairs() {
    let (learned, random) = (unsir(25), unsir(1));
    assert!(
        learned[0] < 1e-6 && random[0] > 1e-2,
        "{learned:?} {random:?}"
    );
    assert!(learned[1] < 0.6 && learned[2] > 0.95, "{learned:?}");
    assert!(random[1] > 0.9, "{random:?}");
}

/// Runs four epochs at once, and two and two with `saved` in between; the weights must be the same.
fn assert_resumes<M: Method<Model>>(method: impl Fn(&Model) -> M, saved: impl Fn(M, &Model) -> M) {
    let (original, _, gone, kept) = setting();
    let (gone, kept) = (batches(&gone), batches(&kept));
    let run = |epochs: usize, stop: bool| {
        let mut run = UnlearnConfig::new(epochs).init().unwrap();
        let (mut optim, mut rate) = adam();
        let (mut model, mut method) = (original.clone(), method(&original));
        for epoch in 0..epochs {
            if stop && epoch == 2 {
                let text = serde_json::to_string(&run).unwrap();
                run = serde_json::from_str::<Unlearn>(&text).unwrap();
                optim = adam().0.load_record(optim.to_record());
                method = saved(method, &original);
            }
            model = run
                .epoch(model, &mut method, &mut optim, &mut rate, &gone, &kept)
                .unwrap();
        }
        bits(&model)
    };
    assert_eq!(run(4, false), run(4, true));
    assert_ne!(run(2, false), run(4, false));
}

fn filed(labels: &Amnesiac) -> Amnesiac {
    serde_json::from_str(&serde_json::to_string(labels).unwrap()).unwrap()
}

#[test]
fn amnesiac_goes_on_with_the_labels_it_would_have_drawn() {
    let method = |_: &Model| AmnesiacConfig::new(4).with_seed(2).init().unwrap();
    assert_resumes(method, |method, _| filed(&method));
}

#[test]
fn salun_goes_on_with_its_mask_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.safetensors");
    let gone = of_class(&clouds(240, 0.0), 3, true);
    let method = |original: &Model| {
        let config = SalUnConfig::new(4).with_seed(2);
        config.init(original, batches(&gone).0).unwrap()
    };
    assert_resumes(method, |salun, original| {
        salun.mask().save(&path).unwrap();
        let mask = ParamVector::load(&path, &ParamVector::of(original)).unwrap();
        SalUn::from_parts(filed(salun.labels()), mask, original).unwrap()
    });
    let (one, other) = (super::untrained(0.0), super::untrained(1.0));
    let salun = method(&one);
    assert!(SalUn::from_parts(filed(salun.labels()), salun.mask().clone(), &other).is_err());
}

/// Methods that hold nothing but a reference begin again from the original.
#[test]
fn methods_with_a_reference_go_on_from_the_original() {
    let scrub = |original: &Model| ScrubConfig::new().init(original).unwrap();
    assert_resumes(scrub, |_, original| scrub(original));
    let npo = |original: &Model| NpoConfig::new().init(original).unwrap();
    assert_resumes(npo, |_, original| npo(original));
    let layer = |model: &Model, batch: &Batch| model.features(batch.0.clone());
    let rmu = |original: &Model| {
        let config = RmuConfig::new().with_alpha(10.0).with_seed(3);
        config.init(original, layer).unwrap()
    };
    assert_resumes(rmu, |_, original| rmu(original));
    let difference = |original: &Model| {
        let config = GradientDifferenceConfig::new().with_bound(3.0);
        config.init_with_original(original).unwrap()
    };
    assert_resumes(difference, |_, original| difference(original));
}

#[test]
fn a_negated_task_vector_forgets_what_the_task_taught() {
    let points = clouds(240, 0.0);
    let (gone, kept) = (of_class(&points, 3, true), of_class(&points, 3, false));
    // Short training leaves something to learn.
    let start = trained_from(&super::untrained(0.0), &points[..60]);
    let tuned = trained_from(&start, &gone);
    let negated = negate(&start, &tuned, 2.0).unwrap().model;
    let loss = |model: &Model, points: &[Point]| {
        let losses = Predictions::of(model, &batches(points)).unwrap().losses();
        losses.iter().sum::<f64>() / losses.len() as f64
    };
    assert!(loss(&tuned, &gone) < loss(&start, &gone));
    assert!(loss(&negated, &gone) > 5.0 * loss(&start, &gone));
    assert!(accuracy(&negated, &kept) > 0.9);
}

/// A step of mixed batches has the gradient of one batch that holds both.
#[test]
fn a_mixed_step_is_a_step_of_one_batch() {
    let (original, _, gone, kept) = setting();
    let (gone, kept) = (&gone[..4], &kept[..16]);
    let apart = (batches(gone), batches(kept));
    let together = batches(&[gone, kept].concat());
    let step = |method: &mut dyn FnMut(&mut Unlearn, &mut ModuleOptimizer) -> Model| {
        let mut run = UnlearnConfig::new(1).init().unwrap();
        let model = method(&mut run, &mut super::momentum());
        assert_eq!(run.steps(), 1);
        ParamVector::of(&model).to_host().unwrap().concat()
    };
    let mixed = step(&mut |run, optim| {
        run.run(&original, &mut Unsir, optim, &mut 0.1, &apart.0, &apart.1)
            .unwrap()
    });
    let whole = step(&mut |run, optim| {
        run.run(
            &original,
            &mut FineTune,
            optim,
            &mut 0.1,
            &together,
            &together,
        )
        .unwrap()
    });
    let before = ParamVector::of(&original).to_host().unwrap().concat();
    assert_ne!(whole, before);
    assert!(mixed.iter().zip(whole).all(|(a, b)| (a - b).abs() < 1e-6));
}

/// Two half batches accumulated are one whole batch, and what is left at the end is a step of its own.
#[test]
fn accumulated_batches_are_one_step_of_their_mean() {
    let (original, _, _, kept) = setting();
    let halves = Prepared(
        kept[..50]
            .chunks(10)
            .flat_map(|points| batches(points).0)
            .collect(),
    );
    let wholes = batches(&kept[..50]);
    let run = |data: &Prepared<Batch>, accumulation: usize| {
        let config = UnlearnConfig::new(1).with_accumulation(accumulation);
        let (mut run, mut optim) = (config.init().unwrap(), super::momentum());
        let model = run.run(&original, &mut FineTune, &mut optim, &mut 0.1, data, data);
        (
            ParamVector::of(&model.unwrap()).to_host().unwrap().concat(),
            run.steps(),
        )
    };
    // Batches of 20, 20 and 10 points, and five of 10.
    let (whole, steps) = run(&wholes, 1);
    let (accumulated, found) = run(&halves, 2);
    assert_eq!((steps, found), (3, 3));
    assert!(
        whole
            .iter()
            .zip(accumulated)
            .all(|(a, b)| (a - b).abs() < 1e-5)
    );
    assert_eq!(run(&halves, 1).1, 5);
    assert!(UnlearnConfig::new(1).with_accumulation(0).init().is_err());
}

/// A network with dropout.
#[derive(Module, Debug)]
struct Leaky {
    head: Linear,
    dropout: Dropout,
}

impl Classifier for Leaky {
    type Batch = Batch;

    fn logits(&self, batch: &Batch) -> Tensor<2> {
        self.head.forward(self.dropout.forward(batch.0.clone()))
    }

    fn targets(batch: &Batch) -> Tensor<1, Int> {
        batch.1.clone()
    }
}

fn leaky() -> Leaky {
    Leaky {
        head: LinearConfig::new(2, 4).init(&device()),
        dropout: DropoutConfig::new(0.5).init(),
    }
}

#[test]
fn references_and_predictions_are_as_in_inference() {
    let points = clouds(40, 0.0);
    let data = batches(&points);
    let logits = |model: &Leaky| -> Vec<f32> {
        let rows = model.logits(&data.0[0]).try_into_vec_as();
        rows.unwrap()
    };
    let model = leaky();
    assert_ne!(logits(&model), logits(&model), "dropout is off in training");
    let scrub = ScrubConfig::new().init(&model).unwrap();
    assert_eq!(logits(scrub.teacher()), logits(scrub.teacher()));
    assert_ne!(
        logits(&model),
        logits(&model),
        "the student lost its dropout"
    );
    let of = |model: &Leaky| Predictions::of(model, &data).unwrap();
    assert_eq!(of(&model), of(&model));
}

/// Burn draws a parameter at its first use, and copies share it until then.
#[test]
fn a_model_that_was_never_used_can_still_be_trained_after_it_became_a_teacher() {
    let points = clouds(40, 0.0);
    let data = batches(&points);
    let model = leaky();
    let mut method = BadTeacher::new(&model, &model);
    let (mut run, (mut optim, mut rate)) = (UnlearnConfig::new(2).init().unwrap(), adam());
    let trained = run.run(&model, &mut method, &mut optim, &mut rate, &data, &data);
    let moved = ParamVector::of(&trained.unwrap()).sub(&ParamVector::of(&model));
    assert!(moved.unwrap().l2().into_scalar::<f32>() > 0.0);
}

/// The run begins from the weights that the original draws.
#[test]
fn a_model_that_was_never_used_keeps_the_weights_it_draws() {
    let data = batches(&clouds(40, 0.0));
    let model = leaky();
    let (mut run, mut optim) = (UnlearnConfig::new(1).init().unwrap(), adam().0);
    let still = run.run(&model, &mut FineTune, &mut optim, &mut 1e-30, &data, &data);
    let moved = ParamVector::of(&still.unwrap()).sub(&ParamVector::of(&model));
    assert_eq!(moved.unwrap().l2().into_scalar::<f32>(), 0.0);
}

#[test]
fn a_model_without_gradients_is_an_error() {
    let points = clouds(40, 0.0);
    let data = batches(&points);
    let frozen = leaky().no_grad();
    let (mut run, (mut optim, mut rate)) = (UnlearnConfig::new(2).init().unwrap(), adam());
    let error = run.run(&frozen, &mut FineTune, &mut optim, &mut rate, &data, &data);
    let text = error.unwrap_err().to_string();
    assert!(text.starts_with("the loss carries no gradient"), "{text}");
    assert!(SalUnConfig::new(4).init(&frozen, data.0).is_err());
    let plain = Tensor::zeros([20, 2], &device().inner());
    assert!(
        NoiseConfig::new()
            .learn(&plain, 3, |x| x
                .matmul(Tensor::ones([2, 4], &device().inner())))
            .is_err()
    );
}
