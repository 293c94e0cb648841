alter table climbs alter column grade set not null;
alter table climbs add constraint setter_there check (setter is not null) not valid;
alter table climbs alter column setter set not null;
