//! Irregular searches: queens, unbalanced trees.

use super::{Time, chili_is, chili_of, ours_of, rayon_is, rayon_of, sequential, timed, us};
#[cfg(feature = "forte")]
use super::{forte_is, forte_of};
use crate::case::{Case, Settings};
use core::hint::black_box;
use underpin::pool::Worker;

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let n = if settings.quick { 10 } else { 12 };
    vec![queens(1, Time::Thread, n), queens(2, Time::Wall, n)]
}

/// Places queens row by row; `free` are columns to try, as bits; branches split in halves by joins.
#[derive(Clone, Copy)]
struct Board {
    all: u32,
    columns: u32,
    left: u32,
    right: u32,
}

impl Board {
    fn free(self) -> u32 {
        self.all & !(self.columns | self.left | self.right)
    }

    fn place(self, bit: u32) -> Self {
        Self {
            all: self.all,
            columns: self.columns | bit,
            left: (self.left | bit) << 1,
            right: (self.right | bit) >> 1,
        }
    }

    fn is_full(self) -> bool {
        self.columns == self.all
    }
}

/// The lower half of the bits that are set.
fn lower_half(bits: u32) -> u32 {
    let mut upper = bits;
    for _ in 0..bits.count_ones() / 2 {
        upper &= upper - 1;
    }
    bits & !upper
}

fn plain(board: Board) -> u64 {
    if board.is_full() {
        return 1;
    }
    let mut free = board.free();
    let mut count = 0;
    while free != 0 {
        let bit = free & free.wrapping_neg();
        free ^= bit;
        count += plain(board.place(bit));
    }
    count
}

fn with_us(w: Worker<'_>, board: Board, free: u32) -> u64 {
    match free.count_ones() {
        0 => u64::from(board.is_full()),
        1 => {
            let next = board.place(free);
            with_us(w, next, next.free())
        }
        _ => {
            let low = lower_half(free);
            let (a, b) = w.join(
                |w| with_us(w, board, low),
                |w| with_us(w, board, free & !low),
            );
            a + b
        }
    }
}

fn with_rayon(board: Board, free: u32) -> u64 {
    match free.count_ones() {
        0 => u64::from(board.is_full()),
        1 => {
            let next = board.place(free);
            with_rayon(next, next.free())
        }
        _ => {
            let low = lower_half(free);
            let (a, b) = rayon::join(|| with_rayon(board, low), || with_rayon(board, free & !low));
            a + b
        }
    }
}

fn with_chili(s: &mut chili::Scope<'_>, board: Board, free: u32) -> u64 {
    match free.count_ones() {
        0 => u64::from(board.is_full()),
        1 => {
            let next = board.place(free);
            with_chili(s, next, next.free())
        }
        _ => {
            let low = lower_half(free);
            let (b, a) = s.join(
                |s| with_chili(s, board, free & !low),
                |s| with_chili(s, board, low),
            );
            a + b
        }
    }
}

#[cfg(feature = "forte")]
fn with_forte(w: &forte::Worker, board: Board, free: u32) -> u64 {
    match free.count_ones() {
        0 => u64::from(board.is_full()),
        1 => {
            let next = board.place(free);
            with_forte(w, next, next.free())
        }
        _ => {
            let low = lower_half(free);
            let (b, a) = w.join(
                |w| with_forte(w, board, free & !low),
                |w| with_forte(w, board, low),
            );
            a + b
        }
    }
}

fn queens(workers: usize, time: Time, n: u32) -> Case {
    let board = Board {
        all: (1 << n) - 1,
        columns: 0,
        left: 0,
        right: 0,
    };
    let want = plain(board);
    let times = 2;
    Case {
        name: format!(
            "queens({n}), {workers} worker{}",
            if workers == 1 { "" } else { "s" }
        ),
        terms: format!("all {want} placements, joins down to single branches; {time:?} time"),
        ours: us(move || {
            ours_of(workers)
                .enter(|w| timed(time, times, want, &want, || with_us(w, board, board.free())))
        }),
        peers: peers![
            rayon_is(move || {
                rayon_of(workers)
                    .install(|| timed(time, times, want, &want, || with_rayon(board, board.free())))
            }),
            chili_is(move || {
                let mut scope = chili_of(workers).scope();
                timed(time, times, want, &want, || {
                    with_chili(&mut scope, board, board.free())
                })
            }),
            #[forte]
            forte_is(move || {
                forte_of(workers).with_worker(|w| {
                    timed(time, times, want, &want, || {
                        with_forte(w, board, board.free())
                    })
                })
            }),
            sequential(move || timed(time, times, want, &want, || plain(black_box(board)))),
        ],
    }
}
