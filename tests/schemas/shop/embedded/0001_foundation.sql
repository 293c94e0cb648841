-- One schema per module of the shop; what several modules need is in public.
create extension if not exists pgcrypto;
create extension if not exists moddatetime;

create schema if not exists catalogue;
create schema if not exists crm;
create schema if not exists stock;
create schema if not exists sales;
comment on schema catalogue is 'What can be bought';
comment on schema sales is 'Carts, orders and money';

create domain public.email_address as text check (value ~ '^[^@\s]+@[^@\s]+\.[^@\s]+$');
create domain public.money_amount as numeric(12, 2) not null default 0 check (value >= 0);
create domain public.sku as varchar(32) check (value ~ '^[A-Z0-9-]+$');

create type public.weekday as enum ('monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday');
create type sales.order_status as enum ('draft', 'placed', 'paid', 'shipped', 'cancelled');
create type stock.movement_kind as enum ('receipt', 'sale', 'correction');

create table public.currencies (
  code varchar(3) primary key check (code = upper(code)),
  name text not null,
  minor_digits smallint not null default 2 check (minor_digits between 0 and 4)
);

create table public.countries (
  code varchar(2) primary key,
  name text not null unique,
  currency_code varchar(3) not null references public.currencies (code),
  is_shippable boolean not null default true
);

create table public.settings (
  key text primary key,
  value jsonb not null default '{}'::jsonb,
  updated_at timestamptz not null default now()
);

create function public.touch_updated_at() returns trigger
language plpgsql
as $$
begin
  new.updated_at = now();
  return new;
end;
$$;

create trigger settings_touched before update on public.settings
  for each row execute function public.touch_updated_at();

create function public.slugify(title text) returns text
language sql immutable strict
as $$
  select trim(both '-' from regexp_replace(lower(title), '[^a-z0-9]+', '-', 'g'))
$$;
