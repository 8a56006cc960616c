//! The table of commands, sorted by name: name, arity, flags, where its keys are, group, function, one line for people.
//!
//! A positive arity is exact, a negative one a minimum; both count the command's name. `keys` is the first and last key's
//! index and the step between keys; a negative last index counts from the end.
#![forbid(unsafe_code)]

use super::connection::client;
use super::failure::Outcome;
use super::{
    Context, bit_field, bits, config, connection, counter, expiry, info, introspect, keyspace, lcs,
    object, persist, slow_log, string, transaction,
};
use crate::server::resp::{Args, Reply};
use core::marker::PhantomData;
use underpin_core::platform::{Files, Reactor};

bitflags::bitflags! {
    /// What a command is like, in `COMMAND`'s words.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Flags: u16 {
        const WRITE = 1 << 0;
        const READONLY = 1 << 1;
        const DENYOOM = 1 << 2;
        const ADMIN = 1 << 3;
        const NOSCRIPT = 1 << 4;
        const LOADING = 1 << 5;
        const STALE = 1 << 6;
        const FAST = 1 << 7;
        const NO_AUTH = 1 << 8;
        const NO_MULTI = 1 << 9;
        /// Runs at once between `MULTI` and `EXEC`. Not told.
        const NOT_QUEUED = 1 << 10;
    }
}

impl Flags {
    /// The names that `COMMAND` tells.
    pub(super) const NAMES: [(Self, &'static str); 10] = [
        (Self::WRITE, "write"),
        (Self::READONLY, "readonly"),
        (Self::DENYOOM, "denyoom"),
        (Self::ADMIN, "admin"),
        (Self::NOSCRIPT, "noscript"),
        (Self::LOADING, "loading"),
        (Self::STALE, "stale"),
        (Self::FAST, "fast"),
        (Self::NO_AUTH, "no_auth"),
        (Self::NO_MULTI, "no_multi"),
    ];
}

/// The function of a command.
pub(super) type Run<P> = fn(&mut Context<'_, P>, Args<'_>, &mut Reply<'_>) -> Outcome;

/// What a command does.
pub(crate) enum Function<P: Files + Reactor> {
    /// It runs.
    Run(Run<P>),
    /// Its first argument names one of these.
    Container(&'static [Command<P>]),
}

/// A row of the table.
pub(crate) struct Command<P: Files + Reactor> {
    pub(crate) name: &'static str,
    /// With its container's name: `client|setname`.
    pub(crate) full_name: &'static str,
    pub(super) arity: i32,
    pub(super) flags: Flags,
    pub(super) keys: (i32, i32, i32),
    pub(super) group: &'static str,
    pub(super) function: Function<P>,
    pub(super) summary: &'static str,
}

impl<P: Files + Reactor> Command<P> {
    /// Whether so many arguments fit its arity.
    pub(super) fn fits(&self, args: usize) -> bool {
        let args = i32::try_from(args).unwrap_or(i32::MAX);
        if self.arity >= 0 {
            args == self.arity
        } else {
            args >= -self.arity
        }
    }
}

/// The tables, for a platform.
pub(crate) struct Commands<P>(PhantomData<P>);

/// Rows of a table; subcommands are given with their container's name, `"client|id" "id"`.
macro_rules! table {
    ($($full:literal $name:literal $arity:literal [$($flag:ident)*] ($first:literal $last:literal $step:literal)
        $group:literal $kind:ident $function:expr, $summary:literal;)*) => {
        &[$(Command {
            name: $name,
            full_name: $full,
            arity: $arity,
            flags: Flags::empty()$(.union(Flags::$flag))*,
            keys: ($first, $last, $step),
            group: $group,
            function: Function::$kind($function),
            summary: $summary,
        },)*]
    };
}

impl<P: Files + Reactor> Commands<P> {
    /// Every command.
    #[rustfmt::skip]
    pub(crate) const TABLE: &'static [Command<P>] = table! {
        "append" "append" 3 [WRITE DENYOOM FAST] (1 1 1) "string" Run string::append, "Appends to a string; makes it if it is not there.";
        "auth" "auth" -2 [NOSCRIPT LOADING STALE FAST NO_AUTH] (0 0 0) "connection" Run connection::auth, "Signs in.";
        "bgsave" "bgsave" -1 [ADMIN NOSCRIPT] (0 0 0) "server" Run persist::bgsave, "Makes everything durable in the background.";
        "bitcount" "bitcount" -2 [READONLY] (1 1 1) "bitmap" Run bits::bitcount, "Counts the set bits of a string.";
        "bitfield" "bitfield" -2 [WRITE DENYOOM] (1 1 1) "bitmap" Run bit_field::bitfield, "Reads and writes integers of any width in a string.";
        "bitfield_ro" "bitfield_ro" -2 [READONLY FAST] (1 1 1) "bitmap" Run bit_field::bitfield_ro, "Reads integers of any width in a string.";
        "bitop" "bitop" -4 [WRITE DENYOOM] (2 -1 1) "bitmap" Run bits::bitop, "Combines strings bit by bit.";
        "bitpos" "bitpos" -3 [READONLY] (1 1 1) "bitmap" Run bits::bitpos, "Finds the first set or clear bit of a string.";
        "client" "client" -2 [] (0 0 0) "connection" Container Self::CLIENT, "About connections.";
        "command" "command" -1 [LOADING STALE] (0 0 0) "server" Container Self::COMMAND, "About commands.";
        "config" "config" -2 [] (0 0 0) "server" Container Self::CONFIG, "About settings.";
        "copy" "copy" -3 [WRITE DENYOOM] (1 2 1) "generic" Run object::copy, "Copies a value to another key.";
        "dbsize" "dbsize" 1 [READONLY FAST] (0 0 0) "server" Run keyspace::dbsize, "Counts the keys.";
        "decr" "decr" 2 [WRITE DENYOOM FAST] (1 1 1) "string" Run counter::decr, "Subtracts one from a number.";
        "decrby" "decrby" 3 [WRITE DENYOOM FAST] (1 1 1) "string" Run counter::decrby, "Subtracts from a number.";
        "del" "del" -2 [WRITE] (1 -1 1) "generic" Run keyspace::del, "Removes keys.";
        "discard" "discard" 1 [NOSCRIPT LOADING STALE FAST NOT_QUEUED] (0 0 0) "transactions" Run transaction::discard, "Forgets a transaction.";
        "echo" "echo" 2 [LOADING STALE FAST] (0 0 0) "connection" Run connection::echo, "Returns its argument.";
        "exec" "exec" 1 [NOSCRIPT LOADING STALE NOT_QUEUED] (0 0 0) "transactions" Run transaction::exec, "Runs a transaction.";
        "exists" "exists" -2 [READONLY FAST] (1 -1 1) "generic" Run keyspace::exists, "Counts which of the keys are there.";
        "expire" "expire" -3 [WRITE FAST] (1 1 1) "generic" Run expiry::expire, "Sets a time to live in seconds.";
        "expireat" "expireat" -3 [WRITE FAST] (1 1 1) "generic" Run expiry::expireat, "Sets an expiry in Unix seconds.";
        "expiretime" "expiretime" 2 [READONLY FAST] (1 1 1) "generic" Run expiry::expiretime, "Returns the expiry in Unix seconds.";
        "flushall" "flushall" -1 [WRITE] (0 0 0) "server" Run keyspace::flush, "Removes all keys.";
        "flushdb" "flushdb" -1 [WRITE] (0 0 0) "server" Run keyspace::flush, "Removes all keys.";
        "get" "get" 2 [READONLY FAST] (1 1 1) "string" Run string::get, "Returns a string.";
        "getbit" "getbit" 3 [READONLY FAST] (1 1 1) "bitmap" Run bits::getbit, "Returns a bit of a string.";
        "getdel" "getdel" 2 [WRITE FAST] (1 1 1) "string" Run string::getdel, "Returns a string and removes it.";
        "getex" "getex" -2 [WRITE FAST] (1 1 1) "string" Run string::getex, "Returns a string and sets its expiry.";
        "getrange" "getrange" 4 [READONLY] (1 1 1) "string" Run string::getrange, "Returns a part of a string.";
        "getset" "getset" 3 [WRITE DENYOOM FAST] (1 1 1) "string" Run string::getset, "Sets a string and returns the old one.";
        "hello" "hello" -1 [NOSCRIPT LOADING STALE FAST NO_AUTH] (0 0 0) "connection" Run connection::hello, "Chooses the protocol's version.";
        "incr" "incr" 2 [WRITE DENYOOM FAST] (1 1 1) "string" Run counter::incr, "Adds one to a number.";
        "incrby" "incrby" 3 [WRITE DENYOOM FAST] (1 1 1) "string" Run counter::incrby, "Adds to a number.";
        "incrbyfloat" "incrbyfloat" 3 [WRITE DENYOOM FAST] (1 1 1) "string" Run counter::incrbyfloat, "Adds to a number with decimals.";
        "info" "info" -1 [LOADING STALE] (0 0 0) "server" Run info::info, "Tells the server's state.";
        "keys" "keys" 2 [READONLY] (0 0 0) "generic" Run keyspace::keys, "Lists the keys that match a pattern.";
        "lastsave" "lastsave" 1 [LOADING STALE FAST] (0 0 0) "server" Run persist::lastsave, "Tells when SAVE or BGSAVE last succeeded.";
        "latency" "latency" -2 [] (0 0 0) "server" Container Self::LATENCY, "About events that took long; none is monitored.";
        "lcs" "lcs" -3 [READONLY] (1 2 1) "string" Run lcs::lcs, "Finds the longest common subsequence of two strings.";
        "memory" "memory" -2 [] (0 0 0) "server" Container Self::MEMORY, "About memory.";
        "mget" "mget" -2 [READONLY FAST] (1 -1 1) "string" Run string::mget, "Returns several strings.";
        "mset" "mset" -3 [WRITE DENYOOM] (1 -1 2) "string" Run string::mset, "Sets several strings at once.";
        "msetnx" "msetnx" -3 [WRITE DENYOOM] (1 -1 2) "string" Run string::msetnx, "Sets several strings at once if none is there.";
        "multi" "multi" 1 [NOSCRIPT LOADING STALE FAST NOT_QUEUED] (0 0 0) "transactions" Run transaction::multi, "Begins a transaction.";
        "object" "object" -2 [] (0 0 0) "generic" Container Self::OBJECT, "About how values are kept.";
        "persist" "persist" 2 [WRITE FAST] (1 1 1) "generic" Run expiry::persist, "Removes the expiry.";
        "pexpire" "pexpire" -3 [WRITE FAST] (1 1 1) "generic" Run expiry::pexpire, "Sets a time to live in milliseconds.";
        "pexpireat" "pexpireat" -3 [WRITE FAST] (1 1 1) "generic" Run expiry::pexpireat, "Sets an expiry in Unix milliseconds.";
        "pexpiretime" "pexpiretime" 2 [READONLY FAST] (1 1 1) "generic" Run expiry::pexpiretime, "Returns the expiry in Unix milliseconds.";
        "ping" "ping" -1 [FAST] (0 0 0) "connection" Run connection::ping, "Answers.";
        "psetex" "psetex" 4 [WRITE DENYOOM] (1 1 1) "string" Run string::psetex, "Sets a string and a time to live in milliseconds.";
        "pttl" "pttl" 2 [READONLY FAST] (1 1 1) "generic" Run expiry::pttl, "Returns the time to live in milliseconds.";
        "quit" "quit" -1 [NOSCRIPT LOADING STALE FAST NO_AUTH NOT_QUEUED] (0 0 0) "connection" Run connection::quit, "Closes the connection.";
        "randomkey" "randomkey" 1 [READONLY] (0 0 0) "generic" Run keyspace::randomkey, "Returns some key.";
        "rename" "rename" 3 [WRITE] (1 2 1) "generic" Run keyspace::rename, "Renames a key.";
        "renamenx" "renamenx" 3 [WRITE FAST] (1 2 1) "generic" Run keyspace::renamenx, "Renames a key if the new name is free.";
        "reset" "reset" 1 [NOSCRIPT LOADING STALE FAST NO_AUTH NOT_QUEUED] (0 0 0) "connection" Run connection::reset, "Makes the connection as new.";
        "role" "role" 1 [NOSCRIPT LOADING STALE FAST] (0 0 0) "server" Run object::role, "Tells that the server is a master without replicas.";
        "save" "save" 1 [ADMIN NOSCRIPT NO_MULTI] (0 0 0) "server" Run persist::save, "Makes everything durable.";
        "scan" "scan" -2 [READONLY] (0 0 0) "generic" Run keyspace::scan, "Lists keys step by step.";
        "select" "select" 2 [LOADING STALE FAST] (0 0 0) "connection" Run connection::select, "Chooses the database; there is one, 0.";
        "set" "set" -3 [WRITE DENYOOM] (1 1 1) "string" Run string::set, "Sets a string.";
        "setbit" "setbit" 4 [WRITE DENYOOM] (1 1 1) "bitmap" Run bits::setbit, "Sets a bit of a string.";
        "setex" "setex" 4 [WRITE DENYOOM] (1 1 1) "string" Run string::setex, "Sets a string and a time to live in seconds.";
        "setnx" "setnx" 3 [WRITE DENYOOM FAST] (1 1 1) "string" Run string::setnx, "Sets a string if it is not there.";
        "setrange" "setrange" 4 [WRITE DENYOOM] (1 1 1) "string" Run string::setrange, "Writes over a part of a string.";
        "shutdown" "shutdown" -1 [ADMIN NOSCRIPT LOADING STALE NO_MULTI] (0 0 0) "server" Run persist::shutdown, "Ends the server.";
        "slowlog" "slowlog" -2 [] (0 0 0) "server" Container Self::SLOWLOG, "About requests that took long.";
        "strlen" "strlen" 2 [READONLY FAST] (1 1 1) "string" Run string::strlen, "Returns a string's length.";
        "substr" "substr" 4 [READONLY] (1 1 1) "string" Run string::getrange, "Returns a part of a string.";
        "time" "time" 1 [LOADING STALE FAST] (0 0 0) "server" Run persist::time, "Returns the time of day.";
        "touch" "touch" -2 [READONLY FAST] (1 -1 1) "generic" Run keyspace::exists, "Counts which of the keys are there.";
        "ttl" "ttl" 2 [READONLY FAST] (1 1 1) "generic" Run expiry::ttl, "Returns the time to live in seconds.";
        "type" "type" 2 [READONLY FAST] (1 1 1) "generic" Run keyspace::kind, "Returns a value's type.";
        "unlink" "unlink" -2 [WRITE FAST] (1 -1 1) "generic" Run keyspace::del, "Removes keys.";
        "unwatch" "unwatch" 1 [NOSCRIPT LOADING STALE FAST] (0 0 0) "transactions" Run transaction::unwatch, "Forgets the watched keys.";
        "watch" "watch" -2 [NOSCRIPT LOADING STALE FAST NOT_QUEUED] (1 -1 1) "transactions" Run transaction::watch, "Lets EXEC refuse if keys change.";
    };

    /// `CLIENT` and a subcommand.
    #[rustfmt::skip]
    const CLIENT: &'static [Command<P>] = table! {
        "client|getname" "getname" 2 [NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::getname, "Returns the connection's name.";
        "client|getredir" "getredir" 2 [NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::getredir, "Tells that nothing is redirected.";
        "client|id" "id" 2 [NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::id, "Returns the connection's number.";
        "client|info" "info" 2 [NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::info, "Describes the connection.";
        "client|kill" "kill" -3 [ADMIN NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::kill, "Closes connections.";
        "client|list" "list" -2 [ADMIN NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::list, "Describes connections.";
        "client|no-evict" "no-evict" 3 [ADMIN NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::no_evict, "Keeps the connection when memory runs short.";
        "client|no-touch" "no-touch" 3 [NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::no_touch, "Accepted; reads change nothing here.";
        "client|pause" "pause" -3 [ADMIN NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::pause, "Lets requests wait, or those that write.";
        "client|reply" "reply" 3 [NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::reply, "Chooses which replies are sent.";
        "client|setinfo" "setinfo" 4 [NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::setinfo, "Names the client's library.";
        "client|setname" "setname" 3 [NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::setname, "Names the connection.";
        "client|unpause" "unpause" 2 [ADMIN NOSCRIPT LOADING STALE] (0 0 0) "connection" Run client::unpause, "Ends a pause.";
    };

    /// `COMMAND` and a subcommand.
    #[rustfmt::skip]
    const COMMAND: &'static [Command<P>] = table! {
        "command|count" "count" 2 [LOADING STALE] (0 0 0) "server" Run introspect::count, "Counts the commands.";
        "command|docs" "docs" -2 [LOADING STALE] (0 0 0) "server" Run introspect::docs, "Describes commands for people.";
        "command|getkeys" "getkeys" -4 [LOADING STALE] (0 0 0) "server" Run introspect::getkeys, "Finds the keys of a command line.";
        "command|info" "info" -2 [LOADING STALE] (0 0 0) "server" Run introspect::info, "Describes commands for programs.";
        "command|list" "list" -2 [LOADING STALE] (0 0 0) "server" Run introspect::list, "Names the commands.";
    };

    /// `CONFIG` and a subcommand.
    #[rustfmt::skip]
    const CONFIG: &'static [Command<P>] = table! {
        "config|get" "get" -3 [ADMIN NOSCRIPT LOADING STALE] (0 0 0) "server" Run config::get, "Returns settings.";
        "config|resetstat" "resetstat" 2 [ADMIN NOSCRIPT LOADING STALE] (0 0 0) "server" Run config::resetstat, "Sets the counters of INFO to zero.";
        "config|rewrite" "rewrite" 2 [ADMIN NOSCRIPT LOADING STALE] (0 0 0) "server" Run config::rewrite, "Refused: there is no configuration file.";
        "config|set" "set" -4 [ADMIN NOSCRIPT LOADING STALE] (0 0 0) "server" Run config::set, "Changes settings.";
    };

    /// `LATENCY` and a subcommand.
    #[rustfmt::skip]
    const LATENCY: &'static [Command<P>] = table! {
        "latency|history" "history" 3 [ADMIN NOSCRIPT LOADING STALE] (0 0 0) "server" Run slow_log::no_events, "Lists an event's latest times: none.";
        "latency|latest" "latest" 2 [ADMIN NOSCRIPT LOADING STALE] (0 0 0) "server" Run slow_log::no_events, "Lists the latest events: none.";
        "latency|reset" "reset" -2 [ADMIN NOSCRIPT LOADING STALE] (0 0 0) "server" Run slow_log::reset_events, "Forgets events: none.";
    };

    /// `MEMORY` and a subcommand.
    #[rustfmt::skip]
    const MEMORY: &'static [Command<P>] = table! {
        "memory|purge" "purge" 2 [] (0 0 0) "server" Run object::purge, "Gives back the memory of values that can be read again.";
        "memory|stats" "stats" 2 [] (0 0 0) "server" Run object::memory_stats, "Tells what the parts of the server hold.";
        "memory|usage" "usage" -3 [READONLY] (2 2 1) "server" Run object::usage, "Estimates the bytes that a key takes.";
    };

    /// `OBJECT` and a subcommand.
    #[rustfmt::skip]
    const OBJECT: &'static [Command<P>] = table! {
        "object|encoding" "encoding" 3 [READONLY] (2 2 1) "generic" Run object::encoding, "Names the form that Redis would keep the value in.";
        "object|freq" "freq" 3 [READONLY] (2 2 1) "generic" Run object::untracked, "Refused: how often a key is used is not tracked.";
        "object|idletime" "idletime" 3 [READONLY] (2 2 1) "generic" Run object::untracked, "Refused: when a key was last used is not tracked.";
        "object|refcount" "refcount" 3 [READONLY] (2 2 1) "generic" Run object::refcount, "Returns 1.";
    };

    /// `SLOWLOG` and a subcommand.
    #[rustfmt::skip]
    const SLOWLOG: &'static [Command<P>] = table! {
        "slowlog|get" "get" -2 [ADMIN LOADING STALE] (0 0 0) "server" Run slow_log::get, "Lists the latest requests that took long.";
        "slowlog|len" "len" 2 [ADMIN LOADING STALE] (0 0 0) "server" Run slow_log::len, "Counts them.";
        "slowlog|reset" "reset" 2 [ADMIN LOADING STALE] (0 0 0) "server" Run slow_log::reset, "Forgets them.";
    };
}
