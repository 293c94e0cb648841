-- The load: which requests wrk sends. BENCH_SERVER is `pando`, `handwritten`, `roles` or `json`, BENCH_CASE one of the cases below,
-- BENCH_ROWS the number of climbs. The result is printed as one line of JSON.
local server = os.getenv("BENCH_SERVER")
local case = os.getenv("BENCH_CASE")
local rows = tonumber(os.getenv("BENCH_ROWS"))

local embeds = "select=id,name,sent,route(id,name,grade),comments(id,body,stars)"
local paths = {
  pando = {
    point = function(id) return "/climbs?id=eq." .. id end,
    list30 = function(id) return "/climbs?id=gt." .. id .. "&order=id&limit=30" end,
    list500 = function(id) return "/climbs?id=gt." .. id .. "&order=id&limit=500" end,
    embeds = function(id) return "/climbs?" .. embeds .. "&id=gt." .. id .. "&order=id&limit=30" end,
  },
  handwritten = {
    point = function(id) return "/climbs/" .. id end,
    list30 = function(id) return "/climbs?after=" .. id .. "&limit=30" end,
    list500 = function(id) return "/climbs?after=" .. id .. "&limit=500" end,
    embeds = function(id) return "/climbs-with-all?after=" .. id .. "&limit=30" end,
  },
}

local headers = {
  ["Content-Type"] = "application/json",
  ["Prefer"] = server == "pando" and "return=minimal" or nil,
}

-- The same server's other ways.
for server, prefix in pairs({ json = "/json", roles = "/as" }) do
  paths[server] = {}
  for name, path in pairs(paths.handwritten) do
    paths[server][name] = function(id) return prefix .. path(id) end
  end
end

function request()
  if case == "insert" then
    local body = '{"name":"Roof and Slab ' .. math.random(rows) .. '","route_id":' .. math.random(1000)
      .. ',"sent":true,"attempts":' .. math.random(9) .. ',"note":"held the Crimp"}'
    return wrk.format("POST", "/climbs", headers, body)
  end
  return wrk.format("GET", paths[server][case](math.random(rows - 600)))
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"longest":%d,"bytes":%d,"failed":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
