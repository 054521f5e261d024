//! Every metric's documentation begins with how to read it.

/// The source of each file with metrics, and the declarations of its metrics.
const METRICS: [(&str, &[&str]); 12] = [
    (
        include_str!("../../src/metrics/accuracy.rs"),
        &["pub fn accuracy("],
    ),
    (
        include_str!("../../src/metrics/membership.rs"),
        &[
            "pub fn softmax_entropy(",
            "pub fn membership_inference(",
            "pub fn attack(",
        ],
    ),
    (
        include_str!("../../src/metrics/zrf.rs"),
        &[
            "pub fn jensen_shannon(",
            "pub fn zrf(",
            "pub fn released_divergence(",
        ],
    ),
    (
        include_str!("../../src/predictions.rs"),
        &["pub fn accuracy(", "pub fn zrf("],
    ),
    (
        include_str!("../../src/metrics/distance.rs"),
        &[
            "pub struct OutputDistance",
            "pub kl:",
            "pub l2:",
            "pub fn output_distance(",
            "pub fn weight_distance<",
        ],
    ),
    (
        include_str!("../../src/metrics/relearn.rs"),
        &["pub struct Relearned", "pub fn run<"],
    ),
    (
        include_str!("../../src/metrics/lira.rs"),
        &[
            "pub struct Attack ",
            "pub fn auc(",
            "pub fn true_positive_rate(",
        ],
    ),
    (
        include_str!("../../src/metrics/klom.rs"),
        &[
            "pub struct Klom ",
            "pub struct KlomSummary",
            "pub points:",
            "pub mean:",
            "pub percentile_95:",
            "pub fn point(",
            "pub fn points(",
        ],
    ),
    (
        include_str!("../../src/metrics/tofu.rs"),
        &[
            "pub fn probability(",
            "pub fn truth_ratio(",
            "pub fn forget_truth(",
            "pub fn retain_truth(",
            "pub fn model_utility(",
            "pub fn log_probability(",
            "pub fn log_truth_ratio(",
            "pub fn choice_probability(",
        ],
    ),
    (
        include_str!("../../src/metrics/forget_quality.rs"),
        &[
            "pub struct ForgetQuality",
            "pub statistic:",
            "pub p_value:",
            "pub fn forget_quality(",
        ],
    ),
    (
        include_str!("../../src/metrics/muse.rs"),
        &[
            "pub fn rouge_recall<",
            "pub fn rouge<",
            "pub fn min_k(",
            "pub fn priv_leak(",
            "pub fn extraction_strength(",
        ],
    ),
    (
        include_str!("../../src/attribution/datamodel_score.rs"),
        &["pub fn linear_datamodelling_score(", "pub fn calibration("],
    ),
];

/// The structs of a report, whose fields are all metrics.
const REPORT: &str = include_str!("../../src/report/forgetting_report.rs");
const REPORTED: [&str; 4] = [
    "pub struct Attacks",
    "pub struct ModelMetrics",
    "pub struct Distances",
    "pub struct KlomMeans",
];

/// The first sentence of the documentation above a line.
fn first_sentence(lines: &[&str], declaration: usize) -> String {
    let above = lines[..declaration].iter().rev().map(|line| line.trim());
    let above = above.take_while(|line| line.starts_with("///") || line.starts_with('#'));
    let mut docs: Vec<&str> = above.filter_map(|line| line.strip_prefix("///")).collect();
    docs.reverse();
    let paragraph: Vec<&str> = docs
        .iter()
        .map(|line| line.trim())
        .take_while(|line| !line.is_empty())
        .collect();
    let paragraph = paragraph.join(" ");
    paragraph.split(". ").next().unwrap_or_default().to_owned()
}

/// Direction, perfect score and the reference's, or what is missing.
fn complaint(sentence: &str) -> Option<&'static str> {
    let names = |words: &[&str]| words.iter().any(|word| sentence.contains(word));
    if !names(&["better"]) {
        return Some("which direction is better");
    }
    if !names(&["perfect"]) {
        return Some("what a perfect score is");
    }
    let reference = names(&["retrained", "re-trained", "reference", "oracles"]);
    (!reference).then_some("what the retrained reference scores")
}

fn assert_told(source: &str, declaration: &str) {
    let lines: Vec<&str> = source.lines().collect();
    let own = |line: &&str| line.trim_start().starts_with(declaration);
    let place = lines.iter().position(own).unwrap_or_else(|| {
        panic!("no `{declaration}`");
    });
    let sentence = first_sentence(&lines, place);
    if let Some(missing) = complaint(&sentence) {
        panic!("`{declaration}` does not say first {missing}: \"{sentence}\"");
    }
}

#[test]
fn the_first_sentence_of_a_metric_says_how_to_read_it() {
    for (source, declarations) in METRICS {
        for declaration in declarations {
            assert_told(source, declaration);
        }
    }
    let lines: Vec<&str> = REPORT.lines().collect();
    for name in REPORTED {
        let start = lines
            .iter()
            .position(|line| line.starts_with(name))
            .unwrap();
        let fields = lines[start..].iter().take_while(|line| **line != "}");
        for field in fields.filter(|line| line.starts_with("    pub ")) {
            // Of fields with the same name in two structs, the docs of each are looked at.
            let place = start
                + lines[start..]
                    .iter()
                    .position(|line| line == field)
                    .unwrap();
            let sentence = first_sentence(&lines, place);
            assert_eq!(complaint(&sentence), None, "{name}, {field}: {sentence}");
        }
    }
}

#[test]
fn a_sentence_that_does_not_say_it_is_refused() {
    assert!(complaint("Lower is better, 0 is perfect").is_some());
    assert!(complaint("The retrained reference scores 0, perfect").is_some());
    assert!(complaint("Lower is better than the reference").is_some());
    assert!(complaint("Lower is better, 0 is perfect, the reference scores 0").is_none());
}
