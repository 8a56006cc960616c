//! SIGKILL in the middle of loads: what was acknowledged is there, and nothing is there that was not sent.
//!
//! Two connections load at once. `redis-cli --pipe` sends every word of the dictionary and every file of this repository, in the
//! same order in each round, with the round in the value: as recovery gives back a prefix of history, the rounds
//! found along that order may only fall. A client of our own writes and removes other keys and notes every reply, so that it
//! knows for each key the last acknowledged state and those it sent after. `UNDERPIN_KILLS=200` is the long mode.

use crate::support::{Client, Random, Scratch, Server, bulks, encode, has_program, seed};
use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Kills, unless `UNDERPIN_KILLS` says how many.
const ROUNDS: u64 = 50;
const WORDS: &str = "/usr/share/dict/words";
/// Our own keys are checked after every kill; all keys after so many.
const FULL_CHECK_ROUNDS: u64 = 5;
/// Requests of our own that may be unanswered.
const WINDOW: usize = 16;

/// What `redis-cli --pipe` is fed: keys in order, and the part of the value before the round.
struct Load {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Load {
    fn new() -> Self {
        let words = std::fs::read(WORDS).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files = Vec::new();
        collect_files(root, &mut files);
        files.sort();
        // Large and small values mixed: a file after every hundred words.
        let mut files = files.into_iter().filter_map(|path| {
            let key = format!("file:{}", path.strip_prefix(root).unwrap().display());
            Some((key.into_bytes(), std::fs::read(path).ok()?))
        });
        let mut entries = Vec::new();
        for (index, word) in words.split(|byte| *byte == b'\n').enumerate() {
            if !word.is_empty() {
                entries.push((word.to_vec(), Vec::new()));
            }
            if index % 100 == 0 {
                entries.extend(files.next());
            }
        }
        entries.extend(files);
        Self { entries }
    }

    /// The stream of one round.
    fn stream(&self, round: u64) -> Vec<u8> {
        let round = format!("#{round}");
        let mut stream = Vec::new();
        for (key, value) in &self.entries {
            let value = [value, round.as_bytes()].concat();
            stream.extend(encode(&[b"SET", key, &value]));
        }
        stream
    }

    /// The round in a value, if the value is one that was sent for this entry.
    fn round(&self, index: usize, value: &[u8], rounds: u64) -> Option<u64> {
        let round = value
            .strip_prefix(&*self.entries[index].1)?
            .strip_prefix(b"#")?;
        let round: u64 = std::str::from_utf8(round).ok()?.parse().ok()?;
        (round < rounds).then_some(round)
    }
}

/// The repository's files: what is not built, and not in a hidden folder.
fn collect_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let kind = entry.file_type().unwrap();
        if name.to_string_lossy().starts_with('.') || name == "target" {
            continue;
        }
        if kind.is_dir() {
            collect_files(&entry.path(), files);
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
}

/// What our own client knows about one of its keys: the acknowledged value, and those sent after it (`None`: removed).
#[derive(Debug, Default)]
struct Known {
    acknowledged: Option<Vec<u8>>,
    sent: Vec<Option<Vec<u8>>>,
}

/// Writes until the server is gone and returns what it knows, and how many writes were acknowledged.
fn write_until_killed(
    mut client: Client,
    mut known: HashMap<Vec<u8>, Known>,
    mut random: Random,
    round: u64,
    stop: &AtomicBool,
) -> (HashMap<Vec<u8>, Known>, u64) {
    let (mut waiting, mut acknowledged, mut number) = (Vec::new(), 0, 0u64);
    while !stop.load(Ordering::Relaxed) {
        let mut requests = Vec::new();
        while waiting.len() < WINDOW {
            let key = format!("own:{}", random.below(3000)).into_bytes();
            number += 1;
            let value = (random.below(8) > 0).then(|| {
                let padding = "x".repeat(random.below(300));
                format!("{round}:{number}:{padding}").into_bytes()
            });
            requests.extend(match &value {
                Some(value) => encode(&[b"SET", &key, value]),
                None => encode(&[b"DEL", &key]),
            });
            known.entry(key.clone()).or_default().sent.push(value);
            waiting.push(key);
        }
        if client.stream.write_all(&requests).is_err() {
            break;
        }
        // Some replies at a time, so that the kill meets requests in every state.
        for _ in 0..1 + random.below(WINDOW) {
            let Some(reply) = client.reply() else {
                return (known, acknowledged);
            };
            assert!(!reply.starts_with(b"-"), "{}", reply.escape_ascii());
            let entry = known.get_mut(&waiting.remove(0)).unwrap();
            entry.acknowledged = entry.sent.remove(0);
            acknowledged += 1;
        }
    }
    (known, acknowledged)
}

/// Every key and value of the server.
fn contents(client: &mut Client) -> HashMap<Vec<u8>, Vec<u8>> {
    let mut contents = HashMap::new();
    let mut cursor = b"0".to_vec();
    loop {
        let reply = client.call(&[b"SCAN", &cursor, b"COUNT", b"4000"]);
        let found = bulks(&reply);
        let (next, keys) = found.split_first().unwrap();
        if !keys.is_empty() {
            let mut request: Vec<&[u8]> = vec![b"MGET"];
            request.extend(keys.iter().map(|key| key.unwrap()));
            let values = client.call(&request);
            for (key, value) in keys.iter().zip(bulks(&values)) {
                contents.insert(key.unwrap().to_vec(), value.unwrap().to_vec());
            }
        }
        cursor = next.unwrap().to_vec();
        if cursor == b"0" {
            return contents;
        }
    }
}

/// The values of our own keys.
fn values_of(client: &mut Client, known: &HashMap<Vec<u8>, Known>) -> HashMap<Vec<u8>, Vec<u8>> {
    let mut request: Vec<&[u8]> = vec![b"MGET", b"never:sent"];
    request.extend(known.keys().map(Vec::as_slice));
    let reply = client.call(&request);
    let values = bulks(&reply);
    assert_eq!(values.len(), request.len() - 1);
    request[1..]
        .iter()
        .zip(values)
        .filter_map(|(key, value)| Some((key.to_vec(), value?.to_vec())))
        .collect()
}

/// Checks our own keys, and takes what is there as what is known from now on.
fn check_own(
    contents: &mut HashMap<Vec<u8>, Vec<u8>>,
    known: &mut HashMap<Vec<u8>, Known>,
    round: u64,
) {
    for (key, known) in known {
        let found = contents.remove(key);
        let fits = found == known.acknowledged || known.sent.contains(&found);
        assert!(
            fits,
            "round {round}: {} is {:?}, but {:?} was acknowledged",
            key.escape_ascii(),
            found.map(|value| value.escape_ascii().to_string()),
            known
                .acknowledged
                .as_ref()
                .map(|value| value.escape_ascii().to_string()),
        );
        known.acknowledged = found;
        known.sent.clear();
    }
}

/// Checks the keys of the pipe: values that were sent, in rounds that fall along the order of sending.
fn check_load(contents: &mut HashMap<Vec<u8>, Vec<u8>>, load: &Load, rounds: u64) {
    let mut highest_left = None;
    let mut seen = HashSet::new();
    for (index, (key, _)) in load.entries.iter().enumerate() {
        assert!(
            seen.insert(key),
            "the load names {} twice",
            key.escape_ascii()
        );
        let round = contents.remove(key).map(|value| {
            load.round(index, &value, rounds)
                .unwrap_or_else(|| panic!("{} has a value that was never sent", key.escape_ascii()))
        });
        // `None` is below every round.
        if index > 0 {
            assert!(
                round <= highest_left,
                "{} is of round {round:?}, but an earlier key of {highest_left:?}",
                key.escape_ascii()
            );
        }
        highest_left = round;
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_sigkill() {
    if !has_program("redis-cli") || !Path::new(WORDS).exists() {
        eprintln!("NOT RUN: needs redis-cli and {WORDS} (apt-get install redis-tools wamerican)");
        return;
    }
    let rounds = std::env::var("UNDERPIN_KILLS").ok();
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut random = Random(seed());
    let scratch = Scratch::new("crash");
    let load = Load::new();
    let mut known = HashMap::new();
    let mut acknowledged = 0;
    for round in 0..=rounds {
        let policy = random.choose(&["always", "everysec", "no"]);
        let mut server = Server::start(scratch.path(), &["--appendfsync", policy]);
        let mut client = server.client();
        if round % FULL_CHECK_ROUNDS == 0 {
            let mut found = contents(&mut client);
            check_own(&mut found, &mut known, round);
            check_load(&mut found, &load, round);
            let stray: Vec<String> = found
                .keys()
                .take(3)
                .map(|key| key.escape_ascii().to_string())
                .collect();
            assert!(
                stray.is_empty(),
                "round {round}: keys that nobody sent: {stray:?}"
            );
        } else {
            check_own(&mut values_of(&mut client, &known), &mut known, round);
        }
        if round == rounds {
            break;
        }
        let mut pipe = Command::new("redis-cli")
            .args(["-p", &server.address.port().to_string(), "--pipe"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut input, stream) = (pipe.stdin.take().unwrap(), load.stream(round));
        // Ends with a broken pipe when redis-cli is killed.
        let feeder = std::thread::spawn(move || drop(input.write_all(&stream)));
        let stop = Arc::new(AtomicBool::new(false));
        let writer = {
            let (stop, random) = (Arc::clone(&stop), Random(random.next()));
            std::thread::spawn(move || write_until_killed(client, known, random, round, &stop))
        };
        std::thread::sleep(Duration::from_micros(random.next() % 400_000));
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        stop.store(true, Ordering::Relaxed);
        let (told, count) = writer.join().unwrap();
        known = told;
        acknowledged += count;
        pipe.kill().unwrap();
        pipe.wait().unwrap();
        feeder.join().unwrap();
    }
    println!(
        "{rounds} kills, {acknowledged} acknowledged writes of our own, {} keys piped",
        load.entries.len()
    );
    assert!(
        acknowledged > 1000,
        "too few writes to mean anything: {acknowledged}"
    );
}
