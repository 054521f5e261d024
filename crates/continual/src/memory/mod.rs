//! What is kept of earlier examples.
