//! `cargo xtask run`: the playground, built and served on this machine.

use crate::package;
use crate::process::interrupt_is_success;
use crate::setup::{self, Npm, npm};
use crate::workspace::path;
use anyhow::{Context, bail};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The first port that is tried if none is given.
const PORT: u16 = 5173;
const PORTS_TRIED: u16 = 100;
/// How long the server may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// The port among the arguments.
///
/// # Errors
/// They are not `--port` and a number of 1 to 65535.
pub fn port(args: &[String]) -> anyhow::Result<Option<u16>> {
    match args {
        [] => Ok(None),
        [option, port] if option == "--port" => match port.parse() {
            Ok(0) | Err(_) => bail!("`{port}` is no port: 1 to 65535"),
            Ok(port) => Ok(Some(port)),
        },
        _ => bail!("run takes `--port N` or nothing"),
    }
}

/// Sets up, builds, serves until Ctrl-C.
///
/// # Errors
/// A step failed, the port is taken, or the server ended.
pub fn serve(port: Option<u16>) -> anyhow::Result<()> {
    let port = free_port(port)?;
    setup::for_builds(&[Npm::Pkg, Npm::Www])?;
    package::build()?;
    println!("Playground");
    let www = path(Npm::Www.dir());
    npm().args(["run", "--silent", "build"]).dir(www.clone()).step("building www/dist")?;
    let options = ["--host", "127.0.0.1", "--strictPort", "--logLevel", "warn", "--port"];
    let mut server = npm()
        .args(["run", "--silent", "preview", "--"])
        .args(options)
        .args([port.to_string()])
        .dir(www)
        .spawn()?;
    let started = Instant::now();
    while TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_err() {
        if let Some(status) = server.status()? {
            bail!("the server of the playground ended ({status})");
        }
        if started.elapsed() > PATIENCE {
            bail!("the server of the playground does not answer on port {port}");
        }
        sleep(Duration::from_millis(50));
    }
    interrupt_is_success();
    println!("\nThe playground is at http://localhost:{port}/ (Ctrl-C ends it)");
    let status = server.wait(|_| ())?;
    bail!("the server of the playground ended ({status})")
}

/// The port wanted, or the first free one.
fn free_port(wanted: Option<u16>) -> anyhow::Result<u16> {
    choose_port(wanted, is_free)
}

fn choose_port(wanted: Option<u16>, is_free: impl Fn(u16) -> bool) -> anyhow::Result<u16> {
    match wanted {
        Some(port) if is_free(port) => Ok(port),
        Some(port) => bail!("port {port} is taken: choose another one with --port"),
        None => (PORT..PORT + PORTS_TRIED)
            .find(|port| is_free(*port))
            .context("no free port; give one: --port"),
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_refused_if_it_was_asked_for() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(free_port(Some(port)).unwrap_err().to_string().contains("is taken"));
    }

    // With ports of its own making: a real one, once let go, may be anybody's.
    #[test]
    fn a_free_port_is_taken_as_asked_for_or_the_first() {
        assert_eq!(choose_port(Some(80), |port| port == 80).unwrap(), 80);
        assert_eq!(choose_port(None, |port| port > PORT + 1).unwrap(), PORT + 2);
        assert!(choose_port(None, |_| false).unwrap_err().to_string().contains("no free port"));
    }
}
