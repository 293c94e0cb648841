-- Which tables a transaction has changed, for whoever keeps answers; on a server alone. A crash empties what is unlogged, so it costs no
-- log, and that it was emptied shows: the line of changes_horizon is gone as well.
create unlogged table pando.changes (
    transaction_number bigint not null,
    -- The table's oid; 0 for anything.
    relation bigint not null,
    -- The key of the row; empty for all rows.
    key text not null,
    primary key (transaction_number, relation, key)
);
-- There is one row: a random name of the time since changes are kept without a gap, and which transactions' are not kept any more.
create unlogged table pando.changes_horizon (
    id bigint primary key check (id = 1),
    epoch text not null,
    moment text not null
);
