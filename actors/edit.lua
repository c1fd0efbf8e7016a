-- One change of what is configured: judged whole, then written whole.
--
-- KEYS  1 catalogue  2 its revision  3 documents  4 audit  5 idempotency key  6 enrolment book
--       (the last two are named if unused too)
-- ARGV  1 plan  2 idempotency ms  3 audit entries  4 fingerprint  then blobs, named by their index
-- plan  1 revision or false  2 catalogue fields {name, blob}  3 documents {name, expected, blob}
--       4 audit blobs  5 blob of the answer  6 message for the catalogue's channel or false
--       7 message for the players' channel or false  8 fields of the book {name, before, after}
--       9 message for the enrolment channel or false.  A blob of 0 is nothing: not there.
--
-- Answers one letter and what it is about: A, K, D<first answer>, S<name of what is stale>.

local call, sub, find = redis.call, string.sub, string.find
local plan = cjson.decode(ARGV[1])

if plan[5] > 0 then
  local stored = call('GET', KEYS[5])
  if stored then
    local colon = find(stored, ':', 1, true)
    local length = tonumber(sub(stored, 1, colon - 1))
    if sub(stored, colon + 1, colon + length) ~= ARGV[4] then
      return 'K'
    end
    return 'D' .. sub(stored, colon + length + 1)
  end
end
if plan[1] and (call('GET', KEYS[2]) or '0') ~= tostring(plan[1]) then
  return 'Scatalogue'
end
for _, write in ipairs(plan[3]) do
  local stored = call('HGET', KEYS[3], write[1])
  local version = stored and tonumber(sub(stored, 1, find(stored, ':', 1, true) - 1)) or 0
  if version ~= write[2] then
    return 'S' .. write[1]
  end
end
for _, field in ipairs(plan[8]) do
  local before = field[2] > 0 and ARGV[field[2]] or false
  if call('HGET', KEYS[6], field[1]) ~= before then
    return 'Senrolment'
  end
end
-- A key of another type is found here, before anything is written.
call('HLEN', KEYS[1])
call('XLEN', KEYS[4])

for _, field in ipairs(plan[2]) do
  if field[2] == 0 then
    call('HDEL', KEYS[1], field[1])
  else
    call('HSET', KEYS[1], field[1], ARGV[field[2]])
  end
end
if #plan[2] > 0 then call('INCR', KEYS[2]) end
for _, write in ipairs(plan[3]) do
  if write[3] == 0 then
    call('HDEL', KEYS[3], write[1])
  else
    call('HSET', KEYS[3], write[1], (write[2] + 1) .. ':' .. ARGV[write[3]])
  end
end
for _, field in ipairs(plan[8]) do
  if field[3] == 0 then
    call('HDEL', KEYS[6], field[1])
  else
    call('HSET', KEYS[6], field[1], ARGV[field[3]])
  end
end
for _, blob in ipairs(plan[4]) do
  call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[3], '*', 'a', ARGV[blob])
end
if plan[5] > 0 then call('SET', KEYS[5], ARGV[plan[5]], 'PX', ARGV[2]) end
if plan[6] then call('PUBLISH', 'clubctl:catalogue', plan[6]) end
if plan[7] then call('PUBLISH', 'clubctl:players', plan[7]) end
if plan[9] then call('PUBLISH', 'clubctl:enrolment', plan[9]) end
return 'A'
