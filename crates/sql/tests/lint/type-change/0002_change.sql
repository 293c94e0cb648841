alter table climbs alter column id type integer;
alter table climbs alter name type varchar(40), alter column grade type numeric(6,1);
alter table climbs alter column name set data type text;
alter table climbs alter column grade type numeric(6,2);
alter table climbs alter column name type varchar(10);
alter table climbs alter column setter type uuid using gen_random_uuid();
-- pando: allow type-change
alter table climbs alter column setter type text;
