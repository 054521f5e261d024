//! The pool, the targets and the text that judges.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use regimen_curriculum::text::{DecontaminationConfig, Evaluation, TextTokens};

use crate::data::Text;
use crate::experiment::{Context, Domain};

/// Words of a document of the pool.
const WORDS: usize = 40;

/// Numbers of an embedding.
pub(super) const DIMENSIONS: usize = 128;

/// The lines of the Gospels, from 0: where each begins, and Mark 14 and 15.
const MARK: usize = 1071;
const LUKE: usize = 1749;
const JOHN: usize = 2900;
const PASSION: std::ops::Range<usize> = 1610..1729;

/// Verses of a target, and words of one that a user gives.
const VERSES: usize = 10;
const USERS: usize = 250;

/// What a question is asked with: three tenths of a target's words are of these.
const QUESTION: [&str; 24] = [
    "who",
    "what",
    "when",
    "where",
    "why",
    "how",
    "which",
    "whose",
    "question",
    "answer",
    "choose",
    "option",
    "correct",
    "following",
    "passage",
    "according",
    "did",
    "does",
    "is",
    "was",
    "A",
    "B",
    "C",
    "D",
];

/// Verse first.
pub(super) const DOMAINS: &[Domain] = &[Domain::Verse, Domain::Prose, Domain::Documentation];

/// Where a document of the pool is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Matthew or Luke, who tell what the targets tell.
    Parallel,
    /// John.
    Gospel,
    /// Anything else.
    Other,
}

/// A text by its name and lines.
type Lines = (String, Vec<String>);

/// A pool in random order, and what it is selected for.
pub(super) struct Corpus {
    pub(super) chunks: Vec<String>,
    pub(super) sources: Vec<Source>,
    /// With question words.
    pub(super) targets: Vec<String>,
    /// The other blocks, plain.
    pub(super) evaluation: String,
    /// What was held out of the other texts.
    pub(super) others: Vec<(String, String)>,
    /// Documents that shared 13 words with the evaluation.
    pub(super) cut: usize,
}

/// The lines of a text, whose ends are among the symbols that stand for any other.
fn lines(text: Text) -> Lines {
    let lines = text.symbols.split(|symbol| *symbol >= 95);
    let line = |symbols: &[u8]| {
        symbols
            .iter()
            .map(|symbol| char::from(symbol + 32))
            .collect()
    };
    (
        text.name,
        lines
            .map(line)
            .filter(|line: &String| !line.is_empty())
            .collect(),
    )
}

fn words<'a>(lines: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    let words = lines.into_iter().flat_map(|line| line.split_whitespace());
    words.collect()
}

fn chunks(words: &[&str]) -> Vec<String> {
    words
        .chunks_exact(WORDS)
        .map(|some| some.join(" "))
        .collect()
}

impl Corpus {
    /// The pool and the targets of a run.
    ///
    /// # Errors
    /// If the user's folder cannot be read or lacks what is needed.
    pub(super) fn of(context: &Context, seed: u64) -> Result<Self> {
        let texts: Vec<Lines> = context.domains(DOMAINS)?.into_iter().map(lines).collect();
        if context.folder.is_some() {
            Self::own(&texts, seed)
        } else {
            Self::embedded(&texts, seed)
        }
    }

    /// From the Gospels and two other texts. Half of the blocks of Mark 14 and 15 are targets, the others judge.
    ///
    /// # Errors
    /// If the first text is no list of the verses.
    fn embedded(texts: &[Lines], seed: u64) -> Result<Self> {
        let verses = &texts[0].1;
        ensure!(verses.len() > JOHN, "{} lines of Gospels", verses.len());
        let mut pool = Vec::new();
        for (lines, source) in [
            (&verses[..MARK], Source::Parallel),
            (&verses[LUKE..JOHN], Source::Parallel),
            (&verses[JOHN..], Source::Gospel),
        ] {
            pool.extend(chunks(&words(lines)).into_iter().map(|text| (text, source)));
        }
        let blocks = verses[PASSION].chunks(VERSES);
        let blocks = blocks.map(|block| words(block).join(" ")).collect();
        Self::new(pool, blocks, &texts[1..], seed)
    }

    /// From a user's texts: the one with `target` in its name, and the others as the pool.
    ///
    /// # Errors
    /// If there is no such text, or it is short.
    fn own(texts: &[Lines], seed: u64) -> Result<Self> {
        let is_target = |(name, _): &&Lines| name.to_lowercase().contains("target");
        let targets = texts.iter().find(is_target);
        let (_, targets) = targets.context("no text file with `target` in its name")?;
        let blocks = words(targets);
        let blocks = blocks.chunks(USERS).map(|block| block.join(" ")).collect();
        let others: Vec<Lines> = texts
            .iter()
            .filter(|text| !is_target(text))
            .cloned()
            .collect();
        Self::new(Vec::new(), blocks, &others, seed)
    }

    fn new(
        mut pool: Vec<(String, Source)>,
        mut blocks: Vec<String>,
        others: &[Lines],
        seed: u64,
    ) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut held_out = Vec::new();
        for (name, lines) in others {
            let words = words(lines);
            let (kept, rest) = words.split_at(words.len() * 19 / 20);
            pool.extend(chunks(kept).into_iter().map(|text| (text, Source::Other)));
            held_out.push((name.clone(), rest.join(" ")));
        }
        blocks.shuffle(&mut rng);
        let judges = blocks.split_off(blocks.len() / 2);
        let tests = Evaluation::new("evaluation").with_tests(judges.clone());
        let overlap = DecontaminationConfig::new().with_n(13).with_threshold(0.0);
        let overlap = overlap.init(&[tests])?;
        let before = pool.len();
        pool.retain(|(text, _)| !overlap.is_contaminated(text));
        ensure!(
            pool.len() >= 500 && blocks.len() > 1,
            "{} documents of {WORDS} words and {} blocks of targets: 500 and 2 are needed",
            pool.len(),
            blocks.len()
        );
        pool.shuffle(&mut rng);
        let mut ask = |block: &String| {
            let words = block.split_whitespace().map(|word| {
                if rng.random::<f64>() < 0.3 {
                    QUESTION[rng.random_range(0..QUESTION.len())]
                } else {
                    word
                }
            });
            words.collect::<Vec<_>>().join(" ")
        };
        let targets = blocks.iter().map(&mut ask).collect();
        let cut = before - pool.len();
        let (chunks, sources) = pool.into_iter().unzip();
        Ok(Self {
            chunks,
            sources,
            targets,
            evaluation: judges.join(" "),
            others: held_out,
            cut,
        })
    }

    /// The tenth, or another share, of the pool that has so many tokens: all documents have as many.
    pub(super) fn budget(&self, share: f64) -> usize {
        ((self.chunks.len() as f64 * share).round() as usize).max(1)
    }

    /// Embeddings of the pool and of the targets: a random projection of `log(1 + count)` times the inverse frequency of each word.
    pub(super) fn embeddings(&self, seed: u64) -> [Vec<f32>; 2] {
        let mut ids: HashMap<String, usize> = HashMap::new();
        let mut counted = |text: &String| {
            let mut counts: HashMap<usize, f32> = HashMap::new();
            TextTokens::Words.for_each(text, |word| {
                let next = ids.len();
                let id = *ids.entry(word.to_owned()).or_insert(next);
                *counts.entry(id).or_default() += 1.0;
            });
            let mut counts: Vec<(usize, f32)> = counts.into_iter().collect();
            counts.sort_unstable_by_key(|(id, _)| *id);
            counts
        };
        let pool: Vec<_> = self.chunks.iter().map(&mut counted).collect();
        let targets: Vec<_> = self.targets.iter().map(&mut counted).collect();
        let mut holders = vec![0_usize; ids.len()];
        for (id, _) in pool.iter().flatten() {
            holders[*id] += 1;
        }
        let all = pool.len() as f32;
        let inverse = holders
            .iter()
            .map(|count| (all / (*count).max(1) as f32).ln());
        let inverse: Vec<f32> = inverse.collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1);
        let directions = (0..ids.len() * DIMENSIONS).map(|_| StandardNormal.sample(&mut rng));
        let directions: Vec<f32> = directions.collect();
        [pool, targets].map(|texts| {
            let embedding = |counts: &Vec<(usize, f32)>| {
                let mut sums = [0.0; DIMENSIONS];
                for (id, count) in counts {
                    let weight = count.ln_1p() * inverse[*id];
                    let direction = &directions[id * DIMENSIONS..][..DIMENSIONS];
                    for (sum, value) in sums.iter_mut().zip(direction) {
                        *sum += weight * value;
                    }
                }
                sums
            };
            texts.iter().flat_map(embedding).collect()
        })
    }
}
