-- pando: no transaction
alter table climbs add column rating integer;
update climbs set rating = 1;
