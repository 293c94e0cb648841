-- pando: no transaction
create index concurrently on notes (late);
