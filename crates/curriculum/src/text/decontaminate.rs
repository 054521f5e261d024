//! # Decontamination
//!
//! Training documents that share long stretches of words with evaluation text.
//!
//! Source: TÜLU 3 (arXiv 2411.15124, section 3.2) and its released script: 8-grams, a test is found where more than half of its tokens
//! are covered

use rayon::prelude::*;
use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::batches::Batches;
use super::filter::Filter;
use super::ngrams::Map;
use super::tokens::TextTokens;
use super::vocabulary::Vocabulary;
use crate::error::{CurriculumError, Result, check, count};

/// Tests of one evaluation, of one text field or several.
///
/// ```
/// use regimen_curriculum::text::Evaluation;
///
/// let plain = Evaluation::new("sums").with_tests(["what is two and two", "what is one and one"]);
/// let fields = Evaluation::new("stories").with_test([Some("a question"), Some("its story"), None]);
/// assert_eq!((plain.tests(), fields.tests()), (2, 1));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evaluation {
    name: String,
    /// Of each test its fields.
    tests: Vec<Vec<Option<String>>>,
}

impl Evaluation {
    /// An evaluation without a test yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            tests: Vec::new(),
        }
    }

    /// Adds tests of one field.
    #[must_use]
    pub fn with_tests<T: Into<String>>(mut self, tests: impl IntoIterator<Item = T>) -> Self {
        let tests = tests.into_iter().map(|text| vec![Some(text.into())]);
        self.tests.extend(tests);
        self
    }

    /// Adds a test of several fields, whose overlaps are averaged; one that is missing counts 0.
    #[must_use]
    pub fn with_test<T: Into<String>>(
        mut self,
        fields: impl IntoIterator<Item = Option<T>>,
    ) -> Self {
        let fields = fields.into_iter().map(|field| field.map(Into::into));
        self.tests.push(fields.collect());
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many tests it has.
    #[must_use]
    pub fn tests(&self) -> usize {
        self.tests.len()
    }
}

/// Settings of [`Decontamination`].
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `n` | 8 | tokens of a stretch that counts as the same, 1 to 256 |
/// | `threshold` | .5 | a document is contaminated where the overlap with a test is **above** this, 0 to 1 |
/// | `tokens` | words in lower case | what a token is |
///
/// ```
/// use regimen_curriculum::text::{DecontaminationConfig, Evaluation};
///
/// let test = "natalia sold clips to 48 of her friends in april and half as many in may";
/// let index = DecontaminationConfig::new().init(&[Evaluation::new("sums").with_tests([test])])?;
/// assert!(index.is_contaminated(&format!("Question: {test}? Think.")));
/// assert!(!index.is_contaminated("natalia sold clips to her friends in april"));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct DecontaminationConfig {
    n: usize,
    threshold: f64,
    tokens: TextTokens,
}

checked_serde!(DecontaminationConfig);

impl Default for DecontaminationConfig {
    fn default() -> Self {
        Self {
            n: 8,
            threshold: 0.5,
            tokens: TextTokens::default(),
        }
    }
}

impl Checked for DecontaminationConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        count("n", self.n, (1..=256).contains(&self.n), "1 to 256")?;
        let share = (0.0..=1.0).contains(&self.threshold);
        check("threshold", self.threshold, share, "0 to 1")
    }
}

impl DecontaminationConfig {
    /// 8-grams of words, and a threshold of one half.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tokens of a stretch that counts as the same.
    #[must_use]
    pub fn with_n(mut self, n: usize) -> Self {
        self.n = n;
        self
    }

    /// The overlap above which a document is contaminated, 0 to 1.
    #[must_use]
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    /// What a token is.
    #[must_use]
    pub fn with_tokens(mut self, tokens: TextTokens) -> Self {
        self.tokens = tokens;
        self
    }

    /// Indexes evaluations. Memory: about `120 + 4 n` bytes a token of theirs, whatever is scanned later.
    ///
    /// # Errors
    /// If a setting lies outside its range, or the tests have more than 2^32 - 2 tokens.
    pub fn init(&self, evaluations: &[Evaluation]) -> Result<Decontamination> {
        self.check()?;
        let mut index = Decontamination {
            config: self.clone(),
            words: Vocabulary::default(),
            grams: Map::default(),
            filter: Filter::new(self.n, std::iter::empty()),
            spans: Vec::new(),
            fields: Vec::new(),
            tests: Vec::new(),
            names: evaluations
                .iter()
                .map(|one| (one.name.clone(), one.tests.len()))
                .collect(),
        };
        let mut tokens = 0;
        for (evaluation, one) in evaluations.iter().enumerate() {
            for (test, fields) in one.tests.iter().enumerate() {
                index.tests.push(Test {
                    evaluation,
                    test,
                    fields: fields.len(),
                });
                for text in fields.iter().flatten() {
                    tokens += index.add(text);
                    // A token and a stretch have a number below 2^32.
                    let fits = tokens < u32::MAX as usize;
                    count("tokens", tokens, fits, "up to 4294967294 (2^32 - 2)")?;
                }
            }
        }
        let grams = index.grams.keys().map(|gram| &**gram);
        index.filter = Filter::new(self.n, grams);
        Ok(index)
    }
}

/// A test, by its place among those of its evaluation.
#[derive(Clone, Copy, Debug)]
struct Test {
    evaluation: usize,
    test: usize,
    /// Fields, those without a text included.
    fields: usize,
}

/// A text field of a test.
#[derive(Clone, Copy, Debug)]
struct Field {
    /// Its place among the tests of all evaluations.
    test: usize,
    tokens: usize,
}

/// Where a stretch stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    field: u32,
    start: u32,
}

/// How much of a test a document holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overlap {
    /// The evaluation, by its place.
    pub evaluation: usize,
    /// The test, by its place in the evaluation.
    pub test: usize,
    /// The share of its tokens that lie in stretches of the document, 0 to 1; the mean over its fields.
    pub share: f64,
}

/// What a scan of documents found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// Documents that were read.
    pub documents: usize,
    /// The contaminated ones, in their order, each with the test of the highest overlap.
    pub contaminated: Vec<(usize, Overlap)>,
    /// Of each evaluation the number of its tests that a document holds more of than the threshold.
    pub tests_found: Vec<usize>,
}

/// An index of evaluation text that documents are held against. Matches are exact: stretches are compared token by token.
#[derive(Clone, Debug)]
pub struct Decontamination {
    config: DecontaminationConfig,
    /// The tokens of all tests.
    words: Vocabulary,
    /// Each stretch of tokens, to its place in `spans`.
    grams: Map<Box<[u32]>, u32>,
    /// What is certainly none of them.
    filter: Filter,
    /// Of each stretch all places where it stands.
    spans: Vec<Vec<Span>>,
    fields: Vec<Field>,
    tests: Vec<Test>,
    /// Names and numbers of tests.
    names: Vec<(String, usize)>,
}

/// A token that no test has.
const UNKNOWN: u32 = u32::MAX;

impl Decontamination {
    /// Adds a field to the newest test, and gives the number of its tokens.
    fn add(&mut self, text: &str) -> usize {
        let mut ids = Vec::new();
        let words = &mut self.words;
        self.config.tokens.for_each(text, |token| {
            let next = words.len() as u32;
            ids.push(words.get(token).unwrap_or_else(|| {
                words.insert(token, next);
                next
            }));
        });
        let field = self.fields.len() as u32;
        self.fields.push(Field {
            test: self.tests.len() - 1,
            tokens: ids.len(),
        });
        for (start, gram) in ids.windows(self.config.n).enumerate() {
            let span = Span {
                field,
                start: start as u32,
            };
            match self.grams.get(gram) {
                Some(place) => self.spans[*place as usize].push(span),
                None => {
                    self.grams.insert(gram.into(), self.spans.len() as u32);
                    self.spans.push(vec![span]);
                }
            }
        }
        ids.len()
    }

    /// The names of the evaluations and the numbers of their tests.
    pub fn evaluations(&self) -> impl ExactSizeIterator<Item = (&str, usize)> {
        self.names
            .iter()
            .map(|(name, tests)| (name.as_str(), *tests))
    }

    /// Every test of which the document holds a stretch, with its share. A test of fewer tokens than a stretch is never found.
    #[must_use]
    pub fn overlaps(&self, document: &str) -> Vec<Overlap> {
        self.overlaps_by(document, &mut Vec::new())
    }

    /// [`overlaps`](Self::overlaps), in memory that is kept between documents.
    fn overlaps_by(&self, document: &str, ids: &mut Vec<u32>) -> Vec<Overlap> {
        let n = self.config.n;
        ids.clear();
        self.config.tokens.for_each(document, |token| {
            ids.push(self.words.get(token).unwrap_or(UNKNOWN));
        });
        let mut found = Vec::new();
        for known in ids.split(|id| *id == UNKNOWN) {
            self.filter.for_each(known, |start| {
                found.extend(self.grams.get(&known[start..start + n]).copied());
            });
        }
        if found.is_empty() {
            return Vec::new();
        }
        found.sort_unstable();
        found.dedup();
        let spans = found.iter().flat_map(|gram| &self.spans[*gram as usize]);
        let mut spans: Vec<Span> = spans.copied().collect();
        spans.sort_unstable();
        let mut overlaps: Vec<(usize, Overlap)> = Vec::new();
        for of_field in spans.chunk_by(|a, b| a.field == b.field) {
            let field = self.fields[of_field[0].field as usize];
            let mut end = 0;
            let covered = of_field.iter().map(|span| {
                let from = end.max(span.start as usize);
                end = span.start as usize + n;
                end - from
            });
            let share = covered.sum::<usize>() as f64 / field.tokens as f64;
            let test = self.tests[field.test];
            let share = share / test.fields as f64;
            match overlaps.last_mut() {
                Some((last, overlap)) if *last == field.test => overlap.share += share,
                _ => {
                    let overlap = Overlap {
                        evaluation: test.evaluation,
                        test: test.test,
                        share,
                    };
                    overlaps.push((field.test, overlap));
                }
            }
        }
        overlaps.into_iter().map(|(_, overlap)| overlap).collect()
    }

    /// The overlap with the test of which the document holds most, the first of several; none without a common stretch.
    #[must_use]
    pub fn highest(&self, document: &str) -> Option<Overlap> {
        highest(&self.overlaps(document))
    }

    /// Whether the document holds more of a test than the threshold.
    #[must_use]
    pub fn is_contaminated(&self, document: &str) -> bool {
        self.highest(document)
            .is_some_and(|overlap| overlap.share > self.config.threshold)
    }

    /// Reads documents one after the other and looks at them on all cores: memory is that of the index, of some documents, and of the list
    /// of contaminated ones.
    pub fn scan<D: AsRef<str> + Send + Sync>(
        &self,
        documents: impl IntoIterator<Item = D>,
    ) -> Scan {
        self.scan_watched(documents, &Watch::default())
    }

    /// [`scan`](Self::scan), reporting every few megabytes the number of documents, of as many as the iterator announces. Work that is stopped gives
    /// what was found before.
    #[tracing::instrument(skip_all, name = "decontaminate", fields(tests = self.tests.len()))]
    pub fn scan_watched<D: AsRef<str> + Send + Sync>(
        &self,
        documents: impl IntoIterator<Item = D>,
        watch: &Watch,
    ) -> Scan {
        let mut batches = Batches::new(documents);
        let mut scan = Scan::default();
        let mut is_found: Vec<Vec<bool>> = self
            .names
            .iter()
            .map(|(_, tests)| vec![false; *tests])
            .collect();
        while let Some(some) = batches.next() {
            let overlaps = some.par_iter().map_init(Vec::new, |ids, document| {
                let mut overlaps = self.overlaps_by(document.as_ref(), ids);
                overlaps.retain(|overlap| overlap.share > self.config.threshold);
                overlaps
            });
            let overlaps: Vec<Vec<Overlap>> = overlaps.collect();
            for (place, overlaps) in (scan.documents..).zip(&overlaps) {
                scan.contaminated
                    .extend(highest(overlaps).map(|overlap| (place, overlap)));
                for overlap in overlaps {
                    is_found[overlap.evaluation][overlap.test] = true;
                }
            }
            scan.documents += some.len();
            let total = batches.announced(scan.documents);
            if !watch.goes_on("decontaminate", scan.documents, total) {
                break;
            }
        }
        let counts = is_found
            .iter()
            .map(|tests| tests.iter().filter(|is| **is).count());
        scan.tests_found = counts.collect();
        scan
    }
}

fn highest(overlaps: &[Overlap]) -> Option<Overlap> {
    let mut best: Option<Overlap> = None;
    for overlap in overlaps {
        if best.is_none_or(|best| overlap.share > best.share) {
            best = Some(*overlap);
        }
    }
    best
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEST: &str = "natalia sold clips to 48 of her friends in april and then she sold half as many clips in may";

    fn index(tests: &[&str]) -> Decontamination {
        let evaluation = Evaluation::new("sums").with_tests(tests.iter().copied());
        let config = DecontaminationConfig::new().with_tokens(TextTokens::Whitespace);
        config.init(&[evaluation]).unwrap()
    }

    #[test]
    fn shares_of_the_test() {
        let index = index(&[TEST]);
        for (document, share, contaminated) in [
            (
                "question : natalia sold clips to 48 of her friends in march and then she sold 10 clips in may",
                0.45,
                false,
            ),
            (
                "so natalia sold clips to 48 of her friends in april and also in june",
                0.55,
                true,
            ),
            (
                "natalia sold clips to 48 of her friends x y in april and then she sold half as many z",
                0.85,
                true,
            ),
            (TEST, 1.0, true),
        ] {
            let found = index.highest(document).unwrap();
            assert!((found.share - share).abs() < 1e-12, "{document}: {found:?}");
            assert_eq!(index.is_contaminated(document), contaminated);
        }
        assert_eq!(index.highest("natalia sold clips to 48 of her"), None);
    }

    #[test]
    fn a_short_test_is_never_found_and_the_threshold_is_strict() {
        let short = index(&["a b c d e"]);
        assert_eq!(short.highest("a b c d e"), None);
        // Eight of sixteen tokens.
        let test: Vec<String> = (0..16).map(|i| format!("t{i}")).collect();
        let half = index(&[&test.join(" ")]);
        assert_eq!(half.highest(&test[..8].join(" ")).unwrap().share, 0.5);
        assert!(!half.is_contaminated(&test[..8].join(" ")));
        assert!(half.is_contaminated(&test[..9].join(" ")));
    }

    /// A stretch that stands twice in a test covers both places.
    #[test]
    fn all_places_of_a_stretch_are_covered() {
        let once = "a b c d e f g h";
        let index = index(&[&format!("{once} x {once}")]);
        let share = index.highest(once).unwrap().share;
        assert!((share - 16.0 / 17.0).abs() < 1e-12);
        // However often the document repeats it.
        let again = format!("{once} {once} {once}");
        assert!(index.highest(&again).unwrap().share <= 1.0);
    }

    #[test]
    fn fields_are_averaged() {
        let evaluation = Evaluation::new("stories").with_test([Some("a b c d e f g h"), None]);
        let config = DecontaminationConfig::new();
        let index = config.init(&[evaluation]).unwrap();
        assert_eq!(index.highest("A, b. c d e f g h!").unwrap().share, 0.5);
    }

    #[test]
    fn a_scan_finds_what_single_looks_find() {
        let first = Evaluation::new("sums")
            .with_tests([TEST, "one two three four five six seven eight nine"]);
        let second = Evaluation::new("words").with_tests(["i ii iii iv v vi vii viii ix x xi xii"]);
        let index = DecontaminationConfig::new().init(&[first, second]).unwrap();
        let mut documents = vec!["nothing of the kind".to_owned(); 10_000];
        documents[17] = format!("he said {TEST} and left");
        documents[9_000] = "i ii iii iv v vi vii viii ix x xi xii".into();
        documents[9_001] = format!("{TEST} i ii iii iv v vi vii viii ix");
        let scan = index.scan(&documents);
        let places: Vec<usize> = scan.contaminated.iter().map(|(place, _)| *place).collect();
        assert_eq!((scan.documents, places), (10_000, vec![17, 9_000, 9_001]));
        assert_eq!(scan.tests_found, [1, 1]);
        assert_eq!(scan.contaminated[2].1.share, 1.0);
        let alone: Vec<usize> = (0..documents.len())
            .filter(|place| index.is_contaminated(&documents[*place]))
            .collect();
        assert_eq!(alone, [17, 9_000, 9_001]);
        let watch = Watch::new().until(|| true);
        let stopped = index.scan_watched(&documents, &watch);
        assert!(stopped.documents < documents.len() && stopped.documents > 0);
    }
}
