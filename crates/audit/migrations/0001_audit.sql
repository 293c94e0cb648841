-- What was changed, by whom and when, and the seals over it.
create table pando.audit_entries (
    id bigint generated always as identity primary key,
    -- On a server the transaction that wrote it, so that entries are sealed when nothing before them can come any more.
    transaction_number bigint not null,
    at timestamptz not null,
    action text not null,
    relation text,
    key text,
    change text not null,
    context text not null
);
-- Tiles of the Merkle tree: at level 0 the hashes of entries, above them the hashes of full tiles.
create table pando.audit_tiles (
    level bigint not null,
    number bigint not null,
    hashes bytea not null,
    -- Of level 0: the ids of its entries, in the order in which they were sealed, as JSON.
    entries text,
    primary key (level, number)
);
-- How far was sealed: there is one row.
create table pando.audit_head (
    id bigint primary key check (id = 1),
    size bigint not null,
    transaction_number bigint not null,
    entry bigint not null
);
insert into pando.audit_head (id, size, transaction_number, entry) values (1, 0, 0, 0);
create table pando.audit_checkpoints (
    size bigint primary key,
    at timestamptz not null,
    note text not null
);
