//! Scripts that would run forever, or take all memory, end in an error, and what comes after them runs.

use allocator::allocated;
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use std::sync::atomic::{AtomicU64, Ordering};

mod allocator;

struct Server {
    engine: Engine,
    session: SessionId,
}

impl Server {
    fn new() -> Self {
        Self::of(Engine::new(&Options::default()))
    }

    fn of(mut engine: Engine) -> Self {
        engine.effects.set_enabled(true);
        let session = engine.connect();
        let mut server = Self { engine, session };
        server.call(&["CONFIG", "SET", "busy-reply-threshold", "100"]);
        server
    }

    fn call(&mut self, argv: &[&str]) -> String {
        let argv: Vec<&[u8]> = argv.iter().map(|word| word.as_bytes()).collect();
        let mut out = Vec::new();
        self.engine.call(self.session, &argv, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The digest of a script.
    fn engine_sha(&mut self, script: &str) -> String {
        let reply = self.call(&["EVAL", "return redis.sha1hex(ARGV[1])", "0", script]);
        reply.lines().nth(1).unwrap_or_default().to_owned()
    }

    fn eval(&mut self, script: &str) -> String {
        self.call(&["EVAL", script, "0"])
    }

    fn effects(&mut self) -> String {
        let bytes: Vec<u8> = self.engine.effects.drain().flatten().collect();
        String::from_utf8(bytes).unwrap()
    }
}

const TOO_LONG: &str = "-ERR Script ended: it ran for more instructions than a script may\r\n";
const TOO_MUCH: &str = "-ERR Script ended: it used more memory than a script may\r\n";

/// Each ends in an error that nothing in it can catch, and the next script runs.
fn all_end(scripts: &[&str], ms: &str, ends: &[&str]) {
    let mut server = Server::new();
    server.call(&["CONFIG", "SET", "busy-reply-threshold", ms]);
    for script in scripts {
        let reply = server.eval(script);
        assert!(ends.iter().any(|end| reply.contains(end)), "{script}\n{reply}");
        assert_eq!(server.eval("return 'alive'"), "$5\r\nalive\r\n", "{script}");
    }
}

#[test]
fn a_script_without_an_end_is_ended() {
    all_end(
        &[
            "while true do end",
            "while true do pcall(function() while true do end end) end",
            "while true do pcall(error) end",
            "while true do redis.pcall('NOSUCH') end",
            "while true do pcall(redis.call, 'GET', 'k') end",
            "repeat until false",
            "local function f() return f() end return f()",
            "coroutine.wrap(function() while true do end end)()",
            "local c = coroutine.wrap(function() while true do coroutine.yield() end end) while true do c() end",
            "string.gsub('a', 'a', function() while true do end end)",
            "table.sort({3, 2, 1}, function() while true do end end)",
            "setmetatable({}, {__index = function() while true do end end}).x()",
            "return string.find(string.rep('a', 150), string.rep('a?', 150) .. string.rep('a', 150))",
            "return ('a'):rep(100000):find(('.-'):rep(30) .. 'b')",
            "xpcall(function() while true do end end, function() while true do end end)",
            "for i = 1, math.huge do end",
        ],
        "100",
        &[TOO_LONG],
    );
}

#[test]
fn a_script_that_takes_all_memory_is_ended() {
    all_end(
        &[
            "local s = 'x' while true do s = s .. s end",
            "local s = 'x' while true do pcall(function() s = s .. s end) end",
            "return #string.rep('x', 1e9)",
            "return #('x'):rep(2e9)",
            "local t = {} while true do t[#t + 1] = {} end",
            "local t = {} while true do t[#t + 1] = string.rep('x', 100000) .. #t end",
            "local t = {} for i = 1, 1e9 do t[i] = i end",
            "local s = string.rep('x', 7e6) return #(s..s..s..s..s..s..s..s..s..s..s..s..s..s..s..s..s)",
            "return table.concat({1, 2, 3, 4, 5, 6}, string.rep('x', 7e6))",
            "local c = {} while true do c[#c + 1] = coroutine.create(function() end) end",
        ],
        "5000",
        &[TOO_MUCH],
    );
}

#[test]
fn functions_that_make_long_strings_refuse_to() {
    all_end(
        &[
            "return string.gsub(string.rep('a', 1e6), 'a', string.rep('b', 1e4))",
            "return string.gsub(string.rep('a', 1e6), 'a', function() return string.rep('b', 1e4) end)",
            "return string.gsub(string.rep('a', 1e6), 'a', {a = string.rep('b', 1e4)})",
            "return string.gsub(string.rep('a', 1e5), '.*', string.rep('%0', 1e4))",
            "local s = string.rep('x', 5e6) return string.format('%s%s%s', s, s, s)",
            "local t = {'x'} for i = 1, 60 do t = {t, t} end return cjson.encode(t)",
            "local t = {} t[1] = t return cjson.encode(t)",
            "return cmsgpack.pack(string.rep('x', 7e6), string.rep('x', 7e6), string.rep('x', 7e6))",
            "return struct.pack('c99999999', 'x')",
            "return cjson.decode(string.rep('[', 1e6))",
            "return cmsgpack.unpack(string.rep('\\145', 1e5))",
            "return loadstring(string.char(27) .. 'Lua')()",
            "return loadstring('return ' .. string.rep('(', 1e5))()",
            "return loadstring('return ' .. string.rep('{', 1e5))()",
            "return loadstring(string.rep('do ', 1e5))()",
            "return loadstring('return ' .. string.rep('a..', 1e5) .. 'a')()",
            "return unpack({}, 1, 1e8)",
            "return string.byte(string.rep('x', 7e6), 1, -1)",
        ],
        "1000",
        &["-ERR"],
    );
}

#[test]
fn what_nests_too_deeply_is_an_error() {
    all_end(
        &[
            "local function f() return 1 + f() end return f()",
            "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) return t[1]",
            "local function f() return string.gsub('a', 'a', f) end return f()",
            "local function f() return coroutine.wrap(f)() end return f()",
            "local t = {} t[1] = t return t",
            "local t = {'x'} for i = 1, 60 do t = {t, t} end return t",
            "local t = {} t.map = t return t",
            "return error(setmetatable({}, {__tostring = function(t) return tostring(t) end}))",
        ],
        "1000",
        &["-ERR", "*"],
    );
}

#[test]
fn a_script_writes_as_one_unit() {
    let mut server = Server::new();
    server.eval("redis.call('SET', 'a', 1) redis.call('INCR', 'a') return redis.call('GET', 'a')");
    assert_eq!(
        server.effects(),
        "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n".replace("*2", "*1\r\n$5\r\nMULTI\r\n*2")
            + "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n"
            + "*1\r\n$4\r\nEXEC\r\n"
    );
    server.eval("return redis.call('GET', 'a')");
    assert_eq!(server.effects(), "");
    let reply = server.eval("redis.call('SET', 'b', 1) while true do end");
    assert_eq!(reply, TOO_LONG);
    assert!(server.effects().contains("SET"), "what was written stays written");
}

#[test]
fn a_script_leaves_its_session_as_it_was() {
    let mut server = Server::new();
    server.call(&["HELLO", "3"]);
    let script = "redis.setresp(3) redis.call('SELECT', 3) error('x')";
    assert!(server.eval(script).starts_with("-ERR user_script:1: x"));
    assert!(server.call(&["CLIENT", "INFO"]).contains(" db=0 "));
    assert_eq!(server.call(&["HGETALL", "none"]), "%0\r\n");
    assert_eq!(server.eval("redis.setresp(3) return {double = 1.5}"), ",1.5\r\n");
    assert_eq!(server.eval("redis.setresp(3) return true"), "#t\r\n");
    assert_eq!(server.eval("return {map = {a = 1}}"), "%1\r\n$1\r\na\r\n:1\r\n");
}

#[test]
fn scripts_share_nothing() {
    let mut server = Server::new();
    for script in [
        "string.x = 1",
        "getmetatable('').__index.x = 1",
        "getmetatable('').x = 1",
        "table.insert(redis, 1)",
        "rawset(redis, 'x', 1)",
        "for k in pairs(redis) do end next(redis)",
        "local f, t = pairs(redis) t.x = 1",
        "KEYS.x = 1",
        "cjson.x = 1",
    ] {
        server.eval(script);
        let check = "return tostring(rawget(string, 'x')) .. tostring(rawget(redis, 'x')) .. \
                     tostring(redis[1]) .. tostring(('').x) .. tostring(KEYS.x) .. tostring(cjson.x)";
        server.eval("redis = nil");
        let reply = server.eval(check);
        assert!(reply.ends_with("nilnilnilnilnilnil\r\n"), "{script}: {reply}");
    }
}

#[test]
fn only_so_many_scripts_that_were_evaluated_are_kept() {
    let mut server = Server::new();
    let loaded = server.call(&["SCRIPT", "LOAD", "return 'kept'"]);
    let loaded = loaded.lines().nth(1).unwrap().to_owned();
    for number in 0..600 {
        server.eval(&format!("return {number}"));
    }
    assert_eq!(server.call(&["EVALSHA", &loaded, "0"]), "$4\r\nkept\r\n");
    let first = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    assert_eq!(server.call(&["SCRIPT", "EXISTS", first]), "*1\r\n:0\r\n");
}

/// A clock that goes on by 50 milliseconds whenever somebody looks.
fn slow_clock() -> u64 {
    static NOW: AtomicU64 = AtomicU64::new(0);
    NOW.fetch_add(50_000, Ordering::Relaxed)
}

#[test]
fn commands_that_take_long_count_by_the_clock() {
    let engine = Engine::new(&Options { clock: slow_clock, ..Options::default() });
    let mut server = Server::of(engine);
    let few = server.eval("for i = 1, 2 do redis.call('SET', 'k', i) end return 'done'");
    assert_eq!(few, "$4\r\ndone\r\n");
    let many = "for i = 1, 1000 do redis.pcall('SET', 'k', i) end";
    assert_eq!(server.eval(many), TOO_LONG);
    assert_eq!(server.call(&["GET", "k"]), "$1\r\n3\r\n");
    let library = "#!lua name=l\nredis.register_function('f', function(keys, args) while true do \
                   redis.call('PING') end end)";
    server.call(&["FUNCTION", "LOAD", library]);
    assert_eq!(server.call(&["FCALL", "f", "0"]), TOO_LONG);
}

#[test]
fn what_a_script_publishes_to_its_own_session_comes_in_the_protocol_of_that() {
    let mut server = Server::new();
    server.call(&["HELLO", "3"]);
    server.call(&["SUBSCRIBE", "c"]);
    let session = server.session;
    server.engine.sessions.take_messages_of(session);
    for script in [
        "return redis.call('PUBLISH', KEYS[1], 'm')",
        "redis.setresp(2) return redis.call('PUBLISH', KEYS[1], 'm')",
    ] {
        assert_eq!(server.call(&["EVAL", script, "1", "c"]), ":1\r\n");
        let heard = server.engine.sessions.take_messages_of(session);
        assert_eq!(heard, b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
    }
}

#[test]
fn scripts_are_forgotten_before_they_are_too_many() {
    let mut server = Server::new();
    let exists = |server: &mut Server, script: &str| {
        let sha = server.engine_sha(script);
        server.call(&["SCRIPT", "EXISTS", &sha]) == "*1\r\n:1\r\n"
    };
    let numbered = |number: usize| format!("return {number}");
    server.call(&["SCRIPT", "LOAD", "return 'loaded'"]);
    for number in 0..600 {
        assert_eq!(server.eval(&numbered(number)), format!(":{number}\r\n"));
        // It is used again and again.
        assert_eq!(server.eval("return 'used'"), "$4\r\nused\r\n");
    }
    assert!(exists(&mut server, "return 'loaded'") && exists(&mut server, "return 'used'"));
    let kept: Vec<bool> = (0..600).map(|number| exists(&mut server, &numbered(number))).collect();
    // Beside the one that is used, and the one that digests.
    assert_eq!(kept.iter().filter(|is_kept| **is_kept).count(), 498);
    assert!(kept.is_sorted());
    // Texts of 5 MB, most of which are code that takes more room than they do.
    for number in 0..250 {
        let body = "x = x + 1 ".repeat(2000);
        let script = format!("local x = {number} {body} return x");
        let expected = format!(":{}\r\n", number + 2000);
        match number % 2 {
            0 => assert_eq!(server.eval(&script), expected),
            _ => {
                let sha = server.call(&["SCRIPT", "LOAD", &script]);
                let sha = sha.lines().nth(1).unwrap_or_else(|| panic!("{sha}")).to_owned();
                assert_eq!(server.call(&["EVALSHA", &sha, "0"]), expected);
            }
        }
    }
    assert!(!exists(&mut server, &numbered(599)));
    let large = format!("return #'{}'", "x".repeat(2 << 20));
    assert_eq!(server.eval(&large), ":2097152\r\n");
    assert_eq!(server.eval(&large), ":2097152\r\n");
}

#[test]
fn redis_set_repl_checks_its_argument_and_everything_is_told_all_the_same() {
    let mut server = Server::new();
    server.effects();
    let script =
        "redis.set_repl(redis.REPL_NONE) redis.call('SET', 'k', 'v') return redis.REPL_ALL";
    assert_eq!(server.eval(script), ":3\r\n");
    assert!(server.effects().contains("SET"));
}

#[test]
fn an_interpreter_that_is_not_needed_any_more_takes_no_memory() {
    const COROUTINE: &str = "c = coroutine.wrap(function() coroutine.yield(1) end) return c()";
    let mut server = Server::new();
    let mut round = || {
        assert_eq!(server.eval(&format!("local {COROUTINE}")), ":1\r\n");
        let library = format!(
            "#!lua name=l\nlocal c redis.register_function('f', function() {COROUTINE} end)"
        );
        assert_eq!(server.call(&["FUNCTION", "LOAD", &library]), "$1\r\nl\r\n");
        assert_eq!(server.call(&["FCALL", "f", "0"]), ":1\r\n");
        for container in ["SCRIPT", "FUNCTION"] {
            assert_eq!(server.call(&[container, "FLUSH"]), "+OK\r\n");
        }
        server.effects();
        allocated()
    };
    let first = round();
    for _ in 0..5 {
        assert_eq!(round(), first);
    }
}

#[test]
fn a_pattern_does_not_nest_deeper_than_the_stack_nor_look_for_ever() {
    let mut server = Server::new();
    for script in [
        "return string.find(string.rep('a', 100000), string.rep('a?', 20000) .. 'b')",
        "return (string.rep('a', 100000)):match(string.rep('a*', 20000) .. 'b')",
        "return string.gsub('a', string.rep('a?', 20000) .. 'b', '')",
        "for x in string.gmatch('a', string.rep('a?', 20000) .. 'b') do end",
        "return string.find(string.rep('(', 10000), '%b()')",
        "return string.find(string.rep('x', 10000), '%bxy')",
    ] {
        let reply = server.eval(script);
        assert!(reply.contains("user_script:1: pattern too complex"), "{script}: {reply}");
    }
    let text = "string.rep(' ', 100000) .. '(a(b))'";
    assert_eq!(server.eval(&format!("return string.match({text}, '%b()')")), "$6\r\n(a(b))\r\n");
    assert_eq!(server.eval("return string.match('aaab', '(a-)(b)')"), "$3\r\naaa\r\n");
    assert_eq!(server.eval("return {('a,b'):find(',', 1, true)}"), "*2\r\n:2\r\n:2\r\n");
    let words = "local t = {} for w in ('a b'):gmatch('%a') do t[#t + 1] = w end return t";
    assert_eq!(server.eval(words), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
}
