alter table climbs add column sent boolean not null;
alter table climbs add column tries integer not null default 0, add column notes text not null;
-- pando: allow not-null-without-default
alter table climbs add column height integer not null;
alter table climbs add column free text;
create table fresh (id integer primary key);
alter table fresh add column must text not null;
-- A table that no file made was there before.
alter table "Other".things add must text not null;
