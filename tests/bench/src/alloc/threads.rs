//! Cases with several threads.

use super::{Block, Heap, churn};
use crate::random::mix;
use std::sync::{Mutex, mpsc};
use std::thread;

fn join(handle: thread::ScopedJoinHandle<'_, Result<u64, String>>) -> Result<u64, String> {
    handle.join().map_err(|_| "a thread panicked".to_owned())?
}

pub(super) fn pipeline(heap: Heap, steps: u64, size: fn(u64) -> usize) -> Result<u64, String> {
    const BATCH: u64 = 256;
    let (send, receive) = mpsc::sync_channel::<Vec<Block>>(16);
    thread::scope(|scope| {
        let consumer = scope.spawn(move || {
            let mut count = 0;
            for batch in receive {
                for block in batch {
                    block.free(heap)?;
                    count += 1;
                }
            }
            Ok(count)
        });
        for batch in 0..steps / BATCH {
            let blocks: Result<Vec<Block>, String> = (0..BATCH)
                .map(|i| Block::new(heap, size(mix(batch * BATCH + i)), 8))
                .collect();
            send.send(blocks?).map_err(|e| e.to_string())?;
        }
        drop(send);
        Ok(2 * join(consumer)?)
    })
}

pub(super) fn server(heap: Heap, steps: u64) -> Result<u64, String> {
    let places: Vec<Mutex<Option<Block>>> = (0..2_000).map(|_| Mutex::new(None)).collect();
    let work = |seed: u64| {
        for step in 0..steps / 2 {
            let r = mix(step * 2 + seed);
            let new = Block::new(heap, 16 + r as usize % 485, 8)?;
            let mut place = places[(r >> 40) as usize % places.len()]
                .lock()
                .map_err(|e| e.to_string())?;
            let old = place.replace(new);
            drop(place);
            if let Some(old) = old {
                old.free(heap)?;
            }
        }
        Ok(steps / 2)
    };
    let count = thread::scope(|scope| {
        let threads = [scope.spawn(|| work(0)), scope.spawn(|| work(1))];
        threads.into_iter().map(join).sum::<Result<u64, String>>()
    })?;
    for place in &places {
        if let Some(block) = place.lock().map_err(|e| e.to_string())?.take() {
            block.free(heap)?;
        }
    }
    Ok(2 * count)
}

pub(super) fn apart(heap: Heap, threads: usize, steps: u64) -> Result<u64, String> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| scope.spawn(move || churn(heap, steps, 1_000, |r| 16 + r as usize % 113)))
            .collect();
        threads.into_iter().map(join).sum()
    })
}

pub(super) fn short(heap: Heap, steps: u64) -> Result<u64, String> {
    let mut count = 0;
    for _ in 0..steps {
        count += thread::scope(|scope| {
            join(scope.spawn(move || churn(heap, 500, 100, |r| 16 + r as usize % 500)))
        })?;
    }
    Ok(count)
}

pub(super) fn sharing(heap: Heap, steps: u64) -> Result<u64, String> {
    let given = [Block::new(heap, 8, 8)?, Block::new(heap, 8, 8)?];
    thread::scope(|scope| {
        let threads = given.map(|block| {
            scope.spawn(move || {
                let mut block = block;
                for _ in 0..steps {
                    for turn in 0..1_000_u32 {
                        // SAFETY: a live block of 8 bytes, this thread's.
                        unsafe { block.at.add(4).write_volatile(turn as u8) };
                    }
                    let new = Block::new(heap, 8, 8)?;
                    std::mem::replace(&mut block, new).free(heap)?;
                }
                block.free(heap)?;
                Ok(steps)
            })
        });
        threads.into_iter().map(join).sum()
    })
}
