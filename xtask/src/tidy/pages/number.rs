//! Numbers as the pages show them.

/// Sizes below this and from [`LARGE`] on are written in powers of ten.
const SMALL: f64 = 1e-3;
const LARGE: f64 = 1e7;

/// From this size on no decimal is of use.
const LONG: f64 = 1e4;

/// The most decimals that are chosen.
const MOST: usize = 6;

/// The decimals that a standard error leaves of its mean: its first digit, and the second one where the first two are
/// at most 35. `None` where it is 0 or no number.
pub(super) fn decimals_of_error(se: f64) -> Option<usize> {
    if !(se.is_finite() && se > 0.0) {
        return None;
    }
    let place = se.log10().floor();
    let leading = se / 10f64.powf(place);
    let digits = if leading < 3.55 { 1.0 } else { 0.0 };
    Some((digits - place).clamp(0.0, MOST as f64) as usize)
}

/// The decimals of a value without an error: four significant digits, and none that are 0 at the end.
pub(super) fn decimals_of_value(value: f64) -> usize {
    if value == 0.0 || !value.is_finite() {
        return 0;
    }
    let places = (3.0 - value.abs().log10().floor()).clamp(0.0, MOST as f64) as usize;
    let text = format!("{value:.places$}");
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    fraction.trim_end_matches('0').len()
}

/// The decimals that serve a whole column: those of the middle one of its errors; without errors, those of its values.
pub(super) fn decimals_of_column(cells: &[(f64, f64)]) -> usize {
    let mut of_errors: Vec<usize> = cells
        .iter()
        .filter_map(|(_, se)| decimals_of_error(*se))
        .collect();
    of_errors.sort_unstable();
    let of_values = || cells.iter().map(|(mean, _)| decimals_of_value(*mean)).max();
    let middle = of_errors.get(of_errors.len() / 2).copied();
    middle.or_else(of_values).unwrap_or(0)
}

/// A number with so many decimals, or in powers of ten where it is large; never a negative zero.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if value.abs() >= LARGE {
        return format!("{value:.1e}");
    }
    let decimals = if value.abs() >= LONG { 0 } else { decimals };
    let text = format!("{value:.decimals$}");
    let is_zero = text.chars().all(|c| !c.is_ascii_digit() || c == '0');
    if is_zero {
        text.trim_start_matches('-').to_owned()
    } else {
        text
    }
}

/// A mean and its standard error with as many decimals as the error gives; the mean alone where the seeds agree.
pub(super) fn mean_and_error(mean: f64, se: f64) -> String {
    match decimals_of_error(se) {
        Some(_) if mean.abs().max(se) < SMALL => format!("{mean:.1e} ± {se:.1e}"),
        Some(decimals) => {
            let (mean, se) = (fixed(mean, decimals), fixed(se, decimals));
            format!("{mean} ± {se}")
        }
        None if mean != 0.0 && mean.abs() < SMALL => format!("{mean:.1e}"),
        None => fixed(mean, decimals_of_value(mean)),
    }
}

/// A distance in standard errors: one decimal, and none from 100 on.
pub(super) fn margin(value: f64) -> String {
    fixed(value, usize::from(value.abs() < 100.0))
}

/// Whole numbers in words as few as they allow: `20 to 24`, or each of them.
pub(super) fn range(numbers: &[u64]) -> String {
    let follows = |pair: &[u64]| pair[0].checked_add(1) == Some(pair[1]);
    match numbers {
        [first, .., last] if numbers.len() > 2 && numbers.windows(2).all(follows) => {
            format!("{first} to {last}")
        }
        _ => {
            let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
            numbers.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_decides_the_decimals() {
        for (mean, se, text) in [
            (97.777, 0.1675, "97.78 ± 0.17"),
            (1.8057, 0.00654, "1.806 ± 0.007"),
            (47.6749, 2.908, "47.7 ± 2.9"),
            (4408.0, 232.87, "4408 ± 233"),
            (-0.2525, 0.2728, "-0.25 ± 0.27"),
            (3.05e-6, 1.346e-6, "3.1e-6 ± 1.3e-6"),
            (0.0059, 6.6e-4, "0.0059 ± 0.0007"),
            (3.6e-4, 0.003, "0.0004 ± 0.0030"),
            (-46639.04, 1041.05, "-46639 ± 1041"),
            (-0.0001, 0.05, "0.00 ± 0.05"),
        ] {
            assert_eq!(mean_and_error(mean, se), text);
        }
    }

    #[test]
    fn seeds_that_agree_have_no_error() {
        for (mean, text) in [
            (0.0, "0"),
            (9600.0, "9600"),
            (0.478_411_9, "0.4784"),
            (2.9418, "2.942"),
            (-0.0, "0"),
            (1e-6, "1e-6"),
        ] {
            let shown = mean_and_error(mean, 0.0);
            assert_eq!(shown.replace(".0e", "e"), text);
        }
    }

    #[test]
    fn a_column_has_the_decimals_of_its_middle_error() {
        let column = [(97.99, 0.104), (96.88, 0.16), (47.67, 2.91)];
        assert_eq!(decimals_of_column(&column), 2);
        assert_eq!(decimals_of_column(&[(1520.0, 0.0), (746.0, 0.0)]), 0);
        assert_eq!(decimals_of_column(&[(0.63, 0.0), (0.5, 0.0)]), 2);
        assert_eq!(decimals_of_column(&[]), 0);
    }

    #[test]
    fn margins_and_seeds() {
        assert_eq!(margin(5.751), "5.8");
        assert_eq!(margin(-0.04), "0.0");
        assert_eq!(margin(8460.3), "8460");
        assert_eq!(range(&[20, 21, 22]), "20 to 22");
        assert_eq!(range(&[1, 3, 4]), "1, 3, 4");
        assert_eq!(range(&[1, 2]), "1, 2");
        assert_eq!(range(&[]), "");
    }
}
