//! The answer to a request for a file (RFC 9110 sections 8, 13 to 15): which of its forms, which bytes of it, and what is said of it.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{BufMut, Bytes, BytesMut};
use delivery::condition::{Current, Verdict, allows_range, evaluate};
use delivery::{AcceptEncoding, Coding, EntityTag};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_MODIFIED_SINCE, IF_RANGE, LAST_MODIFIED, RANGE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::Notify;

use crate::content::Content;
use crate::digest::Digest;
use crate::index::{Entry, Smaller};
use crate::range::{Wanted, wanted};
use crate::stream::{FileStream, Segment};

/// An answer.
#[derive(Debug)]
pub struct FileAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; none for `HEAD`, whose length is said in the headers.
    pub body: FileBody,
}

/// The body of an answer.
#[derive(Debug)]
pub enum FileBody {
    /// All of it.
    Full(Bytes),
    /// Read while it is sent.
    Stream(FileStream),
}

impl FileAnswer {
    pub(crate) fn empty(status: StatusCode, headers: HeaderMap) -> Self {
        Self { status, headers, body: FileBody::Full(Bytes::new()) }
    }
}

/// What is asked of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) now: SystemTime,
}

/// Answers with a file, whose `Cache-Control` and `Vary` may be others than usual.
///
/// # Errors
/// What is on the disk is not what the index has, or cannot be read.
pub(crate) async fn answer(
    entry: &Entry,
    asked: Asked<'_>,
    (cache_control, varies): (&HeaderValue, &'static str),
    stale: &Arc<Notify>,
) -> io::Result<FileAnswer> {
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, cache_control.clone());
    if !varies.is_empty() {
        headers.insert(VARY, HeaderValue::from_static(varies));
    }
    let form = Form::choose(entry, asked);
    let forms: Vec<_> = Form::all(entry).map(|form| (form.coding, form.tag)).collect();
    let modified = told_date(entry, asked.headers);
    let current = Current { tag: Some(&form.tag), forms: Some(&forms), modified };
    match evaluate(asked.method, asked.headers, current) {
        Verdict::Go => {}
        Verdict::NotModified(tag) => {
            headers.insert(ETAG, tag.as_ref().unwrap_or(&form.tag).to_header());
            return Ok(FileAnswer::empty(StatusCode::NOT_MODIFIED, headers));
        }
        Verdict::Failed => {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            return Ok(FileAnswer::empty(StatusCode::PRECONDITION_FAILED, headers));
        }
    }
    headers.insert(CONTENT_TYPE, entry.content_type.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(modified) = entry.modified
        && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(modified))
    {
        headers.insert(LAST_MODIFIED, date);
    }
    match send(&form, entry, asked, headers.clone(), stale).await {
        // What was kept compressed has gone. The file itself has not.
        Err(_) if form.coding.is_some() => send(&Form::plain(entry), entry, asked, headers, stale).await,
        sent => sent,
    }
}

/// The date, for conditions. One that came with an older state of the folder says nothing of this one, even if it is later: whoever goes
/// back to an earlier version brings older dates. So `If-Modified-Since` counts only when it names this very date.
fn told_date(entry: &Entry, headers: &HeaderMap) -> Option<SystemTime> {
    let Some(since) = headers.get(IF_MODIFIED_SINCE) else { return entry.modified };
    let since = httpdate::parse_http_date(since.to_str().ok()?).ok()?;
    entry.modified.filter(|modified| *modified == since)
}

/// The form of a file that is sent.
struct Form<'a> {
    coding: Option<Coding>,
    content: &'a Content,
    tag: EntityTag,
    /// The parts that are wanted; `None` for all of it.
    parts: Option<&'a str>,
}

impl<'a> Form<'a> {
    fn plain(entry: &'a Entry) -> Self {
        Self { coding: None, content: &entry.content, tag: entry.tag.clone(), parts: None }
    }

    fn coded(smaller: &'a Smaller) -> Self {
        Self { coding: Some(smaller.coding), content: &smaller.content, tag: smaller.tag.clone(), parts: None }
    }

    /// All that there are by now.
    fn all(entry: &'a Entry) -> impl Iterator<Item = Self> {
        let smaller = entry.smaller.get().map(Vec::as_slice).unwrap_or_default();
        std::iter::once(Self::plain(entry)).chain(smaller.iter().map(Self::coded))
    }

    /// Parts are those of the file as it is, unless the client goes on with a form that it has begun with (`If-Range`).
    fn choose(entry: &'a Entry, asked: Asked<'a>) -> Self {
        let all = entry.smaller.get().map(Vec::as_slice).unwrap_or_default();
        if let Some(range) = asked.headers.get(RANGE).and_then(|range| range.to_str().ok())
            && asked.method == Method::GET
        {
            let begun = asked.headers.get(IF_RANGE).and_then(|tag| EntityTag::parse(tag.as_bytes()));
            let is_begun = |form: &Self| begun.as_ref().is_none_or(|tag| form.tag.is_strongly(tag));
            if let Some(form) = Self::all(entry).find(is_begun) {
                // A date is that of all forms: it does not say of which bytes the client has a part (RFC 9110 section 13.1.5).
                let modified = entry.modified.filter(|_| !entry.is_compressible);
                let selected = Current { tag: Some(&form.tag), modified, ..Current::default() };
                if allows_range(asked.headers, selected, asked.now) {
                    return Self { parts: Some(range), ..form };
                }
            }
        }
        let coding = smallest(all, &AcceptEncoding::read(asked.headers));
        let smaller = coding.and_then(|coding| all.iter().find(|smaller| smaller.coding == coding));
        smaller.map_or_else(|| Self::plain(entry), Self::coded)
    }
}

/// The coding to send a file in. Made once and for good, brotli is mostly smaller than zstd, which is the better one for what is
/// compressed while it is sent: so zstd is not offered to those who take the smaller one as well.
fn smallest(all: &[Smaller], accepted: &AcceptEncoding) -> Option<Coding> {
    let length = |coding: Coding| all.iter().find(|it| it.coding == coding).map(|it| it.content.length());
    let is_larger = matches!((length(Coding::Brotli), length(Coding::Zstandard)), (Some(br), Some(zstd)) if br < zstd);
    let skips = is_larger && accepted.choose(&[Coding::Brotli]).is_some();
    let offered: Vec<Coding> =
        all.iter().map(|it| it.coding).filter(|coding| !(skips && *coding == Coding::Zstandard)).collect();
    accepted.choose(&offered)
}

async fn send(
    form: &Form<'_>,
    entry: &Entry,
    asked: Asked<'_>,
    mut headers: HeaderMap,
    stale: &Arc<Notify>,
) -> io::Result<FileAnswer> {
    let length = form.content.length();
    headers.insert(ETAG, form.tag.to_header());
    if let Some(coding) = form.coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    let whole = |headers| (StatusCode::OK, headers, vec![Segment::Part(0..length)]);
    let (status, mut headers, segments) = match form.parts.map_or(Wanted::Whole, |header| wanted(header, length)) {
        Wanted::Whole => whole(headers),
        Wanted::Nothing => {
            headers.remove(CONTENT_TYPE);
            headers.remove(CONTENT_ENCODING);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            put(&mut headers, CONTENT_RANGE, format!("bytes */{length}"));
            return Ok(FileAnswer::empty(StatusCode::RANGE_NOT_SATISFIABLE, headers));
        }
        Wanted::Parts(parts) => match parts.as_slice() {
            [part] => {
                put(&mut headers, CONTENT_RANGE, content_range(part, length));
                (StatusCode::PARTIAL_CONTENT, headers, vec![Segment::Part(part.clone())])
            }
            parts => {
                let boundary = boundary(&form.tag);
                let segments = multipart(parts, length, &boundary, &entry.content_type);
                put(&mut headers, CONTENT_TYPE, format!("multipart/byteranges; boundary={boundary}"));
                (StatusCode::PARTIAL_CONTENT, headers, segments)
            }
        },
    };
    if asked.method == Method::HEAD {
        put(&mut headers, CONTENT_LENGTH, length.to_string());
        return Ok(FileAnswer::empty(status, headers));
    }
    let body = match form.content {
        Content::Held(bytes) => FileBody::Full(join(bytes, &segments)),
        Content::OnDisk(file) => {
            put(&mut headers, CONTENT_LENGTH, sum(&segments).to_string());
            FileBody::Stream(FileStream::begin(file, segments, stale).await?)
        }
    };
    Ok(FileAnswer { status, headers, body })
}

fn put(headers: &mut HeaderMap, name: http::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1))
}

/// What stands between parts: a hash of what they are parts of, which no content can have in itself.
fn boundary(tag: &EntityTag) -> String {
    Digest::of(tag.to_header().as_bytes()).hexadecimal(32)
}

/// The parts with their heads (RFC 9110 section 14.6).
fn multipart(parts: &[Range<u64>], length: u64, boundary: &str, content_type: &HeaderValue) -> Vec<Segment> {
    let content_type = content_type.to_str().unwrap_or_default();
    let mut segments = Vec::with_capacity(2 * parts.len() + 1);
    for (place, part) in parts.iter().enumerate() {
        let before = if place == 0 { "" } else { "\r\n" };
        let range = content_range(part, length);
        let head = format!("{before}--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {range}\r\n\r\n");
        segments.extend([Segment::Text(head.into()), Segment::Part(part.clone())]);
    }
    segments.push(Segment::Text(format!("\r\n--{boundary}--\r\n").into()));
    segments
}

fn sum(segments: &[Segment]) -> u64 {
    segments
        .iter()
        .map(|segment| match segment {
            Segment::Text(text) => text.len() as u64,
            Segment::Part(part) => part.end.saturating_sub(part.start),
        })
        .sum()
}

/// The segments of what is in memory. One part alone is not copied.
fn join(bytes: &Bytes, segments: &[Segment]) -> Bytes {
    let part = |range: &Range<u64>| {
        let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).min(bytes.len());
        bytes.slice(place(range.start)..place(range.end))
    };
    if let [Segment::Part(range)] = segments {
        return part(range);
    }
    let mut joined = BytesMut::new();
    for segment in segments {
        match segment {
            Segment::Text(text) => joined.put_slice(text),
            Segment::Part(range) => joined.put(part(range)),
        }
    }
    joined.freeze()
}
