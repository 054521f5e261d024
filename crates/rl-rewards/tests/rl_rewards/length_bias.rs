//! What DPO of sums and of averages make of an annotator who likes length: a policy of two numbers.

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use regimen_rl_rewards::{Dpo, Pairs, Preference, Scored};

use crate::objective::device;
use crate::simulators::Adam;

/// The reference: the chance of a good token, and that of an end after each token.
const GOOD: f64 = 0.5;
const STOP: f64 = 0.1;

/// A response: its tokens, and the good ones among them.
#[derive(Clone, Copy)]
struct Response {
    tokens: f64,
    good: f64,
}

fn drawn(rng: &mut StdRng) -> Response {
    let mut found = Response {
        tokens: 0.0,
        good: 0.0,
    };
    loop {
        found.tokens += 1.0;
        found.good += f64::from(u8::from(rng.random::<f64>() < GOOD));
        if rng.random::<f64>() < STOP {
            return found;
        }
    }
}

/// Chosen and rejected by `4 (difference of good shares) + b (difference of log lengths) + .5 logistic noise`.
fn pairs(count: usize, b: f64) -> [Vec<Response>; 2] {
    let mut rng = StdRng::seed_from_u64(0);
    let mut sides = [Vec::new(), Vec::new()];
    for _ in 0..count {
        let (first, second) = (drawn(&mut rng), drawn(&mut rng));
        let utility = |one: Response| 4.0 * one.good / one.tokens + b * one.tokens.ln();
        let chance: f64 = rng.random_range(1e-9..1.0 - 1e-9);
        let noise = 0.5 * (chance / (1.0 - chance)).ln();
        let first_is_better = utility(first) - utility(second) + noise > 0.0;
        let (better, worse) = if first_is_better {
            (first, second)
        } else {
            (second, first)
        };
        sides[0].push(better);
        sides[1].push(worse);
    }
    sides
}

fn row(values: Vec<f64>) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &device())
}

/// The chance of a good token and the mean length after 400 updates of Adam at .02 from the reference.
fn learned(loss: &Dpo, sides: &[Vec<Response>; 2]) -> (f64, f64) {
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let start = [logit(GOOD), logit(STOP)];
    let column = |side: &[Response], of: fn(&Response) -> f64| row(side.iter().map(of).collect());
    let scored = |at: &Tensor<1>, side: &[Response]| {
        let [good, stop] = [0, 1].map(|place| at.clone().narrow(0, place, 1));
        let part = |x: Tensor<1>, of: fn(&Response) -> f64| log_sigmoid(x) * column(side, of);
        let sums = part(good.clone(), |one| one.good)
            + part(-good, |one| one.tokens - one.good)
            + part(-stop.clone(), |one| one.tokens - 1.0)
            + part(stop, |_| 1.0);
        Scored::new(sums, column(side, |one| one.tokens)).unwrap()
    };
    let reference = row(start.to_vec());
    let [chosen_of, rejected_of] = [0, 1].map(|side| scored(&reference, &sides[side]));
    let (mut at, mut adam) = (start, Adam::new(0.02, 2));
    for _ in 0..400 {
        let policy = row(at.to_vec()).require_grad();
        let [chosen, rejected] = [0, 1].map(|side| scored(&policy, &sides[side]));
        let pairs = Pairs::new(chosen, rejected).unwrap();
        let pairs = pairs
            .with_reference(chosen_of.clone(), rejected_of.clone())
            .unwrap();
        let grads = loss.loss(&pairs).unwrap().backward();
        let gradient: Vec<f64> = policy.grad(&grads).unwrap().try_into_vec_as().unwrap();
        adam.step(&mut at, &gradient);
    }
    let share = |x: f64| 1.0 / (1.0 + (-x).exp());
    (share(at[0]), 1.0 / share(at[1]))
}

/// The specification's figures, 2,000 pairs and b = .5: sums at beta .1 give .712 and 225 tokens, averages at 5 give .824 and 19, averages at
/// .1 give .999 and over 5,000. At equal length averages keep more quality.
#[test]
fn averages_keep_length_and_quality_where_sums_do_not() {
    let sides = pairs(1000, 0.5);
    let averaged = |beta| Dpo::new(beta).unwrap().with_length_normalisation();
    let sums = learned(&Dpo::new(0.1).unwrap(), &sides);
    let means = learned(&averaged(5.0), &sides);
    assert!((0.65..0.78).contains(&sums.0) && sums.1 > 100.0, "{sums:?}");
    assert!((0.78..0.87).contains(&means.0), "{means:?}");
    assert!((13.0..30.0).contains(&means.1), "{means:?}");
    // A beta of sums is none of averages.
    let loose = learned(&averaged(0.1), &sides);
    assert!(loose.0 > 0.99 && loose.1 > 1000.0, "{loose:?}");
    let (sums, means) = (
        learned(&Dpo::new(3.0).unwrap(), &sides),
        learned(&averaged(15.0), &sides),
    );
    assert!((sums.1 / means.1 - 1.0).abs() < 0.25, "{sums:?} {means:?}");
    assert!(means.0 > sums.0 + 0.03, "{sums:?} {means:?}");
}
