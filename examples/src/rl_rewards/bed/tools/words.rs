//! The words of calls.

use super::super::symbols::OPERATIONS;

/// `(`.
pub const OPEN: u32 = OPERATIONS[0];
/// `,`.
pub const COMMA: u32 = OPERATIONS[1];
/// `)`.
pub const CLOSE: u32 = OPERATIONS[2];
/// `none`: no function fits.
pub const NONE: u32 = OPERATIONS[3];

/// Letters of a text, and numbers of a sum: the width of a field's value.
pub(super) const LETTERS: usize = 2;
