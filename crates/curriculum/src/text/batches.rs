//! Reading a stream of documents some at a time.

/// Documents, and bytes of them, that are read before they are worked on.
const DOCUMENTS_AT_ONCE: usize = 4096;
const BYTES_AT_ONCE: usize = 1 << 23;

/// A stream of documents, given in lists of which memory holds one.
pub(super) struct Batches<I> {
    documents: I,
    announced: usize,
}

impl<D: AsRef<str>, I: Iterator<Item = D>> Batches<I> {
    pub(super) fn new(documents: impl IntoIterator<IntoIter = I>) -> Self {
        let documents = documents.into_iter();
        let announced = documents.size_hint().0;
        Self {
            documents,
            announced,
        }
    }

    /// The next documents; none at the end.
    pub(super) fn next(&mut self) -> Option<Vec<D>> {
        let (mut some, mut bytes) = (Vec::new(), 0);
        while some.len() < DOCUMENTS_AT_ONCE && bytes < BYTES_AT_ONCE {
            let Some(document) = self.documents.next() else {
                break;
            };
            bytes += document.as_ref().len();
            some.push(document);
        }
        (!some.is_empty()).then_some(some)
    }

    /// How many documents there are, as far as the stream said: at least those that were read.
    pub(super) fn announced(&self, read: usize) -> usize {
        self.announced.max(read)
    }
}
