//! # FrequencyReplay
//!
//! Replays the classes whose frequency lies in a band, the rarest first: those too rare to last and not too rare to matter.
//!
//! Source: Lesort et al., "Challenging Common Assumptions about Catastrophic Forgetting" (arXiv 2207.04543), frequency replay and its
//! random control, as in its code.

use std::collections::BTreeMap;

use rand::seq::index;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{check, positive, share};
use crate::{ContinualError, Result};

/// Which classes are replayed in a task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum WhichClasses {
    /// From the least frequent on, those that were trained often enough and whose frequency is above one number and at most another.
    Band {
        /// Frequencies must be above this.
        low: f64,
        /// And at most this.
        high: f64,
        /// Times that a class must have been trained.
        times: u64,
    },
    /// Random ones, each place with this probability: the control.
    Random(f64),
}

impl WhichClasses {
    fn check(&self) -> Result<()> {
        match self {
            Self::Band { low, high, .. } => {
                check("low", *low, *low >= 0.0, "0 or more, finite")?;
                let allowed = "`low` or more, finite";
                check("high", *high, high >= low, allowed)
            }
            Self::Random(budget) => share("budget", *budget),
        }
    }
}

/// How a [`FrequencyReplay`] is made.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `which` | frequencies above .01 and at most .1, after 3 times | the classes that are replayed |
/// | `per_class` | 200 | examples kept of a class |
/// | `seed` | 0 | of all that is random in it |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrequencyReplayConfig {
    /// Which classes are replayed.
    pub which: WhichClasses,
    /// Examples kept of a class, at least 1.
    pub per_class: usize,
    /// Of all that is random.
    pub seed: u64,
}

impl FrequencyReplayConfig {
    /// Classes whose frequency is above `low` and at most `high`, and that were trained three times.
    #[must_use]
    pub fn band(low: f64, high: f64) -> Self {
        let times = 3;
        Self::of(WhichClasses::Band { low, high, times })
    }

    /// Random classes: each place of a task has one with the probability `budget`.
    #[must_use]
    pub fn random(budget: f64) -> Self {
        Self::of(WhichClasses::Random(budget))
    }

    fn of(which: WhichClasses) -> Self {
        Self {
            which,
            per_class: 200,
            seed: 0,
        }
    }

    /// With another number of examples kept of a class.
    #[must_use]
    pub fn with_per_class(self, per_class: usize) -> Self {
        Self { per_class, ..self }
    }

    /// With another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Without examples.
    ///
    /// # Errors
    /// If a number is out of its range.
    pub fn init<I>(&self) -> Result<FrequencyReplay<I>> {
        let new = FrequencyReplay {
            config: *self,
            tasks: 0,
            draws: 0,
            classes: BTreeMap::new(),
        };
        new.checked()
    }
}

impl Default for FrequencyReplayConfig {
    fn default() -> Self {
        Self::band(0.01, 0.1)
    }
}

/// What is known of a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known<I> {
    /// Times that it was trained, replayed ones too.
    times: u64,
    /// The sum of what each of these counted.
    counted: f64,
    kept: Vec<I>,
}

/// Examples of every class, and how often each was trained: which classes to replay beside those of a task.
///
/// The frequency of a class is the times that it was trained, replay among them, over the tasks so far. Each task:
///
/// 1. [`choose`](Self::choose) the classes to replay beside its own, and train on their [`kept`](Self::kept) examples too;
/// 2. [`keep`](Self::keep) examples of its own classes;
/// 3. [`count`](Self::count) all classes that were trained, each as 1, or
///    [by their accuracy](Self::count_by_accuracy) on held-out examples.
///
/// ```
/// use regimen_continual::memory::FrequencyReplayConfig;
///
/// let mut replay = FrequencyReplayConfig::default().init()?;
/// for task in 0..100 {
///     let current = if task % 25 == 0 { vec![2] } else { vec![0, 1] };
///     let mut trained = replay.choose(&current, 2);
///     // Class 2 has a frequency of .04 by now, and of more with every replay.
///     assert!(task < 60 || trained == [2] || replay.frequency(2) > 0.1 || current == [2]);
///     for class in &current {
///         replay.keep(*class, vec![format!("an example of {class}")]);
///     }
///     trained.extend(current);
///     replay.count(&trained);
/// }
/// assert_eq!(replay.kept(2), ["an example of 2"]);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct FrequencyReplay<I> {
    config: FrequencyReplayConfig,
    tasks: u64,
    draws: u64,
    classes: BTreeMap<usize, Known<I>>,
}
checked_serde!(FrequencyReplay<I>);

impl<I> FrequencyReplay<I> {
    /// How it was made.
    #[must_use]
    pub fn config(&self) -> &FrequencyReplayConfig {
        &self.config
    }

    /// Tasks that were counted.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        self.tasks
    }

    /// What a class counted so far, over the tasks; 0 before the first.
    #[must_use]
    pub fn frequency(&self, class: usize) -> f64 {
        let counted = self.classes.get(&class).map_or(0.0, |known| known.counted);
        counted / self.tasks.max(1) as f64
    }

    /// The examples that are kept of a class.
    #[must_use]
    pub fn kept(&self, class: usize) -> &[I] {
        self.classes.get(&class).map_or(&[], |known| &known.kept)
    }

    /// The classes to replay beside the current ones: at most `places` of those that were counted, none of them current, none twice.
    pub fn choose(&mut self, current: &[usize], places: usize) -> Vec<usize> {
        let counted = self.classes.iter().filter(|(_, known)| known.times > 0);
        let others = counted.filter(|(class, _)| !current.contains(class));
        match self.config.which {
            WhichClasses::Band { low, high, times } => {
                let often = others.filter(|(_, known)| known.times >= times);
                let frequent = often.map(|(class, _)| (self.frequency(*class), *class));
                let band = frequent.filter(|(frequency, _)| *frequency > low && *frequency <= high);
                let mut band: Vec<(f64, usize)> = band.collect();
                band.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                band.into_iter()
                    .take(places)
                    .map(|(_, class)| class)
                    .collect()
            }
            WhichClasses::Random(budget) => {
                let others: Vec<usize> = others.map(|(class, _)| *class).collect();
                let mut rng = self.next_draw();
                let places = places.min(others.len());
                let taken = (0..places).filter(|_| rng.random::<f64>() < budget).count();
                let drawn = index::sample(&mut rng, others.len(), taken);
                drawn.into_iter().map(|place| others[place]).collect()
            }
        }
    }

    /// Keeps examples of a class: the first time `per_class` random ones of them, or all if there are fewer; later
    /// `max(per_class / (times + 1), per_class / 20)` random ones, at least 1, in the place of as many random ones, with `times` those that
    /// the class was counted.
    pub fn keep(&mut self, class: usize, mut examples: Vec<I>) {
        let mut rng = self.next_draw();
        let most = self.config.per_class;
        let known = self.classes.entry(class).or_insert_with(Known::new);
        let by_times = (most as u64 / known.times.saturating_add(1)) as usize;
        let fresh = match known.kept.len() {
            0 => most,
            kept => by_times.max(most / 20).max(1).min(kept),
        };
        let fresh = fresh.min(examples.len());
        // The places in descending order: what is taken out leaves the lower ones as they are.
        let mut places = index::sample(&mut rng, examples.len(), fresh).into_vec();
        places.sort_unstable_by(|a, b| b.cmp(a));
        let taken = places.into_iter().map(|place| examples.swap_remove(place));
        if known.kept.is_empty() {
            known.kept.extend(taken);
            return;
        }
        let old = index::sample(&mut rng, known.kept.len(), fresh);
        for (place, example) in old.into_iter().zip(taken) {
            known.kept[place] = example;
        }
    }

    /// Counts a task in which these classes were trained, replayed ones too.
    pub fn count(&mut self, classes: &[usize]) {
        self.tasks = self.tasks.saturating_add(1);
        classes.iter().for_each(|class| self.add(*class, 1.0));
    }

    /// As [`count`](Self::count), with the accuracy on held-out examples of each class in the place of 1: a class that is trained and not
    /// known stays rare.
    ///
    /// # Errors
    /// If there are not as many accuracies as classes, or one is not 0 to 1: nothing is counted.
    pub fn count_by_accuracy(&mut self, classes: &[usize], accuracies: &[f64]) -> Result<()> {
        let (expected, found) = (classes.len(), accuracies.len());
        if expected != found {
            return Err(ContinualError::mismatch("accuracies", expected, found));
        }
        for accuracy in accuracies {
            share("accuracy", *accuracy)?;
        }
        self.tasks = self.tasks.saturating_add(1);
        for (class, accuracy) in classes.iter().zip(accuracies) {
            self.add(*class, *accuracy);
        }
        Ok(())
    }

    fn add(&mut self, class: usize, counts: f64) {
        let known = self.classes.entry(class).or_insert_with(Known::new);
        known.times = known.times.saturating_add(1);
        known.counted += counts;
    }

    fn next_draw(&mut self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(self.draws);
        self.draws = self.draws.wrapping_add(1);
        rng
    }
}

impl<I> Known<I> {
    fn new() -> Self {
        Self {
            times: 0,
            counted: 0.0,
            kept: Vec::new(),
        }
    }
}

impl<I> Checked for FrequencyReplay<I> {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        positive("per_class", self.config.per_class)?;
        self.config.which.check()?;
        for known in self.classes.values() {
            let (kept, most) = (known.kept.len(), self.config.per_class);
            if kept > most {
                let allowed = format!("at most {most}, `per_class`");
                return Err(ContinualError::range("kept", kept, &allowed));
            }
            let counted = known.counted;
            let good = (0.0..=known.times as f64).contains(&counted);
            check("counted", counted, good, "0 to the times")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn trained(which: FrequencyReplayConfig, times: &[(usize, usize)]) -> FrequencyReplay<usize> {
        let mut replay = which.init().unwrap();
        for (class, times) in times {
            (0..*times).for_each(|_| replay.count(&[*class]));
        }
        replay
    }

    #[test]
    fn the_rarest_of_the_band_come_first() {
        // Of 100 tasks: too few times, .04, .08, .1, above the band.
        let times = [(0, 2), (1, 8), (2, 4), (3, 10), (4, 76)];
        let mut replay = trained(FrequencyReplayConfig::default(), &times);
        assert_eq!(replay.tasks(), 100);
        assert_eq!(replay.choose(&[4], 9), [2, 1, 3]);
        assert_eq!(replay.choose(&[4], 2), [2, 1]);
        assert_eq!(replay.choose(&[2, 0], 2), [1, 3]);
        // .03 is not above .03.
        let mut high = trained(FrequencyReplayConfig::band(0.03, 0.09), &[(0, 3), (1, 97)]);
        assert_eq!(high.choose(&[1], 2), [0_usize; 0]);
    }

    #[test]
    fn what_is_known_badly_stays_rare() {
        let mut replay = FrequencyReplayConfig::default().init::<u8>().unwrap();
        for task in 0..40 {
            let accuracies = [0.25, 0.9];
            replay.count_by_accuracy(&[0, 1], &accuracies).unwrap();
            assert!((replay.frequency(0) - 0.25).abs() < 1e-12, "{task}");
        }
        assert!(replay.count_by_accuracy(&[0], &[]).is_err());
        assert!(replay.count_by_accuracy(&[0], &[1.5]).is_err());
        assert_eq!(replay.tasks(), 40);
    }

    #[test]
    fn fewer_examples_are_fresh_each_time() {
        let mut replay = FrequencyReplayConfig::default().init().unwrap();
        let mut fresh = Vec::new();
        for time in 0..30 {
            let before: BTreeSet<usize> = replay.kept(0).iter().copied().collect();
            replay.keep(0, (time * 1000..time * 1000 + 500).collect());
            let kept = replay.kept(0);
            assert_eq!(kept.len(), 200);
            fresh.push(kept.iter().filter(|one| !before.contains(one)).count());
            replay.count(&[0]);
        }
        // 200 / (times + 1), and 10 at least.
        assert_eq!(fresh[..5], [200, 100, 66, 50, 40]);
        assert_eq!((fresh[19], fresh[29]), (10, 10));
    }

    #[test]
    fn random_classes_are_any_but_the_current_ones() {
        let times = [(0, 5), (1, 5), (2, 5), (3, 5)];
        let mut replay = trained(FrequencyReplayConfig::random(1.0), &times);
        let mut counts = [0; 4];
        for _ in 0..300 {
            let chosen = replay.choose(&[1], 2);
            assert!(chosen.len() == 2 && chosen[0] != chosen[1]);
            chosen.iter().for_each(|class| counts[*class] += 1);
        }
        assert_eq!(counts[1], 0);
        assert!(
            [0, 2, 3].iter().all(|c| (160..240).contains(&counts[*c])),
            "{counts:?}"
        );
        let mut half = trained(FrequencyReplayConfig::random(0.5), &times);
        let chosen: usize = (0..300).map(|_| half.choose(&[1], 2).len()).sum();
        assert!((250..350).contains(&chosen), "{chosen}");
        assert!(FrequencyReplayConfig::random(1.5).init::<u8>().is_err());
        assert!(FrequencyReplayConfig::band(0.2, 0.1).init::<u8>().is_err());
    }

    proptest! {
        /// Saved at any place, it goes on as it would have.
        #[test]
        fn it_goes_on_where_it_was_saved(random in any::<bool>(), steps in 1_u64..20, seed in any::<u64>()) {
            let config = if random { FrequencyReplayConfig::random(0.7) } else { FrequencyReplayConfig::band(0.0, 0.5) };
            let mut replay = config.with_seed(seed).with_per_class(5).init::<u64>().unwrap();
            let step = |replay: &mut FrequencyReplay<u64>, number: u64| {
                let current = [number as usize % 3, 3];
                let mut trained = replay.choose(&current, 2);
                replay.keep(current[0], (number * 10..number * 10 + 8).collect());
                trained.extend(current);
                replay.count(&trained);
                trained
            };
            for number in 0..steps {
                step(&mut replay, number);
            }
            let mut restored: FrequencyReplay<u64> = serde_json::from_str(&serde_json::to_string(&replay).unwrap()).unwrap();
            for number in steps..2 * steps {
                prop_assert_eq!(step(&mut replay, number), step(&mut restored, number));
            }
            prop_assert_eq!(replay, restored);
        }
    }
}
