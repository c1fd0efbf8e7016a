-- KEYS 1 a stream, 2 below which ids streams were ever trimmed
-- ARGV 1 the stream's name, 2 an entry's id and 3 its payload, 4 the lowest id that stays
-- Nothing goes from a stream in which that entry is not: it is not the one its reader has read.
local found = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])
if #found == 0 or found[1][2][2] ~= ARGV[3] then return 0 end

local function place(id)
  local at_ms, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(at_ms), tonumber(number)
end

local at_ms, number = place(ARGV[4])
local known_ms, known_number = place(redis.call('HGET', KEYS[2], ARGV[1]) or '0-0')
if at_ms > known_ms or (at_ms == known_ms and number > known_number) then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
end
return redis.call('XTRIM', KEYS[1], 'MINID', ARGV[4])
