//! A range of numbers laid over the width or the height of a picture, in percent of it.
//!
//! Pictures are SVG without a view box: places are in percent and sizes in pixels, so that a picture fits any width and
//! its text keeps its size.

use plotters::coord::ranged1d::{BoldPoints, Ranged};
use plotters::coord::types::RangedCoordf64;

use super::text::{minus, number};

/// The share of the range that is left free at either end.
const FREE: f64 = 0.06;

/// A range of numbers over a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// From `low` to `high`.
    pub(super) fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    /// Over all values that are finite, with a little room at both ends; nothing if none is.
    pub(super) fn over(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return None;
        }
        let least = (low.abs().max(high.abs()) * 1e-9).max(f64::MIN_POSITIVE);
        let room = if high - low > least {
            (high - low) * FREE
        } else {
            low.abs().max(1.0) / 2.0
        };
        Some(Self::new(low - room, high + room))
    }

    /// The place of a value in percent, between 0 and 100.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        (share * 100.0).clamp(0.0, 100.0)
    }

    /// Whether a value is within the range.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Round numbers within the range, at most this many.
    pub(super) fn ticks(&self, most: usize) -> Vec<f64> {
        let coordinate: RangedCoordf64 = (self.low..self.high).into();
        let points = coordinate.key_points(BoldPoints(most));
        points.into_iter().filter(|at| self.holds(*at)).collect()
    }
}

/// A tick's label: what rounding left of zero is zero.
pub(super) fn label(tick: f64, axis: &Axis) -> String {
    let is_zero = tick.abs() < (axis.high - axis.low) * 1e-6;
    minus(&number(if is_zero { 0.0 } else { tick }))
}

/// How a text at this place is anchored so that it stays in the picture.
pub(super) fn anchor(place: f64) -> &'static str {
    match place {
        place if place < 8.0 => "start",
        place if place > 92.0 => "end",
        _ => "middle",
    }
}

/// The numbers below a picture, each at its place.
pub(super) fn below(axis: &Axis, most: usize) -> String {
    let ticks = axis.ticks(most).into_iter().map(|tick| {
        let place = axis.at(tick);
        format!(
            "<text x=\"{place:.2}%\" y=\"12\" text-anchor=\"{}\">{}</text>",
            anchor(place),
            label(tick, axis)
        )
    });
    let ticks: String = ticks.collect();
    format!("<svg class=\"ticks\" height=\"16\" aria-hidden=\"true\">{ticks}</svg>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_percent() {
        let axis = Axis::new(-10.0, 10.0);
        assert_eq!(axis.at(0.0), 50.0);
        assert_eq!(axis.at(-10.0), 0.0);
        assert_eq!(axis.at(25.0), 100.0);
    }

    #[test]
    fn values_without_spread_have_a_place() {
        assert_eq!(Axis::over([f64::NAN]), None);
        for value in [0.0, 3.0, -2.0, 1e-12, 1e9] {
            let place = Axis::over([value, value]).map(|axis| axis.at(value));
            assert!(
                place.is_some_and(|place| (place - 50.0).abs() < 1e-6),
                "{value}"
            );
        }
    }

    #[test]
    fn ticks_are_round_and_within() {
        let axis = Axis::new(-0.31, 1.02);
        let ticks = axis.ticks(5);
        assert!((2..=5).contains(&ticks.len()), "{ticks:?}");
        assert!(ticks.iter().all(|tick| axis.holds(*tick)));
        assert_eq!(label(1e-17, &axis), "0");
    }
}
