//! Writes the implementations that only pass a call on.
#![forbid(unsafe_code)]

/// `Memory` by a field.
macro_rules! forward_memory {
    ([$($generics:tt)*] $type:ty, $field:tt) => {
        // SAFETY: forwards to a part that keeps the contract, with the caller's own promises.
        unsafe impl<$($generics)*> Memory for $type {
            fn memory_info(&self) -> MemoryInfo {
                self.$field.memory_info()
            }
            fn reserve(&self, bytes: usize, align: usize) -> Result<NonNull<u8>> {
                self.$field.reserve(bytes, align)
            }
            unsafe fn commit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { self.$field.commit(at, bytes) }
            }
            unsafe fn decommit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { self.$field.decommit(at, bytes) }
            }
            unsafe fn release(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { self.$field.release(at, bytes) }
            }
            unsafe fn protect(&self, at: NonNull<u8>, bytes: usize, protection: Protection) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { self.$field.protect(at, bytes, protection) }
            }
            unsafe fn advise_huge(&self, at: NonNull<u8>, bytes: usize, on: bool) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { self.$field.advise_huge(at, bytes, on) }
            }
            unsafe fn discard(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { self.$field.discard(at, bytes) }
            }
            unsafe fn move_pages(&self, from: NonNull<u8>, to: NonNull<u8>, bytes: usize) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { self.$field.move_pages(from, to, bytes) }
            }
        }
    };
}

/// The base traits and `Platform` by field 0, with some capability bits taken away.
macro_rules! forward_platform {
    ($type:ident, without $caps:expr) => {
        impl<P: Platform> Clock for $type<P> {
            fn now(&self, id: ClockId) -> Instant {
                self.0.now(id)
            }
            fn resolution_ns(&self, id: ClockId) -> u64 {
                self.0.resolution_ns(id)
            }
        }
        // SAFETY: forwards to a platform that keeps the contract.
        unsafe impl<P: Platform> Entropy for $type<P> {
            fn fill(&self, bytes: &mut [MaybeUninit<u8>]) -> Result<()> {
                self.0.fill(bytes)
            }
        }
        super::forward::forward_memory!([P: Platform] $type<P>, 0);
        impl<P: Platform> Park for $type<P> {
            fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken {
                self.0.wait(word, expected, until)
            }
            fn wake(&self, word: *const AtomicU32, count: u32) -> u32 {
                self.0.wake(word, count)
            }
        }
        impl<P: Platform> Platform for $type<P> {
            const NAME: &'static str = P::NAME;
            fn caps(&self) -> Caps {
                self.0.caps() - $caps
            }
            fn fatal(&self, message: &str) -> ! {
                self.0.fatal(message)
            }
        }
    };
}

/// Safe methods that only pass on to field 0.
macro_rules! forward_methods {
    ($(fn $name:ident(&self $(, $argument:ident: $type:ty)*) $(-> $result:ty)?;)*) => {
        $(
            #[inline]
            fn $name(&self $(, $argument: $type)*) $(-> $result)? {
                self.0.$name($($argument),*)
            }
        )*
    };
}

/// Unsafe methods that only pass on to field 0.
macro_rules! forward_unsafe_methods {
    ($(fn $name:ident(&self $(, $argument:ident: $type:ty)*) $(-> $result:ty)?;)*) => {
        $(
            #[inline]
            unsafe fn $name(&self $(, $argument: $type)*) $(-> $result)? {
                // SAFETY: the caller's promise.
                unsafe { self.0.$name($($argument),*) }
            }
        )*
    };
}

/// `Threads` and `ThreadSlots` by field 0, where it has them.
macro_rules! forward_threads {
    ($type:ident) => {
        // SAFETY: forwards to a platform that keeps the contract.
        unsafe impl<P: $crate::platform::Threads> $crate::platform::Threads for $type<P> {
            type Thread = P::Thread;
            $crate::platform::absent::forward::forward_unsafe_methods! {
                fn spawn(
                    &self,
                    options: &$crate::platform::ThreadOptions<'_>,
                    entry: $crate::platform::ThreadEntry,
                    argument: *mut u8
                ) -> Result<P::Thread>;
            }
            $crate::platform::absent::forward::forward_methods! {
                fn join(&self, thread: P::Thread) -> Result<()>;
                fn set_name(&self, name: &str) -> Result<()>;
                fn set_affinity(&self, cpus: &$crate::platform::CpuSet) -> Result<()>;
                fn thread_id(&self) -> u64;
                fn parallelism(&self) -> usize;
                fn yield_now(&self);
                fn fence_others(&self) -> bool;
            }
        }

        // SAFETY: forwards to a platform that keeps the contract.
        unsafe impl<P: $crate::platform::ThreadSlots> $crate::platform::ThreadSlots for $type<P> {
            $crate::platform::absent::forward::forward_unsafe_methods! {
                fn slot_create(
                    &self,
                    hook: Option<$crate::platform::SlotHook>
                ) -> Result<$crate::platform::SlotKey>;
                fn slot_get(&self, key: $crate::platform::SlotKey) -> *mut u8;
                fn slot_set(&self, key: $crate::platform::SlotKey, value: *mut u8) -> Result<()>;
                fn slot_delete(&self, key: $crate::platform::SlotKey);
            }
        }
    };
}

/// `Files` and `Map` by field 0, where it has them.
macro_rules! forward_files {
    ($type:ident) => {
        // SAFETY: forwards to a platform that keeps the contract.
        unsafe impl<P: $crate::platform::Files> $crate::platform::Files for $type<P> {
            type File = P::File;
            $crate::platform::absent::forward::forward_methods! {
                fn open(&self, path: &[u8], options: &$crate::platform::OpenOptions) -> Result<P::File>;
                fn close(&self, file: P::File) -> Result<()>;
                fn read_at(&self, file: &P::File, buffer: &mut [MaybeUninit<u8>], offset: u64) -> Result<usize>;
                fn read_vectored_at(
                    &self,
                    file: &P::File,
                    buffers: &mut [&mut [MaybeUninit<u8>]],
                    offset: u64
                ) -> Result<usize>;
                fn write_at(&self, file: &P::File, bytes: &[u8], offset: u64) -> Result<usize>;
                fn write_vectored_at(&self, file: &P::File, slices: &[&[u8]], offset: u64) -> Result<usize>;
                fn append(&self, file: &P::File, bytes: &[u8]) -> Result<usize>;
                fn file_metadata(&self, file: &P::File) -> Result<$crate::platform::Metadata>;
                fn metadata(&self, path: &[u8]) -> Result<$crate::platform::Metadata>;
                fn set_length(&self, file: &P::File, bytes: u64) -> Result<()>;
                fn preallocate(&self, file: &P::File, offset: u64, bytes: u64) -> Result<()>;
                fn punch(&self, file: &P::File, offset: u64, bytes: u64) -> Result<()>;
                fn sync(
                    &self,
                    file: &P::File,
                    level: $crate::platform::Durability
                ) -> Result<$crate::platform::Durability>;
                fn sync_directory(&self, path: &[u8]) -> Result<()>;
                fn rename(&self, from: &[u8], to: &[u8]) -> Result<()>;
                fn hard_link(&self, existing: &[u8], new: &[u8]) -> Result<()>;
                fn remove_file(&self, path: &[u8]) -> Result<()>;
                fn create_directory(&self, path: &[u8]) -> Result<()>;
                fn remove_directory(&self, path: &[u8]) -> Result<()>;
                fn list(
                    &self,
                    path: &[u8],
                    visit: &mut dyn FnMut($crate::platform::DirectoryEntry<'_>) -> core::ops::ControlFlow<()>
                ) -> Result<()>;
                fn lock(&self, file: &P::File, kind: $crate::platform::LockKind) -> Result<()>;
                fn unlock(&self, file: &P::File) -> Result<()>;
            }
        }

        impl<P: $crate::platform::Map> $crate::platform::Map for $type<P> {
            type Mapping = P::Mapping;
            $crate::platform::absent::forward::forward_unsafe_methods! {
                fn map(
                    &self,
                    file: &P::File,
                    offset: u64,
                    bytes: usize,
                    access: $crate::platform::MapAccess
                ) -> Result<P::Mapping>;
            }
            $crate::platform::absent::forward::forward_methods! {
                fn flush_map(&self, mapping: &P::Mapping, offset: usize, bytes: usize) -> Result<()>;
            }
        }
    };
}

/// `Net` and `Reactor` by field 0, where it has them.
macro_rules! forward_net {
    ($type:ident) => {
        // SAFETY: forwards to a platform that keeps the contract.
        unsafe impl<P: $crate::platform::Net> $crate::platform::Net for $type<P> {
            type Socket = P::Socket;
            $crate::platform::absent::forward::forward_methods! {
                fn listen(
                    &self,
                    address: &core::net::SocketAddr,
                    options: &$crate::platform::ListenOptions
                ) -> Result<P::Socket>;
                fn try_accept(&self, listener: &P::Socket) -> Result<(P::Socket, core::net::SocketAddr)>;
                fn try_receive(&self, socket: &P::Socket, buffer: &mut [MaybeUninit<u8>]) -> Result<usize>;
                fn try_send(&self, socket: &P::Socket, bytes: &[u8]) -> Result<usize>;
                fn try_send_vectored(&self, socket: &P::Socket, slices: &[&[u8]]) -> Result<usize>;
                fn shutdown(&self, socket: &P::Socket, how: $crate::platform::ShutdownHow) -> Result<()>;
                fn local_address(&self, socket: &P::Socket) -> Result<core::net::SocketAddr>;
                fn peer_address(&self, socket: &P::Socket) -> Result<core::net::SocketAddr>;
                fn set_no_delay(&self, socket: &P::Socket, on: bool) -> Result<()>;
                fn try_peek(&self, socket: &P::Socket, buffer: &mut [MaybeUninit<u8>]) -> Result<usize>;
                fn set_keep_alive(&self, socket: &P::Socket, after: Option<core::time::Duration>) -> Result<()>;
                fn set_linger(&self, socket: &P::Socket, time: Option<core::time::Duration>) -> Result<()>;
            }
        }

        // SAFETY: forwards to a platform that keeps the contract.
        unsafe impl<P: $crate::platform::Datagrams> $crate::platform::Datagrams for $type<P> {
            $crate::platform::absent::forward::forward_methods! {
                fn bind_datagrams(&self, address: &core::net::SocketAddr) -> Result<P::Socket>;
                fn connect_datagrams(&self, socket: &P::Socket, peer: &core::net::SocketAddr) -> Result<()>;
                fn try_send_to(&self, socket: &P::Socket, bytes: &[u8], peer: &core::net::SocketAddr) -> Result<usize>;
                fn try_receive_from(
                    &self,
                    socket: &P::Socket,
                    buffer: &mut [MaybeUninit<u8>]
                ) -> Result<$crate::platform::Datagram>;
                fn join_group(&self, socket: &P::Socket, group: core::net::IpAddr) -> Result<()>;
            }
        }

        impl<P: $crate::platform::LocalSockets> $crate::platform::LocalSockets for $type<P> {
            $crate::platform::absent::forward::forward_methods! {
                fn listen_local(&self, path: &[u8], backlog: u32) -> Result<P::Socket>;
                fn try_accept_local(&self, listener: &P::Socket) -> Result<P::Socket>;
                fn connect_local(&self, path: &[u8]) -> Result<P::Socket>;
                fn local_pair(&self) -> Result<(P::Socket, P::Socket)>;
            }
        }

        impl<P: $crate::platform::Reactor> $crate::platform::Reactor for $type<P> {
            type Ring = P::Ring;
            $crate::platform::absent::forward::forward_methods! {
                fn ring(&self, options: &$crate::platform::RingOptions) -> Result<P::Ring>;
            }
        }
    };
}

pub(super) use {
    forward_files, forward_memory, forward_methods, forward_net, forward_platform, forward_threads,
    forward_unsafe_methods,
};
