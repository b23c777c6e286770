//! The commands, one file a family: each declared once, beside its handler.

use super::table::Command;

mod acl;
mod bitfield;
mod bitmap;
mod client;
mod cluster;
mod command;
mod config;
mod connection;
mod debug;
mod dump;
mod expire;
mod function;
mod generic;
mod geo;
mod geo_search;
mod hash;
mod hash_expire;
mod help;
mod hyperloglog;
mod latency;
mod lcs;
mod list;
mod list_move;
mod memory;
mod module;
mod monitor;
mod object;
mod persistence;
mod pubsub;
mod replication;
mod scan;
mod scripting;
mod server;
mod set;
mod set_algebra;
mod shutdown;
mod slowlog;
mod sort;
mod sorted_set;
mod sorted_set_algebra;
mod sorted_set_pop;
mod sorted_set_range;
mod stream;
mod stream_claim;
mod stream_delete;
mod stream_group;
mod stream_info;
mod stream_read;
mod string;
mod string_compare;
mod string_numeric;
mod string_set;
mod tracking;
mod transactions;
mod wait;

pub(super) use client::describe as describe_client;
pub(super) use client::is_printable as is_client_name;
#[cfg(feature = "scripting")]
pub(super) use help::wrong_subcommand;

/// The command table.
pub static FAMILIES: &[&[Command]] = &[
    generic::COMMANDS,
    scan::COMMANDS,
    expire::COMMANDS,
    wait::COMMANDS,
    dump::COMMANDS,
    object::COMMANDS,
    monitor::COMMANDS,
    sort::COMMANDS,
    string::COMMANDS,
    string_set::COMMANDS,
    string_compare::COMMANDS,
    string_numeric::COMMANDS,
    lcs::COMMANDS,
    bitmap::COMMANDS,
    bitfield::COMMANDS,
    hyperloglog::COMMANDS,
    hash::COMMANDS,
    hash_expire::COMMANDS,
    set::COMMANDS,
    set_algebra::COMMANDS,
    sorted_set::COMMANDS,
    sorted_set_range::COMMANDS,
    sorted_set_pop::COMMANDS,
    sorted_set_algebra::COMMANDS,
    geo::COMMANDS,
    geo_search::COMMANDS,
    stream::COMMANDS,
    stream_delete::COMMANDS,
    stream_group::COMMANDS,
    stream_claim::COMMANDS,
    stream_read::COMMANDS,
    stream_info::COMMANDS,
    list::COMMANDS,
    list_move::COMMANDS,
    connection::COMMANDS,
    client::COMMANDS,
    transactions::COMMANDS,
    pubsub::COMMANDS,
    scripting::COMMANDS,
    function::COMMANDS,
    server::COMMANDS,
    persistence::COMMANDS,
    config::COMMANDS,
    debug::COMMANDS,
    memory::COMMANDS,
    module::COMMANDS,
    command::COMMANDS,
    acl::COMMANDS,
    shutdown::COMMANDS,
    slowlog::COMMANDS,
    latency::COMMANDS,
    replication::COMMANDS,
    cluster::COMMANDS,
];
