//! INCRBYFLOAT computes in extended precision: thousands of random sums, compared with a real
//! redis-server. Skipped, saying so, where none is installed, or a `long double` is something else.

use lodis::engine::{Engine, Options};
use lodis::resp::write_command;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CASES: usize = 6_000;

struct Redis {
    process: Child,
    stream: BufReader<TcpStream>,
}

impl Redis {
    /// A server of our own on a free port, without files; `None` if it is not installed.
    fn start() -> Option<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?.local_addr().ok()?.port();
        let mut process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        for _ in 0..200 {
            if let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                return Some(Self { process, stream: BufReader::new(stream) });
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        let _ = process.kill();
        panic!("redis-server does not answer on port {port}");
    }

    /// A reply that is a line or a bulk string, line breaks included.
    fn reply(&mut self) -> String {
        let mut reply = String::new();
        self.stream.read_line(&mut reply).unwrap();
        if let Some(len) = reply.strip_prefix('$').and_then(|len| len.trim().parse().ok()) {
            let mut bulk = vec![0; usize::checked_add(len, 2).unwrap()];
            self.stream.read_exact(&mut bulk).unwrap();
            reply.push_str(&String::from_utf8(bulk).unwrap());
        }
        reply
    }

    fn call(&mut self, argv: &[&str]) -> String {
        self.stream.get_mut().write_all(&encoded(argv)).unwrap();
        self.reply()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn encoded(argv: &[&str]) -> Vec<u8> {
    let mut request = Vec::new();
    write_command(&mut request, &argv.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
    request
}

/// Numbers of every kind: everyday ones, those with ties, huge, tiny, long, hexadecimal, broken.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "-?[0-9]{1,6}(\\.[0-9]{1,6})?",
        4 => any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(|x| format!("{x:e}")),
        2 => any::<f64>().prop_map(|x| x.to_string()),
        2 => any::<i64>().prop_map(|x| x.to_string()),
        2 => any::<u64>().prop_map(|x| x.to_string()),
        2 => "[-+]?[0-9]{1,30}\\.[0-9]{0,40}",
        2 => "-?[1-9]\\.[0-9]{0,25}e-?[0-9]{1,2}",
        2 => "-?[1-9]\\.[0-9]{0,25}[eE][-+]?(49[0-9]{2}|[0-9]{3,4})",
        1 => "-?0x[0-9a-fA-F]{1,20}(\\.[0-9a-f]{0,20})?([pP]-?[0-9]{1,4})?",
        // Halfway between two of the type: 2^64 + an odd number of halves of its last place.
        1 => any::<u64>().prop_map(|x| format!("0x1{:016x}.8", x)),
        1 => any::<u32>().prop_map(|x| format!("0.{x:010}5")),
        1 => "0?\\.0{10,18}[1-9][0-9]{0,3}5?",
        1 => "[-+0-9.eExXpPinfa ]{0,6}",
    ]
}

#[test]
fn sums_are_those_of_redis() {
    if cfg!(not(target_arch = "x86_64")) {
        eprintln!("skipped: a long double has 80 bits on x86-64 only");
        return;
    }
    let Some(mut redis) = Redis::start() else {
        eprintln!("skipped: redis-server is not installed");
        return;
    };
    let mut engine = Engine::new(&Options::default());
    let session = engine.connect();
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..CASES {
        let mut draw = || number().new_tree(&mut runner).unwrap().current();
        let (a, b) = (draw(), draw());
        redis.call(&["SET", "k", &a]);
        let expected = redis.call(&["INCRBYFLOAT", "k", &b]);
        let mut actual = Vec::new();
        engine.call(session, &[b"SET", b"k", a.as_bytes()], &mut Vec::new());
        engine.call(session, &[b"INCRBYFLOAT", b"k", b.as_bytes()], &mut actual);
        assert_eq!(String::from_utf8(actual).unwrap(), expected, "{a:?} + {b:?}");
    }
}
