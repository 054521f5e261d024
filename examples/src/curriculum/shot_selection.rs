//! Worked examples for a prompt, chosen by BM25: which functions with documentation help a model to document another one.
//!
//! How a user's program does it: `shot_selection/arms.rs`, places in a pool from `Shots`, and [`run_with`] for a model of its own.

mod arms;
mod corpus;
mod functions;
mod model;
mod prompt;
#[cfg(test)]
mod simulator;
pub mod tune;

use anyhow::Result;
use regimen_curriculum::text::{BinaryCounts, bleu4};

pub use self::model::{LanguageModel, Ngrams};

use self::arms::{AS_LONG, BM25, Broken, FIXED, NONE, ORACLE, OTHERS, Pool, RANDOM, WITHIN};
use self::corpus::{Corpus, DOMAINS, NO, Pair, Thirds, YES};
use self::prompt::Task;
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "shot-selection",
    number: 38,
    krate: "regimen-curriculum",
    paper: "Evaluating Instruction-Tuned Large Language Models on Code Comprehension and Generation (arXiv 2308.01240)",
    paper_figure: "in words: examples chosen by BM25 are clearly better than random or fixed ones in the generation tasks, and not in classification; more examples can make a model worse",
    claim: "A model of character n-grams that counts its prompt eight times tells the first sentence of a function's documentation in fewer bits after four functions that BM25 chose than after none, fixed or random ones, and than after the same functions with the sentences of others",
    metric: "information of the true first sentence of the documentation after four shots, mean of Python and Rust",
    unit: "bits per character",
    better: Better::Lower,
    baseline: CONTROL,
    method: BM25,
    seeds: 0..6,
    source: file!(),
    data: DataKind::Domains(DOMAINS),
    curve: "shots / bits per character, mean of both languages",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: SHIFTED,
        does: "Each example of the pool has the output of the next one",
        turns: &[
            "Python: best control minus bm25",
            "Rust: best control minus bm25",
        ],
    },
    Fault {
        name: NEGATED,
        does: "The scores of BM25 are negated",
        turns: &[
            "Python: best control minus bm25",
            "Rust: best control minus bm25",
        ],
    },
];

const SHIFTED: &str = "outputs-shifted";
const NEGATED: &str = "scores-negated";

/// Of each seed and language the best of no shots, fixed, random, and random ones as long as BM25's.
const CONTROL: &str = "best control";
const CONTROLS: [&str; 4] = [NONE, FIXED, RANDOM, AS_LONG];
const ARMS: [&str; 8] = [NONE, FIXED, RANDOM, AS_LONG, BM25, WITHIN, OTHERS, ORACLE];

/// Shots that decide, and all that are tried.
const SHOTS: usize = 4;
const TRIED: [usize; 3] = [1, SHOTS, 8];

/// Queries of the small size.
const SMALL: usize = 30;

/// Characters of an answer that is written.
const ANSWER: usize = 160;

fn run(context: &Context, seed: u64) -> Result<Trial> {
    run_with(context, seed, |text| Ok(Ngrams::fit(text)))
}

/// Runs a seed with a model of the caller's: `fit` is given the examples of a third of the data, which a model that is trained already need not read.
///
/// # Errors
/// If the user's folder cannot be read or lacks what is needed, and those of the model.
pub fn run_with<M: LanguageModel>(
    context: &Context,
    seed: u64,
    fit: impl Fn(&str) -> Result<M>,
) -> Result<Trial> {
    let broken = match context.fault.as_deref() {
        Some(SHIFTED) => Broken::Shifted,
        Some(NEGATED) => Broken::Negated,
        _ => Broken::No,
    };
    let mut trial = Trial::new(seed);
    let corpora = Corpus::of(context, seed)?;
    for corpus in &corpora {
        let mut job = Job::new(Task::Describe, &corpus.describe, corpus.language, &fit)?;
        let pool = Pool::new(Task::Describe, &corpus.describe.pool, seed, broken)?;
        if context.small {
            job.queries = &job.queries[..SMALL.min(job.queries.len())];
        }
        job.describe(&pool, &mut trial, context.small)?;
        if let (Some(thirds), false) = (&corpus.classify, context.small) {
            let job = Job::new(Task::Classify, thirds, corpus.language, &fit)?;
            let pool = Pool::new(Task::Classify, &thirds.pool, seed, broken)?;
            job.classify(&pool, &mut trial)?;
        }
    }
    let languages = corpora.iter().map(|corpus| corpus.language);
    over_languages(&mut trial, &languages.collect::<Vec<_>>());
    Ok(trial)
}

/// The name of a figure after so many shots.
fn named(language: &str, shots: usize) -> String {
    match shots {
        SHOTS => language.to_owned(),
        1 => format!("{language}, 1 shot"),
        _ => format!("{language}, {shots} shots"),
    }
}

/// A task in a language.
struct Job<'a, M> {
    task: Task,
    language: &'static str,
    model: M,
    queries: &'a [Pair],
}

impl<'a, M: LanguageModel> Job<'a, M> {
    fn new(
        task: Task,
        thirds: &'a Thirds,
        language: &'static str,
        fit: impl Fn(&str) -> Result<M>,
    ) -> Result<Self> {
        let examples = thirds.model.iter();
        let examples = examples.map(|(input, output)| task.example(input, output));
        Ok(Self {
            task,
            language,
            model: fit(&examples.collect::<String>())?,
            queries: &thirds.queries,
        })
    }

    /// Bits per character of the true sentences after a prompt for each query, by its number.
    fn bits(&self, prompt: impl Fn(usize) -> String) -> Result<f64> {
        let (mut bits, mut characters) = (0.0, 0);
        for (number, (_, output)) in self.queries.iter().enumerate() {
            bits += self.model.bits(&prompt(number), &[output])?[0];
            characters += output.chars().count();
        }
        Ok(bits / characters as f64)
    }

    /// The bits of every arm, and what the model writes by itself.
    fn describe(&self, pool: &Pool<'_>, trial: &mut Trial, is_small: bool) -> Result<()> {
        let tried: &[usize] = if is_small { &[SHOTS] } else { &TRIED };
        for arm in ARMS {
            for shots in tried {
                let prompt =
                    |number: usize| pool.prompt(arm, number, &self.queries[number], *shots);
                let bits = self.bits(prompt)?;
                trial.record(arm, &named(self.language, *shots), bits);
                if *shots == SHOTS && !is_small {
                    self.written(arm, prompt, trial)?;
                }
            }
        }
        Ok(())
    }

    /// How like the true sentences the model's own are, and how long the shots were.
    fn written(
        &self,
        arm: &str,
        prompt: impl Fn(usize) -> String,
        trial: &mut Trial,
    ) -> Result<()> {
        let (mut alike, mut read) = (0.0, 0);
        for (number, (input, output)) in self.queries.iter().enumerate() {
            let prompt = prompt(number);
            alike += bleu4(&self.model.answer(&prompt, ANSWER)?, output);
            read += prompt.chars().count() - self.task.query(input).chars().count();
        }
        let (queries, language) = (self.queries.len() as f64, self.language);
        trial.record(arm, &format!("{language}, BLEU"), 100.0 * alike / queries);
        trial.record(
            arm,
            &format!("{language}, characters of shots"),
            read as f64 / queries,
        );
        Ok(())
    }

    /// The share of functions of which the model tells whether they had errors.
    fn classify(&self, pool: &Pool<'_>, trial: &mut Trial) -> Result<()> {
        let arms = ARMS.into_iter().filter(|arm| *arm != ORACLE);
        for arm in arms {
            for shots in TRIED {
                let mut counts = BinaryCounts::default();
                for (number, query) in self.queries.iter().enumerate() {
                    let prompt = pool.prompt(arm, number, query, shots);
                    let bits = self.model.bits(&prompt, &[YES, NO])?;
                    counts.add(Some(bits[0] < bits[1]), query.1 == YES);
                }
                let name = format!("{}, errors told, %", self.language);
                trial.record(arm, &named(&name, shots), 100.0 * counts.accuracy());
            }
        }
        Ok(())
    }
}

/// What follows from the figures of the languages: the best control, the means of both, the spread over shots, and the lead in classification.
fn over_languages(trial: &mut Trial, languages: &[&str]) {
    for language in languages {
        for shots in TRIED {
            let name = named(language, shots);
            let values = CONTROLS.map(|arm| trial.value(arm, &name));
            let best = values.into_iter().fold(f64::INFINITY, f64::min);
            if best.is_finite() {
                trial.record(CONTROL, &name, best);
            }
        }
        let told = format!("{language}, errors told, %");
        let lead = trial.value(BM25, &told) - trial.value(RANDOM, &told);
        if lead.is_finite() {
            trial.record(
                BM25,
                &format!("{language}, errors told above random, points"),
                lead,
            );
        }
    }
    for arm in ARMS.into_iter().chain([CONTROL]) {
        let mean = |shots| {
            let values = languages
                .iter()
                .map(|language| trial.value(arm, &named(language, shots)));
            values.sum::<f64>() / languages.len() as f64
        };
        let points = TRIED.map(|shots| (shots as f64, mean(shots)));
        let main = mean(SHOTS);
        trial.record(arm, "main", main);
        if points.iter().all(|(_, bits)| bits.is_finite()) {
            let bits = points.map(|(_, bits)| bits);
            let ends = bits
                .into_iter()
                .fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], bits| {
                    [least.min(bits), most.max(bits)]
                });
            trial.record(arm, "spread over shots", ends[1] - ends[0]);
            trial.curve(arm, points.to_vec());
        }
    }
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let checks = ["Python", "Rust"].map(|language| {
        [(CONTROL, "best control"), (OTHERS, "outputs of others")].map(|(arm, words)| {
            let gap = differences(trials, arm, BM25, language);
            let name = format!("{language}: {words} minus bm25");
            let gap = Quantity::new(name, "bits per character", gap);
            gap.at_least(0.0).headline()
        })
    });
    checks.into_iter().flatten().collect()
}
