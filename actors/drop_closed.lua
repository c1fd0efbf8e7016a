-- KEYS 1 closed  2 index   ARGV for every session its id and the version to let go of.
-- One that was corrected since is of a later version and stays. Answers how many went.
local gone = 0
for i = 1, #ARGV, 2 do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  if held and string.match(held, '^(%d+):') == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
    gone = gone + 1
  end
end
return gone
