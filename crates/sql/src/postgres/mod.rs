//! PostgreSQL's dialect. Every read is one statement, whatever is embedded: rows of a to-many embed are an array of
//! records in their parent's row, which the driver takes apart. Values go as parameters without a type, so that the server
//! reads them as it reads a literal.

pub mod audit;
pub mod changes;
mod explain;
mod expression;
mod level;
mod record;
mod write;

use datatype::Datum;
use plan::{Access, Operation, Plan};

use crate::statement::Statement;

use level::Form;

pub use level::{Body, Shape};

/// The statements of a plan.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Rendered {
    /// The statement that does what is asked.
    pub main: Statement,
    /// What its rows become; empty where it gives none.
    pub body: Body,
    /// Counts all rows that fit, or as many as are to be counted.
    pub count: Option<Statement>,
    /// Asks for the server's estimate of them: a plan in JSON.
    pub estimate: Option<Statement>,
    /// Counts the rows of the page, for an answer that is streamed.
    pub count_page: Option<Statement>,
    /// Of an upsert: whether `pgrst.inserted` tells how many rows are new.
    pub counts_inserted: bool,
    /// Which of the rows are shown, where all are read to be counted.
    pub page: Option<Box<Page>>,
}

impl Rendered {
    /// The same with other values of the request's conditions ([`Statement::with_values`]); `None` where one of them has no place.
    pub fn with_values(&self, values: &[(u16, Datum)]) -> Option<Self> {
        if !self.main.has_places(values) {
            return None;
        }
        let other = |statement: &Option<Statement>| statement.as_ref().map(|statement| statement.with_values(values));
        Some(Self {
            main: self.main.with_values(values),
            body: self.body.clone(),
            count: other(&self.count),
            estimate: other(&self.estimate),
            count_page: other(&self.count_page),
            counts_inserted: self.counts_inserted,
            page: self.page.clone(),
        })
    }
}

/// A part of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// How many come before it.
    pub offset: u64,
    /// How many it has at the most.
    pub limit: Option<u64>,
}

impl Page {
    /// Whether the row at a place from 0 belongs to it.
    pub fn has(&self, place: u64) -> bool {
        place >= self.offset && self.limit.is_none_or(|limit| place - self.offset < limit)
    }
}

/// Renders a plan for PostgreSQL; `None` for an operation that only the embedded engine is planned for.
pub fn render(plan: &Plan) -> Option<Rendered> {
    let form = Form::of(plan);
    let rendered = match &plan.operation {
        Operation::Read(read) if plan.access == Access::ReadWrite => level::counted_call(read, form),
        Operation::Read(read) => level::read(read, form),
        Operation::Write(write) => write::write(write, form),
        Operation::Insert(_) | Operation::Update(_) | Operation::Delete(_) | Operation::Call(_) => return None,
    };
    Some(match plan.explain {
        Some(explain) => explain::explained(&rendered.main, explain),
        None => rendered,
    })
}
