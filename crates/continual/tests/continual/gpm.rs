//! Layers whose gradients stay outside of what entered them.

use std::f32::consts::FRAC_1_SQRT_2;

use approx::assert_relative_eq;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Int, Tensor};
use proptest::prelude::*;
use regimen_continual::projections::{Layers, Patches, Seen, grown, leading, patches};
use regimen_continual::{Classifier, GpmConfig, Result, Strategy};
use regimen_tensor::linalg::DMatrix;
use regimen_tensor::testing::Hostile;
use regimen_tensor::{ParamVector, Part, Prepared};

use super::net::{Net, examples, largest, numbers, step};
use super::states::{damaged, mutations};

#[test]
fn the_singular_values_that_reach_a_share() {
    let energies = [9.0, 4.0, 1.0, 0.25];
    assert_eq!(leading(&energies, 14.25, 0.0, 0.9, false), 2);
    assert_eq!(leading(&energies, 14.25, 0.0, 0.9, true), 1);
    assert_eq!(leading(&energies, 14.25, 0.0, 1.0, false), 4);
    assert_eq!(leading(&energies, 14.25, 0.0, 0.5, false), 1);
    assert_eq!(leading(&energies, 14.25, 0.0, 0.5, true), 0);
    // What the basis has already counts.
    assert_eq!(leading(&energies, 20.0, 5.75, 0.9, false), 2);
    assert_eq!(leading(&energies, 20.0, 18.0, 0.9, false), 0);
    assert_eq!(leading(&[], 0.0, 0.0, 0.9, false), 0);

    let rows = DMatrix::from_diagonal(&vec![3.0, 2.0, 1.0, 0.5].into());
    let none = DMatrix::zeros(4, 0);
    let basis = grown(&none, &Seen::Rows(rows.clone()), 0.9, false).unwrap();
    let expected = DMatrix::identity(4, 2);
    assert_relative_eq!(basis.map(f64::abs), expected, epsilon = 1e-12);
    let gram = Seen::Gram(rows.transpose() * &rows);
    let basis = grown(&none, &gram, 0.9, false).unwrap();
    assert_relative_eq!(basis.map(f64::abs), expected, epsilon = 1e-12);
    assert_eq!(grown(&none, &gram, 0.9, true).unwrap().ncols(), 1);
}

/// Logits of a matrix `[3, 2]`, with the weight's gradient by hand.
#[derive(Module, Debug)]
struct Plain {
    weight: Param<Tensor<2>>,
}

impl Classifier for Plain {
    type Batch = (Tensor<2>, Tensor<1, Int>);

    fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
        inputs.clone().matmul(self.weight.val())
    }
}

impl Layers for Plain {
    fn layer_inputs(&self, (inputs, _): &Self::Batch) -> Result<Vec<(String, Tensor<2>)>> {
        Ok(vec![("weight".into(), inputs.clone())])
    }
}

#[test]
fn a_gradient_loses_its_part_in_the_span() {
    let device = Device::flex().autodiff();
    let model = Plain {
        weight: Param::from_data([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], &device),
    };
    let gpm = GpmConfig::new().init(&model).unwrap();
    let seen = (
        Tensor::<2>::from_data([[1.0, 1.0, 0.0]], &device),
        Tensor::<1, Int>::from_data([0], &device),
    );
    let model = gpm.after_task(model, &Prepared(vec![seen])).unwrap();
    let basis = numbers(gpm.bases()["weight"].clone());
    for (value, expected) in basis.iter().zip([FRAC_1_SQRT_2, FRAC_1_SQRT_2, 0.0]) {
        assert_relative_eq!(value.abs(), expected, epsilon = 1e-6);
    }
    // grad [[1, 2, 3], [0, 1, 0]] of [out, in], as Burn has it: [in, out].
    let vector = ParamVector::of(&model);
    let grad = vector
        .from_host(vec![vec![1.0, 0.0, 2.0, 1.0, 3.0, 0.0]])
        .unwrap();
    let mut grads = grad.into_gradients().into();
    gpm.before_update(&model, &mut grads).unwrap();
    let changed = grads.vector(&model).unwrap().to_host().unwrap();
    for (value, expected) in changed[0].iter().zip([-0.5, -0.5, 0.5, 0.5, 3.0, 0.0]) {
        assert_relative_eq!(*value, expected, epsilon = 1e-6);
    }
}

#[test]
fn outputs_of_the_first_task_stay() {
    let model = Net::new(4);
    let gpm = GpmConfig::new().with_first(1.0).with_others(1.0);
    let gpm = gpm.init(&model).unwrap();
    // Two examples: the four inputs leave room.
    let (old, new) = (examples(2, 1), examples(6, 2));
    let mut model = gpm.after_task(model, &Prepared(vec![old.clone()])).unwrap();
    let before = (model.logits(&old), model.logits(&new));
    for _ in 0..5 {
        model = step(&gpm, model, &new, 0.5);
    }
    let old_moved = largest(model.logits(&old) - before.0);
    let new_moved = largest(model.logits(&new) - before.1);
    assert!(
        old_moved < 1e-5 && new_moved > 1e-2,
        "{old_moved}, {new_moved}"
    );
}

#[test]
fn biases_keep_their_bits_after_the_first_task_or_train() {
    for hold in [true, false] {
        let model = Net::new(4);
        let gpm = GpmConfig::new().with_hold_vectors(hold);
        let gpm = gpm.init(&model).unwrap();
        let bias = |model: &Net| numbers(model.hidden.bias.clone().unwrap().val());
        let start = bias(&model);
        let model = step(&gpm, model, &examples(6, 2), 0.5);
        let first = bias(&model);
        assert_ne!(first, start);
        let model = gpm
            .after_task(model, &Prepared(vec![examples(2, 1)]))
            .unwrap();
        let model = step(&gpm, model, &examples(6, 2), 0.5);
        assert_eq!(bias(&model) == first, hold);
    }
}

#[test]
fn patches_times_weight_is_the_convolution() {
    let device = Device::flex();
    let config = Conv2dConfig::new([4, 6], [3, 2])
        .with_stride([2, 1])
        .with_padding(burn::nn::PaddingConfig2d::Explicit(1, 1, 1, 1))
        .with_groups(2)
        .with_bias(false);
    let conv: Conv2d = config.init(&device);
    let inputs: Vec<f32> = (0..2 * 4 * 5 * 4).map(|k| ((k * 7) % 11) as f32).collect();
    let inputs = burn::tensor::TensorData::new(inputs, [2, 4, 5, 4]);
    let inputs = Tensor::<4>::from_data(inputs, &device);
    let of = Patches {
        stride: [2, 1],
        padding: [1, 1],
        groups: 2,
        ..Patches::of([3, 2])
    };
    let rows = patches(inputs.clone(), &of).unwrap();
    let outputs = conv.forward(inputs);
    let [batch, out, height, width] = outputs.dims();
    let positions = height * width;
    assert_eq!(rows.dims(), [batch * 2 * positions, 2 * 3 * 2]);
    let rows = rows.reshape([batch, 2, positions, 12]);
    for group in 0..2 {
        let weight = conv.weight.val().narrow(0, group * out / 2, out / 2);
        let rows = rows
            .clone()
            .narrow(1, group, 1)
            .reshape([batch * positions, 12]);
        let by_hand = rows.matmul(weight.reshape([out / 2, 12]).transpose());
        let by_hand = by_hand.reshape([batch, positions, out / 2]).swap_dims(1, 2);
        let part = outputs.clone().narrow(1, group * out / 2, out / 2);
        let part = part.reshape([batch, out / 2, positions]);
        assert!(largest(by_hand - part) < 1e-4);
    }
}

/// A convolution over `[batch, 16]` as 4 by 4 images, and the mean of each channel as logits.
#[derive(Module, Debug)]
struct Images {
    conv: Conv2d,
}

impl Images {
    fn image(inputs: &Tensor<2>) -> Tensor<4> {
        let [batch, _] = inputs.dims();
        inputs.clone().reshape([batch, 1, 4, 4])
    }
}

impl Classifier for Images {
    type Batch = (Tensor<2>, Tensor<1, Int>);

    fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
        let outputs = self.conv.forward(Self::image(inputs));
        outputs.mean_dim(3).mean_dim(2).flatten(1, 3)
    }
}

impl Layers for Images {
    fn layer_inputs(&self, (inputs, _): &Self::Batch) -> Result<Vec<(String, Tensor<2>)>> {
        let rows = patches(Self::image(inputs), &Patches::of([2, 2]))?;
        Ok(vec![("conv.weight".into(), rows)])
    }
}

#[test]
fn a_convolution_s_outputs_of_the_first_task_stay() {
    let device = Device::flex().autodiff();
    let model = Images {
        conv: Conv2dConfig::new([1, 3], [2, 2]).init(&device),
    };
    let gpm = GpmConfig::new().with_first(1.0).init(&model).unwrap();
    let row = |values: [f32; 16], label| {
        (
            Tensor::<2>::from_data([values], &device),
            Tensor::<1, Int>::from_data([label], &device),
        )
    };
    // Even columns are on: patches (1, 0, 1, 0) and (0, 1, 0, 1).
    let old = row(std::array::from_fn(|k| (k % 2) as f32), 0);
    let new = row(std::array::from_fn(|k| (k * k % 5) as f32), 1);
    let model = gpm.after_task(model, &Prepared(vec![old.clone()])).unwrap();
    assert_eq!(gpm.bases()["conv.weight"].dims(), [4, 2]);
    let before = (model.logits(&old), model.logits(&new));
    let model = step(&gpm, model, &new, 0.1);
    assert!(largest(model.logits(&old) - before.0) < 1e-5);
    assert!(largest(model.logits(&new) - before.1) > 1e-3);
}

#[test]
fn saved_and_restored_it_projects_as_before() {
    let model = Net::new(3);
    let gpm = GpmConfig::new().init(&model).unwrap();
    let model = gpm
        .after_task(model, &Prepared(vec![examples(3, 1)]))
        .unwrap();
    let model = gpm
        .after_task(model, &Prepared(vec![examples(40, 5)]))
        .unwrap();
    let bytes = gpm.save().unwrap();
    let mut other = GpmConfig::new().init(&Net::new(9)).unwrap();
    other.load(&bytes).unwrap();
    assert_eq!(other.save().unwrap(), bytes);
    let straight = step(&gpm, model.clone(), &examples(5, 2), 0.1);
    let restored = step(&other, model, &examples(5, 2), 0.1);
    let values = |model: &Net| ParamVector::of(model).to_host().unwrap();
    assert_eq!(values(&straight), values(&restored));
    assert!(other.load(&bytes[..bytes.len() / 2]).is_err());
    let mut wrong = GpmConfig::new()
        .init(&super::two::Two::new([1.0, 1.0]))
        .unwrap();
    assert!(wrong.load(&bytes).is_err());
    assert!(wrong.bases().is_empty());
}

#[test]
fn absurd_arguments_are_refused() {
    let model = Net::new(1);
    for bad in [0.0, -1.0, 1.1, f64::NAN, f64::INFINITY] {
        assert!(GpmConfig::new().with_first(bad).init(&model).is_err());
        assert!(GpmConfig::new().with_others(bad).init(&model).is_err());
    }
    assert!(GpmConfig::new().with_examples(0).init(&model).is_err());
    let gpm = GpmConfig::new().init(&model).unwrap();
    let none: Prepared<super::net::Batch> = Prepared(Vec::new());
    assert!(gpm.after_task(model.clone(), &none).is_err());
    let device = Device::flex().autodiff();
    let bad = Tensor::<2>::from_data([[f32::NAN, 0.0, 0.0, 0.0]], &device);
    let bad = (bad, Tensor::<1, Int>::from_data([0], &device));
    assert!(gpm.after_task(model, &Prepared(vec![bad])).is_err());
    assert!(gpm.bases().is_empty());
}

#[test]
fn damaged_states_are_refused_or_serve() {
    let mut hostile = Hostile::new("gpm states");
    let model = Net::new(3);
    let gpm = GpmConfig::new().init(&model).unwrap();
    let model = gpm
        .after_task(model, &Prepared(vec![examples(3, 1)]))
        .unwrap();
    let bytes = gpm.save().unwrap();
    for seed in 0..mutations() {
        hostile.input(format_args!("Gpm {seed}"), || {
            let mut other = GpmConfig::new().init(&model).unwrap();
            let text = |error: &dyn std::fmt::Display| error.to_string();
            other.load(&damaged(&bytes, seed)).map_err(|e| text(&e))?;
            let model = model.clone();
            other.loss(&model, &examples(3, 2)).map_err(|e| text(&e))?;
            let _ = step(&other, model, &examples(3, 2), 0.1);
            other.save().map_err(|e| text(&e))?;
            Ok::<_, String>(())
        });
    }
    hostile.finish();
}

proptest! {
    /// Orthonormal columns that hold the share, and no more than are needed.
    #[test]
    fn a_basis_holds_the_share(
        rows in 1_usize..9,
        values in prop::collection::vec(-2.0_f64..2.0, 8 * 5 * 2),
        share in 0.1_f64..1.0,
        gram in any::<bool>(),
    ) {
        let seen = |from: usize| {
            let rows = DMatrix::from_fn(rows, 5, |row, column| values[from + row * 5 + column]);
            match gram {
                true => Seen::Gram(rows.transpose() * rows),
                false => Seen::Rows(rows),
            }
        };
        let held = |basis: &DMatrix<f64>, from: usize| {
            let rows = DMatrix::from_fn(rows, 5, |row, column| values[from + row * 5 + column]);
            (&rows * basis).norm_squared() / rows.norm_squared()
        };
        let first = grown(&DMatrix::zeros(5, 0), &seen(0), share, false).unwrap();
        prop_assert!(held(&first, 0) >= share - 1e-9);
        let fewer = first.columns(0, first.ncols() - 1).into_owned();
        prop_assert!(held(&fewer, 0) < share + 1e-9);
        let both = grown(&first, &seen(40), share, false).unwrap();
        prop_assert!(held(&both, 40) >= share - 1e-9);
        prop_assert_eq!(both.columns(0, first.ncols()).into_owned(), first);
        let one = both.transpose() * &both;
        prop_assert!((one - DMatrix::identity(both.ncols(), both.ncols())).norm() < 1e-9);
    }
}

/// Three of the second task's rows are zero: singular values of such a matrix must be right.
#[test]
fn rows_of_zeros_do_not_hide_directions() {
    let first = [
        1.516790277,
        -0.983520082469,
        0.0542805556554,
        1.71841470853,
        -0.826132215123,
        -0.216465657725,
        0.266396617328,
        0.977670675336,
        0.569406162434,
        0.110161786164,
        -1.30265121113,
        0.253490338931,
        -0.439377028435,
        -0.582446510012,
        -1.02387148593,
        -0.035553386113,
        -0.292159225411,
        0.0,
        -0.725066636521,
        -1.21840637115,
        1.0188367622,
        -1.82149236572,
        -0.169502665937,
        0.670384095174,
        0.0,
        -1.29534213555,
        1.27005531281,
        0.199120039278,
        1.60512441734,
        0.747363975397,
    ];
    let second = [
        -1.43487757411,
        -0.520601368867,
        1.26505643801,
        -0.196979003792,
        -0.000136958619856,
        0.300650212741,
        0.0,
        1.53954067982,
        0.0,
        0.895800337223,
        -1.45445843982,
        0.455157275174,
        1.68553405122,
        0.806716528953,
        -0.838945961555,
        -0.313302216079,
        0.0,
        1.11174794426,
        1.06206752254,
        0.586298845342,
        -0.192527620857,
        0.0,
        1.74098039856,
        -1.38738196398,
        1.52284594766,
        1.46044673781,
        1.00055541772,
        1.96512143655,
        -0.0374176706294,
        -1.20162729197,
    ];
    let share = 0.697519821591727;
    let first = DMatrix::from_row_slice(6, 5, &first);
    let second = DMatrix::from_row_slice(6, 5, &second);
    let basis = grown(&DMatrix::zeros(5, 0), &Seen::Rows(first), share, false).unwrap();
    let both = grown(&basis, &Seen::Rows(second.clone()), share, false).unwrap();
    let held = (&second * &both).norm_squared() / second.norm_squared();
    assert_eq!((basis.ncols(), both.ncols()), (2, 4));
    assert!(held >= share, "{held}");
}
