//! `EXPLAIN`: how a statement is executed, instead of what it gives.

use std::sync::Arc;

use datatype::Type;
use rest::{Explain, ExplainOption};

use super::Rendered;
use super::level::{Body, Shape};
use crate::key::Key;
use crate::statement::Statement;
use crate::writer::{Values, Writer};

/// The plan of a statement, line by line. With `analyze` the statement is executed.
pub(super) fn explained(statement: &Statement, explain: Explain) -> Rendered {
    let mut writer = Writer::new(Values::Numbered);
    writer.syntax(if explain.is_json { "EXPLAIN (FORMAT JSON" } else { "EXPLAIN (FORMAT TEXT" });
    for option in explain.named() {
        writer.syntax(match option {
            ExplainOption::Analyze => ", ANALYZE",
            ExplainOption::Verbose => ", VERBOSE",
            ExplainOption::Settings => ", SETTINGS",
            ExplainOption::Buffers => ", BUFFERS",
            ExplainOption::Wal => ", WAL",
        });
    }
    writer.syntax(") ").statement(statement);
    let line = Shape::Value { key: Key::new(&Arc::from("QUERY PLAN")), field: 0, data_type: Type::Text };
    Rendered {
        main: writer.finish(),
        body: Body { members: Arc::new([line]), count_field: None },
        count: None,
        estimate: None,
        count_page: None,
        counts_inserted: false,
        page: None,
    }
}
