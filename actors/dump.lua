-- ARGV 1 pattern of a chain's keys.   Answers everything under them at one instant, as
-- {key, kind, content, remaining life in ms or -1}. Of a stream only the id of its last entry:
-- streams only grow, so they are read afterwards, up to there.
local found = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local kind, content = redis.call('TYPE', key).ok, ''
  if kind == 'hash' then
    content = redis.call('HGETALL', key)
  elseif kind == 'string' then
    content = redis.call('GET', key)
  elseif kind == 'stream' then
    local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
    content = last[1] and last[1][1] or '0-0'
  end
  found[#found + 1] = {key, kind, content, redis.call('PTTL', key)}
end
return found
