-- Roles, grants and policies.
create role web_anon nologin;
create role editor bypassrls in role authenticated;
create role author with login password 'x' connection limit 3 valid until '2030-01-01';
grant web_anon to authenticator;
grant author to authenticated, web_anon;
revoke author from authenticated;
create role gate login;

alter default privileges in schema public grant select on tables to anon, web_anon;
alter default privileges in schema public grant all on tables to service_role;
alter default privileges in schema public grant usage on sequences to anon;
alter default privileges in schema public revoke delete on tables from service_role;

create table teams (id bigint primary key, name text);
create table members (team_id bigint references teams (id), user_id uuid not null, role text not null default 'member',
  primary key (team_id, user_id));
create table notes (id bigint generated always as identity primary key, team_id bigint references teams (id),
  owner_id uuid not null default auth.uid(), title text, shared boolean not null default false, level int);

grant usage on schema public to anon, authenticated;
grant usage, select on all sequences in schema public to authenticated;
grant execute on all functions in schema public to authenticated;
grant select, insert (title, team_id), update (title) on notes to authenticated;
grant update (title, shared) on notes to authenticated;
grant all privileges on table teams, members to authenticated with grant option;
grant all on all tables in schema public to editor;
revoke insert, truncate on members from editor;
revoke update (title) on notes from authenticated;
revoke all on teams from public cascade;
grant select on members to public;

alter table teams enable row level security;
alter table members enable row level security;
alter table notes enable row level security, force row level security;

create policy everyone on teams for select using (true);
create policy "own rows" on notes to authenticated
  using ((select auth.uid()) = owner_id) with check (owner_id = auth.uid());
create policy shared on notes as permissive for select to anon, authenticated using (shared and level < 10);
create policy team on notes for select to authenticated using (
  exists (select 1 from members m where m.team_id = notes.team_id and m.user_id = auth.uid()));
create policy team_in on notes for update to authenticated using (
  team_id in (select team_id from members where user_id = auth.uid() and role = 'admin'));
create policy claims on notes for delete using (
  (auth.jwt() ->> 'role') = 'boss' or auth.jwt() -> 'app_metadata' ->> 'kind' = 'x' or auth.role() = 'service_role');
create policy settings on notes for insert with check (
  owner_id = (current_setting('request.jwt.claims', true)::json ->> 'sub')::uuid
  or owner_id::text = nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  or owner_id::text = current_setting('request.jwt.claim.sub', true));
create policy level on notes for select using (level >= coalesce((auth.claim('level'))::int, 0));
create policy gone on notes using (false);
drop policy gone on notes;
drop policy if exists never on notes;
alter policy shared on notes using (shared);
alter policy level on notes rename to "by level";
create policy users on members using (current_user = 'x' or user_id = auth.uid());
alter role editor nobypassrls;
alter table notes owner to postgres;
