drop view if exists tops, bests;
create or replace view tops as select 1;
create view mine as select 1;
drop view mine;
drop materialized view sums;
