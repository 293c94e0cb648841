create table setters (id bigint primary key);
create index concurrently_not on climbs (setter);
alter table climbs add foreign key (setter) references setters;
alter table climbs add constraint hard check (grade > 3), add constraint named check (name <> '') not valid;
alter table climbs add constraint again foreign key (setter) references setters not valid;
-- pando: allow constraint-without-not-valid
alter table climbs add check (grade < 10);
