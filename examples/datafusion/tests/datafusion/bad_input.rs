//! Columns that hold no text, and texts that nobody expects.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, Int32Array, NullArray, RecordBatch, StringViewArray,
};
use regimen_curriculum::text::{
    Bm25Config, DecontaminationConfig, NearDuplicatesConfig, TextColumn,
};

use super::columns::arrays;

#[test]
fn other_columns_are_refused() {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let message = TextColumn::new(&numbers).unwrap_err().to_string();
    assert!(message.contains("Int32"), "{message}");
    let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    let message = TextColumn::of(&batch, "text").unwrap_err().to_string();
    assert!(message.contains("`text`"), "{message}");
}

#[test]
fn empty_columns_and_hostile_texts_have_values() {
    let overlap = DecontaminationConfig::new().init(&[]).unwrap();
    let pool = Bm25Config::new().init(["", "x"]).unwrap();
    let near = NearDuplicatesConfig::new().init().unwrap();
    let nulls = StringViewArray::new_null(3);
    let none = arrays()[0].slice(4, 0);
    let texts = [
        "\0".repeat(100_000),
        "é".repeat(50_000),
        " ".into(),
        "x ".repeat(100_000),
    ];
    let texts = StringViewArray::from_iter_values(texts);
    for array in [Arc::new(nulls) as ArrayRef, none, Arc::new(texts)] {
        let column = TextColumn::new(&array).unwrap();
        assert_eq!(
            (column.is_empty(), column.get(usize::MAX)),
            (array.is_empty(), None)
        );
        let rows = array.len();
        assert_eq!(overlap.highest_shares(&column).len(), rows);
        assert_eq!(pool.best_of(&column).0.len(), rows);
        assert_eq!(near.signatures_of(&column).null_count(), array.null_count());
        assert_eq!(near.band_keys_of(&column).len(), rows);
        assert_eq!(near.groups(column.rows()).unwrap().documents(), rows);
    }
    assert!(TextColumn::new(&NullArray::new(2)).is_err());
}
