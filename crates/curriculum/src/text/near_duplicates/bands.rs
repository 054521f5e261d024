//! Which documents share a band, and which of them are duplicates.

use rayon::prelude::*;

use super::signature::{NearDuplicates, jaccard};
use super::verify::Verify;

/// Documents of one band's bucket that each further one is compared with, at most.
pub(super) const COMPARED: usize = 64;

/// What is kept of the documents that have a token.
#[derive(Default)]
pub(super) struct Store {
    /// Of each document its place in the corpus.
    pub(super) places: Vec<u32>,
    /// The keys of its bands.
    pub(super) keys: Vec<u64>,
    /// Its signature, where estimates verify.
    pub(super) signatures: Vec<u32>,
    /// Where its shingles end, where they verify.
    pub(super) ends: Vec<usize>,
    pub(super) shingles: Vec<u64>,
}

/// What is computed of one document.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) keys: Vec<u64>,
    pub(super) signature: Vec<u32>,
    pub(super) shingles: Vec<u64>,
}

impl Store {
    pub(super) fn push(&mut self, place: u32, entry: Entry) {
        if entry.keys.is_empty() {
            return;
        }
        self.places.push(place);
        self.keys.extend(entry.keys);
        self.signatures.extend(entry.signature);
        self.shingles.extend(entry.shingles);
        self.ends.push(self.shingles.len());
    }

    fn shingles(&self, document: usize) -> &[u64] {
        let start = document
            .checked_sub(1)
            .map_or(0, |before| self.ends[before]);
        &self.shingles[start..self.ends[document]]
    }

    fn is_near(&self, of: &NearDuplicates, one: usize, other: usize) -> bool {
        let similarity = match of.verify {
            Verify::Nothing => return true,
            Verify::Exact => jaccard(self.shingles(one), self.shingles(other)),
            Verify::Estimate => {
                let length = of.permutations.len();
                let signature = |at: usize| &self.signatures[at * length..(at + 1) * length];
                of.estimate(signature(one), signature(other))
            }
        };
        similarity >= of.threshold
    }

    /// The pairs of duplicates that share a band and are not known to be of one group.
    pub(super) fn pairs(&self, of: &NearDuplicates, band: usize, roots: &[u32]) -> Vec<(u32, u32)> {
        let documents = 0..self.places.len() as u32;
        let mut keyed: Vec<(u64, u32)> = documents
            .into_par_iter()
            .map(|document| (self.keys[document as usize * of.bands + band], document))
            .collect();
        keyed.par_sort_unstable();
        let buckets: Vec<&[(u64, u32)]> = keyed
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|bucket| bucket.len() > 1)
            .collect();
        let found = buckets.par_iter().flat_map_iter(|bucket| {
            let mut pairs = Vec::new();
            let mut peers: Vec<u32> = Vec::new();
            for (_, document) in *bucket {
                let mut is_joined = false;
                for peer in &peers {
                    let (one, other) = (*peer as usize, *document as usize);
                    if roots[one] == roots[other] {
                        is_joined = true;
                    } else if self.is_near(of, one, other) {
                        is_joined = true;
                        pairs.push((*peer, *document));
                    }
                }
                // Of a large bucket those stand for all that are unlike one another.
                if peers.len() < COMPARED && (bucket.len() <= COMPARED || !is_joined) {
                    peers.push(*document);
                }
            }
            pairs
        });
        found.collect()
    }
}

/// Documents joined in groups, each under its first one.
pub(super) struct Joined(Vec<u32>);

impl Joined {
    pub(super) fn new(documents: usize) -> Self {
        Self((0..documents as u32).collect())
    }

    fn root(&mut self, document: u32) -> u32 {
        let mut at = document;
        while self.0[at as usize] != at {
            let above = self.0[at as usize];
            self.0[at as usize] = self.0[above as usize];
            at = above;
        }
        at
    }

    pub(super) fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other) as usize] = one.min(other);
    }

    /// Of each document the first one of its group.
    pub(super) fn roots(&mut self) -> &[u32] {
        for document in 0..self.0.len() {
            // What stands above comes before, and is at its root already.
            self.0[document] = self.0[self.0[document] as usize];
        }
        &self.0
    }
}
