-- How far entries were forgotten once they were old enough: one row, signed.
create table pando.audit_forgotten (
    size bigint primary key,
    at timestamptz not null,
    note text not null
);
