//! Which bodies are worth compressing.

/// Whether bodies of this media type shrink when they are compressed. Pictures, films and archives are compressed
/// already, and what is not known is taken for one of them: trying costs more than it brings.
pub fn is_compressible(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    if essence.starts_with(b"text/") {
        // Each event has to leave when it happens; compressors of browsers and proxies like to wait for more.
        return essence != b"text/event-stream";
    }
    let suffixes: [&[u8]; 3] = [b"+json", b"+xml", b"+text"];
    if suffixes.iter().any(|suffix| essence.ends_with(suffix)) {
        return true;
    }
    matches!(
        essence.as_slice(),
        b"application/json"
            | b"application/x-ndjson"
            | b"application/ndjson"
            | b"application/jsonl"
            | b"application/json-seq"
            | b"application/xml"
            | b"application/javascript"
            | b"application/x-javascript"
            | b"application/ecmascript"
            | b"application/graphql"
            | b"application/yaml"
            | b"application/toml"
            | b"application/sql"
            | b"application/wasm"
            | b"application/x-sh"
            | b"application/rtf"
            | b"application/vnd.ms-fontobject"
            | b"font/ttf"
            | b"font/otf"
            | b"image/bmp"
            | b"image/x-icon"
            | b"image/vnd.microsoft.icon"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_already_is_left_alone() {
        for worth in [
            "application/json; charset=utf-8",
            "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
            "application/vnd.pgrst.plan+text; charset=utf-8",
            "application/geo+json",
            "TEXT/CSV",
            "text/html;charset=utf-8",
            "image/svg+xml",
            "application/wasm",
            "font/ttf",
        ] {
            assert!(is_compressible(worth.as_bytes()), "{worth}");
        }
        for not in [
            "",
            "application/octet-stream",
            "application/zip",
            "image/png",
            "image/webp",
            "video/mp4",
            "font/woff2",
            "text/event-stream",
            "application/jsonish",
            "json",
        ] {
            assert!(!is_compressible(not.as_bytes()), "{not}");
        }
    }
}
