//! What is measured and counted.

use burn::tensor::FloatDType;
use regimen_continual::memory::{Kept, MemoryConfig};
use regimen_continual::metrics::vector_bytes;
use regimen_continual::{AccuracyMatrix, Compute};
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
