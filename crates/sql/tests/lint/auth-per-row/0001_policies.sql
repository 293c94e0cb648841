create table notes (id bigint primary key, owner uuid, team bigint, state text);
create table members (team bigint, "user" uuid, primary key (team, "user"));
create index on notes (owner);
create index on notes (team);
alter table notes enable row level security;
create policy slow on notes for select to authenticated using (owner = auth.uid());
create policy quick on notes using (owner = (select auth.uid()));
create policy jwt on notes for insert with check ((auth.jwt() ->> 'plan') = 'pro');
create policy setting on notes using (team = current_setting('app.team')::bigint);
create policy wrapped on notes using (((select auth.jwt()) ->> 'plan') = 'pro' and true);
create policy inner_slow on notes using (team in (select team from members where "user" = auth.uid()));
create policy inner_quick on notes using (team in (select team from members where "user" = (select auth.uid())));
-- pando: allow auth-per-row
create policy allowed on notes using (owner = auth.uid());
