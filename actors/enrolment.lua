-- KEYS 1 a club's enrolment book   ARGV 1 channel  2 what to tell it  then, for every field,
-- its name, what it must hold now and what it is to hold; empty for nothing.
-- Answers 1 when every field holds what it is to hold, 0 when nothing was changed. A command
-- whose answer was lost is sent again, so what is so already counts as done.
local done, as_read = true, true
for i = 3, #ARGV, 3 do
  local held = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  as_read = as_read and held == ARGV[i + 1]
  done = done and held == ARGV[i + 2]
end
if done then
  return 1
end
if not as_read then
  return 0
end
for i = 3, #ARGV, 3 do
  if ARGV[i + 2] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
  end
end
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1
