//! Each special case of the objective against the method's own loss.

use approx::assert_relative_eq;
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Tensor};
use regimen_continual::penalties::{
    GaussianPrior, KroneckerPrior, Objective, OutputDivergence, Quadratic, SPECIAL_CASES, Target,
    WeightDivergence, WeightPart,
};
use regimen_continual::{Classifier, EwcConfig, Examples, LwfConfig, Strategy, plain_loss};
use regimen_tensor::{ParamVector, Prepared};

use super::models::{Net, drawn};
use super::two::{Two, batch};

/// The objective of a special case, with strengths `.3`, `.6` and so on.
fn objective(method: &str, weights: Option<WeightDivergence>) -> Objective {
    let case = SPECIAL_CASES.iter().find(|case| case.method == method);
    let case = case.unwrap();
    assert_eq!(
        (case.alpha, case.beta),
        (!case.outputs.is_empty(), case.weights.is_some())
    );
    let kind = weights.as_ref().map(|weights| match weights {
        WeightDivergence::DiagonalQuadratic(_) => WeightPart::DiagonalQuadratic,
        WeightDivergence::GaussianKl(_) => WeightPart::GaussianKl,
        WeightDivergence::Kronecker(_) => WeightPart::Kronecker,
        _ => unreachable!(),
    });
    assert_eq!(kind, case.weights, "{method}");
    let mut objective = Objective::new();
    for (place, outputs) in case.outputs.iter().enumerate() {
        let alpha = 0.3 * (place + 1) as f64;
        objective = objective.with_outputs(alpha, *outputs).unwrap();
    }
    match weights {
        Some(weights) => objective.with_weights(0.7, weights).unwrap(),
        None => objective,
    }
}

fn scalar(value: Tensor<1>) -> f32 {
    value.into_scalar()
}

#[test]
fn every_row_says_what_it_has() {
    for case in SPECIAL_CASES {
        assert_eq!(case.alpha, !case.outputs.is_empty(), "{}", case.method);
        assert_eq!(case.beta, case.weights.is_some(), "{}", case.method);
    }
}

#[test]
fn fine_tuning_is_cross_entropy_bit_for_bit() {
    let (model, data) = (Net::new(1), drawn(2, 8, &[0, 1, 2, 3]));
    let gradient = |loss: Tensor<1>| {
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        ParamVector::gradients(&model, &grads).to_host().unwrap()
    };
    let plain = gradient(plain_loss(&model, &data));
    let own = objective("fine-tuning", None);
    let unified = own.loss(plain_loss(&model, &data), vec![], &model).unwrap();
    assert_eq!(gradient(unified), plain);
    let off = Objective::new()
        .with_outputs(0.0, OutputDivergence::LogitMse)
        .unwrap();
    let outputs = vec![(model.logits(&data), Target::None)];
    let unified = off
        .loss(plain_loss(&model, &data), outputs, &model)
        .unwrap();
    assert_eq!(gradient(unified), plain);
}

#[test]
fn ewc_is_its_special_case() {
    let model = Two::new([0.4, -0.3]);
    let data = batch(&[[1.0, 2.0], [0.5, -1.0]], &[0, 1]);
    let ewc = EwcConfig::new(0.7).init(&model).unwrap();
    let model = ewc
        .after_task(model, &Prepared(vec![data.clone()]))
        .unwrap();
    let model = model.with([1.0, 0.5]);
    let held = ewc.held().unwrap();
    let own = scalar(Strategy::loss(&ewc, &model, &data).unwrap());
    for method in ["EWC", "online EWC"] {
        let weights = WeightDivergence::DiagonalQuadratic(held.clone());
        let unified = objective(method, Some(weights));
        let value = unified
            .loss(plain_loss(&model, &data), vec![], &model)
            .unwrap();
        assert_relative_eq!(scalar(value), own, max_relative = 1e-6);
    }
}

#[test]
fn cpr_is_ewc_less_the_entropy() {
    let model = Two::new([1.0, 0.5]);
    let data = batch(&[[1.0, 2.0], [0.5, -1.0]], &[0, 1]);
    let vector = |values: [f32; 2]| {
        ParamVector::of(&model)
            .from_host(vec![values.to_vec()])
            .unwrap()
    };
    let held = Quadratic::new(vector([2.0, 0.5]), vector([0.5, 1.0])).unwrap();
    let logits = model.logits(&data);
    let log_p = log_softmax(logits.clone(), 1);
    let entropy = -scalar((log_p.clone().exp() * log_p).sum_dim(1).mean());
    let expected = scalar(plain_loss(&model, &data))
        + 0.3 * (2.0_f32.ln() - entropy)
        + 0.7 * 0.5 * (2.0 * 0.25 + 0.5 * 0.25);
    let unified = objective("CPR", Some(WeightDivergence::DiagonalQuadratic(held)));
    let outputs = vec![(logits, Target::None)];
    let value = unified
        .loss(plain_loss(&model, &data), outputs, &model)
        .unwrap();
    assert_relative_eq!(scalar(value), expected, max_relative = 1e-6);
}

#[derive(Module, Debug)]
struct Gaussian {
    mean: Param<Tensor<1>>,
    log_std: Param<Tensor<1>>,
}

#[test]
fn vcl_by_hand() {
    let device = Device::flex().autodiff();
    let model = Gaussian {
        mean: Param::from_data([0.3, -0.2], &device),
        log_std: Param::from_data([0.5_f32.ln(), 0.0], &device),
    };
    let prior = GaussianPrior {
        mean_path: "mean".into(),
        log_std_path: "log_std".into(),
        mean: Tensor::from_data([0.0, 0.0], &Device::flex()),
        std: Tensor::from_data([1.0, 2.0], &Device::flex()),
    };
    let new = Tensor::<1>::from_data([0.25], &device);
    let weights = WeightDivergence::GaussianKl(vec![prior.clone()]);
    let unified = objective("VCL", Some(weights));
    let value = unified.loss(new.clone(), vec![], &model).unwrap();
    let grads = GradientsParams::from_grads(value.backward(), &model);
    let expected = 0.25 + 0.7 * 0.686_294_4;
    assert_relative_eq!(scalar(value), expected, max_relative = 1e-6);
    let gradient = ParamVector::gradients(&model, &grads).to_host().unwrap();
    assert_relative_eq!(gradient[0][0], 0.7 * 0.3, max_relative = 1e-6);
    let lost = GaussianPrior {
        mean_path: "no such".into(),
        ..prior
    };
    let weights = WeightDivergence::GaussianKl(vec![lost]);
    let unified = objective("VCL", Some(weights));
    assert!(unified.loss(new, vec![], &model).is_err());
}

#[test]
fn ncl_by_hand() {
    let device = Device::flex().autodiff();
    let layer = burn::nn::LinearConfig::new(2, 2)
        .with_bias(false)
        .init(&device);
    let weight = ParamVector::of(&layer);
    let layer = weight
        .from_host(vec![vec![1.0, 2.0, 3.0, 4.0]])
        .unwrap()
        .write_to(layer)
        .unwrap();
    let plain = Device::flex();
    let prior = KroneckerPrior {
        path: "weight".into(),
        weight: Tensor::from_data([[0.0, 2.0], [2.0, 4.0]], &plain),
        inputs: Tensor::from_data([[2.0, 0.5], [0.5, 1.0]], &plain),
        outputs: Tensor::from_data([[3.0, 0.0], [0.0, 1.0]], &plain),
    };
    // D = [[1, 0], [1, 0]]: 1/2 * 3 * (2 + 2 * .5 + 1) = 6.
    let new = Tensor::<1>::from_data([0.5], &device);
    let unified = objective("NCL", Some(WeightDivergence::Kronecker(vec![prior])));
    let value = unified.loss(new, vec![], &layer).unwrap();
    assert_relative_eq!(scalar(value), 0.5 + 0.7 * 6.0, max_relative = 1e-6);
}

#[test]
fn fdr_by_hand() {
    let (model, data) = (Net::new(1), drawn(2, 6, &[0, 1, 2, 3]));
    let logits = model.logits(&drawn(3, 6, &[0]));
    let kept = logits.clone().detach() * 0.5 + 0.1;
    let distance = (softmax(logits.clone(), 1) - softmax(kept.clone(), 1)).square();
    let expected =
        scalar(plain_loss(&model, &data)) + 0.3 * scalar(distance.sum_dim(1).sqrt().mean());
    let outputs = vec![(logits, Target::Logits(kept))];
    let value = objective("FDR", None).loss(plain_loss(&model, &data), outputs, &model);
    assert_relative_eq!(scalar(value.unwrap()), expected, max_relative = 1e-5);
}

#[test]
fn lwf_is_its_special_case() {
    let old = Two::new([2.0, 1.0]);
    let data = batch(&[[1.0, 1.0], [0.5, -0.5]], &[0, 1]);
    let lwf = LwfConfig::new().with_alpha(0.3).init(&old).unwrap();
    let kept = old.logits(&data).detach();
    let model = lwf.after_task(old, &Prepared(vec![data.clone()])).unwrap();
    let model = model.with([1.0, 1.5]);
    let own = scalar(Strategy::loss(&lwf, &model, &data).unwrap());
    let outputs = vec![(model.logits(&data), Target::Logits(kept))];
    let value = objective("LwF", None).loss(plain_loss(&model, &data), outputs, &model);
    assert_relative_eq!(scalar(value.unwrap()), own, max_relative = 1e-6);
    assert_eq!(data.count(), 2);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let model = Two::new([0.0, 0.0]);
    let new = Tensor::<1>::from_data([0.5], &Device::flex().autodiff());
    let der = Objective::new()
        .with_outputs(0.1, OutputDivergence::LogitMse)
        .unwrap();
    assert!(der.loss(new, vec![], &model).is_err());
    assert!(
        Objective::new()
            .with_outputs(-0.1, OutputDivergence::ProbL2)
            .is_err()
    );
    let weights = WeightDivergence::GaussianKl(vec![]);
    assert!(Objective::new().with_weights(f64::NAN, weights).is_err());
}
