//! # TokenWindows
//!
//! A stream of tokens as a data set of windows, each with the tokens to predict.
//!
//! Source: the packing of texts into blocks of one length that language models are pre-trained on.

use std::fmt;
use std::sync::Arc;

use burn::data::dataset::{Dataset, DatasetError};

use crate::error::{CurriculumError, Result, count};

/// Windows of `context + 1` tokens of a stream: the first `context` of them are what a model reads, the last `context` what it predicts.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `context` | of [`new`](Self::new) | tokens that a model reads, 1 or more, fewer than the stream has |
/// | `stride` | `context`: windows share one token, and each token but the first is predicted once | tokens between the starts of windows, 1 or more |
///
/// What is left at the end of the stream and fills no window is left out. Clones share the stream.
///
/// ```
/// use burn::data::dataset::Dataset;
/// use regimen_curriculum::text::TokenWindows;
///
/// let windows = TokenWindows::new((0..10).collect::<Vec<u32>>(), 3)?;
/// assert_eq!(windows.len(), 3);
/// assert_eq!(windows.get(1)?, [3, 4, 5, 6]);
/// assert_eq!(windows.with_stride(1)?.len(), 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TokenWindows<T> {
    tokens: Arc<[T]>,
    context: usize,
    stride: usize,
}

impl<T> TokenWindows<T> {
    /// Of a stream of tokens, for a model that reads `context` of them.
    ///
    /// # Errors
    /// If `context` is 0, or the stream has not more tokens than that.
    pub fn new(tokens: impl Into<Arc<[T]>>, context: usize) -> Result<Self> {
        let tokens = tokens.into();
        count("context", context, context > 0, "1 or more")?;
        if tokens.len() <= context {
            return Err(CurriculumError::TooFew {
                field: "tokens",
                found: tokens.len(),
                needed: context.saturating_add(1),
            });
        }
        Ok(Self {
            tokens,
            context,
            stride: context,
        })
    }

    /// Windows that start so many tokens after each other.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_stride(mut self, stride: usize) -> Result<Self> {
        count("stride", stride, stride > 0, "1 or more")?;
        self.stride = stride;
        Ok(self)
    }

    /// The tokens that a model reads of a window.
    #[must_use]
    pub fn context(&self) -> usize {
        self.context
    }
}

impl<T: Clone + Send + Sync> Dataset<Vec<T>> for TokenWindows<T> {
    fn get(&self, index: usize) -> Result<Vec<T>, DatasetError> {
        let start = index.checked_mul(self.stride);
        let end = start.and_then(|start| start.checked_add(self.context + 1));
        let window = start.zip(end).and_then(|(a, b)| self.tokens.get(a..b));
        window.map(<[T]>::to_vec).ok_or_else(|| {
            let examples = self.len();
            DatasetError::new(CurriculumError::UnknownExample {
                id: index,
                examples,
            })
        })
    }

    fn get_many(&self, indexes: Vec<usize>) -> Result<Vec<Vec<T>>, DatasetError> {
        indexes.into_iter().map(|index| self.get(index)).collect()
    }

    fn len(&self) -> usize {
        (self.tokens.len() - self.context - 1) / self.stride + 1
    }
}

impl<T> fmt::Debug for TokenWindows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenWindows")
            .field("tokens", &self.tokens.len())
            .field("context", &self.context)
            .field("stride", &self.stride)
            .finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_window_is_refused() {
        let of = |tokens: usize, context| TokenWindows::new(vec![0_u8; tokens], context);
        assert!(of(4, 0).unwrap_err().to_string().contains("`context` is 0"));
        let few = of(4, 4).unwrap_err().to_string();
        assert!(few.contains("`tokens` holds 4 values: at least 5"), "{few}");
        assert!(of(0, usize::MAX).is_err());
        assert!(of(5, 4).unwrap().with_stride(0).is_err());
        let windows = of(5, 4).unwrap().with_stride(usize::MAX).unwrap();
        assert_eq!((windows.len(), windows.get(0).unwrap().len()), (1, 5));
        for index in [1, 2, usize::MAX] {
            assert!(windows.get(index).is_err() && windows.get_many(vec![0, index]).is_err());
        }
    }

    proptest! {
        #[test]
        fn each_token_is_predicted_once(tokens in 2_usize..300, context in 1_usize..20) {
            prop_assume!(tokens > context);
            let windows = TokenWindows::new((0..tokens).collect::<Vec<_>>(), context).unwrap();
            let all = windows.get_many((0..windows.len()).collect()).unwrap();
            let predicted: Vec<usize> = all.iter().flat_map(|window| window[1..].to_vec()).collect();
            prop_assert_eq!(&predicted, &(1..=windows.len() * context).collect::<Vec<_>>());
            prop_assert!(tokens - 1 - predicted.len() < context);
            let dense = windows.with_stride(1).unwrap();
            prop_assert_eq!(dense.len(), tokens - context);
            prop_assert_eq!(dense.get(dense.len() - 1).unwrap(), (tokens - context - 1..tokens).collect::<Vec<_>>());
        }
    }
}
