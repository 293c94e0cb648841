//! References in pages: in attributes, styles, scripts and import maps. Tags are cut as the HTML standard cuts them (section 13.2.5), and
//! whatever is no tag is left alone.

use super::json::Members;
use super::reference::Collector;
use super::{css, json, script};

/// Attributes that have one address.
const ADDRESSES: [&str; 5] = ["src", "href", "poster", "data", "xlink:href"];
/// Attributes that have several, with commas between them.
const SETS: [&str; 2] = ["srcset", "imagesrcset"];
/// Elements whose content is text up to their end tag.
const RAW: [&str; 6] = ["script", "style", "textarea", "title", "noembed", "xmp"];

/// A page that says that its addresses are relative to somewhere else.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BasedElsewhere;

/// Finds the references of a page.
///
/// # Errors
/// Its `<base>` leads out of the site, or is relative: nothing of it is understood for certain.
pub(crate) fn collect(html: &str, collector: &mut Collector<'_>) -> Result<(), BasedElsewhere> {
    let mut at = 0;
    while let Some(found) = html.get(at..).and_then(|rest| rest.find('<')) {
        let start = at + found;
        let rest = html.get(start..).unwrap_or_default();
        at = start + skip(rest);
        let Some(tag) = Tag::read(rest, start) else { continue };
        at = tag.end;
        let name = tag.name.to_ascii_lowercase();
        if name == "base" {
            collector.base = base(&tag)?;
            continue;
        }
        attributes(&tag, collector);
        if !tag.is_end && RAW.contains(&name.as_str()) {
            let content = html.get(at..).unwrap_or_default();
            let length = end_of_raw(content, &name);
            raw(&tag, &name, (at, content.get(..length).unwrap_or_default()), collector);
            at += length;
        }
    }
    collector.found.sort_by_key(|reference| reference.at);
    Ok(())
}

/// How much of what begins with `<` is no tag: a comment, a declaration, or the one sign.
fn skip(rest: &str) -> usize {
    let until = |end: &str| rest.find(end).map_or(rest.len(), |place| place + end.len());
    if rest.starts_with("<!-->") || rest.starts_with("<!--->") {
        return until(">");
    }
    if rest.starts_with("<!--") {
        return until("-->").min(until("--!>"));
    }
    if rest.starts_with("<!") || rest.starts_with("<?") { until(">") } else { 1 }
}

/// Where relative addresses start: `/`, `/app/`.
fn base(tag: &Tag<'_>) -> Result<String, BasedElsewhere> {
    let Some(address) = tag.attribute("href") else { return Err(BasedElsewhere) };
    let path = address.strip_prefix('/').filter(|path| !path.starts_with('/')).ok_or(BasedElsewhere)?;
    let is_plain =
        !path.contains(['?', '#', '%', '&', '\\']) && !path.split('/').any(|part| matches!(part, "." | ".."));
    let folder = path.rfind('/').and_then(|slash| path.get(..=slash)).unwrap_or_default();
    if is_plain { Ok(folder.to_owned()) } else { Err(BasedElsewhere) }
}

fn attributes(tag: &Tag<'_>, collector: &mut Collector<'_>) {
    let has_integrity = tag.attribute("integrity").is_some();
    for attribute in &tag.attributes {
        let name = attribute.name.to_ascii_lowercase();
        if ADDRESSES.contains(&name.as_str()) {
            collector.take_with(attribute.at, attribute.value, has_integrity);
        } else if SETS.contains(&name.as_str()) {
            set(attribute.at, attribute.value, collector);
        } else if name == "style" {
            css::collect(attribute.value, attribute.at, collector);
        }
    }
}

/// `a.png 1x, b.png 2x`: an address up to a blank, its description up to a comma.
fn set(at: usize, value: &str, collector: &mut Collector<'_>) {
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches(|it: char| it.is_ascii_whitespace() || it == ',');
        let length = rest.find(|it: char| it.is_ascii_whitespace()).unwrap_or(rest.len());
        let Some((address, behind)) = rest.split_at_checked(length).filter(|(address, _)| !address.is_empty()) else {
            return;
        };
        collector.take(at + (value.len() - rest.len()), address.trim_end_matches(','));
        rest = if address.ends_with(',') { behind } else { behind.split_once(',').map_or("", |(_, rest)| rest) };
    }
}

fn raw(tag: &Tag<'_>, name: &str, (at, content): (usize, &str), collector: &mut Collector<'_>) {
    let kind = tag.attribute("type").unwrap_or_default().trim().to_ascii_lowercase();
    match (name, kind.as_str()) {
        ("style", _) => css::collect(content, at, collector),
        ("script", "importmap") => json::collect(content, at, Members::All, collector),
        ("script", "" | "module" | "text/javascript" | "application/javascript") => {
            script::collect(content, at, collector)
        }
        _ => {}
    }
}

/// How long the text of an element is: up to its end tag.
fn end_of_raw(content: &str, name: &str) -> usize {
    let mut at = 0;
    while let Some(found) = content.get(at..).and_then(|rest| rest.find("</")) {
        let start = at + found;
        let behind = content.as_bytes().get(start + 2..).unwrap_or_default();
        let is_name = behind.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()));
        let ends = behind.get(name.len()).is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        if is_name && ends {
            return start;
        }
        at = start + 2;
    }
    content.len()
}

struct Attribute<'a> {
    name: &'a str,
    value: &'a str,
    /// Where its value stands.
    at: usize,
}

struct Tag<'a> {
    name: &'a str,
    is_end: bool,
    attributes: Vec<Attribute<'a>>,
    /// The byte behind it.
    end: usize,
}

impl<'a> Tag<'a> {
    /// The tag at the beginning of `rest`, which stands at `start`.
    fn read(rest: &'a str, start: usize) -> Option<Self> {
        let is_end = rest.starts_with("</");
        let mut at = if is_end { 2 } else { 1 };
        let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
        if !is_letter(rest.as_bytes().get(at)) {
            return None;
        }
        let name = until(rest, at, |byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        at += name.len();
        let mut attributes = Vec::new();
        loop {
            at += until(rest, at, |byte| !byte.is_ascii_whitespace() && byte != b'/').len();
            if rest.as_bytes().get(at).is_none_or(|byte| *byte == b'>') {
                return Some(Self { name, is_end, attributes, end: start + (at + 1).min(rest.len()) });
            }
            attributes.push(attribute(rest, &mut at, start));
        }
    }

    fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|it| it.name.eq_ignore_ascii_case(name)).map(|it| it.value)
    }
}

/// An attribute at `at`, which goes past it.
fn attribute<'a>(rest: &'a str, at: &mut usize, start: usize) -> Attribute<'a> {
    let is_end = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
    // An equals sign in front belongs to the name.
    let first = usize::from(rest.as_bytes().get(*at) == Some(&b'='));
    let length = first + until(rest, *at + first, |byte| is_end(byte) || byte == b'=').len();
    let name = rest.get(*at..*at + length).unwrap_or_default();
    *at += length;
    let blanks = until(rest, *at, |byte| !byte.is_ascii_whitespace()).len();
    if rest.as_bytes().get(*at + blanks) != Some(&b'=') {
        return Attribute { name, value: "", at: start + *at };
    }
    *at += blanks + 1;
    *at += until(rest, *at, |byte| !byte.is_ascii_whitespace()).len();
    let quote = rest.as_bytes().get(*at).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    *at += usize::from(quote.is_some());
    let value = match quote {
        Some(quote) => until(rest, *at, |byte| byte == quote),
        None => until(rest, *at, |byte| byte.is_ascii_whitespace() || byte == b'>'),
    };
    let place = start + *at;
    *at = (*at + value.len() + usize::from(quote.is_some())).min(rest.len());
    Attribute { name, value, at: place }
}

/// The text from `at` up to the first such byte, all of which are ASCII.
fn until(text: &str, at: usize, is_end: impl Fn(u8) -> bool) -> &str {
    let rest = text.get(at..).unwrap_or_default();
    let end = rest.bytes().position(|byte| byte.is_ascii() && is_end(byte)).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text with `*` where a hash would be put.
    fn marked(html: &str) -> String {
        let is_known = |_: &str| true;
        let mut collector = Collector::new("a/page.html", &is_known);
        if collect(html, &mut collector).is_err() {
            return "elsewhere".to_owned();
        }
        let mut text = html.to_owned();
        for reference in collector.found.iter().rev() {
            text.insert(reference.at, '*');
        }
        text
    }

    #[test]
    fn what_is_a_reference() {
        for (html, expected) in [
            ("<link rel=stylesheet href=x.css>", "<link rel=stylesheet href=x*.css>"),
            ("<IMG SRC = 'x.png' alt=\"y.png\"/>", "<IMG SRC = 'x*.png' alt=\"y.png\"/>"),
            ("<img srcset=\"x.png 1x, /y.png 2x\">", "<img srcset=\"x*.png 1x, /y*.png 2x\">"),
            ("<img srcset=\"x.png,y.png\">", "<img srcset=\"x.png,y*.png\">"),
            ("<script src=x.js></script>", "<script src=x*.js></script>"),
            (
                "<script>a('/x.png') // <img src=y.png>\n</script><img src=z.png>",
                "<script>a('/x*.png') // <img src=y.png>\n</script><img src=z*.png>",
            ),
            (
                "<script type=\"application/ld+json\">\"/x.png\"</script>",
                "<script type=\"application/ld+json\">\"/x.png\"</script>",
            ),
            (
                "<script type=importmap>{\"imports\":{\"a\":\"/x.js\"}}</script>",
                "<script type=importmap>{\"imports\":{\"a\":\"/x*.js\"}}</script>",
            ),
            ("<style>a{b:url(x.png)}</style>", "<style>a{b:url(x*.png)}</style>"),
            ("<p style=\"background:url('x.png')\">", "<p style=\"background:url('x*.png')\">"),
            ("<!-- <img src=x.png> --><img src=y.png>", "<!-- <img src=x.png> --><img src=y*.png>"),
            ("<!--><img src=y.png>", "<!--><img src=y*.png>"),
            ("<textarea><img src=x.png></textarea>", "<textarea><img src=x.png></textarea>"),
            ("a < b <img src=x.png>", "a < b <img src=x*.png>"),
            ("<a href=\"https://a.test/x.png\">", "<a href=\"https://a.test/x.png\">"),
            ("<a href='page.html?a=1&amp;b=2'>", "<a href='page*.html?a=1&amp;b=2'>"),
            ("<img src=x.png", "<img src=x*.png"),
            ("<img src>", "<img src>"),
            ("<img =src=x.png src=y.png>", "<img =src=x.png src=y*.png>"),
            ("<base href=/app/><img src=x.png>", "<base href=/app/><img src=x*.png>"),
            ("<base href=https://a.test/><img src=x.png>", "elsewhere"),
            ("<base href=app/>", "elsewhere"),
        ] {
            assert_eq!(marked(html), expected);
        }
    }

    #[test]
    fn bases_and_integrity() {
        let is_known = |_: &str| true;
        let mut collector = Collector::new("a/page.html", &is_known);
        let html = "<img src=1.png><base href=/app/><script src=2.js integrity=sha384-x></script>";
        collect(html, &mut collector).unwrap();
        let found: Vec<_> = collector.found.iter().map(|it| (it.target.as_str(), it.has_integrity)).collect();
        assert_eq!(found, [("a/1.png", false), ("app/2.js", true)]);
    }

    proptest! {
        #[test]
        fn anything_is_read_to_its_end(html in "(<|>|/|!--|-->|script|style|src|=|\"|'|x\\.png|é| |&|importmap|type){0,30}") {
            let _marked = marked(&html);
        }
    }
}
