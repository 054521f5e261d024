//! The artificial crowd: small models on few images, whose right and wrong answers say how difficult each image is.

use anyhow::Result;
use burn::tensor::Device;
use rand::seq::SliceRandom;
use regimen_curriculum::ability::irt::{Estimator, IrtConfig, ItemParameters, Responses};

use super::super::bed::{Learner, Rows};
use super::bench::{Bench, Draw, generator};
use crate::experiment::Context;

/// Images of a step, and the rate of Adam.
const BATCH: usize = 20;
const RATE: f64 = 1e-2;

/// Images that a subject learns, of 200.
const SIZES: [usize; 4] = [20, 50, 100, 200];

/// Hidden units, none for softmax regression, and the epochs after each of which there is a subject: 28 with the four sizes.
const KINDS: [(Option<usize>, &[usize]); 2] = [(None, &[1, 5, 20]), (Some(32), &[1, 5, 20, 40])];

/// What the crowd answered, whatever the labels are.
pub(super) struct Crowd {
    /// Of each subject, the class that it gives each item.
    classes: Vec<Vec<usize>>,
    /// Images that were trained on.
    pub(super) visits: usize,
}

impl Crowd {
    /// Trains the subjects on the crowd's images and asks them about all items.
    pub(super) fn new(bench: &Bench, seed: u64, device: &Device) -> Result<Self> {
        let rows = bench.rows(&bench.images.labels, device);
        let places: Vec<usize> = (0..bench.items).collect();
        let items = Rows::new(&bench.images.select(&places), device);
        let mut rng = generator(seed, Draw::Crowd);
        let mut own: Vec<usize> = (bench.items..bench.all).collect();
        let mut crowd = Self {
            classes: Vec::new(),
            visits: 0,
        };
        for size in SIZES {
            own.shuffle(&mut rng);
            let mut ids = own[..(size * own.len() / 200).max(1)].to_vec();
            for (hidden, epochs) in KINDS {
                let widths = [Some(rows.width()), hidden, Some(bench.images.classes)];
                let widths = widths.into_iter().flatten().collect();
                let mut learner = Learner::new(widths, RATE, seed ^ size as u64, device);
                for epoch in 1..=epochs.iter().copied().max().unwrap_or(0) {
                    ids.shuffle(&mut rng);
                    ids.chunks(BATCH).for_each(|ids| learner.step(&rows, ids));
                    crowd.visits += ids.len();
                    if epochs.contains(&epoch) {
                        crowd.classes.push(learner.classes(&items)?);
                    }
                }
            }
        }
        Ok(crowd)
    }

    pub(super) fn subjects(&self) -> usize {
        self.classes.len()
    }

    /// The mean share of answers, in percent, that are these labels.
    pub(super) fn accuracy(&self, labels: &[usize]) -> f64 {
        let of = |classes: &Vec<usize>| {
            let both = classes.iter().zip(labels);
            both.filter(|(class, label)| class == label).count()
        };
        let right: usize = self.classes.iter().map(of).sum();
        let answers: usize = self.classes.iter().map(Vec::len).sum();
        100.0 * right as f64 / answers as f64
    }

    /// The items on the scale of abilities: right is what agrees with the label, be it wrong or not.
    pub(super) fn items(
        &self,
        context: &Context,
        labels: &[usize],
        seed: u64,
    ) -> Result<Vec<ItemParameters>> {
        let mut rng = generator(seed, Draw::Fault);
        let items = self.classes.first().map_or(0, Vec::len);
        let mut answers = Vec::new();
        for (subject, classes) in self.classes.iter().enumerate() {
            let both = classes.iter().zip(labels);
            let mut right: Vec<bool> = both.map(|(class, label)| class == label).collect();
            if context.is_broken_by("answers-without-ids") {
                right.shuffle(&mut rng);
            }
            let each = right.into_iter().enumerate();
            answers.extend(each.map(|(item, right)| (subject, item, right)));
        }
        let responses = Responses::new(self.classes.len(), items, answers)?;
        let config = IrtConfig::new().with_estimator(Estimator::Joint);
        let mut found = config.fit(&responses)?.items;
        if context.is_broken_by("difficulties-permuted") {
            found.shuffle(&mut rng);
        }
        Ok(found)
    }
}
