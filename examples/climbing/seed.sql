-- First rows, so that there is something to look at. Runs once, on a new database.

insert into setter (name, bio, since) values
  ('Ana Duarte', 'Likes slabs and small feet', '2017-03-01'),
  ('Ben Okafor', 'Long moves on big holds', '2019-09-15'),
  ('Chiara Rossi', null, '2021-01-10'),
  ('Davit Beridze', 'Former route setter of the national team', '2015-05-20');

insert into route (name, grade, colour, wall, metres, set_on, retired, setter_id) values
  ('Morning Coffee', '4a', 'yellow', 'Slab', 9.5, '2026-03-02', false, 1),
  ('Paper Feet', '5b', 'blue', 'Slab', 9.5, '2026-03-02', false, 1),
  ('Glass Ladder', '6a+', 'white', 'Slab', 9.5, '2026-05-11', false, 1),
  ('Swing State', '5c', 'red', 'Overhang', 12.0, '2026-04-07', false, 2),
  ('Gorilla Tax', '6c', 'black', 'Overhang', 12.0, '2026-04-07', false, 2),
  ('Dead Point Society', '7a', 'green', 'Overhang', 12.0, '2026-06-23', false, 2),
  ('Quiet Crux', '6b', 'purple', 'Arete', 11.0, '2026-02-16', false, 3),
  ('Left of Centre', '5a', 'orange', 'Arete', 11.0, '2026-02-16', false, 3),
  ('Sharp Practice', '7b+', 'grey', 'Arete', 11.0, '2026-07-01', false, 3),
  ('Grandmaster', '8a', 'black', 'Roof', 14.5, '2026-01-19', false, 4),
  ('Bat Hang', '6c+', 'pink', 'Roof', 14.5, '2026-06-02', false, 4),
  ('Endless Summer', '7a+', 'yellow', 'Roof', 14.5, '2026-06-02', false, 4),
  ('Old Friend', '6a', 'green', 'Slab', 9.5, '2025-08-14', true, 4),
  ('Rainy Day', '4c', 'white', 'Overhang', 12.0, '2025-11-03', true, 2);

-- Three climbers: Mina (1111…), Leo (2222…) and Kofi (3333…).
insert into climbs (name, route_id, climber, sent, attempts, climbed_at, details) values
  ('Warm-up', 1, '11111111-1111-4111-8111-111111111111', true, 1, '2026-07-06 16:00:00+00', '{}'),
  ('Second go', 2, '11111111-1111-4111-8111-111111111111', true, 2, '2026-07-06 17:07:00+00', '{"shoes": "velcro"}'),
  ('Lunch break', 4, '11111111-1111-4111-8111-111111111111', true, 1, '2026-07-07 18:14:00+00', '{"shoes": "lace"}'),
  ('After work', 5, '11111111-1111-4111-8111-111111111111', false, 4, '2026-07-07 19:21:00+00', '{"shoes": "slippers"}'),
  ('Project day', 1, '22222222-2222-4222-8222-222222222222', true, 1, '2026-07-08 20:28:00+00', '{}'),
  ('With the kids', 8, '22222222-2222-4222-8222-222222222222', true, 1, '2026-07-08 16:35:00+00', '{"shoes": "lace"}'),
  ('Comp training', 7, '22222222-2222-4222-8222-222222222222', true, 3, '2026-07-09 17:42:00+00', '{"shoes": "slippers"}'),
  ('Last one', 6, '22222222-2222-4222-8222-222222222222', false, 7, '2026-07-09 18:49:00+00', '{"shoes": "velcro", "falls_at": "the lip"}'),
  ('Warm-up', 10, '33333333-3333-4333-8333-333333333333', false, 12, '2026-07-10 19:56:00+00', '{"falls_at": "the last move"}'),
  ('Second go', 12, '33333333-3333-4333-8333-333333333333', true, 2, '2026-07-10 20:03:00+00', '{"shoes": "slippers"}'),
  ('Lunch break', 9, '33333333-3333-4333-8333-333333333333', true, 5, '2026-07-11 16:10:00+00', '{"shoes": "velcro"}'),
  ('After work', 6, '33333333-3333-4333-8333-333333333333', true, 1, '2026-07-11 17:17:00+00', '{"shoes": "lace"}'),
  ('Project day', 7, '11111111-1111-4111-8111-111111111111', true, 2, '2026-07-12 18:24:00+00', '{}'),
  ('With the kids', 5, '11111111-1111-4111-8111-111111111111', false, 3, '2026-07-12 19:31:00+00', '{"shoes": "velcro"}'),
  ('Comp training', 3, '22222222-2222-4222-8222-222222222222', true, 2, '2026-07-13 20:38:00+00', '{"shoes": "lace"}'),
  ('Last one', 6, '22222222-2222-4222-8222-222222222222', false, 5, '2026-07-13 16:45:00+00', '{"shoes": "slippers"}'),
  ('Warm-up', 11, '33333333-3333-4333-8333-333333333333', true, 1, '2026-07-14 17:52:00+00', '{}'),
  ('Second go', 10, '33333333-3333-4333-8333-333333333333', false, 9, '2026-07-14 18:59:00+00', '{"shoes": "lace", "falls_at": "the last move"}'),
  ('Lunch break', 5, '11111111-1111-4111-8111-111111111111', true, 2, '2026-07-15 19:06:00+00', '{"shoes": "slippers"}'),
  ('After work', 3, '11111111-1111-4111-8111-111111111111', true, 1, '2026-07-15 20:13:00+00', '{"shoes": "velcro"}'),
  ('Project day', 13, '22222222-2222-4222-8222-222222222222', true, 1, '2026-07-16 16:20:00+00', '{}'),
  ('With the kids', 14, '22222222-2222-4222-8222-222222222222', true, 1, '2026-07-16 17:27:00+00', '{"shoes": "slippers"}'),
  ('Comp training', 9, '33333333-3333-4333-8333-333333333333', true, 1, '2026-07-17 18:34:00+00', '{"shoes": "velcro"}'),
  ('Last one', 11, '11111111-1111-4111-8111-111111111111', false, 6, '2026-07-17 19:41:00+00', '{"shoes": "lace", "falls_at": "the last move"}'),
  ('Warm-up', 6, '22222222-2222-4222-8222-222222222222', true, 3, '2026-07-18 20:48:00+00', '{}'),
  ('Second go', 8, '11111111-1111-4111-8111-111111111111', true, 1, '2026-07-18 16:55:00+00', '{"shoes": "velcro"}'),
  ('Lunch break', 10, '33333333-3333-4333-8333-333333333333', false, 8, '2026-07-19 17:02:00+00', '{"shoes": "lace", "falls_at": "the last move"}'),
  ('After work', 2, '22222222-2222-4222-8222-222222222222', true, 1, '2026-07-19 18:09:00+00', '{"shoes": "slippers"}'),
  ('Project day', 6, '11111111-1111-4111-8111-111111111111', false, 4, '2026-07-20 19:16:00+00', '{}'),
  ('With the kids', 12, '33333333-3333-4333-8333-333333333333', true, 1, '2026-07-20 20:23:00+00', '{"shoes": "lace"}');
