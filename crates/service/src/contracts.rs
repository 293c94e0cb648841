//! The OpenAPI documents, each made once for a catalog, a schema and a role.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use base::Caller;
use bytes::Bytes;
use catalog::Catalog;
use contract::Subject;
use parking_lot::Mutex;

use crate::path::Settings;

/// Bytes of documents that are kept, the newest whatever its size. A schema of 500 tables with 20 columns each makes
/// about 8 MB, so this holds it for the usual roles; what does not fit is made again, which then takes some tens of
/// milliseconds.
const KEPT_BYTES: usize = 32 * 1024 * 1024;

/// Documents that are kept: more than most installations have schemas times roles.
const KEPT_DOCUMENTS: usize = 64;

/// What the API says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractSettings {
    /// How much of it.
    pub visibility: Visibility,
    /// The address of the API as clients reach it, without a slash at its end.
    pub server: String,
}

/// How much of a schema its document shows (PostgREST's `openapi-mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// What the caller's role may do.
    Privileges,
    /// Everything.
    Everything,
}

/// The documents that were asked for of late.
#[derive(Default)]
pub(crate) struct Contracts(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// What the documents are about. Weak: a catalog is not kept alive for a document.
    catalog: Weak<Catalog>,
    /// Oldest first.
    documents: VecDeque<(Key, Bytes)>,
}

/// A schema, and the role, where it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    schema: Arc<str>,
    role: Option<Arc<str>>,
    allows_anonymous: bool,
}

impl Contracts {
    /// The document of a schema for a caller; it says as well whether requests without a token are answered now.
    pub(crate) fn document(
        &self,
        schema: &Arc<str>,
        catalog: &Arc<Catalog>,
        caller: &Caller,
        allows_anonymous: bool,
        settings: &Settings,
    ) -> Bytes {
        let role = match settings.contract.visibility {
            Visibility::Privileges => Some(caller.role.clone()),
            Visibility::Everything => None,
        };
        let key = Key { schema: schema.clone(), role, allows_anonymous };
        // Made under the lock: of many who ask at once, one works and the others take what it made.
        let mut kept = self.0.lock();
        kept.of(catalog, key, |key| make(key, catalog, settings))
    }
}

impl Kept {
    fn of(&mut self, catalog: &Arc<Catalog>, key: Key, make: impl FnOnce(&Key) -> Bytes) -> Bytes {
        if !std::ptr::eq(self.catalog.as_ptr(), Arc::as_ptr(catalog)) {
            self.catalog = Arc::downgrade(catalog);
            self.documents.clear();
        }
        if let Some((_, document)) = self.documents.iter().find(|(kept, _)| *kept == key) {
            return document.clone();
        }
        let document = make(&key);
        self.documents.push_back((key, document.clone()));
        while self.documents.len() > 1 && self.is_too_much() {
            self.documents.pop_front();
        }
        document
    }

    fn is_too_much(&self) -> bool {
        let bytes: usize = self.documents.iter().map(|(_, document)| document.len()).sum();
        self.documents.len() > KEPT_DOCUMENTS || bytes > KEPT_BYTES
    }
}

fn make(key: &Key, catalog: &Catalog, settings: &Settings) -> Bytes {
    let subject = Subject {
        schema: &key.schema,
        role: key.role.as_deref(),
        server: &settings.contract.server,
        needs_profile: settings.rest.schemas.first() != Some(&key.schema),
        allows_anonymous: key.allows_anonymous,
        max_rows: settings.plan.max_rows,
        version: env!("CARGO_PKG_VERSION"),
    };
    // Nothing in a document can fail to be JSON.
    Bytes::from(serde_json::to_vec(&contract::openapi(catalog, &subject)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(role: usize) -> Key {
        Key { schema: Arc::from("public"), role: Some(Arc::from(format!("role{role}"))), allows_anonymous: true }
    }

    fn document(bytes: usize) -> Bytes {
        Bytes::from(vec![b' '; bytes])
    }

    #[test]
    fn a_document_is_made_once_for_a_catalog() {
        let (first, second) = (Arc::new(Catalog::default()), Arc::new(Catalog::default()));
        let mut kept = Kept::default();
        assert_eq!(kept.of(&first, key(1), |_| document(1)).len(), 1);
        assert_eq!(kept.of(&first, key(1), |_| document(2)).len(), 1, "kept");
        assert_eq!(kept.of(&first, key(2), |_| document(3)).len(), 3, "another role");
        assert_eq!(kept.of(&second, key(1), |_| document(4)).len(), 4, "another catalog");
        assert_eq!(kept.documents.len(), 1, "the former catalog's are gone");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let catalog = Arc::new(Catalog::default());
        let mut kept = Kept::default();
        for role in 0..2 * KEPT_DOCUMENTS {
            kept.of(&catalog, key(role), |_| document(1));
        }
        assert_eq!(kept.documents.len(), KEPT_DOCUMENTS);
        kept.of(&catalog, key(0), |_| document(KEPT_BYTES + 1));
        assert_eq!(kept.documents.len(), 1, "too large for any other");
        kept.of(&catalog, key(1), |_| document(1));
        assert_eq!(kept.documents.len(), 1);
        assert_eq!(kept.of(&catalog, key(1), |_| document(2)).len(), 1, "the newest stays");
    }
}
