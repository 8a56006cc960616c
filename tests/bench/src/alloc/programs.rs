//! Whole programs with an allocator preloaded: processor time of the program and all that it starts, and the most memory that
//! one of them had.

use super::child::libraries;
use crate::case::{Case, Sample, Settings, Subject};
use crate::program::find;
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

struct Program {
    name: &'static str,
    terms: &'static str,
    /// What must be there.
    needs: &'static str,
    /// For `sh`, in a directory of its own; says what it did.
    script: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "program: python3",
        terms: "a dictionary of 60,000 lists made into JSON and read again",
        needs: "python3",
        script: "python3 -c '\nimport json\n\
            d = {str(i): [i, {\"a\": \"x\" * (i % 300)}] for i in range(60000)}\n\
            for _ in range(3): d = json.loads(json.dumps(d))\n\
            print(len(d), sum(len(v[1][\"a\"]) for v in d.values()))'",
    },
    Program {
        name: "program: sqlite3",
        terms: "100,000 rows in memory, an index, two queries",
        needs: "sqlite3",
        script: "[ -e s.sql ] || (echo 'begin; create table t(a, b);'; seq 100000 | sed 's/.*/insert into t values(&, hex(&) || \"-&-&\");/'; \
            echo 'commit; create index i on t(b); select count(*), sum(length(b)) from t; select max(b) from t;') > s.sql; sqlite3 :memory: < s.sql",
    },
    Program {
        name: "program: cc",
        terms: "a file of 1,500 functions compiled with -O1",
        needs: "cc",
        script: "[ -e big.c ] || seq 1500 | sed 's/.*/int f&(int x) { return x * & + (x > & ? f1(x - 1) : 0); }/; 1s/.*/int f1(int x) { return x; }/' > big.c; \
            cc -O1 -c big.c -o big.o && cksum < big.o",
    },
    Program {
        name: "program: perl",
        terms: "300,000 pieces of text appended to 5,000 keys, sorted",
        needs: "perl",
        script: "perl -e 'my %h; for my $i (1..300000) { $h{$i % 5000} .= chr(65 + $i % 26) x ($i % 40); } \
            my $n = 0; $n += length($h{$_}) for sort keys %h; print \"$n\\n\"'",
    },
];

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let Some(ours) = &settings.malloc else {
        eprintln!("alloc: whole programs are left out: --malloc names no library");
        return Vec::new();
    };
    PROGRAMS
        .iter()
        .filter(|program| {
            let there = find(program.needs).is_some();
            if !there {
                eprintln!("alloc: {} is left out: it is not there", program.name);
            }
            there
        })
        .map(|program| {
            let said = Rc::new(RefCell::new(None));
            let subject = |name, version: String, library: Option<PathBuf>| {
                let said = said.clone();
                Subject::with_peak(name, version, move |dir| {
                    run(program.script, dir, library.as_deref(), &said)
                })
            };
            let glibc = subject("glibc", "the system's".into(), None);
            let preloaded = libraries()
                .into_iter()
                .map(|(name, path, version)| subject(name, version, Some(path)));
            Case {
                name: program.name.into(),
                terms: format!("{}; preloaded, processor time, one a round", program.terms),
                ours: subject(
                    "underpin",
                    env!("CARGO_PKG_VERSION").into(),
                    Some(ours.clone()),
                ),
                peers: [glibc].into_iter().chain(preloaded).collect(),
            }
        })
        .collect()
}

/// Runs the script; its output must be what it was the first time.
fn run(
    script: &str,
    dir: &Path,
    library: Option<&Path>,
    said: &RefCell<Option<Vec<u8>>>,
) -> Result<(Sample, u64), String> {
    let output = dir.join("said");
    let file = std::fs::File::create(&output).map_err(|e| e.to_string())?;
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(dir);
    shell.stdin(Stdio::null()).stdout(file);
    if let Some(library) = library {
        shell.env("LD_PRELOAD", library);
    }
    let child = shell.spawn().map_err(|e| e.to_string())?;
    let pid = libc::pid_t::try_from(child.id()).map_err(|e| e.to_string())?;
    let (mut status, mut usage) = (0, MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: waits for a child that nothing else waits for; zeroes are a valid `rusage`.
    let (waited, usage) = unsafe {
        let waited = libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr());
        (waited, usage.assume_init())
    };
    if waited != pid || status != 0 {
        return Err(format!("the script ended with status {status:#x}"));
    }
    let bytes = std::fs::read(&output).map_err(|e| e.to_string())?;
    let mut said = said.borrow_mut();
    if bytes.is_empty() || *said.get_or_insert_with(|| bytes.clone()) != bytes {
        return Err("the output differs".into());
    }
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    let sample = Sample {
        operations: 1,
        elapsed: (time(usage.ru_utime) + time(usage.ru_stime)).max(Duration::from_micros(1)),
    };
    Ok((sample, usage.ru_maxrss as u64))
}
