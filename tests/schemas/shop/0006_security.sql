create role shop_clerk nologin;
create role shop_manager nologin;
grant shop_clerk to shop_manager;
grant shop_clerk, shop_manager to authenticator;

grant usage on schema public, catalogue, crm, stock, sales to anon, authenticated, service_role, shop_clerk;
grant all on all tables in schema public, catalogue, crm, stock, sales to service_role;
grant usage, select on all sequences in schema public, catalogue, crm, stock, sales to service_role, authenticated;
alter default privileges in schema sales grant all on tables to service_role;
alter default privileges in schema crm, stock grant select, insert, update, delete on tables to service_role;
alter default privileges in schema catalogue grant select on tables to anon, authenticated;

grant select on public.currencies, public.countries to anon, authenticated;
grant select on all tables in schema catalogue to anon, authenticated;
revoke select on catalogue.cheapest_variants from anon;
grant insert, update, delete on catalogue.products, catalogue.variants to shop_clerk;
grant select, insert, update on crm.customers to authenticated;
revoke update on crm.customers from authenticated;
grant update (full_name, phone, birthday, locale) on crm.customers to authenticated;
grant select, insert, update, delete on crm.addresses, crm.consents to authenticated;
grant select on crm.loyalty_entries, stock.availability to authenticated;
grant select, insert, update, delete on sales.carts, sales.cart_lines to authenticated;
grant select on sales.orders, sales.order_lines, sales.payments, sales.shipments to authenticated;
grant select (id, order_id, new_status, happened_at) on sales.order_events to authenticated;
grant select, insert, update, delete on sales.reviews to authenticated;
grant select (id, product_id, stars, body, created_at) on sales.reviews to anon;

create function public.is_staff() returns boolean language sql stable as $$
  select coalesce(auth.jwt() -> 'app_metadata' ->> 'role', '') in ('clerk', 'manager')
$$;

create function sales.owns_order(wanted bigint) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (select 1 from sales.orders o where o.id = wanted and o.customer_id = auth.uid())
$$;
revoke execute on function sales.owns_order(bigint) from public;
grant execute on function sales.owns_order(bigint) to authenticated, service_role;

alter table catalogue.products enable row level security;
alter table crm.customers enable row level security;
alter table crm.addresses enable row level security;
alter table crm.consents enable row level security;
alter table crm.loyalty_entries enable row level security;
alter table sales.carts enable row level security;
alter table sales.cart_lines enable row level security;
alter table sales.orders enable row level security;
alter table sales.order_lines enable row level security;
alter table sales.payments enable row level security;
alter table sales.shipments enable row level security;
alter table sales.order_events enable row level security;
alter table sales.reviews enable row level security;
alter table sales.orders force row level security;

create policy "Published products are visible" on catalogue.products for select using (is_published);
create policy "Staff see all products" on catalogue.products for select to authenticated using (public.is_staff());
create policy "Clerks keep products" on catalogue.products for all to shop_clerk using (true) with check (true);

create policy own_customer on crm.customers for select to authenticated using ((select auth.uid()) = id);
create policy own_customer_change on crm.customers for update to authenticated
  using ((select auth.uid()) = id) with check ((select auth.uid()) = id);
create policy sign_up on crm.customers for insert to authenticated with check (id = auth.uid() and email = (auth.jwt() ->> 'email'));
create policy own_addresses on crm.addresses to authenticated using (customer_id = (select auth.uid()));
create policy own_consents on crm.consents to authenticated using (customer_id = auth.uid());
create policy own_points on crm.loyalty_entries for select to authenticated using (auth.uid() = customer_id or public.is_staff());

create policy own_carts on sales.carts to authenticated using (customer_id = (select auth.uid()));
create policy own_cart_lines on sales.cart_lines to authenticated
  using (exists (select 1 from sales.carts c where c.id = cart_id and c.customer_id = (select auth.uid())));
create policy own_orders on sales.orders for select to authenticated using (customer_id = auth.uid());
create policy staff_orders on sales.orders for select to authenticated using (public.is_staff());
create policy no_drafts_for_customers on sales.orders as restrictive for select to authenticated
  using (status <> 'draft' or public.is_staff());
create policy own_order_lines on sales.order_lines for select to authenticated using (sales.owns_order(order_id));
create policy own_payments on sales.payments for select to authenticated
  using (order_id in (select id from sales.orders where customer_id = auth.uid()));
create policy own_shipments on sales.shipments for select to authenticated using (sales.owns_order(order_id));
create policy own_events on sales.order_events for select to authenticated using (sales.owns_order(order_id));
create policy visible_reviews on sales.reviews for select using (not is_hidden);
create policy own_reviews on sales.reviews for all to authenticated
  using (customer_id = auth.uid()) with check (customer_id = auth.uid() and stars > 0);
