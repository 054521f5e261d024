//! # Mixture
//!
//! So much of each domain in every epoch, by weights that may change during training.
//!
//! Source: the sampling of data mixtures in common use; weights by a power of the sizes as in multilingual BERT and XLM, arXiv 1901.07291 (section
//! 3.1)

use rand::seq::SliceRandom;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::deck::{Deck, counts, shares};
use super::draw::{generator, shuffled};
use super::part::part;
use super::scores;
use crate::error::{CurriculumError, Result, check, check_examples, count, counted, same};
use crate::sampler::{EpochPlan, Sampler};

/// Domains of a mixture: at most so many.
const DOMAINS: usize = 1 << 16;

/// Weights of domains in proportion to `size^power`: 1 as the data are, 0 the same of each (balanced), .3 to .7 between the two.
///
/// # Errors
/// If `power` is not within 0 and 1, or no domain has an example.
///
/// ```
/// use regimen_curriculum::select::mixture_weights;
///
/// assert_eq!(mixture_weights(&[900, 100], 1.0)?, [0.9, 0.1]);
/// assert_eq!(mixture_weights(&[900, 100], 0.5)?, [0.75, 0.25]);
/// assert_eq!(mixture_weights(&[900, 100], 0.0)?, [0.5, 0.5]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
pub fn mixture_weights(sizes: &[usize], power: f64) -> Result<Vec<f64>> {
    check("power", power, (0.0..=1.0).contains(&power), "0 to 1")?;
    let weigh = |size: &usize| match size {
        0 => 0.0,
        size => (*size as f64).powf(power),
    };
    let weights: Vec<f64> = sizes.iter().map(weigh).collect();
    let sum: f64 = weights.iter().sum();
    check("sizes", sum, sum > 0.0, "one domain with an example")?;
    Ok(weights.iter().map(|weight| weight / sum).collect())
}

/// Configuration of a [`Mixture`].
///
/// | parameter | default | range |
/// |---|---|---|
/// | `weights` | of [`new`](Self::new) | one for each domain, 0 or more, not all 0; they need not sum to 1 |
/// | `until` | none | as many weights, which are reached in so many epochs, 1 or more |
/// | `length` | as many as there are examples | 1 to the number of examples |
/// | `seed` | 0 | any |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MixtureConfig {
    weights: Vec<f64>,
    until: Option<(Vec<f64>, usize)>,
    length: Option<usize>,
    seed: u64,
}

impl MixtureConfig {
    /// With a weight for each domain, see [`mixture_weights`].
    #[must_use]
    pub fn new(weights: Vec<f64>) -> Self {
        Self {
            weights,
            until: None,
            length: None,
            seed: 0,
        }
    }

    /// The shares go in a straight line to those of other weights, which the epoch `epochs` and all after it have. Epochs count from 0.
    #[must_use]
    pub fn with_until(mut self, weights: Vec<f64>, epochs: usize) -> Self {
        self.until = Some((weights, epochs));
        self
    }

    /// So many examples an epoch. With all of them a weight only decides where a domain has more than its part: make it shorter.
    #[must_use]
    pub fn with_length(mut self, length: usize) -> Self {
        self.length = Some(length);
        self
    }

    /// The seed of the order.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// For examples of these domains, `0..weights.len()`.
    ///
    /// # Errors
    /// If there is no example or over 2^28, a domain has no weight, every domain with a weight is without examples, or a number lies outside its
    /// range.
    pub fn init(&self, domains: &[usize]) -> Result<Mixture> {
        check_examples(domains.len())?;
        count(
            "weights",
            self.weights.len(),
            self.weights.len() <= DOMAINS,
            "up to 65536",
        )?;
        let mut decks = vec![Deck::default(); self.weights.len()];
        for (id, domain) in domains.iter().enumerate() {
            match decks.get_mut(*domain) {
                Some(deck) => deck.ids.push(id),
                None => return Err(out("domains", *domain, "below the number of weights")),
            }
        }
        let mixture = Mixture {
            from: self.weights.clone(),
            until: self.until.clone(),
            length: self.length.unwrap_or(domains.len()),
            seed: self.seed,
            decks,
            epoch: 0,
        };
        mixture.checked()
    }
}

/// As much of each domain in an epoch as its weight says.
///
/// A domain gives `length * weight / sum of weights` examples, rounded so that the epoch has its length (the largest remainders first). Its
/// examples come in random order, and each once before any comes again, over the epochs too. No example comes twice in an epoch: a domain
/// that is asked for more gives all it has, and the others share what is missing by their weights; where domains with a weight have fewer
/// examples than `length`, the epoch is as much shorter. The epoch is shuffled.
///
/// Weights follow the configuration, or are set between two epochs ([`set_weights`](Self::set_weights), in a training by
/// `feedback.with_sampler`): what DoReMi or an online mixing rule finds.
///
/// ```
/// use regimen_curriculum::{MixtureConfig, Sampler};
///
/// let domains = [vec![0; 900], vec![1; 100]].concat(); // 900 of the web, 100 of code
/// let config = MixtureConfig::new(vec![0.9, 0.1]).with_until(vec![0.5, 0.5], 10).with_length(100);
/// let mut mixture = config.init(&domains)?;
/// let code = |ids: &[usize]| ids.iter().filter(|id| domains[**id] == 1).count();
/// assert_eq!(code(&mixture.plan().ids), 10);
/// assert_eq!(code(&mixture.plan().ids), 14);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Mixture {
    from: Vec<f64>,
    until: Option<(Vec<f64>, usize)>,
    length: usize,
    seed: u64,
    decks: Vec<Deck>,
    epoch: usize,
}

checked_serde!(Mixture);
part!(Mixture, "mixture 1");

impl Checked for Mixture {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let examples = self.examples();
        check_examples(examples)?;
        self.check_weights(&self.from)?;
        if let Some((weights, epochs)) = &self.until {
            self.check_weights(weights)?;
            count("until", *epochs, *epochs > 0, "1 epoch or more")?;
        }
        let good = (1..=examples).contains(&self.length);
        count("length", self.length, good, "1 to the number of examples")?;
        EpochPlan::new(
            self.decks
                .iter()
                .flat_map(|deck| deck.ids.clone())
                .collect(),
        )
        .check()?;
        for deck in &self.decks {
            if let Some(id) = deck.ids.iter().find(|id| **id >= examples) {
                return Err(CurriculumError::UnknownExample { id: *id, examples });
            }
            let good = deck.taken <= deck.ids.len();
            count("taken", deck.taken, good, "up to the domain's examples")?;
        }
        counted("epoch", self.epoch)
    }
}

impl Mixture {
    /// Takes other weights from the next epoch on, in place of those of the configuration.
    ///
    /// # Errors
    /// If there are not as many as domains, one is negative or above 1e300, or no domain with examples has one above 0. Nothing is changed
    /// then.
    pub fn set_weights(&mut self, weights: &[f64]) -> Result<()> {
        self.check_weights(weights)?;
        self.from = weights.to_vec();
        self.until = None;
        Ok(())
    }

    /// The share of each domain that the next epoch aims at; they sum to 1.
    #[must_use]
    pub fn shares(&self) -> Vec<f64> {
        let from = shares(&self.from);
        let Some((weights, epochs)) = &self.until else {
            return from;
        };
        let time = (self.epoch as f64 / *epochs as f64).min(1.0);
        let to = shares(weights);
        let between = |(from, to): (&f64, f64)| from + time * (to - from);
        from.iter().zip(to).map(between).collect()
    }

    /// Examples of each domain in the next epoch.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        let sizes: Vec<usize> = self.decks.iter().map(|deck| deck.ids.len()).collect();
        counts(&self.shares(), &sizes, self.length)
    }

    fn check_weights(&self, weights: &[f64]) -> Result<()> {
        let domains = self.decks.len();
        let (given, allowed) = (weights.len(), "one for each domain");
        count("weights", given, given == domains, allowed)?;
        for weight in weights {
            let good = (0.0..=1e300).contains(weight);
            check("weights", *weight, good, "0 to 1e300")?;
        }
        let served = shares(weights).into_iter().zip(&self.decks);
        let served = served.filter(|(_, deck)| !deck.ids.is_empty());
        let sum: f64 = served.map(|(share, _)| share).sum();
        let allowed = "one above 0 of a domain with examples";
        check("weights", sum, sum > 0.0, allowed)
    }

    /// The examples of each domain, as sets.
    fn domains(&self) -> Vec<Vec<usize>> {
        let sorted = |deck: &Deck| {
            let mut ids = deck.ids.clone();
            ids.sort_unstable();
            ids
        };
        self.decks.iter().map(sorted).collect()
    }
}

impl Sampler for Mixture {
    fn examples(&self) -> usize {
        self.decks.iter().map(|deck| deck.ids.len()).sum()
    }

    fn plan(&mut self) -> EpochPlan {
        let counts = self.counts();
        let is_first = self.epoch == 0;
        self.epoch += 1;
        let mut rng = generator(self.seed, self.epoch);
        let mut ids = Vec::with_capacity(self.length);
        for (deck, wanted) in self.decks.iter_mut().zip(counts) {
            if is_first {
                deck.ids.shuffle(&mut rng);
            }
            ids.extend(deck.draw(wanted, &mut rng));
        }
        EpochPlan::new(shuffled(ids, &mut rng))
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        scores::check(self.examples(), ids, losses)
    }

    /// Weights may differ: they are part of what changes.
    fn accepts(&self, saved: &Self) -> Result<()> {
        same("examples", &self.examples(), &saved.examples())?;
        if self.domains() != saved.domains() {
            return Err(out("decks", saved.decks.len(), "the same domains"));
        }
        same("length", &self.length, &saved.length)?;
        same("seed", &self.seed, &saved.seed)
    }
}

fn out(field: &'static str, value: usize, allowed: &'static str) -> CurriculumError {
    CurriculumError::OutOfRange {
        field,
        value: value.to_string(),
        allowed,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn domains(sizes: &[usize]) -> Vec<usize> {
        let of = |(domain, size): (usize, &usize)| vec![domain; *size];
        sizes.iter().enumerate().flat_map(of).collect()
    }

    #[test]
    fn parts_by_hand() {
        assert_eq!(counts(&[0.5, 0.3, 0.2], &[100; 3], 10), [5, 3, 2]);
        // 3.5, 2.1, 1.4: the largest remainder is the first one's.
        assert_eq!(counts(&[0.5, 0.3, 0.2], &[100; 3], 7), [4, 2, 1]);
        // The first gives its 3; 7 left in shares 3 to 2: 4.2 and 2.8.
        assert_eq!(counts(&[0.5, 0.3, 0.2], &[3, 100, 100], 10), [3, 4, 3]);
        // What has no weight gives nothing, and the epoch is shorter.
        assert_eq!(counts(&[1.0, 0.0], &[4, 9], 10), [4, 0]);
        assert_eq!(counts(&[0.5, 0.5], &[0, 9], 4), [0, 4]);
        assert_eq!(shares(&[1e300, 1e300, 0.0]), [0.5, 0.5, 0.0]);
    }

    #[test]
    fn each_example_comes_once_before_any_comes_again() {
        let domains = domains(&[7, 20]);
        let mut mixture = MixtureConfig::new(vec![1.0, 1.0])
            .with_length(10)
            .init(&domains)
            .unwrap();
        let mut seen = [0_usize; 27];
        for _ in 0..60 {
            let ids = mixture.plan().ids;
            assert_eq!(ids.iter().filter(|id| **id < 7).count(), 5);
            EpochPlan::new(ids.clone()).check().unwrap();
            for id in ids {
                seen[id] += 1;
            }
            for of in [&seen[..7], &seen[7..]] {
                let (least, most) = (of.iter().min().unwrap(), of.iter().max().unwrap());
                assert!(most - least <= 1, "{seen:?}");
            }
        }
        // 5 of 7 an epoch; 5 of 20.
        assert_eq!(seen[..7].iter().sum::<usize>(), 300);
        assert!(seen[7..].iter().all(|times| *times == 15));
    }

    #[test]
    fn weights_move_and_are_set() {
        let domains = domains(&[50, 50, 50]);
        let config = MixtureConfig::new(vec![1.0, 0.0, 0.0]).with_length(40);
        let config = config.with_until(vec![0.0, 2.0, 2.0], 4);
        let mut mixture = config.init(&domains).unwrap();
        for wanted in [
            [40, 0, 0],
            [30, 5, 5],
            [20, 10, 10],
            [10, 15, 15],
            [0, 20, 20],
            [0, 20, 20],
        ] {
            assert_eq!(mixture.counts(), wanted);
            let ids = mixture.plan().ids;
            let found = [0, 1, 2].map(|of| ids.iter().filter(|id| domains[**id] == of).count());
            assert_eq!(found, wanted);
        }
        mixture.set_weights(&[3.0, 1.0, 0.0]).unwrap();
        assert_eq!(mixture.counts(), [30, 10, 0]);
        let before = mixture.clone();
        for bad in [
            &[1.0, 1.0][..],
            &[0.0; 3],
            &[-1.0, 1.0, 1.0],
            &[f64::NAN, 1.0, 1.0],
        ] {
            assert!(mixture.set_weights(bad).is_err());
        }
        assert_eq!(mixture, before);
    }

    #[test]
    fn a_state_of_other_domains_is_refused() {
        let of = |domains: &[usize]| MixtureConfig::new(vec![1.0, 1.0]).init(domains).unwrap();
        let own = of(&[0, 0, 1]);
        let mut later = own.clone();
        later.plan();
        later.set_weights(&[1.0, 3.0]).unwrap();
        own.accepts(&later).unwrap();
        assert!(own.accepts(&of(&[0, 1, 1])).is_err());
        assert!(own.accepts(&of(&[0, 0, 1, 1])).is_err());
    }
}
