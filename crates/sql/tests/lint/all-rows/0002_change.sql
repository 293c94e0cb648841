update climbs set grade = 1;
alter table climbs add column sent boolean;
update climbs set sent = false;
update only public.climbs as c set sent = false where grade < 5;
delete from climbs where id in (select id from climbs where grade > 9);
delete from climbs;
create table fresh (id integer);
update fresh set id = 1;
-- pando: allow all-rows
update climbs set sent = true;
