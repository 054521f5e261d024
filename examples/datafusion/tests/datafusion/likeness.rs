//! Likeness to targets by SQL over a Parquet file: scores of each row, ranks over all of them, and what a classifier keeps.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, FixedSizeListArray, RecordBatch, StringArray, UInt32Array,
};
use datafusion::arrow::datatypes::{Float32Type, Float64Type, Int64Type, UInt32Type, UInt64Type};
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use regimen_curriculum::text::{
    Aggregation, LikenessConfig, TargetVectors, TextClassifierConfig, Threshold, VectorColumn,
    Vectors,
};
use regimen_datafusion::{register_classifier, register_targets};

use super::parquet::rows;

const ROWS: usize = 3000;
const DIMENSIONS: usize = 8;
const TARGETS: usize = 5;

fn numbers(count: usize, seed: usize) -> Vec<f32> {
    let number = |at: usize| ((at * 7919 + seed * 104_729) % 10_007) as f32 / 5000.0 - 1.0;
    (0..count).map(number).collect()
}

fn corpus() -> RecordBatch {
    let numbers = numbers(ROWS * DIMENSIONS, 1);
    let vectors = numbers.chunks(DIMENSIONS);
    let vectors = vectors.map(|row| Some(row.iter().copied().map(Some).collect::<Vec<_>>()));
    let vectors =
        FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(vectors, DIMENSIONS as i32);
    let texts = (0..ROWS).map(|row| {
        let kind = if row % 10 == 0 {
            "sums of numbers"
        } else {
            "a day by the sea"
        };
        Some(format!("{kind} {row} and more of it"))
    });
    let columns: [(&str, ArrayRef); 3] = [
        (
            "id",
            Arc::new(UInt32Array::from_iter_values(0..ROWS as u32)),
        ),
        ("vector", Arc::new(vectors)),
        ("text", Arc::new(texts.collect::<StringArray>())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn likeness_of_a_parquet_file_by_sql() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corpus.parquet");
        let path = path.to_str().unwrap();
        let (session, batch) = (SessionContext::new(), corpus());
        let frame = session.read_batch(batch.clone()).unwrap();
        let options = DataFrameWriteOptions::new().with_single_file_output(true);
        frame.write_parquet(path, options, None).await.unwrap();
        let options = ParquetReadOptions::default();
        session.register_parquet("corpus", path, options).await.unwrap();

        // What the crate finds of the whole sample in memory.
        let numbers = numbers(TARGETS * DIMENSIONS, 2);
        let targets = Vectors::new(&numbers, DIMENSIONS).unwrap();
        register_targets(&session, TargetVectors::new(&targets));
        let column = VectorColumn::of(&batch, "vector").unwrap();
        let sample = column.vectors().unwrap();
        let config = LikenessConfig::new();
        let best = config.init(&sample, &targets).unwrap();
        let mean = config.with_aggregation(Aggregation::MeanCosine);
        let mean = mean.init(&sample, &targets).unwrap();

        // Each row by itself.
        let found = rows(
            &session,
            "SELECT best_cosine(vector), mean_cosine(vector), nearest_target(vector) FROM corpus ORDER BY id",
        )
        .await;
        assert_eq!(found.column(0).as_primitive::<Float32Type>().values(), best.best_cosines());
        assert_eq!(found.column(1).as_primitive::<Float64Type>().values(), mean.scores());
        let nearest = found.column(2).as_primitive::<UInt64Type>().values();
        assert!(nearest.iter().all(|target| *target < TARGETS as u64));

        // Ranks under each target are a second pass over all rows.
        let found = rows(
            &session,
            "WITH pairs AS (SELECT id, unnest(cosines(vector)) AS cosine, unnest(range(0, 5)) AS target FROM corpus),
                  ranks AS (SELECT id, row_number() OVER (PARTITION BY target ORDER BY cosine DESC, id) AS rank FROM pairs)
             SELECT id, min(rank) AS best FROM ranks GROUP BY id ORDER BY id",
        )
        .await;
        assert_eq!(found.column(0).as_primitive::<UInt32Type>().value(77), 77);
        let ranks = found.column(1).as_any();
        let ranks: Vec<u32> = match ranks.downcast_ref::<datafusion::arrow::array::UInt64Array>() {
            Some(ranks) => ranks.values().iter().map(|rank| *rank as u32).collect(),
            None => found.column(1).as_primitive::<Int64Type>().values().iter().map(|rank| *rank as u32).collect(),
        };
        assert_eq!(ranks, best.best_ranks());

        // The classifier that imitates the ranks, over the whole corpus.
        let texts: Vec<String> = batch.column(2).as_string::<i32>().iter().flatten().map(String::from).collect();
        let labels: Vec<bool> = (0..ROWS).map(|row| row % 10 == 0).collect();
        let config = TextClassifierConfig::new().with_bits(14);
        let classifier = config.fit(&texts, &labels).unwrap();
        let threshold = Threshold::of(classifier.score_all(&texts), 0.1).unwrap();
        let kept = classifier.select(&texts, threshold).kept().len();
        register_classifier(&session, classifier);
        let query = format!("SELECT count(*) FROM corpus WHERE text_score(text) >= {:?}", threshold.score);
        let found = rows(&session, &query).await;
        assert_eq!(found.column(0).as_primitive::<Int64Type>().value(0), kept as i64);
        assert!(kept < ROWS / 5);

        // Numbers of SQL are double: they become single. Other arguments are refused before anything runs.
        let numbers: Vec<String> = numbers[..DIMENSIONS].iter().map(|one| format!("{one:?}")).collect();
        let query = format!("SELECT best_cosine([{}])", numbers.join(", "));
        let found = rows(&session, &query).await;
        assert!((found.column(0).as_primitive::<Float32Type>().value(0) - 1.0).abs() < 1e-6);
        for query in ["SELECT best_cosine(text) FROM corpus", "SELECT best_cosine(['a'])", "SELECT best_cosine()"] {
            assert!(session.sql(query).await.is_err(), "{query}");
        }
        let short = session.sql("SELECT best_cosine([1.0])").await;
        let failed = match short {
            Ok(frame) => frame.collect().await.is_err(),
            Err(_) => true,
        };
        assert!(failed);
    });
}
