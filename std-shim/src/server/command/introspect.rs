//! `COMMAND`: what the table tells about itself.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use super::option::is;
use super::table::{Command, Commands, Flags, Function};
use crate::server::resp::{Args, Reply};
use crate::server::store::matches;
use underpin_core::platform::{Files, Reactor};

/// `COMMAND` alone: every command.
pub(super) fn all<P: Files + Reactor>(reply: &mut Reply<'_>) {
    reply.array(Commands::<P>::TABLE.len());
    for command in Commands::<P>::TABLE {
        describe(command, reply);
    }
}

pub(super) fn count<P: Files + Reactor>(
    _c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    reply.integer(i64::try_from(Commands::<P>::TABLE.len()).unwrap_or(i64::MAX));
    Ok(())
}

pub(super) fn info<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    if args.len() == 2 {
        all::<P>(reply);
        return Ok(());
    }
    reply.array(args.len() - 2);
    for name in args.iter_from(2) {
        match by_full_name::<P>(name) {
            Some(command) => describe(command, reply),
            None => reply.null(),
        }
        c.check_reply(reply)?;
    }
    Ok(())
}

pub(super) fn list<P: Files + Reactor>(
    _c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut names: Vec<&str> = Commands::<P>::TABLE
        .iter()
        .map(|command| command.name)
        .collect();
    match args.get(2) {
        None => {}
        Some(word) if is(word, "FILTERBY") && args.len() == 5 && is(args.at(3), "PATTERN") => {
            names.retain(|name| matches(args.at(4), name.as_bytes(), true));
        }
        Some(_) => return Err(Failure::SYNTAX),
    }
    reply.array(names.len());
    for name in names {
        reply.bulk(name.as_bytes());
    }
    Ok(())
}

pub(super) fn getkeys<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let found = c.state.dispatch.lookup(args.at(2));
    let Some(command) = found.and_then(|index| Commands::<P>::TABLE.get(index)) else {
        return Err(Failure::fixed("ERR Invalid command specified"));
    };
    let inner = args.len() - 2;
    if !command.fits(inner) {
        return Err(Failure::fixed(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    let (first, last, step) = command.keys;
    let inner = i32::try_from(inner).unwrap_or(i32::MAX);
    let last = if last < 0 { inner + last } else { last };
    let keys: Vec<&[u8]> = (first..=last)
        .step_by(usize::try_from(step).unwrap_or(1).max(1))
        .filter(|index| *index > 0)
        .filter_map(|index| args.get(usize::try_from(index).ok()? + 2))
        .collect();
    if keys.is_empty() {
        return Err(Failure::fixed("ERR The command has no key arguments"));
    }
    reply.array(keys.len());
    for key in keys {
        reply.bulk(key);
    }
    Ok(())
}

pub(super) fn docs<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let commands: Vec<&Command<P>> = if args.len() == 2 {
        Commands::<P>::TABLE.iter().collect()
    } else {
        args.iter_from(2).filter_map(by_full_name::<P>).collect()
    };
    reply.map(commands.len());
    for command in commands {
        document(command, reply);
        c.check_reply(reply)?;
    }
    Ok(())
}

/// `HELP` of a container: its subcommands, one line each for name and summary.
pub(super) fn help<P: Files + Reactor>(command: &Command<P>, reply: &mut Reply<'_>) {
    let name = command.name.to_ascii_uppercase();
    let subcommands = subcommands(command);
    reply.array(1 + 2 * (subcommands.len() + 1));
    reply.simple(&format!(
        "{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    ));
    for subcommand in subcommands {
        reply.simple(&subcommand.name.to_ascii_uppercase());
        reply.simple(&format!("    {}", subcommand.summary));
    }
    reply.simple("HELP");
    reply.simple("    Print this help.");
}

fn document<P: Files + Reactor>(command: &Command<P>, reply: &mut Reply<'_>) {
    let subcommands = subcommands(command);
    reply.bulk(command.full_name.as_bytes());
    reply.map(3 + usize::from(!subcommands.is_empty()));
    for (field, value) in [
        ("summary", command.summary),
        ("since", "0.1.0"),
        ("group", command.group),
    ] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    if !subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(subcommands.len());
        for subcommand in subcommands {
            document(subcommand, reply);
        }
    }
}

fn describe<P: Files + Reactor>(command: &Command<P>, reply: &mut Reply<'_>) {
    let flags = || {
        Flags::NAMES
            .into_iter()
            .filter(|(flag, _)| command.flags.contains(*flag))
    };
    reply.array(10);
    reply.bulk(command.full_name.as_bytes());
    reply.integer(command.arity.into());
    reply.set(flags().count());
    for (_, name) in flags() {
        reply.simple(name);
    }
    let (first, last, step) = command.keys;
    for index in [first, last, step] {
        reply.integer(index.into());
    }
    // Categories of access lists, tips and key specifications: there are none.
    reply.set(0);
    reply.array(0);
    reply.array(0);
    let subcommands = subcommands(command);
    reply.array(subcommands.len());
    for subcommand in subcommands {
        describe(subcommand, reply);
    }
}

fn subcommands<P: Files + Reactor>(command: &Command<P>) -> &'static [Command<P>] {
    match command.function {
        Function::Container(subcommands) => subcommands,
        Function::Run(_) => &[],
    }
}

/// The command that `name`, such as `get` or `client|id`, stands for.
fn by_full_name<P: Files + Reactor>(name: &[u8]) -> Option<&'static Command<P>> {
    let mut parts = name.splitn(2, |byte| *byte == b'|');
    let command = by_name(Commands::<P>::TABLE, parts.next()?)?;
    match parts.next() {
        None => Some(command),
        Some(part) => by_name(subcommands(command), part),
    }
}

fn by_name<P: Files + Reactor>(
    table: &'static [Command<P>],
    name: &[u8],
) -> Option<&'static Command<P>> {
    table
        .iter()
        .find(|command| command.name.as_bytes().eq_ignore_ascii_case(name))
}
