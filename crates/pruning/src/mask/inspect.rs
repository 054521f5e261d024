//! # Inspection
//!
//! What pruning has left: densities and operations layer by layer, and how alike two masks are.
//!
//! Source: two operations a weight and output position, as Evci et al. (arXiv 1911.11134, appendix H) count them;
//! agreement as the Jaccard index of the active weights.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::fraction;
use crate::{Masks, PruningError, Result};

/// One masked layer's size and cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct LayerReport {
    /// Path of the weight in its module.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Share of weights that are active.
    pub density: f64,
    /// Floating-point operations of the dense layer for one example, additions and multiplications.
    pub dense_flops: f64,
    /// The same of the active weights alone.
    pub sparse_flops: f64,
}

/// All masked layers, and their sums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Report {
    /// The layers, in module order.
    pub layers: Vec<LayerReport>,
    /// Share of all masked weights that are active.
    pub density: f64,
    /// Sum of the dense layers' operations.
    pub dense_flops: f64,
    /// Sum of the active weights' operations.
    pub sparse_flops: f64,
}

impl Checked for LayerReport {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        figures(self.density, self.dense_flops, self.sparse_flops)
    }
}

impl Checked for Report {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        figures(self.density, self.dense_flops, self.sparse_flops)
    }
}

impl Checked for Agreement {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        fraction("overall", self.overall, true)?;
        let mut layers = self.layers.iter();
        layers.try_for_each(|(_, share)| fraction("layers", *share, true))
    }
}
checked_serde!(LayerReport, Report, Agreement);

/// That a density is one, and operations can be counted.
fn figures(density: f64, dense: f64, sparse: f64) -> Result<()> {
    fraction("density", density, true)?;
    for (field, value) in [("dense_flops", dense), ("sparse_flops", sparse)] {
        if !(value.is_finite() && value >= 0.0) {
            return Err(PruningError::range(field, value, "finite and 0 or more"));
        }
    }
    Ok(())
}

/// Densities and operations. `positions` says, for a layer's path, at how many places of an example's output its
/// weights are used: 1 for a linear layer on vectors, the tokens for one on sequences, and the output's height times
/// width for a convolution ([`output_side`]).
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use regimen_pruning::{Layout, Masks, mask::inspect::report};
///
/// let layer = LinearConfig::new(64, 10).init(&Device::flex());
/// let masks = Masks::dense(&layer)?.random(Layout::Uniform, 0.1, 0)?;
/// let report = report(&masks, |_| 1);
/// assert_eq!((report.dense_flops, report.sparse_flops), (1280.0, 128.0));
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
#[must_use]
pub fn report(masks: &Masks, mut positions: impl FnMut(&str) -> usize) -> Report {
    let layers = masks.layers().iter().map(|mask| {
        let places = 2.0 * positions(&mask.path) as f64;
        LayerReport {
            path: mask.path.clone(),
            shape: mask.shape.clone(),
            density: mask.density(),
            dense_flops: places * mask.active.len() as f64,
            sparse_flops: places * mask.count() as f64,
        }
    });
    let layers: Vec<LayerReport> = layers.collect();
    Report {
        density: masks.density(),
        dense_flops: layers.iter().map(|layer| layer.dense_flops).sum(),
        sparse_flops: layers.iter().map(|layer| layer.sparse_flops).sum(),
        layers,
    }
}

/// Length of one side of a convolution's output: `(input + 2 padding - dilation (kernel - 1) - 1) / stride + 1`; 0 if the
/// kernel does not fit or the stride is 0.
#[must_use]
pub fn output_side(
    input: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
) -> usize {
    let reach = dilation
        .saturating_mul(kernel.saturating_sub(1))
        .saturating_add(1);
    let room = input
        .saturating_add(padding.saturating_mul(2))
        .checked_sub(reach);
    room.and_then(|room| room.checked_div(stride))
        .map_or(0, |steps| steps.saturating_add(1))
}

/// How alike two masks of one model are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Agreement {
    /// Path of each layer, with the weights active in both over those active in either, in 0..=1; 1 if both are empty.
    pub layers: Vec<(String, f64)>,
    /// The same over all layers together. Independent random masks of density `d` have about `d / (2 - d)`.
    pub overall: f64,
}

/// Compares the masks of two runs, layer by layer and by path.
///
/// # Errors
/// If they are not of the same layers.
pub fn agreement(one: &Masks, other: &Masks) -> Result<Agreement> {
    let (a, b) = (one.layers(), other.layers());
    if a.len() != b.len() {
        return Err(PruningError::Mismatch {
            path: "*".into(),
            expected: format!("{} masks", a.len()),
            found: b.len().to_string(),
        });
    }
    let (mut layers, mut both, mut either) = (Vec::new(), 0, 0);
    for (a, b) in a.iter().zip(b) {
        if a.path != b.path || a.shape != b.shape {
            return Err(PruningError::Mismatch {
                path: a.path.clone(),
                expected: format!("{:?}", a.shape),
                found: format!("`{}` {:?}", b.path, b.shape),
            });
        }
        let pairs = || a.active.iter().zip(&b.active);
        let shared = pairs().filter(|(a, b)| **a && **b).count();
        let joined = pairs().filter(|(a, b)| **a || **b).count();
        layers.push((a.path.clone(), ratio(shared, joined)));
        both += shared;
        either += joined;
    }
    let overall = ratio(both, either);
    Ok(Agreement { layers, overall })
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}

/// A picture of the layers' densities, one bar each, as an SVG of some pixels.
///
/// # Errors
/// If it can't be drawn at this size, of which each side is 1 to 32,768; if there is no layer; or if a density is not in 0 to 1.
#[cfg(feature = "plot")]
pub fn picture(report: &Report, width: u32, height: u32) -> Result<String> {
    use plotters::prelude::*;

    let failed = |error: &dyn std::fmt::Display| {
        PruningError::range(
            "size",
            format!("{width} x {height}: {error}"),
            "a size that can be drawn",
        )
    };
    if report.layers.is_empty() {
        return Err(PruningError::range("layers", 0, "1 or more"));
    }
    for layer in &report.layers {
        fraction("density", layer.density, true)?;
    }
    for (field, pixels) in [("width", width), ("height", height)] {
        if !(1..=1 << 15).contains(&pixels) {
            return Err(PruningError::range(field, pixels, "1 to 32,768"));
        }
    }
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
    area.fill(&WHITE).map_err(|e| failed(&e))?;
    let count = report.layers.len();
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d((0..count).into_segmented(), 0.0..1.0)
        .map_err(|e| failed(&e))?;
    let name = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(i) => report
            .layers
            .get(*i)
            .map_or_else(String::new, |l| l.path.clone()),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .y_desc("density")
        .x_labels(count)
        .x_label_formatter(&name)
        .draw()
        .map_err(|e| failed(&e))?;
    let bars = report.layers.iter().enumerate().map(|(i, layer)| {
        let (left, right) = (SegmentValue::Exact(i), SegmentValue::Exact(i + 1));
        let mut bar = Rectangle::new(
            [(left, 0.0), (right, layer.density)],
            RGBColor(38, 99, 160).filled(),
        );
        bar.set_margin(0, 0, 8, 8);
        bar
    });
    chart.draw_series(bars).map_err(|e| failed(&e))?;
    area.present().map_err(|e| failed(&e))?;
    drop(chart);
    drop(area);
    Ok(svg)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Layout;
    use burn::nn::LinearConfig;
    use burn::nn::conv::Conv2dConfig;
    use burn::tensor::Device;

    #[test]
    fn a_convolution_counts_its_output_positions() {
        let conv = Conv2dConfig::new([3, 8], [3, 3]).init(&Device::flex());
        let masks = Masks::dense(&conv).unwrap();
        let side = output_side(32, 3, 2, 1, 1);
        assert_eq!(side, 16);
        let report = report(&masks, |_| side * side);
        assert_eq!(report.dense_flops, 2.0 * 216.0 * 256.0);
        assert_eq!(report.density, 1.0);
        assert_eq!(
            [output_side(2, 3, 1, 0, 1), output_side(9, 3, 0, 0, 1)],
            [0, 0]
        );
    }

    #[test]
    fn masks_agree_with_themselves_and_by_chance() {
        let layer = LinearConfig::new(100, 100).init(&Device::flex());
        let mask = |density, seed| {
            Masks::dense(&layer)
                .unwrap()
                .random(Layout::Uniform, density, seed)
                .unwrap()
        };
        let same = agreement(&mask(0.2, 1), &mask(0.2, 1)).unwrap();
        assert_eq!((same.overall, same.layers[0].1), (1.0, 1.0));
        let chance = agreement(&mask(0.2, 1), &mask(0.2, 2)).unwrap().overall;
        assert!((chance - 0.2 / 1.8).abs() < 0.02, "{chance}");
        assert_eq!(
            agreement(&mask(0.0, 1), &mask(0.0, 2)).unwrap().overall,
            1.0
        );
        let other = Masks::dense(&LinearConfig::new(9, 9).init(&Device::flex())).unwrap();
        assert!(agreement(&mask(0.2, 1), &other).is_err());
    }

    #[cfg(feature = "plot")]
    #[test]
    fn a_picture_has_a_bar_for_each_layer() {
        let layer = LinearConfig::new(10, 10).init(&Device::flex());
        let report = report(&Masks::dense(&layer).unwrap(), |_| 1);
        let svg = picture(&report, 400, 200).unwrap();
        assert!(
            svg.starts_with("<svg") && svg.contains("weight") && svg.trim_end().ends_with("</svg>")
        );
    }
}
