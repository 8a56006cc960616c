//! The commands: a table of names, arities, flags and functions, and how a request finds its function.
//!
//! A command is a function over a [`Context`], its arguments and the reply: it answers in full or returns a [`Failure`],
//! in which case whatever it wrote is taken back and the failure is the reply. The table is the one source for
//! dispatch, arity checks and what `COMMAND` tells.
//!
//! | file | commands |
//! |---|---|
//! | `string` | GET SET MGET MSET APPEND ... |
//! | `lcs` | LCS |
//! | `bits` | SETBIT GETBIT BITCOUNT BITPOS BITOP |
//! | `bit_field` | BITFIELD BITFIELD_RO |
//! | `counter` | INCR family |
//! | `object` | COPY OBJECT MEMORY ROLE |
//! | `keyspace` | DEL EXISTS TYPE RENAME KEYS SCAN DBSIZE FLUSHDB ... |
//! | `expiry` | EXPIRE family, TTL family, PERSIST |
//! | `transaction` | MULTI EXEC DISCARD WATCH UNWATCH |
//! | `connection` | HELLO AUTH PING ECHO SELECT RESET QUIT, CLIENT |
//! | `introspect`, `config`, `info`, `persist` | COMMAND, CONFIG, INFO, SAVE and SHUTDOWN |
//! | `slow_log` | SLOWLOG LATENCY |
//! | `absent` | what Redis has and this server refuses |
#![forbid(unsafe_code)]

mod absent;
mod big;
mod bit_field;
mod bits;
mod config;
mod connection;
mod counter;
mod dispatch;
mod expiry;
mod failure;
mod info;
mod introspect;
mod keyspace;
mod lcs;
mod long_double;
mod object;
mod option;
mod persist;
mod slow_log;
mod string;
mod table;
mod transaction;

pub(crate) use dispatch::{Dispatch, Found};
pub(crate) use failure::{Failure, Outcome};

use super::client::{Client, Multi, Queued, ReplyMode, Wait};
use super::connection::Connections;
use super::resp::{Args, Reply};
use super::state::State;
use super::store::Store;
use table::{Command, Flags, Function};
use underpin_core::platform::{Files, Reactor};

/// What a command may touch.
pub(crate) struct Context<'a, P: Files + Reactor> {
    /// The server's state, the keyspace in it.
    pub(crate) state: &'a mut State<P>,
    /// The client that asks.
    pub(crate) client: &'a mut Client,
    /// The other clients; the one that asks is not among them.
    pub(crate) others: &'a mut Connections<P::Socket>,
    /// How much of what the client was told has left already.
    pub(crate) sent: usize,
    /// Being run by `EXEC`.
    pub(crate) in_exec: bool,
}

impl<P: Files + Reactor> Context<'_, P> {
    pub(crate) fn store(&mut self) -> &mut Store<P> {
        &mut self.state.store
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.state.store.now_ms()
    }

    /// Gives up on a reply that has outgrown what one client may make the server hold.
    fn check_reply(&mut self, reply: &Reply<'_>) -> Outcome {
        if reply.len().saturating_sub(self.sent) <= self.state.options.client_output_bytes_max {
            return Ok(());
        }
        Err(Failure::REPLY_TOO_LARGE)
    }
}

/// Runs or queues one request and writes its reply, unless that has to wait ([`Client::waits`]).
pub(crate) fn execute<P: Files + Reactor>(
    context: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) {
    let start = reply.len();
    let outcome = dispatch(context, args, reply);
    if context.client.waits == Some(Wait::Pause) {
        return;
    }
    if let Err(failure) = outcome {
        context.state.note_error(failure.as_bytes());
        reply.truncate(start);
        reply.error(failure.as_bytes());
    }
    match context.client.reply_mode {
        ReplyMode::On => {}
        ReplyMode::Off => reply.truncate(start),
        ReplyMode::SkipNext => context.client.reply_mode = ReplyMode::SkipThis,
        ReplyMode::SkipThis => {
            reply.truncate(start);
            context.client.reply_mode = ReplyMode::On;
        }
    }
}

fn dispatch<P: Files + Reactor>(
    context: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let Found { command, index } = match context.state.dispatch.find(args) {
        Ok(found) => found,
        Err(_) if is_http(args.at(0)) => {
            context.client.closing = true;
            return Ok(());
        }
        Err(failure) => {
            if let Some(multi) = &mut context.client.multi {
                multi.broken = true;
            }
            if args.at(0).eq_ignore_ascii_case(b"exec") {
                return Err(transaction::abort(context, &failure));
            }
            return Err(failure);
        }
    };
    if !context.client.authenticated && !command.flags.contains(Flags::NO_AUTH) {
        return Err(Failure::fixed("NOAUTH Authentication required."));
    }
    if is_paused(context, command) {
        context.client.waits = Some(Wait::Pause);
        context.state.pause_holds = true;
        return Ok(());
    }
    context.client.last_command = command.full_name;
    if context.client.multi.is_some() {
        if command.flags.contains(Flags::NO_MULTI) {
            if let Some(multi) = &mut context.client.multi {
                multi.broken = true;
            }
            if let Some(stats) = context.state.statistics.of(index) {
                stats.rejected += 1;
            }
            return Err(Failure::fixed(
                "ERR Command not allowed inside a transaction",
            ));
        }
        if !command.flags.contains(Flags::NOT_QUEUED) {
            let queued = Queued::new(args);
            if let Some(multi) = &mut context.client.multi {
                multi.bytes += queued.memory_bytes();
                multi.writes |= command.flags.contains(Flags::WRITE);
                multi.queue.push(queued);
            }
            reply.simple("QUEUED");
            return Ok(());
        }
    }
    context.state.last_ran = Some(index);
    run(context, &Found { command, index }, args, reply)
}

/// Whether a `CLIENT PAUSE` holds this command. The one that ends the pause it does not hold.
fn is_paused<P: Files + Reactor>(context: &Context<'_, P>, command: &Command<P>) -> bool {
    let Some(pause) = context.state.pause else {
        return false;
    };
    if !pause.writes_only {
        // Nor does it keep anybody from signing in, to end it.
        let signs_in = ["auth", "hello"].contains(&command.full_name);
        return !signs_in && command.full_name != "client|unpause";
    }
    let writes = |multi: &Multi| command.full_name == "exec" && multi.writes;
    command.flags.contains(Flags::WRITE) || context.client.multi.as_ref().is_some_and(writes)
}

/// Whether a line is of an HTTP request. A web page can make a browser send one here, with commands in its body, so the
/// connection ends before they are read, as Redis does it.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:")
}

/// Runs a command whose name and arity were checked.
fn run<P: Files + Reactor>(
    context: &mut Context<'_, P>,
    found: &Found<P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    context.state.counters.commands += 1;
    // Commands that write also tell what is there, if only by changing nothing.
    let tells = Flags::READONLY | Flags::WRITE;
    if context.state.may_show_lost() && found.command.flags.intersects(tells) {
        return Err(Failure::fixed(
            "MISCONF a sync failed: what would be read may be lost when the server ends",
        ));
    }
    let outcome = match found.command.function {
        Function::Run(function) => function(context, args, reply),
        Function::Container(_) if args.len() > 1 => {
            introspect::help(found.command, reply);
            Ok(())
        }
        // Of the containers, only `COMMAND`'s arity lets it through without a subcommand.
        Function::Container(_) => {
            introspect::all::<P>(reply);
            Ok(())
        }
    };
    // What a write returns is told even so, as it was done; and `EXEC` looks at the sum of its commands' replies.
    let outcome = match found.command.flags.contains(Flags::WRITE) || context.in_exec {
        true => outcome,
        false => outcome.and_then(|()| context.check_reply(reply)),
    };
    if outcome.is_err()
        && let Some(stats) = context.state.statistics.of(found.index)
    {
        stats.failed += 1;
    }
    outcome
}

/// The reply to a name that is in no table: the name and the beginning of the arguments.
fn unknown_command(args: Args<'_>) -> Failure {
    const SHOWN_BYTES: usize = 128;
    let mut shown = Vec::new();
    for arg in args.iter_from(1) {
        if shown.len() >= SHOWN_BYTES {
            break;
        }
        let room = SHOWN_BYTES - shown.len();
        shown.push(b'\'');
        shown.extend(text_of(arg).iter().take(room));
        shown.extend_from_slice(b"' ");
    }
    let mut text = b"ERR unknown command '".to_vec();
    text.extend(text_of(args.at(0)).iter().take(SHOWN_BYTES));
    text.extend_from_slice(b"', with args beginning with: ");
    text.extend_from_slice(&shown);
    Failure::bytes(text)
}

/// The bytes before a NUL, where text in an error reply ends.
fn text_of(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}
