//! Sampling that cools within each sequence, against fixed temperatures and the reversed schedule.
//!
//! A character model of prose continues one prompt many times. Early characters decide how different the continuations
//! are, late ones whether they are words. A continuation is right if all its late words are real: a reward that a program
//! checks. `TokenSampler` draws with a `DecodingTemperature`; `truncated_ratio` is the weight that training on its tokens needs.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Result;
use burn::module::Module;
use burn::optim::{AdamConfig, ModuleOptimizer};
use burn::tensor::{Int, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::{
    DecodingTemperature, Sampled, Temperature, TokenSampler, token_log_probs, truncated_ratio,
};
use regimen_schedules::{Constant, LrSchedule, ScheduleExt, Table};

use crate::data::{Text, TextLoader};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, Revision, System, Trial, differences, values,
};
use crate::models::{CharWindow, CharWindowConfig};
use crate::train::{fit, text_loss};

/// The experiment.
pub const SYSTEM: System = System {
    name: "exploratory-annealed-decoding",
    number: 8,
    krate: "regimen-rl-rewards",
    paper: "Let it Calm: Exploratory Annealed Decoding for Verifiable Reinforcement Learning (arXiv 2510.05251)",
    paper_figure: "Qwen2.5-Math-1.5B and larger, reinforcement learning on mathematics, in words: higher Pass@16 and Worst@16 than fixed temperatures and less collapse of entropy; it helps inference alone too. No reinforcement learning is run here",
    claim: "At the same mean temperature, sampling that starts hot and cools gives more different openings and more real words later than a fixed temperature. The reversed schedule gives fewer of both",
    metric: "words after character 32 that occur in the text",
    unit: "%",
    better: Better::Higher,
    baseline: FIXED,
    method: ANNEALED,
    seeds: 0..5,
    source: file!(),
    data: DataKind::Text,
    curve: "character / temperature",
    faults: FAULTS,
    revisions: REVISIONS,
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "reversed-schedule",
        does: "The annealed arm starts cold and ends hot",
        turns: &["late words real, annealed minus"],
    },
    Fault {
        name: "correction-in-other-units",
        does: "The correction cools 20 times too fast, as the released one does",
        turns: &["sampler's own temperatures"],
    },
    Fault {
        name: "divided-twice",
        does: "Logits are divided by the temperature twice before a token is drawn",
        turns: &["mean whole ratio"],
    },
];

const REVISIONS: &[Revision] = &[Revision {
    changed: "2,048 continuations are drawn instead of 512, with rule and seeds as they were: with 512 the fixed temperature was near the ceiling of distinct openings, and that 2,048 would pass could be foreseen",
    before: "Distinct openings, annealed minus fixed 0.6, were 0.35 ± 0.14 points, where 0.5 is asked for: inconclusive",
}];

const FIXED: &str = "fixed 0.6";
const ANNEALED: &str = "annealed 1.2 to 0.5";
const REVERSED: &str = "reversed 0.5 to 1.2";
const PROMPT: &str = "She had ";
/// Characters of a continuation, of its opening, and before its late words.
const LENGTH: usize = 96;
const OPENING: usize = 16;
const LATE: usize = 32;
/// Continuations whose ratios are measured.
const RATIOS: usize = 512;
/// Characters that the cooling takes.
const DECAY: f64 = 48.0;
/// Where the released trainer stops a weight is not known; 2 is usual elsewhere.
const CAP: f64 = 2.0;

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let text = context.text()?;
    let model = train(context, &text, &mut trial)?;
    let job = Job {
        context,
        model,
        words: words(&text.symbols).into_iter().collect(),
        samples: match context {
            Context { full: true, .. } => 4096,
            Context { small: true, .. } => 512,
            _ => 2048,
        },
    };
    for tau in [0.6, 0.8, 1.0, 1.2] {
        let name = format!("fixed {tau:?}");
        job.sample(&mut trial, &name, &Constant::new(tau)?.into())?;
    }
    let annealed = cooling(0.5, DECAY)?;
    let mut backwards = annealed.table(LENGTH)?;
    backwards.reverse();
    let reversed: Temperature = Table::new(backwards)?.into();
    let own = if context.is_broken_by("reversed-schedule") {
        &reversed
    } else {
        &annealed
    };
    job.sample(&mut trial, ANNEALED, own)?;
    job.sample(&mut trial, "annealed 1.2 to 0.1", &cooling(0.1, DECAY)?)?;
    job.sample(&mut trial, REVERSED, &reversed)?;
    Ok(trial)
}

/// The paper's schedule from 1.2, without first characters at 1: sequences are short.
fn cooling(tau_min: f64, decay: f64) -> Result<Temperature> {
    let tau = DecodingTemperature::exploratory(1.2, tau_min)?.with_protected(0);
    Ok(tau.with_decay(decay)?.into())
}

/// The model of the next character that all samplers share.
fn train(context: &Context, text: &Text, trial: &mut Trial) -> Result<CharWindow> {
    let (train, valid) = text.split(0.9);
    let (config, updates) = match context {
        Context { full: true, .. } => (config().with_window(16).with_hidden(1024), 40_000),
        Context { small: true, .. } => (config(), 800),
        _ => (config(), 6_000),
    };
    let device = &context.device;
    let model = config.init(device);
    let loader = TextLoader::new(
        Arc::new(train),
        updates,
        64,
        config.window,
        trial.seed,
        device,
    );
    let mut optim: ModuleOptimizer = AdamConfig::new().init();
    let mut rate = LrSchedule::new(Constant::new(1e-3)?);
    let model = fit(model, &loader, &mut optim, &mut rate, 1)?;
    let loss = text_loss(&model, &valid, config.window, device);
    trial.record("model", "validation loss, nats", loss);
    Ok(model.valid())
}

fn config() -> CharWindowConfig {
    CharWindowConfig::new().with_embedding(24).with_hidden(256)
}

/// Continuations of the prompt.
struct Continuations {
    /// `[samples, LENGTH]`.
    tokens: Tensor<2, Int>,
    /// Of the first `RATIOS`: the log-probability that each character was drawn with, and the model's at temperature 1.
    sampler: Tensor<2>,
    policy: Tensor<2>,
    /// The model's at the sampler's temperatures.
    same: Tensor<2>,
}

struct Job<'a> {
    context: &'a Context,
    model: CharWindow,
    words: HashSet<Vec<u8>>,
    samples: usize,
}

impl Job<'_> {
    fn sample(&self, trial: &mut Trial, arm: &str, temperature: &Temperature) -> Result<()> {
        let drawn = self.continuations(trial.seed, &TokenSampler::new(temperature.clone()))?;
        let symbols = drawn.tokens.try_into_vec_as::<u8>();
        let symbols = symbols.map_err(|error| anyhow::anyhow!("{error}"))?;
        let quality = self.quality(&symbols);
        let taus = temperature.table(LENGTH)?;
        let mean_tau = taus.iter().sum::<f64>() / LENGTH as f64;
        let whole = truncated_ratio(drawn.policy.clone(), drawn.sampler.clone(), None)?;
        let cut = truncated_ratio(drawn.policy, drawn.sampler.clone(), Some(CAP))?;
        let same = truncated_ratio(drawn.same, drawn.sampler, None)?;
        let number = |tensor: Tensor<1>| f64::from(tensor.into_scalar::<f32>());
        for (metric, value) in [
            ("main", quality.real),
            ("distinct openings, %", quality.openings),
            ("all late words real, %", quality.right),
            ("mean temperature", mean_tau),
            ("mean whole ratio", number(whole.clone().mean())),
            ("mean ratio cut at 2", number(cut.mean())),
            ("largest ratio", number(whole.max())),
            (
                "largest distance of a same-temperature ratio from 1",
                number((same - 1.0).abs().max()),
            ),
        ] {
            trial.record(arm, metric, value);
        }
        let points = taus.into_iter().enumerate();
        trial.curve(arm, points.map(|(t, tau)| (t as f64, tau)).collect());
        Ok(())
    }

    /// Continues the prompt as often as asked, one character at a time.
    fn continuations(&self, seed: u64, sampler: &TokenSampler) -> Result<Continuations> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let device = self.context.device.clone().inner();
        let correction = if self.context.is_broken_by("correction-in-other-units") {
            TokenSampler::new(cooling(0.5, DECAY / 20.0)?)
        } else {
            sampler.clone()
        };
        let window = self.model.window();
        let prompt = PROMPT.bytes().cycle().map(|byte| i64::from(byte - b' '));
        let prompt: Vec<i64> = prompt.take(window).collect();
        let prompt = Tensor::<2, Int>::from_data(TensorData::new(prompt, [1, window]), &device);
        let mut windows = prompt.repeat_dim(0, self.samples);
        let (mut logits, mut tokens, mut drawn) = (Vec::new(), Vec::new(), Vec::new());
        for token in 0..LENGTH {
            let next = self.model.forward(windows.clone());
            let sampled = if self.context.is_broken_by("divided-twice") {
                let own = sampler.log_probs(next.clone(), &[token])?;
                let twice = sampler.sample(own.clone(), &[token], &mut rng)?;
                let column = twice.tokens.clone().reshape([self.samples, 1]);
                Sampled {
                    log_probs: own.gather(1, column).reshape([self.samples]),
                    ..twice
                }
            } else {
                sampler.sample(next.clone(), &[token], &mut rng)?
            };
            let column = sampled.tokens.reshape([self.samples, 1]);
            windows = Tensor::cat(vec![windows.narrow(1, 1, window - 1), column.clone()], 1);
            logits.push(next.narrow(0, 0, RATIOS).unsqueeze_dim(1));
            tokens.push(column);
            drawn.push(sampled.log_probs.reshape([self.samples, 1]));
        }
        let (logits, tokens) = (Tensor::<3>::cat(logits, 1), Tensor::cat(tokens, 1));
        let few = tokens.clone().narrow(0, 0, RATIOS);
        Ok(Continuations {
            tokens,
            sampler: Tensor::cat(drawn, 1).narrow(0, 0, RATIOS),
            policy: token_log_probs(logits.clone(), few.clone())?,
            same: correction.token_log_probs(logits, few)?,
        })
    }

    fn quality(&self, symbols: &[u8]) -> Quality {
        let all: Vec<&[u8]> = symbols.chunks(LENGTH).collect();
        let openings: HashSet<&[u8]> = all.iter().map(|one| &one[..OPENING]).collect();
        let (mut count, mut real, mut right) = (0, 0, 0);
        for one in &all {
            let late = late_words(one);
            let known = late
                .iter()
                .filter(|word| self.words.contains(*word))
                .count();
            count += late.len();
            real += known;
            right += usize::from(known == late.len());
        }
        let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        Quality {
            openings: percent(openings.len(), all.len()),
            real: percent(real, count),
            right: percent(right, all.len()),
        }
    }
}

/// In percent.
struct Quality {
    openings: f64,
    real: f64,
    right: f64,
}

/// The runs of letters of some symbols, in lower case.
fn words(symbols: &[u8]) -> Vec<Vec<u8>> {
    let letters = symbols
        .iter()
        .map(|symbol| (symbol + b' ').to_ascii_lowercase());
    let letters: Vec<u8> = letters.collect();
    let parts = letters.split(|letter| !letter.is_ascii_alphabetic());
    parts
        .filter(|part| !part.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

/// The whole words that start after the early characters; the last one is cut off unless something follows it.
fn late_words(symbols: &[u8]) -> Vec<Vec<u8>> {
    let letter = |symbol: &u8| (symbol + b' ').is_ascii_alphabetic();
    let started = symbols[..LATE]
        .iter()
        .rev()
        .take_while(|s| letter(s))
        .count();
    let rest = if started > 0 {
        let ends = symbols[LATE..].iter().take_while(|s| letter(s)).count();
        &symbols[LATE + ends..]
    } else {
        &symbols[LATE..]
    };
    let open = rest.iter().rev().take_while(|s| letter(s)).count();
    words(&rest[..rest.len() - open])
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let gap = |better, worse, metric| differences(trials, better, worse, metric);
    let openings = "distinct openings, %";
    let same = "largest distance of a same-temperature ratio from 1";
    let ratio = values(trials, ANNEALED, "mean whole ratio");
    let points = |name, values| Quantity::new(name, "points", values);
    vec![
        points(
            "late words real, annealed minus fixed 0.6",
            gap(ANNEALED, FIXED, "main"),
        )
        .at_least(2.0)
        .headline(),
        points(
            "distinct openings, annealed minus fixed 0.6",
            gap(ANNEALED, FIXED, openings),
        )
        .at_least(0.5)
        .headline(),
        points(
            "late words real, fixed 0.6 minus reversed",
            gap(FIXED, REVERSED, "main"),
        )
        .at_least(2.0),
        points(
            "distinct openings, fixed 0.6 minus reversed",
            gap(FIXED, REVERSED, openings),
        )
        .at_least(1.0),
        Quantity::new(
            "largest distance from 1 of a ratio at the sampler's own temperatures",
            "",
            values(trials, ANNEALED, same),
        )
        .at_most(0.001),
        Quantity::new(
            "distance of the mean whole ratio from 1",
            "",
            ratio.into_iter().map(|ratio| (ratio - 1.0).abs()).collect(),
        )
        .at_most(0.1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b' ').collect()
    }

    #[test]
    fn late_words_are_whole_and_start_late() {
        let early = "x".repeat(LATE - 3);
        let found = |end: &str| late_words(&symbols(&(early.clone() + end)));
        let expected = |words: &[&str]| -> Vec<Vec<u8>> {
            words.iter().map(|word| word.as_bytes().to_vec()).collect()
        };
        assert_eq!(
            found("onthere, The sea is bl"),
            expected(&["the", "sea", "is"])
        );
        assert_eq!(
            found("on.there, an end."),
            expected(&["there", "an", "end"])
        );
        assert_eq!(found("is the end"), expected(&["the"]));
        assert_eq!(found("is  end "), expected(&["end"]));
        assert!(found("is sea").is_empty());
    }
}
