//! Dense networks to mixtures and back, and mixtures from and to checkpoints of others.

mod hugging_face;
mod tensor_file;
mod transpose;
mod upcycling;

pub use hugging_face::{HuggingFaceConfig, HuggingFaceFamily};
pub use upcycling::{Dense, UpcycleConfig, merge, merge_watched};
