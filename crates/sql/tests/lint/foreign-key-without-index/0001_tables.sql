create table setters (id bigint primary key);
create table routes (
  id bigint primary key references setters,
  setter bigint references setters (id),
  wall bigint,
  gym bigint,
  number integer,
  foreign key (gym, number) references walls (gym, number),
  constraint one unique (number, gym, wall)
);
-- pando: allow foreign-key-without-index
alter table routes add column second bigint references setters;
alter table routes add constraint w foreign key (wall) references walls;
