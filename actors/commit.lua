-- One batch of units against one shard: validate everything, then write. A script that stops in
-- the middle is not rolled back, so nothing is written before the last unit has been judged.
--
-- KEYS  1 shard  2 lease  3 documents  4 balances  5 ledger  6 outbox  7 claims  8 index  9 closed
--       10 audit, then one key per idempotency key, then hall and live stream of each club
-- ARGV  1 plan  2 epoch  3 nonce  4 seq  5 publish prefix  6 idempotency ms  7 live entries
--       8 audit entries
--       then blobs, which the plan names by their index in ARGV
-- plan  shard fields, document fields, accounts, claim names, idempotency keys, units
--       A unit is its length and its sections: tag, count, items. Items name fields by index.
--
-- Answers 'F' (fenced), or one letter per unit, a newline, and the details of the refused ones
-- as <length>:<bytes>; the same bytes again for the same seq.

local ENTITY, DOCUMENT, READ, EXPECT, RELEASE, CLAIM, DELTA = 1, 2, 3, 4, 5, 6, 7
local IDEMPOTENCY, TRANSACTIONS, EVENTS, CLOSE, INDEX, HALL, AUDIT = 8, 9, 10, 11, 12, 13, 14
local SEEN = 15
local WIDTH = {3, 3, 2, 2, 2, 2, 2, 3, 2, 2, 2, 2, 3, 2, 2}
local AMOUNT_LIMIT = 9007199254740992
local CHUNK = 2000
local FIXED_KEYS = 10

local call, sub, find, format = redis.call, string.sub, string.find, string.format

local lease = call('HMGET', KEYS[2], 'epoch', 'nonce', 'seq', 'reply')
if lease[1] ~= ARGV[2] or lease[2] ~= ARGV[3] then
  return 'F'
end
if lease[3] == ARGV[4] and lease[4] then
  return lease[4]
end
if tonumber(ARGV[4]) ~= tonumber(lease[3] or '0') + 1 then
  return 'F'
end

local plan = cjson.decode(ARGV[1])
local units = plan[6]

-- What the units are judged on: read once, then kept up to date by the units that pass.

local function read(command, key, fields, convert)
  local values = {}
  for first = 1, #fields, CHUNK do
    local last = math.min(first + CHUNK - 1, #fields)
    local found
    if key then
      found = call(command, key, unpack(fields, first, last))
    else
      found = call(command, unpack(fields, first, last))
    end
    for i = 1, #found do
      values[first + i - 1] = convert(found[i])
    end
  end
  return values
end

local function version_of(stored)
  return stored and tonumber(sub(stored, 1, find(stored, ':', 1, true) - 1)) or 0
end

local idempotency_keys = {}
for i = 1, plan[5] do
  idempotency_keys[i] = KEYS[FIXED_KEYS + i]
end
local first_hall_key = FIXED_KEYS + plan[5] + 1

local function same(value) return value end

local entities = read('HMGET', KEYS[1], plan[1], version_of)
local documents = read('HMGET', KEYS[3], plan[2], version_of)
local balances = read('HMGET', KEYS[4], plan[3], function(v) return tonumber(v or '0') end)
local holders = read('HMGET', KEYS[7], plan[4], same)
local answers = read('MGET', nil, idempotency_keys, same)

-- A stream under a wrong type would fail after the first write; ask before.
for i = 5, 6 do call('XLEN', KEYS[i]) end
for i = 8, 9 do call('HLEN', KEYS[i]) end
call('XLEN', KEYS[10])
for i = first_hall_key, #KEYS, 2 do
  call('HLEN', KEYS[i])
  call('XLEN', KEYS[i + 1])
end

-- Judging: each check gets the range of its section's items in `units`.

local freed

local function stale_check(versions, fields)
  return function(first, last, width)
    for p = first, last, width do
      if versions[units[p]] ~= units[p + 1] then
        return 'S', {fields[units[p]]}
      end
    end
  end
end

local check = {}
check[ENTITY] = stale_check(entities, plan[1])
check[DOCUMENT] = stale_check(documents, plan[2])
check[READ] = check[DOCUMENT]
check[SEEN] = check[ENTITY]

check[IDEMPOTENCY] = function(first)
  local stored = answers[units[first]]
  if not stored then return nil end
  local colon = find(stored, ':', 1, true)
  local length = tonumber(sub(stored, 1, colon - 1))
  if sub(stored, colon + 1, colon + length) ~= units[first + 1] then
    return 'K', {}
  end
  return 'D', {sub(stored, colon + length + 1)}
end

check[EXPECT] = function(first, last)
  local differs = false
  for p = first, last, 2 do
    differs = differs or balances[units[p]] ~= units[p + 1]
  end
  if not differs then return nil end
  local details = {tostring((last - first + 1) / 2)}
  for p = first, last, 2 do
    details[#details + 1] = plan[3][units[p]]
    details[#details + 1] = format('%.0f', balances[units[p]])
  end
  return 'B', details
end

check[RELEASE] = function(first, last)
  for p = first, last, 2 do
    if holders[units[p]] == units[p + 1] then
      freed[units[p]] = true
    end
  end
end

check[CLAIM] = function(first, last)
  for p = first, last, 2 do
    local holder = holders[units[p]]
    if holder and holder ~= units[p + 1] and not freed[units[p]] then
      return 'C', {plan[4][units[p]], holder}
    end
  end
end

check[DELTA] = function(first, last)
  local sums = {}
  for p = first, last, 2 do
    local account, amount = units[p], units[p + 1]
    local currency = sub(plan[3][account], 1, 3)
    sums[currency] = (sums[currency] or 0) + amount
    if math.abs(balances[account] + amount) >= AMOUNT_LIMIT then
      return 'R', {plan[3][account]}
    end
  end
  for currency, sum in pairs(sums) do
    if sum ~= 0 then
      return 'U', {currency}
    end
  end
end

-- Applying: later units see it, the store does not yet.

local entity_blob, document_blob, claim_changed = {}, {}, {}
local balance_changed, answer_blob = {}, {}
local ledger, outbox, live, audit = {}, {}, {}, {}
local closed, index, tiles = {}, {}, {}

local function replace(versions, blobs)
  return function(first, last)
    for p = first, last, 3 do
      local field, blob = units[p], units[p + 2]
      versions[field] = blob == 0 and 0 or units[p + 1] + 1
      blobs[field] = blob
    end
  end
end

local function append(list)
  return function(first)
    for blob = units[first], units[first] + units[first + 1] - 1 do
      list[#list + 1] = ARGV[blob]
    end
  end
end

local apply = {}
apply[ENTITY] = replace(entities, entity_blob)
apply[DOCUMENT] = replace(documents, document_blob)
apply[TRANSACTIONS] = append(ledger)
apply[EVENTS] = append(outbox)
apply[AUDIT] = append(audit)

apply[IDEMPOTENCY] = function(first)
  answers[units[first]] = ARGV[units[first + 2]]
  answer_blob[units[first]] = units[first + 2]
end

apply[DELTA] = function(first, last)
  for p = first, last, 2 do
    balances[units[p]] = balances[units[p]] + units[p + 1]
    balance_changed[units[p]] = true
  end
end

apply[RELEASE] = function(first, last)
  for p = first, last, 2 do
    if holders[units[p]] == units[p + 1] then
      holders[units[p]] = false
      claim_changed[units[p]] = true
    end
  end
end

apply[CLAIM] = function(first, last)
  for p = first, last, 2 do
    holders[units[p]] = units[p + 1]
    claim_changed[units[p]] = true
  end
end

apply[INDEX] = function(first, last)
  for p = first, last do
    index[#index + 1] = units[p]
  end
end

apply[CLOSE] = function(first, last)
  for p = first, last, 2 do
    closed[#closed + 1] = units[p]
    closed[#closed + 1] = ARGV[units[p + 1]]
  end
end

apply[HALL] = function(first, last)
  for p = first, last, 3 do
    local club, tile = units[p], ARGV[units[p + 2]]
    tiles[club] = tiles[club] or {}
    table.insert(tiles[club], units[p + 1])
    table.insert(tiles[club], tile)
    live[#live + 1] = club
    live[#live + 1] = tile
  end
end

-- Whoever comes later in the batch was decided on what a refused unit would have left in the
-- documents. A version would fit again where another shard has written meanwhile, and what that
-- wrote would be undone. Entities are written by their own shard alone.

local UNDONE = -1
local refuse = {}

refuse[DOCUMENT] = function(first, last)
  for p = first, last, 3 do
    documents[units[p]] = UNDONE
  end
end

local function walk(start, stop, steps)
  local p = start
  while p <= stop do
    local tag, count = units[p], units[p + 1]
    local last = p + 1 + count * WIDTH[tag]
    local step = steps[tag]
    if step then
      local letter, details = step(p + 2, last, WIDTH[tag])
      if letter then return letter, details end
    end
    p = last + 1
  end
end

local letters, refusals = {}, {}
local p = 1
while p <= #units do
  local stop = p + units[p]
  freed = {}
  local letter, details = walk(p + 1, stop, check)
  letters[#letters + 1] = letter or 'A'
  if letter then
    for i = 1, #details do
      refusals[#refusals + 1] = #details[i] .. ':' .. details[i]
    end
    walk(p + 1, stop, refuse)
  else
    walk(p + 1, stop, apply)
  end
  p = stop + 1
end

-- Writing: nothing below can be refused any more.

local function write(command, key, list)
  for first = 1, #list, CHUNK do
    call(command, key, unpack(list, first, math.min(first + CHUNK - 1, #list)))
  end
end

local function write_blobs(key, fields, blobs)
  local set, gone = {}, {}
  for i, blob in pairs(blobs) do
    if blob == 0 then
      gone[#gone + 1] = fields[i]
    else
      set[#set + 1] = fields[i]
      set[#set + 1] = ARGV[blob]
    end
  end
  write('HSET', key, set)
  write('HDEL', key, gone)
end

for i = 1, #ledger do call('XADD', KEYS[5], '*', 't', ledger[i]) end
for i = 1, #outbox do call('XADD', KEYS[6], '*', 'e', outbox[i]) end
for i = 1, #audit do call('XADD', KEYS[10], 'MAXLEN', '~', ARGV[8], '*', 'a', audit[i]) end
write_blobs(KEYS[1], plan[1], entity_blob)
write_blobs(KEYS[3], plan[2], document_blob)

local function is_of_one_session(account)
  return find(account, ':receivable:', 1, true) or find(account, ':wallet:guest-', 1, true)
end

local money, settled, wallets = {}, {}, {ARGV[5]}
for i in pairs(balance_changed) do
  if balances[i] == 0 and is_of_one_session(plan[3][i]) then
    settled[#settled + 1] = plan[3][i]
  else
    money[#money + 1] = plan[3][i]
    money[#money + 1] = format('%.0f', balances[i])
  end
  if find(plan[3][i], ':wallet:', 1, true) then
    wallets[#wallets + 1] = plan[3][i]
  end
end
write('HSET', KEYS[4], money)
write('HDEL', KEYS[4], settled)

local claimed, released = {}, {}
for i in pairs(claim_changed) do
  if holders[i] then
    claimed[#claimed + 1] = plan[4][i]
    claimed[#claimed + 1] = holders[i]
  else
    released[#released + 1] = plan[4][i]
  end
end
write('HSET', KEYS[7], claimed)
write('HDEL', KEYS[7], released)
write('HSET', KEYS[8], index)
write('HSET', KEYS[9], closed)

for i, blob in pairs(answer_blob) do
  call('SET', idempotency_keys[i], ARGV[blob], 'PX', ARGV[6])
end
for club, list in pairs(tiles) do
  write('HSET', KEYS[first_hall_key + 2 * (club - 1)], list)
end
for i = 1, #live, 2 do
  local key = KEYS[first_hall_key + 2 * (live[i] - 1) + 1]
  call('XADD', key, 'MAXLEN', '~', ARGV[7], '*', 'd', live[i + 1])
end

local reply = table.concat(letters) .. '\n' .. table.concat(refusals)
call('HSET', KEYS[2], 'seq', ARGV[4], 'reply', reply)
if #wallets > 1 then
  call('PUBLISH', 'clubctl:wallets', table.concat(wallets, ' '))
end
return reply
