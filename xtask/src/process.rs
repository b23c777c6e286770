//! Children: started with a word about what they do, watched, and ended when this process is.

use anyhow::{Context, bail};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a child is looked after.
const POLL: Duration = Duration::from_millis(50);
/// How often a long step says that it still runs, where there is no terminal.
const REMINDER: Duration = Duration::from_secs(30);
/// How long children may take to end before they are killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of a failed step's output is shown.
const TAIL_LINES: usize = 80;

/// The children that run now. A child is reaped only while this is locked, so that every id in
/// it is still the child's own.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static INTERRUPT_EXIT_CODE: AtomicI32 = AtomicI32::new(130);

/// A program to run, without standard input, in the root of the repository unless told otherwise.
pub struct Program {
    command: Command,
    line: String,
}

/// The program of that name.
pub fn program(name: impl AsRef<OsStr>) -> Program {
    let mut command = Command::new(&name);
    command.stdin(Stdio::null()).current_dir(crate::workspace::root());
    Program { command, line: name.as_ref().display().to_string() }
}

/// The cargo that runs this.
pub fn cargo() -> Program {
    program(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

impl Program {
    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        for arg in args {
            self.line += &format!(" {}", arg.as_ref().display());
            self.command.arg(arg);
        }
        self
    }

    /// The directory to run in.
    pub fn dir(mut self, dir: PathBuf) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What it writes to standard output, trimmed; `None` if it cannot start or fails.
    pub fn answer(mut self) -> Option<String> {
        let output = self.command.stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    }

    /// Runs it behind one line that says what it does and for how long it has been doing so. Its
    /// output goes to a file, whose end is shown if it fails.
    ///
    /// # Errors
    /// It cannot start, or it fails.
    pub fn step(mut self, title: &str) -> anyhow::Result<()> {
        let log = log_file(title)?;
        let file = File::create(&log).with_context(|| format!("write {}", log.display()))?;
        self.command.stdout(file.try_clone()?).stderr(file);
        let progress = Progress::new(title);
        let status = self.spawn()?.wait(|elapsed| progress.show(elapsed))?;
        progress.done(status.success());
        if !status.success() {
            let text = fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
                eprintln!("    {line}");
            }
            bail!("`{}` failed ({status}); its whole output is in {}", self.line, log.display());
        }
        Ok(())
    }

    /// Runs it with its output shown.
    ///
    /// # Errors
    /// It cannot start, or it fails.
    pub fn show(mut self) -> anyhow::Result<()> {
        let status = self.spawn()?.wait(|_| ())?;
        if !status.success() {
            bail!("`{}` failed ({status})", self.line);
        }
        Ok(())
    }

    /// Starts it, with its output shown.
    ///
    /// # Errors
    /// It cannot start.
    pub fn spawn(&mut self) -> anyhow::Result<Running> {
        stdout().flush()?;
        // A group of its own: whatever the child starts can be ended with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut self.command, 0);
        let mut running = lock();
        let child =
            self.command.spawn().with_context(|| format!("cannot start `{}`", self.line))?;
        running.push(child.id());
        Ok(Running { child, started: Instant::now() })
    }
}

/// A child that runs. It is ended when this is dropped.
pub struct Running {
    child: Child,
    started: Instant,
}

impl Running {
    /// Waits until the child ends; meanwhile calls `meanwhile` with the time that it has run.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&mut self, meanwhile: impl Fn(Duration)) -> anyhow::Result<ExitStatus> {
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            meanwhile(self.started.elapsed());
            sleep(POLL);
        }
    }

    /// How the child ended, if it has.
    ///
    /// # Errors
    /// The system's.
    pub fn status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let mut running = lock();
        let status = self.child.try_wait()?;
        if status.is_some() {
            running.retain(|id| *id != self.child.id());
        }
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.status(), Ok(None)) {
            end_groups(&[self.child.id()]);
            let mut running = lock();
            let _ = self.child.wait();
            running.retain(|id| *id != self.child.id());
        }
    }
}

/// Ends the children, then this process, on Ctrl-C and on SIGTERM.
///
/// # Errors
/// There is a handler already.
pub fn end_children_on_interrupt() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        // Kept locked: nobody can start another child, nor go on after one that ends now.
        let running = lock();
        println!();
        end_groups(&running);
        std::process::exit(INTERRUPT_EXIT_CODE.load(Ordering::Relaxed));
    })
    .context("handle Ctrl-C")
}

/// From now on Ctrl-C is the ordinary way to end, and no failure.
pub fn interrupt_is_success() {
    INTERRUPT_EXIT_CODE.store(0, Ordering::Relaxed);
}

fn lock() -> std::sync::MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Asks the children, and whatever they have started, to end; after a while they have to.
/// Nobody may reap one of the children meanwhile: an id must not come to mean somebody else.
#[cfg(unix)]
fn end_groups(ids: &[u32]) {
    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
    let ids = ids.iter().filter_map(|id| Pid::from_raw(i32::try_from(*id).ok()?));
    let ids: Vec<Pid> = ids.collect();
    // A signal cannot be sent only if the group has ended by itself, which is just as well.
    for id in &ids {
        let _ = kill_process_group(*id, Signal::TERM);
    }
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let asked = Instant::now();
    while ids.iter().any(|id| matches!(waitid(WaitId::Pid(*id), options), Ok(None)))
        && asked.elapsed() < PATIENCE
    {
        sleep(POLL);
    }
    for id in &ids {
        let _ = kill_process_group(*id, Signal::KILL);
    }
}

#[cfg(not(unix))]
fn end_groups(_: &[u32]) {
    // Ctrl-C reaches every process of the console by itself.
}

/// Where the output of the step called `title` goes.
fn log_file(title: &str) -> anyhow::Result<PathBuf> {
    let directory = crate::workspace::target().join("xtask");
    fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
    let name: String =
        title.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ok(directory.join(format!("{}.log", name.trim_matches('-').to_lowercase())))
}

/// The line about a step that runs.
struct Progress<'a> {
    title: &'a str,
    started: Instant,
    shown: std::cell::Cell<u64>,
    is_live: bool,
}

impl<'a> Progress<'a> {
    fn new(title: &'a str) -> Self {
        let is_live = stdout().is_terminal();
        if !is_live {
            println!("  {title} …");
        }
        let shown = std::cell::Cell::new(u64::MAX);
        Self { title, started: Instant::now(), shown, is_live }
    }

    fn show(&self, elapsed: Duration) {
        let seconds = elapsed.as_secs();
        if self.is_live && self.shown.replace(seconds) != seconds {
            print!("\r\x1b[2K  {} … {seconds} s", self.title);
            let _ = stdout().flush();
        }
        let reminders = seconds / REMINDER.as_secs();
        if !self.is_live && reminders > 0 && self.shown.replace(reminders) != reminders {
            println!("  {} … {seconds} s", self.title);
        }
    }

    fn done(&self, is_success: bool) {
        let start = if self.is_live { "\r\x1b[2K" } else { "" };
        let word = if is_success { "done" } else { "failed" };
        println!("{start}  {}: {word}, {:.1} s", self.title, self.started.elapsed().as_secs_f64());
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn sh(script: &str) -> Program {
        program("sh").args(["-c", script])
    }

    #[test]
    fn a_child_is_ended_with_whatever_it_started() {
        let file = std::env::temp_dir().join(format!("lodis-child-{}", std::process::id()));
        let script = format!("sleep 60 & echo $! > {}; wait", file.display());
        let mut running = sh(&script).spawn().unwrap();
        let pid = loop {
            let pid = fs::read_to_string(&file).unwrap_or_default();
            if pid.ends_with('\n') {
                break pid;
            }
            sleep(POLL);
        };
        assert!(running.status().unwrap().is_none());
        drop(running);
        fs::remove_file(file).unwrap();
        // Ended, it may still wait to be reaped by whoever adopted it.
        let state = || program("ps").args(["-o", "stat=", "-p", pid.trim()]).answer();
        while state().is_some_and(|state| !state.starts_with('Z')) {
            sleep(POLL);
        }
    }

    #[test]
    fn a_failure_says_what_failed_and_where_its_output_is() {
        let error = sh("echo word; exit 3").step("failing on purpose").unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("failing-on-purpose.log"));
        let log = log_file("failing on purpose").unwrap();
        assert_eq!(fs::read_to_string(log).unwrap(), "word\n");
        assert!(program("no-such-program-anywhere").show().is_err());
        assert_eq!(sh("echo ' x '").answer().as_deref(), Some("x"));
        assert_eq!(sh("exit 1").answer(), None);
    }
}
