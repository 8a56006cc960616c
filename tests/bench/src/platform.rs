//! The platform layer against std and rustix, call by call.
//!
//! A bench for the one system that the peers here share: Linux.
#![allow(unsafe_code, reason = "a filled buffer is read as initialised")]

use crate::case::{Case, Sample, Settings, Subject, locked_version};
use crate::random::mix;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, Ordering};
use rustix::thread::futex;
use rustix::time::ClockId as RustixClock;
use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use underpin_core::platform::{Clock as _, ClockId, Files, Mutex, OpenOptions, Park as _};
use underpin_linux::Linux;

const BLOCK: usize = 4096;
const BLOCKS: u64 = 4096;

/// Every case of the part.
pub(crate) fn cases(settings: &Settings) -> Result<Vec<Case>, String> {
    Ok(vec![
        clock(settings.operations(20_000_000, 2_000_000)),
        mutex(settings.operations(50_000_000, 5_000_000)),
        park(settings.operations(200_000, 20_000)),
        pread(settings.operations(1_000_000, 100_000)),
    ])
}

fn ours(run: impl FnMut(&Path) -> Result<Sample, String> + 'static) -> Subject {
    Subject::new("underpin", locked_version("underpin-linux"), run)
}

fn std_subject(run: impl FnMut(&Path) -> Result<Sample, String> + 'static) -> Subject {
    let compiler = crate::machine::Machine::read().compiler;
    Subject::new("std", compiler.split(' ').nth(1).unwrap_or("unknown"), run)
}

fn rustix_subject(run: impl FnMut(&Path) -> Result<Sample, String> + 'static) -> Subject {
    Subject::new("rustix", locked_version("rustix"), run)
}

/// Times `count` calls of `step`; `step` says whether its answer was right.
fn timed(count: u64, mut step: impl FnMut(u64) -> bool) -> Result<Sample, String> {
    let mut right = 0;
    let start = Instant::now();
    for index in 0..count {
        right += u64::from(step(index));
    }
    let elapsed = start.elapsed();
    if right == count {
        Ok(Sample {
            operations: count,
            elapsed,
        })
    } else {
        Err(format!("{} of {count} answers were wrong", count - right))
    }
}

fn clock(count: u64) -> Case {
    Case {
        name: "monotonic clock".into(),
        terms: format!("{count} readings in a row, none may step back"),
        ours: ours(move |_| {
            let mut last = underpin_core::platform::Instant::ZERO;
            timed(count, |_| {
                let now = Linux.now(ClockId::Monotonic);
                let right = now >= last;
                last = now;
                right
            })
        }),
        peers: vec![
            std_subject(move |_| {
                let mut last = Instant::now();
                timed(count, |_| {
                    let now = Instant::now();
                    let right = now >= last;
                    last = now;
                    right
                })
            }),
            rustix_subject(move |_| {
                let mut last = (0, 0);
                timed(count, |_| {
                    let now = rustix::time::clock_gettime(RustixClock::Monotonic);
                    let now = (now.tv_sec, now.tv_nsec);
                    let right = now >= last;
                    last = now;
                    right
                })
            }),
        ],
    }
}

fn mutex(count: u64) -> Case {
    Case {
        name: "mutex, uncontended".into(),
        terms: format!("{count} times lock, add one, unlock, on one thread"),
        ours: ours(move |_| {
            let mutex = Mutex::new(0, Linux);
            timed(count, |index| {
                let mut guard = black_box(&mutex).lock();
                *guard += 1;
                *guard == index + 1
            })
        }),
        peers: vec![std_subject(move |_| {
            let mutex = std::sync::Mutex::new(0);
            timed(count, |index| {
                let Ok(mut guard) = black_box(&mutex).lock() else {
                    return false;
                };
                *guard += 1;
                *guard == index + 1
            })
        })],
    }
}

fn pread(count: u64) -> Case {
    let file_path = |dir: &Path| -> Result<PathBuf, String> {
        let path = dir.join("blocks");
        if !path.exists() {
            let mut bytes = vec![0; BLOCK * BLOCKS as usize];
            for (index, block) in bytes.chunks_mut(BLOCK).enumerate() {
                block[..8].copy_from_slice(&(index as u64).to_le_bytes());
            }
            fs::write(&path, bytes).map_err(|e| e.to_string())?;
        }
        Ok(path)
    };
    let right = |block: &[u8], index: u64| block[..8] == index.to_le_bytes();
    Case {
        name: "read of 4 KiB".into(),
        terms: format!(
            "{count} reads of 4 KiB at random aligned offsets of a 16 MiB file that is in the system's cache"
        ),
        ours: ours(move |dir| {
            let path = file_path(dir)?;
            let platform = Linux;
            let file = platform
                .open(path.as_os_str().as_encoded_bytes(), &OpenOptions::read())
                .map_err(|e| e.to_string())?;
            let mut buffer = [MaybeUninit::new(0u8); BLOCK];
            timed(count, |step| {
                let index = mix(step) % BLOCKS;
                let read = platform.read_at(&file, &mut buffer, index * BLOCK as u64);
                // SAFETY: every byte was written when the buffer was made.
                let block = unsafe { buffer[..].assume_init_ref() };
                read == Ok(BLOCK) && right(block, index)
            })
        }),
        peers: vec![
            std_subject(move |dir| {
                let file = File::open(file_path(dir)?).map_err(|e| e.to_string())?;
                let mut buffer = [0; BLOCK];
                timed(count, |step| {
                    let index = mix(step) % BLOCKS;
                    file.read_at(&mut buffer, index * BLOCK as u64)
                        .is_ok_and(|bytes| bytes == BLOCK)
                        && right(&buffer, index)
                })
            }),
            rustix_subject(move |dir| {
                let file = File::open(file_path(dir)?).map_err(|e| e.to_string())?;
                let mut buffer = [0; BLOCK];
                timed(count, |step| {
                    let index = mix(step) % BLOCKS;
                    rustix::io::pread(&file, &mut buffer, index * BLOCK as u64) == Ok(BLOCK)
                        && right(&buffer, index)
                })
            }),
        ],
    }
}

/// Two threads hand a word to and fro, each sleeping until the other has been.
fn park(count: u64) -> Case {
    Case {
        name: "park and unpark".into(),
        terms: format!(
            "{count} round trips between two threads, each of which sleeps until the other wakes it; std by thread::park, rustix by futex calls"
        ),
        ours: ours(move |_| {
            ping_pong(
                count,
                |word, seen| {
                    Linux.wait(word, seen, None);
                },
                |word, _| {
                    Linux.wake(word, 1);
                },
            )
        }),
        peers: vec![
            std_subject(move |_| {
                ping_pong(
                    count,
                    |_, _| thread::park(),
                    |_, other: &thread::Thread| other.unpark(),
                )
            }),
            rustix_subject(move |_| {
                ping_pong(
                    count,
                    |word, seen| {
                        let _ = futex::wait(word, futex::Flags::PRIVATE, seen, None);
                    },
                    |word, _| {
                        let _ = futex::wake(word, futex::Flags::PRIVATE, 1);
                    },
                )
            }),
        ],
    }
}

/// The word counts turns: even ones are this thread's, odd ones the other's.
fn ping_pong(
    count: u64,
    wait: fn(&AtomicU32, u32),
    wake: fn(&AtomicU32, &thread::Thread),
) -> Result<Sample, String> {
    let word = Arc::new(AtomicU32::new(0));
    let here = thread::current();
    let turns = u32::try_from(2 * count).map_err(|e| e.to_string())?;
    let take_turns = move |word: &AtomicU32, first: u32, other: &thread::Thread| {
        let mut turn = first;
        while turn < turns {
            loop {
                let seen = word.load(Ordering::Acquire);
                if seen == turn {
                    break;
                }
                wait(word, seen);
            }
            turn += 1;
            word.store(turn, Ordering::Release);
            wake(word, other);
            turn += 1;
        }
    };
    let partner = {
        let word = word.clone();
        thread::spawn(move || take_turns(&word, 1, &here))
    };
    let start = Instant::now();
    take_turns(&word, 0, partner.thread());
    partner.join().map_err(|_| "the partner panicked")?;
    let elapsed = start.elapsed();
    if word.load(Ordering::Acquire) != turns {
        return Err("a turn was lost".into());
    }
    Ok(Sample {
        operations: count,
        elapsed: elapsed.max(Duration::from_nanos(1)),
    })
}
