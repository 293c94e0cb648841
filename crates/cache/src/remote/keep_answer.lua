-- An answer, unless one is kept whose moment is the same or later: see crates/cache/src/responses/sealed.rs.
-- KEYS: the answer. ARGV: the answer, whose first 20 digits are its moment; for how many ms it is of use; and since when, in µs, or nothing for
-- from now on. Gives 1 or 0 (whether it is kept).
local known = redis.pcall('GETRANGE', KEYS[1], 0, 19)
if type(known) == 'string' and string.match(known, '^%d+$') and #known == 20 and known >= string.sub(ARGV[1], 1, 20) then return 0 end
local lifetime = tonumber(ARGV[2])
if ARGV[3] ~= '' then
  local time = redis.call('TIME')
  local age = time[1] * 1000000 + time[2] - tonumber(ARGV[3])
  if age < 0 then return 0 end
  lifetime = lifetime - math.ceil(age / 1000)
end
if lifetime < 1 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', string.format('%.0f', lifetime))
return 1
