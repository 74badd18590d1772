import { MAX_ACTIONS } from "../memory";
import { script } from "./script";

/** Of an account, as they are kept in its hash; in this order they come back. */
export const AMOUNTS = ["calls", "input_tokens", "output_tokens", "reasoning_tokens", "cost_micros"] as const;

/** What stands in the place of a revocation, which is JSON, when the task is not alive. */
export const UNREGISTERED = "unregistered";

// One clock for all processes: that of Redis.
const PRELUDE = `
local input = cjson.decode(ARGV[1])
local revoked, revoked_until, session, attempts, calls = unpack(KEYS)
local FIRST_ACCOUNT = 6

local function now()
  local time = redis.call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

// Instants are strings: cjson would write them as numbers of 14 digits. An authority of unknown age is older than every revocation.
const AUTHORITY = `
local function ends(kept)
  if kept.till and tonumber(kept.till) <= now() then return false end
  return not kept.issued_before or not input.issued_at or input.issued_at < tonumber(kept.issued_before)
end

local function withdrawn()
  for _, field in ipairs(input.fields) do
    local found = redis.call("HGET", revoked, field)
    if found and ends(cjson.decode(found)) then return found end
  end
  return input.task and redis.call("EXISTS", KEYS[#KEYS]) == 0 and "${UNREGISTERED}"
end
`;

// What has ended is forgotten, so that ended sessions do not pile up.
const SWEEP = `
local function sweep()
  for _, field in ipairs(redis.call("ZRANGEBYSCORE", revoked_until, "-inf", now())) do
    redis.call("HDEL", revoked, field)
    redis.call("ZREM", revoked_until, field)
  end
end
`;

const COUNTING = `
local function is_one_too_many()
  return redis.call("HEXISTS", attempts, input.action) == 0 and redis.call("HLEN", attempts) >= ${MAX_ACTIONS}
end

local function count(actions)
  redis.call("HINCRBY", actions, input.action, 1)
end

local function add(account, ttl)
  for name, amount in pairs(input.amounts) do redis.call("HINCRBY", account, name, amount) end
  if ttl then redis.call("PEXPIRE", account, ttl) end
end

local function keep_session()
  for _, key in ipairs({ session, attempts, calls }) do redis.call("PEXPIRE", key, input.session_ttl) end
end
`;

const STANDING = `
local function standing(revocation)
  local sums = {}
  for index = 1, input.accounts do
    sums[index] = redis.call("HMGET", KEYS[FIRST_ACCOUNT + index - 1], ${quoted(AMOUNTS)})
  end
  return {
    revocation or false,
    redis.call("HMGET", session, "started_at", "steps", "denials"),
    redis.call("HGETALL", attempts),
    redis.call("HGETALL", calls),
    sums
  }
end
`;

/**
 * Of all of them: `ARGV[1]` is JSON, and `KEYS` are the hash of revocations and the set of their ends; for a session also its three hashes, then
 * the accounts; at last the task that has to be alive. An error begins with a code, as those of Redis do: one without is taken for the connection's.
 */
export const scripts = {
  find: script(`${PRELUDE}${AUTHORITY}
return withdrawn()`),

  // It reaches as far as one that stands already: only restoring takes anything back.
  revoke: script(`${PRELUDE}${SWEEP}
local function later(one, other)
  if one and other then return tonumber(one) > tonumber(other) and one or other end
end

sweep()
local entry = input.entry
local standing = redis.call("HGET", revoked, input.field)
if standing then
  standing = cjson.decode(standing)
  entry.issued_before = later(entry.issued_before, standing.issued_before)
  entry.till = later(entry.till, standing.till)
end
redis.call("HSET", revoked, input.field, cjson.encode(entry))
redis.call("ZREM", revoked_until, input.field)
if entry.till then redis.call("ZADD", revoked_until, entry.till, input.field) end`),

  restore: script(`${PRELUDE}
for _, field in ipairs(input.fields) do
  redis.call("HDEL", revoked, field)
  redis.call("ZREM", revoked_until, field)
end`),

  list: script(`${PRELUDE}${SWEEP}
sweep()
return redis.call("HVALS", revoked)`),

  begin: script(`${PRELUDE}${AUTHORITY}${COUNTING}${STANDING}
local revocation = withdrawn()
if revocation then return standing(revocation) end
if is_one_too_many() then return redis.error_reply("ERR this session has tried ${MAX_ACTIONS} different actions") end
redis.call("HSETNX", session, "started_at", input.started_at)
redis.call("HINCRBY", session, "steps", 1)
count(attempts)
for index = 1, input.accounts do add(KEYS[FIRST_ACCOUNT + index - 1], input.ttls[index]) end
keep_session()
return standing()`),

  // A sum that was lost, with the reservation in it, would go below nothing by the correction.
  settle: script(`${PRELUDE}${COUNTING}
if input.outcome == "done" then count(calls) end
if input.outcome == "denied" then redis.call("HINCRBY", session, "denials", 1) end
for index = 1, input.accounts do
  local account = KEYS[FIRST_ACCOUNT + index - 1]
  if redis.call("EXISTS", account) == 1 then add(account, input.ttls[index]) end
end
keep_session()`),

  peek: script(`${PRELUDE}${STANDING}
return standing()`),
};

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}
