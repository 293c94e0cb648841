-- Different members of the last window: a sorted set, by the moment in µs at which each was noted last.
-- KEYS: the set. ARGV: the window in µs, the most members, and the member, or nothing.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window, most = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - window))
if ARGV[3] ~= '' then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[3])
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(window / 1000)))
end
local count = redis.call('ZCARD', KEYS[1])
if count > most then
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, count - most - 1)
  count = most
end
return count
