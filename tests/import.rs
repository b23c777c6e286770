//! A file takes the place of everything there is: in one step, and only if all of it is good.

use files::Here;
use lodis::engine::import::Import;
use lodis::engine::meter::Meter;
use lodis::engine::rdb::file::{Cause, LoadError, Loaded, Progress, Purpose};
use lodis::engine::{Engine, Options};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[path = "rdb/files.rs"]
mod files;
mod generator;

/// What is in `here`, as a file.
fn save(here: &mut Here) -> Vec<u8> {
    assert!(here.engine.begin_snapshot(Purpose::Travel, &[]));
    while !here.engine.step_snapshot(100) {}
    let file = here.engine.take_snapshot();
    here.engine.end_snapshot();
    file
}

fn some_file() -> Vec<u8> {
    let mut there = Here::new(2);
    for line in ["SET new 1", "RPUSH list a b", "SET both there", "SELECT 3", "SADD three 1"] {
        there.run(line);
    }
    save(&mut there)
}

/// Reads a file in pieces; `between` happens before it takes the place of what there is.
fn import(
    engine: &mut Engine,
    file: &[u8],
    between: impl FnOnce(&mut Engine),
) -> Result<Loaded, LoadError> {
    let mut import = Import::begin(engine);
    for piece in file.chunks(7) {
        let mut step = import.push(engine, piece).map(|()| Progress::Working);
        while let Ok(Progress::Working) = step {
            step = import.step(engine, 1);
        }
        if let Err(error) = step {
            import.discard(engine);
            return Err(error);
        }
    }
    between(engine);
    import.finish(engine)
}

#[test]
fn a_file_takes_the_place_of_everything() {
    let mut here = Here::new(1);
    here.run("SET old 1");
    here.run("SET both here");
    let loaded = import(&mut here.engine, &some_file(), |_| ()).unwrap();
    assert_eq!((loaded.keys, loaded.expired), (4, 0));
    assert_eq!(here.run("EXISTS old"), ":0\r\n");
    assert_eq!(here.run("GET both"), "$5\r\nthere\r\n");
    here.run("SELECT 3");
    assert_eq!(here.run("DBSIZE"), ":1\r\n");
}

#[test]
fn the_log_is_told_where_it_begins_anew() {
    let mut here = Here::new(1);
    here.engine.effects.set_enabled(true);
    here.run("SET old 1");
    let waiting = here.engine.connect();
    assert_eq!(here.run_as(waiting, "BLPOP list 0"), "");
    import(&mut here.engine, &some_file(), |_| ()).unwrap();
    let replaced_at = here.engine.persistence.requests.replaced_at.unwrap();
    let before = here.engine.effects.take();
    assert!(String::from_utf8_lossy(&before).contains("old"));
    assert_eq!(before.len() as u64, replaced_at);
    // Who was blocked is served by what came, and that is logged after it.
    let messages = here.engine.sessions.take_messages_of(waiting);
    assert_eq!(messages, b"*2\r\n$4\r\nlist\r\n$1\r\na\r\n");
    let after = here.engine.effects.take();
    let after = String::from_utf8_lossy(&after);
    assert!(after.starts_with("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$8\r\nFLUSHALL\r\n"));
    assert!(after.contains("LPOP"));
}

#[test]
fn who_watches_a_key_or_has_copied_a_value_learns_of_it() {
    for (key, reply) in [("old", "*-1\r\n"), ("new", "*-1\r\n"), ("neither", "*0\r\n")] {
        let mut here = Here::new(1);
        here.run("SET old 1");
        let slot = |here: &mut Here| here.engine.keyspace.db_mut(0).generations().keep().to_vec();
        let before = slot(&mut here);
        here.run(&format!("WATCH {key}"));
        here.run("MULTI");
        import(&mut here.engine, &some_file(), |_| ()).unwrap();
        assert_eq!(here.run("EXEC"), reply, "{key}");
        assert!(before.iter().zip(slot(&mut here)).all(|(before, after)| *before != after));
    }
}

#[test]
fn a_snapshot_under_way_goes_on_with_what_there_was() {
    let mut here = Here::new(1);
    for number in 0..300 {
        here.run(&format!("SET key:{number} {number}"));
    }
    here.run("SELECT 3");
    here.run("SADD three old");
    let digest = here.engine.digest();
    here.engine.begin_snapshot(Purpose::Keep, &[]);
    here.engine.step_snapshot(1000);
    import(&mut here.engine, &some_file(), |_| ()).unwrap();
    assert_ne!(here.engine.digest(), digest);
    here.run("SADD three newer");
    while !here.engine.step_snapshot(1000) {}
    let file = here.engine.take_snapshot();
    here.engine.end_snapshot();
    import(&mut here.engine, &file, |_| ()).unwrap();
    assert_eq!(here.engine.digest(), digest);
}

#[test]
fn a_file_that_is_not_good_changes_nothing() {
    let file = some_file();
    let mut bad: Vec<(Vec<u8>, Cause)> = (0..file.len())
        .map(|end| (file[..end].to_vec(), Cause::Truncated))
        .chain([([&file[..], b"*1"].concat(), Cause::Rest)])
        .collect();
    for at in 9..file.len() {
        let mut flipped = file.clone();
        flipped[at] ^= 0x10;
        bad.push((flipped, Cause::Checksum));
    }
    for (file, cause) in bad {
        let mut here = Here::new(1);
        here.run("SET old 1");
        let digest = here.engine.digest();
        let error = import(&mut here.engine, &file, |_| ()).unwrap_err();
        // What is flipped may be wrong in itself.
        assert!(error.cause == cause || cause == Cause::Checksum, "{error}");
        assert_eq!(here.engine.digest(), digest);
        assert_eq!(here.engine.persistence.requests.replaced_at, None);
    }
}

/// What the engine is told of memory. One test works with it.
static USED: AtomicUsize = AtomicUsize::new(0);
static HAS_RESERVE: AtomicBool = AtomicBool::new(true);

#[test]
fn what_there_is_no_memory_for_changes_nothing() {
    let meter = Meter {
        used: || USED.fetch_add(10_000, Ordering::Relaxed),
        has_reserve: || HAS_RESERVE.load(Ordering::Relaxed),
        ..Meter::default()
    };
    let engine = Engine::new(&Options { meter, ..Options::default() });
    let mut here = Here { engine, session: lodis::engine::session::SessionId(0) };
    here.session = here.engine.connect();
    here.run("SET old 1");
    let digest = here.engine.digest();
    let file = some_file();
    let limit = |here: &mut Here, bytes: &str| {
        here.engine.config.set(&[(b"maxmemory", bytes.as_bytes())]).unwrap();
    };
    // Each look at what is used finds more of it: the import takes a lot.
    limit(&mut here, "50000");
    let error = import(&mut here.engine, &file, |_| ()).unwrap_err();
    assert_eq!(error.cause, Cause::NoMemory);
    limit(&mut here, "0");
    HAS_RESERVE.store(false, Ordering::Relaxed);
    let error = import(&mut here.engine, &file, |_| ()).unwrap_err();
    assert_eq!(error.cause, Cause::NoMemory);
    assert_eq!(here.engine.digest(), digest);
    // A policy that lets keys go may do so once they are there.
    HAS_RESERVE.store(true, Ordering::Relaxed);
    limit(&mut here, "50000");
    here.engine.config.set(&[(b"maxmemory-policy", b"allkeys-lru")]).unwrap();
    import(&mut here.engine, &file, |_| ()).unwrap();
    assert_ne!(here.engine.digest(), digest);
}

#[test]
fn what_is_being_loaded_evicts_nothing() {
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    static RISES: AtomicBool = AtomicBool::new(false);
    // While it rises, every second look finds more.
    let used = || {
        let looks = LOOKS.fetch_add(usize::from(RISES.load(Ordering::Relaxed)), Ordering::Relaxed);
        900 + looks.div_ceil(2) * 1000
    };
    let engine =
        Engine::new(&Options { meter: Meter { used, ..Meter::default() }, ..Options::default() });
    let mut here = Here { engine, session: lodis::engine::session::SessionId(0) };
    here.session = here.engine.connect();
    here.run("SET old 1");
    let settings = [(&b"maxmemory"[..], &b"1000"[..]), (b"maxmemory-policy", b"allkeys-lru")];
    here.engine.config.set(&settings).unwrap();
    RISES.store(true, Ordering::Relaxed);
    let mut import = Import::begin(&mut here.engine);
    import.push(&mut here.engine, &some_file()).unwrap();
    import.step(&mut here.engine, 1).unwrap();
    RISES.store(false, Ordering::Relaxed);
    assert!(LOOKS.load(Ordering::Relaxed) > 2);
    assert_eq!(here.run("GET old"), "$1\r\n1\r\n");
    // The memory that the meter speaks of stays in use: now it counts.
    import.discard(&mut here.engine);
    assert_eq!(here.run("GET old"), "$-1\r\n");
}
