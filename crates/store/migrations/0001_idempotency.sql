-- The answers of writes that came with a key: whoever asks the same again gets the same answer, and nothing is written.
create table pando.idempotency (
    -- SHA-256 of who asks and their key.
    key_hash bytea primary key,
    -- SHA-256 of what was asked.
    fingerprint bytea not null,
    -- NULL only inside of the transaction that claims the key.
    status integer,
    headers bytea,
    body bytea,
    created_at timestamptz not null,
    expires_at timestamptz not null
);
create index idempotency_expires_at on pando.idempotency (expires_at);
