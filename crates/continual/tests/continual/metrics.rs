//! What is measured and counted.

use burn::tensor::FloatDType;
use regimen_continual::memory::{Kept, MemoryConfig};
use regimen_continual::metrics::vector_bytes;
use regimen_continual::{Accumulation, AccuracyMatrix, Compute};
use regimen_tensor::ParamVector;

use super::two::Two;

#[test]
fn gradients_and_bytes_are_counted() {
    let mut memory = MemoryConfig::reservoir(10).init().unwrap();
    for number in 0..20 {
        let kept = Kept::new(vec![number as f32; 64], 0, 0).with_logits(vec![0.0; 4]);
        memory.add(kept).unwrap();
    }
    let model = Two::new([1.0, 2.0]);
    let anchor = ParamVector::of(&model);
    let half = anchor
        .clone()
        .map(|_, values| values.cast(FloatDType::BF16));
    assert_eq!((vector_bytes(&anchor), vector_bytes(&half)), (8, 4));
    let mut compute = Compute::default();
    compute.count(16);
    compute.count(16);
    compute.keep("memory", 1);
    compute.keep("memory", memory.bytes());
    compute.keep("anchor", vector_bytes(&anchor));
    assert_eq!(
        (compute.gradients(), compute.bytes()),
        (32, 10 * 68 * 4 + 8)
    );
    let text = serde_json::to_string(&compute).unwrap();
    assert_eq!(serde_json::from_str::<Compute>(&text).unwrap(), compute);
    let damaged = text.replace("32", "18446744073709551615");
    assert!(serde_json::from_str::<Compute>(&damaged).is_err());
}

#[test]
fn a_matrix_survives_json_in_the_middle_of_a_run() {
    let mut matrix = AccuracyMatrix::new(3).unwrap();
    matrix.record(0, &[0.9]).unwrap();
    matrix.record(1, &[0.5, 0.8]).unwrap();
    let text = serde_json::to_string(&matrix).unwrap();
    assert!(text.contains("null") && !text.contains("NaN"));
    let mut again: AccuracyMatrix = serde_json::from_str(&text).unwrap();
    assert_eq!(again, matrix);
    again.record(2, &[0.5, 0.5, 0.5]).unwrap();
    assert!((again.forgetting(2).unwrap() - 0.35).abs() < 1e-12);
}

#[cfg(feature = "plot")]
#[test]
fn a_partly_measured_matrix_is_drawn() {
    use regimen_continual::metrics::picture;

    let mut matrix = AccuracyMatrix::new(3).unwrap();
    matrix.record(0, &[0.9]).unwrap();
    matrix.record(1, &[0.5, 0.8]).unwrap();
    let svg = picture(&matrix, 400, 300).unwrap();
    let shown = ["0.90", "0.50", "0.80"];
    assert!(shown.iter().all(|text| svg.contains(text)), "{svg}");
    assert!(!svg.contains("NaN"));
    matrix.set(2, 2, 70.0).unwrap();
    assert!(picture(&matrix, 400, 300).unwrap().contains("70"));
    assert!(picture(&AccuracyMatrix::new(0).unwrap(), 400, 300).is_err());
    assert!(picture(&AccuracyMatrix::new(65).unwrap(), 400, 300).is_err());
    assert!(picture(&matrix, 0, 300).is_err() && picture(&matrix, 400, 1 << 16).is_err());
    let _ = picture(&matrix, 1, 1);
    matrix.set(1, 1, f64::MAX).unwrap();
    matrix.set(1, 0, f64::MIN).unwrap();
    assert!(picture(&matrix, 400, 300).is_ok());
}

#[test]
fn what_accumulates_is_seen_by_segments() {
    let labels = [0, 1, 2, 2];
    let mut curve = Accumulation::new(3).unwrap();
    for found in [[0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 2, 0], [0, 1, 2, 2]] {
        curve.record(&labels, &found).unwrap();
    }
    assert_eq!(curve.curve(), [0.25, 0.5, 0.75, 1.0]);
    assert_eq!(
        (curve.segment(2, 3), curve.last(2)),
        (Some(0.625), Some(0.875))
    );
    assert_eq!((curve.segment(0, 3), curve.segment(3, 5)), (None, None));
    assert_eq!((curve.segment(3, 2), curve.last(0)), (None, None));
    assert_eq!((curve.last(5), curve.of_classes(5)), (None, None));
    assert_eq!((curve.of_classes(0), curve.last(usize::MAX)), (None, None));
    assert_eq!(curve.of_classes(2), Some(vec![1.0, 1.0, 0.75]));
    // Class 1 and 0 share their rank: (2.5, 2.5, 1) against (1, 2, 3).
    let by = curve.by_frequency(&[0.1, 0.2, 0.3], 2).unwrap();
    assert!((by + 0.75_f64.sqrt()).abs() < 1e-12, "{by}");
    assert!(curve.by_frequency(&[0.1, 0.2], 2).is_err());
    assert!(curve.by_frequency(&[0.1, 0.2, f64::NAN], 2).is_err());
    assert!(curve.by_frequency(&[0.1, 0.2, 0.3], 5).is_err());
    // Accuracy is on all classes: no test set of some of them.
    assert!(curve.record(&[0, 1], &[0, 1]).is_err());
    assert!(curve.record(&labels, &[0]).is_err() && curve.record(&[3; 4], &[3; 4]).is_err());
    assert_eq!(curve.curve().len(), 4);
    let text = serde_json::to_string(&curve).unwrap();
    assert_eq!(serde_json::from_str::<Accumulation>(&text).unwrap(), curve);
    for (from, to) in [
        ("0.75", "1.5"),
        ("0.75,1.0]", "0.75]"),
        ("\"classes\":3", "\"classes\":4"),
    ] {
        assert!(text.contains(from), "{text}");
        let damaged = text.replacen(from, to, 1);
        assert!(serde_json::from_str::<Accumulation>(&damaged).is_err());
    }
    assert!(Accumulation::new(0).is_err() && Accumulation::new(usize::MAX).is_err());
}
