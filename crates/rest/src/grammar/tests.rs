//! The grammars: error texts as recorded, meanings, printing, and that the work stays linear.

use proptest::prelude::*;

use super::parser::steps_of;
use super::*;
use crate::request::{
    Aggregate, Comparison, Embed, FieldName, IsValue, Join, Operation, PathStep, PathTarget, Quantifier,
};

fn limits() -> Limits {
    Limits::default()
}

fn told<T: std::fmt::Debug>(outcome: Result<T, Fault>) -> (String, String) {
    match outcome {
        Err(Fault::Query { message, details }) => (message, details),
        other => panic!("no syntax error: {other:?}"),
    }
}

#[test]
fn errors_of_select_as_recorded() {
    for (text, column, details) in [
        ("code,", 6, r#"unexpected end of input expecting "...", field name (* or [a..z0..9_$]), "*" or "count()""#),
        ("code,,title", 6, r#"unexpected "," expecting "...", field name (* or [a..z0..9_$]), "*" or "count()""#),
        (
            "code(",
            6,
            r#"unexpected end of input expecting "...", field name (* or [a..z0..9_$]), "*", "count()" or ")""#,
        ),
        ("\"code", 6, r#"unexpected end of input expecting "\\" or "\"""#),
        ("a:b:c", 4, r#"unexpected "c" expecting "::""#),
        ("code::", 7, "unexpected end of input expecting letter or digit"),
        ("v::varchar(3)", 11, r#"unexpected '(' expecting letter, digit, ".", "::", ")", "," or end of input"#),
        (
            "skills->",
            9,
            r#"unexpected end of input expecting "-", digit or any non reserved character different from: .,>()"#,
        ),
        ("name,x:...depots(code)", 8, r#"unexpected "." expecting ":" or field name (* or [a..z0..9_$])"#),
        ("name,...depots", 15, r#"unexpected end of input expecting letter, digit, "-", "!" or "(""#),
        (
            "code,couriers(name",
            19,
            r#"unexpected end of input expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input"#,
        ),
        ("id.median()", 4, r#"unexpected "m" expecting "sum", "avg", "count", "max" or "min""#),
        ("id.count", 9, r#"unexpected end of input expecting "()""#),
        (
            "count(id)",
            6,
            r#"unexpected '(' expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input"#,
        ),
        (
            "id,clients(name[])",
            16,
            r#"unexpected '[' expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input"#,
        ),
    ] {
        let expected = format!("\"failed to parse select parameter ({text})\" (line 1, column {column})");
        assert_eq!(told(parse_select(text, &limits())), (expected, details.to_owned()));
    }
}

#[test]
fn errors_of_filters_as_recorded() {
    const OPERATOR: &str = "operator (eq, gt, ...)";
    for (text, column, details) in [
        ("1", 1, format!("unexpected \"1\" expecting \"not\" or {OPERATOR}")),
        ("", 1, format!("unexpected end of input expecting \"not\" or {OPERATOR}")),
        (".1", 1, format!("unexpected \".\" expecting \"not\" or {OPERATOR}")),
        ("eq", 3, format!("unexpected end of input expecting {OPERATOR}")),
        ("not.1", 5, format!("unexpected \"1\" expecting {OPERATOR}")),
        ("not.not.eq.1", 5, format!("unexpected \"n\" expecting {OPERATOR}")),
        ("neq(any).{1}", 4, format!("unexpected \"(\" expecting {OPERATOR}")),
        ("in(any).{1}", 3, format!("unexpected \"(\" expecting {OPERATOR}")),
        ("eq(some).{1}", 4, format!("unexpected \"s\" expecting {OPERATOR}")),
        ("in.1,2", 4, "unexpected \"1\" expecting \"(\"".to_owned()),
        ("in.(1,2", 8, "unexpected end of input expecting \",\" or \")\"".to_owned()),
        ("is.maybe", 4, "unexpected \"m\" expecting isVal: (null, not_null, true, false, unknown)".to_owned()),
    ] {
        let expected = format!("\"failed to parse filter ({text})\" (line 1, column {column})");
        assert_eq!(told(parse_filter("id", text, &limits())), (expected, details));
    }
    let (message, details) = told(parse_filter("\"id", "eq.1", &limits()));
    assert_eq!(message, "\"failed to parse tree path (\"id)\" (line 1, column 4)");
    assert_eq!(details, r#"unexpected end of input expecting "\\" or "\"""#);
}

#[test]
fn errors_of_logic_trees_as_recorded() {
    const BRANCH: &str = "field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)";
    for (text, column, details) in [
        ("()", 4, format!("unexpected \")\" expecting {BRANCH}")),
        ("(id.eq.1,)", 12, format!("unexpected \")\" expecting {BRANCH}")),
        ("(id.eq.1", 11, "unexpected end of input expecting \",\" or \")\"".to_owned()),
        ("(id.foo.1)", 7, "unexpected \"f\" expecting \"not\" or operator (eq, gt, ...)".to_owned()),
        ("(id)", 6, "unexpected \")\" expecting letter, digit, \"-\", \"->>\", \"->\" or delimiter (.)".to_owned()),
        (")(", 3, "unexpected \")\" expecting \"(\"".to_owned()),
        ("(id.in.1,2,id.eq.3)", 10, "unexpected \"1\" expecting \"(\"".to_owned()),
        ("(id.eq.1,not.xor(id.eq.2,id.eq.3))", 16, "unexpected \"x\" expecting logic operator (and, or)".to_owned()),
    ] {
        let expected = format!("\"failed to parse logic tree ({text})\" (line 1, column {column})");
        assert_eq!(told(parse_logic("or", text, &limits())), (expected, details), "{text}");
    }
}

#[test]
fn errors_of_order_and_columns_as_recorded() {
    for (text, column, details) in [
        ("", 1, "unexpected end of input expecting field name (* or [a..z0..9_$])"),
        ("id.up", 4, r#"unexpected "u" expecting "asc", "desc", "nullsfirst" or "nullslast""#),
        ("id.asc.nulls", 8, r#"unexpected end of input expecting "nullsfirst" or "nullslast""#),
        ("id.nullslast.desc", 13, r#"unexpected '.' expecting "," or end of input"#),
        ("id,,code", 4, r#"unexpected "," expecting field name (* or [a..z0..9_$])"#),
        (
            "code#part",
            5,
            r##"unexpected '#' expecting letter, digit, "-", "->>", "->", delimiter (.), "," or end of input"##,
        ),
        (
            "clients(name,id)",
            8,
            r#"unexpected '(' expecting letter, digit, "-", "->>", "->", delimiter (.), "," or end of input"#,
        ),
        ("id.descc", 8, r#"unexpected 'c' expecting delimiter (.), "," or end of input"#),
    ] {
        let expected = format!("\"failed to parse order ({text})\" (line 1, column {column})");
        assert_eq!(told(parse_order("order", text, &limits())), (expected, details.to_owned()));
    }
    let (message, details) = told(parse_columns("columns", "", &limits()));
    assert_eq!(message, "\"failed to parse columns parameter ()\" (line 1, column 1)");
    assert_eq!(details, "unexpected end of input expecting field name (* or [a..z0..9_$])");
}

#[test]
fn what_the_end_would_cut_off_is_refused() {
    for text in ["code)", ",code", "'code'", "code,couriers(name))", "couriers(name)x", "*.count()", "c(n)::text"] {
        told(parse_select(text, &limits()));
    }
    for (name, text) in [("id!", "eq.1"), ("id", "is.nullx"), ("id", "in.(1)x"), ("a->>b.c", "eq.1")] {
        told(parse_filter(name, text, &limits()));
    }
    told(parse_logic("or", "(id.eq.1)x", &limits()));
    told(parse_logic("or", "id.eq.1", &limits()));
    told(parse_logic("not.not.or", "(id.eq.1)", &limits()));
    told(parse_columns("columns", "a b!", &limits()));
}

#[test]
fn lines_tabs_and_foreign_letters() {
    assert!(told(parse_select("a,\n?", &limits())).0.ends_with("(line 1, column 3)"));
    assert!(told(parse_select("\"a\nb\",?", &limits())).0.ends_with("(line 2, column 4)"));
    assert!(told(parse_select("\ta,?", &limits())).0.ends_with("(line 1, column 11)"));
    assert!(told(parse_select("日,€", &limits())).1.starts_with("unexpected \"\\8364\" expecting"));
}

/// The meaning of a text, printed canonically.
#[test]
fn selects() {
    for (text, printed) in [
        ("", ""),
        ("*", "*"),
        (" code , title ", "code,title"),
        ("Größe:title", "\"Größe\":title"),
        ("\"my alias\":title", "\"my alias\":title"),
        ("Item No", "\"Item No\""),
        ("depot-id", "\"depot-id\""),
        ("kind:tier::text", "kind:tier::text"),
        ("rate::double precision", "rate::double precision"),
        ("a->b->>0->-1->\"c d\"", "a->b->>0->-1->\"c d\""),
        ("skills->tags->c d", "skills->tags->\"c d\""),
        ("a->0x", "a->\"0x\""),
        ("rel(data->0)", "rel(data->0)"),
        ("count()", "count()"),
        ("n:count()::text", "n:count()::text"),
        ("a:b::int.sum()::text", "a:b::int.sum()::text"),
        ("id,customers!inner(name)", "id,customers!inner(name)"),
        ("x:depots!inner!fk(code,y:zones())", "x:depots!fk!inner(code,y:zones())"),
        ("depots!fk!left(*)", "depots!fk!left(*)"),
        ("depots!left_fk(*)", "depots!left_fk(*)"),
        ("depots!\"left\"(*)", "depots!\"left\"(*)"),
        ("...depots!inner(a),...b(...c(d))", "...depots!inner(a),...b(...c(d))"),
        ("name,depots (code)", "name,depots(code)"),
        ("a(b) , c", "a(b),c"),
    ] {
        let parsed = parse_select(text, &limits()).unwrap();
        assert_eq!(select_text(&parsed), printed, "{text}");
    }
}

#[test]
fn filters_and_trees() {
    for (name, text, printed) in [
        ("id", "eq.1", "id.eq.1"),
        ("id", "eq.", "id.eq.\"\""),
        ("id", "not.gte.1", "id.not.gte.1"),
        ("name", "like.*am*", "name.like.%am%"),
        ("name", "ilike(any).{a*,b}", "name.ilike(any).\"{a%,b}\""),
        ("name", "match.^[a]*", "name.match.\"^[a]*\""),
        ("name", "eq.\"null\"", "name.eq.\"\\\"null\\\"\""),
        ("id", "in.(1,2)", "id.in.(1,2)"),
        ("id", "in.()", "id.in.()"),
        ("id", "in.(\"\")", "id.in.(\"\")"),
        ("id", "in.(,)", "id.in.(\"\",\"\")"),
        ("id", "in.( \"a,b\",c d,\"e\"f)", "id.in.(\"a,b\",\"c d\",\"\\\"e\\\"f\")"),
        ("id", "is.NULL", "id.is.null"),
        ("id", "is.not_null", "id.is.not_null"),
        ("id", "isdistinct.1", "id.isdistinct.1"),
        ("id", "cs.{1}", "id.cs.\"{1}\""),
        ("id", "fts(english).cat", "id.fts(english).cat"),
        ("a->>b", "eq.x", "a->>b.eq.x"),
        ("\"a.b\"", "eq.x", "\"a.b\".eq.x"),
    ] {
        let placed = parse_filter(name, text, &limits()).unwrap();
        assert_eq!(placed.condition.to_string(), printed, "{name}={text}");
    }
    for (name, text, path, printed) in [
        ("or", "(id.eq.1,id.not.gt.2)", "", "or(id.eq.1,id.not.gt.2)"),
        ("not.and", "( a.eq.1 , b.eq. 2 )", "", "not.and(a.eq.\"1 \",b.eq.\" 2 \")"),
        ("a.b.not.or", "(x.is.null)", "a/b", "not.or(x.is.null)"),
        ("and", "(a.in.(1,2),or(b.eq.x.y,not.and(c.like.*)))", "", "and(a.in.(1,2),or(b.eq.x.y,not.and(c.like.%)))"),
        ("or", "(a.eq.\"x,y\",b.eq(any).{1,2})", "", "or(a.eq.\"x,y\",b.eq(any).\"{1,2}\")"),
        ("or", "(not.is.null,and.eq.1)", "", "or(not.is.null,and.eq.1)"),
        ("or", "(\"Lost & Found\".not.is.null)", "", "or(\"Lost & Found\".not.is.null)"),
    ] {
        let placed = parse_logic(name, text, &limits()).unwrap();
        assert_eq!((placed.path.join("/").as_str(), placed.condition.to_string().as_str()), (path, printed));
    }
}

#[test]
fn orders() {
    for (text, printed) in [
        ("id", "id"),
        ("id.asc", "id"),
        ("id.desc.nullsfirst,a->b.nullslast", "id.desc.nullsfirst,a->b.nullslast"),
        ("depots(code).desc,d(x->>0)", "depots(code).desc,d(x->>0)"),
        (" id , \"a b\".desc", "id,\"a b\".desc"),
        ("a->0.desc", "a->0.desc"),
    ] {
        let (path, terms) = parse_order("a.order", text, &limits()).unwrap();
        assert_eq!(path, ["a"]);
        let shown: Vec<String> = terms.iter().map(ToString::to_string).collect();
        assert_eq!(shown.join(","), printed, "{text}");
    }
}

#[test]
fn bounds() {
    let exceeded = |outcome: Result<(), Fault>| matches!(outcome, Err(Fault::QueryLimit { .. }));
    let nested = |depth: usize| format!("{}b{}", "a(".repeat(depth), ")".repeat(depth));
    assert!(parse_select(&nested(20), &limits()).is_ok());
    assert!(exceeded(parse_select(&nested(21), &limits()).map(drop)));
    assert!(exceeded(parse_select(&nested(100_000), &limits()).map(drop)));
    let many = |count: usize| vec!["a"; count].join(",");
    assert!(parse_select(&many(500), &limits()).is_ok());
    assert!(exceeded(parse_select(&many(501), &limits()).map(drop)));
    assert!(exceeded(parse_select(&format!("x({})", many(500)), &limits()).map(drop)));
    let tree = |depth: usize| format!("({}a.eq.1{})", "and(".repeat(depth), ")".repeat(depth));
    assert!(parse_logic("or", &tree(19), &limits()).is_ok());
    assert!(exceeded(parse_logic("or", &tree(20), &limits()).map(drop)));
    let list = |count: usize| format!("in.({})", many(count));
    assert!(parse_filter("a", &list(5_000), &limits()).is_ok());
    assert!(exceeded(parse_filter("a", &list(5_001), &limits()).map(drop)));
    let path = |steps: usize| format!("a{}", "->b".repeat(steps));
    assert!(parse_filter(&path(20), "eq.1", &limits()).is_ok());
    assert!(exceeded(parse_filter(&path(21), "eq.1", &limits()).map(drop)));
}

/// Twice the text may cost about twice the steps, whatever it is made of.
#[test]
fn parsing_is_linear() {
    let repeat = |part: &str, count: usize| part.repeat(count);
    let selects = ["a", "a-", "a:b,", "\"a\"", "\"\\", "a->b", "a!b", "a(", "...a(", "a::b.sum(),", " ", "count(),"];
    for part in selects {
        let cost = |count| steps_of(&repeat(part, count), select::select);
        assert!(cost(800) <= 3 * cost(400) + 100, "{part}: {} {}", cost(400), cost(800));
        assert!(cost(800) <= 40 * 800 * part.len() as u64, "{part}: {}", cost(800));
    }
    let lists = ["\"a,", "\"\\\",", "\"\",", "{", "a", "\"", "\\\"", " "];
    for part in lists {
        let value = |count| format!("in.({}", repeat(part, count));
        let cost = |count| steps_of(&value(count), |parser| filter::expression(parser, filter::Place::Parameter));
        assert!(cost(800) <= 3 * cost(400) + 100, "{part}: {} {}", cost(400), cost(800));
        let tree = |count| format!("or({}", repeat(&format!("a.eq.{part},"), count));
        let cost = |count| steps_of(&tree(count), logic::tree);
        assert!(cost(800) <= 3 * cost(400) + 100, "{part}: {} {}", cost(400), cost(800));
    }
    for part in ["and(", "not.and(", "not.", "a.not.eq."] {
        let cost = |count| steps_of(&format!("or({}", repeat(part, count)), logic::tree);
        assert!(cost(800) <= 3 * cost(400) + 100, "{part}: {} {}", cost(400), cost(800));
    }
}

fn select_text(items: &[SelectItem]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

// ---- random values that are printed and read again -----------------------------------------------------------

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_][a-z0-9_]{0,5}", "[ -~é日]{1,6}", Just("left".to_owned()), Just("not".to_owned())]
        .prop_filter("a star is no name", |name| name != "*")
}

fn relation_name() -> impl Strategy<Value = String> {
    name().prop_filter("count is the aggregate", |name| name != "count")
}

fn cast() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[a-z][a-z0-9_]{0,4}( [a-z]{1,3})?")
}

fn field_value() -> impl Strategy<Value = FieldName> {
    let target = prop_oneof![name().prop_map(PathTarget::Key), any::<i32>().prop_map(|i| PathTarget::Index(i.into()))];
    let step = (target, any::<bool>()).prop_map(|(target, as_text)| PathStep { target, as_text });
    (name(), prop::collection::vec(step, 0..3)).prop_map(|(column, path)| FieldName { column, path })
}

fn aggregates() -> impl Strategy<Value = Aggregate> {
    prop::sample::select(vec![Aggregate::Count, Aggregate::Sum, Aggregate::Avg, Aggregate::Max, Aggregate::Min])
}

fn select_items() -> impl Strategy<Value = Vec<SelectItem>> {
    let plain = (field_value(), prop::option::of(name()), cast(), prop::option::of((aggregates(), cast()))).prop_map(
        |(field, alias, cast, aggregate)| {
            let (aggregate, aggregate_cast) = aggregate.map_or((None, None), |(a, cast)| (Some(a), cast));
            SelectItem::Field { field: Some(field), alias, cast, aggregate, aggregate_cast }
        },
    );
    let count = (prop::option::of(name()), cast()).prop_map(|(alias, aggregate_cast)| SelectItem::Field {
        field: None,
        alias,
        cast: None,
        aggregate: Some(Aggregate::Count),
        aggregate_cast,
    });
    let star = Just(SelectItem::Field {
        field: Some(FieldName { column: "*".to_owned(), path: Vec::new() }),
        alias: None,
        cast: None,
        aggregate: None,
        aggregate_cast: None,
    });
    let leaf = prop_oneof![4 => plain, 1 => count, 1 => star];
    let item = leaf.prop_recursive(3, 12, 3, |inner| {
        let join = prop::option::of(prop::sample::select(vec![Join::Inner, Join::Left]));
        let hint = prop::option::of(name());
        (relation_name(), prop::option::of(name()), hint, join, any::<bool>(), prop::collection::vec(inner, 0..3))
            .prop_map(|(relation, alias, hint, join, is_spread, select)| {
                let alias = alias.filter(|_| !is_spread);
                SelectItem::Embed(Embed { relation, alias, hint, join, is_spread, select })
            })
    });
    prop::collection::vec(item, 0..4)
}

fn operations() -> impl Strategy<Value = Operation> {
    let value = || prop_oneof!["[a-z0-9.]{0,5}", "[ -~é日\n]{0,8}"];
    let comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Like,
        Comparison::ILike,
        Comparison::Match,
        Comparison::IMatch,
    ]);
    let quantifier = prop::option::of(prop::sample::select(vec![Quantifier::Any, Quantifier::All]));
    let is_value =
        prop::sample::select(vec![IsValue::Null, IsValue::NotNull, IsValue::True, IsValue::False, IsValue::Unknown]);
    prop_oneof![
        (comparison, quantifier, value()).prop_map(|(comparison, quantifier, value)| {
            let is_pattern = matches!(comparison, Comparison::Like | Comparison::ILike);
            let value = if is_pattern { value.replace('*', "%") } else { value };
            Operation::Compare { comparison, quantifier, value }
        }),
        value().prop_map(|value| { Operation::Compare { comparison: Comparison::NotEqual, quantifier: None, value } }),
        prop::collection::vec(value(), 0..4).prop_map(Operation::In),
        is_value.prop_map(Operation::Is),
        value().prop_map(Operation::IsDistinct),
        value().prop_map(|value| Operation::PostgresOnly { operator: "cs", value }),
        (prop::option::of("[a-z]{1,4}"), value())
            .prop_map(|(language, value)| { Operation::FullText { operator: "wfts", language, value } }),
    ]
}

fn conditions() -> impl Strategy<Value = Condition> {
    let leaf = (field_value(), any::<bool>(), operations())
        .prop_map(|(field, is_negated, operation)| Condition::Filter(Filter { field, is_negated, operation }));
    leaf.prop_recursive(3, 12, 3, |inner| {
        (any::<bool>(), any::<bool>(), prop::collection::vec(inner, 1..4))
            .prop_map(|(is_negated, is_or, children)| Condition::Logic { is_negated, is_or, children })
    })
}

proptest! {
    #[test]
    fn selects_are_read_as_printed(items in select_items()) {
        let printed = select_text(&items);
        prop_assert_eq!(parse_select(&printed, &limits()).unwrap(), items, "{}", printed);
    }

    #[test]
    fn trees_are_read_as_printed(condition in conditions()) {
        let printed = format!("({condition})");
        let placed = parse_logic("and", &printed, &limits()).unwrap();
        let Condition::Logic { children, .. } = placed.condition else { panic!() };
        prop_assert_eq!(children, vec![condition], "{}", printed);
    }

    #[test]
    fn orders_are_read_as_printed(
        terms in prop::collection::vec(
            (prop::option::of(name()), field_value(), any::<bool>(), any::<Option<bool>>()),
            1..4,
        )
    ) {
        let terms: Vec<OrderTerm> = terms
            .into_iter()
            .map(|(relation, field, is_descending, nulls_first)| OrderTerm { relation, field, is_descending, nulls_first })
            .collect();
        let printed = terms.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        prop_assert_eq!(parse_order("order", &printed, &limits()).unwrap().1, terms, "{}", printed);
    }

    #[test]
    fn any_text_is_linear(text in r#"([a-z0-9.,:!*>() "\\{}-]|->|::|in\.\(|not\.|eq\.|and\(|\.\.\.|日){0,60}"#) {
        let bound = 60 * (text.len() as u64 + 5);
        prop_assert!(steps_of(&text, select::select) <= bound);
        prop_assert!(steps_of(&text, order::order) <= bound);
        prop_assert!(steps_of(&text, columns::columns) <= bound);
        prop_assert!(steps_of(&text, field::tree_path) <= bound);
        prop_assert!(steps_of(&text, logic::tree) <= bound);
        prop_assert!(steps_of(&text, |parser| filter::expression(parser, filter::Place::Tree)) <= bound);
    }
}
