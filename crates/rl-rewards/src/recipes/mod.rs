//! What a training loop calls: small pieces over the traits of policies and agents.

pub mod learned;
