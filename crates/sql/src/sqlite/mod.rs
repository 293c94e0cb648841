//! SQLite's dialect.

pub mod audit;
pub mod diagnose;
pub mod expression;
pub mod functions;
pub mod names;
pub mod own;
pub mod own_key;
pub mod read;
pub mod write;

use datatype::Datum;
use plan::{Operation, Plan};

/// The statements of a plan.
#[derive(Debug, Clone)]
pub enum Rendered {
    /// Of a read.
    Read(Box<read::ReadStatement>),
    /// Of an insert, upsert or put.
    Insert(Box<write::InsertStatements>),
    /// Of an update.
    Update(Box<write::UpdateStatements>),
    /// Of a delete.
    Delete(Box<write::DeleteStatements>),
    /// Of a function that writes.
    Call(Box<write::CallStatements>),
}

impl Rendered {
    /// The same read with other values of the request's conditions ([`crate::Statement::with_values`]); `None` for writes, and where
    /// one of the values has no place.
    pub fn with_values(&self, values: &[(u16, Datum)]) -> Option<Self> {
        match self {
            Self::Read(read) if !read.statement.has_places(values) => None,
            Self::Read(read) => Some(Self::Read(Box::new(read.with_values(values)))),
            Self::Insert(_) | Self::Update(_) | Self::Delete(_) | Self::Call(_) => None,
        }
    }
}

/// Renders a plan for SQLite; `None` for an operation that only a PostgreSQL server is planned for.
pub fn render(plan: &Plan) -> Option<Rendered> {
    Some(match &plan.operation {
        Operation::Read(read) => Rendered::Read(Box::new(read::read(read))),
        Operation::Insert(insert) => Rendered::Insert(Box::new(write::insert(insert))),
        Operation::Update(update) => Rendered::Update(Box::new(write::update(update))),
        Operation::Delete(delete) => Rendered::Delete(Box::new(write::delete(delete))),
        Operation::Call(call) => Rendered::Call(Box::new(write::call(call))),
        Operation::Write(_) => return None,
    })
}
