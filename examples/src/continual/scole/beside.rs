//! What is trained beside the classes of a task: classes of a band of frequencies, or as many random ones.

use anyhow::Result;
use regimen_continual::memory::{FrequencyReplay, FrequencyReplayConfig};

use super::arms::Replay;
use super::sequence::PER_TASK;

/// Kept places of images, by class.
pub(super) struct Beside {
    /// It says how many classes are replayed, of the control too.
    band: FrequencyReplay<usize>,
    random: Option<FrequencyReplay<usize>>,
}

impl Beside {
    /// None where nothing is replayed.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub(super) fn new(replay: Replay, seed: u64) -> Result<Option<Self>> {
        let random = FrequencyReplayConfig::random(1.0).with_seed(seed);
        let random = match replay {
            Replay::Nothing => return Ok(None),
            Replay::Frequency => None,
            Replay::Random => Some(random.init()?),
        };
        let band = FrequencyReplayConfig::default().with_seed(seed).init()?;
        Ok(Some(Self { band, random }))
    }

    /// The kept images to train in a task of these classes, whose own are at `examples`.
    pub(super) fn task(
        &mut self,
        classes: &[usize],
        examples: &[usize],
        labels: &[usize],
    ) -> Vec<usize> {
        let places = self.band.choose(classes, PER_TASK);
        let random = self.random.as_mut();
        let (chosen, kept) = match random {
            Some(random) => {
                let chosen = random.choose(classes, places.len());
                let kept = chosen.iter().flat_map(|class| random.kept(*class)).copied();
                let kept: Vec<usize> = kept.collect();
                after(random, classes, &chosen, examples, labels);
                (places, kept)
            }
            None => {
                let kept = places
                    .iter()
                    .flat_map(|class| self.band.kept(*class))
                    .copied();
                let kept = kept.collect();
                (places, kept)
            }
        };
        after(&mut self.band, classes, &chosen, examples, labels);
        kept
    }
}

/// Keeps images of the task, and counts what was trained.
fn after(
    replay: &mut FrequencyReplay<usize>,
    classes: &[usize],
    chosen: &[usize],
    examples: &[usize],
    labels: &[usize],
) {
    for class in classes {
        let of_class = examples.iter().filter(|place| labels[**place] == *class);
        replay.keep(*class, of_class.copied().collect());
    }
    replay.count(&[classes, chosen].concat());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::arms::{FREQUENCY, RANDOM};
    use super::super::sequence::tasks;
    use super::*;

    /// The control replays as many images in every task, of other classes.
    #[test]
    fn both_replay_as_many_images() {
        let labels: Vec<usize> = (0..500).map(|image| image % 10).collect();
        let tasks = tasks(&RANDOM, &labels, 300, 1).unwrap();
        let run = |replay| {
            let mut beside = Beside::new(replay, 1).unwrap().unwrap();
            let each = tasks
                .iter()
                .map(|task| beside.task(&task.task.classes, &task.examples, &labels));
            each.collect::<Vec<_>>()
        };
        let (frequency, random) = (run(FREQUENCY.replay), run(RANDOM.replay));
        let counts = |images: &[Vec<usize>]| images.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(counts(&frequency), counts(&random));
        assert!(frequency.concat().len() > 1000);
        let classes = |images: &[Vec<usize>]| {
            let of = images.concat().into_iter().map(|place| labels[place]);
            of.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert!(classes(&frequency) < classes(&random));
    }
}
