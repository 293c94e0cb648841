//! Entries as they are read by others: JSON, a line each.

use base::Timestamp;
use datatype::{DatumRef, Type, Zone};
use serde_json::value::RawValue;
use store::Store;

use crate::AuditError;
use crate::entry::Entry;
use crate::page::{ask, page};
use crate::tables::{ENTRIES, NEWEST};

/// How many entries are read at once.
const PAGE: i64 = 1_000;

/// Which entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Of this table, `schema.name`.
    pub table: Option<String>,
    /// Of this user: the claim `sub` of who asked, or the user whom an event is about.
    pub user: Option<String>,
}

impl Filter {
    /// Whether an entry is one of them.
    pub fn takes(&self, entry: &Entry) -> bool {
        let says = |text: &str, user: &str| {
            let object: Option<serde_json::Value> = serde_json::from_str(text).ok();
            object.as_ref().and_then(|object| object.get("user")).and_then(|name| name.as_str()) == Some(user)
        };
        let is_user = |user: &String| {
            let is_about = entry.relation.is_none() && entry.key.as_deref().is_some_and(|key| says(key, user));
            says(&entry.context, user) || is_about
        };
        self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
            && self.table.as_ref().is_none_or(|table| entry.relation.as_ref() == Some(table))
            && self.user.as_ref().is_none_or(is_user)
    }
}

/// Gives the entries behind `after` that the filter takes, in the order of their ids; gives the last id that was looked at.
///
/// # Errors
/// What the store meets, and what `give` gives.
pub async fn export<E: From<AuditError>>(
    store: &dyn Store,
    after: i64,
    filter: &Filter,
    mut give: impl FnMut(&Entry) -> Result<(), E>,
) -> Result<i64, E> {
    let mut last = after;
    loop {
        let (rows, has_more) = page(store, ENTRIES, &[last.into()], PAGE).await.map_err(AuditError::from)?;
        for row in &rows {
            let entry = Entry::of(row).map_err(AuditError::from)?;
            last = entry.id;
            if filter.takes(&entry) {
                give(&entry)?;
            }
        }
        if !has_more {
            return Ok(last);
        }
    }
}

/// The id behind which the last `count` entries stand; the lowest there is where there are no more.
///
/// # Errors
/// What the store meets.
pub async fn before_last(store: &dyn Store, count: u32) -> Result<i64, AuditError> {
    let answer = ask(store, store::OwnStep::new(NEWEST, [i64::from(count).into()])).await?;
    Ok(answer.first().map(|row| row.get::<i64>("id")).transpose()?.unwrap_or(i64::MIN))
}

impl Entry {
    /// It as a line of JSON. What is JSON in it stays as it stands there, to the digit.
    pub fn line(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let raw = |text: &str| match serde_json::from_str::<Box<RawValue>>(text) {
            Ok(value) if !text.contains(['\n', '\r']) => value.get().to_owned(),
            _ => quoted(text),
        };
        let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
        let mut at = Vec::new();
        datatype::write_json(&Type::TimestampTz, DatumRef::Integer(self.at.0), &Zone::default(), &mut at);
        format!(
            "{{\"id\":{},\"at\":{},\"action\":{},\"relation\":{},\"key\":{},\"change\":{},\"context\":{},\"transaction\":{}}}",
            self.id,
            String::from_utf8_lossy(&at),
            quoted(&self.action),
            or_null(self.relation.as_deref().map(quoted)),
            or_null(self.key.as_deref().map(raw)),
            raw(&self.change),
            raw(&self.context),
            self.transaction_number,
        )
    }
}
