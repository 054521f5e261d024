//! Columns that hold no text and no vectors, and texts that nobody expects.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, Float64Array, Int32Array, ListArray, NullArray, RecordBatch, StringArray,
    StringViewArray,
};
use datafusion::arrow::datatypes::{Float32Type, Float64Type};
use regimen_curriculum::text::{
    Bm25Config, DecontaminationConfig, NearDuplicatesConfig, TargetVectors, TextColumn,
    VectorColumn, Vectors,
};

use super::columns::arrays;
use super::vectors::TARGETS;

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

#[test]
fn columns_without_vectors_are_refused() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let message = VectorColumn::new(&texts).unwrap_err().to_string();
    assert!(
        message.contains("Utf8") && message.contains("Float32"),
        "{message}"
    );
    let doubles = [Some([Some(1.0), Some(2.0)])];
    let doubles = ListArray::from_iter_primitive::<Float64Type, _, _>(doubles);
    assert!(VectorColumn::new(&doubles).is_err());
    assert!(VectorColumn::new(&Float64Array::from(vec![1.0])).is_err());
    let batch = RecordBatch::try_from_iter([("t", texts)]).unwrap();
    let message = VectorColumn::of(&batch, "v").unwrap_err().to_string();
    assert!(message.contains("`v`"), "{message}");

    let targets = TargetVectors::new(&Vectors::new(&TARGETS, 2).unwrap());
    let column = |rows: Vec<Vec<Option<f32>>>| {
        let rows = rows.into_iter().map(Some);
        VectorColumn::new(&ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
    };
    let message = column(vec![vec![Some(1.0), Some(1.0)], vec![None, Some(1.0)]]);
    let message = message.unwrap_err().to_string();
    assert!(message.contains("row 1"), "{message}");
    for bad in [
        vec![Some(1.0)],
        vec![],
        vec![Some(f32::NAN), Some(0.0)],
        vec![Some(1.0); 3],
    ] {
        let column = column(vec![vec![Some(1.0), Some(1.0)], bad]).unwrap();
        assert!(targets.best_of(&column).is_err());
        assert!(targets.means_of(&column).is_err());
        assert!(targets.cosines_of(&column).is_err());
        assert!(column.vectors().is_err());
    }
}
