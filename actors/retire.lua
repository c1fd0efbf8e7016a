-- KEYS 1 host record   ARGV 1 incarnation.   A newer process under the same name stays.
local record = redis.call('GET', KEYS[1])
if record and cjson.decode(record)['incarnation'] == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return 1
end
return 0
