//! The groups of duplicates of a corpus.

use rayon::prelude::*;
use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::bands::{Entry, Joined, Store};
use super::signature::NearDuplicates;
use super::verify::Verify;
use crate::error::{CurriculumError, Result, count};
use crate::text::batches::Batches;
use crate::text::tokens;

/// Documents that are duplicates of one another, directly or by others between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct DuplicateGroups {
    /// Documents that were read.
    documents: usize,
    /// Places in ascending order, of each group two or more; the groups by their first.
    groups: Vec<Vec<usize>>,
}

checked_serde!(DuplicateGroups);

impl Checked for DuplicateGroups {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let mut places: Vec<usize> = self.groups.iter().flatten().copied().collect();
        places.sort_unstable();
        if let Some(pair) = places.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(CurriculumError::Repeated { id: pair[0] });
        }
        let (id, examples) = (places.last().copied(), self.documents);
        if let Some(id) = id.filter(|last| *last >= examples) {
            return Err(CurriculumError::UnknownExample { id, examples });
        }
        let is_short = |group: &&Vec<usize>| group.len() < 2;
        let short = self.groups.iter().find(is_short).map_or(2, Vec::len);
        count("groups", short, short == 2, "two places or more in each")?;
        let is_sorted =
            self.groups.is_sorted() && self.groups.iter().all(|group| group.is_sorted());
        let groups = self.groups.len();
        count("groups", groups, is_sorted, "places in ascending order")
    }
}

impl DuplicateGroups {
    /// Documents that were read.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.documents
    }

    /// The places of the documents of each group, in ascending order; the groups by their first document.
    #[must_use]
    pub fn groups(&self) -> &[Vec<usize>] {
        &self.groups
    }

    /// The documents that are not the first of their group, in ascending order: without them no duplicates are left.
    #[must_use]
    pub fn repeats(&self) -> Vec<usize> {
        let repeats = self.groups.iter().flat_map(|group| group.iter().skip(1));
        let mut repeats: Vec<usize> = repeats.copied().collect();
        repeats.sort_unstable();
        repeats
    }
}

impl NearDuplicates {
    /// The groups of duplicates among documents, which are read once, and worked on by all cores.
    ///
    /// Memory of a document: 8 bytes a band and 40 more; besides, 8 bytes for each different shingle where [`Verify::Exact`] compares
    /// them, or 4 bytes a permutation where [`Verify::Estimate`] does. Where more than 64 documents share a band, each is compared with up to 64 of them that
    /// are unlike one another, so that time grows with the documents, not with their pairs. A document without a token has no duplicate.
    ///
    /// # Errors
    /// If there are more than 2^32 - 1 documents.
    pub fn groups<D: AsRef<str> + Send + Sync>(
        &self,
        documents: impl IntoIterator<Item = D>,
    ) -> Result<DuplicateGroups> {
        self.groups_watched(documents, &Watch::default())
    }

    /// [`groups`](Self::groups), reporting every few megabytes the number of documents, of as many as the iterator announces, as `near duplicates`, and
    /// then the bands that were compared as `near duplicates, bands`. Work that is stopped gives the groups among the documents and by the bands
    /// before.
    ///
    /// # Errors
    /// As for [`groups`](Self::groups).
    #[tracing::instrument(skip_all, name = "near duplicates", fields(bands = self.bands))]
    pub fn groups_watched<D: AsRef<str> + Send + Sync>(
        &self,
        documents: impl IntoIterator<Item = D>,
        watch: &Watch,
    ) -> Result<DuplicateGroups> {
        let mut batches = Batches::new(documents);
        let (mut store, mut read) = (Store::default(), 0);
        while let Some(some) = batches.next() {
            let entries = some.par_iter().map_init(
                || (Vec::new(), Vec::new()),
                |(tokens, shingles), document| {
                    self.shingles_into(document.as_ref(), tokens, shingles);
                    self.entry(shingles)
                },
            );
            for entry in entries.collect::<Vec<_>>() {
                store.push(tokens::number("documents", read)?, entry);
                read += 1;
            }
            if !watch.goes_on("near duplicates", read, batches.announced(read)) {
                break;
            }
        }
        let mut joined = Joined::new(store.places.len());
        for band in 0..self.bands {
            for (one, other) in store.pairs(self, band, joined.roots()) {
                joined.join(one, other);
            }
            if !watch.goes_on("near duplicates, bands", band + 1, self.bands) {
                break;
            }
        }
        let mut members: Vec<(u32, u32)> = joined
            .roots()
            .iter()
            .zip(&store.places)
            .map(|(root, place)| (*root, *place))
            .collect();
        members.par_sort_unstable();
        let groups = members.chunk_by(|a, b| a.0 == b.0);
        let groups = groups
            .filter(|group| group.len() > 1)
            .map(|group| group.iter().map(|(_, place)| *place as usize).collect());
        Ok(DuplicateGroups {
            documents: read,
            groups: groups.collect(),
        })
    }

    fn entry(&self, shingles: &mut Vec<u64>) -> Entry {
        let mut entry = Entry::default();
        if shingles.is_empty() {
            return entry;
        }
        shingles.sort_unstable();
        shingles.dedup();
        entry.signature.reserve_exact(self.permutations.len());
        self.signature_into(shingles, &mut entry.signature);
        self.band_keys_into(&entry.signature, &mut entry.keys);
        match self.verify {
            Verify::Exact => entry.shingles.clone_from(shingles),
            Verify::Estimate => return entry,
            Verify::Nothing => {}
        }
        entry.signature = Vec::new();
        entry
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::config::NearDuplicatesConfig;
    use super::*;

    /// Sets of words as texts: shingles of one word.
    fn sets() -> NearDuplicatesConfig {
        NearDuplicatesConfig::new().with_shingle(1)
    }

    fn text(name: usize, from: usize, to: usize) -> String {
        let words: Vec<String> = (from..to).map(|word| format!("{name}x{word}")).collect();
        words.join(" ")
    }

    /// Pairs that have `shared` words and `own` more each.
    fn pairs(count: usize, shared: usize, own: usize) -> Vec<String> {
        let one = |pair| text(pair, 0, shared + own);
        let other = |pair| {
            format!(
                "{} {}",
                text(pair, 0, shared),
                text(pair, 1_000, 1_000 + own)
            )
        };
        (0..count)
            .flat_map(|pair| [one(pair), other(pair)])
            .collect()
    }

    #[test]
    fn pairs_at_the_threshold_are_found_and_those_below_are_not() {
        // 80 of 100 words, and 79 of 101.
        let (at, below) = (pairs(400, 80, 10), pairs(400, 79, 11));
        let index = sets().init().unwrap();
        assert_eq!(index.jaccard(&at[0], &at[1]), 0.8);
        let found = index.groups(&at).unwrap();
        assert!(
            found
                .groups()
                .iter()
                .all(|group| group.len() == 2 && group[0] + 1 == group[1])
        );
        assert!(found.groups().len() >= 380, "{}", found.groups().len());
        assert!(index.groups(&below).unwrap().groups().is_empty());
    }

    /// Without a check, the share of pairs is that of the curve.
    #[test]
    fn bands_alone_follow_the_curve() {
        for (shared, own) in [(50, 25), (60, 20), (70, 15), (80, 10)] {
            let config = sets().with_verify(Verify::Nothing);
            let found = config
                .init()
                .unwrap()
                .groups(pairs(1_000, shared, own))
                .unwrap();
            let similarity = shared as f64 / (shared + 2 * own) as f64;
            let wanted = config.probability(similarity).unwrap();
            let share = found.groups().len() as f64 / 1_000.0;
            let error = (wanted * (1.0 - wanted) / 1_000.0).sqrt();
            assert!((share - wanted).abs() < 4.5 * error, "{share} for {wanted}");
        }
    }

    /// Components of all pairs that reach the threshold, each pair compared.
    fn slowly(index: &NearDuplicates, texts: &[String]) -> Vec<Vec<usize>> {
        let mut joined = Joined::new(texts.len());
        for one in 0..texts.len() {
            for other in one + 1..texts.len() {
                if index.jaccard(&texts[one], &texts[other]) >= index.threshold {
                    joined.join(one as u32, other as u32);
                }
            }
        }
        let roots = joined.roots().to_vec();
        let of = |root: usize| {
            let members = (0..texts.len()).filter(|at| roots[*at] as usize == root);
            members.collect::<Vec<_>>()
        };
        (0..texts.len())
            .map(of)
            .filter(|group| group.len() > 1)
            .collect()
    }

    #[test]
    fn groups_are_those_of_all_pairs() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut texts: Vec<String> = Vec::new();
        for document in 0..400 {
            // New, or an earlier one with some words changed.
            let words = match document {
                0 => None,
                _ => rng
                    .random_bool(0.5)
                    .then(|| &texts[rng.random_range(0..document)]),
            };
            let words: Vec<String> = match words {
                Some(words) => words.split(' ').map(str::to_owned).collect(),
                None => (0..40)
                    .map(|_| format!("w{}", rng.random_range(0..5_000)))
                    .collect(),
            };
            let changed = rng.random_range(0.0..0.2);
            let words = words
                .into_iter()
                .map(|word| match rng.random_bool(changed) {
                    true => format!("w{}", rng.random_range(0..5_000)),
                    false => word,
                });
            texts.push(words.collect::<Vec<_>>().join(" "));
        }
        let config = sets().with_permutations(1024).with_recall(0.999_999);
        let index = config.with_threshold(0.75).init().unwrap();
        let wanted = slowly(&index, &texts);
        assert!(wanted.len() > 20 && wanted.iter().any(|group| group.len() > 3));
        let found = index.groups(&texts).unwrap();
        assert_eq!(found.groups(), wanted);
        let firsts = wanted.len();
        let members: usize = wanted.iter().map(Vec::len).sum();
        assert_eq!(found.repeats().len(), members - firsts);
        // Chains are joined; with one thread it is the same.
        let alone = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(alone.install(|| index.groups(&texts)).unwrap(), found);
    }

    /// A corpus in which all share three quarters of their words: verified, none is taken for another.
    #[test]
    fn common_boilerplate_is_no_duplicate() {
        let common = text(0, 0, 60);
        let texts: Vec<String> = (1..2_000)
            .map(|document| format!("{common} {}", text(document, 0, 10)))
            .collect();
        let index = sets().init().unwrap();
        assert!(index.jaccard(&texts[0], &texts[1]) < 0.8);
        assert!(index.groups(&texts).unwrap().groups().is_empty());
        // 75 % is far from 95 %, 27 standard errors of 1,024 permutations.
        let estimate = sets().with_permutations(1_024).with_threshold(0.95);
        let estimate = estimate.with_verify(Verify::Estimate).init().unwrap();
        assert!(estimate.groups(&texts[..300]).unwrap().groups().is_empty());
        let unverified = sets().with_verify(Verify::Nothing).init().unwrap();
        assert!(unverified.groups(&texts).unwrap().groups()[0].len() > 1_000);
    }

    #[test]
    fn the_same_text_many_times_takes_no_longer_than_different_ones() {
        let same = vec!["all the same words in each of the documents"; 50_000];
        for verify in [Verify::Exact, Verify::Estimate, Verify::Nothing] {
            let index = NearDuplicatesConfig::new()
                .with_verify(verify)
                .init()
                .unwrap();
            let found = index.groups(&same).unwrap();
            assert_eq!((found.groups().len(), found.groups()[0].len()), (1, 50_000));
            assert_eq!(found.repeats().len(), 49_999);
        }
    }

    #[test]
    fn empty_texts_are_alone() {
        let index = NearDuplicatesConfig::new().init().unwrap();
        let found = index.groups(["", " ", "a", "…", "A", ""]).unwrap();
        assert_eq!((found.documents(), found.groups()), (6, &[vec![2, 4]][..]));
        let none = index.groups(Vec::<String>::new()).unwrap();
        assert_eq!(none, DuplicateGroups::default());
    }

    #[test]
    fn stopped_work_gives_what_it_has() {
        let texts = pairs(6_000, 20, 0);
        let index = sets().init().unwrap();
        let found = index
            .groups_watched(&texts, &Watch::new().until(|| true))
            .unwrap();
        assert!(found.documents() > 0 && found.documents() < texts.len());
        // The first band of equal texts tells.
        assert_eq!(found.groups().len(), found.documents() / 2);
    }
}
