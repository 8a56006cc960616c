//! Finds the command that a request names: one hash of the name, one comparison.
//!
//! The table is open addressing over the names of [`Commands::TABLE`], built when the server starts. Names are compared without
//! regard to case; the hash sets the bit in which cases differ, so it is the same for both.
#![forbid(unsafe_code)]

use super::absent;
use super::failure::Failure;
use super::table::{Command, Commands, Function};
use super::unknown_command;
use crate::server::resp::Args;
use underpin_core::platform::{Files, Reactor};

/// Slots: several for each command, so that most are found at the first.
const SLOTS: usize = 512;
/// Longest name that is in the table.
const NAME_BYTES_MAX: usize = 16;
/// A slot that is free.
const FREE: u16 = u16::MAX;

/// A command, and its place among all commands and subcommands.
pub(crate) struct Found<P: Files + Reactor> {
    pub(crate) command: &'static Command<P>,
    pub(crate) index: usize,
}

/// The table. See the [module](self).
pub(crate) struct Dispatch<P: Files + Reactor> {
    slots: Box<[u16; SLOTS]>,
    /// For each command, the place of its first subcommand.
    first_subcommand: Vec<usize>,
    /// By place.
    all: Vec<&'static Command<P>>,
}

fn slot_of(name: &[u8]) -> Option<usize> {
    let mut padded = [0; NAME_BYTES_MAX];
    padded.get_mut(..name.len())?.copy_from_slice(name);
    let bits = u128::from_le_bytes(padded) | 0x2020_2020_2020_2020_2020_2020_2020_2020;
    // The odd factor is the golden ratio's; the top bits depend on all below.
    let folded = (bits ^ (bits >> 59)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    usize::try_from(folded >> 119).ok()
}

impl<P: Files + Reactor> Dispatch<P> {
    pub(crate) fn new() -> Self {
        let mut slots = Box::new([FREE; SLOTS]);
        let table = Commands::<P>::TABLE;
        let mut all: Vec<&'static Command<P>> = table.iter().collect();
        let mut first_subcommand = Vec::new();
        for (number, command) in (0u16..).zip(table) {
            first_subcommand.push(all.len());
            if let Function::Container(subcommands) = command.function {
                all.extend(subcommands);
            }
            let start = slot_of(command.name.as_bytes()).unwrap_or(0);
            let free = (start..SLOTS)
                .chain(0..start)
                .find(|slot| slots.get(*slot) == Some(&FREE));
            if let Some(slot) = free.and_then(|slot| slots.get_mut(slot)) {
                *slot = number;
            }
        }
        Self {
            slots,
            first_subcommand,
            all,
        }
    }

    /// Every command and subcommand, by place.
    pub(crate) fn all(&self) -> &[&'static Command<P>] {
        &self.all
    }

    /// The place of the command of that name.
    pub(super) fn lookup(&self, name: &[u8]) -> Option<usize> {
        let mut slot = slot_of(name)?;
        loop {
            let number = *self.slots.get(slot)?;
            if number == FREE {
                return None;
            }
            let number = usize::from(number);
            let command = self.all.get(number)?;
            if command.name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(number);
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// The command or subcommand that `args` names, if its arity fits.
    pub(crate) fn find(&self, args: Args<'_>) -> Result<Found<P>, Failure> {
        let Some(mut index) = self.lookup(args.at(0)) else {
            return Err(absent::refusal(args.at(0)).unwrap_or_else(|| unknown_command(args)));
        };
        let Some(mut command) = self.all.get(index).copied() else {
            return Err(unknown_command(args));
        };
        if let Function::Container(subcommands) = command.function
            && let Some(given) = args.get(1)
            && !(args.len() == 2 && given.eq_ignore_ascii_case(b"help"))
        {
            let Some(place) = subcommands
                .iter()
                .position(|sub| sub.name.as_bytes().eq_ignore_ascii_case(given))
            else {
                return Err(Failure::unknown_subcommand(
                    &command.name.to_ascii_uppercase(),
                    given,
                ));
            };
            index = self
                .first_subcommand
                .get(index)
                .map_or(0, |first| first + place);
            command = self.all.get(index).copied().unwrap_or(command);
        }
        if command.fits(args.len()) {
            Ok(Found { command, index })
        } else {
            Err(Failure::arity(command.full_name))
        }
    }
}
