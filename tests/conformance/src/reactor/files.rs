//! Operations on files, for rings that do them.
#![forbid(unsafe_code)]

use super::operation::{buffer, transferred};
use crate::case::{Context, Stop, Verdict};
use crate::net::wire::Wire;
use alloc::vec::Vec;
use underpin_core::Kind;
use underpin_core::platform::{
    Buffer, Cancel, Create, Durability, FileOp, Op, OpenOptions, Outcome, Reactor, Ring,
};

cases!("reactor::files", Reactor:
    written_bytes_are_read_at_their_offsets,
    opening_says_what_is_wrong,
    wrong_arguments_are_refused_whole,
    reads_fill_the_spare_capacity_only,
    sync_reaches_the_level_or_a_stronger_one,
    operations_on_one_file_each_complete_once,
    file_lives_as_long_as_its_operations,
    cancelled_operations_complete_and_give_their_buffers_back,
    dropped_ring_lets_go_of_files,
);

type Opened<P> = Result<<P as underpin_core::platform::Net>::Socket, Stop>;

fn open<P: Reactor>(
    cx: &Context<'_, P>,
    wire: &mut Wire<'_, P>,
    name: &str,
    options: OpenOptions,
) -> Opened<P> {
    let path = buffer(0, &cx.path(name));
    match wire
        .perform(Op::File(FileOp::Open { path, options }))?
        .result?
    {
        Outcome::Opened { file } => Ok(file),
        other => Err(Stop::failed(format_args!("opening brought {other:?}"))),
    }
}

fn create<P: Reactor>(cx: &Context<'_, P>, wire: &mut Wire<'_, P>, name: &str) -> Opened<P> {
    let options = OpenOptions::read_write().with_create(Create::New);
    open(cx, wire, name, options)
}

fn read<S: Clone>(file: &S, capacity: usize, offset: u64) -> Op<S> {
    Op::File(FileOp::ReadAt {
        file: file.clone(),
        buffer: Buffer::with_capacity(capacity),
        offset,
    })
}

fn write<S: Clone>(file: &S, bytes: &[u8], start: usize, offset: u64) -> Op<S> {
    Op::File(FileOp::WriteAt {
        file: file.clone(),
        buffer: buffer(0, bytes),
        start,
        offset,
    })
}

/// "Reads at an offset into the buffer's spare capacity; 0 bytes are the end of the file"; "Writes the buffer's bytes from `start`".
fn written_bytes_are_read_at_their_offsets<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let file = create(cx, &mut wire, "ring-offsets")?;
    let (count, lent) = transferred(wire.perform(write(&file, b"..hello", 2, 3))?)?;
    ensure_eq!(count, 5);
    ensure!(lent.as_slice() == b"..hello");
    let (count, got) = transferred(wire.perform(read(&file, 64, 0))?)?;
    ensure_eq!(count, 8);
    ensure!(got.as_slice() == b"\0\0\0hello", "a gap reads as zeros");
    let (count, _) = transferred(wire.perform(read(&file, 64, 8))?)?;
    ensure_eq!(count, 0);
    let again = open(cx, &mut wire, "ring-offsets", OpenOptions::read())?;
    let (_, got) = transferred(wire.perform(read(&again, 2, 4))?)?;
    ensure!(b"ello".starts_with(got.as_slice()) && got.as_slice().len() >= 2);
    let completion = wire.perform(write(&again, b"x", 0, 0))?;
    ensure!(completion.result.is_err(), "it is open for reading");
    ensure!(completion.buffer.is_some(), "the buffer is lost");
    Ok(())
}

/// "As with `Files::open`".
fn opening_says_what_is_wrong<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let mut attempt = |options| {
        let path = buffer(0, &cx.path("ring-open"));
        wire.perform(Op::File(FileOp::Open { path, options }))
    };
    let missing = attempt(OpenOptions::read())?;
    ensure_kind!(missing.result, NotFound);
    let path = missing.buffer.map(|path| path.as_slice().to_vec());
    ensure!(
        path == Some(cx.path("ring-open").to_vec()),
        "the path comes back"
    );
    let new = OpenOptions::read_write().with_create(Create::New);
    attempt(new)?.result?;
    ensure_kind!(attempt(new)?.result, AlreadyExists);
    attempt(OpenOptions::read_write().with_truncate())?.result?;
    Ok(())
}

/// `InvalidInput`, before anything starts, and the operation comes back.
fn wrong_arguments_are_refused_whole<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let file = create(cx, &mut wire, "ring-wrong")?;
    let named = |path: &[u8], options| {
        let path = buffer(0, path);
        Op::File(FileOp::Open { path, options })
    };
    let path = cx.path("ring-wrong");
    let ops = [
        named(b"", OpenOptions::read()),
        named(b"a\0b", OpenOptions::read()),
        named(&path, OpenOptions::read().with_truncate()),
        named(&path, OpenOptions::read_write().with_append()),
        read(&file, 8, u64::MAX),
        read(&file, 8, 1 << 63),
        write(&file, b"kept", 0, u64::MAX),
        write(&file, b"kept", 5, 0),
    ];
    for (number, op) in ops.into_iter().enumerate() {
        match wire.ring.submit(op, 1) {
            Ok(_) => fail!("operation {number} was taken"),
            Err(rejected) => {
                ensure!(
                    rejected.error.kind() == Kind::InvalidInput,
                    "operation {number}: {}",
                    rejected.error
                );
                ensure!(rejected.op.into_buffer().is_some(), "the buffer is lost");
            }
        }
    }
    ensure_eq!(wire.ring.pending(), 0);
    Ok(())
}

fn reads_fill_the_spare_capacity_only<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let file = create(cx, &mut wire, "ring-spare")?;
    transferred(wire.perform(write(&file, &[7; 4000], 0, 0))?)?;
    let lent = buffer(64, b"kept");
    let room = lent.capacity() - 4;
    let (count, got) = transferred(wire.perform(Op::File(FileOp::ReadAt {
        file,
        buffer: lent,
        offset: 0,
    }))?)?;
    ensure!((1..=room).contains(&count), "{count} of {room}");
    ensure_eq!(got.as_slice().len(), 4 + count);
    ensure!(got.as_slice().starts_with(b"kept"));
    ensure!(got.as_slice()[4..].iter().all(|&byte| byte == 7));
    Ok(())
}

/// "Makes durable what was written before it was submitted".
fn sync_reaches_the_level_or_a_stronger_one<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let file = create(cx, &mut wire, "ring-sync")?;
    for asked in [Durability::Data, Durability::Barrier, Durability::Full] {
        transferred(wire.perform(write(&file, b"x", 0, 0))?)?;
        let file = file.clone();
        match wire
            .perform(Op::File(FileOp::Sync { file, level: asked }))?
            .result?
        {
            Outcome::Synced { level } => ensure!(level >= asked, "{level:?} for {asked:?}"),
            other => fail!("a sync brought {other:?}"),
        }
    }
    Ok(())
}

/// "Those on one file complete in no order", each once.
fn operations_on_one_file_each_complete_once<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    const COUNT: usize = 50;
    const BYTES: usize = 3000;
    let mut wire = Wire::new(cx)?;
    let file = create(cx, &mut wire, "ring-many")?;
    for i in 0..COUNT {
        wire.submit(
            write(&file, &[i as u8; BYTES], 0, (i * BYTES) as u64),
            i as u64,
        )?;
    }
    for i in 0..COUNT {
        let (count, _) = transferred(wire.complete(i as u64)?)?;
        ensure_eq!(count, BYTES);
    }
    for i in 0..COUNT {
        wire.submit(read(&file, BYTES, (i * BYTES) as u64), i as u64)?;
    }
    for i in (0..COUNT).rev() {
        let (_, got) = transferred(wire.complete(i as u64)?)?;
        ensure!(got.as_slice()[..BYTES.min(got.as_slice().len())] == [i as u8; BYTES]);
    }
    ensure_eq!(wire.ring.pending(), 0);
    ensure_eq!(wire.wait(cx.now())?, 0);
    Ok(())
}

/// Rule 1: "Its socket and buffer are the ring's from submission to completion", and so is its file.
fn file_lives_as_long_as_its_operations<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let file = create(cx, &mut wire, "ring-alive")?;
    wire.submit(write(&file, b"last", 0, 0), 1)?;
    drop(file);
    transferred(wire.complete(1)?)?;
    let file = open(cx, &mut wire, "ring-alive", OpenOptions::read())?;
    let (_, got) = transferred(wire.perform(read(&file, 16, 0))?)?;
    ensure!(got.as_slice() == b"last");
    Ok(())
}

/// "What is cancelled may have happened all the same".
fn cancelled_operations_complete_and_give_their_buffers_back<P: Reactor>(
    cx: &Context<'_, P>,
) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let file = create(cx, &mut wire, "ring-cancel")?;
    for turn in 0..60_usize {
        let path = buffer(0, &cx.path("ring-cancel"));
        let options = OpenOptions::read();
        let ops: [Op<P::Socket>; 4] = [
            write(&file, &[turn as u8; 5000], 0, 0),
            read(&file, 5000, 0),
            Op::File(FileOp::Open { path, options }),
            Op::File(FileOp::Sync {
                file: file.clone(),
                level: Durability::Data,
            }),
        ];
        let mut ids = Vec::new();
        for (token, op) in ops.into_iter().enumerate() {
            ids.push(wire.submit(op, token as u64)?);
        }
        // Not yet with the system, or on their way, or perhaps done.
        if turn % 3 > 0 {
            wire.wait(cx.now())?;
        }
        if turn % 3 > 1 {
            wire.wait(
                cx.now()
                    .saturating_add(core::time::Duration::from_micros(50)),
            )?;
        }
        for id in ids {
            let delivered = wire.ring.cancel(id);
            ensure!(matches!(delivered, Cancel::Requested | Cancel::NotPending));
        }
        for token in 0..4 {
            let completion = wire.complete(token)?;
            match completion.result {
                Ok(_) => {}
                Err(error) => ensure!(error.kind() == Kind::Cancelled, "{token}: {error}"),
            }
            ensure!(
                completion.buffer.is_some() == (token != 3),
                "the buffer of {token} is lost"
            );
        }
    }
    ensure_eq!(wire.ring.pending(), 0);
    Ok(())
}

/// Rule 4: "Dropping a ring cancels what is pending, waits for the system to let go".
fn dropped_ring_lets_go_of_files<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    for turn in 0..20 {
        let mut wire = Wire::new(cx)?;
        let options = OpenOptions::read_write().with_create(Create::IfMissing);
        let file = open(cx, &mut wire, "ring-drop", options)?;
        for token in 0..8 {
            wire.submit(write(&file, &[token as u8; 9000], 0, 0), token)?;
            wire.submit(read(&file, 9000, 0), 100 + token)?;
        }
        if turn % 2 == 0 {
            wire.wait(cx.now())?;
        }
    }
    Ok(())
}
