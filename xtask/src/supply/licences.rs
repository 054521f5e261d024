//! The licences of all packages against those that are allowed.

use spdx::{Expression, Licensee, ParseMode};

use super::graph::Graph;
use super::rules::Rules;

pub(super) fn check(rules: &Rules, graph: &Graph) -> Vec<String> {
    let mut problems = Vec::new();
    let mut allowed = Vec::new();
    for name in &rules.licenses.allow {
        match Licensee::parse(name) {
            Ok(licence) => allowed.push(licence),
            Err(error) => problems.push(format!("deny.toml: licence `{name}`: {}", error.reason)),
        }
    }
    let packages = graph.packages.iter();
    problems.extend(packages.filter_map(|package| {
        let problem = problem(&package.licence, &allowed)?;
        Some(format!("{} {}: {problem}", package.name, package.version))
    }));
    problems
}

/// What is wrong with a licence expression.
fn problem(licence: &str, allowed: &[Licensee]) -> Option<String> {
    if licence.is_empty() {
        return Some("no licence expression".to_owned());
    }
    // `/` for `OR` is what old manifests have.
    let expression = match Expression::parse_mode(licence, ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("licence `{licence}`: {}", error.reason)),
    };
    let is_allowed = expression.evaluate(|asked| allowed.iter().any(|own| own.satisfies(asked)));
    (!is_allowed).then(|| format!("licence `{licence}` is not allowed by deny.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_evaluated() {
        let allowed = ["MIT", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"];
        let allowed: Vec<Licensee> = allowed
            .iter()
            .filter_map(|name| Licensee::parse(name).ok())
            .collect();
        for licence in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0-only OR MIT",
            "MIT AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
        ] {
            assert_eq!(problem(licence, &allowed), None, "{licence}");
        }
        for licence in [
            "",
            "GPL-3.0-only",
            "MIT AND ISC",
            "Apache-2.0",
            "No licence",
        ] {
            assert!(problem(licence, &allowed).is_some(), "{licence}");
        }
    }
}
