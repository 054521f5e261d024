//! The quadratic program of GEM, and gradients under it.

use approx::assert_relative_eq;
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use proptest::prelude::*;
use regimen_continual::projections::{against, quadratic_program};
use regimen_continual::{AGemConfig, Classifier, ContinualError, GemConfig};
use regimen_continual::{Strategy, Task, plain_loss};
use regimen_tensor::linalg::{DMatrix, DVector};
use regimen_tensor::{Gradients, ParamVector, Part, Prepared};

use super::net::{Batch, Net, examples, step};

fn solved(rows: &[&[f64]], g: &[f64], margin: f64, ridge: f64) -> (DVector<f64>, DVector<f64>) {
    let memory = DMatrix::from_fn(rows.len(), g.len(), |row, column| rows[row][column]);
    let g = DVector::from_row_slice(g);
    let v = quadratic_program(
        &(&memory * memory.transpose()),
        &(&memory * &g),
        margin,
        ridge,
    )
    .unwrap();
    let projected = memory.transpose() * &v + g;
    (v, projected)
}

#[test]
fn two_memory_gradients_with_and_without_a_margin() {
    let rows: [&[f64]; 2] = [&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0]];
    let (v, g) = solved(&rows, &[-1.0, 2.0, 1.0], 0.0, 1e-3);
    assert_relative_eq!(v, DVector::from_vec(vec![0.999_001, 0.0]), epsilon = 1e-6);
    assert_relative_eq!(
        g,
        DVector::from_vec(vec![-0.000_999, 2.0, 1.0]),
        epsilon = 1e-6
    );
    let (v, g) = solved(&rows, &[-1.0, 2.0, 1.0], 0.5, 1e-3);
    assert_relative_eq!(v, DVector::from_vec(vec![0.999_001, 0.5]), epsilon = 1e-6);
    assert_relative_eq!(
        g,
        DVector::from_vec(vec![-0.000_999, 2.5, 1.0]),
        epsilon = 1e-6
    );
}

#[test]
fn opposite_gradients_leave_what_the_ridge_leaves() {
    for ridge in [1e-1, 1e-3, 1e-9, 0.0] {
        let (_, g) = solved(&[&[-1.0, 0.0]], &[1.0, 0.0], 0.0, ridge);
        let left = ridge / (1.0 + ridge);
        assert_relative_eq!(g, DVector::from_vec(vec![left, 0.0]), epsilon = 1e-12);
    }
}

#[test]
fn memory_gradients_that_depend_on_each_other_have_a_solution() {
    let rows: [&[f64]; 3] = [&[1.0, 0.0], &[2.0, 0.0], &[1.0, 0.0]];
    for ridge in [0.0, 1e-3] {
        for scale in [1e-8, 1.0, 1e10] {
            let (v, g) = solved(&rows, &[-scale, scale], 0.0, ridge);
            assert!(v.iter().all(|v| v.is_finite() && *v >= 0.0), "{v}");
            assert!(g[0] >= -scale * (1e-3 + 1e-9) && g[1] == scale, "{g}");
        }
    }
    let huge = DMatrix::from_element(3, 3, 1e300);
    let v = quadratic_program(&huge, &DVector::repeat(3, -1e300), 0.0, 1e-3).unwrap();
    assert!(v.iter().all(|v| v.is_finite() && *v >= 0.0), "{v}");
}

#[test]
fn what_is_no_program_is_refused() {
    let gram = DMatrix::identity(2, 2);
    let two = DVector::repeat(2, 1.0);
    assert!(quadratic_program(&gram, &DVector::repeat(3, 1.0), 0.0, 1e-3).is_err());
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(quadratic_program(&gram, &two, bad, 1e-3).is_err());
        assert!(quadratic_program(&gram, &two, 0.0, bad).is_err());
    }
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let products = DVector::from_vec(vec![1.0, bad]);
        let error = quadratic_program(&gram, &products, 0.0, 1e-3).unwrap_err();
        assert!(matches!(error, ContinualError::NotFinite(_)), "{error}");
    }
    let none = quadratic_program(&DMatrix::zeros(0, 0), &DVector::zeros(0), 0.5, 1e-3).unwrap();
    assert_eq!(none.len(), 0);
}

proptest! {
    /// v >= margin, slope >= 0, and slope 0 where v is above the margin.
    #[test]
    fn the_solution_satisfies_the_conditions_of_karush_kuhn_and_tucker(
        (tasks, width) in (1_usize..9, 1_usize..7),
        values in prop::collection::vec(-3.0_f64..3.0, 9 * 7 + 7),
        margin in 0.0_f64..1.0,
    ) {
        let memory = DMatrix::from_fn(tasks, width, |row, column| values[row * 7 + column]);
        let g = DVector::from_fn(width, |row, _| values[9 * 7 + row]);
        let (gram, products) = (&memory * memory.transpose(), &memory * g);
        let v = quadratic_program(&gram, &products, margin, 1e-3).unwrap();
        let slope = (gram + DMatrix::identity(tasks, tasks) * 1e-3) * &v + products;
        for (v, slope) in v.iter().zip(slope.iter()) {
            prop_assert!(*v >= margin);
            prop_assert!(*slope >= -1e-7, "slope {slope}");
            prop_assert!((v - margin) * slope <= 1e-5, "v {v}, slope {slope}");
        }
    }
}

#[test]
fn a_gradient_loses_its_part_against_the_reference() {
    let line = LinearConfig::new(3, 1).with_bias(false);
    let space = ParamVector::of(&line.init(&Device::flex()));
    let vector = |values: [f32; 3]| space.from_host(vec![values.to_vec()]).unwrap();
    let (g, reference) = (vector([1.0, -2.0, 0.5]), vector([0.5, 1.0, 0.0]));
    let changed = against(&g, &reference).unwrap().unwrap();
    for (value, expected) in changed.to_host().unwrap()[0].iter().zip([1.6, -0.8, 0.5]) {
        assert_relative_eq!(*value, expected, epsilon = 1e-6);
    }
    let dot = changed.dot(&reference).unwrap().into_scalar::<f32>();
    assert_relative_eq!(dot, 0.0, epsilon = 1e-6);
    assert!(against(&g, &vector([0.0; 3])).unwrap().is_none());
    assert!(against(&g, &vector([1.0, 0.5, 0.0])).unwrap().is_none());
    for bad in [f32::NAN, f32::INFINITY] {
        assert!(against(&g, &vector([bad, 0.0, 0.0])).is_err());
    }
}

fn gradient(model: &Net, batch: &Batch) -> GradientsParams {
    GradientsParams::from_grads(plain_loss(model, batch).backward(), model)
}

/// The same inputs under other labels: a gradient against theirs.
fn opposed(batch: &Batch) -> Batch {
    (batch.0.clone(), (batch.1.clone() + 1).remainder_scalar(3))
}

fn task(id: usize) -> Task {
    Task {
        id,
        classes: Vec::new(),
        examples: 6,
    }
}

#[test]
fn averaged_memory_gradients_are_not_opposed() {
    let model = Net::new(2);
    let (old, new) = (examples(6, 1), opposed(&examples(6, 1)));
    let gem = AGemConfig::new().init().unwrap();
    let mut grads: Gradients = gradient(&model, &new).into();
    let plain = grads.vector(&model).unwrap();
    gem.before_update(&model, &mut grads).unwrap();
    let same = |a: &ParamVector, b: &ParamVector| a.to_host().unwrap() == b.to_host().unwrap();
    assert!(same(&plain, &grads.vector(&model).unwrap()));

    let model = gem.after_task(model, &Prepared(vec![old.clone()])).unwrap();
    let reference = ParamVector::gradients(&model, &gradient(&model, &old));
    let dot = |a: &ParamVector| a.dot(&reference).unwrap().into_scalar::<f32>();
    assert!(dot(&plain) < -1e-2);
    gem.before_update(&model, &mut grads).unwrap();
    let changed = grads.vector(&model).unwrap();
    assert!(dot(&changed).abs() < 1e-6);
    let by_hand = against(&plain, &reference).unwrap().unwrap();
    assert!(by_hand.sub(&changed).unwrap().l2().into_scalar::<f32>() < 1e-5);
    // Examples of a task that comes again are not held against it.
    let model = gem.before_task(model, &task(0)).unwrap();
    let mut grads: Gradients = gradient(&model, &new).into();
    gem.before_update(&model, &mut grads).unwrap();
    assert!(same(&plain, &grads.vector(&model).unwrap()));
}

#[test]
fn no_memory_gradient_is_opposed() {
    let mut model = Net::new(2);
    let gem = GemConfig::new().with_margin(0.0).with_ridge(1e-9);
    let gem = gem.with_batch(4).init().unwrap();
    let tasks: Vec<Batch> = (0..3).map(|seed| examples(6, seed)).collect();
    for batch in &tasks {
        model = gem
            .after_task(model, &Prepared(vec![batch.clone()]))
            .unwrap();
    }
    let new = opposed(&tasks[0]);
    let mut grads: Gradients = gradient(&model, &new).into();
    let plain = grads.vector(&model).unwrap();
    gem.before_update(&model, &mut grads).unwrap();
    let changed = grads.vector(&model).unwrap();
    let dots = |vector: &ParamVector| {
        let dot = |batch: &Batch| {
            let own = ParamVector::gradients(&model, &gradient(&model, batch));
            vector.dot(&own).unwrap().into_scalar::<f32>()
        };
        tasks.iter().map(dot).collect::<Vec<_>>()
    };
    assert!(dots(&plain).iter().any(|dot| *dot < -1e-2));
    assert!(
        dots(&changed).iter().all(|dot| *dot > -1e-5),
        "{:?}",
        dots(&changed)
    );
    Strategy::<Net>::status(&gem).unwrap();
}

#[test]
fn saved_and_restored_memories_draw_on() {
    let model = Net::new(3);
    let data = || Prepared(vec![examples(40, 1)]);
    let config = AGemConfig::new().with_memory(30).with_batch(3).with_seed(5);
    let gem = config.init().unwrap();
    let mut model = gem.after_task(model, &data()).unwrap();
    model = step(&gem, model, &examples(5, 2), 0.1);
    let bytes = gem.save().unwrap();
    let mut other = config.init().unwrap();
    other.load(&bytes).unwrap();
    assert_eq!(other.save().unwrap(), bytes);
    // Nothing has shown what a batch is like.
    let mut grads: Gradients = gradient(&model, &examples(5, 2)).into();
    assert!(other.before_update(&model, &mut grads).is_err());
    let values = |model: &Net| ParamVector::of(model).to_host().unwrap();
    let mut again = model.clone();
    for seed in 3..9 {
        let batch = opposed(&examples(5, seed));
        model = step(&gem, model, &batch, 0.1);
        again = step(&other, again, &batch, 0.1);
        assert_eq!(values(&model), values(&again));
    }
    assert!(other.load(&bytes[..bytes.len() / 2]).is_err());
    let mut smaller = AGemConfig::new().with_memory(20).init::<Batch>().unwrap();
    assert!(smaller.load(&bytes).is_err());

    let gem = GemConfig::new().with_memory(7).init().unwrap();
    let model = gem.after_task(model, &data()).unwrap();
    assert_eq!(gem.memory().len(), 7);
    let mut other = GemConfig::new().with_memory(7).init().unwrap();
    other.load(&gem.save().unwrap()).unwrap();
    let batch = opposed(&examples(5, 3));
    let straight = step(&gem, model.clone(), &batch, 0.1);
    assert_eq!(values(&straight), values(&step(&other, model, &batch, 0.1)));
}

#[derive(Module, Debug)]
struct Normed {
    norm: BatchNorm,
    net: Net,
}

impl Classifier for Normed {
    type Batch = (Tensor<2>, Tensor<1, Int>);

    fn logits(&self, (inputs, labels): &Self::Batch) -> Tensor<2> {
        let inputs = self.norm.forward(inputs.clone());
        self.net.logits(&(inputs, labels.clone()))
    }
}

#[test]
fn memory_passes_leave_running_statistics() {
    let model = || Normed {
        norm: BatchNormConfig::new(4).init(&Device::flex().autodiff()),
        net: Net::new(1),
    };
    let gem = GemConfig::new().init().unwrap();
    let a_gem = AGemConfig::new().init().unwrap();
    let strategies: [&dyn Strategy<Normed>; 2] = [&gem, &a_gem];
    for strategy in strategies {
        let model = model();
        let model = strategy
            .after_task(model, &Prepared(vec![examples(20, 4)]))
            .unwrap();
        let loss = strategy.loss(&model, &examples(6, 1)).unwrap();
        let mut grads = GradientsParams::from_grads(loss.backward(), &model).into();
        let before = ParamVector::buffers(&model).to_host().unwrap();
        strategy.before_update(&model, &mut grads).unwrap();
        assert_eq!(ParamVector::buffers(&model).to_host().unwrap(), before);
        assert_ne!(before[0], [0.0; 4]);
    }
}

#[test]
fn absurd_arguments_of_memories_are_refused() {
    assert!(AGemConfig::new().with_memory(0).init::<Batch>().is_err());
    assert!(AGemConfig::new().with_batch(0).init::<Batch>().is_err());
    assert!(GemConfig::new().with_memory(0).init::<Batch>().is_err());
    assert!(GemConfig::new().with_batch(0).init::<Batch>().is_err());
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(GemConfig::new().with_margin(bad).init::<Batch>().is_err());
        assert!(GemConfig::new().with_ridge(bad).init::<Batch>().is_err());
    }
    let gem = GemConfig::new().init().unwrap();
    let none: Prepared<Batch> = Prepared(Vec::new());
    assert!(gem.after_task(Net::new(1), &none).is_err());
    let (inputs, labels) = examples(2, 1);
    let bad = Prepared(vec![(inputs, labels - 5)]);
    assert!(gem.after_task(Net::new(1), &bad).is_err());
    assert!(gem.memory().is_empty());
}
