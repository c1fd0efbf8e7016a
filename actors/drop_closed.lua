-- KEYS 1 closed  2 index  3... streams
-- ARGV for every stream an entry's id and its payload, then for every session its id and the
-- version to let go of. Nothing goes from a store in which one of these entries is not: it is not
-- the one the archive has followed. A session that was corrected since is of a later version and
-- stays. Answers how many went.
local streams, gone = #KEYS - 2, 0
for i = 1, streams do
  local id = ARGV[2 * i - 1]
  local found = redis.call('XRANGE', KEYS[i + 2], id, id)
  if #found == 0 or found[1][2][2] ~= ARGV[2 * i] then return 0 end
end
for i = 2 * streams + 1, #ARGV, 2 do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  if held and string.match(held, '^(%d+):') == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
    gone = gone + 1
  end
end
return gone
