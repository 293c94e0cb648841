//! Reading lengths and numbers in network byte order.

use super::Malformed;

/// A value of a fixed length, as its bytes.
pub(super) fn fixed<const LENGTH: usize>(bytes: &[u8], data_type: &'static str) -> Result<[u8; LENGTH], Malformed> {
    bytes.try_into().map_err(|_| Malformed::length(data_type))
}

/// A value as UTF-8 text.
pub(super) fn text<'a>(bytes: &'a [u8], data_type: &'static str) -> Result<&'a str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::new(data_type, "it is not UTF-8"))
}

/// What is left of a value that has parts.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    data_type: &'static str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], data_type: &'static str) -> Self {
        Self { rest: bytes, data_type }
    }

    pub(super) fn take<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Malformed> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(|| self.malformed("it ends too early"))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn integer(&mut self) -> Result<i32, Malformed> {
        self.take().map(i32::from_be_bytes)
    }

    /// A number of things that each take at least so many bytes, so that no more are promised than can follow.
    pub(super) fn count(&mut self, bytes_of_one: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.integer()?).map_err(|_| self.malformed("a count is negative"))?;
        if count > self.rest.len() / bytes_of_one {
            return Err(self.malformed("a count is larger than what follows"));
        }
        Ok(count)
    }

    /// A length and as many bytes; the length -1 is NULL.
    pub(super) fn value(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let length = self.integer()?;
        if length == -1 {
            return Ok(None);
        }
        let parts = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (value, rest) = parts.ok_or_else(|| self.malformed("a length is wrong"))?;
        self.rest = rest;
        Ok(Some(value))
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed("bytes follow its end")) }
    }

    pub(super) fn malformed(&self, reason: &'static str) -> Malformed {
        Malformed::new(self.data_type, reason)
    }
}

/// So many values behind each other, each with its length; the end is checked after the last.
#[derive(Debug, Clone)]
pub(super) struct Parts<'a> {
    cursor: Cursor<'a>,
    left: usize,
    is_over: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn new(cursor: Cursor<'a>, count: usize) -> Self {
        Self { cursor, left: count, is_over: false }
    }

    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The next part; bytes behind the last are an error. After an error nothing comes.
    pub(super) fn next<T>(
        &mut self,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Malformed>,
    ) -> Option<Result<T, Malformed>> {
        if self.is_over {
            return None;
        }
        if self.left == 0 {
            self.is_over = true;
            return self.cursor.end().err().map(Err);
        }
        self.left -= 1;
        let part = read(&mut self.cursor);
        if part.is_err() {
            self.left = 0;
            self.is_over = true;
        }
        Some(part)
    }
}
