//! A redis-server of our own, to compare with.

// Every test binary that includes this uses its own part of it.
#![allow(dead_code)]

use lodis::resp::write_command;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server on a free port, without files, and one connection to it. It ends with this.
pub struct Redis {
    process: Child,
    port: u16,
    client: Client,
}

impl Redis {
    /// Starts one; `None`, with a word about it, if it is not installed.
    ///
    /// # Panics
    /// If it is not installed and [`is_required`].
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts one that loads `dump.rdb` in a directory, if it is there, and saves it there.
    pub fn start_in(directory: &Path) -> Option<Self> {
        let path = directory.to_str().expect("a directory with a name in Unicode");
        let mut redis = Self::start_with(&["--dir", path, "--logfile", "redis.log"])?;
        while redis.call(&[b"PING"]) != b"+PONG\r\n" {
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(redis)
    }

    fn start_with(options: &[&str]) -> Option<Self> {
        // A port that is free now may be taken by the time the server asks for it.
        for _ in 0..20 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?.local_addr().ok()?.port();
            let Ok(mut process) = spawn(port, options) else {
                let variable = |name| std::env::var(name).ok();
                let (ci, require) = (variable("CI"), variable("LODIS_REQUIRE_REDIS"));
                assert!(
                    !is_required(ci.as_deref(), require.as_deref()),
                    "redis-server is not installed, and CI or LODIS_REQUIRE_REDIS asks for it"
                );
                // The test harness captures what eprintln! writes, and this is to be seen.
                let _ = writeln!(std::io::stderr(), "skipped: redis-server is not installed");
                return None;
            };
            if let Some(client) = connect_to(&mut process, port) {
                return Some(Self { process, port, client });
            }
        }
        panic!("redis-server does not start");
    }

    /// Runs a command; answers the bytes of the reply.
    pub fn call(&mut self, argv: &[&[u8]]) -> Vec<u8> {
        self.client.send(argv);
        self.client.read()
    }

    /// Runs so many commands, sent at once; answers the bytes of their replies.
    pub fn answer(&mut self, request: &[u8], count: usize) -> Vec<u8> {
        self.client.send_bytes(request);
        let mut replies = Vec::new();
        (0..count).for_each(|_| self.client.read_reply(&mut replies));
        replies
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// A connection that gets what replicas get, from now on.
    pub fn replica(&mut self) -> Client {
        let mut client = self.connect();
        client.send(&[b"REPLCONF", b"capa", b"eof"]);
        client.read();
        client.send(&[b"PSYNC", b"?", b"-1"]);
        client.skip_snapshot();
        let online = |info: &[u8]| info.windows(12).any(|part| part == b"state=online");
        while !online(&self.call(&[b"INFO", b"replication"])) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // The stream is held back until a replica says that it has loaded the snapshot.
        client.send(&[b"REPLCONF", b"ACK", b"0"]);
        client
    }

    /// Another connection.
    pub fn connect(&self) -> Client {
        Client::connect(self.port).expect("redis-server is running")
    }
}

fn spawn(port: u16, options: &[&str]) -> std::io::Result<Child> {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--enable-debug-command", "local"])
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// A connection to this process; `None` if it has ended.
fn connect_to(process: &mut Child, port: u16) -> Option<Client> {
    for _ in 0..2400 {
        if let Some(mut client) = Client::connect(port)
            && client.process_id() == Some(process.id())
        {
            return Some(client);
        }
        if process.try_wait().is_ok_and(|status| status.is_some()) {
            return None;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    let _ = process.kill();
    panic!("redis-server does not answer on port {port}");
}

/// Whether tests fail without a redis-server, given the variables `CI` and `LODIS_REQUIRE_REDIS`.
pub fn is_required(ci: Option<&str>, require: Option<&str>) -> bool {
    ci == Some("true") || require.is_some()
}

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        Some(Self { stream: BufReader::new(stream) })
    }

    /// The number of the server's process; `None` if it is no redis-server.
    fn process_id(&mut self) -> Option<u32> {
        self.stream.get_mut().write_all(b"INFO server\r\n").ok()?;
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        let len: usize = line.strip_prefix('$')?.trim_end().parse().ok()?;
        let mut info = vec![0; len.checked_add(2)?];
        self.stream.read_exact(&mut info).ok()?;
        let info = String::from_utf8(info).ok()?;
        info.lines().find_map(|line| line.strip_prefix("process_id:"))?.parse().ok()
    }

    /// Sends a command.
    pub fn send(&mut self, argv: &[&[u8]]) {
        let mut request = Vec::new();
        write_command(&mut request, argv);
        self.stream.get_mut().write_all(&request).unwrap();
    }

    /// Sends many commands at once.
    pub fn send_all<'a>(&mut self, commands: impl IntoIterator<Item = &'a [Vec<u8>]>) {
        let mut request = Vec::new();
        for argv in commands {
            let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
            write_command(&mut request, &argv);
        }
        self.send_bytes(&request);
    }

    /// Sends bytes that are commands.
    pub fn send_bytes(&mut self, request: &[u8]) {
        self.stream.get_mut().write_all(request).unwrap();
    }

    /// Reads one reply or message; answers its bytes.
    pub fn read(&mut self) -> Vec<u8> {
        let mut reply = Vec::new();
        self.read_reply(&mut reply);
        reply
    }

    /// Reads the snapshot that a full synchronisation begins with: `$EOF:`, a mark, the snapshot
    /// and the mark again.
    fn skip_snapshot(&mut self) {
        let mut line = String::new();
        while !line.starts_with("$EOF:") {
            line.clear();
            self.stream.read_line(&mut line).expect("a snapshot within a minute");
        }
        let mark = &line.trim_end().as_bytes()["$EOF:".len()..];
        let mut snapshot = Vec::new();
        while !snapshot.ends_with(mark) {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("the rest of the snapshot");
            snapshot.push(byte[0]);
        }
    }

    fn read_reply(&mut self, reply: &mut Vec<u8>) {
        let start = reply.len();
        self.stream.read_until(b'\n', reply).expect("a reply within a minute");
        let line = String::from_utf8_lossy(&reply[start..]).into_owned();
        let len = line[1..].trim_end().parse::<usize>().ok();
        match (line.as_bytes()[0], len) {
            (b'$' | b'=', Some(len)) => {
                let end = reply.len();
                reply.resize(end + len + 2, 0);
                self.stream.read_exact(&mut reply[end..]).unwrap();
            }
            (b'*' | b'~' | b'>', Some(len)) => (0..len).for_each(|_| self.read_reply(reply)),
            (b'%', Some(len)) => (0..2 * len).for_each(|_| self.read_reply(reply)),
            _ => {}
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
