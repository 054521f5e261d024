//! Divergences by hand.

use approx::assert_relative_eq;
use burn::tensor::{Device, Int, Tensor};
use proptest::prelude::*;
use regimen_continual::ContinualError;
use regimen_continual::penalties::{
    Generator, OutputDivergence, Target, gaussian_kl, kronecker, of_classes, soft_cross_entropy,
};

fn row<const K: usize>(values: [f32; K]) -> Tensor<2> {
    Tensor::from_data([values], &Device::flex())
}

fn vector<const K: usize>(values: [f32; K]) -> Tensor<1> {
    Tensor::from_data(values, &Device::flex())
}

fn close(value: Tensor<1>, expected: f32) {
    assert_relative_eq!(value.into_scalar::<f32>(), expected, epsilon = 2e-6);
}

fn label(label: i64) -> Target {
    Target::Labels(Tensor::<1, Int>::from_data([label], &Device::flex()))
}

#[test]
fn outputs_by_hand() {
    let kept = Target::Logits(row([1.5, 1.0, 2.0]));
    let logits = row([1.0, 2.0, 3.0]);
    close(OutputDivergence::LogitMse.of(logits, &kept).unwrap(), 0.75);
    let logits = row([2.0, 1.0, 0.0]);
    let uniform = OutputDivergence::KlToUniform;
    close(
        uniform.of(logits.clone(), &Target::None).unwrap(),
        0.266_216_7,
    );
    let labels = OutputDivergence::CrossEntropyToLabel;
    let expected = -0.244_728_47_f32.ln();
    close(labels.of(logits, &label(1)).unwrap(), expected);
}

#[test]
fn fdr_takes_the_norm_and_not_its_square() {
    // Probabilities (0.75, 0.25) and (0.5, 0.5).
    let kept = Target::Logits(row([0.0, 0.0]));
    let logits = row([3.0_f32.ln(), 0.0]);
    let value = OutputDivergence::ProbL2.of(logits, &kept).unwrap();
    close(value, 0.125_f32.sqrt());
}

#[test]
fn the_gradient_of_fdr_is_finite_where_nothing_has_changed() {
    let device = Device::flex().autodiff();
    let logits = Tensor::<2>::from_data([[1.0, 2.0], [0.0, 3.0]], &device).require_grad();
    let kept = Target::Logits(Tensor::from_data([[1.0, 2.0], [0.0, 0.0]], &device));
    let value = OutputDivergence::ProbL2.of(logits.clone(), &kept).unwrap();
    let grads = value.backward();
    let gradient: Vec<f32> = logits.grad(&grads).unwrap().try_into_vec_as().unwrap();
    assert_eq!(gradient[..2], [0.0, 0.0]);
    assert!(gradient.iter().all(|value| value.is_finite()) && gradient[2] != 0.0);
}

#[test]
fn distillation_over_old_classes_only() {
    let classes = [0, 2, 3];
    let kept = of_classes(row([2.0, 99.0, 1.0, -1.0]), &classes).unwrap();
    let logits = of_classes(row([1.0, -7.0, 1.5, 0.0]), &classes).unwrap();
    let kl = OutputDivergence::KlToStored { temperature: 2.0 };
    let stored = Target::Logits(kept.clone());
    close(kl.of(logits.clone(), &stored).unwrap(), 0.086_742_42);
    let value = soft_cross_entropy(logits, &kept, 2.0).unwrap();
    close(value, 1.039_55);
    assert!(of_classes(row([1.0, 2.0]), &[2]).is_err());
    assert!(of_classes(row([1.0, 2.0]), &[]).is_err());
}

#[test]
fn bregman_divergences_by_hand() {
    let (p, q) = (vector([0.2, 0.3, 0.5]), vector([0.1, 0.6, 0.3]));
    let kl = |p: &Tensor<1>, q: &Tensor<1>| {
        let value = Generator::NegativeEntropy.divergence(p.clone(), q.clone());
        value.unwrap()
    };
    close(kl(&p, &q), 0.186_098_09);
    close(kl(&q, &p), 0.193_325_9);
    close(kl(&vector([0.4, 0.9]), &vector([0.5, 0.5])), 0.139_750_58);
    close(kl(&vector([0.0, 1.0]), &vector([0.5, 0.5])), 2.0_f32.ln());
    close(Generator::HalfSquaredNorm.divergence(p, q).unwrap(), 0.07);
    let quadratic = Generator::DiagonalQuadratic(vector([2.0, 0.5]));
    let value = quadratic.divergence(vector([1.0, -1.0]), vector([0.5, 1.0]));
    close(value.unwrap(), 1.25);
    assert!(matches!(
        quadratic.divergence(vector([1.0]), vector([0.5])),
        Err(ContinualError::Mismatch { .. })
    ));
}

#[test]
fn gaussians_by_hand() {
    let [mean, std] = [vector([0.3, -0.2]), vector([0.5, 1.0])];
    let [prior, prior_std] = [vector([0.0, 0.0]), vector([1.0, 2.0])];
    let value = gaussian_kl(mean.clone(), std, prior.clone(), prior_std);
    close(value.unwrap(), 0.686_294_4);
    assert!(gaussian_kl(mean, vector([1.0]), prior.clone(), prior).is_err());
}

/// `1/2 vec(D)^T (A (x) G) vec(D)`, entry by entry.
#[test]
fn a_kronecker_form_is_its_sum_over_entries() {
    let device = Device::flex();
    let (d, a) = (
        [[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]],
        [[2.0, 0.5], [0.5, 1.0]],
    );
    let g = [[1.0, 0.2, 0.0], [0.2, 2.0, -0.3], [0.0, -0.3, 0.5]];
    let mut expected = 0.0;
    for i in 0..2 {
        for k in 0..2 {
            for j in 0..3 {
                for l in 0..3 {
                    expected += 0.5 * d[i][j] * a[i][k] * g[j][l] * d[k][l];
                }
            }
        }
    }
    let [d, a, g] = [
        Tensor::<2>::from_data(d, &device),
        Tensor::from_data(a, &device),
        Tensor::from_data(g, &device),
    ];
    close(kronecker(d.clone(), a.clone(), g).unwrap(), expected);
    assert!(kronecker(d, a.clone(), a).is_err());
}

#[test]
fn what_does_not_fit_is_an_error() {
    let kept = Target::Logits(row([1.0, 2.0]));
    for (divergence, target) in [
        (OutputDivergence::LogitMse, &label(0)),
        (OutputDivergence::LogitMse, &Target::None),
        (OutputDivergence::CrossEntropyToLabel, &kept),
        (OutputDivergence::ProbL2, &kept),
        (OutputDivergence::KlToStored { temperature: 0.0 }, &kept),
    ] {
        let value = divergence.of(row([1.0, 2.0, 3.0]), target);
        assert!(value.is_err(), "{divergence:?}");
    }
    let cold = OutputDivergence::KlToStored {
        temperature: f64::NAN,
    };
    assert!(cold.of(row([1.0, 2.0]), &kept).is_err());
}

proptest! {
    #[test]
    fn a_divergence_is_never_negative_and_zero_at_itself(
        p in prop::collection::vec(0.01_f32..5.0, 4),
        q in prop::collection::vec(0.01_f32..5.0, 4),
        f in prop::collection::vec(0.0_f32..5.0, 4),
    ) {
        let tensor = |values: &[f32]| Tensor::<1>::from_data(values, &Device::flex());
        let generators = [
            Generator::NegativeEntropy,
            Generator::HalfSquaredNorm,
            Generator::DiagonalQuadratic(tensor(&f)),
        ];
        for generator in generators {
            let apart = generator.divergence(tensor(&p), tensor(&q)).unwrap();
            prop_assert!(apart.into_scalar::<f32>() >= -1e-5);
            let same = generator.divergence(tensor(&p), tensor(&p)).unwrap();
            prop_assert!(same.into_scalar::<f32>().abs() < 1e-5);
        }
    }
}
