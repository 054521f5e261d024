//! The methods with a memory: by hand, with batch norm, stopped and resumed.

use approx::assert_relative_eq;
use burn::module::Module;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{FloatDType, Tensor, TensorData};
use regimen_continual::memory::{Capacity, Groups, MemoryConfig, Policy};
use regimen_continual::penalties::{Objective, OutputDivergence, SPECIAL_CASES, Target};
use regimen_continual::{
    Classifier, ContinualError, DerConfig, DerPlusPlusConfig, Er, ErAceConfig, ErConfig, Examples,
    Fill, FloatRow, Strategy, Task, plain_loss,
};
use regimen_tensor::checkpoint::Part;
use regimen_tensor::{Prepared, independent};

use super::models::{Net, bit, bits, drawn};
use super::two::{Two, batch};

type Rows = <Net as Classifier>::Batch;

/// A method's loss.
type Loss = Box<dyn Fn(&Two, &Rows) -> Tensor<1>>;

fn scalar(value: Tensor<1>) -> f32 {
    value.into_scalar()
}

/// One step on a batch that its number decides.
pub(crate) fn step(strategy: &impl Strategy<Net>, model: Net, seed: u64) -> Net {
    let mut optim = SgdConfig::new().init();
    let data = drawn(seed, 6, &[0, 1, 2, 3]);
    let loss = strategy.loss(&model, &data).unwrap();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let model = strategy.update(model, &mut optim, 0.1.into(), grads.into());
    strategy.status().unwrap();
    model
}

/// A saved state with a text in place of another of the same length, at its first `times` places.
pub(crate) fn edited(bytes: &[u8], from: &str, to: &str, times: usize) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let (length, text) = bytes.split_at(8);
    let text = std::str::from_utf8(text).unwrap();
    assert!(text.matches(from).count() >= times, "{text}");
    let mut edited = length.to_vec();
    edited.extend(text.replacen(from, to, times).into_bytes());
    edited
}

/// A run that stops after two steps and goes on is the run itself, bit for bit; damaged states change nothing.
pub(crate) fn resumes<S: Strategy<Net> + Part + Clone>(make: impl Fn() -> S) {
    let strategy = make();
    let mut model = Net::new(1);
    for seed in 0..3 {
        model = step(&strategy, model, seed);
    }
    let data = Prepared(vec![drawn(9, 6, &[0, 1])]);
    model = strategy.after_task(model, &data).unwrap();
    for seed in 3..5 {
        model = step(&strategy, model, seed);
    }
    let (bytes, mut kept) = (Part::save(&strategy).unwrap(), independent(&model));
    let mut again = make();
    again.load(&bytes).unwrap();
    assert_eq!(again.kind(), strategy.kind());
    for seed in 5..9 {
        model = step(&strategy, model, seed);
        kept = step(&again, kept, seed);
        assert_eq!(bits(&model), bits(&kept));
    }
    let end = Part::save(&again).unwrap();
    assert_eq!(end, Part::save(&strategy).unwrap());
    for cut in [0, 9, bytes.len() / 2, bytes.len() - 1] {
        assert!(again.load(&bytes[..cut]).is_err());
    }
    assert_eq!(Part::save(&again).unwrap(), end);
}

fn few() -> MemoryConfig {
    MemoryConfig::reservoir(8).with_seed(3)
}

#[test]
fn a_run_that_stops_in_the_middle_goes_on_bit_for_bit() {
    let net = Net::new(1);
    resumes(|| ErConfig::new(few()).init(&net).unwrap());
    let aware = MemoryConfig::new(Policy::LossAware, Capacity::Total(8));
    resumes(|| ErConfig::new(aware).with_joined(true).init(&net).unwrap());
    resumes(|| ErAceConfig::new(few()).init(&net).unwrap());
    resumes(|| DerConfig::new(few()).init(&net).unwrap());
    resumes(|| DerPlusPlusConfig::new(few()).init(&net).unwrap());
}

/// The example at `number` of a memory of two, in a batch of one.
fn only(er: &Er<Rows>, number: usize) -> Rows {
    let kept: Vec<FloatRow> = er.kept().into_iter().map(|kept| kept.item).collect();
    Examples::of(&kept[number..=number], &batch(&[[0.0, 0.0]], &[0])).unwrap()
}

#[test]
fn replay_by_hand() {
    let model = Two::new([1.0, 0.5]);
    let (first, second) = (batch(&[[1.0, 2.0]], &[1]), batch(&[[0.5, -1.0]], &[0]));
    let ce = |batch: &Rows| scalar(plain_loss(&model, batch));
    let config = ErConfig::new(MemoryConfig::reservoir(2)).with_beta(0.5);
    let er = config.init(&model).unwrap();
    // The first batch has no memory, not even of itself.
    let loss = er.loss(&model, &first).unwrap();
    assert_eq!(bit(loss), bit(plain_loss(&model, &first)));
    assert_eq!(only(&er, 0).items().unwrap(), first.items().unwrap());
    let loss = scalar(er.loss(&model, &second).unwrap());
    assert_relative_eq!(loss, ce(&second) + 0.5 * ce(&first), max_relative = 1e-6);
    let joined = config.with_joined(true).init(&model).unwrap();
    joined.loss(&model, &first).unwrap();
    let loss = scalar(joined.loss(&model, &second).unwrap());
    assert_relative_eq!(loss, (ce(&second) + ce(&first)) / 2.0, max_relative = 1e-6);
    assert!(matches!(
        joined.penalty(&model, &second),
        Err(ContinualError::Unsupported { .. })
    ));
}

#[test]
fn the_penalty_and_the_loss_agree_without_batch_norm() {
    let model = Two::new([1.0, 0.5]);
    let later = model.clone().with([0.2, -0.4]);
    let batches = [
        batch(&[[1.0, 2.0]], &[1]),
        batch(&[[0.5, -1.0], [1.0, 1.0]], &[0, 1]),
    ];
    fn agree<S: Strategy<Two>>(make: impl Fn() -> S, models: [&Two; 2], batches: &[Rows; 2]) {
        let (one, other) = (make(), make());
        for (model, batch) in models.into_iter().zip(batches) {
            let loss = scalar(one.loss(model, batch).unwrap());
            let penalty = scalar(other.penalty(model, batch).unwrap());
            let sum = scalar(plain_loss(model, batch)) + penalty;
            assert_relative_eq!(loss, sum, max_relative = 1e-5);
        }
    }
    let models = [&model, &later];
    agree(
        || ErConfig::new(few()).init(&model).unwrap(),
        models,
        &batches,
    );
    agree(
        || ErAceConfig::new(few()).init(&model).unwrap(),
        models,
        &batches,
    );
    agree(
        || DerConfig::new(few()).init(&model).unwrap(),
        models,
        &batches,
    );
    agree(
        || DerPlusPlusConfig::new(few()).init(&model).unwrap(),
        models,
        &batches,
    );
}

/// Logits (1.5, 1) are kept; they are (1, 2) later: mean of squares .625.
#[test]
fn logits_are_those_of_the_time_of_adding() {
    let model = Two::new([1.5, 1.0]);
    let ones = batch(&[[1.0, 1.0]], &[0]);
    let der = DerConfig::new(MemoryConfig::reservoir(1))
        .init(&model)
        .unwrap();
    assert_eq!(scalar(der.penalty(&model, &ones).unwrap()), 0.0);
    let kept: Vec<_> = der
        .memory()
        .iter()
        .map(|kept| kept.logits.clone())
        .collect();
    assert_eq!(kept, [Some(vec![1.5, 1.0])]);
    let model = model.with([1.0, 2.0]);
    let value = scalar(der.penalty(&model, &ones).unwrap());
    assert_relative_eq!(value, 0.1 * 0.625, max_relative = 1e-6);
}

/// Each of the named methods on a memory of one example, which every draw returns.
#[test]
fn replay_methods_are_special_cases_of_the_objective() {
    let model = Two::new([1.5, 1.0]);
    let (first, second) = (batch(&[[1.0, 2.0]], &[1]), batch(&[[0.5, -1.0]], &[0]));
    let then = model.logits(&first).detach();
    let memory = MemoryConfig::reservoir(1);
    let fill = Fill::First(1);
    let er = ErConfig::new(memory).with_beta(0.3).with_fill(fill);
    let der = DerConfig::new(memory).with_alpha(0.3).with_fill(fill);
    let plus = DerPlusPlusConfig::new(memory)
        .with_alpha(0.3)
        .with_beta(0.6);
    let plus = plus.with_fill(fill);
    let methods: [(&str, Loss); 3] = [
        ("ER", {
            let er = er.init(&model).unwrap();
            Box::new(move |model, batch| er.loss(model, batch).unwrap())
        }),
        ("DER", {
            let der = der.init(&model).unwrap();
            Box::new(move |model, batch| der.loss(model, batch).unwrap())
        }),
        ("DER++", {
            let plus = plus.init(&model).unwrap();
            Box::new(move |model, batch| plus.loss(model, batch).unwrap())
        }),
    ];
    for (name, loss) in methods {
        loss(&model, &first);
        let later = model.clone().with([0.3, -0.7]);
        let own = scalar(loss(&later, &second));
        let case = SPECIAL_CASES
            .iter()
            .find(|case| case.method == name)
            .unwrap();
        let mut objective = Objective::new();
        let mut outputs = Vec::new();
        for (place, divergence) in case.outputs.iter().enumerate() {
            let alpha = 0.3 * (place + 1) as f64;
            objective = objective.with_outputs(alpha, *divergence).unwrap();
            let target = match divergence {
                OutputDivergence::CrossEntropyToLabel => Target::Labels(first.labels()),
                _ => Target::Logits(then.clone()),
            };
            outputs.push((later.logits(&first), target));
        }
        let value = objective.loss(plain_loss(&later, &second), outputs, &later);
        assert_relative_eq!(scalar(value.unwrap()), own, max_relative = 1e-6);
    }
}

#[test]
fn er_ace_masks_old_classes_that_the_batch_has_not() {
    let model = Net::new(1);
    let ace = ErAceConfig::new(few()).with_beta(0.0).init(&model).unwrap();
    let first = drawn(1, 4, &[0, 1]);
    // Nothing was seen before: nothing is masked.
    let plain = regimen_tensor::independent(&model);
    let loss = ace.loss(&independent(&model), &first).unwrap();
    assert_eq!(bit(loss), bit(plain_loss(&plain, &first)));
    let second = drawn(2, 4, &[2]);
    let device = second.0.device();
    let replayed = ErConfig::new(few()).with_beta(0.0).init(&model).unwrap();
    replayed.loss(&independent(&model), &first).unwrap();
    let own = scalar(ace.loss(&independent(&model), &second).unwrap());
    let kept: Vec<FloatRow> = replayed.kept().into_iter().map(|kept| kept.item).collect();
    let drawn = Examples::of(&kept, &second).unwrap();
    let logits = independent(&model)
        .logits(&second.clone().join(drawn))
        .narrow(0, 0, 4);
    let mask = Tensor::<2>::from_data([[-1e9, -1e9, 0.0, 0.0]], &device);
    let labels = second.labels();
    let expected = regimen_tensor::per_example::cross_entropy(logits + mask, labels).mean();
    assert_relative_eq!(own, scalar(expected), max_relative = 1e-5);
}

#[test]
fn running_statistics_move_once_a_step() {
    let model = Net::new(1);
    let der = DerConfig::new(few()).init(&model).unwrap();
    let (first, second) = (drawn(1, 6, &[0, 1]), drawn(2, 6, &[2, 3]));
    let plain = independent(&model);
    let _ = (
        der.loss(&model, &first).unwrap(),
        plain_loss(&plain, &first),
    );
    assert_eq!(bits(&model), bits(&plain));
    // With a memory, one pass over both.
    let memory: Vec<FloatRow> = der.memory().iter().map(|kept| kept.item.clone()).collect();
    let _ = der.loss(&model, &second).unwrap();
    let mean = |model: &Net| {
        let buffers = regimen_tensor::ParamVector::buffers(model);
        buffers.to_host().unwrap()
    };
    let joined = second.clone().join(Examples::of(&memory, &second).unwrap());
    let _ = plain.logits(&joined);
    for (one, other) in mean(&model).concat().iter().zip(mean(&plain).concat()) {
        assert_relative_eq!(*one, other, max_relative = 1e-4, epsilon = 1e-6);
    }
}

#[test]
fn the_memory_fills_in_the_first_epoch() {
    let model = Two::new([1.0, 0.5]);
    let memory = MemoryConfig::new(Policy::Ring(Groups::Tasks), Capacity::Total(100));
    let rows = batch(&[[1.0, 2.0], [2.0, 1.0], [0.0, 1.0]], &[1, 0, 1]);
    let seen = |fill| {
        let er = ErConfig::new(memory).with_fill(fill).init(&model).unwrap();
        let mut counts = Vec::new();
        for id in 0..2 {
            let task = Task {
                id,
                classes: vec![0, 1],
                examples: 4,
            };
            er.before_task(model.clone(), &task).unwrap();
            for _ in 0..3 {
                er.loss(&model, &rows).unwrap();
            }
            er.after_task(model.clone(), &Prepared(vec![rows.clone()]))
                .unwrap();
            counts.push(er.memory().seen());
        }
        let tasks: Vec<usize> = er.kept().iter().map(|kept| kept.task).collect();
        assert!(tasks.contains(&0) && tasks.contains(&1));
        counts
    };
    assert_eq!(seen(Fill::Always), [9, 18]);
    assert_eq!(seen(Fill::FirstEpoch), [4, 8]);
    assert_eq!(seen(Fill::First(2)), [2, 4]);
}

#[test]
fn what_does_not_train_or_is_not_finite_is_not_kept() {
    let model = Two::new([1.0, 0.5]);
    let er = ErConfig::new(few()).init(&model).unwrap();
    let good = batch(&[[1.0, 2.0]], &[1]);
    er.loss(&model.valid(), &good.inner()).unwrap();
    assert_eq!(er.memory().seen(), 0);
    let broken = batch(&[[1.0, 2.0], [f32::NAN, 2.0]], &[1, 0]);
    er.loss(&model, &broken).unwrap();
    assert_eq!((er.memory().len(), er.memory().seen()), (0, 0));
    assert_eq!(Strategy::<Two>::skipped(&er), 1);
    er.loss(&model, &good).unwrap();
    assert_eq!(er.memory().len(), 1);
}

#[test]
fn half_precision() {
    let two = Two::new([1.0, 0.5]);
    let half = Two {
        w: two.w.clone().map(|w| w.cast(FloatDType::BF16)),
    };
    let (inputs, labels) = batch(&[[1.0, 2.0], [0.5, -1.0]], &[1, 0]);
    let rows = (inputs.cast(FloatDType::BF16), labels);
    let der = DerPlusPlusConfig::new(few()).init(&half).unwrap();
    for _ in 0..3 {
        let loss = der.loss(&half, &rows).unwrap();
        assert_eq!(loss.dtype(), FloatDType::F32.into());
        assert!(scalar(loss).is_finite());
    }
}

#[test]
fn a_state_of_another_memory_or_without_logits_is_refused() {
    let model = Two::new([1.0, 0.5]);
    let er = ErConfig::new(few()).init(&model).unwrap();
    er.loss(&model, &batch(&[[1.0, 2.0]], &[1])).unwrap();
    let bytes = Part::save(&er).unwrap();
    let mut other = ErConfig::new(MemoryConfig::reservoir(9))
        .init(&model)
        .unwrap();
    assert!(other.load(&bytes).is_err());
    let mut der = DerConfig::new(few()).init(&model).unwrap();
    assert!(der.load(&bytes).is_err());
    assert!(der.memory().is_empty());
}

#[test]
fn a_state_whose_labels_are_no_classes_is_refused_before_it_is_used() {
    let model = Two::new([1.0, 0.5]);
    let (er, rows) = (
        ErConfig::new(few()).init(&model).unwrap(),
        batch(&[[1.0, 2.0]], &[1]),
    );
    er.loss(&model, &rows).unwrap();
    let bytes = Part::save(&er).unwrap();
    let (one, nine) = ("\\\"label\\\":1", "\\\"label\\\":9");
    // In the item, and in its entry too.
    for damaged in [edited(&bytes, one, nine, 1), edited(&bytes, one, nine, 2)] {
        assert_ne!(damaged, bytes);
        let mut again = ErConfig::new(few()).init(&model).unwrap();
        again.load(&damaged).unwrap();
        assert!(matches!(
            again.loss(&model, &rows),
            Err(ContinualError::OutOfRange { .. })
        ));
    }
    let mut again = ErConfig::new(few()).init(&model).unwrap();
    again.load(&bytes).unwrap();
    assert!(again.loss(&model, &rows).is_ok());
}

#[test]
fn an_example_of_another_shape_is_an_error() {
    let model = Two::new([1.0, 0.5]);
    let er = ErConfig::new(few()).init(&model).unwrap();
    er.loss(&model, &batch(&[[1.0, 2.0]], &[1])).unwrap();
    let device = burn::tensor::Device::flex().autodiff();
    let wide = Tensor::<2>::from_data(TensorData::new(vec![0.0_f32; 3], [1, 3]), &device);
    let odd = (wide, batch(&[[0.0, 0.0]], &[0]).1);
    assert!(er.loss(&model, &odd).is_err());
}

#[test]
fn bad_settings() {
    let model = Two::new([1.0, 0.5]);
    let herded = MemoryConfig::new(Policy::Herded, Capacity::Total(8));
    assert!(ErConfig::new(herded).init(&model).is_err());
    assert!(
        ErConfig::new(MemoryConfig::reservoir(0))
            .init(&model)
            .is_err()
    );
    assert!(
        ErConfig::new(few())
            .with_replay(Some(0))
            .init(&model)
            .is_err()
    );
    assert!(ErConfig::new(few()).with_beta(-1.0).init(&model).is_err());
    assert!(
        ErConfig::new(few())
            .with_fill(Fill::First(0))
            .init(&model)
            .is_err()
    );
    assert!(
        ErAceConfig::new(few())
            .with_beta(f64::NAN)
            .init(&model)
            .is_err()
    );
    assert!(DerConfig::new(few()).with_alpha(-0.1).init(&model).is_err());
    assert!(
        DerPlusPlusConfig::new(few())
            .with_beta(-0.1)
            .init(&model)
            .is_err()
    );
}
