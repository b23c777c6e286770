//! Time per command while collections grow from 1,000 to 1,000,000 elements, and the exponent that
//! fits, beside the documented cost: 0 for what is constant, little more for a logarithm, 1 for
//! what is linear.
//!
//! `cargo xtask bench --only complexity`; the table goes to `benches/results`.

use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use std::path::Path;
use std::time::{Duration, Instant};

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// How long one size is measured.
const SPAN: Duration = Duration::from_millis(60);
/// The commands of a size are parted into so many blocks, whose median is what counts.
const BLOCKS: usize = 15;

/// A command whose cost is documented.
struct Case {
    name: &'static str,
    documented: &'static str,
    /// Adds element `i` of the collection.
    fill: fn(usize) -> String,
    /// The measured command: the how manieth, and how many elements there are.
    run: fn(usize, usize) -> String,
}

/// A member that is there, another one each time.
fn there(turn: usize, size: usize) -> usize {
    turn.wrapping_mul(7919) % size
}

const CASES: &[Case] = &[
    Case {
        name: "ZADD",
        documented: "O(log n)",
        fill: |i| format!("ZADD z {i} m{i}"),
        run: |turn, n| format!("ZADD z {}.5 m{}", there(turn + 1, n), there(turn, n)),
    },
    Case {
        name: "ZRANK",
        documented: "O(log n)",
        fill: |i| format!("ZADD z {i} m{i}"),
        run: |turn, n| format!("ZRANK z m{}", there(turn, n)),
    },
    Case {
        name: "ZREVRANK",
        documented: "O(log n)",
        fill: |i| format!("ZADD z {i} m{i}"),
        run: |turn, n| format!("ZREVRANK z m{}", there(turn, n)),
    },
    Case {
        name: "ZRANGE of 10 by rank",
        documented: "O(log n)",
        fill: |i| format!("ZADD z {i} m{i}"),
        run: |turn, n| format!("ZRANGE z {} {}", there(turn, n), there(turn, n) + 9),
    },
    Case {
        name: "LPUSH and RPOP",
        documented: "O(1)",
        fill: |i| format!("RPUSH l e{i}"),
        run: |turn, _| if turn % 2 == 0 { "LPUSH l x" } else { "RPOP l" }.to_owned(),
    },
    Case {
        name: "LTRIM of 1",
        documented: "O(1)",
        fill: |i| format!("RPUSH l e{i}"),
        run: |_, _| "LTRIM l 1 -1".to_owned(),
    },
    Case {
        name: "LINDEX in the middle",
        documented: "O(n)",
        fill: |i| format!("RPUSH l e{i}"),
        run: |_, n| format!("LINDEX l {}", n / 2),
    },
    Case {
        name: "LINSERT in the middle",
        documented: "O(n)",
        fill: |i| format!("RPUSH l e{i}"),
        run: |_, n| format!("LINSERT l BEFORE e{} x", n / 2),
    },
    Case {
        name: "SPOP",
        documented: "O(1)",
        fill: |i| format!("SADD s m{i}"),
        run: |_, _| "SPOP s".to_owned(),
    },
    Case {
        name: "SADD",
        documented: "O(1)",
        fill: |i| format!("SADD s m{i}"),
        run: |turn, n| format!("SADD s m{}", n + turn),
    },
    Case {
        name: "SISMEMBER",
        documented: "O(1)",
        fill: |i| format!("SADD s m{i}"),
        run: |turn, n| format!("SISMEMBER s m{}", there(turn, n)),
    },
    Case {
        name: "HSET",
        documented: "O(1)",
        fill: |i| format!("HSET h f{i} v{i}"),
        run: |turn, n| format!("HSET h f{} x", there(turn, n)),
    },
    Case {
        name: "HGET",
        documented: "O(1)",
        fill: |i| format!("HSET h f{i} v{i}"),
        run: |turn, n| format!("HGET h f{}", there(turn, n)),
    },
    Case {
        name: "XRANGE of 10",
        documented: "O(log n)",
        fill: |i| format!("XADD x {}-1 f v{i}", i + 1),
        run: |turn, n| format!("XRANGE x {} + COUNT 10", there(turn, n)),
    },
    Case {
        name: "SCAN, one call",
        documented: "O(1)",
        fill: |i| format!("SET k{i} v"),
        run: |turn, n| format!("SCAN {}", there(turn, n)),
    },
];

fn call(engine: &mut Engine, session: SessionId, line: &str, reply: &mut Vec<u8>) {
    let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    reply.clear();
    engine.call(session, &argv, reply);
    assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
}

/// Nanoseconds per command at this size.
fn measure(case: &Case, size: usize) -> f64 {
    let mut engine = Engine::new(&Options::default());
    let session = engine.connect();
    let mut reply = Vec::new();
    (0..size).for_each(|i| call(&mut engine, session, &(case.fill)(i), &mut reply));
    // Some that are not counted warm caches. The size stays near what it is said to be.
    let most = size / 4;
    let mut times = Vec::new();
    let mut spent = Duration::ZERO;
    for turn in 0..most {
        let line = (case.run)(turn, size);
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        reply.clear();
        let started = Instant::now();
        engine.call(session, &argv, &mut reply);
        let took = started.elapsed();
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
        if turn >= most / 20 {
            spent += took;
            times.push(took.as_nanos() as f64);
        }
        if spent > SPAN {
            break;
        }
    }
    // The machine does other things, too: they fall into a few of the blocks.
    let block = times.len().div_ceil(BLOCKS).max(1);
    let mut means: Vec<f64> =
        times.chunks(block).map(|block| block.iter().sum::<f64>() / block.len() as f64).collect();
    means.sort_by(f64::total_cmp);
    means[means.len() / 2]
}

/// The exponent `e` with which `size^e` fits the times best.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let [x, y] = [logs.iter().map(|p| p.0).sum::<f64>(), logs.iter().map(|p| p.1).sum()]
        .map(|sum: f64| sum / count);
    let covariance: f64 = logs.iter().map(|(a, b)| (a - x) * (b - y)).sum();
    covariance / logs.iter().map(|(a, _)| (a - x).powi(2)).sum::<f64>()
}

/// What one command came to.
struct Outcome {
    case: &'static Case,
    points: Vec<(f64, f64)>,
}

fn markdown(outcomes: &[Outcome], sizes: &[usize]) -> String {
    let heads: String = sizes.iter().map(|size| format!(" {size} |")).collect();
    let mut out = format!(
        "# Time while collections grow\n\n\
         The engine alone, natively: nanoseconds per command for collections of so many elements, each\n\
         command on another one, and the exponent that fits. What is left of one where the cost is O(1)\n\
         are caches: a larger collection is farther away.\n\n\
         | | cost |{heads} exponent |\n| --- | --- |{}\n",
        " ---: |".repeat(sizes.len() + 1)
    );
    for Outcome { case, points } in outcomes {
        let times: String = points.iter().map(|(_, time)| format!(" {time:.0} |")).collect();
        let (name, cost) = (case.name, case.documented);
        out += &format!("| {name} | {cost} |{times} {:.2} |\n", exponent(points));
    }
    out
}

fn json(outcomes: &[Outcome]) -> String {
    let each = outcomes.iter().map(|Outcome { case, points }| {
        let times: Vec<String> =
            points.iter().map(|(size, time)| format!("\"{size}\":{time:.0}")).collect();
        format!(
            "  {{\"command\":\"{}\",\"cost\":\"{}\",\"nanoseconds\":{{{}}},\"exponent\":{:.2}}}",
            case.name,
            case.documented,
            times.join(","),
            exponent(points)
        )
    });
    let each: Vec<String> = each.collect();
    format!("{{\n \"results\":[\n{}\n ]\n}}\n", each.join(",\n"))
}

fn main() {
    let largest = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(usize::MAX);
    let sizes: Vec<usize> = SIZES.into_iter().filter(|size| *size <= largest).collect();
    print!("{:22} {:9}", "nanoseconds, n =", "cost");
    sizes.iter().for_each(|size| print!(" {size:>9}"));
    println!(" {:>9}", "exponent");
    let mut outcomes = Vec::new();
    for case in CASES {
        print!("{:22} {:9}", case.name, case.documented);
        let points: Vec<(f64, f64)> =
            sizes.iter().map(|size| (*size as f64, measure(case, *size))).collect();
        points.iter().for_each(|(_, time)| print!(" {time:>9.0}"));
        println!(" {:>9.2}", exponent(&points));
        outcomes.push(Outcome { case, points });
    }
    if sizes.len() == SIZES.len() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
        std::fs::create_dir_all(&folder).expect("a folder for results");
        for (name, text) in
            [("complexity.md", markdown(&outcomes, &sizes)), ("complexity.json", json(&outcomes))]
        {
            std::fs::write(folder.join(name), text).expect("results are written");
        }
    }
}
