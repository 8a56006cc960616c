//! A server process, a client that sees raw replies, and seeded randomness.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_underpin");

/// How long a reply may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory that is removed with its contents.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("underpin-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running `underpin serve`.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    /// Where it tells metrics, if `--metrics` was among the arguments.
    pub(crate) metrics: Option<SocketAddr>,
}

impl Server {
    /// Starts a server on `directory` and a free port and waits until it listens.
    pub(crate) fn start(directory: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(BINARY)
            .args(["serve", "--listen", "127.0.0.1:0", "--dir"])
            .arg(directory)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.as_mut().unwrap());
        said.read_line(&mut line).unwrap();
        let mut second = String::new();
        if more.contains(&"--metrics") {
            said.read_line(&mut second).unwrap();
        }
        let metrics = second
            .trim()
            .strip_prefix("metrics on http://")
            .and_then(|rest| rest.strip_suffix("/metrics"))
            .map(|address| address.parse().unwrap());
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("the server said {line:?}"))
            .parse()
            .unwrap();
        Self {
            child,
            address,
            metrics,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Ends it as a supervisor would and returns its exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        signal(&self.child, "TERM");
        self.child.wait().unwrap().code()
    }

    /// Resident memory in bytes, and open file handles.
    pub(crate) fn usage(&self) -> (u64, usize) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        let handles = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        (kilobytes * 1024, handles.count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by name.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(child.id().to_string())
        .status();
    assert!(status.unwrap().success());
}

/// A connection that hands out raw replies.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// Sends a command and returns its reply.
    pub(crate) fn call(&mut self, args: &[&[u8]]) -> Vec<u8> {
        self.send(&encode(args));
        self.reply().expect("the server closed the connection")
    }

    /// As [`call`](Self::call), from words of text; the reply as text.
    pub(crate) fn text(&mut self, line: &str) -> String {
        let args: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        String::from_utf8_lossy(&self.call(&args)).into_owned()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next reply, or `None` at the end of the stream.
    pub(crate) fn reply(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = reply_end(&self.buffer, self.start) {
                let reply = self.buffer[self.start..end].to_vec();
                self.start = end;
                if self.start == self.buffer.len() {
                    self.buffer.clear();
                    self.start = 0;
                }
                return Some(reply);
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no reply: {error}"),
            }
        }
    }

    /// Everything until the peer closes, or `None` if it does not within `patience`.
    pub(crate) fn rest(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let until = Instant::now() + patience;
        let mut rest = self.buffer.split_off(self.start);
        let mut chunk = [0; 16 * 1024];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            match self.stream.read(&mut chunk) {
                Ok(0) => return Some(rest),
                Ok(count) => rest.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Some(rest),
                Err(_) => return None,
            }
        }
    }
}

/// A request.
pub(crate) fn encode(args: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Where the reply that starts at `start` ends; `None` if it is not whole.
fn reply_end(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    let line = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let after = start + line + 2;
    let number = || {
        std::str::from_utf8(&rest[1..line])
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    let children = match rest[0] {
        b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => return Some(after),
        b'$' | b'=' => {
            let Ok(count) = usize::try_from(number()) else {
                return Some(after);
            };
            return (bytes.len() >= after + count + 2).then_some(after + count + 2);
        }
        b'*' | b'~' | b'>' => number(),
        b'%' => number() * 2,
        other => panic!("a reply starts with {:?}", char::from(other)),
    };
    (0..children).try_fold(after, |at, _| reply_end(bytes, at))
}

/// The elements of an array of bulks, arrays in it taken apart; `None` for null.
pub(crate) fn bulks(reply: &[u8]) -> Vec<Option<&[u8]>> {
    let mut bulks = Vec::new();
    let mut rest = reply;
    while !rest.is_empty() {
        let line = rest.iter().position(|byte| *byte == b'\r').unwrap();
        let after = &rest[line + 2..];
        let number: i64 = std::str::from_utf8(&rest[1..line])
            .unwrap()
            .parse()
            .unwrap();
        rest = match (rest[0], usize::try_from(number)) {
            (b'$', Ok(count)) => {
                bulks.push(Some(&after[..count]));
                &after[count + 2..]
            }
            (b'$', Err(_)) => {
                bulks.push(None);
                after
            }
            (b'*', _) => after,
            _ => panic!("not an array of bulks: {}", reply.escape_ascii()),
        };
    }
    bulks
}

/// Whether a program can be run.
pub(crate) fn has_program(name: &str) -> bool {
    Command::new(name)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// The seed of a random test: `UNDERPIN_SEED`, or a new one; always said, so that a failure can be repeated.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("UNDERPIN_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            u64::try_from(now.unwrap().as_nanos() & 0xffff_ffff).unwrap()
        });
    println!("UNDERPIN_SEED={seed}");
    seed
}

/// SplitMix64: small, and good enough to choose test cases.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn choose<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}
