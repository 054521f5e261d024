//! What is to be forgotten: requests, their ledger, and the data in two.

mod forget_request;
mod ledger;
mod split;

pub use forget_request::ForgetRequest;
pub use ledger::Ledger;
pub use split::Split;
