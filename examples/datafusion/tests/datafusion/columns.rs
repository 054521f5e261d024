//! Each type of string, and streams of batches.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, LargeStringArray, StringArray, StringViewArray,
};
use datafusion::arrow::datatypes::{UInt32Type, UInt64Type};
use regimen_curriculum::text::{
    Bm25Config, DecontaminationConfig, Evaluation, NearDuplicatesConfig, TextColumn, TextRow,
};

const TEST: &str = "one two three four five six seven eight nine";

/// A text longer than a view holds itself, a short one, null, an empty one.
pub(super) fn arrays() -> [ArrayRef; 3] {
    let texts = || vec![Some(TEST), Some("ünï"), None, Some("")];
    [
        Arc::new(StringArray::from(texts())),
        Arc::new(LargeStringArray::from(texts())),
        Arc::new(StringViewArray::from(texts())),
    ]
}

#[test]
fn each_type_of_string_is_the_same_column() {
    let tests = Evaluation::new("one").with_tests([TEST]);
    let overlap = DecontaminationConfig::new().init(&[tests]).unwrap();
    let pool = Bm25Config::new().init(["ünï", "seven", "x"]).unwrap();
    let near = NearDuplicatesConfig::new().init().unwrap();
    for array in arrays() {
        for array in [array.clone(), array.slice(0, 3), array.slice(1, 3)] {
            let column = TextColumn::new(&array).unwrap();
            assert_eq!(column.len(), array.len());
            let texts: Vec<TextRow> = column.rows().collect();
            let shares = overlap.highest_shares(&column);
            let (places, scores) = pool.best_of(&column);
            let (signatures, keys) = (near.signatures_of(&column), near.band_keys_of(&column));
            for (row, text) in texts.iter().map(AsRef::as_ref).enumerate() {
                let Some(there) = column.get(row) else {
                    assert!(text.is_empty() && shares.is_null(row) && places.is_null(row));
                    assert!(scores.is_null(row) && signatures.is_null(row) && keys.is_null(row));
                    continue;
                };
                assert_eq!(there, text);
                let share = overlap.highest(text).map_or(0.0, |found| found.share);
                assert_eq!(shares.value(row), share);
                let hit = pool.top(text, 1)[0];
                assert_eq!(places.value(row), hit.document as u64);
                assert_eq!(scores.value(row), hit.score);
                let signature = near.signature(text);
                let found = signatures.value(row);
                assert_eq!(found.as_primitive::<UInt32Type>().values(), &signature[..]);
                let found = keys.value(row);
                let keys = near.band_keys(&signature);
                assert_eq!(found.as_primitive::<UInt64Type>().values(), &keys[..]);
            }
            assert_eq!(column.get(column.len()), None);
        }
    }
    let empty = Bm25Config::new().init(Vec::<String>::new()).unwrap();
    let column = TextColumn::new(&arrays()[0]).unwrap();
    assert_eq!(empty.best_of(&column).0.null_count(), 4);
}

#[test]
fn rows_of_several_batches_are_scanned_as_documents() {
    let tests = Evaluation::new("one").with_tests([TEST]);
    let index = DecontaminationConfig::new().init(&[tests]).unwrap();
    let columns: Vec<TextColumn> = arrays()
        .iter()
        .map(|array| TextColumn::new(array).unwrap())
        .collect();
    let scan = index.scan(columns.iter().flat_map(TextColumn::rows));
    let places: Vec<usize> = scan.contaminated.iter().map(|(place, _)| *place).collect();
    assert_eq!((scan.documents, places), (12, vec![0, 4, 8]));
}
