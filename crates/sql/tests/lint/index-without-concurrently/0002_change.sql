create index on climbs (grade);
create unique index if not exists climbs_name on public.climbs (name);
create table fresh (id integer primary key, name text);
create index on fresh (name);
-- pando: allow index-without-concurrently
create index on climbs (setter);
