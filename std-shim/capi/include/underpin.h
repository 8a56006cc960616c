// C interface of underpin. Made from the sources of `std-shim/capi` by its test `header`; not edited by hand.
//
// Every function may be called from any thread unless it says otherwise. A function that can fail returns an
// `underpin_status`; on anything but UNDERPIN_OK and UNDERPIN_NOT_FOUND, `underpin_last_error` says what went wrong.
// Link with -lunderpin; a static link on Linux also needs -lpthread -ldl -lm.

#ifndef UNDERPIN_H
#define UNDERPIN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// How a call ended. The numbers are part of the interface and do not change.
typedef enum {
  // It did what was asked.
  UNDERPIN_OK = 0,
  // There is no such key, or the range has no more keys.
  UNDERPIN_NOT_FOUND = 1,
  // An argument is wrong: a null pointer, a key or value over its limit.
  UNDERPIN_INVALID = 2,
  // The system refused or failed.
  UNDERPIN_IO = 3,
  // A file is damaged. The damaged data is not returned.
  UNDERPIN_CORRUPT = 4,
  // Another process, or another handle of this one, has the database open.
  UNDERPIN_BUSY = 5,
  // A fault of the library itself.
  UNDERPIN_INTERNAL = 6,
} underpin_status;

// How safe a write is when the call returns.
typedef enum {
  // It is in this process only, and lost with it.
  UNDERPIN_LEVEL_BUFFERED = 0,
  // The operating system has it: survives the end of the process, not a loss of power.
  UNDERPIN_LEVEL_OS = 1,
  // The device was told to keep it: survives a loss of power.
  UNDERPIN_LEVEL_DATA = 2,
  // Survives a loss of power also where the device's cache lies (on macOS dearer than the level before).
  UNDERPIN_LEVEL_FULL = 3,
} underpin_level;

// A list of writes. Used by one thread at a time.
typedef struct underpin_batch underpin_batch;

// A walk through a range, in the order of the keys, over the database as it was when the walk began. Used by one thread
// at a time; closed before its database.
typedef struct underpin_cursor underpin_cursor;

// An open database. May be used by any number of threads at once.
typedef struct underpin_db underpin_db;

// Bytes that the caller owns and gives back with [`underpin_bytes_free`]. Without bytes, `data` is null.
typedef struct {
  // The first byte.
  uint8_t *data;
  // How many there are.
  size_t len;
} underpin_bytes;

// Bytes that belong to a cursor, valid until its next step or its end.
typedef struct {
  // The first byte; null without bytes.
  const uint8_t *data;
  // How many there are.
  size_t len;
} underpin_view;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What the last failed call of this thread had to say, as one line; an empty string if none failed.
//
// The text is valid until the next call of this thread fails.
const char *underpin_last_error(void);

// The library's version, such as `0.1.0`.
const char *underpin_version(void);

// Frees `bytes`, which came from this library and was not freed before.
//
// # Safety
// `bytes` is as the library gave it out.
void underpin_bytes_free(underpin_bytes bytes);

// Opens the database in `directory`, a NUL-terminated path (UTF-8 on Windows), making it if there is none, and stores
// the handle in `*db`. `level` (an `underpin_level`) says how safe each later write is when it returns.
//
// # Safety
// `directory` is a NUL-terminated string or null; `db` is writable or null.
underpin_status underpin_db_open(const char *directory,
                                 uint32_t level,
                                 underpin_db **db);

// Makes everything durable, closes the database and frees the handle, also when it says that the first failed. Null is
// allowed.
//
// # Safety
// `db` came from `underpin_db_open`, and no other call uses it now or later.
underpin_status underpin_db_close(underpin_db *db);

// Copies the value of the key into `*value`, to be freed with `underpin_bytes_free`; `UNDERPIN_NOT_FOUND` if there is none.
//
// # Safety
// `db` is open; `key` points to `key_len` bytes; `value` is writable or null.
underpin_status underpin_db_get(const underpin_db *db,
                                const uint8_t *key,
                                size_t key_len,
                                underpin_bytes *value);

// Gives the key the value.
//
// # Safety
// `db` is open; `key` and `value` point to as many bytes as is said.
underpin_status underpin_db_put(const underpin_db *db,
                                const uint8_t *key,
                                size_t key_len,
                                const uint8_t *value,
                                size_t value_len);

// Removes the key, if it is there.
//
// # Safety
// `db` is open; `key` points to `key_len` bytes.
underpin_status underpin_db_remove(const underpin_db *db, const uint8_t *key, size_t key_len);

// Applies all writes of the batch, or none. The batch can be applied again or cleared.
//
// # Safety
// `db` is open; no other thread changes `batch` meanwhile.
underpin_status underpin_db_write(const underpin_db *db, const underpin_batch *batch);

// Everything written before is at least as safe as `level` (an `underpin_level`) says once this returns.
//
// # Safety
// `db` is open.
underpin_status underpin_db_sync(const underpin_db *db,
                                 uint32_t level);

// Reads every file and checks every byte; `UNDERPIN_CORRUPT` names the first damage. `*entries`, unless null, is how many
// entries of tables and writes in logs were checked.
//
// # Safety
// `db` is open; `entries` is writable or null.
underpin_status underpin_db_verify(const underpin_db *db,
                                   uint64_t *entries);

// An empty batch, to be freed with `underpin_batch_free`.
underpin_batch *underpin_batch_new(void);

// Frees the batch. Null is allowed.
//
// # Safety
// `batch` came from `underpin_batch_new`, and no other call uses it now or later.
void underpin_batch_free(underpin_batch *batch);

// Adds: give the key the value. Later writes of a batch win over earlier ones.
//
// # Safety
// `batch` is one, used by no other thread meanwhile; `key` and `value` point to as many bytes as is said.
underpin_status underpin_batch_put(underpin_batch *batch,
                                   const uint8_t *key,
                                   size_t key_len,
                                   const uint8_t *value,
                                   size_t value_len);

// Adds: remove the key.
//
// # Safety
// `batch` is one, used by no other thread meanwhile; `key` points to `key_len` bytes.
underpin_status underpin_batch_remove(underpin_batch *batch, const uint8_t *key, size_t key_len);

// Empties the batch and keeps its memory.
//
// # Safety
// `batch` is one, used by no other thread meanwhile.
underpin_status underpin_batch_clear(underpin_batch *batch);

// Starts a walk of the keys from `start` (included) to `end` (excluded); a null pointer leaves that side open. Stores the
// handle in `*cursor`, to be closed with `underpin_cursor_close`.
//
// # Safety
// `db` is open and stays so; `start` and `end` point to as many bytes as is said, or are null; `cursor` is writable or null.
underpin_status underpin_cursor_open(const underpin_db *db,
                                     const uint8_t *start,
                                     size_t start_len,
                                     const uint8_t *end,
                                     size_t end_len,
                                     underpin_cursor **cursor);

// Steps to the next key; `UNDERPIN_NOT_FOUND` at the end of the range. `*key` and `*value` belong to the cursor until
// its next step.
//
// # Safety
// `cursor` is open and used by no other thread meanwhile; `key` and `value` are writable or null.
underpin_status underpin_cursor_next(underpin_cursor *cursor,
                                     underpin_view *key,
                                     underpin_view *value);

// Ends the walk. Null is allowed.
//
// # Safety
// `cursor` came from `underpin_cursor_open`, and no other call uses it now or later.
void underpin_cursor_close(underpin_cursor *cursor);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* UNDERPIN_H */
