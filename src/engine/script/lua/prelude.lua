-- Makes the globals of scripts out of Lua's own, and answers what the host calls.
-- `native` is what is written in Rust; no string that one function makes is longer than `longest`.
local native, longest, version, version_num = ...

local error, pcall, xpcall, type, tostring, tonumber = error, pcall, xpcall, type, tostring, tonumber
local rawget, rawset, next, select, unpack = rawget, rawset, next, select, unpack
local setmetatable, getmetatable, setfenv = setmetatable, getmetatable, setfenv
local loadstring, collectgarbage = loadstring, collectgarbage
local getinfo = debug.getinfo
local floor = math.floor
local find, sub, gsub, gmatch = string.find, string.sub, string.gsub, string.gmatch
local format = string.format
local insert, join = table.insert, table.concat
local G = _G

-- What a script sees of a table that it must not change is an empty one in its place.
local behind = {}
local READ_ONLY = 'Attempt to modify a readonly table'

local function refuse()
  error(READ_ONLY, 2)
end

-- A function that is one of Lua's own, as far as scripts can tell: it stands between what calls it, even
-- at its end, and what is in here.
local wrap = native.wrap

local function protect(t, proxy)
  proxy = proxy or {}
  behind[proxy] = t
  return setmetatable(proxy, { __index = t, __newindex = refuse, __metatable = false })
end

-- The host of the script that is running.
local host

local function failure(text)
  return { err = text }
end

local function dispatch(raises, ...)
  if not host then
    error(failure('ERR redis.call/pcall can only be called inside a script invocation'))
  end
  local value, failed, spent = host('call', ...)
  -- Nothing catches the end of the instructions.
  while spent do end
  if failed and raises then
    error(value)
  end
  return value
end

local function needs_host(name)
  if not host then
    error(failure('ERR redis.' .. name .. ' can only be called inside a script invocation'))
  end
end

local redis = {
  REDIS_VERSION = version,
  REDIS_VERSION_NUM = version_num,
  LOG_DEBUG = 0,
  LOG_VERBOSE = 1,
  LOG_NOTICE = 2,
  LOG_WARNING = 3,
  REPL_NONE = 0,
  REPL_AOF = 1,
  REPL_SLAVE = 2,
  REPL_REPLICA = 2,
  REPL_ALL = 3,
}

function redis.call(...)
  return dispatch(true, ...)
end

function redis.pcall(...)
  return dispatch(false, ...)
end

function redis.log(...)
  if select('#', ...) < 2 then
    error(failure('ERR redis.log() requires two arguments or more.'))
  end
  local level = tonumber((...))
  if not level then
    error(failure('ERR First argument must be a number (log level).'))
  end
  if level < 0 or level > 3 then
    error(failure('ERR Invalid debug level.'))
  end
end

function redis.sha1hex(...)
  if select('#', ...) ~= 1 then
    error(failure('ERR wrong number of arguments'))
  end
  local text = ...
  if type(text) == 'number' then
    text = tostring(text)
  end
  return native.sha1hex(type(text) == 'string' and text or '')
end

function redis.error_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return failure('ERR wrong number or type of arguments')
  end
  text = gsub(text, '^%-', '')
  local space = find(text, ' ', 1, true)
  local code, message = 'ERR', text
  if space then
    code, message = sub(text, 1, space - 1), sub(text, space + 1)
  end
  message = gsub(gsub(message, '^[\r\n]+', ''), '[\r\n]+$', '')
  return failure(code .. ' ' .. message)
end

function redis.status_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return failure('ERR wrong number or type of arguments')
  end
  return { ok = text }
end

function redis.setresp(...)
  needs_host('setresp')
  if select('#', ...) ~= 1 then
    error(failure('ERR redis.setresp() requires one argument.'))
  end
  local resp = tonumber((...))
  if resp ~= 2 and resp ~= 3 then
    error(failure('ERR RESP version must be 2 or 3.'))
  end
  host('setresp', resp)
end

function redis.set_repl(...)
  needs_host('set_repl')
  if select('#', ...) ~= 1 then
    error(failure('ERR redis.set_repl() requires two arguments.'))
  end
  local flags = tonumber((...)) or 0
  if flags < 0 or flags > 3 then
    error(failure('ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.'))
  end
end

function redis.acl_check_cmd(...)
  needs_host('acl_check_cmd')
  local value, failed = host('check', ...)
  if failed then
    error(value)
  end
  return value
end

function redis.replicate_commands()
  return true
end

function redis.breakpoint()
  return false
end

function redis.debug() end

-- math.random is the same everywhere, and begins anew with each script.
function math.random(...)
  local r = native.random()
  local count = select('#', ...)
  if count == 0 then
    return r
  elseif count > 2 then
    error('wrong number of arguments', 3)
  end
  local low, high = 1, (...)
  if count == 2 then
    low, high = ...
  end
  local place = count
  low, high = tonumber(low), tonumber(high)
  if not low or not high then
    error("bad argument #1 to 'random' (number expected)", 3)
  end
  low, high = native.int(low), native.int(high)
  if low > high then
    error("bad argument #" .. place .. " to 'random' (interval is empty)", 3)
  end
  return floor(r * (high - low + 1)) + low
end

function math.randomseed(seed)
  seed = tonumber(seed)
  if not seed then
    error("bad argument #1 to 'randomseed' (number expected)", 3)
  end
  native.randomseed(seed)
end

-- The innermost function that is the script's own.
local function innermost()
  local level = 2
  local info = getinfo(level, 'Sl')
  while info and (info.what ~= 'Lua' and info.what ~= 'main' or info.source == '=lodis') do
    level = level + 1
    info = getinfo(level, 'Sl')
  end
  return info
end

-- Where the script is, as errors begin.
local function place()
  local info = innermost()
  return info and info.short_src .. ':' .. info.currentline .. ': ' or ''
end

local function check(ok, ...)
  if not ok then
    local problem = ...
    if type(problem) == 'string' and not find(problem, '^[^%s:]+:%d+: ') then
      problem = place() .. problem
    end
    error(problem, 0)
  end
  return ...
end

-- A function whose errors say where it was called.
local function placed(f)
  return wrap(function(...)
    return check(pcall(f, ...))
  end)
end

-- What makes long strings out of short ones asks for the length first.
local function within(length)
  if length > longest then
    error('not enough memory', 0)
  end
end

-- No more nests, and no more is looked at, than there is a stack and time for.
local ITEMS_MAX, LOOKS_MAX = 200, 1.6e7

-- The matcher calls itself for each item of a pattern, and looks at all that follows for each `%b`.
local function check_pattern(s, pattern)
  if type(pattern) ~= 'string' or type(s) ~= 'string' then
    return
  end
  if #pattern > ITEMS_MAX then
    local _, items = gsub(pattern, '[?*+%-()]', '')
    if items > ITEMS_MAX then
      error('pattern too complex', 0)
    end
  end
  if #s * #s > LOOKS_MAX and find(pattern, '%b', 1, true) then
    for opening in gmatch(pattern, '%%b(.)') do
      local _, count = gsub(s, find(opening, '%w') and opening or '%' .. opening, '')
      if count * #s > LOOKS_MAX then
        error('pattern too complex', 0)
      end
    end
  end
end

local function checked(f)
  return placed(function(s, pattern, ...)
    check_pattern(s, pattern)
    return f(s, pattern, ...)
  end)
end

string.find, string.match, string.gmatch = checked(find), checked(string.match), checked(gmatch)

-- Refuses what Lua 5.1 does; longer numbers are not for the interpreter to read.
local function check_format(form)
  for flags, digits in gmatch(gsub(form, '%%%%', ''), '%%([-+ #0]*)([%d.]*)') do
    if #flags > 5 then
      error('invalid format (repeated flags)', 3)
    elseif find(digits, '%d%d%d') then
      error('invalid format (width or precision too long)', 3)
    end
  end
end

function string.format(...)
  local form, length = (...), 0
  if type(form) == 'string' and find(form, '[-+ #%d][-+ #%d][-+ #%d]') then
    check_format(form)
  end
  for i = 1, select('#', ...) do
    local value = select(i, ...)
    if type(value) == 'string' then
      length = length + #value
    end
  end
  within(length)
  return format(...)
end

local function bounded(replace, length)
  return function(...)
    local value = replace(...)
    if type(value) == 'string' then
      length = length + #value
      within(length)
    end
    return value
  end
end

function string.gsub(s, pattern, replace, ...)
  check_pattern(s, pattern)
  local length = (type(s) == 'string' or type(s) == 'number') and #tostring(s) or 0
  if type(replace) == 'function' then
    replace = bounded(replace, length)
  elseif type(replace) == 'table' then
    local from = replace
    replace = bounded(function(key) return from[key] end, length)
  elseif type(replace) == 'string' and #replace * (length + 1) > longest then
    local matches = 0
    gsub(s, pattern, function() matches = matches + 1 end, ...)
    local _, captures = gsub(replace, '%%', '')
    within(length * (captures + 1) + matches * #replace)
  end
  return gsub(s, pattern, replace, ...)
end

string.dump = nil
string.format, string.gsub = placed(string.format), placed(string.gsub)
math.random, math.randomseed = wrap(math.random), wrap(math.randomseed)

-- Text that is to be compiled.
local function compile(text, name)
  local prepared, problem = native.prepare(text)
  if not prepared then
    return nil, problem
  end
  return loadstring(prepared, name or text)
end

local globals = {}
local withheld = {
  'print', 'dofile', 'loadfile', 'module', 'require', 'debug', 'package', 'getfenv', 'setfenv', 'newproxy',
}
for key, value in next, G do
  globals[key] = value
end
for _, name in next, withheld do
  globals[name] = nil
end

function globals.loadstring(text, name)
  if type(text) == 'number' then
    text = tostring(text)
  end
  if type(text) ~= 'string' then
    error("bad argument #1 to 'loadstring' (string expected)", 3)
  end
  return compile(text, name)
end

function globals.load(pieces, name)
  if type(pieces) ~= 'function' then
    error("bad argument #1 to 'load' (function expected)", 3)
  end
  local text, length = {}, 0
  while true do
    local piece = pieces()
    if piece == nil or piece == '' then
      break
    end
    if type(piece) ~= 'string' then
      return nil, 'reader function must return a string'
    end
    length = length + #piece
    within(length)
    insert(text, piece)
  end
  return compile(join(text), name or '=(load)')
end

-- Of an error that is a table with the field `err`, that field is what pcall tells.
local function tell(ok, problem, ...)
  if not ok and type(problem) == 'table' and type(problem.err) == 'string' then
    return ok, problem.err
  end
  return ok, problem, ...
end

function globals.pcall(...)
  return tell(pcall(...))
end

function globals.rawset(t, key, value)
  if behind[t] then
    error(READ_ONLY, 0)
  end
  return rawset(t, key, value)
end

function globals.rawget(t, key)
  return rawget(behind[t] or t, key)
end

function globals.next(t, key)
  return next(behind[t] or t, key)
end

local pairs = pairs
function globals.pairs(t)
  local there = behind[t]
  if there then
    return function(_, key) return next(there, key) end, t, nil
  end
  return pairs(t)
end

function globals.setmetatable(t, meta)
  if behind[t] then
    error(READ_ONLY, 0)
  end
  return setmetatable(t, meta)
end

local of_strings
function globals.getmetatable(value)
  if type(value) == 'string' then
    return of_strings
  elseif behind[value] then
    return nil
  end
  return getmetatable(value)
end

for _, name in next, { 'loadstring', 'load', 'rawset', 'setmetatable' } do
  globals[name] = wrap(globals[name])
end
for name, value in next, redis do
  if type(value) == 'function' then
    redis[name] = wrap(value)
  end
end
globals.redis = redis
globals.os = { clock = wrap(function() return host and host('clock') or 0 end) }
globals.bit = native.bit
globals.cjson = native.cjson
globals.cmsgpack = native.cmsgpack
globals.struct = native.struct
globals.cjson.null = native.null
globals.cjson.new = function() return globals.cjson end
for _, name in next, { 'bit', 'cjson', 'cmsgpack', 'struct' } do
  local library = globals[name]
  for key, value in next, library do
    if type(value) == 'function' then
      library[key] = placed(value)
    end
  end
end
for key, value in next, globals do
  if type(value) == 'table' and value ~= G then
    globals[key] = protect(value)
  end
end

of_strings = protect({ __index = globals.string })

local function nonexistent(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end
setmetatable(globals, { __index = nonexistent })
for key in next, globals do
  rawset(G, key, nil)
end
for _, name in next, withheld do
  rawset(G, name, nil)
end
protect(globals, G)

-- An error, and where it was raised.
local function locate(problem)
  local info = innermost()
  if type(problem) ~= 'table' then
    problem = { err = 'ERR ' .. tostring(problem) }
  end
  if info then
    problem.source, problem.line = info.source, info.currentline
  end
  return problem
end

local function leave(...)
  host = nil
  return ...
end

local function run(f, keys, argv, with, is_function)
  host = with
  if is_function then
    return leave(xpcall(function() return f(keys, argv) end, locate))
  end
  rawset(globals, 'KEYS', keys)
  rawset(globals, 'ARGV', argv)
  return leave(xpcall(f, locate))
end

-- What a library sees while it is loaded; afterwards its functions see what scripts do.
local function load(f, with)
  local api = {
    log = redis.log,
    register_function = wrap(function(...)
      local problem = with(...)
      if problem then
        error(failure('ERR ' .. problem))
      end
    end),
  }
  for name, value in next, redis do
    if type(value) ~= 'function' then
      api[name] = value
    end
  end
  local env, absent = {}, { __index = nonexistent }
  local meta = { __index = setmetatable({ redis = protect(setmetatable(api, absent)) }, absent) }
  meta.__newindex, meta.__metatable = refuse, false
  behind[env] = meta.__index
  setmetatable(env, meta)
  setfenv(f, env)
  local ok, problem = xpcall(f, locate)
  meta.__index, behind[env] = globals, globals
  return ok, problem
end

return compile, run, load
