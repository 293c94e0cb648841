-- The load: what wrk sends. BENCH_REQUESTS is a file that returns a list of requests, each with the share of the load that it is;
-- BENCH_ROWS the number of climbs. In paths and bodies the words of `numbers` in braces become another number each time. The result is
-- printed as one line of JSON.
local requests = dofile(os.getenv("BENCH_REQUESTS"))
local rows = tonumber(os.getenv("BENCH_ROWS"))

local numbers = {
  -- A climb that has 500 after it, all equally often.
  id = function() return math.random(rows - 600) end,
  -- The same as PocketBase's ids are written.
  long_id = function() return string.format("%015d", math.random(rows - 600)) end,
  long_route = function() return string.format("%015d", math.random(1000)) end,
  -- One of a thousand climbs, the first far more often than the last: 1 is asked for as often as 500 to 999.
  hot = function() return math.floor(1000 ^ math.random()) end,
  route = function() return math.random(1000) end,
  attempts = function() return math.random(9) end,
  million = function() return math.random(1000000) end,
}

-- A text in pieces: what stands there, and what makes numbers.
local function pieces(text)
  local found, from = {}, 1
  for start, name, after in text:gmatch("(){([%l_]+)}()") do
    if numbers[name] then
      table.insert(found, text:sub(from, start - 1))
      table.insert(found, numbers[name])
      from = after
    end
  end
  table.insert(found, text:sub(from))
  return found
end

local function fill(parts)
  if #parts == 1 then return parts[1] end
  local out = {}
  for place, part in ipairs(parts) do out[place] = type(part) == "function" and part() or part end
  return table.concat(out)
end

-- What makes the bytes of a request. Without a body all but the numbers is made once.
local function maker(request)
  if not request.body then
    local parts = pieces(wrk.format(request.method, request.path, request.headers))
    return function() return fill(parts) end
  end
  local path, body = pieces(request.path), pieces(request.body)
  return function() return wrk.format(request.method, fill(path), request.headers, fill(body)) end
end

local first = requests[1]
if #requests == 1 and #pieces(first.path) == 1 and not first.body then
  -- Always the same bytes: wrk sends them without asking.
  wrk.method, wrk.path, wrk.headers = first.method, first.path, first.headers
else
  local makers = {}
  function init()
    math.randomseed(os.time())
    for place, request in ipairs(requests) do makers[place] = maker(request) end
  end
  function request()
    local chosen, left = #requests, math.random()
    for place, request in ipairs(requests) do
      left = left - request.share
      if left < 0 then
        chosen = place
        break
      end
    end
    return makers[chosen]()
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"p999":%d,"longest":%d,"bytes":%d,"failed":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max,
    summary.bytes, errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
