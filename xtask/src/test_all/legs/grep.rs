//! `underpin grep` beside ripgrep.

use super::host;
use crate::ripgrep::{Purpose, Ripgrep, VERSION, ripgrep};
use crate::test_all::job::Job;
use std::path::PathBuf;
use std::time::Duration;

pub(super) fn run(job: &mut Job<'_>) -> Result<(), String> {
    match installed(job) {
        Ok(ripgrep) => {
            job.note(&format!("beside ripgrep {VERSION}"));
            let mut test = job.cargo("test");
            test.args(["--workspace", "--test", "grep", "--", "--nocapture"])
                .env("UNDERPIN_RIPGREP", ripgrep);
            job.run(&mut test)
        }
        Err(why) => {
            // The rest is worth running; the table says what was not.
            job.note(&format!("NOT compared with ripgrep: {why}"));
            host::integration_test(job, "grep", &[])
        }
    }
}

/// The program, built if it isn't there.
fn installed(job: &mut Job<'_>) -> Result<PathBuf, String> {
    let Ripgrep { program, install } = ripgrep(job.workspace, Purpose::Model);
    if let Some(mut install) = install {
        job.extend_clock(Duration::from_secs(1800));
        job.run(&mut install)?;
    }
    Ok(program)
}
