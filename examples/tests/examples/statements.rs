//! What every experiment states of itself.

use std::collections::BTreeSet;
use std::path::Path;

use regimen_examples::{SYSTEMS, System};

fn each(test: impl Fn(&System)) {
    for system in SYSTEMS {
        test(system);
    }
}

/// A rule stands before any seed is run.
#[test]
fn every_rule_is_stated_without_trials() {
    each(|system| {
        let checks = (system.judge)(&[]);
        assert!(!checks.is_empty(), "{}", system.name);
        let names: BTreeSet<&str> = checks.iter().map(|c| c.quantity.as_str()).collect();
        assert_eq!(
            names.len(),
            checks.len(),
            "{}: a quantity twice",
            system.name
        );
        for check in &checks {
            assert!(system.rule().contains(&check.statement), "{}", system.name);
        }
    });
}

#[test]
fn every_experiment_has_a_headline_and_the_papers_figure() {
    each(|system| {
        let mut checks = (system.judge)(&[]).into_iter();
        assert!(checks.any(|check| check.headline), "{}", system.name);
        assert!(!system.paper_figure.is_empty(), "{}", system.name);
    });
}

/// A fault names each check that it turns by a part that no other check has.
#[test]
fn every_experiment_has_faults_that_name_their_checks() {
    each(|system| {
        let checks = (system.judge)(&[]);
        let names: BTreeSet<&str> = system.faults.iter().map(|fault| fault.name).collect();
        assert_eq!(names.len(), system.faults.len(), "{}", system.name);
        assert!(!names.is_empty(), "{}: no fault", system.name);
        for fault in system.faults {
            assert!(!fault.turns.is_empty(), "{}: {}", system.name, fault.name);
            for part in fault.turns {
                let named = checks.iter().filter(|check| check.quantity.contains(part));
                assert_eq!(named.count(), 1, "{}: {}: {part}", system.name, fault.name);
            }
        }
    });
}

#[test]
fn every_experiment_has_three_seeds_a_source_and_a_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    each(|system| {
        assert!(system.seeds.clone().count() >= 3, "{}", system.name);
        assert!(root.join(system.source).is_file(), "{}", system.source);
        let folder = system.krate.trim_start_matches("regimen-");
        let page = format!("docs/src/{folder}/{}.md", system.name);
        assert!(root.join(&page).is_file(), "{page}");
        for revision in system.revisions {
            assert!(!revision.changed.is_empty() && !revision.before.is_empty());
        }
    });
}
