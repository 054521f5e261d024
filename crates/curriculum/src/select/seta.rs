//! # SeTa
//!
//! Trains each epoch on a window of loss groups that slides from easy to hard, of a random share of the data.
//!
//! Source: Zhou et al., "Scale Efficient Training for Large Datasets", CVPR 2025, arXiv 2503.13385.

use std::cmp::Reverse;
use std::ops::Range;

use rand::{Rng, RngExt};
use rayon::prelude::*;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::draw::{generator, shuffled, subset};
use super::kmeans::{cluster, cuts};
use super::part::part;
use super::scores::Scores;
use crate::error::{CurriculumError, Result, check, check_examples, count, counted, same};
use crate::sampler::{EpochPlan, Sampler};

/// How SeTa selects.
///
/// | field | default | range |
/// |---|---|---|
/// | `epochs` | required | 1 or more: the length of the run |
/// | `prune_ratio` | 0 | `0..1`: random share dropped each epoch; at least a tenth is kept |
/// | `groups` | 10 | 1 to 1024: loss groups |
/// | `window_scale` | 0.5 | above 0, up to 1: window over groups; `groups * window_scale` must round to 1 or more |
/// | `delta` | 0.875 | `0..=1`: the part of the run that slides; a random share of all data follows |
/// | `seed` | 0 | any |
///
/// The authors recommend 0.1, 5, 0.9 for CIFAR and 0, 5, 0.6 for ImageNet. With `window_scale` 1 nothing
/// is windowed; with 1 group it is dynamic random pruning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct SetaConfig {
    /// The length of the run.
    pub epochs: usize,
    /// Random share dropped each epoch.
    pub prune_ratio: f64,
    /// Loss groups.
    pub groups: usize,
    /// Width of the window as a share of the groups.
    pub window_scale: f64,
    /// The part of the run that slides.
    pub delta: f64,
    /// Seed of the draws.
    pub seed: u64,
}
checked_serde!(SetaConfig);

impl SetaConfig {
    /// The authors' defaults for a run of `epochs`.
    #[must_use]
    pub fn new(epochs: usize) -> Self {
        Self {
            epochs,
            prune_ratio: 0.0,
            groups: 10,
            window_scale: 0.5,
            delta: 0.875,
            seed: 0,
        }
    }

    /// Another random share dropped each epoch.
    #[must_use]
    pub fn with_prune_ratio(mut self, prune_ratio: f64) -> Self {
        self.prune_ratio = prune_ratio;
        self
    }

    /// Another number of loss groups.
    #[must_use]
    pub fn with_groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Another window.
    #[must_use]
    pub fn with_window_scale(mut self, window_scale: f64) -> Self {
        self.window_scale = window_scale;
        self
    }

    /// Another part of the run that slides.
    #[must_use]
    pub fn with_delta(mut self, delta: f64) -> Self {
        self.delta = delta;
        self
    }

    /// Another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A sampler for a data set.
    ///
    /// # Errors
    /// If a parameter is out of its range, or there is no example or more than 2^28.
    pub fn init(&self, examples: usize) -> Result<Seta> {
        check_examples(examples)?;
        self.check()?;
        Ok(Seta {
            config: self.clone(),
            scores: Scores::new(examples),
            epoch: 0,
            pruned: 0,
        })
    }

    fn keep(&self) -> f64 {
        (1.0 - self.prune_ratio).clamp(0.1, 1.0)
    }
}

impl Checked for SetaConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let (ratio, alpha, delta) = (self.prune_ratio, self.window_scale, self.delta);
        check("epochs", self.epochs as f64, self.epochs > 0, "1 or more")?;
        check(
            "prune_ratio",
            ratio,
            (0.0..1.0).contains(&ratio),
            "0 to below 1",
        )?;
        let good = (1..=MOST_GROUPS).contains(&self.groups);
        count("groups", self.groups, good, "1 to 1024")?;
        check(
            "window_scale",
            alpha,
            alpha > 0.0 && alpha <= 1.0,
            "above 0, up to 1",
        )?;
        let width = window_width(self.groups, alpha);
        check(
            "window_scale",
            alpha,
            width > 0,
            "wide enough for one group",
        )?;
        check("delta", delta, (0.0..=1.0).contains(&delta), "0 to 1")
    }
}

/// The most groups: each is one more layer of the search for the best cuts.
const MOST_GROUPS: usize = 1024;

/// Groups in the window, `groups * window_scale` rounded half to even as in the released code.
fn window_width(groups: usize, window_scale: f64) -> usize {
    (groups as f64 * window_scale).round_ties_even() as usize
}

/// The groups that the pruning epoch `t`, counted from 0, trains on.
///
/// All at `t = 0`; then `w = round(groups * window_scale)` groups from `t mod (groups - w + 1)` on: the
/// easiest group is skipped first and comes back after `groups - w + 1` epochs.
///
/// ```
/// use regimen_curriculum::select::seta::window;
///
/// let windows: Vec<_> = (0..4).map(|t| window(t, 5, 0.6)).collect();
/// assert_eq!(windows, [0..5, 1..4, 2..5, 0..3]);
/// ```
#[must_use]
pub fn window(t: usize, groups: usize, window_scale: f64) -> Range<usize> {
    if t == 0 {
        return 0..groups;
    }
    let width = window_width(groups, window_scale).min(groups);
    let start = t % (groups - width).saturating_add(1);
    start..start + width
}

/// SeTa's sampler.
///
/// Feed back the plain loss of every example that was trained on: one stored float an example is all it
/// needs, no extra forward pass. Losses are not reweighted. A schedule of the rate that counts steps should be driven
/// by the fraction of epochs instead, because epochs become shorter.
///
/// Groups are clusters of least squared deviation, the optimum instead of the released code's random start. Where there are
/// fewer distinct scores than groups, the largest clusters are cut at random into pieces of nearly equal length, as the released code does
/// where all scores are equal; it fails or trains on single examples where some are.
///
/// ```
/// use regimen_curriculum::{Sampler, SetaConfig};
///
/// let mut sampler = SetaConfig::new(8).with_groups(5).with_window_scale(0.6).init(100)?;
/// assert_eq!(sampler.plan().ids.len(), 100);
/// let losses: Vec<f32> = (0..100).map(|i| i as f32 / 100.0).collect();
/// sampler.observe(&(0..100).collect::<Vec<_>>(), &losses)?;
/// let plan = sampler.plan();
/// assert_eq!(plan.ids.len(), 60); // the three middle groups of five
/// assert!(plan.ids.iter().all(|id| (20..80).contains(id)));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Seta {
    config: SetaConfig,
    scores: Scores,
    epoch: usize,
    pruned: usize,
}
checked_serde!(Seta);

impl Checked for Seta {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.config.check()?;
        self.scores.check()?;
        counted("epoch", self.epoch)?;
        let windows = (self.config.delta * self.config.epochs as f64).floor() as usize;
        let good = self.pruned == self.epoch.min(windows);
        let allowed = "`epoch`, up to `delta` of the epochs";
        count("pruned", self.pruned, good, allowed)
    }
}

part!(Seta, "seta 1");

impl Seta {
    /// The last known loss of every example; 3 before it was trained on.
    #[must_use]
    pub fn scores(&self) -> &[f32] {
        self.scores.values()
    }

    /// Whether the next epoch is an annealing one: a random share of all data, no window.
    #[must_use]
    pub fn is_annealing(&self) -> bool {
        (self.epoch + 1) as f64 > self.config.delta * self.config.epochs as f64
    }

    /// The drawn examples whose group is in the window.
    fn select(&self, drawn: Vec<usize>, window: Range<usize>, rng: &mut impl Rng) -> Vec<usize> {
        let groups = self.config.groups;
        if window == (0..groups) {
            return drawn;
        }
        let scores = self.scores.values();
        let drawn_scores: Vec<f32> = drawn.par_iter().map(|id| scores[*id]).collect();
        let cuts = cuts(&drawn_scores, groups);
        if cuts.len() + 1 < groups {
            return pieces(shuffled(drawn, rng), &cuts, scores, groups, window);
        }
        let inside = |id: &usize| window.contains(&cluster(&cuts, scores[*id]));
        drawn.into_par_iter().filter(inside).collect()
    }
}

/// The examples of the window where fewer clusters than groups are found: the largest give more than one group, cut in the order of
/// `drawn`.
fn pieces(
    drawn: Vec<usize>,
    cuts: &[f32],
    scores: &[f32],
    groups: usize,
    window: Range<usize>,
) -> Vec<usize> {
    let mut clusters = vec![Vec::new(); cuts.len() + 1];
    for id in drawn {
        clusters[cluster(cuts, scores[id])].push(id);
    }
    let mut parts = vec![1; clusters.len()];
    // Single examples can't be cut: with more groups than examples, the hardest groups are empty.
    for _ in clusters.len()..groups.min(clusters.iter().map(Vec::len).sum()) {
        // The cluster whose pieces are the longest gives one more; of equals, the easiest.
        let length = |i: &usize| (clusters[*i].len() as f64 / parts[*i] as f64, Reverse(*i));
        let order = |a: &usize, b: &usize| {
            let (a, b) = (length(a), length(b));
            a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
        };
        if let Some(longest) = (0..clusters.len()).max_by(order) {
            parts[longest] += 1;
        }
    }
    let all = clusters.iter().zip(&parts);
    let all = all.flat_map(|(cluster, parts)| {
        let parts = *parts;
        let cut = move |part: usize| part * cluster.len() / parts;
        (0..parts).map(move |part| &cluster[cut(part)..cut(part + 1)])
    });
    let inside = all.skip(window.start).take(window.len());
    inside.flatten().copied().collect()
}

impl Sampler for Seta {
    fn examples(&self) -> usize {
        self.scores.values().len()
    }

    fn plan(&mut self) -> EpochPlan {
        let annealing = self.is_annealing();
        self.epoch += 1;
        let examples = self.examples();
        let span = tracing::info_span!("seta plan", examples, groups = self.config.groups);
        let _span = span.enter();
        let mut rng = generator(self.config.seed, self.epoch);
        let drawn = subset(self.config.keep(), examples, &mut rng);
        let mut ids = if annealing {
            drawn
        } else {
            let window = window(self.pruned, self.config.groups, self.config.window_scale);
            self.pruned += 1;
            self.select(drawn, window, &mut rng)
        };
        if ids.is_empty() {
            ids.push(rng.random_range(0..examples));
        }
        EpochPlan::new(shuffled(ids, &mut rng))
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        self.scores.observe(ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("examples", &self.examples(), &saved.examples())?;
        same("config", &self.config, &saved.config)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn windows(groups: usize, scale: f64, count: usize) -> Vec<(usize, usize)> {
        let all = (0..count).map(|t| window(t, groups, scale));
        all.map(|window| (window.start, window.end)).collect()
    }

    #[test]
    fn window_k5_alpha09() {
        let expected = [
            (0, 5),
            (1, 5),
            (0, 4),
            (1, 5),
            (0, 4),
            (1, 5),
            (0, 4),
            (1, 5),
            (0, 4),
        ];
        assert_eq!(windows(5, 0.9, 9), expected);
    }

    #[test]
    fn window_k5_alpha06() {
        let expected = [
            (0, 5),
            (1, 4),
            (2, 5),
            (0, 3),
            (1, 4),
            (2, 5),
            (0, 3),
            (1, 4),
            (2, 5),
        ];
        assert_eq!(windows(5, 0.6, 9), expected);
    }

    #[test]
    fn window_k10_alpha05() {
        let expected = [
            (0, 10),
            (1, 6),
            (2, 7),
            (3, 8),
            (4, 9),
            (5, 10),
            (0, 5),
            (1, 6),
            (2, 7),
        ];
        assert_eq!(windows(10, 0.5, 9), expected);
    }

    #[test]
    fn window_k3_alpha05() {
        assert_eq!(windows(3, 0.5, 4), [(0, 3), (1, 3), (0, 2), (1, 3)]);
        assert_eq!(window(5, usize::MAX, 0.0), 5..5);
        assert_eq!(window(5, 0, f64::NAN), 0..0);
    }

    /// The share of visits saved if all groups were equally large.
    fn saved(epochs: usize, ratio: f64, groups: usize, scale: f64) -> f64 {
        let keep = 1.0 - ratio;
        let pruning = (0.875 * epochs as f64) as usize;
        let inside: f64 = (0..pruning)
            .map(|t| window(t, groups, scale).len() as f64 / groups as f64)
            .sum();
        1.0 - keep * (inside + (epochs - pruning) as f64) / epochs as f64
    }

    #[test]
    fn saved_fraction_of_equal_groups() {
        assert!((saved(300, 0.0, 5, 0.6) - 0.348).abs() < 1e-3);
        assert!((saved(200, 0.1, 5, 0.9) - 0.2566).abs() < 1e-3);
        assert!((saved(200, 0.1, 10, 0.5) - 0.4915).abs() < 1e-3);
    }

    /// Over one cycle after the first epoch, group `g` is trained `min(g + 1, k - g, w, m + 1)` times.
    #[test]
    fn visits_of_groups_over_a_cycle() {
        for groups in 1..=12 {
            for scale in [0.2, 0.5, 0.6, 0.9, 1.0] {
                let width = window_width(groups, scale);
                if width == 0 {
                    continue;
                }
                let cycle = groups - width + 1;
                for group in 0..groups {
                    let windows = (cycle..2 * cycle).map(|t| window(t, groups, scale));
                    let visits = windows.filter(|window| window.contains(&group)).count();
                    let expected = (group + 1).min(groups - group).min(width).min(cycle);
                    assert_eq!(visits, expected, "{groups} {scale} {group}");
                }
            }
        }
    }

    #[test]
    fn pruning_epochs_delta_0875() {
        for (epochs, last) in [(200, 175), (30, 26), (16, 14)] {
            let mut sampler = SetaConfig::new(epochs).init(20).unwrap();
            let mut pruning = 0;
            for _ in 0..epochs {
                pruning += usize::from(!sampler.is_annealing());
                let _ = sampler.plan();
            }
            assert_eq!(pruning, last);
        }
    }

    #[test]
    fn no_pruning_and_a_whole_window_is_ordinary_training() {
        let mut sampler = SetaConfig::new(4).with_window_scale(1.0).init(30).unwrap();
        for epoch in 0..4_u8 {
            let mut ids = sampler.plan().ids;
            let losses: Vec<f32> = ids
                .iter()
                .map(|id| (id * 7 % 11) as f32 + f32::from(epoch))
                .collect();
            sampler.observe(&ids, &losses).unwrap();
            ids.sort_unstable();
            assert_eq!(ids, (0..30).collect::<Vec<_>>());
        }
    }

    fn sampler(examples: usize, losses: impl Fn(usize) -> f32) -> Seta {
        let config = SetaConfig::new(40).with_groups(5).with_window_scale(0.6);
        let mut sampler = config.init(examples).unwrap();
        let all: Vec<usize> = (0..examples).collect();
        let losses: Vec<f32> = all.iter().map(|id| losses(*id)).collect();
        sampler.observe(&all, &losses).unwrap();
        sampler
    }

    #[test]
    fn windows_of_equal_scores_are_random_and_no_ranges_of_ids() {
        let mut sampler = sampler(500, |_| 1.0);
        let _ = sampler.plan();
        let mut windows: Vec<Vec<usize>> = (0..3).map(|_| sampler.plan().ids).collect();
        for ids in &mut windows {
            ids.sort_unstable();
            assert_eq!(ids.len(), 300);
            let low = ids.iter().filter(|id| **id < 250).count();
            assert!((110..190).contains(&low), "{low} of the first half");
        }
        assert_ne!(windows[0], windows[1]);
    }

    #[test]
    fn one_huge_score_leaves_windows_of_many_examples() {
        let mut sampler = sampler(5000, |id| if id == 77 { 1e4 } else { id as f32 / 5e3 });
        let lengths: Vec<usize> = (0..4).map(|_| sampler.plan().ids.len()).collect();
        assert_eq!(lengths[0], 5000);
        for (length, share) in lengths[1..].iter().zip([3, 2, 3]) {
            assert!(length.abs_diff(share * 1250) < 30, "{lengths:?}");
        }
    }

    #[test]
    fn a_few_distinct_scores_fill_every_window() {
        let mut sampler = sampler(100, |id| if id < 60 { 0.1 } else { 1.0 });
        let _ = sampler.plan();
        // Three pieces of 20 easy examples, two of hard ones.
        for easy in [40, 20, 60] {
            let ids = sampler.plan().ids;
            assert_eq!(ids.len(), 60);
            assert_eq!(ids.iter().filter(|id| **id < 60).count(), easy);
        }
    }

    #[test]
    fn an_empty_window_trains_on_one_example() {
        // One example makes one group of five; the window 2..5 does not hold it.
        let mut sampler = sampler(1, |_| 1.0);
        for _ in 0..6 {
            assert_eq!(sampler.plan().ids, [0]);
        }
    }

    #[test]
    fn a_damaged_state_is_refused() {
        let text = serde_json::to_string(&sampler(3, |_| 1.0)).unwrap();
        let read = |from: &str, to: &str| serde_json::from_str::<Seta>(&text.replace(from, to));
        assert!(read("", "").is_ok());
        assert!(read("[1.0,1.0,1.0]", "[]").is_err());
        assert!(read("[1.0,1.0,1.0]", "[1e99]").is_err());
        assert!(read("\"groups\":5", "\"groups\":0").is_err());
    }
}
