//! # Extract
//!
//! Where in a response its answer stands: a box, a closing sentence, tags, after a mark, the last formula or number.
//!
//! Source: the released checkers of TÜLU 3 (arXiv 2411.15124), which follow Hendrycks et al. 2021 (arXiv 2103.03874), Minerva
//! (arXiv 2206.14858) and GSM8K (arXiv 2110.14168)

mod boxed;
mod numbers;
mod sentences;

pub use boxed::last_boxed;
pub use numbers::{NumberRule, last_number};
pub use sentences::{after_hashes, after_thinking, announced, final_answer, last_formula, tagged};
use serde::{Deserialize, Serialize};

/// A place of an answer in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Extract {
    /// The content of the last `\boxed{..}`: [`last_boxed`].
    Boxed,
    /// The sentence of Minerva's prompt: [`final_answer`].
    FinalAnswer,
    /// Between the last `<answer>` and `</answer>`: [`tagged`].
    AnswerTags,
    /// The rest of the line after the last `####`: [`after_hashes`].
    Hashes,
    /// After the last "answer is" or "answer:": [`announced`].
    Announced,
    /// The last formula: [`last_formula`].
    LastFormula,
    /// The last number: [`last_number`] with its sign.
    LastNumber,
    /// The whole text.
    Whole,
}

impl Extract {
    /// The places where [`MathAnswer`](crate::verify::MathAnswer) looks, in this order.
    pub const USUAL: [Self; 7] = [
        Self::Boxed,
        Self::FinalAnswer,
        Self::AnswerTags,
        Self::Hashes,
        Self::Announced,
        Self::LastFormula,
        Self::LastNumber,
    ];

    /// The answer at this place, trimmed; `None` where there is none or it is empty.
    ///
    /// ```
    /// use regimen_rl_rewards::verify::Extract;
    ///
    /// let text = r"so it is \boxed{\frac{1}{2}} units. #### 7";
    /// assert_eq!(Extract::Boxed.find(text), Some(r"\frac{1}{2}"));
    /// assert_eq!(Extract::Hashes.find(text), Some("7"));
    /// assert_eq!(Extract::AnswerTags.find(text), None);
    /// ```
    #[must_use]
    pub fn find(self, text: &str) -> Option<&str> {
        let found = match self {
            Self::Boxed => last_boxed(text),
            Self::FinalAnswer => final_answer(text),
            Self::AnswerTags => tagged(text, "answer"),
            Self::Hashes => after_hashes(text),
            Self::Announced => announced(text),
            Self::LastFormula => last_formula(text),
            Self::LastNumber => numbers::last_written(text),
            Self::Whole => Some(text),
        };
        found.map(str::trim).filter(|found| !found.is_empty())
    }

    /// The answer at the first of these places that has one.
    #[must_use]
    pub fn first<'t>(places: &[Self], text: &'t str) -> Option<&'t str> {
        places.iter().find_map(|place| place.find(text))
    }
}
