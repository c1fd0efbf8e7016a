-- KEYS 1 clubs of the installation, id -> chain   ARGV 1 chain  then club ids.
-- Answers nothing, or a club that another chain has; then none is claimed.
for i = 2, #ARGV do
  local chain = redis.call('HGET', KEYS[1], ARGV[i])
  if chain and chain ~= ARGV[1] then
    return ARGV[i]
  end
end
for i = 2, #ARGV do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[1])
end
return false
