//! The unified estimator: each row of its table has the gradient of its method.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use proptest::prelude::*;
use regimen_rl_rewards::{
    Advantages, Aggregation, Branch, Clip, Density, HybridGate, Objective, Stabilisation,
    TokenBatch, TokenMask, Unified,
};

use crate::objective::{all_near, both, device, matrix, near, whole};

fn gradient(
    unified: Unified,
    lp: Tensor<2>,
    batch: &TokenBatch,
    advantages: &Advantages,
) -> Vec<f64> {
    both(lp, |lp| unified.loss(lp, batch, advantages).unwrap()).1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_row_has_the_gradient_of_its_method(
        new in prop::collection::vec(-2.0_f64..0.0, 12), old in prop::collection::vec(-0.6_f64..0.6, 12),
        advantages in prop::collection::vec(-1.0_f64..1.0, 3), lengths in prop::collection::vec(1_usize..5, 3),
    ) {
        let batch = TokenBatch::of_mask(&TokenMask::of_lengths(&lengths, 4).unwrap(), &device());
        let old: Vec<f64> = new.iter().zip(old).map(|(new, d)| new - d).collect();
        let batch = batch.with_old(matrix(&old, 3)).unwrap();
        let lp = || matrix(&new, 3);
        let advantages = Advantages::of_responses(advantages).unwrap();
        let rows = [
            (Unified::reinforce(), Objective::reinforce()),
            (Unified::ppo(), Objective::ppo()),
            (Unified::grpo(), Objective::grpo()),
            (Unified::dr_grpo(7).unwrap(), Objective::dr_grpo(7).unwrap()),
            (Unified::dapo(), Objective::dapo()),
            (Unified::cispo(), Objective::cispo()),
            (Unified::gspo(), Objective::gspo()),
        ];
        for (unified, objective) in rows {
            let expected = both(lp(), |lp| objective.loss(lp, &batch, &advantages).unwrap().0).1;
            all_near(&gradient(unified, lp(), &batch, &advantages), &expected);
        }
        // GSPO with a range in which some sequences are.
        let wide = Clip::new(0.3, 0.3).unwrap();
        let unified = Unified::new(Density::OldSequence, Stabilisation::Clip(wide), Aggregation::SequenceMeanTokenMean).unwrap();
        let expected = both(lp(), |lp| Objective::gspo().with_clip(wide).loss(lp, &batch, &advantages).unwrap().0).1;
        all_near(&gradient(unified, lp(), &batch, &advantages), &expected);
        // Imitation: the negative log-likelihood, a token mean.
        let ones = Advantages::of_responses(vec![1.0; 3]).unwrap();
        let tokens = lengths.iter().sum::<usize>() as f64;
        let likelihood = |values: Tensor<2>| {
            let mask = batch.mask().float().cast(values.dtype());
            (values * mask).sum() * (-1.0 / tokens)
        };
        all_near(&gradient(Unified::sft(), lp(), &batch, &ones), &both(lp(), likelihood).1);
        // LUFFY and SRFT: the gradient of a shaped or plain probability.
        let a = matrix(&advantages.values().iter().flat_map(|a| [*a; 4]).collect::<Vec<_>>(), 3).inner();
        let shaped = both(lp(), |lp| likelihood(lp.clone().exp() / (lp.exp() + 0.1) * a.clone())).1;
        all_near(&gradient(Unified::luffy(), lp(), &batch, &advantages), &shaped);
        let plain = both(lp(), |lp| likelihood(lp.exp() * a.clone())).1;
        all_near(&gradient(Unified::srft(), lp(), &batch, &advantages), &plain);
    }
}

#[test]
fn weights_of_the_paper() {
    let weight = |unified: Unified, lp: f64, old: f64, advantage: f64| {
        let batch = whole(1, 1).with_old(matrix(&[old], 1)).unwrap();
        let advantages = Advantages::of_responses(vec![advantage]).unwrap();
        let found = unified
            .weights(matrix(&[lp], 1), &batch, &advantages)
            .unwrap();
        found.into_scalar::<f64>()
    };
    near(weight(Unified::sft(), -1.0, -1.2, 1.0), 1.0);
    let wide = |density| {
        Unified::new(
            density,
            Stabilisation::Clip(Clip::new(0.5, 0.5).unwrap()),
            Aggregation::TokenMean,
        )
        .unwrap()
    };
    near(weight(wide(Density::Old), -1.0, -1.2, 2.0), 2.4428055163);
    near(weight(Unified::srft(), -1.0, -1.2, 2.0), 0.7357588823);
    near(
        weight(wide(Density::OldSequence), -1.0, -1.05, 2.0),
        2.1025421928,
    );
    // The mask: out of the range on the side that the advantage pushes to.
    near(weight(Unified::ppo(), -1.0, -1.2, 2.0), 0.0);
    near(weight(Unified::ppo(), -1.0, -1.2, -2.0), -2.4428055163);
    for (p, expected) in [
        (0.01, 0.0826446),
        (0.1, 0.25),
        (0.5, 0.1388889),
        (0.9, 0.09),
        (1.0, 0.0826446),
    ] {
        let found = weight(Unified::luffy(), f64::ln(p), 0.0, 1.0);
        assert!((found - expected).abs() < 5e-8, "{p}: {found}");
    }
}

const LOGITS: [f64; 4] = [1.0, 0.5, -0.5, 0.0];

/// Expected ascent direction of a policy over four actions, each as often as `of` says, with advantages.
fn ascent(often: [f64; 4], advantages: [f64; 4]) -> Vec<f64> {
    let gradient = both(matrix(&LOGITS, 1), |logits| {
        let lp = log_softmax(logits, 1).reshape([4, 1]);
        let weights = [0, 1, 2, 3].map(|action| often[action] * advantages[action]);
        let advantages = Advantages::of_responses(weights.to_vec()).unwrap();
        let sum =
            Unified::new(Density::Policy, Stabilisation::None, Aggregation::Sum(1.0)).unwrap();
        sum.loss(lp, &whole(4, 1), &advantages).unwrap()
    });
    gradient.1.iter().map(|g| -g).collect()
}

#[test]
fn a_bandit_of_four_actions() {
    let policy = [0.45505423_f64, 0.27600434, 0.10153632, 0.16740510];
    let (reward, expert) = ([0.0, 0.0, 1.0, 0.0], [0.1_f64, 0.1, 0.7, 0.1]);
    let rl = ascent(policy, reward);
    all_near(&rl, &[-0.04620453, -0.02802447, 0.09122670, -0.01699770]);
    let sft = ascent(reward, [1.0; 4]);
    all_near(&sft, &[-0.45505423, -0.27600434, 0.89846368, -0.16740510]);
    for (a, b) in rl.iter().zip(&sft) {
        near(a / b, policy[2]);
    }
    // The sum objective, sampled from the policy with the joint advantage, or from both with their own.
    let expected = [-0.15272080, -0.08082577, 0.27076580, -0.03721923];
    let joint = [0, 1, 2, 3].map(|a| {
        HybridGate::joint_advantage(reward[a], 0.3, expert[a].ln(), policy[a].ln()).unwrap()
    });
    all_near(&joint, &[0.06592621, 0.10869394, 3.06822536, 0.17920601]);
    all_near(&ascent(policy, joint), &expected);
    let imitation = ascent(expert, [0.3; 4]);
    let both: Vec<f64> = rl.iter().zip(imitation).map(|(a, b)| a + b).collect();
    all_near(&both, &expected);
    assert_eq!(
        HybridGate::joint_advantage(0.5, 0.0, -1.0, -9.0).unwrap(),
        0.5
    );
}

#[test]
fn the_gate() {
    let branches = |threshold: f64| {
        let gate = HybridGate::new(threshold).unwrap();
        (0..=8)
            .map(|n| gate.branch(n, 8).unwrap() == Branch::Imitation)
            .filter(|imitate| *imitate)
            .count()
    };
    assert_eq!((branches(0.0), branches(0.25)), (1, 3));
    let gate = HybridGate::new(0.0).unwrap();
    assert!(gate.branch(9, 8).is_err() && gate.branch(0, 0).is_err());
    let of = |entropy| {
        HybridGate::srft_weights(entropy)
            .map(|(a, b)| [a, b])
            .unwrap()
    };
    all_near(&of(0.0), &[0.5, 0.1]);
    all_near(&of(1.0), &[0.18393972, 0.27182818]);
    all_near(&of(2.0), &[0.06766764, 0.73890561]);
}
