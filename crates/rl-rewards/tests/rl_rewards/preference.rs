//! Losses of preferences: the check values of the catalogue, and gradients.

use burn::tensor::{Bool, Device, Tensor, TensorData};
use regimen_rl_rewards::{
    Aot, ApoDown, ApoZero, Bco, BcoShift, Cpo, DiscoPop, Dpo, DpoLoss, Exo, FDivergence, Ipo, Kto,
    Marked, Nca, Orpo, Pairs, Preference, Scored, SimPo, Sppo,
};
use regimen_tensor::Part;

use crate::objective::{all_near, both, matrix, near};

fn row(values: &[f64]) -> Tensor<1> {
    matrix(values, 1).reshape([values.len()])
}

fn scored(sums: &[f64], lengths: &[f64]) -> Scored {
    Scored::new(row(sums), row(lengths)).unwrap()
}

/// The catalogue's pair: c = 1, w = -0.5, lengths 5 and 4.
fn pair(chosen: Tensor<1>, rejected: Tensor<1>) -> Pairs {
    let of = |sums, length: f64| Scored::new(sums, row(&[length])).unwrap();
    let pairs = Pairs::new(of(chosen, 5.0), of(rejected, 4.0)).unwrap();
    pairs
        .with_reference(scored(&[-11.0], &[5.0]), scored(&[-11.5], &[4.0]))
        .unwrap()
}

/// Loss and gradient with respect to the sums of chosen and rejected.
fn found(preference: &impl Preference, chosen: f64, rejected: f64) -> (f64, Vec<f64>) {
    both(matrix(&[chosen, rejected], 2), |lp| {
        let of = |row| lp.clone().narrow(0, row, 1).reshape([1]);
        preference.loss(&pair(of(0), of(1))).unwrap()
    })
}

fn value(preference: &impl Preference) -> f64 {
    let (loss, gradient) = found(preference, -10.0, -12.0);
    // Central differences.
    let h = 1e-5;
    let slope = |a: f64, b: f64| {
        let loss = |s: f64| found(preference, -10.0 + s * a, -12.0 + s * b).0;
        (loss(h) - loss(-h)) / (2.0 * h)
    };
    for (found, expected) in gradient.iter().zip([slope(1.0, 0.0), slope(0.0, 1.0)]) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
    loss
}

fn dpo(loss: DpoLoss) -> Dpo {
    Dpo::new(0.1).unwrap().with_loss(loss).unwrap()
}

#[test]
fn values_of_the_catalogue() {
    near(value(&Dpo::new(0.1).unwrap()), 0.6209570478);
    near(value(&dpo(DpoLoss::Smoothed(0.1))), 0.6359570478);
    near(value(&dpo(DpoLoss::Robust(0.1))), 0.6022070478);
    near(value(&dpo(DpoLoss::Hinge)), 0.85);
    near(value(&Ipo::of_sums(0.1).unwrap()), 12.25);
    near(value(&Ipo::of_averages(0.1).unwrap()), 21.855625);
    near(
        value(&Dpo::new(5.0).unwrap().with_length_normalisation()),
        0.1797446354,
    );
    near(value(&Bco::new(0.1).unwrap()), 1.3128563081);
    near(value(&Exo::new(0.1, 0.1).unwrap()), 0.4313884572);
    near(value(&Nca::new(0.1).unwrap()), 1.3508248141);
    near(value(&Sppo::new(0.1).unwrap()), 36.25);
    near(value(&ApoZero::new(0.1).unwrap()), 0.9625234160);
    near(value(&ApoDown::new(0.1).unwrap()), 0.9875493421);
    near(value(&DiscoPop::new(0.1).unwrap()), 0.8493375793);
    let gradient = found(&Dpo::new(0.1).unwrap(), -10.0, -12.0).1;
    all_near(&gradient, &[-0.0462570155, 0.0462570155]);
    // CPO: the margin is of the policy alone.
    let expected = (1.0 + (-0.2_f64).exp()).ln();
    near(
        value(&Cpo::new(0.1).unwrap().with_alpha(0.0).unwrap()),
        expected,
    );
    near(value(&Cpo::new(0.1).unwrap()), expected + 2.0);
    near(
        value(&Cpo::new(0.1).unwrap().with_hinge().with_alpha(0.0).unwrap()),
        0.8,
    );
}

/// By hand: c = 1 and w = -.5 of the catalogue's pair.
#[test]
fn divergences_score_the_log_ratios() {
    let score = |divergence| {
        let pairs = pair(row(&[-10.0]), row(&[-12.0]));
        let pairs = pairs.with_divergence(divergence).unwrap();
        let (c, w) = pairs.scores().unwrap();
        [c, w].map(|one| one.sums().into_scalar::<f64>())
    };
    all_near(&score(FDivergence::ReverseKl), &[1.0, -0.5]);
    all_near(
        &score(FDivergence::ForwardKl),
        &[1.0 - (-1.0_f64).exp(), 1.0 - 0.5_f64.exp()],
    );
    let js = |u: f64| (2.0 * u.exp() / (u.exp() + 1.0)).ln();
    all_near(&score(FDivergence::JensenShannon), &[js(1.0), js(-0.5)]);
    let alpha = |a: f64, u: f64| (((a - 1.0) * u).exp() - 1.0) / (a - 1.0);
    for a in [-1.0, 0.5, 2.0, 1.0 + 1e-5] {
        let expected = [alpha(a, 1.0), alpha(a, -0.5)];
        let found = score(FDivergence::Alpha(a));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }
    // The two ends of alpha.
    all_near(&score(FDivergence::Alpha(1.0)), &[1.0, -0.5]);
    let ends = [FDivergence::Alpha(0.0), FDivergence::ForwardKl].map(score);
    all_near(&ends[0], &ends[1]);
    let pairs = pair(row(&[-10.0]), row(&[-12.0]));
    let pairs = pairs.with_divergence(FDivergence::ForwardKl).unwrap();
    assert!(Nca::new(0.1).unwrap().loss(&pairs).is_err());
}

#[test]
fn a_tail_counts_by_its_share() {
    let of = |values: &[f64], length: usize| {
        let mask: Vec<bool> = (0..values.len()).map(|at| at < length).collect();
        let shape = [1, values.len()];
        let mask = TensorData::new(mask, shape);
        let mask = Tensor::<2, Bool>::from_data(mask, &Device::flex());
        (matrix(values, values.len()).reshape(shape), mask)
    };
    let pair = |tail| {
        let long = of(&[-1.0, -2.0, -4.0, -8.0], 4);
        Scored::of_pair(long, of(&[-3.0, -5.0, -7.0, -7.0], 2), tail).unwrap()
    };
    for (tail, expected) in [(0.0, -3.0), (0.25, -6.0), (1.0, -15.0)] {
        let (chosen, rejected) = pair(tail);
        near(chosen.sums().into_scalar::<f64>(), expected);
        near(rejected.sums().into_scalar::<f64>(), -8.0);
    }
}

#[test]
fn without_a_reference() {
    let of = |means: [f64; 2]| {
        Pairs::new(scored(&means[..1], &[1.0]), scored(&means[1..], &[1.0])).unwrap()
    };
    let simpo = SimPo::new(2.0, 1.0)
        .unwrap()
        .loss(&of([-2.0, -3.0]))
        .unwrap();
    near(simpo.into_scalar::<f64>(), 0.3132616875);
    // Averages -2 and -3 of sums over 5 and 4 tokens.
    let pairs = Pairs::new(scored(&[-10.0], &[5.0]), scored(&[-12.0], &[4.0])).unwrap();
    near(Orpo::ratios(&pairs).into_scalar::<f64>(), 0.2887507843);
    near(
        Orpo::default().loss(&pairs).unwrap().into_scalar::<f64>(),
        2.0288750784,
    );
    value(&Orpo::default());
    value(&SimPo::new(2.0, 1.0).unwrap());
    // Rewards by the shape: averages -2 and -3.
    let shaped = SimPo::new(2.0, 1.0).unwrap().with_alpha(0.5).unwrap();
    value(&shaped);
    let reward = |average: f64| (1.0 - (-0.5 * average).exp()) / 0.5;
    let margin = 2.0 * (reward(-2.0) - reward(-3.0)) - 1.0;
    let loss = shaped.loss(&of([-2.0, -3.0])).unwrap().into_scalar::<f64>();
    near(loss, (-margin).exp().ln_1p());
    let identity = Cpo::new(0.5)
        .unwrap()
        .with_alpha(0.0)
        .unwrap()
        .with_identity();
    near(identity.loss(&pairs).unwrap().into_scalar::<f64>(), 0.0);
    // A policy that is certain: finite odds.
    let certain = Orpo::default()
        .loss(&of([0.0, -50.0]))
        .unwrap()
        .into_scalar::<f64>();
    assert!(certain.is_finite());
    let error = Dpo::new(0.1).unwrap().loss(&pairs).unwrap_err().to_string();
    assert!(error.contains("`reference`"), "{error}");
}

#[test]
fn at_a_margin_of_0() {
    let loss = |preference: &dyn Preference| {
        preference
            .loss(&pair(row(&[-11.0]), row(&[-11.5])))
            .unwrap()
            .into_scalar::<f64>()
    };
    near(loss(&Dpo::new(0.1).unwrap()), 2.0_f64.ln());
    near(loss(&dpo(DpoLoss::Hinge)), 1.0);
    near(loss(&Ipo::of_sums(0.1).unwrap()), 25.0);
    near(loss(&ApoZero::new(0.1).unwrap()), 1.0);
}

#[test]
fn wide_margins() {
    // Loss and slope by Delta, beta 0.1, from w fixed.
    let at = |preference: &dyn Preference, margin: f64| {
        let (loss, gradient) = both(matrix(&[-11.0 + margin, -11.5], 2), |lp| {
            let of = |row| lp.clone().narrow(0, row, 1).reshape([1]);
            preference.loss(&pair(of(0), of(1))).unwrap()
        });
        [loss, gradient[0]]
    };
    let (dpo, hinge, ipo) = (
        Dpo::new(0.1).unwrap(),
        dpo(DpoLoss::Hinge),
        Ipo::of_sums(0.1).unwrap(),
    );
    all_near(
        &at(&dpo, 6.0).map(|v| (v * 1e7).round() / 1e7),
        &[0.4374880, -0.0354344],
    );
    all_near(
        &at(&dpo, -6.0).map(|v| (v * 1e7).round() / 1e7),
        &[1.0374880, -0.0645656],
    );
    all_near(&at(&hinge, 6.0), &[0.4, -0.1]);
    all_near(&at(&hinge, 12.0), &[0.0, 0.0]);
    all_near(&at(&ipo, 6.0), &[1.0, 2.0]);
    all_near(&at(&ipo, 4.0), &[1.0, -2.0]);
    // Far out, every loss is a number.
    for margin in [-2e4, 2e4] {
        for preference in [
            &dpo as &dyn Preference,
            &Exo::new(0.1, 0.1).unwrap(),
            &Nca::new(0.1).unwrap(),
        ] {
            assert!(
                at(preference, margin).iter().all(|v| v.is_finite()),
                "{margin}"
            );
        }
        assert!(
            at(&DiscoPop::new(0.1).unwrap(), margin)
                .iter()
                .all(|v| v.is_finite()),
            "{margin}"
        );
    }
}

#[test]
fn averaged_dpo_of_tokens() {
    let mask = |row: [bool; 4]| Tensor::<2, Bool>::from_data([row], &crate::objective::device());
    let (full, half) = (mask([true; 4]), mask([true, true, false, false]));
    let of = |values: [f64; 4], mask: &Tensor<2, Bool>| {
        Scored::of(matrix(&values, 1), mask.clone()).unwrap()
    };
    let none = f64::NAN;
    let reference = || {
        (
            of([-0.7, -1.1, -0.4, -0.2], &full),
            of([-1.0, -0.9, none, none], &half),
        )
    };
    let loss = |dpo: &Dpo, chosen: Scored, rejected: Scored| {
        let (c, w) = reference();
        dpo.loss(
            &Pairs::new(chosen, rejected)
                .unwrap()
                .with_reference(c, w)
                .unwrap(),
        )
        .unwrap()
    };
    let rejected = || of([-1.2, -0.8, none, none], &half);
    let chosen = [-0.5, -1.0, -0.3, -0.2];
    let value = |dpo: Dpo| loss(&dpo, of(chosen, &full), rejected()).into_scalar::<f64>();
    let averaged = |beta: f64| Dpo::new(beta).unwrap().with_length_normalisation();
    near(value(averaged(5.0)), 0.3868710061);
    near(value(averaged(0.1)), 0.6856753053);
    near(
        value(averaged(5.0).with_loss(DpoLoss::Smoothed(0.1)).unwrap()),
        0.4618710061,
    );
    near(value(Dpo::new(5.0).unwrap()), 0.0788897343);
    near(value(Dpo::new(0.1).unwrap()), 0.6684596480);
    let (_, gradient) = both(matrix(&chosen, 1), |lp| {
        loss(
            &averaged(5.0),
            Scored::of(lp, full.clone()).unwrap(),
            rejected(),
        )
    });
    all_near(&gradient, &[-0.4010266260; 4]);
    let (_, gradient) = both(matrix(&[-1.2, -0.8, none, none], 1), |lp| {
        loss(
            &averaged(5.0),
            of(chosen, &full),
            Scored::of(lp, half.clone()).unwrap(),
        )
    });
    all_near(&gradient, &[0.8020532521, 0.8020532521, 0.0, 0.0]);
}

#[test]
fn marked_responses() {
    let good = Tensor::<1, Bool>::from_data([true, false], &crate::objective::device());
    let reference = || scored(&[-11.0, -11.5], &[5.0, 4.0]);
    let of = |kto: Kto, kl: f64| {
        both(matrix(&[-10.0, -12.0], 2), |lp| {
            let policy = Scored::new(lp.reshape([2]), row(&[5.0, 4.0])).unwrap();
            let marked = Marked::new(policy, reference(), good.clone()).unwrap();
            kto.loss(&marked, row(&[kl])).unwrap()
        })
    };
    let kto = Kto::new(0.1).unwrap();
    near(of(kto, 0.4).0, (0.4850044984 + 0.4775151752) / 2.0);
    near(
        of(kto.with_weights(2.0, 1.0).unwrap(), 0.4).0,
        (2.0 * 0.4850044984 + 0.4775151752) / 2.0,
    );
    let gradient = of(kto, 0.4).1;
    assert!(gradient[0] < 0.0 && gradient[1] > 0.0);
    near(of(kto.with_weights(1.0, 0.0).unwrap(), 1.0).0, 0.25);
    // The reference point: a mean over mismatched pairs, 0 at least, and a constant.
    let point = Kto::reference_point(
        &scored(&[-1.0, -2.0], &[1.0, 1.0]),
        &scored(&[-2.0, -1.8], &[1.0, 1.0]),
    )
    .unwrap();
    near(point.into_scalar::<f64>(), 0.4);
    let point = Kto::reference_point(&scored(&[-3.0], &[1.0]), &scored(&[-2.0], &[1.0])).unwrap();
    near(point.into_scalar::<f64>(), 0.0);
}

#[test]
fn sorted_over_the_batch() {
    let zeros = || scored(&[0.0; 3], &[1.0; 3]);
    let pairs = |chosen: &[f64], rejected: &[f64]| {
        let pairs = Pairs::new(scored(chosen, &[1.0; 3]), scored(rejected, &[1.0; 3])).unwrap();
        pairs.with_reference(zeros(), zeros()).unwrap()
    };
    let pairs = pairs(&[1.0, -0.5, 0.2], &[0.3, 0.1, -0.4]);
    near(
        Aot::unpaired(0.1)
            .unwrap()
            .loss(&pairs)
            .unwrap()
            .into_scalar::<f64>(),
        0.6816929721,
    );
    let paired = Aot::paired(0.1)
        .unwrap()
        .losses(&pairs)
        .unwrap()
        .try_into_vec_as::<f64>()
        .unwrap();
    let expected = [-0.6_f64, 0.6, 0.7].map(|d| (1.0 + (-0.1 * d).exp()).ln());
    all_near(&paired, &expected);
}

#[test]
fn the_shift_of_bco_goes_on_where_it_was_saved() {
    let bco = Bco::new(0.1).unwrap();
    let pairs = pair(row(&[-10.0]), row(&[-12.0]));
    near(bco.mean_reward(&pairs).unwrap().into_scalar::<f64>(), 0.025);
    let mut shift = BcoShift::new(0.5).unwrap();
    near(shift.update(0.5).unwrap(), 0.25);
    assert!(shift.update(f64::NAN).is_err());
    let mut other = BcoShift::new(0.5).unwrap();
    other.load(&shift.save().unwrap()).unwrap();
    assert_eq!(other, shift);
    let shifted = bco.with_shift(shift.value()).unwrap();
    let log_sig = |x: f64| -(1.0 + (-x).exp()).ln();
    near(value(&shifted), -log_sig(0.1 - 0.25) - log_sig(0.05 + 0.25));
}
