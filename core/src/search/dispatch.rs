//! From one generic kernel to one function a level, and from those to the one that this processor runs.
//!
//! `dispatch!` makes a module with a monomorph for each level, compiled with that level's instructions, and `select`, which picks one for
//! searchers that keep the pointer. [`entry!`] adds the free function: it jumps through an atomic pointer that at first leads to a resolver,
//! which replaces it. Racing first calls store the same pointer, and a function's code needs no ordering: relaxed is enough.
//!
//! Whole loops live inside a monomorph: code without a feature cannot inline code with it.
#![forbid(unsafe_code)]

macro_rules! dispatch {
    (
        $(#[$attribute:meta])*
        mod $name:ident = $($kernel:ident)::+, fn($($argument:ident: $kind:ty),*) -> $result:ty
    ) => {
        $(#[$attribute])*
        pub(crate) mod $name {
            #[allow(unused_imports, reason = "not every kernel's types come from its module")]
            use super::*;
            use $crate::search::arch;
            use $crate::search::detect::Level;

            /// # Safety
            /// The processor has the level it was selected for, and the kernel's own conditions.
            pub(crate) type Kernel = unsafe fn($($kind),*) -> $result;

            /// # Safety
            /// The kernel's own conditions.
            #[allow(clippy::too_many_arguments, reason = "as many as the kernel has")]
            pub(crate) unsafe fn swar($($argument: $kind),*) -> $result {
                // SAFETY: every processor has it.
                unsafe { $($kernel)::+::<arch::Swar>($($argument),*) }
            }

            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            #[allow(clippy::too_many_arguments, reason = "as many as the kernel has")]
            unsafe fn sse2($($argument: $kind),*) -> $result {
                // SAFETY: the build says that every processor has it.
                unsafe { $($kernel)::+::<arch::Sse2>($($argument),*) }
            }

            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
            #[allow(clippy::too_many_arguments, reason = "as many as the kernel has")]
            unsafe fn avx2($($argument: $kind),*) -> $result {
                // SAFETY: selected where CPUID shows the features.
                unsafe { $($kernel)::+::<arch::Avx2>($($argument),*) }
            }

            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            #[target_feature(
                enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt"
            )]
            #[allow(clippy::too_many_arguments, reason = "as many as the kernel has")]
            unsafe fn avx512($($argument: $kind),*) -> $result {
                // SAFETY: selected where CPUID shows the features.
                unsafe { $($kernel)::+::<arch::Avx512>($($argument),*) }
            }

            #[cfg(all(target_arch = "aarch64", target_endian = "little", target_feature = "neon"))]
            #[allow(clippy::too_many_arguments, reason = "as many as the kernel has")]
            unsafe fn neon($($argument: $kind),*) -> $result {
                // SAFETY: the build says that every processor has it.
                unsafe { $($kernel)::+::<arch::Neon>($($argument),*) }
            }

            /// The kernel for `level`, which must be available.
            pub(crate) fn select(level: Level) -> Kernel {
                debug_assert!(level.is_available());
                match level {
                    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
                    Level::Avx512 => avx512,
                    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
                    Level::Avx2 => avx2,
                    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
                    Level::Sse2 => sse2,
                    #[cfg(all(target_arch = "aarch64", target_endian = "little", target_feature = "neon"))]
                    Level::Neon => neon,
                    _ => swar,
                }
            }
        }
    };
}

/// Calls the kernel of module `$name` that suits this processor with the variables named as its arguments. Where it is used, the kernel's
/// own conditions must hold.
macro_rules! entry {
    ($name:ident($($argument:ident: $kind:ty),*) -> $result:ty) => {{
        use core::sync::atomic::{AtomicPtr, Ordering};

        #[cold]
        #[allow(clippy::too_many_arguments, reason = "as many as the kernel has")]
        unsafe fn resolve($($argument: $kind),*) -> $result {
            let chosen = $name::select($crate::search::detect::level());
            CHOSEN.store(chosen as *mut (), Ordering::Relaxed);
            // SAFETY: the level is available; the rest is the caller's.
            unsafe { chosen($($argument),*) }
        }
        static CHOSEN: AtomicPtr<()> = AtomicPtr::new(resolve as *mut ());

        let pointer = CHOSEN.load(Ordering::Relaxed);
        // SAFETY: only `resolve` and what `select` gave are ever stored, both of this type and for this processor; the
        // kernel's own conditions hold where this macro is used.
        unsafe {
            let kernel = core::mem::transmute::<*mut (), $name::Kernel>(pointer);
            kernel($($argument),*)
        }
    }};
}

pub(crate) use {dispatch, entry};
