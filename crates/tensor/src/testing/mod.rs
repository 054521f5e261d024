//! # testing
//!
//! Small reference models, and the conformance suite that runs every method on each of them. For tests; behind the
//! feature `testing`.
//!
//! A user's network has batch norm, embeddings, attention, one-dimensional convolutions or stacked experts, in f32
//! or bf16, partly frozen, trained with accumulated gradients or on several devices. The suite runs a [`Method`] on a
//! [`Reference`] model of each kind under each [`Condition`], and the answer is a [`Cell`]: the method serves the
//! model, or refuses it by a typed error. A panic, a wrong type, a changed original, a value that is not finite, or
//! a resumed run that differs from the straight one is a failure of the suite.
//!
//! All models take one kind of input, `[batch, 16]` whole numbers from 0 to 7, and give logits `[batch, 4]`: the
//! perceptron reads features, the transformer token ids, the convolutions a sequence or a 4 x 4 image. The experiments take
//! their networks, of other sizes, from [`networks`].
//!
//! A crate writes `tests/<crate>/conformance.rs`, in its one integration test:
//!
//! ```
//! use burn::optim::SgdConfig;
//! use regimen_tensor::testing::{Answer, Case, Method, Reference, Suite};
//!
//! /// The method under test: here, plain descent.
//! struct Descent;
//!
//! impl Method for Descent {
//!     fn name(&self) -> String {
//!         "sgd".into()
//!     }
//!
//!     fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
//!         let mut optim = SgdConfig::new().init();
//!         let mut model = case.model();
//!         for window in case.windows() {
//!             let grads = case.gradients(&model, window)?;
//!             model = optim.step(0.01, model, grads);
//!         }
//!         Ok(model)
//!     }
//! }
//!
//! let mut suite = Suite::new();
//! suite.add(&Descent);
//! let table = suite.finish()?;
//! assert!(table.starts_with("method,model,condition,answer\nsgd,perceptron,f32,yes\n"));
//! # Ok::<(), regimen_tensor::testing::Failures>(())
//! ```
//!
//! The table is compared with the committed `tests/support.csv` by [`check_support`]; `REGIMEN_WRITE_SUPPORT=1` writes
//! it. The book's table of support is generated from these files.
//!
//! Source: Regimen's own.

mod answer;
mod case;
mod hostile;
mod kills;
mod method;
mod models;
pub mod networks;
mod reference;
mod suite;
mod support;

pub use answer::{Answer, Condition};
pub use case::{Batch, Case};
pub use hostile::{COUNTS, Hostile, NUMBERS, mutate};
pub use kills::{KillTest, Kills, Said};
pub use method::Method;
pub use models::{Convolution, Mixture, Perceptron, Residual, TiedTransformer, Transformer};
pub use reference::{CLASSES, FEATURES, Hidden, Kind, Reference, VALUES, cast};
pub use suite::{Cell, Failures, Suite};
pub use support::check_support;
