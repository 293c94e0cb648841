alter table climbs drop column grade, drop if exists name;
alter table climbs drop constraint climbs_pkey;
create table fresh (id integer);
drop table fresh;
drop table if exists climbs, others cascade;
-- pando: allow drop
drop table gyms;
