//! Penalties by hand.

use approx::assert_relative_eq;
use burn::optim::GradientsParams;
use regimen_continual::penalties::Quadratic;
use regimen_tensor::ParamVector;

use super::two::Two;

fn vector(model: &Two, values: [f32; 2]) -> ParamVector {
    ParamVector::of(model)
        .from_host(vec![values.to_vec()])
        .unwrap()
}

#[test]
fn the_value_of_a_quadratic_and_its_gradient() {
    let model = Two::new([0.2, -0.1]);
    let held = Quadratic::new(vector(&model, [1.0, 4.0]), vector(&model, [0.0, 0.1])).unwrap();
    let value = held.at(&model).unwrap();
    let grads = GradientsParams::from_grads(value.backward(), &model);
    assert_relative_eq!(value.into_scalar::<f32>(), 0.2, epsilon = 1e-6);
    let gradient = ParamVector::gradients(&model, &grads).to_host().unwrap();
    assert_relative_eq!(gradient[0][0], 0.4, epsilon = 1e-6);
    assert_relative_eq!(gradient[0][1], -1.6, epsilon = 1e-6);
    let by_hand = held.gradient(&ParamVector::of(&model)).unwrap();
    assert_eq!(by_hand.to_host().unwrap(), gradient);
}

/// theta* = 1, theta = 3, F = 2, lambda 1 with a half: 4.
#[test]
fn the_penalty_of_the_first_task_stays_after_the_second() {
    let model = Two::new([3.0, 0.0]);
    let first = Quadratic::new(vector(&model, [2.0, 0.0]), vector(&model, [1.0, 7.0])).unwrap();
    let nothing = Quadratic::new(vector(&model, [0.0, 0.0]), vector(&model, [3.0, 0.0])).unwrap();
    let both = first.clone().plus(&nothing).unwrap();
    for held in [first, both] {
        let value = held.at(&model).unwrap() * 0.5;
        assert_relative_eq!(value.into_scalar::<f32>(), 4.0, epsilon = 1e-6);
    }
}

#[test]
fn two_terms_are_one_with_a_constant() {
    let model = Two::new([0.5, -2.0]);
    let one = Quadratic::new(vector(&model, [1.0, 3.0]), vector(&model, [0.0, 1.0])).unwrap();
    let two = Quadratic::new(vector(&model, [2.0, 0.5]), vector(&model, [1.5, -1.0])).unwrap();
    let apart = one.at(&model).unwrap() + two.at(&model).unwrap();
    let both = one.plus(&two).unwrap();
    let expected = apart.into_scalar::<f32>();
    assert_relative_eq!(
        both.at(&model).unwrap().into_scalar::<f32>(),
        expected,
        max_relative = 1e-6
    );
}
