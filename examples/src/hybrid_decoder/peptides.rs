//! Peptides, and the spectra of masses that they break into.

use burn::config::Config;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Pair;

/// Monoisotopic masses of the residues G A S P V T C L N D Q K E M H F R Y W, in daltons. Leucine stands for isoleucine too,
/// whose mass is the same.
pub(super) const RESIDUES: [f64; 19] = [
    57.021_464,
    71.037_114,
    87.032_028,
    97.052_764,
    99.068_414,
    101.047_679,
    103.009_185,
    113.084_064,
    114.042_927,
    115.026_943,
    128.058_578,
    128.094_963,
    129.042_593,
    131.040_485,
    137.058_912,
    147.068_414,
    156.101_111,
    163.063_329,
    186.079_313,
];
/// A proton and a molecule of water, in daltons.
const PROTON: f64 = 1.007_276;
const WATER: f64 = 18.010_565;
/// Wavelengths of the sinusoids of a mass.
const WAVES: usize = 24;

/// How peptides are drawn and measured.
#[derive(Config, Debug)]
pub struct PeptideConfig {
    /// Residues of a peptide, at least.
    #[config(default = 5)]
    pub shortest: usize,
    /// Residues of a peptide, at most.
    #[config(default = 9)]
    pub longest: usize,
    /// The probability that a fragment is seen.
    #[config(default = 0.8)]
    pub seen: f64,
    /// Peaks that belong to no fragment.
    #[config(default = 3)]
    pub noise: usize,
    /// The largest error of a mass, in daltons.
    #[config(default = 0.01)]
    pub error: f64,
}

impl PeptideConfig {
    /// Peaks of a spectrum, at most: two fragments a bond, noise, and the whole.
    #[must_use]
    pub fn peaks(&self) -> usize {
        2 * (self.longest - 1) + self.noise + 1
    }

    /// Features of a peak, and of a prefix: sinusoids of its masses and its intensity, or the previous residue and its place.
    #[must_use]
    pub fn features(&self) -> [usize; 2] {
        let prefix = RESIDUES.len() + 1 + self.longest + 1;
        [2 * WAVES + 1, prefix + 4 * WAVES]
    }
}

/// Peptides of random residues with their spectra: singly charged b and y ions of each bond, noise, and the whole peptide.
///
/// Before each residue the generating decoder is given the previous one, the mass so far and the mass that remains.
#[must_use]
pub fn peptides(config: &PeptideConfig, count: usize, rng: &mut ChaCha8Rng) -> Vec<Pair> {
    (0..count).map(|_| peptide(config, rng)).collect()
}

fn peptide(config: &PeptideConfig, rng: &mut ChaCha8Rng) -> Pair {
    let length = rng.random_range(config.shortest..=config.longest);
    let residue = |_| rng.random_range(1..=RESIDUES.len() as u8);
    let target: Vec<u8> = (0..length).map(residue).collect();
    let before = masses_before(&target);
    let whole = before[length];
    let mut seen = vec![peak(whole + WATER + PROTON, 2.0)];
    for [b, y] in ions(&target) {
        for mass in [b, y] {
            let error = rng.random_range(-config.error..=config.error);
            let intensity = rng.random_range(0.3..1.0);
            if rng.random_bool(config.seen) {
                seen.push(peak(mass + error, intensity));
            }
        }
    }
    for _ in 0..config.noise {
        let mass = rng.random_range(57.0..whole);
        seen.push(peak(mass, rng.random_range(0.0..0.5)));
    }
    let previous = std::iter::once(&0).chain(&target);
    let rows = previous.zip(&before).enumerate();
    let prefix = |(place, (residue, mass)): (usize, (&u8, &f64))| {
        let mut row = vec![0.0; RESIDUES.len() + 1 + config.longest + 1];
        row[usize::from(*residue)] = 1.0;
        row[RESIDUES.len() + 1 + place] = 1.0;
        row.extend(sinusoids(*mass));
        row.extend(sinusoids(whole - mass));
        row
    };
    Pair {
        seen,
        prefixes: rows.map(prefix).collect(),
        target,
    }
}

/// The mass of the residues before each place, and of all.
fn masses_before(target: &[u8]) -> Vec<f64> {
    let mass = |residue: &u8| RESIDUES[usize::from(*residue) - 1];
    let mut sums = vec![0.0];
    sums.extend(target.iter().map(mass).scan(0.0, |sum, mass| {
        *sum += mass;
        Some(*sum)
    }));
    sums
}

/// For each bond the masses over charge of the b ion before it and the y ion after it.
#[must_use]
pub(super) fn ions(target: &[u8]) -> Vec<[f64; 2]> {
    let before = masses_before(target);
    let whole = before[target.len()];
    let bonds = before[1..target.len()].iter();
    bonds
        .map(|mass| [mass + PROTON, whole - mass + WATER + PROTON])
        .collect()
}

fn peak(mass: f64, intensity: f32) -> Vec<f32> {
    let mut row = sinusoids(mass);
    row.push(intensity);
    row
}

/// Sines and cosines at wavelengths from 0.1 to 4,000 daltons, in a geometric row.
fn sinusoids(mass: f64) -> Vec<f32> {
    let waves = (0..WAVES).map(|i| 0.1 * 40_000_f64.powf(i as f64 / (WAVES - 1) as f64));
    let phases = waves.map(|wave| std::f64::consts::TAU * mass / wave);
    phases
        .flat_map(|phase| [phase.sin() as f32, phase.cos() as f32])
        .collect()
}
