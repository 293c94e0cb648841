-- Half a year later.
alter type sales.order_status add value if not exists 'returned' after 'shipped';
alter type stock.movement_kind add value 'return';

alter table catalogue.brands add column country_code varchar(2) references public.countries (code);
alter table catalogue.products
  add column rating numeric(3, 2),
  add column review_count integer not null default 0;
alter table catalogue.categories
  add column search_text text generated always as (lower(name || ' ' || coalesce(slug, ''))) stored;
alter table crm.customers add column marketing_name text;
update crm.customers set marketing_name = initcap(full_name);
alter table crm.customers alter column marketing_name set not null;
alter table crm.customers alter column locale set default 'de', alter column locale set not null;
alter table crm.customers drop column phone;
alter table sales.orders alter column total type numeric(14, 2);
alter table sales.orders rename column shipping_address to ship_to;
alter table stock.suppliers add column if not exists rating smallint default 3 check (rating between 1 and 5);
alter table stock.suppliers alter column rating type integer using rating::integer;
alter table crm.customer_notes rename to notes;
alter table crm.notes rename constraint customer_notes_pkey to notes_pkey;
alter table sales.payments add constraint payments_known_provider check (provider in ('card', 'paypal', 'invoice'));
alter table stock.levels drop constraint enough_to_reserve;
alter table stock.levels add constraint enough_to_reserve check (reserved between 0 and greatest(quantity, 0));
alter table stock.levels validate constraint enough_to_reserve;
alter table sales.refunds drop constraint refunds_payment_id_fkey,
  add constraint refunds_payment_id_fkey foreign key (payment_id) references sales.payments (id) on delete cascade;

update sales.orders set number = 'S-' || lpad(id::text, 6, '0');
alter table sales.orders alter column number set not null;
create unique index orders_number_key on sales.orders (number);
update catalogue.products set
  review_count = (select count(*) from sales.reviews r where r.product_id = products.id and not r.is_hidden),
  rating = (select round(avg(r.stars), 2) from sales.reviews r where r.product_id = products.id and not r.is_hidden)
where id in (select r.product_id from sales.reviews r where not r.is_hidden);

create or replace view catalogue.published_products as
  select p.id, p.title, p.slug, p.description, b.name as brand, c.name as category, p.published_at, p.rating
  from catalogue.products p
  join catalogue.categories c on c.id = p.category_id
  left join catalogue.brands b on b.id = p.brand_id
  where p.is_published and p.published_at <= now();

create view sales.revenue_by_month as
  select date_trunc('month', o.placed_at) as month, o.currency_code, sum(o.total) as revenue, count(*) as orders
  from sales.orders o
  where o.status not in ('draft', 'cancelled') and o.placed_at is not null
  group by 1, 2;

create view sales.customer_orders as
  select o.id, o.number, o.status, o.total,
    case when o.total >= 50 then 'large' when o.total > 0 then 'small' else 'empty' end as size,
    (select count(*) from sales.order_lines l where l.order_id = o.id) as lines
  from sales.orders o
  where o.customer_id = auth.uid();
grant select on sales.customer_orders to authenticated;
grant select on catalogue.shop_window to anon;

create table sales.gift_cards (
  code text primary key default upper(substr(md5(gen_random_uuid()::text), 1, 12)),
  balance public.money_amount,
  bought_by uuid references crm.customers (id)
);
insert into sales.gift_cards values ('GIFT-1', 25, '00000000-0000-4000-8000-0000000000a2');

create function sales.orders_of(customer uuid, at_least numeric default 0) returns setof sales.orders
language sql stable as $$
  select * from sales.orders where customer_id = customer and total >= at_least order by id
$$;
create function sales.best_customers(how_many integer default 3)
returns table (customer_id uuid, full_name text, spent numeric)
language sql stable as $$
  select c.id, c.full_name, sum(o.total)
  from crm.customers c join sales.orders o on o.customer_id = c.id
  group by c.id, c.full_name
  order by 3 desc, 2
  limit how_many
$$;
create function sales.put_in_cart(cart uuid, variant uuid, pieces integer default 1) returns sales.cart_lines
language sql volatile as $$
  update sales.cart_lines set quantity = quantity + pieces where cart_id = cart and variant_id = variant;
  insert into sales.cart_lines (cart_id, variant_id, quantity) values (cart, variant, pieces) on conflict (cart_id, variant_id) do nothing;
  select * from sales.cart_lines where cart_id = cart and variant_id = variant
$$;
create function public.net(gross numeric, rate numeric) returns numeric language sql immutable strict
  return round(gross / (1 + rate), 2);

comment on function public.net(numeric, numeric) is 'The price without tax';
comment on view sales.revenue_by_month is 'For the dashboard';
