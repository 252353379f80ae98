-- Sends each request of a file once, and says when all are answered; for `wrk`, with one thread.

local requests, answered = {}, 0
local sent = -1 -- wrk asks for a request that it only looks at
local never_ms = 3600000

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for length in function() return file:read(8) end do
    requests[#requests + 1] = file:read(tonumber(length))
  end
  file:close()
end

function request()
  sent = sent + 1
  return requests[math.max(sent, 1)]
end

-- A connection for which nothing is left waits until the end.
function delay()
  return sent < #requests and 0 or never_ms
end

function response()
  answered = answered + 1
  if answered == #requests then
    wrk.thread:stop()
    print("all answered")
    io.stdout:flush()
  end
end

function done(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  print(string.format("answered %d in %d us, %d failed", summary.requests, summary.duration, failed))
end
