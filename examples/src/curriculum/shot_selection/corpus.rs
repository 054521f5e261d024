//! What a model is fitted on, what shots are chosen from, and what is asked.

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::text::NearDuplicatesConfig;

use super::functions::{Function, Language, functions};
use crate::data::Text;
use crate::experiment::{Context, Domain};

/// Python first.
pub(super) const DOMAINS: &[Domain] = &[Domain::Python, Domain::Code];

/// Pairs of a task that a user's text gives at most, unless the large size is asked for.
const PAIRS: usize = 600;

/// The fewest pairs of a task.
const LEAST: usize = 60;

/// The labels.
pub(super) const YES: &str = "yes";
pub(super) const NO: &str = "no";

/// An input and its output.
pub(super) type Pair = (String, String);

/// The pairs of a task, a third for each purpose.
pub(super) struct Thirds {
    /// The model is fitted on these.
    pub(super) model: Vec<Pair>,
    /// Shots are chosen from these.
    pub(super) pool: Vec<Pair>,
    /// These are asked.
    pub(super) queries: Vec<Pair>,
}

impl Thirds {
    fn new(mut pairs: Vec<Pair>, most: usize, rng: &mut ChaCha8Rng) -> Self {
        pairs.shuffle(rng);
        pairs.truncate(most);
        let third = pairs.len() / 3;
        let pool = pairs.split_off(third);
        let (pool, queries) = pool.split_at(third);
        Self {
            model: pairs,
            pool: pool.to_vec(),
            queries: queries.to_vec(),
        }
    }
}

/// The tasks of a language.
pub(super) struct Corpus {
    /// `Python` or `Rust`.
    pub(super) language: &'static str,
    /// Functions with the first sentences of their documentation.
    pub(super) describe: Thirds,
    /// Functions and whether they raise or return an error, as many that do as that do not; none where there are few.
    pub(super) classify: Option<Thirds>,
}

/// The lines of a text, whose ends are the symbol that stands for any other.
fn lines(text: &Text) -> Vec<String> {
    let lines = text.symbols.split(|symbol| *symbol >= 95);
    let line = |symbols: &[u8]| {
        symbols
            .iter()
            .map(|symbol| char::from(symbol + b' '))
            .collect()
    };
    lines.map(line).collect()
}

/// The places of texts that are like an earlier one: words alone, each once, with a Jaccard similarity of .8 or more.
fn repeats(texts: impl Iterator<Item = String>) -> Result<Vec<usize>> {
    let config = NearDuplicatesConfig::new().with_shingle(1);
    let index = config.with_recall(0.999).init()?;
    Ok(index.groups(texts)?.repeats())
}

/// The pairs but those at some places.
fn without(pairs: Vec<Pair>, places: &[usize]) -> Vec<Pair> {
    let pairs = pairs.into_iter().enumerate();
    let kept = pairs.filter(|(place, _)| !places.contains(place));
    kept.map(|(_, pair)| pair).collect()
}

/// Functions with their sentences, of which neither is like another's.
fn described(functions: &[Function]) -> Result<Vec<Pair>> {
    let pairs = functions.iter().filter_map(|function| {
        let sentence = function.sentence.clone()?;
        Some((function.code.clone(), sentence))
    });
    let pairs: Vec<Pair> = pairs.collect();
    let mut places = repeats(pairs.iter().map(|pair| pair.0.clone()))?;
    places.extend(repeats(pairs.iter().map(|pair| pair.1.clone()))?);
    Ok(without(pairs, &places))
}

/// As many functions with errors as without, the errors taken out; those are left out that were little else, or are like another.
fn labelled(functions: &[Function], rng: &mut ChaCha8Rng) -> Result<Vec<Pair>> {
    let is_more = |function: &&Function| 2 * function.without_errors.len() >= function.code.len();
    let pairs = functions.iter().filter(is_more).map(|function| {
        let output = if function.fails { YES } else { NO };
        (function.without_errors.clone(), output.to_owned())
    });
    let pairs: Vec<Pair> = pairs.collect();
    let places = repeats(pairs.iter().map(|pair| pair.0.clone()))?;
    let pairs = without(pairs, &places).into_iter();
    let (mut yes, mut no): (Vec<Pair>, Vec<Pair>) = pairs.partition(|pair| pair.1 == YES);
    let each = yes.len().min(no.len());
    for some in [&mut yes, &mut no] {
        some.shuffle(rng);
        some.truncate(each);
    }
    yes.append(&mut no);
    Ok(yes)
}

impl Corpus {
    /// The tasks of each language of a run.
    ///
    /// # Errors
    /// If the user's folder cannot be read, has no text in one of the languages, or few functions with documentation.
    pub(super) fn of(context: &Context, seed: u64) -> Result<Vec<Self>> {
        let texts = context.domains(DOMAINS)?;
        let texts: Vec<Vec<String>> = texts.iter().map(lines).collect();
        let most = if context.folder.is_some() && !context.full {
            PAIRS
        } else {
            usize::MAX
        };
        let corpus = |(name, language)| {
            let own = texts.iter().filter(|lines| Language::of(lines) == language);
            let found: Vec<Function> = own.flat_map(|lines| functions(lines, language)).collect();
            Self::new(name, &found, most, seed)
        };
        let languages = [("Python", Language::Python), ("Rust", Language::Rust)];
        languages.into_iter().map(corpus).collect()
    }

    fn new(language: &'static str, functions: &[Function], most: usize, seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let described = described(functions)?;
        ensure!(
            described.len() >= LEAST,
            "{} functions in {language} with a sentence of documentation, unlike one another: {LEAST} or more are needed",
            described.len()
        );
        let describe = Thirds::new(described, most, &mut rng);
        let labelled = labelled(functions, &mut rng)?;
        let is_enough = labelled.len() >= LEAST;
        let classify = is_enough.then(|| Thirds::new(labelled, most, &mut rng));
        Ok(Self {
            language,
            describe,
            classify,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn thirds_have_nothing_in_common() {
        let corpora = Corpus::of(&Context::new(0), 1000).unwrap();
        let names: Vec<&str> = corpora.iter().map(|corpus| corpus.language).collect();
        assert_eq!(names, ["Python", "Rust"]);
        for corpus in corpora {
            let tasks = [Some(&corpus.describe), corpus.classify.as_ref()];
            for task in tasks.into_iter().flatten() {
                let all = [&task.model, &task.pool, &task.queries];
                let count: usize = all.iter().map(|some| some.len()).sum();
                assert!(all.iter().all(|some| some.len().abs_diff(count / 3) <= 2));
                let inputs = all.into_iter().flatten().map(|pair| &pair.0);
                assert_eq!(inputs.collect::<HashSet<_>>().len(), count);
            }
            let Some(task) = corpus.classify else {
                continue;
            };
            let all = [&task.model, &task.pool, &task.queries];
            let yes = all.into_iter().flatten().filter(|pair| pair.1 == YES);
            let count = task.model.len() + task.pool.len() + task.queries.len();
            assert_eq!(2 * yes.count(), count);
        }
    }

    #[test]
    fn a_folder_without_a_language_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let function = |number: usize| {
            let words = format!("word{number} other{number} third{number}");
            format!("def f{number}():\n    \"\"\"Return {words}.\"\"\"\n    return \"{words}\"\n")
        };
        let text: String = (0..80).map(function).collect();
        for name in ["a.txt", "b.txt"] {
            std::fs::write(folder.path().join(name), &text).unwrap();
        }
        let mut context = Context::new(0);
        context.folder = Some(folder.path().to_owned());
        let error = Corpus::of(&context, 0).err().unwrap().to_string();
        assert!(error.starts_with("0 functions in Rust"), "{error}");
        let rust = |number: usize| {
            let words = format!("word{number} other{number} third{number}");
            format!("/// Returns {words}.\nfn f{number}() {{\n    \"{words}\"\n}}\n")
        };
        let text: String = (0..630).map(rust).collect();
        std::fs::write(folder.path().join("b.txt"), text).unwrap();
        let sizes = |context: &Context| {
            let corpora = Corpus::of(context, 0).unwrap();
            let sizes = corpora.iter().map(|corpus| corpus.describe.pool.len());
            sizes.collect::<Vec<_>>()
        };
        assert_eq!(sizes(&context), [26, 200]);
        context.full = true;
        assert_eq!(sizes(&context), [26, 210]);
    }
}
