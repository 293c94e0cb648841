create table climbs (id bigint primary key, name varchar(20) not null, grade numeric(4,1), setter bigint);
