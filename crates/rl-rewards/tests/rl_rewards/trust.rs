//! Trust-weighted GRPO in a simulator of three styles: a scorer that likes the worst of them is kept from teaching it by the gate.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::{Groups, Grpo, TrustGrpo};

/// Of easy, medium and hard questions: how often a careful, a plain and a hacking response is right.
const RIGHT: [[f64; 3]; 3] = [[0.99, 0.97, 0.90], [0.65, 0.45, 0.25], [0.06, 0.04, 0.01]];

const SAMPLES: usize = 8;
const GROUPS: usize = 16;
const STEPS: usize = 600;
const RATE: f64 = 0.05;

fn softmax(logits: &[f64; 3]) -> [f64; 3] {
    let all: f64 = logits.iter().map(|logit| logit.exp()).sum();
    logits.map(|logit| logit.exp() / all)
}

fn drawn(shares: &[f64; 3], rng: &mut impl Rng) -> usize {
    let at: f64 = rng.random();
    let sums = [shares[0], shares[0] + shares[1]];
    sums.iter().filter(|sum| at >= **sum).count()
}

/// A standard normal number, by twelve uniform ones.
fn normal(rng: &mut impl Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// Final accuracy, and the share of hacking responses, of a softmax policy over styles.
fn trained(mix: [f64; 3], liked: [f64; 3], trust: &TrustGrpo, seed: u64) -> [f64; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let trust = trust.clone().with_grpo(Grpo::verl());
    let mut logits = [0.0; 3];
    for step in 0..STEPS {
        let shares = softmax(&logits);
        let (mut styles, mut outcomes, mut thinking) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..GROUPS {
            let question = drawn(&mix, &mut rng);
            for _ in 0..SAMPLES {
                let style = drawn(&shares, &mut rng);
                let is_right = rng.random::<f64>() < RIGHT[question][style];
                styles.push(style);
                outcomes.push(f64::from(u8::from(is_right)));
                thinking.push((liked[style] + 0.1 * normal(&mut rng)).clamp(0.0, 1.0));
            }
        }
        let groups = Groups::of_size(outcomes, SAMPLES).unwrap();
        let advantages = trust.advantages(&groups, &thinking, step).unwrap();
        let mut gradient = [0.0; 3];
        for (style, advantage) in styles.iter().zip(advantages.values()) {
            for (place, share) in shares.iter().enumerate() {
                let is = f64::from(u8::from(place == *style));
                gradient[place] += advantage * (is - share) / (GROUPS * SAMPLES) as f64;
            }
        }
        for (logit, slope) in logits.iter_mut().zip(gradient) {
            *logit += RATE * slope;
        }
    }
    let shares = softmax(&logits);
    let of = |right: &[f64; 3]| right.iter().zip(shares).map(|(a, b)| a * b).sum::<f64>();
    let accuracy = mix
        .iter()
        .zip(&RIGHT)
        .map(|(share, right)| share * of(right));
    [accuracy.sum(), shares[2]]
}

fn means(mix: [f64; 3], liked: [f64; 3], trust: &TrustGrpo) -> [f64; 2] {
    let seeds = (0..3).map(|seed| trained(mix, liked, trust, seed));
    seeds.fold([0.0; 2], |sum, one| [0, 1].map(|i| sum[i] + one[i] / 3.0))
}

const FOOLED: [f64; 3] = [0.70, 0.40, 0.95];
const HONEST: [f64; 3] = [0.70, 0.40, 0.50];
const MEDIUM: [f64; 3] = [0.2, 0.6, 0.2];
const UNEVEN: [f64; 3] = [0.4, 0.2, 0.4];

/// The figures of the specification: accuracies .535 (hacking .23) without safeguards, .549 (.17) with them, .582 (.04) gated, .580 (.04) by
/// outcomes alone; with few medium questions .419 (.96), .530 (.09) and .528 (.08).
#[test]
fn the_gate_keeps_a_fooled_scorer_from_teaching_its_style() {
    let paper = TrustGrpo::new().with_steps(STEPS).unwrap();
    let bare = TrustGrpo::new().without_trust();
    let gated = paper.clone().with_gate(0.0).unwrap();
    let outcomes = TrustGrpo::new().with_alpha(0.0).unwrap();
    let of = |mix, trust: &TrustGrpo| means(mix, FOOLED, trust);
    let medium = [&bare, &paper, &gated, &outcomes].map(|trust| of(MEDIUM, trust));
    let uneven = [&bare, &paper, &gated, &outcomes].map(|trust| of(UNEVEN, trust));
    let near = |found: [f64; 2], accuracy: f64, hacking: f64| {
        let off = [found[0] - accuracy, found[1] - hacking];
        assert!(
            off[0].abs() < 0.02 && off[1].abs() < 0.06,
            "{medium:?} {uneven:?}"
        );
    };
    near(medium[0], 0.535, 0.23);
    near(medium[1], 0.549, 0.17);
    near(medium[2], 0.582, 0.04);
    near(medium[3], 0.580, 0.04);
    near(uneven[1], 0.419, 0.96);
    near(uneven[2], 0.530, 0.09);
    near(uneven[3], 0.528, 0.08);
    for [_, paper, gated, _] in [medium, uneven] {
        assert!(gated[0] > paper[0] + 0.02 && gated[1] < paper[1] - 0.05);
    }
}

/// The figures of the specification: .594 ungated, .584 gated, .580 by outcomes alone.
#[test]
fn an_honest_scorer_helps_where_outcomes_agree() {
    let paper = TrustGrpo::new().with_steps(STEPS).unwrap();
    let gated = paper.clone().with_gate(0.0).unwrap();
    let outcomes = TrustGrpo::new().with_alpha(0.0).unwrap();
    let [paper, gated, outcomes] =
        [paper, gated, outcomes].map(|trust| means(MEDIUM, HONEST, &trust)[0]);
    assert!(
        paper > gated && gated > outcomes - 0.01,
        "{paper} {gated} {outcomes}"
    );
    assert!((paper - 0.594).abs() < 0.01, "{paper}");
}

/// A step that stands still never fades; groups that were split by the thinking reward would be trusted less where it likes the right.
#[test]
fn broken_trust_shows() {
    let trust = TrustGrpo::new().with_steps(10).unwrap();
    let groups = Groups::of_size(vec![1.0, 1.0, 0.0, 0.0], 4).unwrap();
    let thinking = [0.9, 0.8, 0.2, 0.1];
    let at = |step| trust.combine(&groups, &thinking, step).unwrap();
    assert!(at(5).alpha < at(0).alpha);
    // Split by the thinking reward itself, what is liked would be liked better: no group would be distrusted.
    let liked_wrong = trust.combine(&groups, &[0.1, 0.2, 0.9, 0.8], 0).unwrap();
    assert_eq!(at(0).gamma, [1.0]);
    assert!((liked_wrong.gamma[0] - (-0.7_f64).exp()).abs() < 1e-12);
}
