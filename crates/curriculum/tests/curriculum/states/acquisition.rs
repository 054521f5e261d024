//! Damaged states of active learning.

use burn::tensor::{Device, Tensor};
use regimen_curriculum::active::acquisition::{
    Acquisition, Badge, BatchBald, ClassProbabilities, Criterion, Embeddings, GradientEmbeddings,
    Labelling, RoundFacts, Stopping, TypiClust,
};
use regimen_tensor::testing::Hostile;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn text_of(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Reads damaged texts of a sample, and uses what is accepted.
fn damaged<T: Serialize + DeserializeOwned>(
    hostile: &mut Hostile,
    name: &str,
    sample: &T,
    exercise: impl Fn(T) -> Result<(), String>,
) {
    let text = serde_json::to_string(sample).unwrap();
    hostile.state(name, &text, |text| {
        exercise(serde_json::from_str(text).map_err(text_of)?)
    });
}

#[test]
fn damaged_acquisitions_are_errors_or_work() {
    let mut hostile = Hostile::new("curriculum acquisition states");
    let all = &mut hostile;
    let mut labelling = Labelling::new(9, 4).unwrap();
    labelling.label(&[3, 8]).unwrap();
    labelling.label(&[0]).unwrap();
    let stable = Criterion::StablePredictions {
        kappa: 0.9,
        rounds: 2,
    };
    let flat = Criterion::FlatUncertainty {
        within: 0.1,
        rounds: 2,
    };
    let criteria = vec![
        Criterion::Budget { labels: 50 },
        Criterion::OverallUncertainty { below: 0.1 },
        Criterion::MaxUncertainty { below: 0.1 },
        Criterion::MinError { accuracy: 0.9 },
        flat,
        stable,
    ];
    let mut stopping = Stopping::new(criteria).unwrap();
    stopping.observe(&facts().unwrap()).unwrap();
    stopping.observe(&facts().unwrap()).unwrap();
    damaged(all, "Labelling", &labelling, |mut labelling: Labelling| {
        assert!(labelling.latest().len() <= labelling.labelled().len());
        let _ = labelling.round_seed();
        if labelling.examples() > 1000 {
            return Ok(());
        }
        let free = labelling.unlabelled();
        assert_eq!(
            free.len() + labelling.labelled().len(),
            labelling.examples()
        );
        let asked = labelling.random(1).map_err(text_of)?;
        labelling.label(&asked).map_err(text_of)
    });
    damaged(all, "Stopping", &stopping, |mut stopping: Stopping| {
        stopping.observe(&facts()?).map(drop).map_err(text_of)
    });
    damaged(all, "Criterion", &stable, |criterion: Criterion| {
        let mut stopping = Stopping::new(vec![criterion]).map_err(text_of)?;
        stopping.observe(&facts()?).map(drop).map_err(text_of)
    });
    damaged(all, "BatchBald", &BatchBald::new(), |method: BatchBald| {
        let found = method.select(&pool(2), 3).map_err(text_of)?;
        assert_eq!(found.len(), 3);
        Ok(())
    });
    damaged(all, "Badge", &Badge::new(3), |method: Badge| {
        let rows = embeddings();
        let pool = GradientEmbeddings::new(&pool(1), rows).map_err(text_of)?;
        assert_eq!(method.select(&pool, 3).map_err(text_of)?.len(), 3);
        Ok(())
    });
    damaged(all, "TypiClust", &TypiClust::new(), |method: TypiClust| {
        let pool = Embeddings::new(embeddings()).map_err(text_of)?;
        assert_eq!(method.select(&pool, 3).map_err(text_of)?.len(), 3);
        Ok(())
    });
    hostile.finish();
}

fn facts() -> Result<RoundFacts, String> {
    let facts = RoundFacts::new(3).map_err(text_of)?;
    let facts = facts.with_uncertainties(&[0.5, 0.25]).map_err(text_of)?;
    let facts = facts.with_predictions(vec![0, 1, 1]).map_err(text_of)?;
    facts.with_batch(1, 2).map_err(text_of)
}

fn pool(samples: usize) -> ClassProbabilities {
    let values = [[[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]], [[0.1, 0.9]; 3]];
    let values = Tensor::<3>::from_data(values, &Device::flex()).narrow(0, 0, samples);
    ClassProbabilities::of_samples(values).unwrap()
}

fn embeddings() -> Tensor<2> {
    Tensor::from_data([[0.0, 1.0], [2.0, 3.0], [9.0, 9.0]], &Device::flex())
}
