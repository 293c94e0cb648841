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

/// Templates of reads that are planned once, for whatever values.
const OUTLINES: &[&str] = &[
    "/zones?title=eq.@&priority=gt.#",
    "/zones?priority=not.lte.#&code=neq.@&title=is.null&limit=3",
    "/depots?select=code,couriers(name,depots(city))&city=gte.@&code=not.eq.@&couriers.limit=1",
    "/zones?or=(code.eq.a,code.eq.b)&priority=gte.#&priority=lt.#&order=title.desc",
    "/memos?title=eq.@&select=title",
    "/couriers?name=gt.@&select=name,depots!inner(code)&depots.code=eq.X&order=depots(code)",
    "/parcels?select=count(),state&weight_kg=lt.#&note=eq.@",
];

/// Values as a client writes them who need not encode them.
fn plain() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9._~-]{0,12}", Just("eq.1".to_owned()), Just("null".to_owned())]
        // A word for the moment is not for every plan.
        .prop_filter("names the moment", |text| !text.to_ascii_lowercase().contains("now"))
}

proptest! {
    #[test]
    fn what_was_made_serves_for_other_values(
        template in proptest::sample::select(OUTLINES),
        first in proptest::collection::vec(plain(), 3),
        second in proptest::collection::vec(plain(), 3),
        numbers in proptest::collection::vec(0_u16..30_000, 3),
        other_numbers in proptest::collection::vec(0_u16..30_000, 3),
        role in proptest::sample::select(vec!["anon", "authenticated"]),
    ) {
        let catalog = catalog_once();
        let limits = rest::Limits::default();
        let one = fill(template, &first, &numbers, str::to_owned);
        let two = fill(template, &second, &other_numbers, str::to_owned);
        let (path, query) = two.split_once('?').expect("a query");
        let outline = rest::Outline::of(path, query, &limits).expect("an outline");
        let values: Vec<(u16, &str)> = outline.values().collect();
        let [asked, asked_then] = [&one, &two].map(|url| request("GET", url, "").expect("is read"));
        let planned = plan(catalog, role, &asked).expect("is planned");
        let (made, typed) = planned.with_values(values.clone(), false).expect("serves");
        let made_then = plan(catalog, role, &asked_then).expect("is planned");
        prop_assert_eq!(asked.with_values(query, values.clone(), &limits), Some(asked_then));
        prop_assert_eq!(format!("{made:?}"), format!("{made_then:?}"));
        let rendered = sql::sqlite::render(&planned).and_then(|rendered| rendered.with_values(&typed));
        prop_assert_eq!(format!("{rendered:?}"), format!("{:?}", sql::sqlite::render(&made_then)));
        let rendered = sql::postgres::render(&planned).and_then(|rendered| rendered.with_values(&typed));
        prop_assert_eq!(format!("{rendered:?}"), format!("{:?}", sql::postgres::render(&made_then)));
    }
}

#[test]
fn what_does_not_serve_is_planned_anew() {
    let catalog = catalog_once();
    let plan_of = |method, url: &str, body| {
        plan(catalog, "authenticated", &request(method, url, body).expect("is read")).expect("is planned")
    };
    let read = plan_of("GET", "/zones?priority=gt.1&or=(code.eq.a,code.eq.b)&title=like.x", "");
    assert!(read.with_values([(0, "2")], false).is_some());
    for (place, text) in [(0, "x"), (0, ""), (0, "99999999999999999999"), (1, "a"), (3, "a")] {
        assert!(read.with_values([(place, text)], false).is_none(), "{place} {text}");
    }
    let write = plan_of("PATCH", "/zones?priority=gt.1", r#"{"title":"x"}"#);
    assert!(write.with_values([(0, "2")], false).is_none());
    // What the server gets as syntax has no place to take another value.
    let native = plan_of("GET", "/parcels?fragile=eq.true", "");
    let (_, typed) = native.with_values([(0, "false")], false).expect("serves");
    assert!(sql::sqlite::render(&native).and_then(|rendered| rendered.with_values(&typed)).is_some());
    assert!(sql::postgres::render(&native).and_then(|rendered| rendered.with_values(&typed)).is_none());
    for word in ["now", "Today", "tomorrow", "yesterday"] {
        assert!(read.with_values([(0, word)], true).is_none(), "{word}");
    }
}

fn catalog_once() -> &'static catalog::Catalog {
    static CATALOG: std::sync::OnceLock<catalog::Catalog> = std::sync::OnceLock::new();
    CATALOG.get_or_init(catalog)
}
