//! Where the areas are mounted: the API at `/rest/v1`, as the Supabase clients call it, and at `/`, as PostgREST serves it; the
//! login at `/auth/v1`.

use service::Area;

use crate::refusal::Refusal;

/// What the other areas of a Supabase project are called, for an answer that says more than "not found".
const AREAS: [(&str, &str); 3] = [
    ("/storage/v1", "Storage (/storage/v1)"),
    ("/realtime/v1", "Realtime (/realtime/v1)"),
    ("/functions/v1", "Edge functions (/functions/v1)"),
];

/// The area, and the path inside of it.
pub(crate) fn strip(path: &str) -> Result<(Area, &str), Refusal> {
    for (prefix, area) in [("/rest/v1", Area::Rest), ("/auth/v1", Area::Auth)] {
        if let Some(rest) = inside(prefix, path) {
            return Ok((area, rest));
        }
    }
    for (prefix, name) in AREAS {
        if inside(prefix, path).is_some() {
            return Err(Refusal::not_offered(name));
        }
    }
    // `OPTIONS *` asks about the server, an empty path (HTTP/2) means the root.
    Ok((Area::Rest, if path.is_empty() || path == "*" { "/" } else { path }))
}

/// The paths that are never those of files, whether or not something answers there: otherwise a folder would be served or not
/// depending on what else is switched on.
pub const RESERVED: [&str; 6] = ["/rest/v1", "/auth/v1", "/storage/v1", "/realtime/v1", "/functions/v1", "/docs"];

/// Whether a path, percent-encoded as it came, lies below one of them.
pub(crate) fn is_reserved(path: &str) -> bool {
    RESERVED.iter().any(|prefix| inside(prefix, path).is_some())
}

/// What follows `prefix`, beginning with `/`, when `path` lies below it.
fn inside<'a>(prefix: &str, path: &'a str) -> Option<&'a str> {
    match path.strip_prefix(prefix)? {
        "" => Some("/"),
        rest if rest.starts_with('/') => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_mounted_is_reserved() {
        let areas = AREAS.iter().map(|(prefix, _)| *prefix).chain(["/rest/v1", "/auth/v1", "/docs"]);
        for prefix in areas {
            assert!(is_reserved(prefix) && is_reserved(&format!("{prefix}/a")), "{prefix}");
            assert!(!is_reserved(&format!("{prefix}a")), "{prefix}");
        }
        assert!(!is_reserved("/") && !is_reserved("/rest") && !is_reserved("*"));
    }

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/rest/v1", "/"),
            ("/rest/v1/", "/"),
            ("/rest/v1/zones", "/zones"),
            ("/rest/v1/rpc/greet", "/rpc/greet"),
            ("/zones", "/zones"),
            ("/", "/"),
            ("*", "/"),
            ("", "/"),
            ("/rest/v10", "/rest/v10"),
            ("/rest", "/rest"),
            ("/auth", "/auth"),
            ("/auth/v11", "/auth/v11"),
        ] {
            assert_eq!(strip(path).unwrap(), (Area::Rest, expected), "{path}");
        }
        assert_eq!(strip("/auth/v1").unwrap(), (Area::Auth, "/"));
        assert_eq!(strip("/auth/v1/token").unwrap(), (Area::Auth, "/token"));
        for path in ["/storage/v1/object/a", "/realtime/v1/", "/functions/v1/hello"] {
            assert_eq!(strip(path).unwrap_err().failure.code, "PANDO404", "{path}");
        }
    }
}
