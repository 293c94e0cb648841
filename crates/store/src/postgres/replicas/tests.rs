use base::{Secret, SystemClock};

use super::super::sighting::tests::primary;
use super::*;
use crate::driver::Operation;

struct Silent;

impl Observer for Silent {
    fn operation(&self, _operation: &Operation<'_>) {}

    fn batch(&self, _writes: u64, _duration: Duration) {}
}

/// No replica of a primary that was seen at this point of its first timeline.
fn nobody(point: u64) -> Arc<Replicas> {
    let (clock, fence) = (Arc::new(SystemClock), Arc::new(Fence::default()));
    let (wire, key) = (wire::Settings::default(), PositionKey::new(&Secret::new("key")));
    let pool = Pool::new(Vec::new(), fence.clone(), wire, 1, Duration::ZERO, clock.clone());
    let settings = ReplicaSettings::default();
    let replicas = Replicas::new(Vec::new(), pool, fence, settings, key, clock, Arc::new(Silent));
    replicas.begin(Some(primary(Instant::now(), 1, point))).unwrap();
    replicas
}

fn at(timeline: u32, point: u64) -> Position {
    Position { system: 1, timeline, point }
}

#[test]
fn what_the_catalog_shows_has_to_be_replayed() {
    let replicas = nobody(100);
    let wanted = |shown| replicas.wanted(Freshness::Eventual, shown);
    assert_eq!(wanted(Shown::Nothing), Wanted::Unread, "it was not read yet");
    replicas.set_catalog(at(1, 50));
    assert_eq!(wanted(Shown::Nothing), Wanted::Replica { point: 50, lag: None });
    let shown = replicas.learn(Some(&replicas.key.sign(at(2, 70))));
    assert_eq!(shown, Shown::Position(at(2, 70)));
    assert_eq!(wanted(shown), Wanted::Unread, "the catalog is one of the older history");
    replicas.set_catalog(at(2, 60));
    assert_eq!(wanted(shown), Wanted::Replica { point: 60, lag: None });
    let lag = Some(replicas.settings.max_lag);
    assert_eq!(replicas.wanted(Freshness::Session, shown), Wanted::Replica { point: 70, lag });
}

#[test]
fn positions_of_this_database_alone_are_believed() {
    let replicas = nobody(100);
    let other = PositionKey::new(&Secret::new("other"));
    assert_eq!(replicas.learn(Some(&other.sign(at(9, 70)))), Shown::Strange);
    replicas.learn(Some(&replicas.key.sign(Position { system: 2, ..at(9, 70) })));
    assert_eq!(replicas.fence.timeline(), 1);
    replicas.learn(Some(&replicas.key.sign(Position::unknown(1))));
    assert_eq!(replicas.fence.timeline(), 1);
    replicas.learn(Some(&replicas.key.sign(at(2, 70))));
    assert_eq!(replicas.fence.timeline(), 2);
    assert!(!replicas.note_primary(primary(Instant::now(), 1, 200)), "it was replaced");
}
