use super::LONGEST_RESULT;
use crate::interval::Interval;
use crate::{Datum, DatumRef, Type, ValueError, Zone, arithmetic};

/// The arguments of one call.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    /// The values.
    pub values: &'a [DatumRef<'a>],
    /// Their types: those of the parameters, or what an argument for `any` has.
    pub types: &'a [Type],
    /// The zone of the request.
    pub zone: &'a Zone,
}

impl<'a> Arguments<'a> {
    pub(super) fn has_null(&self) -> bool {
        self.values.contains(&DatumRef::Null)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn value(&self, index: usize) -> DatumRef<'a> {
        self.values.get(index).copied().unwrap_or(DatumRef::Null)
    }

    pub(super) fn data_type(&self, index: usize) -> &'a Type {
        self.types.get(index).unwrap_or(&Type::Text)
    }

    pub(super) fn is_null(&self, index: usize) -> bool {
        self.value(index) == DatumRef::Null
    }

    pub(super) fn text(&self, index: usize) -> Result<&'a str, ValueError> {
        match self.value(index) {
            DatumRef::Text(text) => Ok(text),
            _ => Err(ValueError::shape(self.data_type(index))),
        }
    }

    pub(super) fn bytes(&self, index: usize) -> Result<&'a [u8], ValueError> {
        match self.value(index) {
            DatumRef::Bytes(bytes) => Ok(bytes),
            _ => Err(ValueError::shape(self.data_type(index))),
        }
    }

    pub(super) fn integer(&self, index: usize) -> Result<i64, ValueError> {
        arithmetic::integer(self.data_type(index), self.value(index))
    }

    pub(super) fn real(&self, index: usize) -> Result<f64, ValueError> {
        arithmetic::real(self.data_type(index), self.value(index))
    }

    pub(super) fn interval(&self, index: usize) -> Result<Interval, ValueError> {
        Interval::of(self.value(index))
    }
}

/// A text as an outcome, within [`LONGEST_RESULT`].
pub(super) fn text(text: impl Into<String>) -> Result<Datum, ValueError> {
    let text = text.into();
    check_length(text.len())?;
    Ok(Datum::Text(text))
}

/// Whether a result of so many bytes may be made.
pub(super) fn check_length(length: usize) -> Result<(), ValueError> {
    if length > LONGEST_RESULT {
        return Err(too_long());
    }
    Ok(())
}

/// 54000, which is what PostgreSQL says beyond its own limit.
pub(super) fn too_long() -> ValueError {
    ValueError::new("54000", "requested length too large")
        .with_details(format!("A function gives at most {LONGEST_RESULT} bytes."))
}

#[expect(clippy::unnecessary_wraps, reason = "what definitions end with")]
pub(super) fn boolean(value: bool) -> Result<Datum, ValueError> {
    Ok(Datum::Integer(i64::from(value)))
}

#[expect(clippy::unnecessary_wraps, reason = "what definitions end with")]
pub(super) fn integer(value: i64) -> Result<Datum, ValueError> {
    Ok(Datum::Integer(value))
}

/// A length or position.
pub(super) fn count(value: usize) -> Result<Datum, ValueError> {
    integer(i64::try_from(value).unwrap_or(i64::MAX))
}

#[expect(clippy::unnecessary_wraps, reason = "what definitions end with")]
pub(super) fn interval(value: Interval) -> Result<Datum, ValueError> {
    Ok(Datum::Text(value.to_text()))
}
