-- pando: no transaction
create unique index concurrently on climbs (grade);
vacuum climbs;
