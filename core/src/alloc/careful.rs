//! The way round the paths that most calls take, when the heap profile is on or blocks are made the secure way.
#![allow(unsafe_code, reason = "hands out raw memory")]

use super::heap::UNDRAWN;
use super::malloc::Allocator;
use super::profile::{FRAMES_MAX, Sample};
use super::size_class::{MEDIUM_BYTES_MAX, bytes_of, class_of};
use super::slab::{Slab, flag};
use super::value::{HEADS_BYTES, Heap};
use crate::platform::{Platform, ThreadWords};
use core::fmt;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::Ordering::Relaxed;

/// The interval that takes every block.
const EVERY_BLOCK: usize = 1;

impl<P: Platform, W: ThreadWords> Allocator<P, W> {
    #[inline(always)]
    pub(super) fn is_careful(&self) -> bool {
        self.space().settings.careful.load(Relaxed)
    }

    #[inline(always)]
    pub(super) fn is_secure(&self) -> bool {
        self.space().settings.secure.load(Relaxed)
    }

    #[inline(always)]
    fn interval(&self) -> usize {
        self.space().settings.profile_interval_bytes.load(Relaxed)
    }

    /// A block of at least `size` bytes at a multiple of `align`, when none is at hand.
    #[cold]
    #[inline(never)]
    pub(super) fn malloc_careful(&self, size: usize, align: usize) -> *mut u8 {
        if self.is_secure() {
            return self.secured(size, align);
        }
        if self.is_sample(size)
            && let Some(block) = self.sampled(size, align)
        {
            return block.as_ptr();
        }
        if size > MEDIUM_BYTES_MAX || align > 1 {
            return self.large_plainly(size, align).0;
        }
        let class = class_of(size);
        let block = self.malloc_empty(class);
        // SAFETY: nothing below enters the allocator again.
        if let Some(heap) = unsafe { self.heap() } {
            if heap.sampling {
                // The program would get the rest, and nobody would count it.
                heap.return_head(self.space(), class);
            } else {
                heap.cut_at_sample(self.space(), class);
            }
        }
        block
    }

    /// A block made the secure way.
    #[cold]
    pub(super) fn secured(&self, size: usize, align: usize) -> *mut u8 {
        let made = self.secure.lock().allocate(self.space(), size, align);
        match made {
            Ok(block) => block,
            Err((what, block)) => self.misuse(what, block),
        }
    }

    /// Frees a block of a slab of kind `SECURE`.
    #[cold]
    pub(super) fn free_secured(&self, slab: &Slab, address: *mut u8) {
        let freed = self.secure.lock().free(self.space(), slab, address);
        if let Err(what) = freed {
            self.misuse(what, address);
        }
    }

    /// Whether the next sample is due within the next `size` bytes.
    fn is_sample(&self, size: usize) -> bool {
        // SAFETY: nothing below enters the allocator again.
        let Some(heap) = (unsafe { self.heap() }) else {
            return false;
        };
        if heap.sampling {
            return false;
        }
        if self.interval() == EVERY_BLOCK {
            heap.until_sample = -1;
            return true;
        }
        if heap.until_sample == UNDRAWN {
            heap.until_sample = self.profile.lock().distance(self.interval());
        }
        // What the block has, as for those at hand.
        let held = if size <= MEDIUM_BYTES_MAX {
            bytes_of(class_of(size))
        } else {
            size
        };
        let bytes = isize::try_from(held).unwrap_or(isize::MAX);
        heap.until_sample = heap.until_sample.saturating_sub(bytes);
        heap.until_sample < 0
    }

    /// A block that is in the profile.
    fn sampled(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        let mut frames = [0; FRAMES_MAX];
        self.set_sampling(true);
        let depth = (self.hooks.backtrace)(&mut frames).min(FRAMES_MAX);
        let mut profile = self.profile.lock();
        if profile.heap.is_null() {
            let heads: *mut *mut u8 = self.zeroed(HEADS_BYTES).cast();
            let heap = NonNull::new(heads).and_then(|_| self.value_heap(heads));
            profile.heads = heads;
            profile.heap = heap.map_or(null_mut(), NonNull::as_ptr);
        }
        let pieces = NonNull::new(profile.heap).zip(NonNull::new(profile.heads));
        let block = pieces.and_then(|(heap, heads)| {
            // SAFETY: the profile's heap is used under the profile's lock alone.
            let heap = unsafe { Heap::of_pieces(self, heap, heads) };
            NonNull::new(heap.allocate(size, align))
        });
        if let Some(block) = block {
            let bytes = self.sample_bytes(block.as_ptr(), size);
            profile.add(self.space(), block.as_ptr().addr(), bytes, &frames[..depth]);
            self.profile_home.store(profile.home().cast_mut(), Relaxed);
        }
        let distance = profile.distance(self.interval());
        drop(profile);
        self.set_sampling(false);
        // SAFETY: nothing below enters the allocator again.
        if let Some(heap) = unsafe { self.heap() } {
            heap.until_sample = distance;
        }
        block
    }

    fn set_sampling(&self, on: bool) {
        // SAFETY: nothing below enters the allocator again.
        if let Some(heap) = unsafe { self.heap() } {
            heap.sampling = on;
        }
    }

    /// Whether a sample is due within the next `bytes` that a large block grows by, of which there is none.
    #[cold]
    pub(super) fn is_due(&self, line: &Slab, bytes: usize) -> bool {
        self.profiles() && !self.is_secure() && !line.has(flag::VALUE) && self.is_sample(bytes)
    }

    /// The block at `address`, of `old` bytes, as a block of `size` that is in the profile; null, and no change, if there is no memory.
    #[cold]
    pub(super) fn sampled_copy(
        &self,
        address: *mut u8,
        old: usize,
        size: usize,
        align: usize,
    ) -> *mut u8 {
        let Some(new) = self.sampled(size, align) else {
            return null_mut();
        };
        // SAFETY: two blocks of the caller's, the new one larger.
        unsafe {
            new.as_ptr().copy_from_nonoverlapping(address, old);
            self.free(address);
        }
        new.as_ptr()
    }

    /// A large block in `line` has `size` bytes now: its sample says so, if it is one.
    #[inline]
    pub(super) fn resize_sample(&self, line: &Slab, address: *mut u8, size: usize) {
        if line.has(flag::VALUE) {
            self.resize_sample_of_value(line, address, size);
        }
    }

    #[cold]
    fn resize_sample_of_value(&self, line: &Slab, address: *mut u8, size: usize) {
        if self.is_of_profile(line) {
            let bytes = self.sample_bytes(address, size);
            self.profile.lock().resize(address.addr(), bytes);
        }
    }

    /// Whether the blocks in `line` are the profile's.
    fn is_of_profile(&self, line: &Slab) -> bool {
        // Whoever has a sampled block has it from a thread that stored this before.
        let home = self.profile_home.load(Relaxed);
        !home.is_null() && line.home().load(Relaxed) == home
    }

    /// Readers scale a sample by its bytes: those that decided whether it was taken. A report on every block wants what the program asked
    /// for.
    fn sample_bytes(&self, block: *mut u8, size: usize) -> usize {
        if self.interval() == EVERY_BLOCK {
            size
        } else {
            self.usable_size(block)
        }
    }

    /// A block in `line` is freed: takes its sample out, if it is one.
    #[inline]
    pub(super) fn forget_sample(&self, line: &Slab, address: *mut u8) {
        if line.has(flag::VALUE) {
            self.forget_sample_of_value(line, address);
        }
    }

    #[cold]
    fn forget_sample_of_value(&self, line: &Slab, address: *mut u8) {
        if self.is_of_profile(line) {
            self.profile.lock().remove(address.addr());
        }
    }

    /// Calls `each` with every live block that was sampled. It may allocate; what happens meanwhile may be seen or not.
    pub fn samples(&self, each: &mut dyn FnMut(&Sample)) {
        let mut index = 0;
        loop {
            let sample = self.profile.lock().sample(index);
            match sample {
                None => return,
                Some(None) => {}
                Some(Some(sample)) => each(&sample),
            }
            index += 1;
        }
    }

    /// Writes the profile in the format `heap_v2`; the reader wants the process's memory map behind it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_profile(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let (mut count, mut bytes) = (0_usize, 0_usize);
        self.samples(&mut |sample| {
            count += 1;
            bytes += sample.bytes;
        });
        let interval = self.interval().max(1);
        writeln!(
            out,
            "heap profile: {count}: {bytes} [{count}: {bytes}] @ heap_v2/{interval}"
        )?;
        let mut result = Ok(());
        self.samples(&mut |sample| {
            result = result.and_then(|()| {
                write!(out, "1: {0} [1: {0}] @", sample.bytes)?;
                for frame in sample.frames() {
                    write!(out, " {frame:#x}")?;
                }
                writeln!(out)
            });
        });
        result
    }

    /// Whether a heap profile is taken.
    pub fn profiles(&self) -> bool {
        self.interval() != 0
    }

    /// Samples for which there was no room.
    pub fn lost_sample_count(&self) -> usize {
        self.profile.lock().lost_count()
    }
}
