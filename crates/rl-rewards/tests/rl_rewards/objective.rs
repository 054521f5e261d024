//! Objectives: the check values of the catalogue, gradients, and what may change nothing.

use burn::tensor::{Bool, DType, Device, Tensor, TensorData};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use regimen_rl_rewards::{
    Advantages, Aggregation, Clip, ClipCov, Denominator, Divergence, DynamicSampling, Filled,
    Groups, KlCov, KlEstimator, KlGradient, KlTerm, Level, LogWeights, Measured, Metrics, Mismatch,
    MismatchLevel, Objective, Outside, PolicyLoss, RlRewardsError, TokenBatch, TokenMask, Totals,
    ValueLoss,
};

pub(crate) fn device() -> Device {
    Device::flex().autodiff()
}

pub(crate) fn matrix(values: &[f64], rows: usize) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [rows, values.len() / rows]);
    Tensor::from_data(data, (&device(), DType::F64))
}

pub(crate) fn whole(rows: usize, tokens: usize) -> TokenBatch {
    let mask = TokenMask::of_lengths(&vec![tokens; rows], tokens).unwrap();
    TokenBatch::of_mask(&mask, &device())
}

fn batch(lengths: &[usize], tokens: usize) -> TokenBatch {
    TokenBatch::of_mask(&TokenMask::of_lengths(lengths, tokens).unwrap(), &device())
}

#[track_caller]
pub(crate) fn near(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 6e-8_f64.max(6e-8 * expected.abs()),
        "{found} is not {expected}"
    );
}

#[track_caller]
pub(crate) fn all_near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).for_each(|(a, b)| near(*a, *b));
}

/// Value and gradient with respect to the log-probabilities.
pub(crate) fn both(
    log_probs: Tensor<2>,
    of: impl FnOnce(Tensor<2>) -> Tensor<1>,
) -> (f64, Vec<f64>) {
    let log_probs = log_probs.require_grad();
    let loss = of(log_probs.clone());
    let grads = loss.backward();
    let gradient = log_probs
        .grad(&grads)
        .unwrap()
        .try_into_vec_as::<f64>()
        .unwrap();
    (loss.into_scalar::<f64>(), gradient)
}

/// One token of a ratio and an advantage.
fn token(objective: Objective, ratio: f64, advantage: f64) -> (f64, f64) {
    sequence(objective, &[ratio.ln()], advantage, 0.0).map(|(loss, gradient)| (loss, gradient[0]))
}

/// One sequence of log ratios with one advantage, at old log-probabilities such that all new ones are `at`.
fn sequence(objective: Objective, logs: &[f64], advantage: f64, at: f64) -> Found {
    let old: Vec<f64> = logs.iter().map(|log| at - log).collect();
    let batch = whole(1, logs.len()).with_old(matrix(&old, 1)).unwrap();
    let advantages = Advantages::of_responses(vec![advantage]).unwrap();
    Found(both(matrix(&vec![at; logs.len()], 1), |lp| {
        objective.loss(lp, &batch, &advantages).unwrap().0
    }))
}

struct Found((f64, Vec<f64>));

impl Found {
    fn map<T>(self, of: impl FnOnce((f64, Vec<f64>)) -> T) -> T {
        of(self.0)
    }
}

#[test]
fn the_clip() {
    let plain = Objective::ppo();
    let cases = [
        (1.5, 1.0, -1.2, -1.28),
        (1.5, -1.0, 1.5, 1.5),
        (0.5, 1.0, -0.5, -0.5),
        (0.5, -1.0, 0.8, 0.8),
        (1.1, 2.0, -2.2, -2.2),
        (1.25, 1.0, -1.2, -1.25),
    ];
    for (ratio, advantage, expected, higher) in cases {
        let (loss, gradient) = token(plain, ratio, advantage);
        near(loss, expected);
        near(token(Objective::dapo(), ratio, advantage).0, higher);
        // The gradient is that of -A rho, or none where the clipped branch is the larger one.
        let unclipped = -advantage * ratio;
        near(
            gradient,
            if (loss - unclipped).abs() < 1e-9 {
                unclipped
            } else {
                0.0
            },
        );
    }
    let dual = plain.with_dual(3.0).unwrap();
    near(token(dual, 5.0, -1.0).0, 3.0);
    near(token(dual, 5.0, -1.0).1, 0.0);
    near(token(plain, 5.0, -1.0).0, 5.0);
    near(token(dual, 2.0, -1.0).0, 2.0);
    near(token(dual, 5.0, 1.0).0, -1.2);
    let most = plain.with_most(1.4).unwrap();
    near(token(most, 2.0, -1.0).0, 1.4);
    near(token(most, 2.0, -1.0).1, 0.0);
    near(token(most, 0.5, 1.0).0, -0.5);
}

#[test]
fn at_ratio_one_every_clip_is_inactive() {
    for (name, objective) in named() {
        let (_, gradient) = token(objective, 1.0, 2.0);
        // SAPO's gate has a slope of 1 there as well: 4 sigmoid(0) (1 - sigmoid(0)).
        let divisor = match name {
            "dr_grpo" => 8.0,
            "ratio" => 3.0,
            _ => 1.0,
        };
        near(gradient, -2.0 / divisor);
        let batch = whole(2, 3);
        let advantages = Advantages::of_responses(vec![1.0, -1.0]).unwrap();
        let (_, metrics) = objective
            .loss(matrix(&[-1.0; 6], 2), &batch, &advantages)
            .unwrap();
        let seen = metrics.read().unwrap();
        assert_eq!(
            (seen.clipped_above, seen.clipped_below),
            (0.0, 0.0),
            "{name}"
        );
        assert_eq!(
            (seen.ratio, seen.largest_ratio, seen.tokens),
            (1.0, 1.0, 6.0)
        );
        assert_eq!((seen.old_k1, seen.old_k3), (0.0, 0.0));
    }
}

pub(crate) fn named() -> Vec<(&'static str, Objective)> {
    vec![
        ("reinforce", Objective::reinforce()),
        ("gpg", Objective::gpg()),
        ("ppo", Objective::ppo()),
        ("grpo", Objective::grpo()),
        ("bnpo", Objective::bnpo()),
        ("dr_grpo", Objective::dr_grpo(8).unwrap()),
        ("dapo", Objective::dapo()),
        ("dual", Objective::dapo().with_dual(3.0).unwrap()),
        ("delta", Objective::dapo().with_most(3.0).unwrap()),
        ("rloo", Objective::rloo()),
        ("gspo", Objective::gspo()),
        ("gspo_token", Objective::gspo_token()),
        ("luspo", Objective::luspo()),
        ("cispo", Objective::cispo()),
        (
            "cispo of verl",
            Objective::cispo()
                .with_policy(PolicyLoss::Cispo { clip: Clip::HIGHER })
                .unwrap(),
        ),
        ("sapo", Objective::sapo()),
        ("gmpo", Objective::gmpo()),
        ("clip_cov", Objective::clip_cov()),
        ("kl_cov", Objective::kl_cov()),
        (
            "ratio",
            Objective::new(PolicyLoss::Ratio, Level::Token, Aggregation::Sum(3.0)).unwrap(),
        ),
        (
            "dro",
            Objective::gpg()
                .with_policy(PolicyLoss::Dro { beta: 0.5 })
                .unwrap(),
        ),
        (
            "dppo",
            Objective::dppo(Divergence::TotalVariation, 0.05, 0.1).unwrap(),
        ),
        (
            "dppo of kl",
            Objective::dppo(Divergence::Kl, 0.01, 0.02).unwrap(),
        ),
        ("vespo", Objective::vespo()),
    ]
}

#[test]
fn value_functions() {
    let loss = |value: f64, old: f64, r: f64| {
        let found = ValueLoss::default().loss(
            matrix(&[value], 1),
            matrix(&[old], 1),
            matrix(&[r], 1),
            &whole(1, 1),
        );
        found.unwrap().into_scalar::<f64>()
    };
    near(loss(1.0, 0.5, 2.0), 0.845);
    near(loss(0.6, 0.5, 2.0), 0.98);
    near(loss(1.0, 0.5, 0.0), 0.5);
    let free = ValueLoss::new(None).unwrap();
    let found = free
        .loss(
            matrix(&[1.0], 1),
            matrix(&[0.5], 1),
            matrix(&[2.0], 1),
            &whole(1, 1),
        )
        .unwrap();
    near(found.into_scalar::<f64>(), 0.5);
}

#[test]
fn estimators_of_kl() {
    let of = |estimator: KlEstimator, d: f64| {
        both(matrix(&[d], 1), |lp| {
            estimator.values(lp, matrix(&[0.0], 1)).sum()
        })
    };
    let cases = [
        (KlEstimator::K1, 0.5, 0.5),
        (KlEstimator::K2, 0.5, 0.125),
        (KlEstimator::Absolute, -0.5, 0.5),
        (KlEstimator::K3, 0.5, 0.1065306597),
        (KlEstimator::K3, -0.5, 0.1487212707),
        (KlEstimator::K3, 2.0, 1.1353352832),
        (KlEstimator::K3, -2.0, 4.3890560989),
    ];
    for (estimator, d, expected) in cases {
        let (value, gradient) = of(estimator, d);
        near(value, expected);
        let slope = match estimator {
            KlEstimator::K1 => 1.0,
            KlEstimator::Absolute => d.signum(),
            KlEstimator::K2 => d,
            KlEstimator::K3 => 1.0 - (-d).exp(),
        };
        near(gradient[0], slope);
    }
    // The three of Tülu's PPO.
    for (d, k2, k3) in [
        (0.1, 0.005, 0.00483742),
        (-0.1, 0.005, 0.00517092),
        (0.3, 0.045, 0.04081822),
    ] {
        near(of(KlEstimator::K2, d).0, k2);
        near(of(KlEstimator::K3, d).0, k3);
    }
}

/// Values and gradients in expectation over three outcomes: what is unbiased and what is not.
#[test]
fn estimators_of_kl_in_expectation() {
    let (p, q) = ([0.5_f64, 0.3, 0.2], [0.3_f64, 0.3, 0.4]);
    let logits = || matrix(&p.map(f64::ln), 1);
    let of = |estimator: KlEstimator, samples: [f64; 3], gradient: KlGradient, importance: bool| {
        let reference = q.map(f64::ln);
        both(logits(), |logits| {
            let lp = burn::tensor::activation::log_softmax(logits, 1).reshape([3, 1]);
            let mut kl = KlTerm::new(1.0)
                .unwrap()
                .with_estimator(estimator)
                .with_gradient(gradient);
            if importance {
                kl = kl.with_importance();
            }
            let batch = whole(3, 1)
                .with_reference(matrix(&reference, 3))
                .unwrap()
                .with_old(matrix(&samples.map(f64::ln), 3))
                .unwrap();
            // Each outcome as often as it is sampled: its weight.
            let objective = Objective::reinforce()
                .with_kl(kl)
                .with_aggregation(Aggregation::Sum(1.0))
                .unwrap();
            let advantages = Advantages::of_responses(vec![0.0; 3]).unwrap();
            let mut sum = Tensor::zeros([1], (&device(), DType::F64));
            let batch = batch.with_totals(Totals::new(1, 1).unwrap());
            for (row, weight) in samples.iter().enumerate() {
                let part = batch.rows(row..row + 1).unwrap();
                let lp = lp.clone().narrow(0, row, 1);
                let one = advantages.rows(row..row + 1).unwrap();
                sum = sum + objective.loss(lp, &part, &one).unwrap().0 * *weight;
            }
            sum
        })
    };
    let own = |estimator| of(estimator, p, KlGradient::Own, false);
    let exact = [0.19702112, -0.03503501, -0.16198611];
    near(own(KlEstimator::K1).0, 0.1167833758);
    near(own(KlEstimator::K3).0, 0.1167833758);
    near(own(KlEstimator::K2).0, 0.1132810059);
    all_near(&own(KlEstimator::K1).1, &[0.0; 3]);
    all_near(&own(KlEstimator::K2).1, &exact);
    all_near(&own(KlEstimator::K3).1, &[0.2, 0.0, -0.2]);
    for estimator in [KlEstimator::K1, KlEstimator::K3] {
        let (value, gradient) = of(estimator, p, KlGradient::K2, false);
        near(value, 0.1167833758);
        all_near(&gradient, &exact);
        // With the ratio, the value's own gradient is right, also on samples of an older policy.
        let old = [0.4, 0.4, 0.2];
        for samples in [p, old] {
            let (value, gradient) = of(estimator, samples, KlGradient::Own, true);
            near(value, 0.1167833758);
            all_near(&gradient, &exact);
        }
    }
    let old = [0.4, 0.4, 0.2];
    all_near(
        &of(KlEstimator::K1, old, KlGradient::Own, false).1,
        &[-0.1, 0.1, 0.0],
    );
}

#[test]
fn aggregations() {
    let losses = [1.0, 3.0, 0.0, 0.0, 2.0, 2.0, 2.0, 6.0];
    let of = |aggregation| {
        let objective = Objective::reinforce()
            .with_aggregation(aggregation)
            .unwrap();
        let advantages = Advantages::of_responses(vec![-1.0, -1.0]).unwrap();
        let (loss, _) = objective
            .loss(matrix(&losses, 2), &batch(&[2, 4], 4), &advantages)
            .unwrap();
        loss.into_scalar::<f64>()
    };
    near(of(Aggregation::SequenceMeanTokenMean), 2.5);
    near(of(Aggregation::TokenMean), 8.0 / 3.0);
    near(of(Aggregation::MaxLength(8)), 1.0);
    near(of(Aggregation::SequenceMeanTokenSum), 8.0);
    near(of(Aggregation::Sum(8.0)), 2.0);
}

#[test]
fn ratios_of_sequences() {
    let logs = [0.1, -0.1, 0.2, 0.4];
    let s = 1.1618342427;
    let wide = Objective::gspo().with_clip(Clip::new(1.0, 9.0).unwrap());
    let (loss, gradient) = sequence(wide, &logs, 1.0, -0.5).0;
    near(loss, -s);
    all_near(&gradient, &[-s / 4.0; 4]);
    let (loss, gradient) = sequence(wide.with_level(Level::SequenceToken), &logs, 1.0, -0.5).0;
    near(loss, -s);
    all_near(&gradient, &[-s / 4.0; 4]);
    near(sequence(Objective::gspo(), &logs, 1.0, -0.5).0.0, -1.0004);
    near(
        sequence(wide.with_level(Level::SequenceSum), &logs, 1.0, -0.5)
            .0
            .0,
        -1.8221188004,
    );
    near(sequence(wide, &[-0.3, 0.1], -1.0, -0.5).0.0, 0.9048374180);
    near(
        sequence(Objective::gspo(), &[-0.3, 0.1], -1.0, -0.5).0.0,
        0.9997,
    );
    // One token: GSPO is GRPO.
    let grpo = Objective::grpo().with_clip(Clip::GSPO);
    for log in [-0.2, 0.0001, 0.3] {
        let (one, two) = (
            sequence(grpo, &[log], 1.0, -0.5).0,
            sequence(Objective::gspo(), &[log], 1.0, -0.5).0,
        );
        near(one.0, two.0);
        all_near(&one.1, &two.1);
    }
}

#[test]
fn gates_and_caps() {
    let logs = [0.1, -0.1, 0.2, 0.8];
    near(
        sequence(Objective::gmpo(), &logs, 1.0, -0.5).0.0,
        -1.1618342427,
    );
    near(
        sequence(Objective::gmpo(), &logs, -1.0, -0.5).0.0,
        1.2840254167,
    );
    // The token beyond the clip has no gradient where the advantage is above 0.
    near(sequence(Objective::gmpo(), &logs, 1.0, -0.5).0.1[3], 0.0);
    let sapo = [
        (1.0, 1.0, -2.0),
        (1.5, 1.0, -2.4898373),
        (1.5, -1.0, 2.3935855),
        (0.5, 1.0, -1.5101627),
        (0.5, -1.0, 1.4159383),
    ];
    for (ratio, advantage, expected) in sapo {
        near(
            token(
                Objective::sapo()
                    .with_policy(PolicyLoss::Sapo {
                        positive: 1.0,
                        negative: 1.05,
                    })
                    .unwrap(),
                ratio,
                advantage,
            )
            .0,
            expected,
        );
    }
    let verl = Objective::cispo()
        .with_policy(PolicyLoss::Cispo { clip: Clip::HIGHER })
        .unwrap();
    for (objective, weight) in [(Objective::cispo(), 5.0), (verl, 1.28)] {
        let (loss, gradient) = sequence(objective, &[7.0_f64.ln()], 1.0, -0.5).0;
        near(loss, 0.5 * weight);
        all_near(&gradient, &[-weight]);
    }
}

#[test]
fn token_mean_is_the_same_for_every_split() {
    let log_probs = matrix(&[0.0; 6], 2);
    let advantages = Advantages::of_responses(vec![1.0, -1.0]).unwrap();
    let all = batch(&[1, 3], 3);
    let whole = Objective::dapo()
        .loss(log_probs.clone(), &all, &advantages)
        .unwrap()
        .0;
    near(whole.into_scalar::<f64>(), 0.5);
    let all = all.clone().with_totals(all.count().unwrap());
    let of = |objective: Objective, row: usize| {
        let part = all.rows(row..row + 1).unwrap();
        let (loss, _) = objective
            .loss(
                log_probs.clone().narrow(0, row, 1),
                &part,
                &advantages.rows(row..row + 1).unwrap(),
            )
            .unwrap();
        loss.into_scalar::<f64>()
    };
    near(of(Objective::dapo(), 0) + of(Objective::dapo(), 1), 0.5);
    // BNPO divides each micro-batch by its own tokens: the mean of the two is another number.
    near(of(Objective::bnpo(), 0) + of(Objective::bnpo(), 1), 0.0);
}

#[test]
fn a_micro_batch_without_the_totals_of_its_step_is_refused() {
    let error = batch(&[1, 3], 3).rows(0..1).unwrap_err().to_string();
    assert!(error.contains("totals"), "{error}");
}

#[test]
fn the_end_token_counts() {
    let lp = [-0.5, -1.0, -0.3];
    let of = |length: usize| {
        let objective = Objective::reinforce()
            .with_aggregation(Aggregation::SequenceMeanTokenMean)
            .unwrap();
        let advantages = Advantages::of_responses(vec![-1.0]).unwrap();
        both(matrix(&lp, 1), |lp| {
            objective
                .loss(lp, &batch(&[length], 3), &advantages)
                .unwrap()
                .0
        })
    };
    near(of(3).0, -0.6);
    near(of(2).0, -0.75);
    assert!(of(3).1[2] > 0.0 && of(2).1[2] == 0.0);
}

#[test]
fn what_is_missing_is_named() {
    let advantages = Advantages::of_responses(vec![1.0]).unwrap();
    let loss = |objective: Objective| {
        objective
            .loss(matrix(&[-1.0], 1), &whole(1, 1), &advantages)
            .unwrap_err()
            .to_string()
    };
    assert!(loss(Objective::grpo().with_kl(KlTerm::new(0.1).unwrap())).contains("`reference`"));
    assert!(loss(Objective::grpo().with_entropy(0.1).unwrap()).contains("`entropy`"));
    let wrong = Advantages::of_responses(vec![1.0, 2.0]).unwrap();
    assert!(
        Objective::grpo()
            .loss(matrix(&[-1.0], 1), &whole(1, 1), &wrong)
            .is_err()
    );
}

#[test]
fn a_loss_that_is_not_finite_is_an_error_where_metrics_are_read() {
    let advantages = Advantages::of_responses(vec![1.0]).unwrap();
    let (_, metrics) = Objective::grpo()
        .loss(matrix(&[f64::NAN, -1.0], 1), &whole(1, 2), &advantages)
        .unwrap();
    assert_eq!(
        metrics.read().unwrap_err(),
        RlRewardsError::NotFinite { what: "loss" }
    );
}

#[test]
fn metrics_of_micro_batches_add_up() {
    let log_probs = matrix(&[-1.0, -2.0, -0.5, -1.5], 2);
    let all = batch(&[2, 1], 2)
        .with_old(matrix(&[-1.5, -1.8, -0.6, 9.0], 2))
        .unwrap();
    let all = all
        .with_reference(matrix(&[-1.0, -1.0, -1.0, f64::NAN], 2))
        .unwrap()
        .with_entropy(matrix(&[0.5, 1.5, 1.0, f64::NAN], 2))
        .unwrap();
    let all = all.clone().with_totals(all.count().unwrap());
    let objective = Objective::dapo()
        .with_kl(KlTerm::new(0.1).unwrap())
        .with_entropy(0.01)
        .unwrap();
    let advantages = Advantages::of_responses(vec![1.0, -1.0]).unwrap();
    let whole = objective
        .loss(log_probs.clone(), &all, &advantages)
        .unwrap()
        .1
        .read()
        .unwrap();
    let part = |row: usize| -> Metrics {
        let lp = log_probs.clone().narrow(0, row, 1);
        objective
            .loss(
                lp,
                &all.rows(row..row + 1).unwrap(),
                &advantages.rows(row..row + 1).unwrap(),
            )
            .unwrap()
            .1
    };
    let merged: Measured = part(0).merge(part(1)).read().unwrap();
    for (a, b) in [
        (whole.loss, merged.loss),
        (whole.policy_loss, merged.policy_loss),
        (whole.ratio, merged.ratio),
        (whole.largest_ratio, merged.largest_ratio),
        (whole.reference_kl, merged.reference_kl),
        (whole.old_k1, merged.old_k1),
    ] {
        near(a, b);
    }
    near(whole.entropy, 1.0);
    near(whole.clipped_above, 1.0 / 3.0);
    near(whole.largest_ratio, 0.5_f64.exp());
}

#[test]
fn half_precision_is_taken_as_f32() {
    let lp = matrix(&[-1.0, -2.0], 1).cast(DType::BF16);
    let batch = whole(1, 2)
        .with_old(matrix(&[-1.25, -2.0], 1).cast(DType::BF16))
        .unwrap();
    let advantages = Advantages::of_responses(vec![1.0]).unwrap();
    let (loss, _) = Objective::ppo()
        .with_clip(Clip::new(0.2, 9.0).unwrap())
        .loss(lp, &batch, &advantages)
        .unwrap();
    assert_eq!(loss.dtype(), DType::F32);
    assert!((loss.into_scalar::<f64>() + (0.25_f64.exp() + 1.0) / 2.0).abs() < 1e-6);
}

#[test]
fn tokens_of_high_covariance() {
    // Covariances: (A - 0)(lp - mean), mean -1.5.
    let log_probs = matrix(&[-0.1, -3.0, -0.5, -2.4], 2);
    let advantages = Advantages::of_responses(vec![2.0, -2.0]).unwrap();
    let batch = whole(2, 2);
    let picked = KlCov::new(0.25)
        .unwrap()
        .select(&log_probs, &batch, &advantages)
        .unwrap();
    assert_eq!(
        picked.clone().into_data().try_to_vec::<bool>().unwrap(),
        [true, false, false, false]
    );
    let of = |objective: Objective, batch: &TokenBatch| {
        both(log_probs.clone(), |lp| {
            objective.loss(lp, batch, &advantages).unwrap().0
        })
    };
    let old = matrix(&[-0.2, -3.0, -0.5, -2.4], 2);
    let chosen = batch
        .clone()
        .with_old(old.clone())
        .unwrap()
        .with_selected(picked)
        .unwrap();
    let plain = batch.clone().with_old(old).unwrap();
    let (with, without) = (
        of(Objective::kl_cov(), &chosen),
        of(Objective::kl_cov(), &plain),
    );
    near(with.0 - without.0, 0.1 / 4.0);
    near(with.1[0] - without.1[0], 1.0 / 4.0);
    // Clip-Cov: both tokens within the bounds, whatever the draw.
    let mut rng = StdRng::seed_from_u64(0);
    let all = ClipCov::new(1.0, 1.0, 5.0).unwrap();
    let picked = all
        .select(&log_probs, &batch, &advantages, &mut rng)
        .unwrap();
    assert_eq!(
        picked.clone().into_data().try_to_vec::<bool>().unwrap(),
        [true, false, false, true]
    );
    let one = ClipCov::default()
        .select(&log_probs, &batch, &advantages, &mut rng)
        .unwrap();
    assert_eq!(
        one.into_data()
            .try_to_vec::<bool>()
            .unwrap()
            .iter()
            .filter(|p| **p)
            .count(),
        1
    );
    let (loss, gradient) = of(
        Objective::clip_cov(),
        &batch.clone().with_selected(picked).unwrap(),
    );
    near(loss, 0.0);
    all_near(&gradient, &[0.0, -0.5, 0.5, 0.0]);
}

#[test]
fn corrections_for_another_sampler() {
    let old = || matrix(&[-1.0, -2.0, -1.0, 5.0], 2);
    let sampler = || matrix(&[-2.0, -1.0, -1.5, f64::NAN], 2);
    let batch = batch(&[2, 1], 2);
    let of = |level, outside, low, high| {
        let mismatch = Mismatch::new(level, outside)
            .with_bounds(low, high)
            .unwrap();
        let found = mismatch.correct(old(), sampler(), &batch).unwrap();
        let kept = found.kept.into_data().try_to_vec::<bool>().unwrap();
        (found.weights.try_into_vec_as::<f64>().unwrap(), kept)
    };
    let (e, half) = (1.0_f64.exp(), 0.5_f64.exp());
    use MismatchLevel::{Sequence, SequenceMean, Token};
    all_near(
        &of(Token, Outside::Truncate, None, Some(2.0)).0,
        &[2.0, 1.0 / e, half, 1.0],
    );
    all_near(
        &of(Token, Outside::Truncate, Some(0.5), None).0,
        &[e, 0.5, half, 1.0],
    );
    all_near(
        &of(Token, Outside::Mask, Some(0.5), Some(2.0)).0,
        &[0.0, 0.0, half, 1.0],
    );
    all_near(
        &of(Token, Outside::Reject, Some(0.5), Some(2.0)).0,
        &[0.0, 0.0, 1.0, 1.0],
    );
    assert_eq!(
        of(Token, Outside::Reject, Some(0.5), Some(2.0)).1,
        [false, false, true, true]
    );
    // The first sequence's differences cancel.
    all_near(
        &of(Sequence, Outside::Truncate, None, Some(1.5)).0,
        &[1.0, 1.0, 1.5, 1.0],
    );
    all_near(
        &of(SequenceMean, Outside::Mask, None, Some(1.5)).0,
        &[1.0, 1.0, 0.0, 1.0],
    );
    // Far apart: the logarithm is cut, no infinity.
    let far = Mismatch::new(Sequence, Outside::Truncate)
        .with_bounds(None, None)
        .unwrap();
    let found = far
        .correct(
            matrix(&[0.0, 0.0], 1),
            matrix(&[-900.0, -900.0], 1),
            &whole(1, 2),
        )
        .unwrap();
    all_near(
        &found.weights.try_into_vec_as::<f64>().unwrap(),
        &[20.0_f64.exp(); 2],
    );
    // An unknown log-probability of the sampler: no correction.
    let unknown = Mismatch::new(Token, Outside::Mask).correct(
        matrix(&[-1.0], 1),
        matrix(&[f64::NAN], 1),
        &whole(1, 1),
    );
    all_near(
        &unknown.unwrap().weights.try_into_vec_as::<f64>().unwrap(),
        &[1.0],
    );
    // Rejected tokens leave the denominators only where the mask says so.
    let found = Mismatch::new(Token, Outside::Reject)
        .correct(old(), sampler(), &batch)
        .unwrap();
    assert_eq!(
        batch
            .clone()
            .with_kept(found.kept)
            .unwrap()
            .count()
            .unwrap(),
        Totals::new(2, 2).unwrap()
    );
}

#[test]
fn weights_in_the_domain_of_logarithms() {
    let of = |logs: &[f64]| LogWeights::new(logs).unwrap();
    let none = f64::NEG_INFINITY;
    let weights = of(&[-1000.0, -1001.0, none]);
    all_near(weights.values(), &[0.73105858, 0.26894142, 0.0]);
    near(weights.effective(), 1.64805427);
    assert!(!weights.is_uniform());
    let silent = of(&[none, none]);
    assert_eq!(
        (silent.values(), silent.is_uniform()),
        ([0.5, 0.5].as_slice(), true)
    );
    let half = 0.5_f64.ln();
    assert_eq!(
        of(&[none, half, none, half]).systematic(4, 0.0).unwrap(),
        [1, 1, 3, 3]
    );
    assert!(LogWeights::new(&[]).is_err() && LogWeights::new(&[f64::NAN]).is_err());
}

#[test]
fn batches_are_filled_with_groups_that_say_something() {
    let sampling = DynamicSampling::new(2).unwrap().with_rounds(3).unwrap();
    let round = Groups::of_size(vec![1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0], 2).unwrap();
    assert_eq!(sampling.keep(&round, 0), [1, 3]);
    assert_eq!(sampling.keep(&round, 1), [1]);
    let states = [(1, 1), (1, 3), (2, 1)].map(|(kept, rounds)| sampling.filled(kept, rounds));
    assert_eq!(states, [Filled::NotYet, Filled::GaveUp, Filled::Full]);
}

/// Two-length answers, as the catalogue's simulator (c): which aggregation prefers short right answers and long wrong ones. The gradient on
/// the length is compared, not a run: with token means a token of a long wrong answer weighs a tenth.
#[test]
fn the_mean_of_token_means_spares_long_wrong_answers() {
    let share = |objective: Objective| {
        let advantages = Advantages::of_responses(vec![-1.0, -1.0]).unwrap();
        let batch = batch(&[5, 50], 50);
        let (_, gradient) = both(matrix(&[-1.0; 100], 2), |lp| {
            objective.loss(lp, &batch, &advantages).unwrap().0
        });
        gradient[50] / gradient[0]
    };
    near(share(Objective::grpo()), 0.1);
    near(share(Objective::dapo()), 1.0);
    near(share(Objective::dr_grpo(50).unwrap()), 1.0);
}

fn strategy() -> impl Strategy<Value = Sample> {
    let values = |n| prop::collection::vec(-2.0_f64..0.0, n);
    (
        values(12),
        values(12),
        values(12),
        prop::collection::vec(-1.0_f64..1.0, 12),
        prop::collection::vec(0_usize..5, 3),
    )
        .prop_map(|(new, old, reference, advantages, lengths)| Sample {
            new,
            old,
            reference,
            advantages,
            lengths,
        })
}

#[derive(Clone, Debug)]
struct Sample {
    new: Vec<f64>,
    old: Vec<f64>,
    reference: Vec<f64>,
    advantages: Vec<f64>,
    lengths: Vec<usize>,
}

impl Sample {
    /// The rows in this order, with so many tokens of padding of any value.
    fn arranged(&self, order: &[usize], more: usize) -> (Tensor<2>, TokenBatch, Advantages) {
        let tokens = 4 + more;
        let pad = |values: &[f64], with: f64| -> Vec<f64> {
            let row = |i: &usize| {
                let row = values[i * 4..i * 4 + 4].to_vec();
                row.into_iter()
                    .chain(std::iter::repeat_n(with, more))
                    .collect::<Vec<_>>()
            };
            order.iter().flat_map(row).collect()
        };
        let lengths: Vec<usize> = order.iter().map(|i| self.lengths[*i]).collect();
        let of = |values, with| matrix(&pad(values, with), order.len());
        let odd: Vec<bool> = (0..12).map(|i| i % 3 == 0).collect();
        let odd = pad(
            &odd.iter()
                .map(|s| f64::from(u8::from(*s)))
                .collect::<Vec<_>>(),
            1.0,
        );
        let selected: Vec<bool> = odd.iter().map(|s| *s > 0.0).collect();
        let selected = Tensor::<2, Bool>::from_data(
            TensorData::new(selected, [order.len(), tokens]),
            &device(),
        );
        let batch = batch(&lengths, tokens)
            .with_old(of(&self.old, f64::NAN))
            .unwrap();
        let batch = batch
            .with_reference(of(&self.reference, f64::INFINITY))
            .unwrap();
        let batch = batch
            .with_weights(of(&self.reference, f64::NAN))
            .unwrap()
            .with_selected(selected)
            .unwrap();
        let batch = batch.with_entropy(of(&self.old, f64::NAN)).unwrap();
        let advantages = Advantages::of_tokens(pad(&self.advantages, 9.0), tokens).unwrap();
        (of(&self.new, f64::NAN), batch, advantages)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Every objective with every aggregation: micro-batches sum to the whole, padding and order change nothing, in value and gradient.
    #[test]
    fn the_step_decides_and_not_how_it_is_cut(sample in strategy(), more in 1_usize..4, cut in 1_usize..3) {
        prop_assume!(sample.lengths.iter().any(|n| *n > 0));
        let aggregations = [
            Aggregation::TokenMean,
            Aggregation::SequenceMeanTokenMean,
            Aggregation::SequenceMeanTokenSum,
            Aggregation::MaxLength(6),
            Aggregation::Sum(5.0),
        ];
        let kl = KlTerm::new(0.1).unwrap().with_importance();
        for (name, objective) in named() {
            for aggregation in aggregations {
                let objective = objective.with_denominator(Denominator::Step).with_kl(kl).with_entropy(0.1).unwrap();
                let objective = objective.with_aggregation(aggregation).unwrap();
                let of = |order: &[usize], more| {
                    let (lp, batch, advantages) = sample.arranged(order, more);
                    let (loss, gradient) = both(lp, |lp| objective.loss(lp, &batch, &advantages).unwrap().0);
                    (loss, gradient)
                };
                let (loss, gradient) = of(&[0, 1, 2], 0);
                prop_assert!(loss.is_finite(), "{name} {aggregation:?}");
                let (padded, wide) = of(&[0, 1, 2], more);
                near(padded, loss);
                let narrow: Vec<f64> = wide.chunks(4 + more).flat_map(|row| row[..4].to_vec()).collect();
                all_near(&narrow, &gradient);
                let (turned, rows) = of(&[2, 0, 1], 0);
                near(turned, loss);
                all_near(&[&rows[4..], &rows[..4]].concat(), &gradient);
                let (lp, batch, advantages) = sample.arranged(&[0, 1, 2], 0);
                let batch = batch.clone().with_totals(batch.count().unwrap());
                let (parts, pieces) = both(lp, |lp| {
                    let part = |rows: std::ops::Range<usize>| {
                        let lp = lp.clone().slice([rows.clone(), 0..4]);
                        objective.loss(lp, &batch.rows(rows.clone()).unwrap(), &advantages.rows(rows).unwrap()).unwrap().0
                    };
                    part(0..cut) + part(cut..3)
                });
                near(parts, loss);
                all_near(&pieces, &gradient);
            }
        }
    }
}
