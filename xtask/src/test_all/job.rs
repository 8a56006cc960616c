//! A running leg: its log, its deadline, and the processes it starts.
//!
//! Every process gets a group of its own, so that a leg that runs out of time is killed with everything it started.

use crate::workspace::Workspace;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Where a leg's output is kept.
pub(super) fn log_path(workspace: &Workspace, leg: &str) -> PathBuf {
    workspace.target.join("test-all").join(format!("{leg}.log"))
}

/// A running leg.
#[derive(Debug)]
pub(super) struct Job<'w> {
    /// Where the sources and the build output are.
    pub(super) workspace: &'w Workspace,
    log: File,
    log_path: PathBuf,
    limit: Duration,
    deadline: Instant,
    note: String,
}

impl<'w> Job<'w> {
    /// Opens the log; the clock starts when [`start_clock`](Self::start_clock) says so.
    pub(super) fn new(
        workspace: &'w Workspace,
        leg: &str,
        limit: Duration,
    ) -> Result<Self, String> {
        let log_path = log_path(workspace, leg);
        if let Some(dir) = log_path.parent() {
            fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        }
        let log = File::create(&log_path).map_err(|e| format!("{}: {e}", log_path.display()))?;
        Ok(Self {
            workspace,
            log,
            log_path,
            limit,
            deadline: Instant::now() + limit,
            note: String::new(),
        })
    }

    /// The leg itself begins: installing what it needs doesn't count against its limit.
    pub(super) fn start_clock(&mut self) {
        self.deadline = Instant::now() + self.limit;
    }

    /// Gives what follows at least `limit`.
    pub(super) fn extend_clock(&mut self, limit: Duration) {
        self.deadline = self.deadline.max(Instant::now() + limit);
    }

    /// Adds to what the table says about a pass.
    pub(super) fn note(&mut self, text: &str) {
        if !self.note.is_empty() {
            self.note.push_str(", ");
        }
        self.note.push_str(text);
    }

    /// Writes a line into the log.
    pub(super) fn say(&mut self, text: &str) {
        let _ = writeln!(self.log, "{text}");
    }

    /// The log as text.
    pub(super) fn output(&self) -> String {
        fs::read(&self.log_path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// A cargo command of this toolchain, without colour and with the committed lock file.
    pub(super) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = self.workspace.cargo();
        command.env("CARGO_TERM_COLOR", "never").arg(subcommand);
        if subcommand != "fmt" {
            command.arg("--locked");
        }
        command
    }

    /// Runs `command` to its end; everything it prints goes into the log.
    pub(super) fn run(&mut self, command: &mut Command) -> Result<(), String> {
        let shown = shown(command);
        let status = self.status(command)?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`{shown}` ended with {status}"))
        }
    }

    /// As [`run`](Self::run), for a command whose exit code means something.
    pub(super) fn status(&mut self, command: &mut Command) -> Result<ExitStatus, String> {
        let shown = shown(command);
        let out = self.log.try_clone().map_err(|e| e.to_string())?;
        let mut child = self.spawn(command, out.into())?;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < self.deadline => {
                    thread::sleep(Duration::from_millis(20));
                }
                Ok(None) => {
                    kill_group(&mut child);
                    return Err(format!(
                        "the leg's limit of {} s is over in `{shown}`",
                        self.limit.as_secs()
                    ));
                }
                Err(error) => return Err(format!("`{shown}`: {error}")),
            }
        }
    }

    /// Starts `command` in a process group of its own with its standard output sent to `stdout` and its errors to the log.
    pub(super) fn spawn(&mut self, command: &mut Command, stdout: Stdio) -> Result<Child, String> {
        let shown = shown(command);
        self.say(&format!("$ {shown}"));
        let errors = self.log.try_clone().map_err(|e| e.to_string())?;
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(errors)
            .spawn()
            .map_err(|e| format!("`{shown}` does not start: {e}"))
    }

    /// What the table says about a pass: the notes, and how many tests ran by the harness's own count.
    pub(super) fn passed_note(&self) -> String {
        let (passed, ignored) = count_tests(&self.output());
        let mut parts = Vec::new();
        if passed > 0 {
            parts.push(format!("{passed} tests"));
        }
        if ignored > 0 {
            parts.push(format!("{ignored} ignored"));
        }
        if !self.note.is_empty() {
            parts.push(self.note.clone());
        }
        parts.join(", ")
    }
}

/// Ends a process and all that it started.
pub(super) fn kill_group(child: &mut Child) {
    let _ = Command::new("kill")
        .args(["-KILL", "--", &format!("-{}", child.id())])
        .stderr(Stdio::null())
        .status();
    let _ = child.kill();
    let _ = child.wait();
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let mut text = String::new();
    for (name, value) in command.get_envs().filter(|(name, _)| *name != "PATH") {
        if let (Some(name), Some(value)) = (name.to_str(), value.and_then(|v| v.to_str())) {
            text.push_str(&format!("{name}={} ", quoted(value)));
        }
    }
    let program = command.get_program().to_string_lossy();
    text.push_str(program.rsplit('/').next().unwrap_or(&program));
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&quoted(&arg.to_string_lossy()));
    }
    text
}

fn quoted(word: &str) -> String {
    if word.contains([' ', '"', '*', '$']) || word.is_empty() {
        format!("'{word}'")
    } else {
        word.to_owned()
    }
}

/// Sums the harness's lines `test result: ok. 3 passed; 0 failed; 1 ignored; ..`.
fn count_tests(output: &str) -> (u64, u64) {
    let mut sums = (0, 0);
    for line in output.lines().filter(|line| line.contains("test result: ")) {
        let count = |word: &str| -> u64 {
            let mut words = line.split([' ', ';']).filter(|w| !w.is_empty());
            let mut before = "";
            words
                .find_map(|w| {
                    let found = (w == word).then(|| before.parse().ok()).flatten();
                    before = w;
                    found
                })
                .unwrap_or(0)
        };
        sums.0 += count("passed");
        sums.1 += count("ignored");
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_over_all_binaries() {
        let log = "x\ntest result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
                   test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\n";
        assert_eq!(count_tests(log), (15, 1));
        assert_eq!(count_tests("nothing"), (0, 0));
    }

    fn workspace() -> Workspace {
        let workspace = Workspace::find().unwrap();
        Workspace {
            target: std::env::temp_dir().join(format!("underpin-xtask-{}", std::process::id())),
            ..workspace
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_leg_that_runs_out_of_time_is_killed_with_its_children() {
        let workspace = workspace();
        let mut job = Job::new(&workspace, "slow", Duration::from_millis(300)).unwrap();
        let start = Instant::now();
        let mut command = Command::new("sh");
        let why = job
            .run(command.args(["-c", "sleep 60 & echo started; wait"]))
            .unwrap_err();
        assert!(why.contains("limit"), "{why}");
        assert!(start.elapsed() < Duration::from_secs(30));
        assert!(job.output().contains("started"));
    }

    #[test]
    #[cfg(unix)]
    fn a_failing_command_fails_the_leg_and_its_output_is_kept() {
        let workspace = workspace();
        let mut job = Job::new(&workspace, "failing", Duration::from_secs(60)).unwrap();
        let mut command = Command::new("sh");
        let why = job
            .run(command.args(["-c", "echo out; echo err >&2; exit 3"]))
            .unwrap_err();
        assert!(why.contains("exit status: 3"), "{why}");
        assert!(job.output().ends_with("out\nerr\n"), "{}", job.output());
        let missing = job.run(&mut Command::new("underpin-no-such-program"));
        assert!(missing.unwrap_err().contains("does not start"));
    }

    #[test]
    fn commands_are_shown_as_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.env("A", "b c").args(["test", "x y"]);
        assert_eq!(shown(&command), "A='b c' cargo test 'x y'");
    }
}
