//! Three learners that are trained again on each growing part of the data, without a network.

use crate::data::Images;

/// What is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Learner {
    /// Naive Bayes with a normal distribution for each pixel of each class.
    Gaussian,
    /// Naive Bayes on pixels that are on (more than half as bright as possible) or off.
    Bernoulli,
    /// The class of the nearest training image.
    Neighbour,
}

/// Added to every variance: a share of the largest one.
const SMOOTHING: f64 = 1e-2;

impl Learner {
    pub(super) const ALL: [Self; 3] = [Self::Gaussian, Self::Bernoulli, Self::Neighbour];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "Gaussian naive Bayes",
            Self::Bernoulli => "Bernoulli naive Bayes",
            Self::Neighbour => "1-nearest neighbour",
        }
    }

    /// The accuracy on `test`, in percent, after training on the first `sizes[i]` images.
    pub(super) fn accuracies(self, train: &Images, sizes: &[usize], test: &Images) -> Vec<f64> {
        match self {
            Self::Gaussian => bayes(train, sizes, test, false),
            Self::Bernoulli => bayes(train, sizes, test, true),
            Self::Neighbour => neighbour(train, sizes, test),
        }
    }
}

fn image(images: &Images, index: usize) -> &[f32] {
    let size = images.pixels_per_image();
    &images.pixels[index * size..(index + 1) * size]
}

fn percent(found: &[usize], test: &Images) -> f64 {
    let pairs = found.iter().zip(&test.labels);
    let right = pairs.filter(|(found, label)| found == label).count();
    100.0 * right as f64 / test.labels.len() as f64
}

/// The nearest image among ever more of them: each is looked at once.
fn neighbour(train: &Images, sizes: &[usize], test: &Images) -> Vec<f64> {
    let mut nearest = vec![(f32::INFINITY, 0); test.labels.len()];
    let mut seen = 0;
    let level = |size: &usize| {
        for (index, best) in nearest.iter_mut().enumerate() {
            for known in seen..*size {
                let pairs = image(test, index).iter().zip(image(train, known));
                let distance = pairs.map(|(a, b)| (a - b).powi(2)).sum();
                if distance < best.0 {
                    *best = (distance, train.labels[known]);
                }
            }
        }
        seen = *size;
        let found: Vec<usize> = nearest.iter().map(|(_, label)| *label).collect();
        percent(&found, test)
    };
    sizes.iter().map(level).collect()
}

/// What naive Bayes counts of one class.
#[derive(Clone)]
struct Sums {
    count: f64,
    first: Vec<f64>,
    second: Vec<f64>,
}

fn bayes(train: &Images, sizes: &[usize], test: &Images, binary: bool) -> Vec<f64> {
    let pixels = train.pixels_per_image();
    let empty = Sums {
        count: 0.0,
        first: vec![0.0; pixels],
        second: vec![0.0; pixels],
    };
    let value = |pixel: f32| {
        if binary {
            f64::from(u8::from(pixel > 0.5))
        } else {
            f64::from(pixel)
        }
    };
    let (mut classes, mut seen) = (vec![empty; train.classes], 0);
    let level = |size: &usize| {
        for index in seen..*size {
            let class = &mut classes[train.labels[index]];
            class.count += 1.0;
            for (place, pixel) in image(train, index).iter().enumerate() {
                class.first[place] += value(*pixel);
                class.second[place] += value(*pixel).powi(2);
            }
        }
        seen = *size;
        let smoothing = SMOOTHING * largest_variance(&classes);
        let scores: Vec<Scores> = classes
            .iter()
            .map(|sums| {
                if binary {
                    bernoulli(sums)
                } else {
                    gaussian(sums, smoothing)
                }
            })
            .collect();
        let best = |index: usize| {
            let inputs: Vec<f64> = image(test, index).iter().map(|p| value(*p)).collect();
            let all: Vec<f64> = scores.iter().map(|class| class.of(&inputs)).collect();
            (0..all.len())
                .max_by(|i, j| all[*i].total_cmp(&all[*j]))
                .unwrap_or(0)
        };
        let found: Vec<usize> = (0..test.labels.len()).map(best).collect();
        percent(&found, test)
    };
    sizes.iter().map(level).collect()
}

/// The largest variance of a pixel over all classes.
fn largest_variance(classes: &[Sums]) -> f64 {
    let count: f64 = classes.iter().map(|class| class.count).sum();
    let places = 0..classes.first().map_or(0, |class| class.first.len());
    let variance = |place: usize| {
        let mean = classes.iter().map(|class| class.first[place]).sum::<f64>() / count;
        classes.iter().map(|class| class.second[place]).sum::<f64>() / count - mean * mean
    };
    places.map(variance).fold(0.0, f64::max)
}

/// A class's logarithmic score of an image: a constant and a quadratic in each pixel.
struct Scores {
    constant: f64,
    linear: Vec<f64>,
    square: Vec<f64>,
}

impl Scores {
    fn of(&self, inputs: &[f64]) -> f64 {
        let weights = self.linear.iter().zip(&self.square);
        let terms = inputs.iter().zip(weights);
        self.constant
            + terms
                .map(|(x, (linear, square))| x * (linear + square * x))
                .sum::<f64>()
    }
}

/// `ln P(class) + sum ln N(x; mean, variance)`, without what all classes share. A class that was
/// not seen yet is never found.
fn gaussian(sums: &Sums, smoothing: f64) -> Scores {
    let mut scores = Scores {
        constant: sums.count.ln(),
        linear: Vec::new(),
        square: Vec::new(),
    };
    for (first, second) in sums.first.iter().zip(&sums.second) {
        let count = sums.count.max(1.0);
        let mean = first / count;
        let variance = (second / count - mean * mean).max(0.0) + smoothing;
        scores.constant -= 0.5 * (variance.ln() + mean * mean / variance);
        scores.linear.push(mean / variance);
        scores.square.push(-0.5 / variance);
    }
    scores
}

/// `ln P(class) + sum ln P(on or off)`, with one more image of each kind.
fn bernoulli(sums: &Sums) -> Scores {
    let on = |first: &f64| (first + 1.0) / (sums.count + 2.0);
    let off: f64 = sums.first.iter().map(|first| (1.0 - on(first)).ln()).sum();
    let odds = |first: &f64| (on(first) / (1.0 - on(first))).ln();
    Scores {
        constant: sums.count.ln() + off,
        linear: sums.first.iter().map(odds).collect(),
        square: vec![0.0; sums.first.len()],
    }
}
