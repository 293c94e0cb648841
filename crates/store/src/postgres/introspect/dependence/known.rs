//! What is known of the server's own functions that are not immutable.

/// Functions of `pg_catalog` that are only called stable since they depend on settings of the session as well, which are the same for
/// all requests of a role: its time zone, how it prints, its configuration of text search.
const SETTLED: [&str; 76] = [
    "anytextcat",
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "convert",
    "convert_from",
    "convert_to",
    "current_database",
    "current_user",
    "date",
    "date_add",
    "date_part",
    "date_subtract",
    "date_trunc",
    "enum_first",
    "enum_last",
    "enum_range",
    "extract",
    "format",
    "generate_series",
    "getpgusername",
    "in_range",
    "interval_pl_timestamptz",
    "json_agg",
    "json_agg_strict",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "json_object_agg_strict",
    "json_object_agg_unique",
    "json_to_tsvector",
    "jsonb_agg",
    "jsonb_agg_strict",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "jsonb_object_agg_strict",
    "jsonb_object_agg_unique",
    "jsonb_path_exists_tz",
    "jsonb_path_match_tz",
    "jsonb_path_query_array_tz",
    "jsonb_path_query_first_tz",
    "jsonb_path_query_tz",
    "jsonb_to_tsvector",
    "length",
    "make_timestamptz",
    "numeric",
    "overlaps",
    "phraseto_tsquery",
    "plainto_tsquery",
    "quote_literal",
    "quote_nullable",
    "row_to_json",
    "session_user",
    "textanycat",
    "time",
    "timestamp",
    "timestamptz",
    "timestamptz_mi_interval",
    "timestamptz_pl_interval",
    "timetz",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsquery",
    "to_tsvector",
    "ts_headline",
    "ts_match_tq",
    "ts_match_tt",
    "version",
    "websearch_to_tsquery",
];

/// Comparisons of moments with dates, which depend on the time zone: `date_lt_timestamptz`.
fn is_comparison(name: &str) -> bool {
    let mut parts = name.split('_');
    let is_type = |part: Option<&str>| matches!(part, Some("date" | "timestamp" | "timestamptz"));
    is_type(parts.next())
        && matches!(parts.next(), Some("cmp" | "eq" | "ge" | "gt" | "le" | "lt" | "ne"))
        && is_type(parts.next())
        && parts.next().is_none()
}

/// Whether a stable function of the server's own gives the same for the same arguments in all requests of a role.
pub(super) fn is_settled(name: &str) -> bool {
    SETTLED.contains(&name) || is_comparison(name)
}

/// Types whose text always means the same value, by number (`pg_type.dat`), with their arrays. The others may mean the moment (`now`),
/// or be looked up.
const PLAIN: [u32; 36] = [
    16, 17, 18, 19, 20, 21, 23, 25, 114, 142, 700, 701, 829, 869, 650, 774, 1042, 1043, 1186, 1560, 1562, 1700, 2950,
    3802, 199, 1000, 1005, 1007, 1009, 1015, 1016, 1021, 1022, 1231, 2951, 3807,
];

/// Whether text of a type always means the same value.
pub(super) fn is_plain(data_type: u32) -> bool {
    PLAIN.contains(&data_type)
}

/// `current_setting(text)` and `current_setting(text, boolean)`.
pub(super) const CURRENT_SETTING: [u32; 2] = [2077, 3294];

/// `->` and `->>` of `jsonb` and `json`, with a name behind them.
pub(super) const MEMBER: [u32; 4] = [3478, 3214, 3947, 3948];

/// Words of SQL that are functions (`SQLValueFunctionOp`): from `CURRENT_ROLE` to `CURRENT_CATALOG` they are the same for a role.
pub(super) fn value_function(number: u32) -> Option<&'static str> {
    match number {
        0 => Some("CURRENT_DATE"),
        1..=8 => Some("CURRENT_TIMESTAMP or its like"),
        9..=13 => None,
        _ => Some("CURRENT_SCHEMA"),
    }
}
