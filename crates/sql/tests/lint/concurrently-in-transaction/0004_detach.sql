alter table climbs detach partition old concurrently;
