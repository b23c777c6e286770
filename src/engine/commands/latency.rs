//! LATENCY: how long commands take, and when they took too long.

use super::help;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::registry;
use crate::engine::table::{Command, Group, flag, ts};
use crate::engine::timing::{Histogram, Samples};
use crate::resp::Writer;

/// Columns and rows of a graph.
const COLUMNS: usize = 80;
const ROWS: usize = 4;

const LATENCY: Command = Command {
    arity: 2,
    flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
    group: Group::Server,
    since: "2.8.13",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    ..Command::BASE
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "latency",
    arity: -2,
    flags: 0,
    complexity: "Depends on subcommand.",
    summary: "A container for latency diagnostics commands.",
    tips: &[],
    subcommands: SUBCOMMANDS,
    ..LATENCY
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "doctor",
        handler: Some(doctor),
        summary: "Returns a human-readable latency analysis report.",
        reply: ts("string"),
        ..LATENCY
    },
    Command {
        name: "graph",
        handler: Some(graph),
        arity: 3,
        summary: "Returns a latency graph for an event.",
        syntax: "event",
        reply: ts("string"),
        ..LATENCY
    },
    Command {
        name: "help",
        handler: Some(latency_help),
        flags: flag::LOADING | flag::STALE,
        summary: "Returns helpful text about the different subcommands.",
        reply: ts("string[] @bytes string[]"),
        tips: &[],
        ..LATENCY
    },
    Command {
        name: "histogram",
        handler: Some(histogram),
        arity: -2,
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands with latency information being \
            retrieved.",
        summary: "Returns the cumulative distribution of latencies of a subset or all commands.",
        syntax: "[command...]",
        reply: ts("Record<string, { calls: number; histogram_usec: Record<string, number> }>"),
        ..LATENCY
    },
    Command {
        name: "history",
        handler: Some(history),
        arity: 3,
        summary: "Returns timestamp-latency samples for an event.",
        syntax: "event",
        reply: ts("[seconds: number, milliseconds: number][]"),
        ..LATENCY
    },
    Command {
        name: "latest",
        handler: Some(latest),
        summary: "Returns the latest latency samples for all events.",
        reply: ts("[event: string, seconds: number, latest: number, longest: number][]"),
        ..LATENCY
    },
    Command {
        name: "reset",
        handler: Some(reset),
        arity: -2,
        summary: "Resets the latency data for one or more events.",
        syntax: "[event...]",
        reply: ts("number"),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..LATENCY
    },
];

fn samples<'c>(c: &'c Ctx<'_>, event: &[u8]) -> Option<&'c Samples> {
    c.engine.timing.events.iter().find(|known| known.event.as_bytes() == event)
}

fn history(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let Some(known) = samples(c, args.take()?) else {
        out.array(0);
        return Ok(());
    };
    out.array(known.samples.len());
    for (at_s, ms) in &known.samples {
        out.array(2);
        out.integer(*at_s);
        out.integer(*ms);
    }
    Ok(())
}

fn latest(c: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let events = &c.engine.timing.events;
    out.array(events.len());
    for known in events {
        let (at_s, ms) = known.samples.back().copied().unwrap_or_default();
        out.array(4);
        out.bulk(known.event.as_bytes());
        [at_s, ms, known.most_ms].into_iter().for_each(|value| out.integer(value));
    }
    Ok(())
}

fn reset(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (names, events) = (args.rest(), &mut c.engine.timing.events);
    let before = events.len();
    events.retain(|known| !names.is_empty() && !names.contains(&known.event.as_bytes()));
    out.count(before - events.len());
    Ok(())
}

fn doctor(c: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (events, threshold) = (&c.engine.timing.events, c.engine.config.latency_monitor_threshold);
    let mut text = String::new();
    for known in events {
        let count = known.samples.len().max(1) as i64;
        let sum: i64 = known.samples.iter().map(|(_, ms)| ms).sum();
        text.push_str(&format!(
            "{}: {count} latency spikes (average {}ms). Worst all time event {}ms.\n",
            known.event,
            sum / count,
            known.most_ms
        ));
    }
    if !text.is_empty() {
        text.push_str("SLOWLOG tells which commands these are.\n");
    } else if threshold == 0 {
        text.push_str(
            "Latency monitoring is disabled: CONFIG SET latency-monitor-threshold <milliseconds> \
             enables it.\n",
        );
    } else {
        text.push_str("No latency spike was observed.\n");
    }
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

fn graph(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let event = args.take()?;
    let Some(known) = samples(c, event) else {
        let text = [b"ERR No samples available for event '", event, b"'"].concat();
        return Err(Error::new(text));
    };
    let now_s = c.now_ms() / 1000;
    out.verbatim("txt", &drawn(known, now_s));
    Ok(())
}

/// The samples as columns, with how long ago each was under it, from the top down.
fn drawn(known: &Samples, now_s: i64) -> Vec<u8> {
    const PARTS: &[u8; 3] = b"_o#";
    let all: Vec<(i64, i64)> = known.samples.iter().copied().collect();
    let high = all.iter().map(|(_, ms)| *ms).max().unwrap_or_default();
    let low = all.iter().map(|(_, ms)| *ms).min().unwrap_or_default();
    let steps = PARTS.len() * ROWS;
    let range = (high - low).max(1);
    let (event, most) = (known.event, known.most_ms);
    let title = format!("{event} - high {high} ms, low {low} ms (all time high {most} ms)\n");
    let mut text = title.into_bytes();
    let mut row_of = |cells: &mut dyn Iterator<Item = u8>| {
        text.extend(cells);
        text.push(b'\n');
    };
    row_of(&mut std::iter::repeat_n(b'-', COLUMNS));
    for (index, columns) in all.chunks(COLUMNS).enumerate() {
        if index > 0 {
            row_of(&mut std::iter::empty());
        }
        for row in (0..ROWS).rev() {
            row_of(&mut columns.iter().map(|(_, ms)| {
                let step = ((ms - low).saturating_mul(steps as i64) / range) as usize;
                let part = step.min(steps - 1).checked_sub(row * PARTS.len());
                part.map_or(b' ', |part| PARTS.get(part).copied().unwrap_or(b'|'))
            }));
        }
        row_of(&mut std::iter::repeat_n(b' ', columns.len()));
        let labels: Vec<String> = columns.iter().map(|(at_s, _)| age(now_s - at_s)).collect();
        for line in 0..labels.iter().map(String::len).max().unwrap_or_default() {
            let letter = |label: &String| label.as_bytes().get(line).copied().unwrap_or(b' ');
            row_of(&mut labels.iter().map(letter));
        }
    }
    text
}

/// How long ago something was.
fn age(s: i64) -> String {
    match s {
        ..60 => format!("{s}s"),
        60..3600 => format!("{}m", s / 60),
        3600..86_400 => format!("{}h", s / 3600),
        _ => format!("{}d", s / 86_400),
    }
}

fn histogram(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (names, known) = (args.rest(), &c.engine.timing.histograms);
    let mut found: Vec<(&String, &Histogram)> = Vec::new();
    if names.is_empty() {
        found.extend(known.iter());
    }
    for name in names {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let is_container = registry::commands()
            .any(|command| command.name == name && !command.subcommands.is_empty());
        let is_meant = |full: &str| {
            let inner = full.strip_prefix(&name);
            inner.is_some_and(|rest| rest.is_empty() || (is_container && rest.starts_with('|')))
        };
        found.extend(known.iter().filter(|(full, _)| is_meant(full)));
    }
    out.map(found.len());
    for (name, histogram) in found {
        out.bulk(name.as_bytes());
        out.map(2);
        out.bulk(b"calls");
        out.integer(histogram.calls());
        out.bulk(b"histogram_usec");
        let counts: Vec<(i64, i64)> = histogram.cumulative().collect();
        out.map(counts.len());
        for (up_to_us, count) in counts {
            out.integer(up_to_us);
            out.integer(count);
        }
    }
    Ok(())
}

fn latency_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(
        out,
        "LATENCY",
        &[
            "DOCTOR",
            "    Return a human readable latency analysis report.",
            "GRAPH <event>",
            "    Return an ASCII latency graph for the <event> class.",
            "HISTORY <event>",
            "    Return time-latency samples for the <event> class.",
            "LATEST",
            "    Return the latest latency samples for all events.",
            "RESET [<event> ...]",
            "    Reset latency data of one or more <event> classes.",
            "    (default: reset all data for all event classes)",
            "HISTOGRAM [COMMAND ...]",
            "    Return a cumulative distribution of latencies in the format of a histogram for \
             the specified command names.",
            "    If no commands are specified then all histograms are replied.",
        ],
    );
    Ok(())
}
