//! Refresh by hand, and its properties.

use approx::assert_relative_eq;
use burn::module::Module;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor};
use regimen_continual::{
    Classifier, ContinualError, Direction, Ewc, EwcConfig, Form, Refresh, RefreshConfig, Strategy,
    plain_loss,
};
use regimen_tensor::checkpoint::Part;
use regimen_tensor::{ParamVector, Prepared, independent};

use super::models::{Net, bits, drawn};
use super::two::{Two, batch};

fn around<M: Module>(config: &RefreshConfig, model: &M) -> Refresh<Ewc> {
    let ewc = EwcConfig::new(1.0).init(model).unwrap();
    config.init(model, ewc).unwrap()
}

fn code(delta: f64, noise: f64) -> RefreshConfig {
    RefreshConfig::new().with_form(Form::Code { delta, noise })
}

fn values<M: Module>(model: &M) -> Vec<f32> {
    ParamVector::of(model).to_host().unwrap().concat()
}

fn norm(values: &[f32]) -> f64 {
    let squares = values.iter().map(|value| f64::from(*value).powi(2));
    squares.sum::<f64>().sqrt()
}

fn gradients<M: Classifier>(
    strategy: &impl Strategy<M>,
    model: &M,
    batch: &M::Batch,
) -> GradientsParams {
    let loss = strategy.loss(model, batch).unwrap();
    GradientsParams::from_grads(loss.backward(), model)
}

fn training(refresh: &Refresh<Ewc>, model: Net, seed: u64) -> Net {
    let mut optim = SgdConfig::new().init();
    let data = drawn(seed, 8, &[0, 1, 2, 3]);
    let moved = refresh.unlearn(&model, &data).unwrap();
    let grads = gradients(refresh, &moved, &data);
    refresh.optimize(model, &mut optim, 0.1, grads)
}

/// `1/2 (4 a^2 + b^2)`.
fn bowl(model: &Two) -> Tensor<1> {
    let device = model.w.val().device();
    let curvature = Tensor::<1>::from_data([2.0, 0.5], &device);
    (model.w.val().square() * curvature).sum()
}

#[test]
fn the_paper_form_and_a_step_are_the_closed_form() {
    let paper = |steps, gamma| {
        RefreshConfig::new().with_form(Form::Paper {
            gamma,
            steps,
            noise: 0.0,
            damping: 1e-3,
        })
    };
    let model = Two::new([1.0, 2.0]);
    let refresh = around(&paper(1, 0.02), &model);
    let moved = refresh.unlearn_by(&model, |model| Ok(bowl(model))).unwrap();
    let grads = GradientsParams::from_grads(bowl(&moved).backward(), &moved);
    let mut optim = SgdConfig::new().init();
    let after = Strategy::<Two>::optimize(&refresh, model, &mut optim, 0.1, grads);
    let found = values(&after);
    assert_relative_eq!(found[0], 0.648, epsilon = 1e-6);
    assert_relative_eq!(found[1], 1.836, epsilon = 1e-6);

    let model = Two::new([1.0, 2.0]);
    let refresh = around(&paper(2, 0.1), &model);
    let moved = refresh.unlearn_by(&model, |model| Ok(bowl(model))).unwrap();
    let found = values(&moved);
    assert_relative_eq!(found[0], 1.96, epsilon = 1e-5);
    assert_relative_eq!(found[1], 2.42, epsilon = 1e-5);
    assert_eq!(refresh.moves(), 2);
}

#[test]
fn without_a_length_it_is_the_method_bit_for_bit() {
    let mut plain = Net::new(1);
    let ewc = EwcConfig::new(1.0).init(&plain).unwrap();
    for config in [
        code(0.0, 1e-3),
        RefreshConfig::new().with_form(Form::paper(0.0)),
    ] {
        let mut own = Net::new(1);
        let refresh = around(&config, &own);
        for seed in 0..3 {
            own = training(&refresh, own, seed);
        }
        assert_eq!(refresh.moves(), 0);
        if values(&plain) == values(&Net::new(1)) {
            for seed in 0..3 {
                let grads = gradients(&ewc, &plain, &drawn(seed, 8, &[0, 1, 2, 3]));
                plain = ewc.optimize(plain, &mut SgdConfig::new().init(), 0.1, grads);
            }
        }
        assert_eq!(bits(&own), bits(&plain));
    }
}

#[test]
fn a_move_is_a_share_of_the_weights_and_raises_the_loss() {
    for delta in [1e-5, 1e-3, 1e-2] {
        for seed in 0..8 {
            let (model, data) = (Net::new(seed), drawn(seed, 8, &[0, 1, 2, 3]));
            let refresh = around(&code(delta, 0.0), &model);
            let moved = refresh.unlearn(&model, &data).unwrap();
            let (before, after) = (ParamVector::of(&model), ParamVector::of(&moved));
            let (before, after) = (before.to_host().unwrap(), after.to_host().unwrap());
            for (before, after) in before.iter().zip(&after) {
                let apart: Vec<f32> = before.iter().zip(after).map(|(b, a)| a - b).collect();
                // Rounding to f32 adds less than 1e-7 of the weights.
                assert!(norm(&apart) <= (delta + 1e-7) * norm(before));
            }
            if delta > 1e-5 {
                let loss = |model: &Net| plain_loss(model, &data).into_scalar::<f32>();
                assert!(loss(&moved) > loss(&model), "delta {delta}, seed {seed}");
                let down = code(delta, 0.0).with_direction(Direction::Descent);
                let down = around(&down, &model).unlearn(&model, &data).unwrap();
                assert!(loss(&down) < loss(&model), "delta {delta}, seed {seed}");
            }
        }
    }
}

#[test]
fn a_random_direction_has_the_length_of_the_ascent() {
    let (model, data) = (Net::new(1), drawn(1, 8, &[0, 1, 2, 3]));
    let moved = |config: RefreshConfig| {
        let moved = around(&config, &model).unlearn(&model, &data).unwrap();
        ParamVector::of(&moved).to_host().unwrap()
    };
    let before = ParamVector::of(&model).to_host().unwrap();
    let up = moved(code(0.01, 0.0));
    let random = code(0.01, 0.0).with_direction(Direction::Random);
    let (one, same) = (moved(random.clone()), moved(random.clone()));
    assert_eq!(one, same);
    assert_ne!(one, moved(random.with_seed(1)));
    let length = |before: &[f32], after: &[f32]| {
        let apart: Vec<f32> = before.iter().zip(after).map(|(b, a)| a - b).collect();
        norm(&apart)
    };
    for ((before, up), one) in before.iter().zip(&up).zip(&one) {
        assert_ne!(up, one);
        let expected = length(before, up);
        assert_relative_eq!(length(before, one), expected, max_relative = 1e-3);
    }
}

#[test]
fn a_zero_gradient_gives_no_move() {
    let model = Two::new([1.0, 2.0]);
    for direction in [Direction::Ascent, Direction::Random] {
        let refresh = around(&code(0.1, 0.0).with_direction(direction), &model);
        let flat = |model: &Two| Ok(model.w.val().sum() * 0.0);
        let moved = refresh.unlearn_by(&model, flat).unwrap();
        assert_eq!(bits(&moved), bits(&model));
    }
}

#[test]
fn the_first_micro_batch_decides_and_the_model_takes_its_move() {
    for restore in [false, true] {
        let model = Net::new(1);
        let refresh = around(&code(0.01, 1e-3).with_restore(restore), &model);
        let moved = refresh.unlearn(&model, &drawn(1, 8, &[0])).unwrap();
        let second = refresh.unlearn(&model, &drawn(2, 8, &[3])).unwrap();
        assert_eq!(values(&moved), values(&second));
        assert_ne!(values(&moved), values(&model));
        assert_eq!(refresh.moves(), 1);
        let grads = gradients(&refresh, &moved, &drawn(1, 8, &[0]));
        let before = values(&model);
        let after = refresh.optimize(model, &mut SgdConfig::new().init(), 0.0, grads);
        let expected = if restore { before } else { values(&moved) };
        assert_eq!(values(&after), expected);
        let third = refresh.unlearn(&after, &drawn(2, 8, &[3])).unwrap();
        assert_ne!(values(&third), values(&second));
        assert_eq!(refresh.moves(), 2);
    }
}

#[test]
fn only_the_training_pass_moves_running_statistics() {
    let (model, data) = (Net::new(1), drawn(1, 8, &[0, 1, 2, 3]));
    let refresh = around(&code(0.01, 1e-3), &model);
    let before = bits(&model);
    let moved = refresh.unlearn(&model, &data).unwrap();
    assert_eq!(bits(&model), before);
    let _ = plain_loss(&moved, &data);
    let statistics = ParamVector::buffers(&model).to_host().unwrap();
    assert_eq!(ParamVector::buffers(&moved).to_host().unwrap(), statistics);
    assert_ne!(bits(&model), before);
}

#[test]
fn frozen_parameters_keep_their_bits() {
    let model = Net::new(1).with_first_frozen();
    let refresh = around(&code(0.01, 0.5), &model);
    let moved = refresh.unlearn(&model, &drawn(1, 8, &[0, 1])).unwrap();
    let (before, after) = (ParamVector::of(&model), ParamVector::of(&moved));
    for (before, after) in before.entries().iter().zip(after.entries()) {
        let same = before.values.clone().equal(after.values.clone());
        let same: bool = same.all().into_scalar();
        assert_eq!(same, before.path.starts_with("first"), "{}", before.path);
    }
}

/// A linear layer of logits without bias.
#[derive(Module, Debug)]
struct Head {
    layer: burn::nn::Linear,
}

impl Classifier for Head {
    type Batch = (Tensor<2>, Tensor<1, Int>);

    fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
        self.layer.forward(inputs.clone())
    }
}

/// W = 0, x = (1, 2), y = 0: (.125, .5) for both classes; the earlier tasks stay by tau.
#[test]
fn the_fisher_information_by_hand() {
    let device = Device::flex().autodiff();
    let layer = burn::nn::LinearConfig::new(2, 2)
        .with_bias(false)
        .init(&device);
    let zero = ParamVector::of(&layer).zeros_like();
    let model = Head {
        layer: zero.write_to(layer).unwrap(),
    };
    let refresh = around(&RefreshConfig::new().with_tau(0.5), &model);
    assert!(refresh.fisher().is_none());
    let data = Prepared(vec![batch(&[[1.0, 2.0]], &[0])]);
    let model = refresh.after_task(model, &data).unwrap();
    let assert_fisher = |expected: [f32; 4]| {
        let found = refresh.fisher().unwrap().to_host().unwrap();
        for (found, expected) in found[0].iter().zip(expected) {
            assert_relative_eq!(*found, expected, max_relative = 1e-6);
        }
    };
    assert_fisher([0.125, 0.125, 0.5, 0.5]);
    assert_eq!(refresh.strategy().tasks(), 1);
    let model = refresh.after_task(model, &data).unwrap();
    assert_fisher([0.1875, 0.1875, 0.75, 0.75]);
    let without = around(&RefreshConfig::new().with_fisher(false), &model);
    let _ = without.after_task(model, &data).unwrap();
    assert!(without.fisher().is_none());
}

#[test]
fn a_restored_run_goes_on_bit_for_bit() {
    let config = code(1e-2, 0.1);
    let refresh = around(&config, &Net::new(1));
    let model = training(&refresh, Net::new(1), 1);
    let data = Prepared(vec![drawn(5, 8, &[0, 1, 2, 3])]);
    let model = refresh.after_task(model, &data).unwrap();
    let model = training(&refresh, model, 2);
    let (bytes, kept) = (Part::save(&refresh).unwrap(), independent(&model));
    let straight = training(&refresh, model, 3);
    let mut again = around(&config, &kept);
    again.load(&bytes).unwrap();
    assert_eq!(again.kind(), refresh.kind());
    assert_eq!(again.strategy().tasks(), 1);
    let resumed = training(&again, kept, 3);
    assert_eq!(bits(&straight), bits(&resumed));
    let now = Part::save(&again).unwrap();
    for cut in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        assert!(again.load(&bytes[..cut]).is_err());
    }
    let mut long = bytes.clone();
    long[7] = 255;
    assert!(again.load(&long).is_err());
    assert_eq!(Part::save(&again).unwrap(), now);
}

#[test]
fn what_is_not_finite_leaves_everything_as_it_was() {
    let model = Net::new(1);
    let refresh = around(&code(0.01, 1e-3), &model);
    let (inputs, labels) = drawn(1, 8, &[0, 1]);
    let broken = (inputs * f32::NAN, labels);
    let failed = refresh.unlearn(&independent(&model), &broken);
    assert!(matches!(failed, Err(ContinualError::NotFinite(_))));
    assert_eq!(refresh.moves(), 0);
    let data = drawn(1, 8, &[0, 1]);
    let moved = refresh.unlearn(&model, &data).unwrap();
    let loss = plain_loss(&moved, &data) * f32::INFINITY;
    let grads = GradientsParams::from_grads(loss.backward(), &moved);
    let before = bits(&model);
    let after = refresh.optimize(model, &mut SgdConfig::new().init(), 0.1, grads);
    assert_eq!(bits(&after), before);
    assert_eq!(Strategy::<Net>::skipped(&refresh), 1);
    let plain = after.valid();
    let inner = regimen_continual::Examples::inner(&data);
    assert!(matches!(
        refresh.unlearn(&plain, &inner),
        Err(ContinualError::Unsupported { .. })
    ));
}

#[test]
fn bad_settings() {
    let model = Two::new([0.0, 0.0]);
    let ewc = EwcConfig::new(1.0).init(&model).unwrap();
    let form = |form| RefreshConfig::new().with_form(form);
    for config in [
        code(-1.0, 0.0),
        code(f64::NAN, 0.0),
        code(0.1, f64::INFINITY),
        form(Form::paper(-1.0)),
        form(Form::Paper {
            gamma: 0.1,
            steps: 0,
            noise: 0.0,
            damping: 0.1,
        }),
        form(Form::Paper {
            gamma: 0.1,
            steps: 1,
            noise: 0.0,
            damping: 0.0,
        }),
        RefreshConfig::new().with_tau(-1.0),
        RefreshConfig::new().with_examples(0),
    ] {
        assert!(config.init(&model, ewc.clone()).is_err());
    }
}
