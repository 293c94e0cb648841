//! Flights on a real PostgreSQL: what is sent together, what comes back, and in which state that leaves the connection.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod bounds;
mod portals;
mod state;
mod statements;
#[path = "../support/mod.rs"]
mod support;
mod together;

use std::time::Duration;

use base::Limit;
use support::{PLENTY, Seen, connect, local, server_error, started, until_ready, value};
use testkit::{Cluster, Postgres};
use tokio::time::timeout;
use wire::{Connection, Error, Event, Format, Query, Settings, Step, TransactionStatus};

/// A query of the space "s" that gives text, so that a test can read it.
fn text(text: &str) -> Query<'_> {
    Query { format: Format::Text, ..Query::new("s", text) }
}

fn one(step: Step, value: &str) -> Seen {
    Seen::Row(step, vec![Some(value.as_bytes().to_vec())])
}

const IDLE: Seen = Seen::Ready(TransactionStatus::Idle);

async fn run(connection: &mut Connection, queries: &[Query<'_>]) -> (Vec<Step>, Vec<Seen>) {
    let mut flight = connection.flight();
    let steps = queries.iter().map(|query| flight.execute(query).unwrap()).collect();
    flight.sync();
    flight.send().await.unwrap();
    let seen = until_ready(connection).await;
    assert!(connection.is_usable());
    (steps, seen)
}

/// The names of what the server has prepared.
async fn prepared(connection: &mut Connection) -> Vec<String> {
    let rows = connection.query("SELECT name FROM pg_prepared_statements ORDER BY name", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0).unwrap_or_default().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// One server for all; the tests that need settings of their own start another.
macro_rules! on_postgres {
    ($($module:ident::$name:ident)*) => {
        #[tokio::test]
        async fn flights_on_a_real_server() {
            let Some(postgres) = started("flights", Cluster::new()) else { return };
            $(eprintln!("{}", stringify!($name)); $module::$name(&postgres).await;)*
        }
    };
}

on_postgres! {
    together::several_statements_travel_together
    together::values_come_binary_with_their_columns
    together::an_error_skips_the_rest_and_the_next_flight_is_fine
    together::an_error_at_the_commit_comes_with_the_sync
    together::several_syncs_in_one_flight
    together::a_flight_that_is_not_sent_leaves_nothing
    together::simple_texts
    together::errors_have_all_their_fields
    statements::a_statement_that_failed_to_parse_is_not_known
    statements::a_failure_between_parse_and_the_end_keeps_the_books_right
    statements::the_least_used_statement_is_closed
    statements::a_result_type_that_changed_needs_forget
    statements::nothing_is_prepared_behind_a_pooler
    statements::spaces_do_not_share_statements
    portals::portals_are_suspended_and_resumed
    portals::portals_live_as_long_as_their_transaction
    state::notifications_and_notices
    state::parameters_are_kept_up_to_date
    state::a_statement_is_cancelled
    state::an_abandoned_flight_is_drained
    state::a_dropped_send_breaks_the_connection
    state::a_killed_session_is_told
    bounds::large_flights_and_answers_do_not_wait_for_each_other
    bounds::a_large_result_is_read_row_by_row
    bounds::copy_is_refused
    bounds::what_cannot_be_sent_is_refused
    bounds::long_messages_are_refused
}
