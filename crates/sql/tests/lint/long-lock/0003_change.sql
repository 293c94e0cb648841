-- pando: no transaction
reindex table concurrently climbs;
vacuum (analyze, full) climbs;
vacuum full climbs;
vacuum analyze climbs;
