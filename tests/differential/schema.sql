-- What both engines have: every portable type, keys of one and two columns, a table that refers to itself, a junction,
-- views, row security, column grants and functions. No column has a default that differs from run to run.
create type mood as enum ('calm', 'Busy', 'angry');

create table teams (
  id integer primary key,
  name text not null unique,
  parent integer references teams (id) on delete set null,
  budget numeric(10,2),
  founded date,
  settings jsonb,
  open boolean default true
);

create table people (
  id integer primary key,
  team integer references teams (id) on delete set null,
  mentor integer references people (id) on delete set null,
  name text not null,
  nick varchar(8),
  mood mood default 'calm',
  age smallint constraint people_age check (age >= 0),
  height double precision,
  born date,
  seen timestamptz,
  mail text unique,
  tag uuid,
  facts jsonb,
  active boolean not null default true,
  label text generated always as (name || '!') stored
);

create table projects (
  team integer not null references teams (id) on delete cascade,
  number integer not null,
  title text,
  cost numeric,
  weight bigint,
  state mood not null default 'Busy',
  primary key (team, number)
);

create table tasks (
  id bigint primary key,
  team integer,
  number integer,
  owner integer references people (id) on delete cascade,
  title text not null default 'to do',
  done boolean,
  points integer,
  due timestamptz,
  extra jsonb,
  doubled integer generated always as (points * 2) stored,
  constraint tasks_project foreign key (team, number) references projects (team, number) on delete cascade,
  constraint tasks_points check (points < 1000)
);

create table members (
  person integer references people (id) on delete cascade,
  team integer references teams (id) on delete cascade,
  since date,
  share numeric(5,2) not null default 100,
  primary key (person, team)
);

create table memos (
  id integer primary key,
  owner uuid not null,
  person integer references people (id) on delete cascade,
  title text,
  shared boolean not null default false
);

create table pay (
  person integer primary key references people (id) on delete cascade,
  grade text not null,
  salary numeric(12,2)
);

create view active_people as select id, name, team, age, mood, facts from people where active;
create view team_sizes as
  select t.id, t.name, count(p.id) as people, max(p.age) as oldest, sum(p.height) as height
  from teams t left join people p on p.team = t.id group by t.id, t.name;

create function add(a integer, b integer default 10) returns integer language sql immutable as $$ select a + b $$;
create function shout(word text) returns text language sql immutable as $$ select upper(word) || '!' $$;
create function half(n numeric) returns numeric language sql immutable as $$ select n / 2 $$;
create function twice(n integer) returns integer language sql immutable as $$ select n * 2 $$;
create function twice(word text, times integer) returns text language sql immutable as $$ select repeat(word, times) $$;
create function team_of(wanted integer) returns teams language sql stable as $$ select * from teams where id = wanted $$;
create function names_of(wanted integer) returns setof text language sql stable as
  $$ select name from people where team = wanted order by id $$;
create function forget_memo(wanted integer) returns void language sql volatile as
  $$ delete from memos where id = wanted $$;
create function people_of(wanted integer) returns setof people language sql stable as
  $$ select * from people where team = wanted $$;
create function rename_team(wanted integer, title text) returns setof teams language sql volatile as
  $$ update teams set name = title where id = wanted returning * $$;

grant select, insert, update, delete on teams, people, projects, tasks, members to anon, authenticated, service_role;
grant select on active_people, team_sizes to anon, authenticated, service_role;
grant insert, update, delete on active_people to authenticated, service_role;

alter table memos enable row level security;
create policy memos_read on memos for select to authenticated using (owner = auth.uid() or shared);
create policy memos_public on memos for select to anon using (shared);
create policy memos_add on memos for insert to authenticated with check (owner = auth.uid());
create policy memos_change on memos for update to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
create policy memos_drop on memos for delete to authenticated using (owner = auth.uid() and not shared);
grant select on memos to anon;
grant select, insert, update, delete on memos to authenticated, service_role;

grant select (person, grade), insert (person, grade, salary), update (grade) on pay to authenticated;
grant select, insert, update, delete on pay to service_role;
