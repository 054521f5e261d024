//! Who answered what rightly.

use crate::error::{CurriculumError, Result, check_examples, count};

/// Right and wrong answers of subjects to items, of which any may be missing.
///
/// ```
/// use regimen_curriculum::ability::irt::Responses;
///
/// // Two subjects, three items; the second subject did not see the last.
/// let all = [(0, 0, true), (0, 1, true), (0, 2, false), (1, 0, true), (1, 1, false)];
/// let responses = Responses::new(2, 3, all)?;
/// assert_eq!(responses.len(), 5);
/// assert_eq!(responses.share_right(1), Some(0.5));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responses {
    by_subject: Lists,
    by_item: Lists,
}

/// For each of one side the others with whom it has an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lists {
    starts: Vec<usize>,
    entries: Vec<(u32, bool)>,
}

impl Lists {
    fn new(count: usize, mut all: Vec<(u32, u32, bool)>) -> Self {
        all.sort_unstable();
        let mut starts = vec![0; count + 1];
        for (one, ..) in &all {
            starts[*one as usize + 1] += 1;
        }
        for one in 0..count {
            starts[one + 1] += starts[one];
        }
        let entries = all.into_iter().map(|(_, other, right)| (other, right));
        Self {
            starts,
            entries: entries.collect(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn of(&self, one: usize) -> &[(u32, bool)] {
        &self.entries[self.starts[one]..self.starts[one + 1]]
    }
}

impl Responses {
    /// From triples of subject, item and whether the answer was right, in any order.
    ///
    /// # Errors
    /// If there are no subjects or items, or over 2^28, if a triple names another one, or two are of the same subject and item.
    pub fn new(
        subjects: usize,
        items: usize,
        answers: impl IntoIterator<Item = (usize, usize, bool)>,
    ) -> Result<Self> {
        check_examples(items)?;
        let good = (1..=1 << 28).contains(&subjects);
        count("subjects", subjects, good, "1 to 268435456 (2^28)")?;
        let mut all = Vec::new();
        for (subject, item, right) in answers {
            if item >= items {
                let examples = items;
                return Err(CurriculumError::UnknownExample { id: item, examples });
            }
            count(
                "subject",
                subject,
                subject < subjects,
                "0 to below the number of subjects",
            )?;
            all.push((subject as u32, item as u32, right));
        }
        let swapped = all
            .iter()
            .map(|(subject, item, right)| (*item, *subject, *right));
        let by_item = Lists::new(items, swapped.collect());
        let by_subject = Lists::new(subjects, all);
        for subject in 0..subjects {
            let of = by_subject.of(subject);
            if let Some(pair) = of.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                let id = pair[0].0 as usize;
                return Err(CurriculumError::Repeated { id });
            }
        }
        Ok(Self {
            by_subject,
            by_item,
        })
    }

    /// From a row for each subject with an entry for each item, none where there is no answer.
    ///
    /// # Errors
    /// As for [`new`](Self::new), and if rows have different lengths.
    pub fn of_rows(rows: &[Vec<Option<bool>>]) -> Result<Self> {
        let items = rows.first().map_or(0, Vec::len);
        if let Some(row) = rows.iter().find(|row| row.len() != items) {
            return Err(CurriculumError::Lengths {
                ids: items,
                losses: row.len(),
            });
        }
        let answers = rows.iter().enumerate().flat_map(|(subject, row)| {
            let entries = row.iter().enumerate();
            entries.filter_map(move |(item, right)| right.map(|right| (subject, item, right)))
        });
        Self::new(rows.len(), items, answers)
    }

    /// Subjects.
    #[must_use]
    pub fn subjects(&self) -> usize {
        self.by_subject.count()
    }

    /// Items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.by_item.count()
    }

    /// Answers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_item.entries.len()
    }

    /// Whether there is no answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The share of right answers to an item; none where it has no answer or there is no such item.
    #[must_use]
    pub fn share_right(&self, item: usize) -> Option<f64> {
        if item >= self.items() {
            return None;
        }
        let of = self.by_item.of(item);
        let right = of.iter().filter(|(_, right)| *right).count();
        (!of.is_empty()).then(|| right as f64 / of.len() as f64)
    }

    pub(super) fn by_subject(&self) -> &Lists {
        &self.by_subject
    }

    pub(super) fn by_item(&self) -> &Lists {
        &self.by_item
    }
}
