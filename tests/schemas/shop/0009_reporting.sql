-- What the reporting team asked for.
create materialized view sales.daily_totals as
  select placed_at::date as day, sum(total) as total from sales.orders where placed_at is not null group by 1;
create unique index daily_totals_day on sales.daily_totals (day);
grant select on sales.daily_totals to service_role;

alter table catalogue.products add column labels text[] not null default '{}';
create index products_labels_idx on catalogue.products using gin (labels);

create sequence sales.invoice_numbers start with 1000;
alter table sales.orders add column invoice_number bigint;
update sales.orders set invoice_number = nextval('sales.invoice_numbers') where status = 'paid';

do $$
begin
  if not exists (select 1 from pg_roles where rolname = 'reporting') then
    create role reporting nologin;
  end if;
end
$$;
grant select on all tables in schema sales to reporting;

drop policy own_consents on crm.consents;
create policy own_consents on crm.consents for select to authenticated using (customer_id = auth.uid());
alter policy visible_reviews on sales.reviews using (not is_hidden and stars > 0);
drop view catalogue.shop_window;
create view catalogue.shop_window as
  select p.id, p.title, p.brand, p.rating, v.price from catalogue.published_products p
  join catalogue.cheapest_variants v on v.product_id = p.id order by p.title;
grant select on catalogue.shop_window to anon, authenticated, service_role;
