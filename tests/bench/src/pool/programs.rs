//! Classic fork-join programs: sorts, matrices, bodies, trees without balance.

use super::forks::{Forks, Program, case};
use super::{noise, sorted};
use crate::case::{Case, Settings};
use core::hint::black_box;

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let quick = settings.quick;
    let sort = if quick { 300_000 } else { 10_000_000 };
    let mut cases = Vec::new();
    for workers in [1, 2] {
        cases.push(case(
            &format!("quicksort of {sort}"),
            "u64 at random; a join at each partition down to 64 items, then the standard sort",
            workers,
            Quicksort(sort),
        ));
        cases.push(case(
            &format!("mergesort of {sort}"),
            "u64 at random; a join at each half down to 2,048 items, then the standard stable sort; merges are sequential",
            workers,
            Mergesort(sort),
        ));
        cases.push(case(
            "matrix product",
            "f64, rows split in halves down to four",
            workers,
            Matrix(if quick { 160 } else { 512 }),
        ));
        cases.push(case(
            "n-body step",
            "forces of all pairs, bodies split in halves down to eight",
            workers,
            Bodies(if quick { 1_000 } else { 6_000 }),
        ));
        cases.push(case(
            "unbalanced tree",
            "a tree whose shape a hash decides, three children on average near the root and fewer below; a join at each pair of children",
            workers,
            Unbalanced(if quick { 14 } else { 19 }),
        ));
    }
    cases
}

struct Quicksort(usize);

fn quicksort<F: Forks>(handle: &mut F::Handle<'_>, slice: &mut [u64]) {
    if slice.len() <= 64 {
        return slice.sort_unstable();
    }
    let last = slice.len() - 1;
    let (a, b, c) = (slice[0], slice[last / 2], slice[last]);
    let pivot = a.max(b).min(a.min(b).max(c));
    let place = slice.iter().position(|&x| x == pivot).unwrap_or(0);
    slice.swap(place, last);
    let mut middle = 0;
    for index in 0..last {
        let less = slice[index] < pivot;
        slice.swap(index, middle);
        middle += usize::from(less);
    }
    slice.swap(middle, last);
    let (left, right) = slice.split_at_mut(middle);
    F::join(
        handle,
        |handle| quicksort::<F>(handle, left),
        |handle| quicksort::<F>(handle, &mut right[1..]),
    );
}

impl Program for Quicksort {
    type Data = Vec<u64>;
    fn data(&self) -> Vec<u64> {
        noise(self.0)
    }
    fn run<F: Forks>(&self, handle: &mut F::Handle<'_>, data: &mut Vec<u64>) {
        quicksort::<F>(handle, data);
    }
    fn is_right(&self, data: &Vec<u64>) -> bool {
        sorted(data, self.0)
    }
    fn operations(&self) -> u64 {
        self.0 as u64
    }
}

struct Mergesort(usize);

fn mergesort<F: Forks>(handle: &mut F::Handle<'_>, slice: &mut [u64], buffer: &mut [u64]) {
    if slice.len() <= 2_048 {
        return slice.sort();
    }
    let middle = slice.len() / 2;
    let (left, right) = slice.split_at_mut(middle);
    let (left_buffer, right_buffer) = buffer.split_at_mut(middle);
    F::join(
        handle,
        |handle| mergesort::<F>(handle, left, left_buffer),
        |handle| mergesort::<F>(handle, right, right_buffer),
    );
    let (mut l, mut r) = (0, middle);
    for place in &mut *buffer {
        let takes_left = r == slice.len() || (l < middle && slice[l] <= slice[r]);
        *place = slice[if takes_left { l } else { r }];
        l += usize::from(takes_left);
        r += usize::from(!takes_left);
    }
    slice.copy_from_slice(buffer);
}

impl Program for Mergesort {
    type Data = (Vec<u64>, Vec<u64>);
    fn data(&self) -> Self::Data {
        (noise(self.0), vec![0; self.0])
    }
    fn run<F: Forks>(&self, handle: &mut F::Handle<'_>, data: &mut Self::Data) {
        mergesort::<F>(handle, &mut data.0, &mut data.1);
    }
    fn is_right(&self, data: &Self::Data) -> bool {
        sorted(&data.0, self.0)
    }
    fn operations(&self) -> u64 {
        self.0 as u64
    }
}

/// Multiplies two matrices of so many rows.
struct Matrix(usize);

fn product<F: Forks>(handle: &mut F::Handle<'_>, a: &[f64], b: &[f64], out: &mut [f64], n: usize) {
    let rows = out.len() / n;
    if rows > 4 {
        let (a0, a1) = a.split_at(rows / 2 * n);
        let (out0, out1) = out.split_at_mut(rows / 2 * n);
        F::join(
            handle,
            |handle| product::<F>(handle, a0, b, out0, n),
            |handle| product::<F>(handle, a1, b, out1, n),
        );
        return;
    }
    for (a, out) in a.chunks(n).zip(out.chunks_mut(n)) {
        for (x, b) in a.iter().zip(b.chunks(n)) {
            for (out, y) in out.iter_mut().zip(b) {
                *out += x * y;
            }
        }
    }
}

impl Program for Matrix {
    type Data = [Vec<f64>; 3];
    fn data(&self) -> Self::Data {
        let n = self.0;
        let cell = |index: usize| (index % 7) as f64;
        [
            (0..n * n).map(cell).collect(),
            (0..n * n)
                .map(|i| f64::from(u8::from(i % (n + 1) == 0)) * 2.0)
                .collect(),
            vec![0.0; n * n],
        ]
    }
    fn run<F: Forks>(&self, handle: &mut F::Handle<'_>, data: &mut Self::Data) {
        let [a, b, out] = data;
        product::<F>(handle, a, b, out, self.0);
    }
    fn is_right(&self, [a, _, out]: &Self::Data) -> bool {
        // The second one is twice the unit matrix.
        a.iter().zip(out).all(|(a, out)| *out == a * 2.0)
    }
    fn operations(&self) -> u64 {
        (self.0 as u64).pow(3)
    }
}

/// So many bodies pull at each other.
struct Bodies(usize);

type Place = [f32; 3];

fn forces<F: Forks>(handle: &mut F::Handle<'_>, all: &[Place], some: &[Place], out: &mut [Place]) {
    if some.len() > 8 {
        let middle = some.len() / 2;
        let (some0, some1) = some.split_at(middle);
        let (out0, out1) = out.split_at_mut(middle);
        F::join(
            handle,
            |handle| forces::<F>(handle, all, some0, out0),
            |handle| forces::<F>(handle, all, some1, out1),
        );
        return;
    }
    for (at, out) in some.iter().zip(out) {
        let mut force = [0.0; 3];
        for other in all {
            let way = [0, 1, 2].map(|axis| other[axis] - at[axis]);
            let squared = way.iter().map(|x| x * x).sum::<f32>() + 0.01;
            let pull = 1.0 / (squared * squared.sqrt());
            for axis in 0..3 {
                force[axis] += way[axis] * pull;
            }
        }
        *out = force;
    }
}

impl Program for Bodies {
    type Data = (Vec<Place>, Vec<Place>);
    fn data(&self) -> Self::Data {
        let noise = noise(3 * self.0);
        let places: Vec<Place> = noise
            .chunks(3)
            .map(|x| [0, 1, 2].map(|axis| (x[axis] >> 40) as f32 / (1 << 24) as f32))
            .collect();
        let forces = vec![[0.0; 3]; places.len()];
        (places, forces)
    }
    fn run<F: Forks>(&self, handle: &mut F::Handle<'_>, data: &mut Self::Data) {
        forces::<F>(handle, &data.0, &data.0, &mut data.1);
    }
    fn is_right(&self, data: &Self::Data) -> bool {
        // What pulls is pulled: all forces together are nothing, but for rounding.
        let total = [0, 1, 2].map(|axis| data.1.iter().map(|f| f64::from(f[axis])).sum::<f64>());
        let size: f64 = data.1.iter().flatten().map(|f| f64::from(f.abs())).sum();
        total.iter().all(|sum| sum.abs() < size * 1e-4) && size > 0.0
    }
    fn operations(&self) -> u64 {
        (self.0 as u64).pow(2)
    }
}

/// A tree of so many levels at most.
struct Unbalanced(u32);

fn hash(x: u64) -> u64 {
    let x = (x ^ (x >> 31)).wrapping_mul(0x7FB5_D329_728E_A185);
    let x = (x ^ (x >> 27)).wrapping_mul(0x81DA_DEF4_BC2D_D44D);
    x ^ (x >> 33)
}

fn children(node: u64, level: u32, levels: u32) -> u32 {
    if level == 0 {
        return 8;
    }
    if level >= levels {
        return 0;
    }
    // None half of the time, else up to five.
    let draw = hash(node) % 10;
    if draw < 4 { 0 } else { (draw as u32) - 4 }
}

fn nodes<F: Forks>(handle: &mut F::Handle<'_>, node: u64, level: u32, levels: u32) -> u64 {
    let count = children(black_box(node), level, levels);
    1 + below::<F>(handle, node, 0..count, level, levels)
}

fn below<F: Forks>(
    handle: &mut F::Handle<'_>,
    node: u64,
    range: core::ops::Range<u32>,
    level: u32,
    levels: u32,
) -> u64 {
    match range.end - range.start {
        0 => 0,
        1 => {
            let child = hash(node.wrapping_add(u64::from(range.start) + 1));
            nodes::<F>(handle, child, level + 1, levels)
        }
        count => {
            let middle = range.start + count / 2;
            let (a, b) = F::join(
                handle,
                |handle| below::<F>(handle, node, range.start..middle, level, levels),
                |handle| below::<F>(handle, node, middle..range.end, level, levels),
            );
            a + b
        }
    }
}

impl Program for Unbalanced {
    type Data = u64;
    fn data(&self) -> u64 {
        0
    }
    fn run<F: Forks>(&self, handle: &mut F::Handle<'_>, data: &mut u64) {
        *data = nodes::<F>(handle, 1, 0, self.0);
    }
    fn is_right(&self, data: &u64) -> bool {
        *data == self.operations()
    }
    fn operations(&self) -> u64 {
        static COUNTS: std::sync::Mutex<Vec<(u32, u64)>> = std::sync::Mutex::new(Vec::new());
        let mut counts = COUNTS.lock().expect("nobody panics with it");
        if let Some(&(_, count)) = counts.iter().find(|(levels, _)| *levels == self.0) {
            return count;
        }
        let count = nodes::<super::forks::Plain>(&mut (), 1, 0, self.0);
        counts.push((self.0, count));
        count
    }
}
