create table a (id bigint primary key);
alter table a enable row level security;
create table b (id bigint primary key);
-- pando: allow row-security-without-policy
alter table b enable row level security;
create table c (id bigint primary key);
alter table c enable row level security;
