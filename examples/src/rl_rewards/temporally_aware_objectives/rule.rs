//! The objective of a sample: what the agent's `grad ln pi` and `grad H` weigh.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Units of the hidden layer.
const HIDDEN: usize = 8;

/// Inputs of the network: normalised advantage, `ln pi(a|s)`, entropy over its maximum, and two of the lifetime.
const INPUTS: usize = 5;

/// What stands in place of `n / N` and of `ln N` where a rule doesn't see them: about their means. With 0 the units of such a rule would start without
/// the random biases that the inputs give those of the others.
const UNSEEN: [f64; 2] = [0.5, 0.75];

/// What a rule reads of the lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sees {
    /// Nothing.
    Nothing,
    /// `n / N`.
    Fraction,
    /// `n / N` and `ln N` over the logarithm of the longest horizon.
    Both,
    /// `n` over the longest horizon.
    Count,
}

/// The form of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A network `5 -> 8 -> 2` of tanh units: `w = exp(clip(3 o_1, -5, 3)) A`, `c = o_2`.
    Network(Sees),
    /// `w = a (1 - n/N)^p A`, `c = b (1 - n/N)^q`, with `ln a / 3`, `ln p / 3`, `b`, `ln q / 3` as its numbers.
    Hand,
    /// `w = a A`, `c = b`, with `ln a / 3`, `b` as its numbers.
    Constants,
}

impl Form {
    /// The numbers that a search starts from: `w = A` and `c = 0`, in a schedule that falls linearly.
    pub(super) fn start(self, seed: u64) -> Vec<f64> {
        match self {
            Self::Network(_) => {
                // Not the stream of the search, whose noise would be these numbers again.
                let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x0073_7461_7274);
                let scale = 1.0 / (INPUTS as f64).sqrt();
                let mut numbers = vec![0.0; HIDDEN * (INPUTS + 1) + 2 * (HIDDEN + 1)];
                for number in &mut numbers[..HIDDEN * INPUTS] {
                    *number = scale * rng.sample::<f64, _>(StandardNormal);
                }
                numbers
            }
            Self::Hand => vec![0.0; 4],
            Self::Constants => vec![0.0; 2],
        }
    }
}

/// A place in a life, against the longest life of meta-training.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) done: usize,
    pub(super) horizon: usize,
    pub(super) longest: usize,
}

impl Moment {
    fn fraction(self) -> f64 {
        self.done as f64 / self.horizon as f64
    }

    fn inputs(self, sees: Sees) -> [f64; 2] {
        let longest = self.longest as f64;
        let [half, middle] = UNSEEN;
        match sees {
            Sees::Nothing => [half, middle],
            Sees::Fraction => [self.fraction(), middle],
            Sees::Both => [self.fraction(), (self.horizon as f64).ln() / longest.ln()],
            Sees::Count => [self.done as f64 / longest, middle],
        }
    }
}

/// A rule at a moment of life: what does not change from sample to sample is computed once.
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, on the stack: a box would cost more"
)]
pub(super) enum Now {
    Network {
        /// The weights of the three inputs of a sample.
        weights: [[f64; HIDDEN]; 3],
        /// What the other inputs and the bias give.
        base: [f64; HIDDEN],
        /// The weights and the bias of the two outputs.
        out: [[f64; HIDDEN]; 2],
        bias: [f64; 2],
    },
    Plain {
        w: f64,
        c: f64,
    },
}

impl Now {
    pub(super) fn new(form: Form, numbers: &[f64], moment: Moment) -> Self {
        let left = 1.0 - moment.fraction().min(1.0);
        match form {
            Form::Network(sees) => {
                let row = |place: usize| -> [f64; HIDDEN] {
                    std::array::from_fn(|unit| numbers[place * HIDDEN + unit])
                };
                let life = moment.inputs(sees);
                let (first, second, bias) = (row(3), row(4), row(5));
                let rest = &numbers[HIDDEN * (INPUTS + 1)..];
                Self::Network {
                    weights: [row(0), row(1), row(2)],
                    base: std::array::from_fn(|unit| {
                        bias[unit] + life[0] * first[unit] + life[1] * second[unit]
                    }),
                    out: [row(6), row(7)],
                    bias: [rest[2 * HIDDEN], rest[2 * HIDDEN + 1]],
                }
            }
            Form::Hand => Self::Plain {
                w: (3.0 * numbers[0]).exp() * left.powf((3.0 * numbers[1]).exp()),
                c: numbers[2] * left.powf((3.0 * numbers[3]).exp()),
            },
            Form::Constants => Self::Plain {
                w: (3.0 * numbers[0]).exp(),
                c: numbers[1],
            },
        }
    }

    /// `w` and `c` of a sample.
    pub(super) fn of(&self, advantage: f64, log_prob: f64, entropy: f64) -> [f64; 2] {
        match self {
            Self::Plain { w, c } => [w * advantage, *c],
            Self::Network {
                weights,
                base,
                out,
                bias,
            } => {
                let mut found = *bias;
                for unit in 0..HIDDEN {
                    let sum = base[unit]
                        + advantage * weights[0][unit]
                        + log_prob * weights[1][unit]
                        + entropy * weights[2][unit];
                    let value = tanh(sum);
                    found[0] += out[0][unit] * value;
                    found[1] += out[1][unit] * value;
                }
                [
                    advantage * (3.0 * found[0]).clamp(-5.0, 3.0).exp(),
                    found[1],
                ]
            }
        }
    }
}

/// The hyperbolic tangent to 1e-4: a continued fraction without a call, eight of which go into few instructions.
fn tanh(x: f64) -> f64 {
    let x = x.clamp(-4.97, 4.97);
    let s = x * x;
    let above = x * (135_135.0 + s * (17_325.0 + s * (378.0 + s)));
    let below = 135_135.0 + s * (62_370.0 + s * (3_150.0 + s * 28.0));
    (above / below).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tangent_is_near() {
        for i in -800..=800 {
            let x = f64::from(i) / 100.0;
            assert!((tanh(x) - x.tanh()).abs() < 1.2e-4, "{x}");
        }
    }

    #[test]
    fn a_rule_that_sees_nothing_is_the_same_all_life_long() {
        let mut numbers = Form::Network(Sees::Nothing).start(3);
        assert_eq!(numbers.len(), 66);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        numbers.fill_with(|| rng.sample(StandardNormal));
        let at = |sees, done, horizon| {
            let moment = Moment {
                done,
                horizon,
                longest: 250,
            };
            Now::new(Form::Network(sees), &numbers, moment).of(0.5, -1.0, 0.7)
        };
        assert_eq!(at(Sees::Nothing, 0, 10), at(Sees::Nothing, 200, 250));
        assert_eq!(at(Sees::Fraction, 5, 10), at(Sees::Fraction, 125, 250));
        assert_ne!(at(Sees::Both, 5, 10), at(Sees::Both, 125, 250));
        assert_eq!(at(Sees::Count, 5, 10), at(Sees::Count, 5, 250));
        assert_ne!(at(Sees::Fraction, 0, 10), at(Sees::Fraction, 5, 10));
    }

    #[test]
    fn schedules_end_at_zero() {
        let moment = |done| Moment {
            done,
            horizon: 10,
            longest: 250,
        };
        let of = |done| Now::new(Form::Hand, &[0.0, 0.0, 0.5, 0.0], moment(done)).of(2.0, 0.0, 0.0);
        assert_eq!(
            (of(0), of(5), of(10)),
            ([2.0, 0.5], [1.0, 0.25], [0.0, 0.0])
        );
    }
}
