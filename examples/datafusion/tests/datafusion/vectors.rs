//! Each type of list of numbers.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, LargeListArray, ListArray,
};
use datafusion::arrow::datatypes::Float32Type;
use regimen_curriculum::text::{
    Aggregation, LikenessConfig, TargetVectors, TextClassifierConfig, TextColumn, VectorColumn,
    Vectors,
};

pub(super) const TARGETS: [f32; 4] = [3.0, 0.0, 0.0, 2.0];

/// A row that is null, among others.
fn arrays() -> [ArrayRef; 3] {
    let rows = || {
        [Some([1.0, 0.1]), None, Some([-1.0, 0.0]), Some([0.6, 0.7])]
            .map(|row: Option<[f32; 2]>| row.map(|row| row.map(Some)))
    };
    [
        Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows(), 2)),
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows())),
        Arc::new(LargeListArray::from_iter_primitive::<Float32Type, _, _>(
            rows(),
        )),
    ]
}

#[test]
fn each_type_of_list_is_the_same_column() {
    let vectors = Vectors::new(&TARGETS, 2).unwrap();
    let targets = TargetVectors::new(&vectors);
    for array in arrays() {
        for array in [array.clone(), array.slice(0, 3), array.slice(1, 3)] {
            let column = VectorColumn::new(&array).unwrap();
            let (places, best) = targets.best_of(&column).unwrap();
            let means = targets.means_of(&column).unwrap();
            let lists = targets.cosines_of(&column).unwrap();
            assert_eq!((column.len(), places.len()), (array.len(), array.len()));
            for row in 0..column.len() {
                let Some(vector) = column.get(row) else {
                    assert!(places.is_null(row) && best.is_null(row));
                    assert!(means.is_null(row) && lists.is_null(row));
                    continue;
                };
                let own = Vectors::new(vector, 2).unwrap();
                let cosines = targets.cosines(&own).unwrap();
                let found = lists.value(row);
                assert_eq!(found.as_primitive::<Float32Type>().values(), &cosines[..]);
                let nearest = usize::from(cosines[1] > cosines[0]);
                assert_eq!(places.value(row), nearest as u64);
                assert_eq!(best.value(row), cosines[nearest]);
                let mean = f64::from(cosines[0]) + f64::from(cosines[1]);
                assert_eq!(means.value(row), mean / 2.0);
            }
            assert_eq!(column.get(column.len()), None);
            assert!(column.vectors().is_err(), "a row is null");
        }
        // Rows without nulls are ranked where they lie.
        let column = VectorColumn::new(&array.slice(2, 2)).unwrap();
        let config = LikenessConfig::new().with_aggregation(Aggregation::MeanCosine);
        let likeness = config.init(&column.vectors().unwrap(), &vectors).unwrap();
        assert_eq!(likeness.best_ranks(), [2, 1]);
        let means = targets.means_of(&column).unwrap();
        assert_eq!(means.values(), likeness.scores());
        let none = VectorColumn::new(&array.slice(0, 0)).unwrap();
        assert!(none.is_empty() && none.vectors().is_err());
        assert!(targets.best_of(&none).unwrap().0.is_empty());
    }
}

/// More rows than are looked at together.
#[test]
fn long_columns_keep_their_order() {
    let rows = (0..2000).map(|row| {
        let angle = row as f32 * 0.01;
        (row % 7 != 3).then(|| [Some(angle.sin()), Some(angle.cos())])
    });
    let array = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2);
    let column = VectorColumn::new(&array).unwrap();
    let targets = TargetVectors::new(&Vectors::new(&TARGETS, 2).unwrap());
    let lists = targets.cosines_of(&column).unwrap();
    for row in 0..2000 {
        assert_eq!(lists.is_null(row), row % 7 == 3);
        if lists.is_valid(row) {
            let cosines = lists.value(row);
            let cosines = cosines.as_primitive::<Float32Type>();
            let angle = row as f32 * 0.01;
            assert!((cosines.value(0) - angle.sin()).abs() < 1e-6);
            assert!((cosines.value(1) - angle.cos()).abs() < 1e-6);
        }
    }
}

#[test]
fn scores_of_a_column_are_those_of_its_texts() {
    let pool = [
        "the sum of numbers",
        "a day by the sea",
        "sum the numbers",
        "the sea is wide",
    ];
    let config = TextClassifierConfig::new().with_least(1);
    let classifier = config.fit(pool, &[true, false, true, false]).unwrap();
    for array in super::columns::arrays() {
        let column = TextColumn::new(&array).unwrap();
        let scores = classifier.scores_of(&column);
        for row in 0..column.len() {
            let score = scores.is_valid(row).then(|| scores.value(row));
            assert_eq!(score, column.get(row).map(|text| classifier.score(text)));
        }
    }
}
