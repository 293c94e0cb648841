//! What a file is, by its name: browsers are told not to guess (`nosniff`), so it has to be right.

use http::HeaderValue;

/// What nothing is known of: browsers save it, and run nothing of it.
const UNKNOWN: &str = "application/octet-stream";

/// The content type of a file. Text is UTF-8, as everything that is written today.
pub(crate) fn content_type(name: &str) -> HeaderValue {
    let last = name.rsplit('/').next().unwrap_or(name);
    let essence = known(last).or_else(|| mime_guess::from_path(last).first_raw()).unwrap_or(UNKNOWN);
    // JSON is UTF-8 by its own definition (RFC 8259) and has no such parameter.
    let full = if essence.starts_with("text/") { format!("{essence}; charset=utf-8") } else { essence.to_owned() };
    HeaderValue::try_from(full).unwrap_or(HeaderValue::from_static(UNKNOWN))
}

/// What the list of others lacks, or has by names of another time.
fn known(name: &str) -> Option<&'static str> {
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(match extension.as_str() {
        // RFC 9239: of all the names, this one.
        "js" | "mjs" | "cjs" => "text/javascript",
        "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "geojson" => "application/geo+json",
        "jsonld" => "application/ld+json",
        "wasm" => "application/wasm",
        "avif" => "image/avif",
        "jxl" => "image/jxl",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "gz" => "application/gzip",
        "zst" => "application/zstd",
        "md" => "text/markdown",
        "vtt" => "text/vtt",
        "xml" => "application/xml",
        "ts" | "mts" | "tsx" | "jsx" | "toml" | "yaml" | "yml" | "rs" | "py" | "sh" | "sql" => "text/plain",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a.b/app.JS", "text/javascript; charset=utf-8"),
            ("app.mjs", "text/javascript; charset=utf-8"),
            ("app.css", "text/css; charset=utf-8"),
            ("app.js.map", "application/json"),
            ("data.json", "application/json"),
            ("site.webmanifest", "application/manifest+json"),
            ("logo.svg", "image/svg+xml"),
            ("logo.png", "image/png"),
            ("logo.webp", "image/webp"),
            ("logo.avif", "image/avif"),
            ("favicon.ico", "image/x-icon"),
            ("font.woff2", "font/woff2"),
            ("font.woff", "font/woff"),
            ("font.ttf", "font/ttf"),
            ("film.mp4", "video/mp4"),
            ("sound.mp3", "audio/mpeg"),
            ("app.wasm", "application/wasm"),
            ("paper.pdf", "application/pdf"),
            ("robots.txt", "text/plain; charset=utf-8"),
            ("feed.xml", "application/xml"),
            ("list.csv", "text/csv; charset=utf-8"),
            ("archive.zip", "application/zip"),
            ("archive.tar.gz", "application/gzip"),
            ("LICENSE", UNKNOWN),
            ("html", UNKNOWN),
            ("a.unheard-of", UNKNOWN),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }
}
