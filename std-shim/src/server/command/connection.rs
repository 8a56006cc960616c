//! The connection itself: greeting, names, protocol version, and what one client may know about others.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use super::option::{integer, is};
use super::transaction::unwatch_all;
use crate::server::client::ReplyMode;
use crate::server::resp::{Args, Protocol, Reply, parse_i64};
use crate::server::state::REDIS_VERSION;
use underpin_core::platform::{Files, Reactor};

pub(super) fn ping<P: Files + Reactor>(
    _c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    match args.len() {
        1 => reply.simple("PONG"),
        2 => reply.bulk(args.at(1)),
        _ => return Err(Failure::arity("ping")),
    }
    Ok(())
}

pub(super) fn echo<P: Files + Reactor>(
    _c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    reply.bulk(args.at(1));
    Ok(())
}

pub(super) fn select<P: Files + Reactor>(
    _c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let index = integer(args.at(1))?;
    if i32::try_from(index).is_err() {
        return Err(Failure::fixed(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    if index != 0 {
        return Err(Failure::fixed("ERR DB index is out of range"));
    }
    reply.ok();
    Ok(())
}

pub(super) fn auth<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    match args.len() {
        2 if c.state.options.password.is_some() => sign_in(c, b"default", args.at(1))?,
        2 => {
            return Err(Failure::fixed(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        3 => sign_in(c, args.at(1), args.at(2))?,
        _ => return Err(Failure::SYNTAX),
    }
    reply.ok();
    Ok(())
}

/// There is the default user and no other, who may need a password.
fn sign_in<P: Files + Reactor>(c: &mut Context<'_, P>, user: &[u8], given: &[u8]) -> Outcome {
    let password = c.state.options.password.as_deref();
    if user == b"default" && password.is_none_or(|password| is_same(password, given)) {
        c.client.authenticated = true;
        return Ok(());
    }
    Err(Failure::fixed(
        "WRONGPASS invalid username-password pair or user is disabled.",
    ))
}

/// Comparison in a time that tells nothing of where two passwords differ.
fn is_same(password: &[u8], given: &[u8]) -> bool {
    let difference = password
        .iter()
        .zip(given)
        .fold(0, |difference, (a, b)| difference | (a ^ b));
    // The optimiser must not learn that the loop could end early.
    core::hint::black_box(difference) == 0 && password.len() == given.len()
}

pub(super) fn hello<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut protocol = c.client.protocol;
    if let Some(version) = args.get(1) {
        protocol = match parse_i64(version) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(Failure::fixed("NOPROTO unsupported protocol version")),
            None => {
                return Err(Failure::fixed(
                    "ERR Protocol version is not an integer or out of range",
                ));
            }
        };
    }
    let mut name = None;
    let mut index = 2;
    while let Some(word) = args.get(index) {
        let left = args.len() - index - 1;
        if is(word, "AUTH") && left >= 2 {
            sign_in(c, args.at(index + 1), args.at(index + 2))?;
            index += 3;
        } else if is(word, "SETNAME") && left >= 1 {
            check_name(args.at(index + 1))?;
            name = Some(args.at(index + 1));
            index += 2;
        } else {
            let text = [b"ERR Syntax error in HELLO option '", word, b"'"].concat();
            return Err(Failure::bytes(text));
        }
    }
    if !c.client.authenticated {
        return Err(Failure::fixed(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
             option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        c.client.name = name.to_vec();
    }
    c.client.protocol = protocol;
    reply.protocol = protocol;
    reply.map(7);
    for (field, value) in [("server", "underpin"), ("version", REDIS_VERSION)] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.integer(protocol.number());
    reply.bulk(b"id");
    reply.integer(id_of(c.client.id));
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
    Ok(())
}

pub(super) fn reset<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    c.client.multi = None;
    unwatch_all(c);
    c.client.name.clear();
    c.client.protocol = Protocol::Resp2;
    c.client.reply_mode = ReplyMode::On;
    c.client.no_evict = false;
    c.client.authenticated = c.state.options.password.is_none();
    reply.protocol = Protocol::Resp2;
    reply.simple("RESET");
    Ok(())
}

pub(super) fn quit<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    c.client.closing = true;
    reply.ok();
    Ok(())
}

fn id_of(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// Names are kept with every slow request, and shown in every list of clients.
fn check_length(name: &[u8]) -> Outcome {
    const NAME_BYTES_MAX: usize = 256;
    if name.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    Err(Failure::text(format!(
        "ERR names of clients and libraries have at most {NAME_BYTES_MAX} bytes"
    )))
}

/// Names stand in lists that people and programs split at spaces.
fn check_name(name: &[u8]) -> Outcome {
    check_length(name)?;
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err(Failure::fixed(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

pub(super) mod client {
    //! `CLIENT` and its subcommands.

    use super::*;
    use crate::server::client::Client;
    use crate::server::state::Pause;
    use core::time::Duration;
    use underpin_core::platform::ClockId;

    pub(in super::super) fn id<P: Files + Reactor>(
        c: &mut Context<'_, P>,
        _args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        reply.integer(id_of(c.client.id));
        Ok(())
    }

    pub(in super::super) fn getname<P: Files + Reactor>(
        c: &mut Context<'_, P>,
        _args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let name = &c.client.name;
        reply.bulk_or_null((!name.is_empty()).then_some(name));
        Ok(())
    }

    pub(in super::super) fn setname<P: Files + Reactor>(
        c: &mut Context<'_, P>,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        check_name(args.at(2))?;
        c.client.name = args.at(2).to_vec();
        reply.ok();
        Ok(())
    }

    pub(in super::super) fn setinfo<P: Files + Reactor>(
        c: &mut Context<'_, P>,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let (field, value) = (args.at(2), args.at(3));
        let slot = if is(field, "LIB-NAME") {
            &mut c.client.library_name
        } else if is(field, "LIB-VER") {
            &mut c.client.library_version
        } else {
            let text = [b"ERR Unrecognized option '", field, b"'"].concat();
            return Err(Failure::bytes(text));
        };
        check_length(value)?;
        if !value.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
            return Err(Failure::text(format!(
                "ERR {} cannot contain spaces, newlines or special characters.",
                String::from_utf8_lossy(field).to_ascii_lowercase()
            )));
        }
        *slot = value.to_vec();
        reply.ok();
        Ok(())
    }

    pub(in super::super) fn info<P: Files + Reactor>(
        c: &mut Context<'_, P>,
        _args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let line = c.client.describe(c.now_ms()) + "\n";
        reply.verbatim(&line);
        Ok(())
    }

    pub(in super::super) fn list<P: Files + Reactor>(
        c: &mut Context<'_, P>,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let mut wanted: Option<Vec<u64>> = None;
        match args.get(2) {
            None => {}
            Some(word) if is(word, "TYPE") && args.len() == 4 => {
                wanted = (!is_normal(args.at(3))?).then(Vec::new);
            }
            Some(word) if is(word, "ID") && args.len() > 3 => {
                let ids = args.iter_from(3).map(|id| {
                    parse_i64(id)
                        .and_then(|id| u64::try_from(id).ok())
                        .filter(|id| *id > 0)
                        .ok_or(Failure::fixed("ERR Invalid client ID"))
                });
                let mut ids = ids.collect::<Result<Vec<u64>, _>>()?;
                ids.sort_unstable();
                wanted = Some(ids);
            }
            Some(_) => return Err(Failure::SYNTAX),
        }
        let now_ms = c.now_ms();
        let mut lines: Vec<(u64, String)> = c
            .others
            .clients()
            .chain([&*c.client])
            .filter(|client| {
                let wanted = wanted.as_ref();
                wanted.is_none_or(|ids| ids.binary_search(&client.id).is_ok())
            })
            .map(|client| (client.id, client.describe(now_ms)))
            .collect();
        lines.sort_unstable_by_key(|(id, _)| *id);
        let text: String = lines.into_iter().map(|(_, line)| line + "\n").collect();
        reply.verbatim(&text);
        Ok(())
    }

    /// Whether a type of clients is that of all there are here.
    fn is_normal(kind: &[u8]) -> Result<bool, Failure> {
        let others = ["master", "replica", "slave", "pubsub"];
        if is(kind, "normal") || others.iter().any(|other| is(kind, other)) {
            return Ok(is(kind, "normal"));
        }
        let text = [b"ERR Unknown client type '", kind, b"'"].concat();
        Err(Failure::bytes(text))
    }

    pub(in super::super) fn kill<P: Files + Reactor>(
        c: &mut Context<'_, P>,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let (mut id, mut address, mut local, mut skip_me) = (None, None, None, true);
        let mut of_type = true;
        let old_style = args.len() == 3;
        if old_style {
            address = Some(args.at(2));
            skip_me = false;
        } else {
            let mut rest = args.iter_from(2);
            while let Some(word) = rest.next() {
                let value = rest.next().ok_or(Failure::SYNTAX)?;
                if is(word, "ID") {
                    let number = parse_i64(value)
                        .filter(|id| *id > 0)
                        .ok_or(Failure::fixed("ERR client-id should be greater than 0"))?;
                    id = Some(number);
                } else if is(word, "ADDR") {
                    address = Some(value);
                } else if is(word, "LADDR") {
                    local = Some(value);
                } else if is(word, "TYPE") {
                    of_type = is_normal(value)?;
                } else if is(word, "USER") {
                    // There is the default user and no other.
                    if value != b"default" {
                        let text = [b"ERR No such user '", value, b"'"].concat();
                        return Err(Failure::bytes(text));
                    }
                } else if is(word, "SKIPME") && (is(value, "YES") || is(value, "NO")) {
                    skip_me = is(value, "YES");
                } else {
                    return Err(Failure::SYNTAX);
                }
            }
        }
        let mut killed = 0;
        let is_meant = |client: &Client| {
            of_type
                && id.is_none_or(|id| id == id_of(client.id))
                && address.is_none_or(|address| address == client.peer.to_string().as_bytes())
                && local.is_none_or(|local| local == client.local.to_string().as_bytes())
        };
        for connection in c.others.iter_mut() {
            if !connection.http && is_meant(&connection.client) {
                connection.cut_off();
                killed += 1;
            }
        }
        // The one that asks gets the reply.
        if !skip_me && is_meant(c.client) {
            c.client.closing = true;
            killed += 1;
        }
        c.state.kills_pending |= killed > 0;
        if !old_style {
            reply.integer(killed);
        } else if killed > 0 {
            reply.ok();
        } else {
            return Err(Failure::fixed("ERR No such client"));
        }
        Ok(())
    }

    pub(in super::super) fn no_evict<P: Files + Reactor>(
        c: &mut Context<'_, P>,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        c.client.no_evict = on_or_off(args.at(2))?;
        reply.ok();
        Ok(())
    }

    pub(in super::super) fn no_touch<P: Files + Reactor>(
        _c: &mut Context<'_, P>,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        // Nothing here depends on when a key was last read.
        on_or_off(args.at(2))?;
        reply.ok();
        Ok(())
    }

    fn on_or_off(word: &[u8]) -> Result<bool, Failure> {
        match (is(word, "ON"), is(word, "OFF")) {
            (true, _) => Ok(true),
            (_, true) => Ok(false),
            _ => Err(Failure::SYNTAX),
        }
    }

    pub(in super::super) fn pause<P: Files + Reactor>(
        c: &mut Context<'_, P>,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let writes_only = match args.get(3) {
            None => false,
            Some(mode) if is(mode, "ALL") => false,
            Some(mode) if is(mode, "WRITE") => true,
            Some(_) => {
                return Err(Failure::fixed("ERR CLIENT PAUSE mode must be WRITE or ALL"));
            }
        };
        if args.len() > 4 {
            return Err(Failure::SYNTAX);
        }
        let ms = parse_i64(args.at(2)).ok_or(Failure::fixed(
            "ERR timeout is not an integer or out of range",
        ))?;
        let ms = u64::try_from(ms).map_err(|_| Failure::fixed("ERR timeout is negative"))?;
        let now = c.state.platform.now(ClockId::Monotonic);
        let asked = Pause {
            until: now.saturating_add(Duration::from_millis(ms)),
            writes_only,
        };
        // A second one makes a pause longer and stricter, never the contrary.
        let pause = c.state.pause.map_or(asked, |pause| Pause {
            until: pause.until.max(asked.until),
            writes_only: pause.writes_only && asked.writes_only,
        });
        c.state.pause = Some(pause);
        reply.ok();
        Ok(())
    }

    pub(in super::super) fn unpause<P: Files + Reactor>(
        c: &mut Context<'_, P>,
        _args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        c.state.pause = None;
        reply.ok();
        Ok(())
    }

    pub(in super::super) fn reply<P: Files + Reactor>(
        c: &mut Context<'_, P>,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let mode = args.at(2);
        if is(mode, "ON") {
            c.client.reply_mode = ReplyMode::On;
            reply.ok();
        } else if is(mode, "OFF") {
            c.client.reply_mode = ReplyMode::Off;
        } else if is(mode, "SKIP") {
            // Also if this one's own reply is the one to be skipped.
            if c.client.reply_mode != ReplyMode::Off {
                c.client.reply_mode = ReplyMode::SkipNext;
            }
        } else {
            return Err(Failure::SYNTAX);
        }
        Ok(())
    }

    pub(in super::super) fn getredir<P: Files + Reactor>(
        _c: &mut Context<'_, P>,
        _args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        // Not tracking.
        reply.integer(-1);
        Ok(())
    }
}
