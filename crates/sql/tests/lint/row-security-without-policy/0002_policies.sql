create policy everybody on c using (true);
