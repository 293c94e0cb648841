use std::hash::{Hash, Hasher};

use base::Timestamp;
use serde::{Deserialize, Serialize};

/// A value in the form in which it is stored, compared and bound. Which variant a type uses is said at
/// each variant of [`crate::Type`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Datum {
    /// SQL's NULL.
    Null,
    /// Whole numbers, booleans, dates and times.
    Integer(i64),
    /// Floating point; never NaN.
    Real(f64),
    /// Text, numeric, uuid, json and enumeration labels.
    Text(String),
    /// `bytea`.
    Bytes(Vec<u8>),
}

/// A borrowed [`Datum`]: what a row gives while it is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DatumRef<'a> {
    /// SQL's NULL.
    Null,
    /// See [`Datum::Integer`].
    Integer(i64),
    /// See [`Datum::Real`].
    Real(f64),
    /// See [`Datum::Text`].
    Text(&'a str),
    /// See [`Datum::Bytes`].
    Bytes(&'a [u8]),
}

/// Numbers that are equal by their bits; -0 and 0 count as two.
impl Hash for Datum {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Integer(value) => value.hash(state),
            Self::Real(value) => value.to_bits().hash(state),
            Self::Text(value) => value.hash(state),
            Self::Bytes(value) => value.hash(state),
        }
    }
}

impl Datum {
    /// The bytes that it holds on the heap.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Borrows it.
    pub fn as_ref(&self) -> DatumRef<'_> {
        match self {
            Self::Null => DatumRef::Null,
            Self::Integer(value) => DatumRef::Integer(*value),
            Self::Real(value) => DatumRef::Real(*value),
            Self::Text(value) => DatumRef::Text(value),
            Self::Bytes(value) => DatumRef::Bytes(value),
        }
    }

    /// Whether it is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Datum {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Datum {
    fn from(is: bool) -> Self {
        Self::Integer(i64::from(is))
    }
}

impl From<Timestamp> for Datum {
    fn from(moment: Timestamp) -> Self {
        Self::Integer(moment.0)
    }
}

impl From<Vec<u8>> for Datum {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl<T: Into<Self>> From<Option<T>> for Datum {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl DatumRef<'_> {
    /// Copies it.
    pub fn to_owned(self) -> Datum {
        match self {
            Self::Null => Datum::Null,
            Self::Integer(value) => Datum::Integer(value),
            Self::Real(value) => Datum::Real(value),
            Self::Text(value) => Datum::Text(value.to_owned()),
            Self::Bytes(value) => Datum::Bytes(value.to_vec()),
        }
    }
}
