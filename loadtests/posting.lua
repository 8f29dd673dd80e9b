-- POSTs one body over and over for wrk, each time as another principal, and keeps what was answered.
--
--   wrk ... -s posting.lua URL -- BODY_FILE TOKEN_FILE ANSWER_FILE RUN
--
-- BODY_FILE holds the JSON to send. TOKEN_FILE holds bearer tokens, one a line, each used once; when they are used up, time
-- stops counting with the last answer. "-" sends none. ANSWER_FILE gets the id of every booking that an answer calls confirmed; "-" keeps none.
-- RUN makes the request keys of this run its own. One thread only (-t 1): the counts are kept in it.

local ffi = require("ffi")
ffi.cdef [[
   typedef struct { long sec; long usec; } posting_time;
   int gettimeofday(posting_time *now, void *zone);
]]

local me

local function now_s()
   local now = ffi.new("posting_time")
   ffi.C.gettimeofday(now, nil)
   return tonumber(now.sec) + tonumber(now.usec) / 1e6
end

function setup(thread)
   me = thread
end

function init(args)
   sent, created, refused, failed, other = 0, 0, 0, 0, 0
   wrk.method = "POST"
   wrk.body = assert(io.open(args[1], "r")):read("*a")
   wrk.headers["Content-Type"] = "application/json"
   tokens = args[2] ~= "-" and io.lines(args[2]) or nil
   answers = args[3] ~= "-" and assert(io.open(args[3], "w")) or nil
   if answers then answers:setvbuf("line") end
   run = args[4]
   began_s, used_up_after_s = nil, 0
   plain = wrk.format()
end

function request()
   if not asked then -- the first call only shows wrk what requests look like; it is not sent
      asked = true
      return plain
   end
   began_s = began_s or now_s()
   if not tokens then
      sent = sent + 1
      return plain
   end
   local token = not used_up and tokens() or nil
   if not token then
      used_up = true -- wrk wants to send something until the last answers are there
      return "GET /healthz HTTP/1.1\r\nHost: " .. wrk.host .. "\r\n\r\n"
   end
   sent = sent + 1
   wrk.headers["Authorization"] = "Bearer " .. token
   wrk.headers["Idempotency-Key"] = run .. "-" .. sent
   return wrk.format()
end

function response(status, headers, body)
   if status == 201 then
      created = created + 1
      if answers and body:find('"state": ?"confirmed"') then
         answers:write(body:match('"id": ?(%d+)'), "\n")
      end
   elseif status == 409 then
      refused = refused + 1
   elseif status >= 500 then
      failed = failed + 1
   elseif status ~= 200 then
      other = other + 1
   end
   if used_up and used_up_after_s == 0 and created + refused + failed + other == sent then
      used_up_after_s = now_s() - began_s
      wrk.thread:stop()
   end
end

function done(summary, latency)
   local socket = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
   local used_up_s = me:get("used_up_after_s")
   print(string.format(
      '{"seconds": %.6f, "sent": %d, "created": %d, "refused": %d, "failed": %d, "other": %d, "socket_errors": %d, '
         .. '"p50_ms": %.3f, "p95_ms": %.3f, "p99_ms": %.3f}',
      used_up_s > 0 and used_up_s or summary.duration / 1e6, me:get("sent"), me:get("created"), me:get("refused"), me:get("failed"), me:get("other"),
      socket, latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3
   ))
end
