//! Each embedded store does its rounds in a process of its own, which lives as long as the case: what the process uses is then the
//! store's, and the threads that another store leaves behind disturb nobody's figures.
//!
//! The parent writes a line for each round, the child answers with one of JSON.

use crate::case::{Case, Sample, Settings, Subject};
use crate::cost::{self, Cost, Tail};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

/// The first argument of the child: then `quick` or `full`, the case, the subject and the directory.
pub(crate) const ARGUMENT: &str = "--db-rounds";

const ROUND: &str = "round";
/// A round whose calls are timed one by one.
const CALLS: &str = "calls";

/// The cases with each subject in a process of its own.
pub(super) fn apart(settings: &Settings, cases: Vec<Case>) -> Vec<Case> {
    let size = if settings.quick { "quick" } else { "full" };
    let mut cases = cases;
    for case in &mut cases {
        let subjects = std::iter::once(&mut case.ours).chain(&mut case.peers);
        for subject in subjects {
            let arguments = [ARGUMENT, size, &case.name, subject.name].map(str::to_owned);
            let process = Rc::new(RefCell::new(Process {
                arguments,
                running: None,
            }));
            let (again, cost) = (process.clone(), subject.cost.clone());
            subject.run = Box::new(move |dir: &Path| {
                let answer = process.borrow_mut().ask(dir, ROUND)?;
                cost.set(Some(Cost::from_json(&answer["cost"])));
                let number = |name: &str| answer[name].as_u64().ok_or("an answer without numbers");
                Ok(Sample {
                    operations: number("operations")?,
                    elapsed: Duration::from_nanos(number("elapsed_ns")?),
                })
            });
            subject.tail = Some(Box::new(move |dir: &Path| {
                let answer = again.borrow_mut().ask(dir, CALLS)?;
                let tail = &answer["tail"];
                Ok(tail["p99_ns"]
                    .as_f64()
                    .zip(tail["p999_ns"].as_f64())
                    .map(|(p99, p999)| Tail { p99, p999 }))
            }));
        }
    }
    cases
}

/// A child, which begins with the first round and ends with the parent's last handle.
struct Process {
    arguments: [String; 4],
    running: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

impl Process {
    fn ask(&mut self, dir: &Path, what: &str) -> Result<Value, String> {
        let failed = |error: std::io::Error| format!("the process of a store: {error}");
        if self.running.is_none() {
            let program = std::env::current_exe().map_err(failed)?;
            let mut child = Command::new(program)
                .args(&self.arguments)
                .arg(dir)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .map_err(failed)?;
            let (input, output) = (child.stdin.take(), child.stdout.take());
            let (input, output) = input.zip(output).ok_or("a process without pipes")?;
            self.running = Some((child, input, BufReader::new(output)));
        }
        let Some((_, input, output)) = &mut self.running else {
            return Err("no process".into());
        };
        writeln!(input, "{what}").map_err(failed)?;
        let mut line = String::new();
        output.read_line(&mut line).map_err(failed)?;
        let answer: Value =
            serde_json::from_str(&line).map_err(|error| format!("no answer: {error}"))?;
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some((mut child, input, _)) = self.running.take() {
            // The end of its input is the end of its work.
            drop(input);
            let _ = child.wait();
        }
    }
}

/// The child's whole life.
pub(crate) fn serve(arguments: &[String]) -> Result<(), String> {
    let [size, case, name, dir] = arguments else {
        return Err(format!("{ARGUMENT} SIZE CASE SUBJECT DIR"));
    };
    let mut settings = Settings::new();
    settings.quick = size == "quick";
    let found = super::embedded_cases(&settings)
        .into_iter()
        .find(|found| found.name == *case);
    let found = found.ok_or_else(|| format!("no case `{case}`"))?;
    let subjects = std::iter::once(found.ours).chain(found.peers);
    let mut subject: Subject = subjects
        .into_iter()
        .find(|subject| subject.name == name)
        .ok_or_else(|| format!("no subject `{name}`"))?;
    for line in std::io::stdin().lines() {
        let line = line.map_err(|error| error.to_string())?;
        cost::time_calls(line == CALLS);
        let answer = match (subject.run)(Path::new(dir)) {
            Ok(Sample {
                operations,
                elapsed,
            }) => json!({
                "operations": operations,
                "elapsed_ns": u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
                "cost": cost::take_last().to_json(),
                "tail": Tail::of(cost::take_calls())
                    .map(|tail| json!({ "p99_ns": tail.p99, "p999_ns": tail.p999 })),
            }),
            Err(error) => json!({ "error": error }),
        };
        println!("{answer}");
    }
    Ok(())
}
