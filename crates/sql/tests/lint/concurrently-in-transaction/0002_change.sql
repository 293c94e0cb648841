create index concurrently on climbs (grade);
drop index concurrently if exists climbs_name;
reindex (verbose) table concurrently climbs;
vacuum climbs;
