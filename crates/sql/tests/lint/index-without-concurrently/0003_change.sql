-- pando: no transaction
create index concurrently on climbs (grade, name);
