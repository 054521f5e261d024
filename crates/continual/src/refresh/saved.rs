//! How refresh is saved.

use regimen_tensor::checkpoint::{Part, PartError};
use serde::{Deserialize, Serialize};

use super::Refresh;
use super::windows::Windows;
use crate::ContinualError;
use crate::saved::Saved;

/// What is saved beside the Fisher information.
#[derive(Serialize, Deserialize)]
struct Plain {
    draws: u64,
}

impl<S: Part> Part for Refresh<S> {
    fn kind(&self) -> String {
        format!("refresh 1 of {}", self.strategy.kind())
    }

    /// The length of its own state, 8 bytes, little end first, then this and the method's.
    fn save(&self) -> Result<Vec<u8>, PartError> {
        let own = {
            let state = self.shared.lock();
            let saved = Saved::new(&Plain { draws: state.draws })?;
            match &state.fisher {
                Some(fisher) => saved.with("fisher", fisher)?,
                None => saved,
            }
        };
        let own = own.to_bytes()?;
        let mut bytes = (own.len() as u64).to_le_bytes().to_vec();
        bytes.extend(own);
        bytes.extend(self.strategy.save()?);
        Ok(bytes)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let short = || ContinualError::State("it ends before its own length".into());
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
        let (own, method) = rest.split_at_checked(length).ok_or_else(short)?;
        let saved = Saved::read(own)?;
        let plain: Plain = saved.state()?;
        let space = self.shared.lock().space.clone();
        let fisher = saved.vector("fisher", &space)?;
        self.strategy.load(method)?;
        let mut state = self.shared.lock();
        (state.fisher, state.draws) = (fisher, plain.draws);
        state.windows = Windows::default();
        Ok(())
    }
}
