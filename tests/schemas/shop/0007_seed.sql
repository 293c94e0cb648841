insert into public.currencies (code, name, minor_digits) values ('EUR', 'Euro', 2), ('USD', 'US dollar', 2), ('JPY', 'Yen', 0);
insert into public.countries (code, name, currency_code) values ('DE', 'Germany', 'EUR'), ('FR', 'France', 'EUR'), ('US', 'United States', 'USD');
insert into public.countries values ('JP', 'Japan', 'JPY', false);
insert into public.settings (key, value) values ('free_shipping', '{"from": 50.00, "countries": ["DE", "FR"]}'), ('banner', '"Welcome"');

insert into catalogue.brands (id, name, slug, created_at) values
  (1, 'Nordlicht', 'nordlicht', '2023-01-01'), (2, 'O''Hara & Sons', 'ohara', '2023-02-01 10:00+02');
insert into catalogue.categories (id, parent_id, name, slug, position) values
  (1, null, 'Light', 'light', 1), (2, 1, 'Lamps', 'lamps', 1), (3, 1, 'Candles', 'candles', 2), (4, null, 'Textiles', 'textiles', 2);
insert into catalogue.products (id, brand_id, category_id, title, slug, specification, is_published, published_at, created_at, updated_at) values
  ('00000000-0000-4000-8000-000000000001', 1, 2, 'Desk Lamp "Fjord"', '', '{"colour": "black", "watts": 7}', true, '2023-03-01', '2023-02-20', '2023-02-20'),
  ('00000000-0000-4000-8000-000000000002', 2, 3, 'Beeswax candle', '', '{"colour": "yellow"}', true, '2023-03-05 08:30', '2023-02-21', '2023-02-21'),
  ('00000000-0000-4000-8000-000000000003', null, 4, 'Wool blanket', 'blanket', '{}', false, null, '2023-02-22', '2023-02-22');
insert into catalogue.product_images values
  ('00000000-0000-4000-8000-000000000001', 1, 'https://img.example/1.jpg', 'from the front'),
  ('00000000-0000-4000-8000-000000000001', 2, 'https://img.example/2.jpg', default);
insert into catalogue.variants (id, product_id, sku, name, price, weight_grams, is_default) values
  ('00000000-0000-4000-8000-000000000011', '00000000-0000-4000-8000-000000000001', 'LAMP-1', 'Black', 89.9, 1400, true),
  ('00000000-0000-4000-8000-000000000012', '00000000-0000-4000-8000-000000000001', 'LAMP-2', 'White', 94, 1400, false),
  ('00000000-0000-4000-8000-000000000013', '00000000-0000-4000-8000-000000000002', 'CANDLE', 'Standard', 4.5, 200, true),
  ('00000000-0000-4000-8000-000000000014', '00000000-0000-4000-8000-000000000003', 'WOOL-9', default, 120, null, true);
insert into catalogue.attributes (name, unit) values ('Height', 'cm'), ('Burning time', 'h');
insert into catalogue.product_attributes
  select p.id, a.id, '42' from catalogue.products p cross join catalogue.attributes a where a.name = 'Height';
insert into catalogue.tags values ('new'), ('gift');
insert into catalogue.product_tags select id, 'gift' from catalogue.products where is_published;
insert into catalogue.collections (title, starts_on, ends_on) values ('Spring', '2023-03-01', '2023-05-31'), ('Forever', '2020-01-01', null);
insert into catalogue.collection_products (collection_id, product_id, position)
  select 1, id, row_number() over (order by title) from catalogue.products;

insert into crm.customers (id, email, full_name, birthday, created_at, updated_at) values
  ('00000000-0000-4000-8000-0000000000a1', 'Ada@example.org', 'Ada', '1990-05-17', '2023-01-05', '2023-01-05'),
  ('00000000-0000-4000-8000-0000000000a2', 'bo@example.org', 'Bo', null, '2023-01-06', '2023-01-06');
insert into crm.addresses (customer_id, street, city, postcode, country_code, is_default) values
  ('00000000-0000-4000-8000-0000000000a1', 'Elm Street 5', 'Berlin', '10115', 'DE', true),
  ('00000000-0000-4000-8000-0000000000a1', 'Rue Haute 1', 'Lyon', '69001', 'FR', false),
  ('00000000-0000-4000-8000-0000000000a2', 'Main Street 9', 'Boston', '02101', 'US', true);
insert into crm.customer_groups (name, discount_percent) values ('Friends', 7.5), ('Press', 20);
insert into crm.customer_group_members select 1, id, '2023-02-01' from crm.customers;
insert into crm.customer_notes (customer_id, body, created_at)
  select id, 'Hello ' || full_name, created_at + interval '1 day' from crm.customers;
insert into crm.loyalty_entries (customer_id, points, reason, created_at) values
  ('00000000-0000-4000-8000-0000000000a1', 50, 'welcome', '2023-01-05'), ('00000000-0000-4000-8000-0000000000a1', -20, 'spent', '2023-04-05'),
  ('00000000-0000-4000-8000-0000000000a2', 50, 'welcome', '2023-01-06');
insert into crm.consents (customer_id, purpose, given_at) values ('00000000-0000-4000-8000-0000000000a1', 'newsletter', '2023-01-05 12:00+00');

insert into stock.warehouses (id, name, country_code) values (1, 'Hamburg', 'DE'), (2, 'Newark', 'US');
update stock.warehouses set opens = '07:30', closed_on = 'monday' where id = 2;
insert into stock.bins (warehouse_id, code) values (1, 'A-1'), (1, 'A-2'), (2, 'A-1');
insert into stock.movements (variant_id, bin_id, kind, quantity, happened_at)
  select id, 1, 'receipt', 10, '2023-03-01 06:00+00' from catalogue.variants;
insert into stock.movements (variant_id, bin_id, kind, quantity, note, happened_at) values
  ('00000000-0000-4000-8000-000000000013', 2, 'receipt', 5, null, '2023-03-02'),
  ('00000000-0000-4000-8000-000000000013', 1, 'sale', -3, 'order 1', '2023-03-03');
insert into stock.suppliers (name, email, lead_time) values ('Wachs AG', 'post@wachs.example', '2 weeks'), ('Licht', null, default);
insert into stock.purchase_orders (supplier_id, ordered_on, expected_on) values (1, '2023-03-01', '2023-03-15');
insert into stock.purchase_order_lines values (1, 1, '00000000-0000-4000-8000-000000000013', 100, 1.25);

insert into sales.tax_rates values ('DE', '2020-01-01', 0.19), ('FR', '2020-01-01', 0.2);
insert into sales.coupons (code, percent_off, starts_at, max_redemptions) values ('SPRING', 10, '2023-03-01', 2);
insert into sales.carts (id, customer_id, created_at) values
  ('00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-0000000000a1', '2023-04-01'),
  ('00000000-0000-4000-8000-0000000000c2', '00000000-0000-4000-8000-0000000000a2', '2023-04-02');
insert into sales.cart_lines select c.id, v.id, 2 from sales.carts c, catalogue.variants v where v.is_default;
insert into sales.orders (id, customer_id, status, coupon_code, placed_at, created_at, updated_at) values
  (1, '00000000-0000-4000-8000-0000000000a1', 'placed', 'SPRING', '2023-04-03 10:00+00', '2023-04-03', '2023-04-03'),
  (2, '00000000-0000-4000-8000-0000000000a2', 'placed', null, '2023-04-04 11:30+00', '2023-04-04', '2023-04-04'),
  (3, '00000000-0000-4000-8000-0000000000a1', 'draft', null, null, '2023-04-05', '2023-04-05');
insert into sales.order_lines (order_id, line_number, variant_id, title, quantity, unit_price)
  select o.id, 1, v.id, v.name, o.id::integer, v.price from sales.orders o join catalogue.variants v on v.sku = 'CANDLE';
insert into sales.order_lines (order_id, line_number, variant_id, title, quantity, unit_price) values
  (1, 2, '00000000-0000-4000-8000-000000000011', 'Lamp', 1, 89.90);
update sales.orders set status = 'paid' where id = 1;
insert into sales.payments (id, order_id, amount, provider, provider_reference, paid_at) values
  ('00000000-0000-4000-8000-0000000000d1', 1, 94.40, 'card', 'ref-1', '2023-04-03 10:01+00');
insert into sales.refunds (payment_id, amount, reason, created_at) values ('00000000-0000-4000-8000-0000000000d1', 4.50, 'broken', '2023-04-10');
insert into sales.shipments (order_id, warehouse_id, carrier, tracking_code, sent_at) values (1, 1, 'DHL', 'T1', '2023-04-04');
insert into sales.shipment_lines values (1, 1, 1, 1), (1, 1, 2, 1);
insert into sales.coupon_redemptions values ('SPRING', 1, '2023-04-03');
insert into sales.reviews (product_id, customer_id, stars, body, is_hidden, created_at) values
  ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-0000000000a1', 5, 'Bright', false, '2023-05-01'),
  ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-0000000000a2', 1, 'Rude words', true, '2023-05-02');
