//! One long trace with returns against many short answers with a verifier, at one budget of tokens and of FLOPs.

mod bench;
pub mod tune;
