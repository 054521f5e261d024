//! Where a smaller input is sampled, so that it still sees as much of the scene.

use std::ops::RangeInclusive;

use crate::error::{CurriculumError, Result, check};

/// The strides between frames to draw from, uniformly, for a clip of fewer frames.
///
/// All whole numbers from `stride` to `stride * floor(full_frames / frames)`, as in the released code: some clips keep the time span of
/// the full clip where `frames` divides its frames, and none is longer.
///
/// ```
/// use regimen_curriculum::temporal_strides;
///
/// assert_eq!(temporal_strides(2, 32, 8)?, 2..=8);
/// assert_eq!(temporal_strides(2, 32, 32)?, 2..=2);
/// assert_eq!(temporal_strides(2, 32, 12)?, 2..=4);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If a number is 0, `frames` is above `full_frames`, or the longest stride does not fit into a machine word.
pub fn temporal_strides(
    stride: usize,
    full_frames: usize,
    frames: usize,
) -> Result<RangeInclusive<usize>> {
    check("stride", stride as f64, stride > 0, "1 or more")?;
    let fits = (1..=full_frames).contains(&frames);
    check("frames", frames as f64, fits, "1 to the full clip's")?;
    let longest = stride.checked_mul(full_frames / frames);
    let longest = longest.ok_or_else(|| CurriculumError::OutOfRange {
        field: "stride",
        value: stride.to_string(),
        allowed: "within a machine word, times the full clip's frames",
    })?;
    Ok(stride..=longest)
}

/// The range of the shorter side to draw from before a crop, in pixels.
///
/// The lower end shrinks with the crop, `low * crop / full_crop`, and the upper end stays: small crops still see large
/// context.
///
/// ```
/// use regimen_curriculum::jitter_range;
///
/// assert_eq!(jitter_range(256..=320, 224, 112)?, 128..=320);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If the range is empty, its lower end is below the full crop, or the crop is 0 or above the full crop.
pub fn jitter_range(
    full: RangeInclusive<usize>,
    full_crop: usize,
    crop: usize,
) -> Result<RangeInclusive<usize>> {
    let (low, high) = full.into_inner();
    check("low", low as f64, low >= full_crop, "the full crop or more")?;
    check("high", high as f64, high >= low, "the lower end or more")?;
    let fits = (1..=full_crop).contains(&crop);
    check("crop", crop as f64, fits, "1 to the full crop")?;
    let scaled = low as f64 * crop as f64 / full_crop as f64;
    Ok(scaled.round_ties_even() as usize..=high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_sampled_is_refused() {
        assert!(temporal_strides(0, 8, 4).is_err());
        assert!(temporal_strides(1, 8, 0).is_err());
        assert!(temporal_strides(1, 8, 9).is_err());
        assert!(temporal_strides(usize::MAX, 8, 4).is_err());
        assert!(jitter_range(200..=320, 224, 112).is_err());
        assert!(jitter_range(RangeInclusive::new(320, 256), 224, 112).is_err());
        assert!(jitter_range(256..=320, 224, 0).is_err());
        assert!(jitter_range(256..=320, 224, 225).is_err());
    }
}
