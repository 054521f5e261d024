//! Every public constructor and every public type that can be read from a file is named in its crate's tests of hostile
//! input: `tests/**/bad_input.rs` or `tests/**/states.rs`, or a file in a folder of these names.

mod named;
mod public;

use std::path::Path;

use anyhow::{Context, Result};

use crate::project::{Package, Project};
use named::Named;
use public::Public;

/// Folders that no user's input reaches: helpers of tests.
const LEFT_OUT: [&str; 1] = ["testing"];

/// The names of the files and folders that count.
const TESTS: [&str; 2] = ["bad_input", "states"];

pub(super) fn check(project: &Project) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in project.libraries() {
        let missing = missing(project, package)?;
        if !missing.is_empty() {
            problems.push(format!(
                "{}: {} not named in tests/**/bad_input.rs or states.rs: {}",
                package.folder.display(),
                missing.len(),
                missing.join(", ")
            ));
        }
    }
    Ok(problems)
}

/// What a crate's tests of hostile input don't name.
fn missing(project: &Project, package: &Package) -> Result<Vec<String>> {
    let [source, tests] = ["src", "tests"].map(|name| package.folder.join(name));
    let mut texts = Vec::new();
    for path in project.files(&[&source.display().to_string()], "rs")? {
        if !is_in(&path, &LEFT_OUT) {
            texts.push((path.display().to_string(), project.read(&path)?));
        }
    }
    let mut named = Named::default();
    // What an optional feature brings may be tested by an example that turns it on.
    let mut tests = vec![tests.display().to_string()];
    for other in &project.packages {
        let is_example = other.folder.starts_with("examples");
        if is_example && other.dependencies.contains(&package.name) {
            tests.push(other.folder.join("tests").display().to_string());
        }
    }
    let tests: Vec<&str> = tests.iter().map(String::as_str).collect();
    for path in project.files(&tests, "rs")? {
        if is_in(&path, &TESTS) {
            named.add(&project.read(&path)?);
        }
    }
    compare(&texts, &named)
}

/// Whether a folder or the file itself has one of these names.
fn is_in(path: &Path, names: &[&str]) -> bool {
    let mut parts = path.components();
    parts.any(|part| {
        let stem = Path::new(part.as_os_str()).file_stem();
        names
            .iter()
            .any(|name| stem.is_some_and(|stem| stem == *name))
    })
}

fn compare(texts: &[(String, String)], named: &Named) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for (path, text) in texts {
        files.push(syn::parse_file(text).with_context(|| path.clone())?);
    }
    let mut missing: Vec<String> = Public::of(&files)
        .into_iter()
        .filter(|item| !named.has(item))
        .map(|item| item.to_string())
        .collect();
    missing.sort();
    missing.dedup();
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        #[derive(Config, Debug)] pub struct RigLConfig { pub sparsity: f64 }
        impl RigLConfig { pub fn init(&self) -> Result<RigL, E> { Ok(RigL) } pub fn with_x(self, x: f64) -> Self { self } }
        #[derive(Clone)] pub struct RigL;
        impl RigL {
            pub fn new(a: f64) -> Self { Self }
            pub fn empty() -> Self { Self }
            pub fn on(device: &Device) -> Self { Self }
            pub fn fit_all(&mut self, data: &[f64]) -> Result<(), E> { Ok(()) }
            pub fn load(path: &Path) -> Result<Self, E> { Ok(Self) }
            pub fn count(x: usize) -> usize { x }
            pub fn step(&mut self, x: f64) -> Result<(), E> { Ok(()) }
            fn hidden(x: f64) -> Self { Self }
        }
        #[derive(serde::Deserialize)] pub struct State { step: u64 }
        #[derive(Deserialize)] struct Inner;
        struct Private;
        impl Private { pub fn new(x: f64) -> Self { Self } }
        impl<'de> Deserialize<'de> for RigL { }
        pub fn threshold(x: &[f64]) -> Result<f64, E> { Ok(0.0) }
        pub fn plain(x: f64) -> f64 { x }
        mod inner { pub fn deep(x: f64) -> Result<f64, E> { Ok(x) } }
        #[cfg(test)] mod tests { pub fn t(x: f64) -> Result<f64, E> { Ok(x) } }
    "#;

    fn missing_with(tests: &str) -> Vec<String> {
        let mut named = Named::default();
        named.add(tests);
        let texts = [("a.rs".to_owned(), SOURCE.to_owned())];
        compare(&texts, &named).unwrap_or_else(|error| vec![format!("{error:#}")])
    }

    #[test]
    fn all_constructors_and_readable_types_are_asked_for() {
        assert_eq!(
            missing_with(""),
            [
                "RigL",
                "RigL::fit_all",
                "RigL::load",
                "RigL::new",
                "RigLConfig",
                "RigLConfig::init",
                "State",
                "deep",
                "threshold",
            ]
        );
    }

    #[test]
    fn what_is_named_in_code_or_text_is_not_missing() {
        let tests = r#"
            hostile.input("RigL::new", || RigL::<f32>::new(x));
            hostile.input(format!("RigLConfig {x}"), || RigLConfig::new(x).init());
            hostile.state("State", sample, |text| read::<State>(text));
            hostile.input("load", || super::RigL :: load(&path));
            let _ = threshold(&values);
        "#;
        assert_eq!(missing_with(tests), ["RigL::fit_all", "deep"]);
    }

    #[test]
    fn a_twin_is_named_by_its_plain_function() {
        let mut named = Named::default();
        named.add("find(x); SsdConfig::new().init(); Ssd::apply(y)");
        let has = |source: &str| {
            let texts = [("a.rs".to_owned(), source.to_owned())];
            compare(&texts, &named).unwrap_or_else(|error| vec![format!("{error:#}")])
        };
        assert_eq!(
            has("pub fn find_watched(x: f64) -> Result<f64, E> { Ok(x) }"),
            [""; 0]
        );
        assert_eq!(
            has("pub fn found_watched(x: f64) -> Result<f64, E> { Ok(x) }").len(),
            1
        );
        let config = "pub struct SsdConfig; impl SsdConfig { pub fn init_on(&self, x: f64) {} }";
        assert_eq!(has(config), [""; 0]);
        let edit = "pub struct Ssd; impl Ssd { pub fn apply_watched(x: f64) -> Result<Self, E> { Ok(Ssd) } }";
        assert_eq!(has(edit), [""; 0]);
    }

    #[test]
    fn a_name_that_only_begins_alike_does_not_count() {
        let missing = missing_with("RigLConfigs States RigL::newer thresholds");
        assert_eq!(missing.len(), 8);
        assert!(missing.iter().all(|name| name != "RigL"));
    }

    #[test]
    fn files_and_folders_of_these_names_count() {
        for (path, counts) in [
            ("crates/moe/tests/moe/bad_input.rs", true),
            ("crates/moe/tests/moe/states/routers.rs", true),
            ("crates/moe/tests/moe/layer.rs", false),
        ] {
            assert_eq!(is_in(Path::new(path), &TESTS), counts, "{path}");
        }
    }
}
