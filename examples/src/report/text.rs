//! Words and numbers of the report: escaped text, figures with their errors, addresses.

use crate::experiment::{Better, Check, Finding};

/// Where the project lies.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// Below this part of its mean a standard error is rounding of the sums.
const ROUNDING: f64 = 1e-9;

/// Text that is safe between tags and inside quoted attributes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A value of one seed, a bound, or a mark on an axis.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "none".to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        let text = format!("{value:.2e}");
        return text.replace(".00e", "e");
    }
    let digits = if size >= 100.0 { 2 } else { 4 };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        let text = text.trim_end_matches('0').trim_end_matches('.');
        return text.replace("-0", if text == "-0" { "0" } else { "-0" });
    }
    text
}

/// A mean and its standard error, of which two digits count: `1.807 ± 0.016`.
pub(super) fn with_error(mean: f64, se: f64) -> String {
    if !mean.is_finite() {
        return "none".to_owned();
    }
    if !se.is_finite() || agrees(mean, se) {
        return number(mean);
    }
    let largest = mean.abs().max(se);
    if !(1e-3..1e6).contains(&largest) {
        return format!("{mean:.1e} ± {se:.1e}");
    }
    let digits = digits(se);
    let error = format!("{se:.digits$}");
    if error.chars().all(|c| c == '0' || c == '.') {
        return format!("{mean:.digits$} ± {se:.1e}");
    }
    format!("{mean:.digits$} ± {error}")
}

/// The ends of an interval about a mean, with the digits that its standard error leaves: `1.78 to 1.84`.
pub(super) fn interval(mean: f64, se: f64, half: f64) -> String {
    let largest = mean.abs().max(half);
    if !(1e-3..1e6).contains(&largest) {
        return format!("{:.1e} to {:.1e}", mean - half, mean + half);
    }
    let digits = digits(se);
    format!("{:.digits$} to {:.digits$}", mean - half, mean + half)
}

/// The decimals that show two digits of a standard error.
fn digits(se: f64) -> usize {
    (1.0 - se.log10().floor()).clamp(0.0, 4.0) as usize
}

/// Whether a standard error is none: all seeds gave the same, but for rounding.
pub(super) fn agrees(mean: f64, se: f64) -> bool {
    se <= ROUNDING * mean.abs()
}

/// A number with its sign: `+0.3`.
pub(super) fn signed(text: &str) -> String {
    let is_signed = text.starts_with('-') || text == "none" || text == "0";
    if is_signed {
        text.to_owned()
    } else {
        format!("+{text}")
    }
}

/// A number or a text of numbers as it is printed: with minus signs in place of hyphens.
pub(super) fn minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

/// The least margin of the checks that have one.
pub(super) fn least_margin(checks: &[Check]) -> Option<f64> {
    let margins = checks.iter().filter_map(|check| check.margin);
    margins.reduce(f64::min)
}

/// Whether seeds measured the check: over none, the mean is 0.
pub(super) fn has_figures(check: &Check) -> bool {
    !check.values.is_empty() && check.mean.is_finite()
}

/// The least margin in words: `2.4 se`, or why there is none.
pub(super) fn margin(checks: &[Check]) -> String {
    match least_margin(checks) {
        Some(margin) => standard_errors(margin),
        None if !checks.is_empty() && checks.iter().all(has_figures) => "exact".to_owned(),
        None => "none".to_owned(),
    }
}

/// A number of standard errors.
pub(super) fn standard_errors(count: f64) -> String {
    if count.abs() >= 1000.0 {
        let sign = if count < 0.0 { "< -" } else { "> " };
        return format!("{sign}999 se");
    }
    let digits = usize::from(count.abs() < 100.0);
    format!("{count:.digits$} se")
}

/// The metric with its unit and the direction that is better.
pub(super) fn metric(finding: &Finding) -> String {
    let direction = match finding.better {
        Better::Higher => "higher is better",
        Better::Lower => "lower is better",
    };
    if finding.unit.is_empty() {
        return format!("{} ({direction})", finding.metric);
    }
    format!("{} ({}, {direction})", finding.metric, finding.unit)
}

/// A unit behind its number, with the space between them.
pub(super) fn unit(unit: &str) -> String {
    if unit.is_empty() {
        String::new()
    } else {
        format!(" {unit}")
    }
}

/// The number of a paper on arXiv: the four digits, the point and the four or five digits after the word.
pub(super) fn arxiv(paper: &str) -> Option<&str> {
    let (_, after) = paper.rsplit_once("arXiv")?;
    let after = after.trim_start_matches([' ', ':']);
    let end = after.find(|c: char| !c.is_ascii_digit() && c != '.');
    let number = &after[..end.unwrap_or(after.len())];
    let number = number.trim_end_matches('.');
    let (month, place) = number.split_once('.')?;
    (month.len() == 4 && (4..=5).contains(&place.len())).then_some(number)
}

/// A crate's name without the project's: its folder.
pub(super) fn folder(krate: &str) -> &str {
    krate.strip_prefix("regimen-").unwrap_or(krate)
}

/// The file of a system's page in the book.
pub(super) fn page_file(krate: &str, system: &str) -> String {
    format!("docs/src/{}/{system}.md", folder(krate))
}

/// The address of a file of the project.
pub(super) fn address(file: &str) -> String {
    format!("{}/blob/main/{file}", REPOSITORY.trim_end_matches('/'))
}

/// A count with its noun: `1 seed`, `3 seeds`.
pub(super) fn count(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Quantity;

    #[test]
    fn text_is_escaped() {
        assert_eq!(
            escape("a < b & \"c\" > 'd'"),
            "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;"
        );
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.000_01, "-1e-5"),
            (20.0, "20"),
            (1.0 / 3.0, "0.3333"),
            (-1234.567, "-1234.57"),
            (1.5e7, "1.50e7"),
            (f64::NAN, "none"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn two_digits_of_the_error_count() {
        for (mean, se, text) in [
            (1.80681, 0.0163, "1.807 ± 0.016"),
            (95.54, 1.13, "95.5 ± 1.1"),
            (12.0, 0.0, "12"),
            (0.5, 4e-17, "0.5"),
            (3.04e-6, 1.34e-6, "3.0e-6 ± 1.3e-6"),
            (1.0, 1.2e-8, "1.0000 ± 1.2e-8"),
            (1500.0, 220.0, "1500 ± 220"),
            (f64::NAN, f64::NAN, "none"),
        ] {
            assert_eq!(with_error(mean, se), text);
        }
    }

    #[test]
    fn intervals_have_the_digits_of_their_error() {
        assert_eq!(interval(4.24, 1.6, 6.9), "-2.7 to 11.1");
        assert_eq!(interval(0.5, 0.012, 0.03), "0.470 to 0.530");
        assert_eq!(interval(2e-6, 1e-7, 4e-7), "1.6e-6 to 2.4e-6");
    }

    #[test]
    fn signs_are_printed_once() {
        assert_eq!(signed("0.3"), "+0.3");
        assert_eq!(signed("-0.3"), "-0.3");
        assert_eq!(signed("0"), "0");
        assert_eq!(minus("-1e-6"), "\u{2212}1e\u{2212}6");
    }

    /// Of 1, 2 and 3 the mean is 2 and the standard error 1 / sqrt(3): margins of sqrt(3) and 2 sqrt(3).
    #[test]
    fn the_least_margin_counts() {
        let of = |bound| Quantity::new("x", "", vec![1.0, 2.0, 3.0]).at_least(bound);
        let exact = Quantity::new("y", "", vec![0.0; 3]).exactly(0.0);
        let checks = [of(0.0), of(1.0), exact.clone()];
        let least = least_margin(&checks).unwrap_or_default();
        assert!((least - 3.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(margin(&checks), "1.7 se");
        assert_eq!(margin(&[exact]), "exact");
        assert_eq!(
            margin(&[Quantity::new("x", "", vec![]).exactly(0.0)]),
            "none"
        );
        assert_eq!(standard_errors(1e14), "> 999 se");
    }

    #[test]
    fn papers_are_found_on_arxiv() {
        assert_eq!(arxiv("A Title (arXiv 2106.10404)"), Some("2106.10404"));
        assert_eq!(
            arxiv("A Title (CVPR 2020, arXiv:1912.00998)."),
            Some("1912.00998")
        );
        assert_eq!(arxiv("Old (arXiv 0704.0001)"), Some("0704.0001"));
        assert_eq!(arxiv("A Title (CVPR 2020)"), None);
        assert_eq!(arxiv("A Title on arXiv, 2020"), None);
    }

    #[test]
    fn pages_and_sources_exist() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for system in crate::SYSTEMS {
            let page = page_file(system.krate, system.name);
            assert!(root.join(&page).is_file(), "{page}");
            assert!(root.join(system.source).is_file(), "{}", system.source);
        }
    }
}
