-- Charges: see crates/cache/src/rate.rs, which says the same. Time is the server's, in µs, so that nodes need not agree on theirs.
-- KEYS: one a charge. ARGV: the mode, then of each charge its increment and its tolerance.
-- Gives 1 or 0 (whether all fit), then the debt of each before.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local mode = ARGV[1]
local answer, debts, fits = {}, {}, true
for i = 1, #KEYS do
  local moment = tonumber(redis.call('GET', KEYS[i]) or 0)
  debts[i] = math.max(moment - now, 0)
  fits = fits and debts[i] + ARGV[2 * i] <= tonumber(ARGV[2 * i + 1])
  answer[i + 1] = debts[i]
end
answer[1] = fits and 1 or 0
if mode == 'peek' or (mode == 'charge' and not fits) then return answer end
for i = 1, #KEYS do
  local increment, tolerance = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local debt = debts[i] + increment
  if mode == 'record' then debt = math.max(math.min(debt, 2 * tolerance), debts[i]) end
  if mode == 'refund' then debt = debts[i] - increment end
  if debt > 0 then
    redis.call('SET', KEYS[i], string.format('%.0f', now + debt), 'PX', string.format('%.0f', math.ceil(debt / 1000)))
  else
    redis.call('DEL', KEYS[i])
  end
end
return answer
