//! References in scripts. Scripts say much in strings, and not every string that looks like a path is one: only what is certain is taken.
//!
//! - what modules import (`import`, `export … from`, `import()`), `new URL("…", import.meta.url)` and `importScripts("…")`: relative to
//!   the script, or from the root of the site;
//! - strings that are exactly the path of a file from the root of the site, `"/img/logo.png"`; a relative one is left alone, since it may be
//!   relative to the page;
//! - the source map at the end.
//!
//! A service worker keeps its name: browsers look for its next version under the same address.

use super::reference::Collector;

/// The longest path that is looked for between quotes.
const LONGEST: usize = 1_024;

/// Finds the references of a script that begins at byte `offset` of its file.
pub(crate) fn collect(script: &str, offset: usize, collector: &mut Collector<'_>) {
    let bytes = script.as_bytes();
    let mut at = 0;
    // What stands between two equal quotes with nothing but a path in between is looked at, wherever strings begin and end: a regular
    // expression with a quote in it would otherwise turn the whole rest inside out.
    while let Some(found) = script.get(at..).and_then(|rest| rest.find(['"', '\'', '`'])) {
        let open = at + found;
        at = open + 1;
        let Some((quote, inside)) = bytes.get(open).zip(bytes.get(at..)) else { return };
        let length = inside.iter().take(LONGEST).take_while(|byte| is_of_path(**byte)).count();
        if inside.get(length) != Some(quote) {
            continue;
        }
        let Some(path) = script.get(at..at + length) else { continue };
        let (before, behind) =
            (script.get(..open).unwrap_or_default(), script.get(at + length + 1..).unwrap_or_default());
        if is_taken(path, before.trim_end(), behind.trim_start()) {
            collector.take(offset + at, path);
            at += length + 1;
        }
    }
    source_map(script, offset, collector);
    collector.found.sort_by_key(|reference| reference.at);
}

fn is_of_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"/._-~%@+,=?#!()[] ".contains(&byte)
}

fn is_taken(path: &str, before: &str, behind: &str) -> bool {
    if path.starts_with('/') {
        return !before.ends_with(".register(");
    }
    if !path.starts_with("./") && !path.starts_with("../") {
        return false;
    }
    let is_word = |word: &str| {
        let rest = before.strip_suffix(word);
        rest.is_some_and(|rest| !rest.ends_with(|it: char| it.is_alphanumeric() || matches!(it, '_' | '$' | '.')))
    };
    let is_url = before.strip_suffix('(').is_some_and(|before| before.trim_end().ends_with("URL"))
        && behind.strip_prefix(',').is_some_and(|behind| behind.trim_start().starts_with("import.meta.url"));
    let is_call = |name: &str| {
        let call = before.strip_suffix('(').map(str::trim_end).and_then(|before| before.strip_suffix(name));
        call.is_some_and(|rest| !rest.ends_with(|it: char| it.is_alphanumeric() || matches!(it, '_' | '$' | '.')))
    };
    is_word("from") || is_word("import") || is_call("import") || is_call("importScripts") || is_url
}

/// The last line that names one.
fn source_map(script: &str, offset: usize, collector: &mut Collector<'_>) {
    const MAP: &str = "# sourceMappingURL=";
    let Some(place) =
        script.rfind(MAP).filter(|place| script.get(..*place).is_some_and(|before| before.ends_with("//")))
    else {
        return;
    };
    let start = place + MAP.len();
    let address = script.get(start..).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    collector.take(offset + start, address);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text with `*` where a hash would be put.
    fn marked(script: &str) -> String {
        let is_known = |name: &str| !name.contains("unknown");
        let mut collector = Collector::new("a/app.js", &is_known);
        collect(script, 0, &mut collector);
        let mut text = script.to_owned();
        for reference in collector.found.iter().rev() {
            text.insert(reference.at, '*');
        }
        text
    }

    #[test]
    fn what_is_a_reference() {
        for (script, expected) in [
            ("import a from './b.js'", "import a from './b*.js'"),
            ("import\"./b.js\";", "import\"./b*.js\";"),
            ("export{a as b}from\"../b.js\"", "export{a as b}from\"../b*.js\""),
            ("await import( `./b.js` )", "await import( `./b*.js` )"),
            ("new URL('./w.js', import.meta.url)", "new URL('./w*.js', import.meta.url)"),
            ("new URL('./w.js', location)", "new URL('./w.js', location)"),
            ("importScripts('./w.js')", "importScripts('./w*.js')"),
            ("img.src = '/img/a.png'", "img.src = '/img/a*.png'"),
            ("img.src = 'img/a.png'", "img.src = 'img/a.png'"),
            ("img.src = './img/a.png'", "img.src = './img/a.png'"),
            ("x = '/img/' + name + '.png'", "x = '/img/' + name + '.png'"),
            ("x = `/img/${name}.png`", "x = `/img/${name}.png`"),
            ("notfrom './b.js'", "notfrom './b.js'"),
            ("x.import('./b.js')", "x.import('./b.js')"),
            ("navigator.serviceWorker.register('/sw.js')", "navigator.serviceWorker.register('/sw.js')"),
            ("if (/['\"]/.test(a)) b('/img/a.png')", "if (/['\"]/.test(a)) b('/img/a*.png')"),
            ("import lodash from 'lodash.js'", "import lodash from 'lodash.js'"),
            ("import '/unknown.js'", "import '/unknown.js'"),
            ("a()\n//# sourceMappingURL=app.js.map\n", "a()\n//# sourceMappingURL=app.js*.map\n"),
            ("fetch(\"//cdn.test/a.png\")", "fetch(\"//cdn.test/a.png\")"),
        ] {
            assert_eq!(marked(script), expected);
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_to_its_end(script in "(import|from|\\(|\\)|\"|'|`|/|\\./b\\.js|é|//# sourceMappingURL=| ){0,30}") {
            let _marked = marked(&script);
        }
    }
}
