//! The loader as a part of a checkpoint.

use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::curriculum_loader::CurriculumLoader;
use super::sample::LoaderState;
use crate::sampler::Sampler;

/// What [`CurriculumLoader::state`] gives: the plan and how far it came, the sampler, and the losses that it has still to learn. Batch
/// sizes and the data set are not part of it.
///
/// All clones and slices of the loader, and its feedback, go on from what is loaded; an iterator of before has no say any more. A state of
/// a sampler for another data set or of another configuration ([`Sampler::accepts`]) is refused.
impl<S, I, O> Part for CurriculumLoader<S, I, O>
where
    S: Sampler + Clone + Serialize + DeserializeOwned + 'static,
    I: Send + Sync + Clone + 'static,
    O: Send + 'static,
{
    fn kind(&self) -> String {
        "curriculum loader 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(&self.state()?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let state: LoaderState<S> = json::load(bytes)?;
        Ok(self.restore(state)?)
    }
}
