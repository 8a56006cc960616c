//! The preloadable allocator: its C and C++ interface, misuse, threads and forks, real programs with and without it, and the
//! instruction counts of its hot paths.

use crate::dist;
use crate::test_all::job::Job;
use crate::workspace::find_program;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Misuses that `misuse.c` knows; each must end with a line of ours and an abort.
const MISUSES: &[&str] = &[
    "twice",
    "twice-later",
    "twice-thread",
    "thread-then-owner",
    "two-threads",
    "stack",
    "misaligned",
    "inside-thread",
    "realloc-freed-inside",
];
const MISUSE_BYTES: &[&str] = &["20", "3000", "200000"];
/// Those that the secure way notices besides, in blocks that are not large.
const SECURE_MISUSES: &[&str] = &["overflow", "write-after-free"];

/// Real programs: the program that must be there, and a script whose output says what it did, the same at every run.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "python3",
        "python3 -c '\nimport json, threading, subprocess, multiprocessing, ctypes\n\
         def work(n): return sum(len(str(i) * (i % 50)) for i in range(n))\n\
         if __name__ == \"__main__\":\n\
         \x20 data = {str(i): [i, {\"a\": \"x\" * (i % 300)}] for i in range(20000)}\n\
         \x20 assert json.loads(json.dumps(data)) == data\n\
         \x20 results = []\n\
         \x20 threads = [threading.Thread(target=lambda: results.append(work(20000))) for _ in range(4)]\n\
         \x20 [t.start() for t in threads]; [t.join() for t in threads]\n\
         \x20 with multiprocessing.get_context(\"fork\").Pool(2) as pool: print(pool.map(work, [1000, 2000, 3000]))\n\
         \x20 buffer = ctypes.create_string_buffer(1 << 20)\n\
         \x20 print(results, len(buffer), subprocess.check_output([\"echo\", \"child\"]))'",
    ),
    (
        "perl",
        "perl -e 'my %h; for my $i (1..200000) { $h{$i % 5000} .= chr(65 + $i % 26); } \
         my $n = 0; $n += length($h{$_}) for keys %h; print \"$n\\n\"; my @a = sort { $a <=> $b } keys %h; print \"@a[0..9]\\n\"'",
    ),
    (
        "git",
        "rm -rf g h && export GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z' && \
         git init -q g && cd g && git config user.name n && git config user.email e@x && \
         for i in 1 2 3 4 5 6 7 8 9 10; do seq $i 3000 > f$i; git add . && git commit -qm c$i; done && \
         git gc -q && cd .. && git clone -q g h && cd h && git log -p | cksum && git fsck 2>&1 | cksum",
    ),
    (
        "gcc",
        "seq 3000 | sed 's/.*/int f&(int x) { return x * & + (x > & ? f1(x - 1) : 0); }/; 1s/.*/int f1(int x) { return x; }/' > big.c && \
         gcc -O1 -c big.c -o big.o && cksum < big.o",
    ),
    (
        "g++",
        "printf '#include <map>\\n#include <string>\\n#include <vector>\\nstd::map<std::string, std::vector<int>> m;\\n\
         int main() { m[\"a\"].push_back(1); return m.size() - 1; }\\n' > t.cc && g++ -O2 -std=c++17 t.cc -o t && ./t && echo ran",
    ),
    (
        "rustc",
        "printf 'fn main() { let v: Vec<String> = (0..1000).map(|i| i.to_string()).collect(); println!(\"{}\", v.concat().len()); }' > t.rs && \
         rustc -O t.rs -o t-rs && ./t-rs",
    ),
    (
        "sqlite3",
        "seq 20000 | sed 's/.*/insert into t values(&, hex(&));/; 1i begin; create table t(a, b);' > s.sql && echo 'commit; select count(*), sum(length(b)) from t; create index i on t(b); select max(b) from t;' >> s.sql && \
         sqlite3 :memory: < s.sql",
    ),
    (
        "node",
        "node -e 'const m = new Map(); for (let i = 0; i < 1e5; i++) m.set(`k${i}`, { i }); console.log(m.size, JSON.stringify([...m.keys()]).length)'",
    ),
    (
        "ruby",
        "ruby -e 'h = Hash.new(0); 200000.times { |i| h[\"k#{i % 999}\"] += i }; puts h.values.sum'",
    ),
    ("sort", "seq 300000 | sort -r --parallel=2 -S 10M | cksum"),
    ("xz", "seq 200000 | xz -T2 | xz -dc | cksum"),
    (
        "bash",
        "for i in 1 2 3 4 5 6 7 8 9; do (x=$(seq $i 500 | tr -d '\\n'); echo ${#x}); done",
    ),
];

/// Those that take minutes, run if `UNDERPIN_PRELOAD_LONG` is set: CPython's own tests, builds, a database of 200 MB, servers under
/// load, many threads.
const LONG_PROGRAMS: &[(&str, &str)] = &[
    (
        "python3",
        // A test that this Python fails anyway is the same failure twice.
        "for t in test_json test_threading test_subprocess test_ctypes test_multiprocessing_fork test_multiprocessing_main_handling; \
         do python3 -c \"import test.$t\" 2> /dev/null && set -- \"$@\" $t; done; echo \"$@\"; python3 -m test \"$@\" > log 2>&1; \
         grep -E '^(Total tests|FAIL|ERROR|Result|.*Tests result)' log | sort",
    ),
    (
        "cargo",
        "rm -rf c && cargo init --quiet --vcs none --lib --name c c 2>&1 && cd c && cargo build --quiet --offline --release && echo built",
    ),
    (
        "nginx",
        "rm -rf ng && mkdir ng && seq 50000 > ng/a.txt && printf 'user root; worker_processes 2; pid ng.pid; error_log error.log; \
         thread_pool default threads=4; events {} http { access_log off; aio threads; sendfile off; gzip on; gzip_types text/plain; \
         client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s; \
         server { listen unix:ng.sock; location / { root .; } } }' > ng/nginx.conf && rm -f ng.sock && \
         nginx -p \"$PWD/ng\" -c nginx.conf 2> /dev/null && python3 -c '\n\
         import gzip, socket, threading, zlib\n\
         sums = []\n\
         def get(encoding):\n\
         \x20 s = socket.socket(socket.AF_UNIX); s.connect(\"ng.sock\")\n\
         \x20 s.sendall(b\"GET /a.txt HTTP/1.0\\r\\nAccept-Encoding: %s\\r\\n\\r\\n\" % encoding)\n\
         \x20 data = b\"\".join(iter(lambda: s.recv(65536), b\"\")); s.close()\n\
         \x20 head, body = data.split(b\"\\r\\n\\r\\n\", 1)\n\
         \x20 return zlib.crc32(gzip.decompress(body) if b\"gzip\" in head else body)\n\
         def work(): sums.append([get(e) for e in (b\"gzip\", b\"identity\") * 150])\n\
         threads = [threading.Thread(target=work) for _ in range(8)]\n\
         [t.start() for t in threads]; [t.join() for t in threads]\n\
         print(len(sums), set(map(tuple, sums)) == {tuple([sums[0][0]] * 300)}, sums[0][0])'; \
         kill $(cat ng/ng.pid); while [ -e ng.sock ]; do sleep 0.1; done",
    ),
    (
        "redis-server",
        "rm -f r.sock && redis-server --port 0 --unixsocket r.sock --save '' --enable-debug-command yes > r.log 2>&1 & \
         until redis-cli -s r.sock ping > /dev/null 2>&1; do sleep 0.1; done; \
         redis-benchmark -s r.sock -n 200000 -P 16 -d 200 -q -t set,incr,lpush,rpop,sadd,hset,zadd,lrange_300,mset > b.log 2>&1; echo $?; \
         redis-cli -s r.sock debug digest; redis-cli -s r.sock dbsize; redis-cli -s r.sock shutdown nosave; wait",
    ),
    (
        "npm",
        "rm -rf n && mkdir n && cd n && printf '{\"name\":\"a\",\"version\":\"1.0.0\"}' > package.json && npm pack --silent",
    ),
    (
        "sqlite3",
        "rm -f big.db && (echo 'begin; create table t(a, b);'; seq 1500000 | sed 's/.*/insert into t values(&, hex(randomblob(0)) || \"&-&-&-&-&-&-&-&\");/'; \
         echo 'commit; create index i on t(b); select count(*), sum(length(b)), max(b) from t;') | sqlite3 big.db",
    ),
];

pub(super) fn run(job: &mut Job<'_>) -> Result<(), String> {
    let (mut build, library) = dist::malloc_build(job.workspace);
    job.run(&mut build)?;
    let mut lint = job.cargo("clippy");
    lint.arg("--manifest-path")
        .arg(job.workspace.root.join("std-shim/malloc/Cargo.toml"))
        .arg("--target-dir")
        .arg(job.workspace.target.join("malloc"));
    job.run(lint.args(["--release", "--", "-D", "warnings"]))?;
    let scratch = job.workspace.target.join("preload");
    fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    for (compiler, source) in [
        ("cc", "family.c"),
        ("cc", "misuse.c"),
        ("cc", "threads.c"),
        ("cc", "count.c"),
        ("cc", "idle.c"),
        ("cc", "heaps.c"),
        ("cc", "leaks.c"),
        ("cc", "life.c"),
        ("c++", "new.cpp"),
    ] {
        let mut compile = job.workspace.program(compiler);
        compile
            .args(["-O1", "-rdynamic", "-o"])
            .arg(scratch.join(source).with_extension(""))
            .arg(job.workspace.root.join("tests/preload").join(source));
        if source == "heaps.c" {
            // It calls what no C library has.
            compile.arg(&library);
        }
        job.run(compile.args(["-lpthread", "-ldl"]))?;
    }
    for (source, file) in [("plugin.c", "plugin.so"), ("early.c", "libearly.so")] {
        let mut compile = job.workspace.program("cc");
        compile
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(scratch.join(file))
            .arg(job.workspace.root.join("tests/preload").join(source));
        job.run(compile.arg("-lpthread"))?;
    }
    let plugin = scratch.join("plugin.so");
    early(job, &scratch, &library)?;
    for variable in ["UNDERPIN_STATS", "UNDERPIN_SECURE"] {
        let mut program = job.workspace.program(scratch.join("life"));
        program.arg(&plugin).env("LD_PRELOAD", &library);
        job.run(program.env(variable, "1"))?;
    }
    for name in ["family", "new", "threads", "idle", "heaps"] {
        let mut program = job.workspace.program(scratch.join(name));
        job.run(program.env("LD_PRELOAD", &library))?;
    }
    for (variable, value) in [
        ("UNDERPIN_SECURE", "1"),
        ("UNDERPIN_PROFILE_INTERVAL", "2000"),
    ] {
        for name in ["family", "threads", "heaps"] {
            let mut program = job.workspace.program(scratch.join(name));
            job.run(program.env("LD_PRELOAD", &library).env(variable, value))?;
        }
    }
    let long = std::env::var_os("UNDERPIN_PRELOAD_LONG").is_some();
    if long {
        let mut program = job.workspace.program(scratch.join("threads"));
        // Rounds, and threads at a time.
        job.run(program.args(["200", "32"]).env("LD_PRELOAD", &library))?;
    }
    misuses(job, &scratch, &library)?;
    leaks(job, &scratch, &library)?;
    programs(job, PROGRAMS, &scratch, &library)?;
    if long {
        programs(job, LONG_PROGRAMS, &scratch, &library)?;
    } else {
        job.note("not run: the long programs (UNDERPIN_PRELOAD_LONG=1)");
    }
    let region = region(job)?;
    counts(job, &scratch, &library, region)
}

/// A thread that allocates before the allocator's constructor runs: that of a library which the program needs runs first.
fn early(job: &mut Job<'_>, scratch: &Path, library: &Path) -> Result<(), String> {
    let mut compile = job.workspace.program("cc");
    compile
        .args(["-O1", "-DPROGRAM", "-o"])
        .arg(scratch.join("early"))
        .arg(job.workspace.root.join("tests/preload/early.c"))
        .arg(format!("-L{}", scratch.display()))
        .arg(format!("-Wl,-rpath,{}", scratch.display()));
    job.run(compile.args(["-learly", "-lpthread"]))?;
    let mut program = job.workspace.program("timeout");
    program.arg("60").arg(scratch.join("early"));
    job.run(program.env("LD_PRELOAD", library))
}

/// The most instructions that a call of the region heap takes, counted step by step.
fn region(job: &mut Job<'_>) -> Result<Vec<Count>, String> {
    let mut run = job.cargo("run");
    run.args(["--quiet", "--release", "--example", "region"])
        .arg("--manifest-path")
        .arg(job.workspace.root.join("std-shim/malloc/Cargo.toml"))
        .arg("--target-dir")
        .arg(job.workspace.target.join("malloc"));
    let output = output(job, &mut run)?;
    if !output.status.success() {
        return Err(format!("the region heap's counts: {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .filter_map(|line| {
            let [what, blocks, most] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                return None;
            };
            Some(Count {
                what: what.to_owned(),
                bytes: blocks.parse().ok()?,
                calls: 1,
                total: most.parse().ok()?,
            })
        })
        .collect())
}

fn output(job: &mut Job<'_>, command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|e| e.to_string())?;
    job.say(&format!(
        "{:?}\n{}{}{}",
        command.get_args(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        output.status
    ));
    Ok(output)
}

fn misuses(job: &mut Job<'_>, scratch: &Path, library: &Path) -> Result<(), String> {
    let all = |list: &'static [&str], sizes: &'static [&str], secure: &'static str| {
        list.iter()
            .flat_map(move |what| sizes.iter().map(move |bytes| (*what, *bytes, secure)))
    };
    let every = all(MISUSES, MISUSE_BYTES, "0")
        .chain(all(MISUSES, MISUSE_BYTES, "1"))
        .chain(all(SECURE_MISUSES, &MISUSE_BYTES[..2], "1"));
    let mut count = 0;
    for (what, bytes, secure) in every {
        let mut program = job.workspace.program("timeout");
        program
            .arg("60")
            .arg(scratch.join("misuse"))
            .args([what, bytes])
            .env("UNDERPIN_SECURE", secure)
            .env("LD_PRELOAD", library);
        let output = output(job, &mut program)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let aborted = output.status.code() == Some(134) || signal(&output) == Some(6);
        if !aborted || !said.contains("underpin malloc: ") || said.lines().count() != 1 {
            return Err(format!(
                "misuse {what} {bytes}, secure {secure}: {}, said `{said}`",
                output.status
            ));
        }
        count += 1;
    }
    job.note(&format!("{count} misuses noticed"));
    Ok(())
}

/// What is left at the end, by its calls; and a profile that has every block.
fn leaks(job: &mut Job<'_>, scratch: &Path, library: &Path) -> Result<(), String> {
    // Where blocks are left out, nothing is said of all.
    let mut program = job.workspace.program(scratch.join("leaks"));
    program
        .env("LD_PRELOAD", library)
        .env("UNDERPIN_LEAKS", "1")
        .env("UNDERPIN_SECURE", "1");
    let said = output(job, &mut program)?.stderr;
    let said = String::from_utf8_lossy(&said);
    if !said.starts_with("underpin malloc: no report on leaks") || said.lines().count() != 1 {
        return Err(format!("leaks, the secure way: said `{said}`"));
    }
    // Every block, however small, from the first on.
    for bytes in ["0", "1", "2", "16", "1200"] {
        let mut program = job.workspace.program(scratch.join("leaks"));
        program
            .arg(bytes)
            .env("LD_PRELOAD", library)
            .env("UNDERPIN_LEAKS", "1");
        let said = output(job, &mut program)?.stderr;
        let said = String::from_utf8_lossy(&said);
        if said.matches("\n150 blocks, ").count() != 2 {
            return Err(format!(
                "300 leaks of {bytes} bytes were not all found: `{said}`"
            ));
        }
    }
    let profile = scratch.join("profile");
    let mut program = job.workspace.program(scratch.join("leaks"));
    program
        .env("LD_PRELOAD", library)
        .env("UNDERPIN_LEAKS", "1")
        .env("UNDERPIN_PROFILE", &profile);
    let output = output(job, &mut program)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let after = |text: &str| said.split_once(text).map(|(_, after)| after).unwrap_or("");
    let large = after("1 blocks, 50000 bytes:\n")
        .lines()
        .next()
        .unwrap_or("");
    let small = after("3 blocks, 3000 bytes:\n")
        .lines()
        .next()
        .unwrap_or("");
    if !output.status.success()
        || !said.starts_with("underpin malloc: 4 blocks of 53000 bytes in all were not freed\n")
        || !large.contains("leak_large (")
        || !small.contains("leak_small (")
    {
        return Err(format!("leaks: {}, said `{said}`", output.status));
    }
    let mut profiles = Vec::new();
    for entry in fs::read_dir(scratch).map_err(|e| e.to_string())?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("profile.") {
            profiles.push(fs::read_to_string(entry.path()).map_err(|e| e.to_string())?);
            fs::remove_file(entry.path()).map_err(|e| e.to_string())?;
        }
    }
    let right = |text: &String| {
        text.starts_with("heap profile: 4: 53000 [4: 53000] @ heap_v2/1\n")
            && text.matches("\n1: 1000 [1: 1000] @ 0x").count() == 3
            && text.contains("\nMAPPED_LIBRARIES:\n")
            && text.contains("libunderpin_malloc.so")
    };
    if profiles.len() == 1 && profiles.iter().all(right) {
        Ok(())
    } else {
        Err(format!(
            "the profile is not what it should be: {profiles:?}"
        ))
    }
}

/// The signal that ended it, which `timeout` passes on.
fn signal(output: &Output) -> Option<i32> {
    #[cfg(unix)]
    return std::os::unix::process::ExitStatusExt::signal(&output.status);
    #[cfg(not(unix))]
    {
        let _ = output;
        None
    }
}

fn programs(
    job: &mut Job<'_>,
    list: &[(&'static str, &str)],
    scratch: &Path,
    library: &Path,
) -> Result<(), String> {
    let (mut same, mut absent) = (0, Vec::new());
    for (program, script) in list {
        if find_program(program).is_none() {
            absent.push(*program);
            continue;
        }
        let mut outputs = Vec::new();
        for preload in [None, Some(library)] {
            let directory = scratch.join("programs");
            fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
            let mut shell = Command::new("timeout");
            shell
                .args(["1200", "sh", "-c", script])
                .current_dir(&directory);
            if let Some(library) = preload {
                shell.env("LD_PRELOAD", library);
            }
            let output = output(job, &mut shell)?;
            outputs.push((output.status.code(), output.stdout));
        }
        if outputs[0] != outputs[1] || outputs[0].1.is_empty() {
            return Err(format!(
                "{program} does something else under {}",
                library.display()
            ));
        }
        same += 1;
    }
    job.note(&format!("{same} programs do the same with and without"));
    if !absent.is_empty() {
        job.note(&format!("not there: {}", absent.join(" ")));
    }
    Ok(())
}

/// Runs `count` under callgrind and compares with the limits in `tests/preload/instructions.golden`.
fn counts(
    job: &mut Job<'_>,
    scratch: &Path,
    library: &Path,
    region: Vec<Count>,
) -> Result<(), String> {
    let directory = scratch.join("counts");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
    let mut valgrind = job.workspace.program("valgrind");
    valgrind
        .args(["-q", "--tool=callgrind", "--collect-atstart=no"])
        .arg(format!(
            "--callgrind-out-file={}",
            directory.join("out").display()
        ))
        .arg(scratch.join("count"));
    job.run(valgrind.env("LD_PRELOAD", library))?;
    let mut measured = read_counts(&directory)?;
    measured.extend(region);
    let per_call = |what: &str, bytes: u64| -> Option<f64> {
        if what.starts_with("region") {
            return find(&measured, what, bytes).map(|(most, _)| most as f64);
        }
        let base = match what.split('-').next()? {
            "free" => "free-nothing",
            _ => "malloc-nothing",
        };
        let (total, calls) = find(&measured, what, bytes)?;
        let (base, base_calls) = find(&measured, base, 0)?;
        // The stand-ins are one and two instructions long themselves.
        let own = if what.starts_with("free") { 1.0 } else { 2.0 };
        Some((total as f64) / calls as f64 - base as f64 / base_calls as f64 + own)
    };
    let golden = job.workspace.root.join("tests/preload/instructions.golden");
    let text = fs::read_to_string(&golden).map_err(|e| format!("{}: {e}", golden.display()))?;
    let mut shown = Vec::new();
    let mut above = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [what, bytes, limit] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err(format!("{}: `{line}`", golden.display()));
        };
        let bytes = bytes.parse().map_err(|_| line.to_owned())?;
        let limit: f64 = limit.parse().map_err(|_| line.to_owned())?;
        let count =
            per_call(what, bytes).ok_or_else(|| format!("{what} {bytes} was not measured"))?;
        shown.push(format!("{what} {bytes}: {count:.1}"));
        if count > limit + 0.5 {
            above.push(format!(
                "{what} of {bytes} bytes: {count:.1} instructions, limit {limit}"
            ));
        }
    }
    job.say(&shown.join("\n"));
    job.note(&format!(
        "instructions: {}",
        shown[..4.min(shown.len())].join("; ")
    ));
    if above.is_empty() {
        Ok(())
    } else {
        Err(above.join("; "))
    }
}

struct Count {
    what: String,
    bytes: u64,
    calls: u64,
    total: u64,
}

fn find(counts: &[Count], what: &str, bytes: u64) -> Option<(u64, u64)> {
    let found = counts
        .iter()
        .find(|count| count.what == what && count.bytes == bytes)?;
    Some((found.total, found.calls))
}

/// What the dumps say: the label that the program gave, and the sum.
fn read_counts(directory: &Path) -> Result<Vec<Count>, String> {
    let mut counts = Vec::new();
    for entry in fs::read_dir(directory).map_err(|e| e.to_string())? {
        let path: PathBuf = entry.map_err(|e| e.to_string())?.path();
        let text = fs::read_to_string(&path).map_err(|e| e.to_string())?;
        let label = text
            .lines()
            .find_map(|line| line.strip_prefix("desc: Trigger: Client Request: "));
        let total = text.lines().find_map(|line| line.strip_prefix("summary: "));
        let (Some(label), Some(total)) = (label, total) else {
            continue;
        };
        let mut words = label.split(' ');
        let (Some(what), Some(bytes), Some(calls)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        counts.push(Count {
            what: what.to_owned(),
            bytes: bytes.parse().map_err(|_| label.to_owned())?,
            calls: calls.parse().map_err(|_| label.to_owned())?,
            total: total.trim().parse().map_err(|_| total.to_owned())?,
        });
    }
    Ok(counts)
}
