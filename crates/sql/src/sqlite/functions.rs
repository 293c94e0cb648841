//! The functions and collations that the texts of this module call and that the store must register on every
//! connection. A test in `store` compares this list with what is registered.

/// Scalar functions: name and number of arguments, -1 for any.
pub const SCALAR: &[(&str, i32)] = &[
    ("pg_now", 0),
    ("pg_current_date", 0),
    ("gen_random_uuid", 0),
    ("auth_uid", 0),
    ("auth_role", 0),
    ("auth_claim", 1),
    ("auth_jwt", 0),
    ("pg_current_user", 0),
    ("pg_like", 2),
    ("pg_ilike", 2),
    ("pg_match", 2),
    ("pg_imatch", 2),
    ("pg_add", 3),
    ("pg_subtract", 3),
    ("pg_multiply", 3),
    ("pg_divide", 3),
    ("pg_modulo", 3),
    ("pg_negate", 2),
    ("pg_abs", 2),
    ("pg_round", -1),
    ("pg_floor", 2),
    ("pg_ceil", 2),
    ("pg_greatest", -1),
    ("pg_least", -1),
    ("pg_cast", 3),
    ("pg_cast_utc", 3),
    ("pg_cast_enum", -1),
    ("pg_json_get", -1),
    ("pg_json_text", -1),
    ("pg_limit", 1),
    ("pg_offset", 1),
    ("pg_raise", 4),
    ("pando_quiet", 1),
    ("pando_quiet_begin", 1),
    ("pando_quiet_end", 0),
];

/// Aggregate functions: name and number of arguments; the first is the type's code.
pub const AGGREGATE: &[(&str, i32)] = &[
    ("pg_sum", 2),
    ("pg_avg", 2),
    ("pg_single", 1),
    ("pg_string_agg", 2),
    ("pg_json_agg", 2),
    ("pg_jsonb_agg", 2),
    ("pg_json_object_agg", 4),
    ("pg_jsonb_object_agg", 4),
];

/// The name under which a builtin of `datatype` is registered: its signature, and for one that depends on the time
/// zone a second one that computes in UTC, for the schema.
pub fn builtin_name(builtin: &datatype::function::Builtin, in_utc: bool) -> String {
    if in_utc && builtin.uses_zone { format!("{}@utc", builtin.signature) } else { builtin.signature.to_owned() }
}

/// Collations that do not depend on the schema; one per enumeration comes on top.
pub const COLLATIONS: &[&str] = &["pg_numeric", "pg_jsonb", "pg_interval"];
