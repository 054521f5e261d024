//! The model that judges: it sees a window of characters, and gets as many updates whatever it is trained on.

use std::sync::Arc;

use anyhow::Result;
use burn::tensor::Device;
use regimen_schedules::{Linear, LrSchedule};

use crate::data::{Text, TextLoader};
use crate::experiment::Context;
use crate::models::{CharWindow, CharWindowConfig};
use crate::optim::adam;
use crate::train::{fit, text_loss};

const WINDOW: usize = 8;
const PEAK: f64 = 6e-3;

/// How a run trains its models.
pub(super) struct Training<'a> {
    device: &'a Device,
    updates: usize,
    seed: u64,
}

impl<'a> Training<'a> {
    pub(super) fn of(context: &'a Context, seed: u64) -> Self {
        Self {
            device: &context.device,
            updates: match context {
                Context { full: true, .. } => 20_000,
                Context { small: true, .. } => 80,
                _ => 1_000,
            },
            seed,
        }
    }

    /// A model that was trained on these documents; all start from the same weights.
    pub(super) fn model<'t>(
        &self,
        documents: impl IntoIterator<Item = &'t String>,
    ) -> Result<CharWindow> {
        let all: Vec<&str> = documents.into_iter().map(String::as_str).collect();
        let text = Arc::new(Text::new("kept", &all.join(" "))?);
        let loader = TextLoader::new(text, self.updates, 64, WINDOW, self.seed, self.device);
        self.device.seed(self.seed);
        let model = CharWindowConfig::new().init(self.device);
        let mut rate = LrSchedule::new(Linear::new(PEAK, self.updates)?);
        fit(model, &loader, &mut adam(0.95), &mut rate, 1)
    }

    /// Its loss on a text, in nats a character.
    pub(super) fn loss(&self, model: &CharWindow, text: &str) -> Result<f64> {
        let text = Text::new("judge", text)?;
        Ok(text_loss(model, &text, WINDOW, self.device))
    }
}
