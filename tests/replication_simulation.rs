//! Tabs that share a name, and an adversary: delays, frozen tabs, tabs that end at any step, stolen locks, a slow store,
//! the back/forward cache, keyspaces that are replaced, and jobs that tabs wait for; with stores that all can
//! read, that only their owner can, and with none. What the pages saw is checked against what came of it.
//!
//! `LODIS_SCENARIOS` says how many (20,000), `LODIS_SEED` which is the first.

#[path = "replication/check.rs"]
mod check;
#[path = "replication/copy.rs"]
mod copy;
#[path = "replication/scenario.rs"]
mod scenario;
#[path = "replication/storing.rs"]
mod storing;
#[path = "replication/syncing.rs"]
mod syncing;
#[path = "replication/tab.rs"]
mod tab;
#[path = "replication/trouble.rs"]
mod trouble;
#[path = "replication/world.rs"]
mod world;

use std::env;
use std::panic::catch_unwind;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn whatever_becomes_of_the_tabs_nothing_is_lost_and_nothing_is_done_twice() {
    let first = number("LODIS_SEED", 1);
    let scenarios = number("LODIS_SCENARIOS", 20_000);
    let threads = 2;
    let handles: Vec<_> = (0..threads)
        .map(|thread| {
            std::thread::spawn(move || {
                let mut sum = scenario::Summary::default();
                for seed in (first..first + scenarios).filter(|seed| seed % threads == thread) {
                    match catch_unwind(|| scenario::run(seed)) {
                        Ok(summary) => sum.add(&summary),
                        Err(_) => panic!(
                            "seed {seed}; replay with: LODIS_SEED={seed} LODIS_SCENARIOS=1 \
                             cargo test --test replication_simulation"
                        ),
                    }
                }
                sum
            })
        })
        .collect();
    let mut sum = scenario::Summary::default();
    for handle in handles {
        sum.add(&handle.join().expect("see above"));
    }
    println!("{sum:?}");
    if scenarios >= 1000 {
        // Nobody was left who knew that a tab was only away.
        assert!(sum.lost < scenarios / 10, "{sum:?}");
        assert!(sum.handled > scenarios && sum.put_back > scenarios / 20, "{sum:?}");
        assert!(sum.acknowledged > scenarios * 10, "{sum:?}");
        assert!(sum.leaders > scenarios * 2, "{sum:?}");
        assert!(sum.unsure <= scenarios / 500, "{sum:?}");
        assert!(sum.cut_short > scenarios / 4, "{sum:?}");
        assert!(sum.robbed > scenarios / 20, "{sum:?}");
        assert!(sum.resent > scenarios / 10, "{sum:?}");
        assert!(sum.loads > scenarios && sum.syncs > scenarios, "{sum:?}");
        assert!(sum.replaced > scenarios / 4 && sum.anew > scenarios / 100, "{sum:?}");
    }
}
