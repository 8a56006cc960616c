//! The manual page and completions, from the definition of the arguments.

use super::super::Arguments;
use super::arguments::What;
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::io::{self, Write};

/// Writes `what`.
pub(super) fn write(what: What, out: &mut impl Write) -> io::Result<()> {
    let mut command = Arguments::command();
    let shell = match what {
        What::Man => {
            command.build();
            let grep = command
                .find_subcommand("grep")
                .cloned()
                .ok_or_else(|| io::Error::other("no such command"))?;
            return clap_mangen::Man::new(grep.display_name("underpin-grep")).render(out);
        }
        What::CompleteBash => Shell::Bash,
        What::CompleteZsh => Shell::Zsh,
        What::CompleteFish => Shell::Fish,
        What::CompletePowershell => Shell::PowerShell,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "underpin", &mut script);
    out.write_all(&script)?;
    out.flush()
}
