-- pando: allow indexes-without-concurrently
create table a (id bigint primary key);
select 'what no parser knows' <-> $$of$$ something odd here;
