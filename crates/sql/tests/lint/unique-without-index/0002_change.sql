alter table climbs add unique (name);
alter table climbs add constraint one unique using index climbs_name;
alter table climbs add constraint two exclude using gist (grade with =);
alter table climbs add column code text unique;
-- pando: allow unique-without-index, rename
alter table climbs add constraint three unique (grade, setter);
