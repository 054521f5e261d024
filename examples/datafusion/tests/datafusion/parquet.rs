//! One corpus in a Parquet file, read by SQL.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use datafusion::arrow::datatypes::{Float64Type, Int64Type, UInt32Type, UInt64Type};
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use regimen_curriculum::text::{
    Bm25Config, DecontaminationConfig, Evaluation, NearDuplicatesConfig,
};
use regimen_datafusion::session;

const TEST: &str =
    "natalia sold clips to 48 of her friends in april and then she sold half as many in may";
const ROWS: usize = 20_000;

fn texts() -> Vec<Option<String>> {
    let mut texts: Vec<_> = (0..ROWS)
        .map(|row| {
            Some(format!(
                "document {row} tells of {} and of {} at length",
                row * 7,
                row * 31
            ))
        })
        .collect();
    texts[3] = Some(format!("Question: {TEST}? Think."));
    texts[15_000] = Some(format!("{} and then nothing of the kind", &TEST[..50]));
    texts[77] = None;
    texts[19_999] = Some("DOCUMENT 5 tells of 35, and of 155 at length!".into());
    texts
}

fn sessions() -> SessionContext {
    let tests = Evaluation::new("sums").with_tests([TEST]);
    let evaluations = DecontaminationConfig::new().init(&[tests]).unwrap();
    let pool = Bm25Config::new()
        .init(["sold to friends", "tells at length", "other words"])
        .unwrap();
    session(
        evaluations,
        pool,
        NearDuplicatesConfig::new().init().unwrap(),
    )
}

pub(super) async fn rows(session: &SessionContext, query: &str) -> RecordBatch {
    let frame = session.sql(query).await.unwrap();
    let batches = frame.collect().await.unwrap();
    datafusion::arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

#[test]
fn functions_of_a_parquet_file_by_sql() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corpus.parquet");
        let path = path.to_str().unwrap();
        let texts: ArrayRef = Arc::new(texts().into_iter().collect::<StringArray>());
        let ids: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..ROWS as u32));
        let batch = RecordBatch::try_from_iter([("id", ids), ("text", texts)]).unwrap();
        let session = sessions();
        let frame = session.read_batch(batch).unwrap();
        let options = DataFrameWriteOptions::new().with_single_file_output(true);
        frame.write_parquet(path, options, None).await.unwrap();
        let options = ParquetReadOptions::default();
        session.register_parquet("corpus", path, options).await.unwrap();

        // Contaminated rows.
        let found = rows(
            &session,
            "SELECT id, overlap(text) AS share FROM corpus WHERE overlap(text) > 0.5 ORDER BY share DESC",
        )
        .await;
        assert_eq!(found.column(0).as_primitive::<UInt32Type>().values(), &[3, 15_000]);
        let shares = found.column(1).as_primitive::<Float64Type>();
        assert_eq!((shares.value(0), shares.value(1)), (1.0, 10.0 / 19.0));

        // The nearest document of the pool, and rows without a text.
        let found = rows(
            &session,
            "SELECT bm25_best(text) AS best, count(*) AS rows FROM corpus WHERE text IS NULL OR bm25_score(text) > 0 GROUP BY 1 ORDER BY 1",
        )
        .await;
        let best = found.column(0).as_primitive::<UInt64Type>();
        let counts = found.column(1).as_primitive::<Int64Type>();
        assert_eq!(best.iter().collect::<Vec<_>>(), [Some(0), Some(1), None]);
        assert_eq!(counts.values(), &[2, ROWS as i64 - 3, 1]);

        // Near-duplicates: the pairs that share a band.
        let found = rows(
            &session,
            "WITH bands AS (SELECT id, unnest(band_keys(text)) AS band FROM corpus)
             SELECT DISTINCT a.id, b.id FROM bands a JOIN bands b ON a.band = b.band AND a.id < b.id",
        )
        .await;
        let pair = [0, 1].map(|column| found.column(column).as_primitive::<UInt32Type>().value(0));
        assert_eq!((found.num_rows(), pair), (1, [5, 19_999]));

        // A constant, and each type of string.
        let found = rows(
            &session,
            &format!("SELECT overlap('{TEST}') = overlap(arrow_cast('{TEST}', 'LargeUtf8')) AS same"),
        )
        .await;
        assert!(found.column(0).as_boolean().value(0));
    });
}
