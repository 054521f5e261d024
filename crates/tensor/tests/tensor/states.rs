//! Every state of this crate that is read from text, for damaged copies of it.

use burn::tensor::Device;
use regimen_tensor::floats::{Float, Floats, Name};
use regimen_tensor::logs::{GradientNorms, Norm, ScalarLog};
use regimen_tensor::testing::Hostile;
use regimen_tensor::{AccuracyMatrix, Distribution, Part, Projection};

/// Reads a text, and uses what was read.
type Use = fn(&str) -> Result<(), String>;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A state's name, a valid text, and its use.
type State = (&'static str, String, Use);

fn entry(name: &'static str, sample: String, read: Use) -> State {
    (name, sample, read)
}

fn accuracies() -> AccuracyMatrix {
    let mut matrix = AccuracyMatrix::new(3).unwrap();
    matrix.record(0, &[0.9]).unwrap();
    matrix.record(1, &[0.5, 0.75]).unwrap();
    matrix
}

/// Each state.
pub(crate) fn states() -> Vec<State> {
    let projection = Projection::new(3, 7).unwrap();
    let projection = projection.with_buckets(5).unwrap();
    let sparse = projection.with_distribution(Distribution::Sparse { s: 3.0 });
    let json = |value: &dyn Fn() -> serde_json::Result<String>| value().unwrap();
    vec![
        entry(
            "Projection",
            json(&|| serde_json::to_string(&projection)),
            use_projection,
        ),
        entry(
            "Projection, sparse",
            json(&|| serde_json::to_string(sparse.as_ref().unwrap())),
            use_projection,
        ),
        entry(
            "Distribution",
            json(&|| serde_json::to_string(&Distribution::Sparse { s: 3.0 })),
            |text_of| {
                let read: Distribution = serde_json::from_str(text_of).map_err(text)?;
                let projection = Projection::new(2, 1).map_err(text)?;
                let drawn = projection.with_distribution(read).map_err(text)?;
                drawn.draw(10, &Device::flex()).map(drop).map_err(text)
            },
        ),
        entry(
            "AccuracyMatrix",
            json(&|| serde_json::to_string(&accuracies())),
            |text_of| {
                let mut read: AccuracyMatrix = serde_json::from_str(text_of).map_err(text)?;
                let _ = (read.average(), read.forgetting(1));
                let _ = (read.backward_transfer(2), read.average_incremental(0));
                read.set(0, 0, 0.5).map_err(text)
            },
        ),
        entry(
            "Float",
            json(&|| serde_json::to_string(&Float::Finite(0.5))),
            use_float,
        ),
        entry(
            "Float, not finite",
            json(&|| serde_json::to_string(&f64::NEG_INFINITY.to_text())),
            use_float,
        ),
        entry(
            "Name",
            json(&|| serde_json::to_string(&Name::NaN)),
            |text_of| {
                let read: Name = serde_json::from_str(text_of).map_err(text)?;
                let value = f64::from_text(Float::Other(read));
                assert!(!value.is_finite());
                Ok(())
            },
        ),
        entry(
            "Norm",
            json(&|| serde_json::to_string(&Norm::L1)),
            |text_of| {
                let read: Norm = serde_json::from_str(text_of).map_err(text)?;
                let norms = GradientNorms::new(read).norms().map_err(text)?;
                norms.is_empty().then_some(()).ok_or_else(|| "norms".into())
            },
        ),
        entry(
            "GradientNorms",
            of_part(&GradientNorms::resume(Norm::L2, vec![1.0, f64::NAN])),
            |text| {
                let mut log = GradientNorms::new(Norm::L2);
                log.load(text.as_bytes()).map_err(|e| e.to_string())?;
                let length = log.norms().map_err(|e| e.to_string())?.len();
                assert_eq!(length, log.len());
                Ok(())
            },
        ),
        entry(
            "ScalarLog",
            of_part(&ScalarLog::resume(vec![1.0, f64::NEG_INFINITY])),
            |text| {
                let mut log = ScalarLog::new();
                log.load(text.as_bytes()).map_err(|e| e.to_string())?;
                let length = log.values().map_err(|e| e.to_string())?.len();
                assert_eq!(length, log.len());
                Ok(())
            },
        ),
    ]
}

fn of_part(part: &dyn Part) -> String {
    String::from_utf8(part.save().unwrap()).unwrap()
}

/// Reads a float, which goes to text and back as it is.
fn use_float(text_of: &str) -> Result<(), String> {
    let read: Float = serde_json::from_str(text_of).map_err(text)?;
    let value = f64::from_text(read);
    assert_eq!(f64::from_text(value.to_text()).to_bits(), value.to_bits());
    Ok(())
}

/// Draws it for vectors of few scalars.
fn use_projection(text_of: &str) -> Result<(), String> {
    let read: Projection = serde_json::from_str(text_of).map_err(text)?;
    let again = serde_json::to_string(&read).map_err(text)?;
    assert_eq!(serde_json::from_str::<Projection>(&again).unwrap(), read);
    let rows = burn::tensor::Tensor::<2>::ones([2, 17], &Device::flex());
    let drawn = read.draw(17, &Device::flex()).map_err(text)?;
    let found = drawn.apply(rows).map_err(text)?;
    assert_eq!(found.dims()[0], 2);
    Ok(())
}

#[test]
fn damaged_states_are_errors_or_states() {
    let mut hostile = Hostile::new("tensor states");
    for (name, sample, read) in states() {
        hostile.state(name, &sample, read);
    }
    hostile.finish();
}
