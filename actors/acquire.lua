-- KEYS 1 lease   ARGV 1 nonce  2 host.   Answers the new epoch. Always raises it: a batch of the
-- owner before, still on its way, must find another epoch whoever asks again.
-- Never below the clock, in ms: a store that came back as it was some time ago must not count
-- epochs again that PCs have obeyed already, for they refuse what is older.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local before = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
local epoch = math.max(before + 1, now_ms)
redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch), 'nonce', ARGV[1],
  'host', ARGV[2])
-- The answer of the last batch belongs to the owner before.
redis.call('HDEL', KEYS[1], 'reply')
return epoch
