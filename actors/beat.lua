-- KEYS 1 host record   ARGV 1 incarnation  2 record  3 ms to live  4 '1' for the first beat.
-- Answers who holds the name: the incarnation that began last, while it lives.
local record = redis.call('GET', KEYS[1])
local holder = record and cjson.decode(record)['incarnation']
if holder and holder ~= ARGV[1] and ARGV[4] ~= '1' then
  return holder
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return ARGV[1]
