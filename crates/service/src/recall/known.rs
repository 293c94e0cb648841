//! What is known of a read that was prepared: its question, and the head of the answer that was shown last. With both, whoever asks again
//! is answered without a plan being looked at.

use std::sync::{Arc, OnceLock, Weak};

use base::Failure;
use bytes::Bytes;
use delivery::{EntityTag, Forms};
use freshness::RequestDirectives;
use http::header::ETAG;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use rest::Head;

use super::Question;
use super::entry::Entry;
use super::told::{Told, Way};

/// What is known of a read.
#[derive(Debug, Default)]
pub(crate) struct Known {
    question: OnceLock<Question>,
    shaped: Mutex<Option<Shaped>>,
}

/// An answer that is kept, made ready.
pub(crate) struct Shown {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
    pub(crate) forms: Arc<Forms>,
    pub(crate) rows: u64,
    pub(crate) told: Told,
}

/// The head that was made of an entry. The entry may be gone; another one never stands at its place meanwhile.
struct Shaped {
    of: Weak<Entry>,
    head: Head,
}

impl std::fmt::Debug for Shaped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shaped").finish_non_exhaustive()
    }
}

impl Known {
    /// The question, which is the same each time but for what the request says about caches.
    pub(super) fn note(&self, question: &Question) {
        let _known_already = self.question.set(question.clone());
    }

    pub(super) fn question(&self, headers: &HeaderMap) -> Option<Question> {
        let question = self.question.get()?;
        Some(Question { asked: RequestDirectives::read(headers), ..question.clone() })
    }

    /// The head of this entry's answer, with its tag: the one that was made of it before, or else what is made now.
    pub(super) fn head(&self, entry: &Arc<Entry>, shape: impl FnOnce() -> Result<Head, Failure>) -> Option<Head> {
        let mut shaped = self.shaped.lock();
        if let Some(Shaped { of, head }) = &*shaped
            && std::ptr::eq(of.as_ptr(), Arc::as_ptr(entry))
        {
            return Some(head.clone());
        }
        // What cannot be shaped is refused by whoever runs it.
        let mut head = shape().ok()?;
        Told::new(Way::Hit).write(&mut head.headers);
        if matches!(head.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT)
            && let Some(tag) = EntityTag::of_answer(head.status, &head.headers, &entry.body)
        {
            head.headers.insert(ETAG, tag.to_header());
        }
        *shaped = Some(Shaped { of: Arc::downgrade(entry), head: head.clone() });
        Some(head)
    }
}
