-- KEYS 1 lease   ARGV 1 epoch  2 nonce.   Answers 1 if the lease was the caller's.
local lease = redis.call('HMGET', KEYS[1], 'epoch', 'nonce')
if lease[1] ~= ARGV[1] or lease[2] ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[1], 'nonce', 'host', 'reply')
return 1
