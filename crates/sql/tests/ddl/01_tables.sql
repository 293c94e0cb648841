-- Every type, key and generated name.
create type mood as enum ('sad', 'ok', 'happy');
create schema if not exists shop;
create type shop."Size" as enum ('S', 'M');

create table everything (
  id          bigserial primary key,
  "Name"      text not null default 'it''s',
  code        varchar(8) unique,
  small       smallint default -1,
  medium      int default 1 + 2 * 3,
  large       bigint default 9007199254740993,
  yes         boolean not null default true,
  exact       numeric(12,2) default 1.5,
  any_exact   numeric default '123456789012345678901234567890.5',
  single      real default 0.1,
  twice       double precision default 1e10,
  key         uuid default gen_random_uuid(),
  day         date default current_date,
  fixed_day   date default '2024-02-29',
  at_noon     time default '12:00',
  local       timestamp default timezone('utc', now()),
  moment      timestamptz not null default now(),
  moment2     timestamp with time zone default current_timestamp,
  raw         json default '{"b":1}',
  doc         jsonb not null default '{"b":1,"a":[1, 2]}'::jsonb,
  bytes       bytea default '\x00ff',
  feeling     mood not null default 'ok'::mood,
  size        shop."Size",
  owner       uuid default auth.uid(),
  claim       text default auth.claim('team'),
  unlimited   character varying,
  short       varchar(3) default upper('abc')
);

create table if not exists everything (id int);

create table shop.goods (
  sku     text,
  lang    text default 'en' not null,
  price   numeric(10,2) check (price >= 0) check (price < 1000000),
  stock   integer not null default 0,
  worth   numeric generated always as (price * stock) stored,
  label   text generated always as (sku || '/' || lang) stored,
  size    shop."Size" default 'S',
  check (price > 1 or stock > 1),
  constraint named_check check (length(sku) between 1 and 20),
  primary key (sku, lang),
  unique (lang, price)
);

create table shop.orders (
  id        integer primary key,
  parent    integer references shop.orders on delete cascade,
  sku       text not null,
  lang      text not null,
  state     text not null default 'new' check (state in ('new', 'paid', 'sent')),
  status    text check (status = any (array['a'::text, 'b'])),
  who       bigint constraint who_fk references everything (id) on delete set null on update cascade,
  constraint fk_goods foreign key (sku, lang) references shop.goods on delete restrict,
  foreign key (lang, sku) references shop.goods (lang, sku) on update no action
);

create table dated (day date primary key, note text);
create table numbered (id bigint generated always as identity (start with 100) primary key);
create table letters (a text, b text, unique (a), unique (a, b), constraint u unique (b));

create index on shop.orders (sku, lang);
create unique index orders_parent_uidx on shop.orders (parent);
create index lower_idx on everything (lower("Name"), exact desc);
create index paid_idx on shop.orders (id) where state = 'paid';
create index if not exists paid_idx on shop.orders (id);
create index doc_idx on everything ((doc ->> 'kind'));

comment on table everything is 'One of each';
comment on column everything."Name" is 'A name';
comment on column shop.goods.sku is 'Stock keeping unit';
comment on schema shop is 'The shop';
comment on type mood is 'ignored';
