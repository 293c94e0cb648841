//! What the hot path costs in memory: nothing, once it is warm.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use support::{connect, started};
use testkit::Cluster;
use tokio::runtime::Builder;
use wire::{Connection, Event, Query};

/// A flight like a request's: its claims, its role, and rows.
async fn ask(connection: &mut Connection, rows: &[u8]) -> u64 {
    let mut flight = connection.flight();
    let claims = [Some(&b"{\"role\":\"visitor\"}"[..])];
    flight
        .execute(&Query { parameters: &claims, ..Query::new("visitor", "SELECT set_config('a.b', $1, true)") })
        .unwrap();
    flight.execute(&Query::new("visitor", "SELECT set_config('role', 'visitor', true)")).unwrap();
    let count = [Some(rows)];
    let text = "SELECT g, 'name ' || g AS name, NULL AS nothing FROM generate_series(1, $1::int) AS g";
    flight.execute(&Query { parameters: &count, ..Query::new("visitor", text) }).unwrap();
    flight.sync();
    flight.send().await.unwrap();
    let mut bytes = 0;
    loop {
        match connection.next().await.unwrap() {
            Event::Row(row) => bytes += row.iter().flatten().map(|value| value.len() as u64).sum::<u64>(),
            Event::Ready(_) => return bytes,
            Event::Failed { error, .. } => panic!("{error}"),
            Event::Complete { .. } | Event::Suspended { .. } => {}
        }
    }
}

#[test]
fn a_warm_flight_allocates_nothing() {
    let Some(postgres) = started("a_warm_flight_allocates_nothing", Cluster::new()) else { return };
    postgres.run("CREATE ROLE visitor");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut connection = runtime.block_on(connect(&postgres));
    let runs = [&b"1000"[..], b"1000", b"1", b"1000"].map(|rows| {
        let mut bytes = 0;
        let cost = allocation_counter::measure(|| bytes = runtime.block_on(ask(&mut connection, rows)));
        assert!(bytes > 0);
        cost.count_total
    });
    // What running anything costs, and what is prepared by now.
    let nothing = allocation_counter::measure(|| runtime.block_on(std::future::ready(()))).count_total;
    assert_eq!(runs[1..], [nothing; 3], "{runs:?}");
}
