//! RocksDB as the system has it: its C interface, found when the program runs. Half an hour of C++ is then not compiled for it.
//!
//! Debian's is older than the crate's; the table says which one was measured.
#![allow(unsafe_code, reason = "a C interface")]

use super::store::{Level, MEMTABLE_BYTES, Metered, Pair, Store, cache_bytes};
use std::ffi::{CStr, CString, c_char, c_double, c_int, c_uchar, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

/// Any of RocksDB's objects.
type Object = *mut c_void;
type Text = *mut c_char;

macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        struct Library {
            version: String,
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Library {
            fn load() -> Option<Self> {
                let (handle, version) = handle()?;
                Some(Self {
                    version,
                    $($name: {
                        let name = concat!("rocksdb_", stringify!($name), "\0");
                        // SAFETY: the handle is an open library's and the name ends with a zero.
                        let found = unsafe { libc::dlsym(handle, name.as_ptr().cast()) };
                        if found.is_null() {
                            return None;
                        }
                        // SAFETY: the function of this name has this signature in RocksDB's c.h, from version 6 on.
                        unsafe { std::mem::transmute::<Object, unsafe extern "C" fn($($argument),*) $(-> $result)?>(found) }
                    },)*
                })
            }
        }
    };
}

functions! {
    options_create: fn() -> Object;
    options_set_create_if_missing: fn(Object, c_uchar);
    options_set_write_buffer_size: fn(Object, usize);
    options_set_block_based_table_factory: fn(Object, Object);
    block_based_options_create: fn() -> Object;
    block_based_options_set_block_cache: fn(Object, Object);
    block_based_options_set_filter_policy: fn(Object, Object);
    cache_create_lru: fn(usize) -> Object;
    filterpolicy_create_bloom_full: fn(c_double) -> Object;
    open: fn(Object, *const c_char, *mut Text) -> Object;
    close: fn(Object);
    writeoptions_create: fn() -> Object;
    writeoptions_destroy: fn(Object);
    writeoptions_set_sync: fn(Object, c_uchar);
    readoptions_create: fn() -> Object;
    put: fn(Object, Object, *const u8, usize, *const u8, usize, *mut Text);
    delete: fn(Object, Object, *const u8, usize, *mut Text);
    writebatch_create: fn() -> Object;
    writebatch_destroy: fn(Object);
    writebatch_put: fn(Object, *const u8, usize, *const u8, usize);
    write: fn(Object, Object, Object, *mut Text);
    get_pinned: fn(Object, Object, *const u8, usize, *mut Text) -> Object;
    pinnableslice_value: fn(Object, *mut usize) -> *const u8;
    pinnableslice_destroy: fn(Object);
    multi_get: fn(Object, Object, usize, *const *const u8, *const usize, *mut *mut u8, *mut usize, *mut Text);
    create_iterator: fn(Object, Object) -> Object;
    iter_destroy: fn(Object);
    iter_seek: fn(Object, *const u8, usize);
    iter_seek_for_prev: fn(Object, *const u8, usize);
    iter_seek_to_first: fn(Object);
    iter_seek_to_last: fn(Object);
    iter_next: fn(Object);
    iter_prev: fn(Object);
    iter_valid: fn(Object) -> c_uchar;
    iter_key: fn(Object, *mut usize) -> *const u8;
    iter_value: fn(Object, *mut usize) -> *const u8;
    iter_get_error: fn(Object, *mut Text);
    free: fn(*mut c_void);
}

/// The newest library that the system has.
fn handle() -> Option<(Object, String)> {
    let names = (6..12).rev().flat_map(|major| {
        (0..30)
            .rev()
            .map(move |minor| format!("librocksdb.so.{major}.{minor}"))
    });
    names.into_iter().find_map(|name| {
        let path = CString::new(name.as_str()).ok()?;
        // SAFETY: the name ends with a zero; the library's constructors ask for nothing.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW as c_int) };
        let version = name.trim_start_matches("librocksdb.so.").to_owned();
        (!handle.is_null()).then_some((handle, version))
    })
}

fn library() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    LIBRARY.get_or_init(Library::load).as_ref()
}

/// The version of the system's RocksDB, if it has one.
pub(super) fn version() -> Option<String> {
    library().map(|library| library.version.clone())
}

struct Rocks {
    library: &'static Library,
    db: Object,
    read: Object,
    write: Object,
    write_synced: Object,
}

// SAFETY: RocksDB's handles may be used from several threads at once; options are not changed any more.
unsafe impl Send for Rocks {}
// SAFETY: as above.
unsafe impl Sync for Rocks {}

impl Library {
    /// Makes an error of what a call left in its last argument.
    fn check<R>(&self, call: impl FnOnce(*mut Text) -> R) -> Result<R, String> {
        let mut error: Text = std::ptr::null_mut();
        let result = call(&raw mut error);
        if error.is_null() {
            return Ok(result);
        }
        // SAFETY: a text of RocksDB's, which ends with a zero and is ours to free.
        unsafe {
            let text = CStr::from_ptr(error).to_string_lossy().into_owned();
            (self.free)(error.cast());
            Err(text)
        }
    }
}

/// Opens a store, with the settings that the crate's gets.
pub(super) fn open(dir: &Path) -> Result<Box<dyn Store>, String> {
    let library = library().ok_or("no RocksDB")?;
    let path = CString::new(dir.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: each object is made by the call before; those that options take over, and they, live as long as the process.
    unsafe {
        let blocks = (library.block_based_options_create)();
        let cache = (library.cache_create_lru)(cache_bytes());
        (library.block_based_options_set_block_cache)(blocks, cache);
        let filter = (library.filterpolicy_create_bloom_full)(10.0);
        (library.block_based_options_set_filter_policy)(blocks, filter);
        let options = (library.options_create)();
        (library.options_set_create_if_missing)(options, 1);
        (library.options_set_write_buffer_size)(options, MEMTABLE_BYTES);
        (library.options_set_block_based_table_factory)(options, blocks);
        let db = library.check(|error| (library.open)(options, path.as_ptr(), error))?;
        let write_synced = (library.writeoptions_create)();
        (library.writeoptions_set_sync)(write_synced, 1);
        Ok(Metered::over(Rocks {
            library,
            db,
            read: (library.readoptions_create)(),
            write: (library.writeoptions_create)(),
            write_synced,
        }))
    }
}

impl Rocks {
    fn options(&self, level: Level) -> Object {
        match level {
            Level::Os => self.write,
            Level::Synced => self.write_synced,
        }
    }
}

/// The bytes that RocksDB points at.
///
/// # Safety
/// They must stay as they are for `'a`.
unsafe fn slice<'a>(bytes: *const u8, length: usize) -> &'a [u8] {
    if bytes.is_null() {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(bytes, length) }
}

impl Store for Rocks {
    fn put(&self, (key, value): &Pair, level: Level) -> Result<(), String> {
        let options = self.options(level);
        // SAFETY: all objects live as long as `self`; bytes are copied.
        self.library.check(|error| unsafe {
            let (k, v) = (key.as_ptr(), value.as_ptr());
            (self.library.put)(self.db, options, k, key.len(), v, value.len(), error);
        })
    }

    fn put_all(&self, pairs: &[Pair], level: Level) -> Result<(), String> {
        let options = self.options(level);
        // SAFETY: as in `put`; the batch is gone afterwards.
        unsafe {
            let batch = (self.library.writebatch_create)();
            for (key, value) in pairs {
                let (k, v) = (key.as_ptr(), value.as_ptr());
                (self.library.writebatch_put)(batch, k, key.len(), v, value.len());
            }
            let write = |error| (self.library.write)(self.db, options, batch, error);
            let written = self.library.check(write);
            (self.library.writebatch_destroy)(batch);
            written
        }
    }

    fn remove(&self, key: &[u8]) -> Result<(), String> {
        // SAFETY: as in `put`.
        self.library.check(|error| unsafe {
            (self.library.delete)(self.db, self.write, key.as_ptr(), key.len(), error);
        })
    }

    fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, String> {
        // SAFETY: the value stays where it is until the slice is destroyed, after the last look at it.
        unsafe {
            let found = self.library.check(|error| {
                (self.library.get_pinned)(self.db, self.read, key.as_ptr(), key.len(), error)
            })?;
            if found.is_null() {
                return Ok(false);
            }
            let mut length = 0;
            let value = (self.library.pinnableslice_value)(found, &raw mut length);
            let said = read(slice(value, length));
            (self.library.pinnableslice_destroy)(found);
            Ok(said)
        }
    }

    fn get_all(
        &self,
        keys: &[&[u8]],
        read: &mut dyn FnMut(usize, &[u8]) -> bool,
    ) -> Result<u64, String> {
        let count = keys.len();
        let starts: Vec<_> = keys.iter().map(|key| key.as_ptr()).collect();
        let lengths: Vec<_> = keys.iter().map(|key| key.len()).collect();
        let mut values = vec![std::ptr::null_mut::<u8>(); count];
        let mut sizes = vec![0usize; count];
        let mut errors: Vec<Text> = vec![std::ptr::null_mut(); count];
        let mut right = 0;
        // SAFETY: five arrays of `count`; what is put into the last three is ours to free.
        unsafe {
            (self.library.multi_get)(
                self.db,
                self.read,
                count,
                starts.as_ptr(),
                lengths.as_ptr(),
                values.as_mut_ptr(),
                sizes.as_mut_ptr(),
                errors.as_mut_ptr(),
            );
            for at in 0..count {
                if !errors[at].is_null() {
                    return Err(CStr::from_ptr(errors[at]).to_string_lossy().into_owned());
                }
                if !values[at].is_null() {
                    right += u64::from(read(at, slice(values[at], sizes[at])));
                    (self.library.free)(values[at].cast());
                }
            }
        }
        Ok(right)
    }

    fn scan(
        &self,
        from: Option<&[u8]>,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), String> {
        let library = self.library;
        // SAFETY: the iterator is destroyed at the end; key and value stay until it moves.
        unsafe {
            let iterator = (library.create_iterator)(self.db, self.read);
            match from {
                Some(key) if reverse => {
                    (library.iter_seek_for_prev)(iterator, key.as_ptr(), key.len());
                }
                Some(key) => (library.iter_seek)(iterator, key.as_ptr(), key.len()),
                None if reverse => (library.iter_seek_to_last)(iterator),
                None => (library.iter_seek_to_first)(iterator),
            }
            while (library.iter_valid)(iterator) != 0 {
                let (mut key_bytes, mut value_bytes) = (0, 0);
                let key = (library.iter_key)(iterator, &raw mut key_bytes);
                let value = (library.iter_value)(iterator, &raw mut value_bytes);
                if !visit(slice(key, key_bytes), slice(value, value_bytes)) {
                    break;
                }
                match reverse {
                    true => (library.iter_prev)(iterator),
                    false => (library.iter_next)(iterator),
                }
            }
            let walked = library.check(|error| (library.iter_get_error)(iterator, error));
            (library.iter_destroy)(iterator);
            walked
        }
    }
}

impl Drop for Rocks {
    fn drop(&mut self) {
        // SAFETY: nothing uses them any more.
        unsafe {
            (self.library.close)(self.db);
            (self.library.writeoptions_destroy)(self.write);
            (self.library.writeoptions_destroy)(self.write_synced);
        }
    }
}
