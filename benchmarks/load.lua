-- wrk's script: each request is a purchase of its own, made from the templates in a file, one a line.
-- Arguments: the file of templates, the key, and a number that no other run has.

local templates, count, run, head = {}, 0, 0, {}

function init(arguments)
  for line in io.lines(arguments[1]) do
    local parts = {}
    for part in (line .. "\1"):gmatch("([^\1]*)\1") do
      parts[#parts + 1] = part
    end
    templates[#templates + 1] = parts
  end
  head = { ["Authorization"] = arguments[2], ["Content-Type"] = "application/json" }
  run = tonumber(arguments[3])
  math.randomseed(run)
end

-- A template names the payment and the wallet where these bytes stand.
local function fill(parts)
  local named = {
    ["\2"] = string.format("%08x-0000-4000-8000-%012x", run, count),
    ["\3"] = string.format("player-%d", math.random(100000)),
  }
  local filled = {}
  for place, part in ipairs(parts) do
    filled[place] = named[part] or part
  end
  return table.concat(filled)
end

function request()
  count = count + 1
  return wrk.format("POST", nil, head, fill(templates[count % #templates + 1]))
end

function done(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("FIGURES %d %d %d %d %.3f %.3f %.3f\n", summary.requests, errors.status, broken,
    summary.duration, latency:percentile(50), latency:percentile(99), latency.max))
end
