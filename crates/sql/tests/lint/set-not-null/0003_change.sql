alter table climbs validate constraint setter_there;
alter table climbs alter column setter set not null, drop constraint setter_there;
