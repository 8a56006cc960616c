//! The kinds of bytes that one can look for: one, two, three, any of a set; each as a test on whole vectors.

use super::set::ByteSet;
use crate::search::vector::Vector;

/// A predicate on bytes.
pub(crate) trait Class: Copy {
    /// What the test needs in registers.
    type Needles<V: Vector>: Copy;

    /// # Safety
    /// V1: the processor has `V`.
    unsafe fn prepare<V: Vector>(self) -> Self::Needles<V>;

    fn test<V: Vector>(needles: &Self::Needles<V>, bytes: V) -> V::Hit;

    /// Whether [`test`](Self::test) works with `V`; if not, bytes are tested one by one.
    fn has<V: Vector>() -> bool {
        let _ = core::marker::PhantomData::<V>;
        true
    }

    fn test_byte(self, byte: u8) -> bool;
}

/// That byte.
#[derive(Clone, Copy)]
pub(crate) struct One(pub(crate) u8);

impl Class for One {
    type Needles<V: Vector> = V;

    #[inline(always)]
    unsafe fn prepare<V: Vector>(self) -> V {
        // SAFETY: V1, the caller's.
        unsafe { V::splat(self.0) }
    }
    #[inline(always)]
    fn test<V: Vector>(needles: &V, bytes: V) -> V::Hit {
        bytes.eq(*needles)
    }
    #[inline(always)]
    fn test_byte(self, byte: u8) -> bool {
        byte == self.0
    }
}

/// Any byte but that one.
#[derive(Clone, Copy)]
pub(crate) struct Other(pub(crate) u8);

impl Class for Other {
    type Needles<V: Vector> = V;

    #[inline(always)]
    unsafe fn prepare<V: Vector>(self) -> V {
        // SAFETY: V1, the caller's.
        unsafe { V::splat(self.0) }
    }
    #[inline(always)]
    fn test<V: Vector>(needles: &V, bytes: V) -> V::Hit {
        V::hit_not(bytes.eq(*needles))
    }
    #[inline(always)]
    fn test_byte(self, byte: u8) -> bool {
        byte != self.0
    }
}

/// Either of two.
#[derive(Clone, Copy)]
pub(crate) struct Two(pub(crate) u8, pub(crate) u8);

impl Class for Two {
    type Needles<V: Vector> = (V, V);

    #[inline(always)]
    unsafe fn prepare<V: Vector>(self) -> (V, V) {
        // SAFETY: V1, the caller's.
        unsafe { (V::splat(self.0), V::splat(self.1)) }
    }
    #[inline(always)]
    fn test<V: Vector>(needles: &(V, V), bytes: V) -> V::Hit {
        V::hit_or(bytes.eq(needles.0), bytes.eq(needles.1))
    }
    #[inline(always)]
    fn test_byte(self, byte: u8) -> bool {
        byte == self.0 || byte == self.1
    }
}

/// Any of three.
#[derive(Clone, Copy)]
pub(crate) struct Three(pub(crate) u8, pub(crate) u8, pub(crate) u8);

impl Class for Three {
    type Needles<V: Vector> = (V, V, V);

    #[inline(always)]
    unsafe fn prepare<V: Vector>(self) -> (V, V, V) {
        // SAFETY: V1, the caller's.
        unsafe { (V::splat(self.0), V::splat(self.1), V::splat(self.2)) }
    }
    #[inline(always)]
    fn test<V: Vector>(needles: &(V, V, V), bytes: V) -> V::Hit {
        let either = V::hit_or(bytes.eq(needles.0), bytes.eq(needles.1));
        V::hit_or(either, bytes.eq(needles.2))
    }
    #[inline(always)]
    fn test_byte(self, byte: u8) -> bool {
        byte == self.0 || byte == self.1 || byte == self.2
    }
}

/// Any of a set, by the row of its low nibble and the column of its high one: `rows[low] & 1 << (high % 8)`, rows of the
/// lower and the upper half of the byte values apart (after Langdale and Lemire's classification in simdjson, 2019).
impl Class for &ByteSet {
    type Needles<V: Vector> = [V; 4];

    #[inline(always)]
    unsafe fn prepare<V: Vector>(self) -> [V; 4] {
        const COLUMNS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
        // SAFETY: V1, the caller's.
        unsafe {
            [
                V::table(self.low_rows()),
                V::table(self.high_rows()),
                V::table(&COLUMNS),
                V::splat(0x80),
            ]
        }
    }
    #[inline(always)]
    fn test<V: Vector>(needles: &[V; 4], bytes: V) -> V::Hit {
        let [low_rows, high_rows, columns, top] = *needles;
        // A shuffle gives zero where the top bit is set, so exactly one of the two has the row.
        let row = low_rows
            .shuffle(bytes)
            .or(high_rows.shuffle(bytes.xor(top)));
        let column = columns.shuffle(bytes.high_nibbles());
        column.and_not(row).is_zero()
    }
    #[inline(always)]
    fn has<V: Vector>() -> bool {
        V::SHUFFLES
    }
    #[inline(always)]
    fn test_byte(self, byte: u8) -> bool {
        self.contains(byte)
    }
}
