-- A total until a moment: see crates/cache/src/tally.rs.
-- KEYS: the total. ARGV: how much to add, the bound, the least that it is, what was counted elsewhere and is added whether it
-- fits or not, and how long it is still of use, in ms. Gives 1 or 0 (whether it fitted), and the total afterwards.
local total = tonumber(redis.call('GET', KEYS[1]) or 0)
local amount, bound, least, owed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local after = math.max(total + owed, least)
local fits = after + amount <= bound
if fits then after = after + amount end
if after ~= total then
  redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', ARGV[5])
end
return { fits and 1 or 0, after }
