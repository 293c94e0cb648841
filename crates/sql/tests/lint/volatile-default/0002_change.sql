alter table climbs add column key uuid default gen_random_uuid();
alter table climbs add column number serial;
alter table climbs add column shout text generated always as (upper(name)) stored;
alter table climbs add column at timestamptz not null default now();
alter table climbs add column many jsonb default '{}' check (many <> '[]');
-- pando: allow volatile-default
alter table climbs add column luck double precision default random();
