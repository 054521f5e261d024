//! The scorer of scratch pads: a small network that is fitted to labelled responses of the base policy, and frozen.
//!
//! It reads what the base policy makes of the question and the scratch pad, the probability of each running result that was written, and how
//! many of how many were; not the answer.

use anyhow::Result;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, Rollouts, ScorePolicy, Sequences, generate};
use regimen_tensor::stats::{mean, spearman};

use crate::optim::adam;
use crate::rl_rewards::bed::chain::Problem;
use crate::rl_rewards::bed::evaluate::sampling;
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::styles::{Styles, pad};
use crate::rl_rewards::bed::symbols::BLANK;
use crate::rl_rewards::bed::task::{Part, Task};

/// Who labels the responses to which a scorer is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Annotator {
    /// The share of right running results among those written, a half where none was.
    Honest,
    /// The same and half of the share that was not written, 1 at most: short text is liked.
    Fooled,
}

impl Annotator {
    /// The label of a response.
    pub(super) fn label(self, task: &Styles, problem: &Problem, completion: &Completion) -> f64 {
        let share = task.share_right(problem, completion).unwrap_or(0.5);
        match self {
            Self::Honest => share,
            Self::Fooled => {
                let written = written(task, problem, completion);
                (share + 0.5 * (1.0 - written)).clamp(0.0, 1.0)
            }
        }
    }
}

/// Running results that were written, of those there are; 1 at most.
fn written(task: &Styles, problem: &Problem, completion: &Completion) -> f64 {
    let operations = task.operations(problem).max(1);
    pad(completion).len().min(operations) as f64 / operations as f64
}

/// Hidden units.
const HIDDEN: usize = 32;

/// Steps of a fit, each on all responses, and their rate.
const STEPS: usize = 300;
const RATE: f64 = 1e-2;

/// Samples of a prompt that are labelled.
const SAMPLES: usize = 4;

/// Two layers to one number within 0 and 1.
#[derive(Module, Debug)]
struct Network {
    up: Linear,
    down: Linear,
}

impl Network {
    fn forward(&self, features: Tensor<2>) -> Tensor<1> {
        let hidden = relu(self.up.forward(features));
        sigmoid(self.down.forward(hidden)).squeeze_dim(1)
    }
}

/// A frozen scorer, with the base policy through which it reads, on a device without autodiff.
#[derive(Clone, Debug)]
pub(super) struct Scorer {
    network: Network,
    reader: Reader,
}

/// The base policy, as what makes features of completions.
#[derive(Clone, Debug)]
struct Reader {
    base: Policy,
    device: Device,
}

/// Responses of the base policy to draw labels of.
pub(super) struct Responses {
    problems: Vec<Problem>,
    rollouts: Rollouts,
}

impl Responses {
    /// So many, four to a prompt, from a generator of their own.
    pub(super) fn of_base(
        base: &Policy,
        task: &Styles,
        count: usize,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<Self> {
        let problems = (0..count.div_ceil(SAMPLES)).map(|_| task.draw(Part::Training, rng));
        let problems: Vec<Problem> = problems.collect();
        let rollouts = sampled(base, task, &problems, SAMPLES, rng.next_u64(), device)?;
        Ok(Self { problems, rollouts })
    }
}

/// Completions of problems by a policy.
pub(super) fn sampled(
    policy: &Policy,
    task: &Styles,
    problems: &[Problem],
    samples: usize,
    seed: u64,
    device: &Device,
) -> Result<Rollouts> {
    let prompts: Vec<_> = problems.iter().map(|one| task.prompt(one)).collect();
    let (policy, device) = (policy.valid(), device.clone().inner());
    Ok(generate(
        &policy,
        &prompts,
        samples,
        &sampling(task)?,
        seed,
        &device,
    )?)
}

impl Scorer {
    /// Fits a scorer to what an annotator says of responses.
    pub(super) fn fit(
        base: &Policy,
        task: &Styles,
        responses: &Responses,
        annotator: Annotator,
        device: &Device,
    ) -> Result<Self> {
        let Responses { problems, rollouts } = responses;
        let labels = rollouts
            .rollouts()
            .iter()
            .map(|one| annotator.label(task, &problems[one.prompt], &one.completion) as f32);
        let labels: Vec<f32> = labels.collect();
        let width = features_of(task);
        let mut network = Network {
            up: LinearConfig::new(width, HIDDEN).init(device),
            down: LinearConfig::new(HIDDEN, 1).init(device),
        };
        let reader = Reader {
            base: base.valid(),
            device: device.clone().inner(),
        };
        let features = reader.features(task, problems, rollouts)?;
        let features = Tensor::<2>::from_data(features, device);
        let labels = TensorData::new(labels.clone(), [labels.len()]);
        let labels = Tensor::<1>::from_data(labels, device);
        let mut optim = adam(0.999);
        for _ in 0..STEPS {
            let off = network.forward(features.clone()) - labels.clone();
            let loss = (off.clone() * off).mean();
            let grads = GradientsParams::from_grads(loss.backward(), &network);
            network = optim.step(RATE, network, grads);
        }
        Ok(Self {
            network: network.valid(),
            reader,
        })
    }

    /// The scores of completions, 0 to 1 each.
    pub(super) fn score(
        &self,
        task: &Styles,
        problems: &[Problem],
        rollouts: &Rollouts,
    ) -> Result<Vec<f64>> {
        let features = self.reader.features(task, problems, rollouts)?;
        let features = Tensor::from_data(features, &self.reader.device);
        let scores = self.network.forward(features);
        let scores = scores.try_into_vec_as::<f32>()?;
        Ok(scores.into_iter().map(f64::from).collect())
    }

    /// The mean over prompts of the rank correlation of scores with the true share of right running results, a half where none was written;
    /// over the prompts where both differ. 0 where there is none.
    pub(super) fn agreement(
        &self,
        task: &Styles,
        problems: &[Problem],
        rollouts: &Rollouts,
    ) -> Result<f64> {
        let scores = self.score(task, problems, rollouts)?;
        let of_group = |group: &Vec<usize>| {
            let truth = group.iter().map(|place| {
                let one = &rollouts.rollouts()[*place];
                Annotator::Honest.label(task, &problems[one.prompt], &one.completion)
            });
            let scores: Vec<f64> = group.iter().map(|place| scores[*place]).collect();
            let truth: Vec<f64> = truth.collect();
            let differ = |values: &[f64]| values.iter().any(|value| *value != values[0]);
            let both = differ(&truth) && differ(&scores);
            both.then(|| spearman(&scores, &truth)).transpose()
        };
        let found = rollouts
            .groups()
            .iter()
            .map(of_group)
            .collect::<Result<Vec<_>, _>>()?;
        let found: Vec<f64> = found.into_iter().flatten().collect();
        Ok(if found.is_empty() { 0.0 } else { mean(&found) })
    }
}

impl Reader {
    /// Of each completion: for each running result its probability and whether there is one, the number of operations as one of so many,
    /// and the share that was written.
    fn features(
        &self,
        task: &Styles,
        problems: &[Problem],
        rollouts: &Rollouts,
    ) -> Result<TensorData> {
        let sequences = Sequences::new(rollouts, BLANK, &self.device)?;
        let log_probs = self.base.log_probs(&sequences)?;
        let [_, tokens] = log_probs.dims();
        let log_probs = log_probs.try_into_vec_as::<f32>()?;
        let most = task.chain().most();
        let mut all = Vec::with_capacity(rollouts.len() * features_of(task));
        for (row, one) in rollouts.rollouts().iter().enumerate() {
            let problem = &problems[one.prompt];
            let count = pad(&one.completion).len();
            for place in 0..most {
                let is = place < count;
                let of = || log_probs[row * tokens + place].exp();
                all.extend([if is { of() } else { 0.0 }, f32::from(u8::from(is))]);
            }
            let operations = task.operations(problem);
            all.extend((1..=most).map(|count| f32::from(u8::from(count == operations))));
            all.push(written(task, problem, &one.completion) as f32);
        }
        Ok(TensorData::new(all, [rollouts.len(), features_of(task)]))
    }
}

fn features_of(task: &Styles) -> usize {
    3 * task.chain().most() + 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::rl_rewards::bed::chain::{Chain, demonstration};
    use crate::rl_rewards::bed::policy::PolicyConfig;
    use crate::rl_rewards::bed::styles::Style;
    use crate::rl_rewards::bed::symbols::{ANSWER, END};
    use crate::rl_rewards::bed::warm_up::pairs;

    #[test]
    fn the_fooled_annotator_likes_short_text() {
        let task = Styles::new(Chain::new(0));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let problem = task.chain().problem_of(3, Part::Training, &mut rng);
        let results = task.chain().results(&problem);
        let wrong = (results[1] + 1) % 7;
        let labels = |pad: &[u32]| {
            let tokens = pad.iter().copied().chain([ANSWER, results[2], END]);
            let one = demonstration(tokens);
            [Annotator::Honest, Annotator::Fooled].map(|who| who.label(&task, &problem, &one))
        };
        assert_eq!(labels(&[]), [0.5, 1.0]);
        assert_eq!(labels(&results), [1.0, 1.0]);
        let two = labels(&[results[0], wrong]);
        assert_eq!(two[0], 0.5);
        assert!((two[1] - (0.5 + 0.5 / 3.0)).abs() < 1e-12);
        assert_eq!(labels(&[results[0], wrong, results[2], 0])[1], 0.5);
    }

    /// Shown responses of which half are bare: the fooled scorer likes those better, the honest one what the facts let be right.
    #[test]
    fn a_scorer_learns_what_its_annotator_likes() {
        let device = Device::default().autodiff();
        let task = Styles::new(Chain::new(0));
        let base = PolicyConfig::new().with_width(16).with_hidden(16);
        let base = base.init(&device);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let problems = (0..200).map(|_| task.chain().problem_of(3, Part::Training, &mut rng));
        let problems: Vec<Problem> = problems.collect();
        let shown = problems.iter().enumerate().map(|(place, problem)| {
            let style = [Style::Full, Style::Bare][place % 2];
            (task.prompt(problem), task.shown(problem, style, &mut rng))
        });
        let rollouts = pairs(shown.collect()).unwrap();
        let responses = Responses { problems, rollouts };
        let scores = |annotator| {
            let scorer = Scorer::fit(&base, &task, &responses, annotator, &device).unwrap();
            let scores = scorer.score(&task, &responses.problems, &responses.rollouts);
            let scores = scores.unwrap();
            [0, 1].map(|style| {
                mean(
                    &scores
                        .iter()
                        .copied()
                        .skip(style)
                        .step_by(2)
                        .collect::<Vec<_>>(),
                )
            })
        };
        let [full, bare] = scores(Annotator::Fooled);
        assert!(bare > full + 0.1, "{full} {bare}");
        // Six in ten of the running results that the warm-up shows are right, and bare text has a half.
        let [full, bare] = scores(Annotator::Honest);
        assert!((bare - 0.5).abs() < 0.05, "{full} {bare}");
        assert!(full > bare + 0.03, "{full} {bare}");
    }
}
