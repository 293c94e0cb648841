//! The smaller forms of a body that is sent more than once.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::Coding;

/// Each coding's form of one body, kept from when it is first made.
#[derive(Debug, Default)]
pub struct Forms {
    made: [OnceLock<Bytes>; Coding::ALL.len()],
}

impl Forms {
    /// The form in this coding, if it was made already.
    pub fn get(&self, coding: Coding) -> Option<Bytes> {
        self.made.get(coding.index())?.get().cloned()
    }

    /// Keeps a form. Of two that are made at once one stays, and it does not matter which.
    pub fn keep(&self, coding: Coding, form: &Bytes) {
        if let Some(made) = self.made.get(coding.index()) {
            let _another_ones = made.set(form.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_coding_has_its_own() {
        let forms = Forms::default();
        forms.keep(Coding::Gzip, &Bytes::from_static(b"g"));
        forms.keep(Coding::Brotli, &Bytes::from_static(b"b"));
        forms.keep(Coding::Brotli, &Bytes::from_static(b"again"));
        let found = Coding::ALL.map(|coding| forms.get(coding));
        assert_eq!(found, [None, Some(Bytes::from_static(b"b")), Some(Bytes::from_static(b"g"))]);
    }
}
