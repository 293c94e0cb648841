//! The tables of the audit, and what is asked of them.

use store::{OwnMigration, OwnMigrations, OwnStatement};

/// The tables of the audit, made before those of the schema's author.
pub static MIGRATIONS: OwnMigrations = OwnMigrations {
    owner: "audit",
    number: 6,
    schema: "pando",
    without: "audit.enabled = \"off\"",
    all: &[
        OwnMigration { name: "0001_audit.sql", text: include_str!("../migrations/0001_audit.sql"), standing: &[] },
        OwnMigration {
            name: "0002_retention.sql",
            text: include_str!("../migrations/0002_retention.sql"),
            standing: &[],
        },
    ],
};

macro_rules! select_entries {
    ($condition:literal) => {
        concat!(
            "SELECT id, transaction_number, at, action, relation, key, change, context FROM pando.audit_entries ",
            $condition
        )
    };
}

/// How far was sealed.
pub(crate) const HEAD: OwnStatement =
    OwnStatement::new("SELECT size, transaction_number, entry FROM pando.audit_head WHERE id = 1", &[]);
/// Goes on from where it was, if nobody else has meanwhile.
pub(crate) const ADVANCE: OwnStatement = OwnStatement::new(
    "UPDATE pando.audit_head SET size = $1, transaction_number = $2, entry = $3 WHERE id = 1 AND size = $4",
    &["bigint", "bigint", "bigint", "bigint"],
);
/// Entries that are not sealed yet, in the order in which they are. A file has one writer: its ids are in the order of commits.
pub(crate) const NEXT_OF_FILE: OwnStatement = OwnStatement::new(
    select_entries!("WHERE id > $2 AND transaction_number >= $1 ORDER BY id LIMIT $3"),
    &["bigint", "bigint", "bigint"],
);
/// The same on a server, where an entry may be committed after one with a higher id: only those of transactions before which
/// none is under way.
pub(crate) const NEXT_OF_SERVER: OwnStatement = OwnStatement::new(
    select_entries!(
        "WHERE transaction_number >= $1 AND (transaction_number, id) > ($1, $2) \
         AND transaction_number < txid_snapshot_xmin(txid_current_snapshot()) ORDER BY transaction_number, id LIMIT $3"
    ),
    &["bigint", "bigint", "bigint"],
);
/// Entries of some ids and more, for looking them through.
pub(crate) const ENTRIES: OwnStatement =
    OwnStatement::new(select_entries!("WHERE id > $1 ORDER BY id LIMIT $2"), &["bigint", "bigint"]);
/// How many entries of a file are not sealed.
pub(crate) const WAITING_OF_FILE: OwnStatement = OwnStatement::new(
    "SELECT count(*) AS waiting FROM (SELECT id FROM pando.audit_entries WHERE id > $2 AND transaction_number >= $1 LIMIT $3) AS unsealed",
    &["bigint", "bigint", "bigint"],
);
/// The same on a server.
pub(crate) const WAITING_OF_SERVER: OwnStatement = OwnStatement::new(
    "SELECT count(*) AS waiting FROM (SELECT id FROM pando.audit_entries
      WHERE transaction_number >= $1 AND (transaction_number, id) > ($1, $2) LIMIT $3) AS unsealed",
    &["bigint", "bigint", "bigint"],
);
/// One entry.
pub(crate) const ENTRY: OwnStatement = OwnStatement::new(select_entries!("WHERE id = $1"), &["bigint"]);
/// The id of the newest entry, or of the one so many before it.
pub(crate) const NEWEST: OwnStatement =
    OwnStatement::new("SELECT id FROM pando.audit_entries ORDER BY id DESC LIMIT 1 OFFSET $1", &["bigint"]);
/// One tile.
pub(crate) const TILE: OwnStatement = OwnStatement::new(
    "SELECT hashes, entries FROM pando.audit_tiles WHERE level = $1 AND number = $2",
    &["bigint", "bigint"],
);
/// Tiles of a level, in order.
pub(crate) const TILES: OwnStatement = OwnStatement::new(
    "SELECT number, hashes, entries FROM pando.audit_tiles WHERE level = $1 AND number >= $2 ORDER BY number LIMIT $3",
    &["bigint", "bigint", "bigint"],
);
/// Keeps a tile.
pub(crate) const KEEP_TILE: OwnStatement = OwnStatement::new(
    "INSERT INTO pando.audit_tiles (level, number, hashes, entries) VALUES ($1, $2, $3, $4)
     ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes, entries = excluded.entries",
    &["bigint", "bigint", "bytea", "text"],
);
/// Keeps a checkpoint.
pub(crate) const KEEP_CHECKPOINT: OwnStatement = OwnStatement::new(
    "INSERT INTO pando.audit_checkpoints (size, at, note) VALUES ($1, $2, $3)",
    &["bigint", "timestamptz", "text"],
);
/// The last checkpoint.
pub(crate) const LAST_CHECKPOINT: OwnStatement =
    OwnStatement::new("SELECT size, note FROM pando.audit_checkpoints ORDER BY size DESC LIMIT 1", &[]);
/// Checkpoints, in order.
pub(crate) const CHECKPOINTS: OwnStatement = OwnStatement::new(
    "SELECT size, note FROM pando.audit_checkpoints WHERE size > $1 ORDER BY size LIMIT $2",
    &["bigint", "bigint"],
);
/// How far entries were forgotten.
pub(crate) const FORGOTTEN: OwnStatement =
    OwnStatement::new("SELECT size, note FROM pando.audit_forgotten ORDER BY size DESC LIMIT 1", &[]);
/// Says how far they are.
pub(crate) const KEEP_FORGOTTEN: OwnStatement = OwnStatement::new(
    "INSERT INTO pando.audit_forgotten (size, at, note) VALUES ($1, $2, $3)",
    &["bigint", "timestamptz", "text"],
);
/// What was said before says less.
pub(crate) const FORGET_FORMER_NOTES: OwnStatement =
    OwnStatement::new("DELETE FROM pando.audit_forgotten WHERE size < $1", &["bigint"]);
/// Forgets the entries of a file from one to another: ids are in the order of the log.
pub(crate) const FORGET_OF_FILE: OwnStatement = OwnStatement::new(
    "DELETE FROM pando.audit_entries WHERE transaction_number >= $1 AND id >= $2 AND transaction_number <= $3 AND id <= $4",
    &["bigint", "bigint", "bigint", "bigint"],
);
/// The same on a server, where the order is that of transactions.
pub(crate) const FORGET_OF_SERVER: OwnStatement = OwnStatement::new(
    "DELETE FROM pando.audit_entries WHERE transaction_number BETWEEN $1 AND $3 \
     AND (transaction_number, id) >= ($1, $2) AND (transaction_number, id) <= ($3, $4)",
    &["bigint", "bigint", "bigint", "bigint"],
);
/// Writes down an event of a file's.
pub(crate) const EVENT: OwnStatement = OwnStatement::new(
    "INSERT INTO pando.audit_entries (transaction_number, at, action, relation, key, change, context)
     VALUES (0, now(), $1, NULL, $2, $3, $4)",
    &["text", "text", "text", "text"],
);
/// Writes down an event of a server's.
pub(crate) const EVENT_OF_SERVER: OwnStatement = OwnStatement::new(
    "INSERT INTO pando.audit_entries (transaction_number, at, action, relation, key, change, context)
     VALUES (txid_current(), now(), $1, NULL, $2, $3, $4)",
    &["text", "text", "text", "text"],
);

/// What is asked on both engines.
pub const STATEMENTS: &[OwnStatement] = &[
    HEAD,
    ADVANCE,
    ENTRIES,
    ENTRY,
    NEWEST,
    TILE,
    TILES,
    KEEP_TILE,
    KEEP_CHECKPOINT,
    LAST_CHECKPOINT,
    CHECKPOINTS,
    FORGOTTEN,
    KEEP_FORGOTTEN,
    FORGET_FORMER_NOTES,
];
/// What is asked of a file.
pub const STATEMENTS_OF_FILES: &[OwnStatement] = &[NEXT_OF_FILE, WAITING_OF_FILE, EVENT, FORGET_OF_FILE];
/// What is asked of a server.
pub const STATEMENTS_OF_SERVERS: &[OwnStatement] =
    &[NEXT_OF_SERVER, WAITING_OF_SERVER, EVENT_OF_SERVER, FORGET_OF_SERVER];
