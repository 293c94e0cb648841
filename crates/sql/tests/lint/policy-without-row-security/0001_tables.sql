create table open (id bigint primary key);
create policy everybody on open using (true);
create table closed (id bigint primary key);
create policy everybody on closed using (true);
alter table closed enable row level security;
create table gone (id bigint primary key);
create policy everybody on gone using (true);
drop policy everybody on gone;
