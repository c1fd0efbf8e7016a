-- KEYS 1 lease   ARGV 1 nonce  2 host.   Answers the new epoch. Always raises it: a batch of the
-- owner before, still on its way, must find another epoch whoever asks again.
local epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HSET', KEYS[1], 'nonce', ARGV[1], 'host', ARGV[2])
-- The answer of the last batch belongs to the owner before.
redis.call('HDEL', KEYS[1], 'reply')
return epoch
