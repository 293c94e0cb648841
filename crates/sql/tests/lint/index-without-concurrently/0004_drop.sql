drop index by_name, other;
create table later (id integer);
create index by_id on later (id);
drop index by_id;
-- pando: allow index-without-concurrently
drop index more;
