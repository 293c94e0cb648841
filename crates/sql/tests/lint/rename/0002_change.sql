alter table climbs rename name to title;
alter table climbs rename constraint climbs_pkey to climbs_key;
alter table climbs rename to boulders;
alter view tops rename to best;
alter index climbs_name rename to climbs_title;
-- pando: allow rename
alter table boulders rename column grade to difficulty;
