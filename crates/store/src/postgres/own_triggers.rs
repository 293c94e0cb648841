//! How the program's own triggers are put on tables that others use: node after node, each table in a transaction of its own, without
//! making others wait for long, and with what to do about it where the server does not let it.

use base::QualifiedName;
use wire::{Connection, Error, ServerError};

use crate::audit::Unwatched;

/// How long a table may be in use before its trigger is left for the next time: whoever comes later waits as well.
pub(super) const PATIENCE: &str = "SET LOCAL lock_timeout = '3s'";

/// The server does not let the role that logs in.
const NO_RIGHT: &str = "42501";

/// Begins a transaction. Nodes that start at once take turns by this number, which are waited for. The turn ends with the transaction,
/// and so does what somebody has set who logs in with bounds of his own.
pub(super) async fn begin(connection: &mut Connection, turn: u64) -> Result<(), Error> {
    let bounds = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";
    connection.batch(&format!("BEGIN; {bounds}; SELECT pg_advisory_xact_lock({turn})")).await
}

/// Ends the transaction, in which the outcome came to be.
pub(super) async fn end<T>(connection: &mut Connection, outcome: Result<T, Error>) -> Result<T, Error> {
    match outcome {
        Ok(value) => connection.batch("COMMIT").await.map(|()| value),
        Err(error) => {
            drop(connection.batch("ROLLBACK").await);
            Err(error)
        }
    }
}

/// What has to be done to a table, by whom.
pub(super) struct Placing<'p> {
    pub(super) table: &'p QualifiedName,
    pub(super) statements: &'p [String],
    /// Who logs in.
    pub(super) role: &'p str,
    /// Whether he may put triggers on it.
    pub(super) may: bool,
}

impl Placing<'_> {
    /// Does it, in the transaction at hand. What the server said, where it did not let it: `told` makes a sentence of the problem and
    /// what to do about it.
    pub(super) async fn put(
        &self,
        connection: &mut Connection,
        told: impl Fn(&str) -> String,
    ) -> Result<Option<Unwatched>, Error> {
        if !self.may {
            return Ok(Some(self.left_out("the role that logs in may put no triggers on it", None, told)));
        }
        connection.batch("SAVEPOINT pando_triggers").await?;
        match connection.batch(&self.statements.join("; ")).await {
            Ok(()) => Ok(None),
            Err(Error::Server(error)) => {
                connection.batch("ROLLBACK TO SAVEPOINT pando_triggers").await?;
                Ok(Some(self.left_out(&error.message, Some(&error), told)))
            }
            Err(error) => Err(error),
        }
    }

    fn left_out(&self, problem: &str, error: Option<&ServerError>, told: impl Fn(&str) -> String) -> Unwatched {
        let is_refused = error.is_none_or(|error| error.code == NO_RIGHT);
        let advice = if !self.may {
            let (QualifiedName { schema, name }, role) = (self.table, self.role.replace('"', "\"\""));
            format!("GRANT TRIGGER ON \"{schema}\".\"{name}\" TO \"{role}\" lets Pando do it")
        } else if is_refused {
            format!("let its owner run `{}`", self.statements.join("; "))
        } else {
            "it is tried again".to_owned()
        };
        Unwatched { problem: told(&format!("{problem}; {advice}")), is_refused }
    }
}
