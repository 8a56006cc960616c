//! The commands: a table of names, arities, flags and functions, and how a request finds its function.
//!
//! A command is a function over a [`Context`], its arguments and the reply: it answers in full or returns a [`Failure`],
//! in which case whatever it wrote is taken back and the failure is the reply. The table is the one source for
//! dispatch, arity checks and what `COMMAND` tells.
//!
//! | file | commands |
//! |---|---|
//! | `string` | GET SET MGET MSET APPEND ... |
//! | `counter` | INCR family |
//! | `keyspace` | DEL EXISTS TYPE RENAME KEYS SCAN DBSIZE FLUSHDB ... |
//! | `expiry` | EXPIRE family, TTL family, PERSIST |
//! | `transaction` | MULTI EXEC DISCARD WATCH UNWATCH |
//! | `connection` | HELLO AUTH PING ECHO SELECT RESET QUIT, CLIENT |
//! | `introspect`, `config`, `info`, `persist` | COMMAND, CONFIG, INFO, SAVE and SHUTDOWN |
#![forbid(unsafe_code)]

mod config;
mod connection;
mod counter;
mod decimal;
mod expiry;
mod failure;
mod info;
mod introspect;
mod keyspace;
mod option;
mod persist;
mod string;
mod table;
mod transaction;

pub(crate) use failure::{Failure, Outcome};
pub(crate) use table::{Command, Commands};

use super::client::{Client, Queued, ReplyMode};
use super::connection::Connections;
use super::resp::{Args, Reply};
use super::state::State;
use super::store::Store;
use table::{Flags, Function};
use underpin_core::platform::{Files, Reactor};

/// What a command may touch.
pub(crate) struct Context<'a, P: Files + Reactor> {
    /// The server's state, the keyspace in it.
    pub(crate) state: &'a mut State<P>,
    /// The client that asks.
    pub(crate) client: &'a mut Client,
    /// The other clients; the one that asks is not among them.
    pub(crate) others: &'a mut Connections<P::Socket>,
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
        if reply.len() <= self.state.options.client_output_bytes_max {
            return Ok(());
        }
        Err(Failure::REPLY_TOO_LARGE)
    }
}

/// Longest name of a command or subcommand.
const NAME_BYTES_MAX: usize = 24;

/// Runs or queues one request and writes its reply.
pub(crate) fn execute<P: Files + Reactor>(
    context: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) {
    let start = reply.len();
    let outcome = dispatch(context, args, reply);
    if let Err(failure) = outcome {
        context.state.counters.errors += 1;
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
    let command = match find::<P>(args) {
        Ok(command) => command,
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
    context.client.last_command = command.name;
    if context.client.multi.is_some() {
        if command.flags.contains(Flags::NO_MULTI) {
            if let Some(multi) = &mut context.client.multi {
                multi.broken = true;
            }
            return Err(Failure::fixed(
                "ERR Command not allowed inside a transaction",
            ));
        }
        if !command.flags.contains(Flags::NOT_QUEUED) {
            let queued = Queued::new(args);
            if let Some(multi) = &mut context.client.multi {
                multi.bytes += queued.memory_bytes();
                multi.queue.push(queued);
            }
            reply.simple("QUEUED");
            return Ok(());
        }
    }
    run(context, command, args, reply)
}

/// Whether a line is of an HTTP request. A web page can make a browser send one here, with commands in its body, so the
/// connection ends before they are read, as Redis does it.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:")
}

/// Runs a command whose name and arity were checked.
fn run<P: Files + Reactor>(
    context: &mut Context<'_, P>,
    command: &Command<P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    context.state.counters.commands += 1;
    match command.function {
        Function::Run(function) => function(context, args, reply),
        // Of the containers, only `COMMAND`'s arity lets it through without a subcommand.
        Function::Container(_) => {
            introspect::all::<P>(reply);
            Ok(())
        }
    }
}

/// The command or subcommand that `args` names, if its arity fits.
fn find<P: Files + Reactor>(args: Args<'_>) -> Result<&'static Command<P>, Failure> {
    let Some(mut command) = lookup(Commands::<P>::TABLE, args.at(0)) else {
        return Err(unknown_command(args));
    };
    if let Function::Container(subcommands) = command.function
        && let Some(given) = args.get(1)
    {
        let Some(subcommand) = lookup(subcommands, given) else {
            return Err(Failure::unknown_subcommand(
                &command.name.to_ascii_uppercase(),
                given,
            ));
        };
        command = subcommand;
    }
    if command.fits(args.len()) {
        Ok(command)
    } else {
        Err(Failure::arity(command.full_name))
    }
}

/// Finds `name`, in any case, in a table that is sorted by name.
fn lookup<P: Files + Reactor>(
    table: &'static [Command<P>],
    name: &[u8],
) -> Option<&'static Command<P>> {
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let index = table
        .binary_search_by(|command| command.name.as_bytes().cmp(lower))
        .ok()?;
    table.get(index)
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
