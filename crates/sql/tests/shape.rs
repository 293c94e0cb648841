//! The text of a statement depends on a request's shape only: no value of a request ever reaches it.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod requests_support;

use proptest::prelude::*;
use requests_support::{catalog, plan, request, statements};

/// Templates of requests; each `@` is a place for a text value, each `#` one for a whole number.
const TEMPLATES: &[(&str, &str, &str)] = &[
    ("GET", "/zones?title=eq.@&priority=gt.#", ""),
    ("GET", "/zones?or=(title.eq.\"@\",code.like.\"@\",not.and(priority.lt.#,title.is.null))", ""),
    ("GET", "/zones?title=in.(\"@\",\"@\",\"@\")&priority=in.(#,#)&limit=#&offset=#", ""),
    ("GET", "/zones?title=like(any).{\"@\",\"@\"}&code=isdistinct.@&title=imatch.a", ""),
    ("GET", "/couriers?select=x:skills->\"@\"->>\"@\"&skills->>\"@\"=eq.@", ""),
    ("GET", "/depots?select=code,couriers(name)&couriers.name=eq.@&couriers.limit=#", ""),
    ("GET", "/couriers?select=name,depots!inner(code)&depots.city=ilike.@&order=depots(code)", ""),
    ("GET", "/parcels?select=count(),state&note=neq.@&weight_kg=gt.#", ""),
    ("GET", "/memos?title=eq.@", ""),
    ("PATCH", "/zones?title=eq.@", r#"{"title":"@"}"#),
    ("PATCH", "/memos?title=eq.@", r#"{"title":"@","body":"@"}"#),
    ("POST", "/zones", r#"[{"code":"@","title":"@","priority":#},{"code":"@","title":"@","priority":#}]"#),
    ("POST", "/customers", r#"{"name":"@","prefs":{"@":["@",#]}}"#),
    ("UPSERT", "/zones", r#"{"code":"@","title":"@"}"#),
    ("DELETE", "/logbook?what=eq.@", ""),
];

/// Fills a template with values, percent-encoded in a URL and escaped in JSON.
fn fill(template: &str, texts: &[String], numbers: &[u16], encode: impl Fn(&str) -> String) -> String {
    let (mut texts, mut numbers) = (texts.iter().cycle(), numbers.iter().cycle());
    let mut filled = String::new();
    for character in template.chars() {
        match character {
            '@' => filled.push_str(&encode(texts.next().expect("a text"))),
            '#' => filled.push_str(&numbers.next().expect("a number").to_string()),
            other => filled.push(other),
        }
    }
    filled
}

fn in_url(text: &str) -> String {
    // Quotes and backslashes would end a quoted value; inside of one they are escaped before they are encoded.
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    escaped.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn in_json(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("text is JSON");
    quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned()
}

/// A value that would stand out in a statement: a canary, and around it whatever an attacker might try.
fn value() -> impl Strategy<Value = String> {
    let attack = prop_oneof![
        Just("' or 1=1 --".to_owned()),
        Just("\"; drop table zones; --".to_owned()),
        Just("?1".to_owned()),
        Just("%00".to_owned()),
        "[ -~]{0,12}",
        "\\PC{0,8}",
    ];
    attack.prop_map(|attack| format!("Kanarie{}", attack.replace('\0', "")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn values_never_reach_the_text(
        template in proptest::sample::select(TEMPLATES),
        first in proptest::collection::vec(value(), 6),
        second in proptest::collection::vec(value(), 6),
        numbers in proptest::collection::vec(1_u16..30_000, 4),
        other_numbers in proptest::collection::vec(1_u16..30_000, 4),
    ) {
        let catalog = catalog_once();
        let (method, url, body) = template;
        let render = |texts: &[String], numbers: &[u16]| {
            let url = fill(url, texts, numbers, in_url);
            let body = fill(body, texts, numbers, in_json);
            let request = request(method, &url, &body).map_err(|failure| format!("{url} {body}: {failure}"))?;
            let plan = plan(catalog, "authenticated", &request).map_err(|error| format!("{url}: {error}"))?;
            Ok::<_, String>(statements(&plan))
        };
        let (one, two) = (render(&first, &numbers), render(&second, &other_numbers));
        let (one, two) = match (one, two) {
            (Ok(one), Ok(two)) => (one, two),
            (one, two) => {
                let problem = one.err().or(two.err()).unwrap_or_default();
                return Err(TestCaseError::fail(format!("the template does not plan: {problem}")));
            }
        };
        let texts = |statements: &[(String, sql::Statement)]| -> Vec<String> {
            statements.iter().map(|(_, statement)| statement.text().to_string()).collect()
        };
        prop_assert_eq!(texts(&one), texts(&two));
        for text in texts(&one) {
            prop_assert!(!text.contains("Kanarie"), "a value stands in {}", text);
        }
    }
}

fn catalog_once() -> &'static catalog::Catalog {
    static CATALOG: std::sync::OnceLock<catalog::Catalog> = std::sync::OnceLock::new();
    CATALOG.get_or_init(catalog)
}
