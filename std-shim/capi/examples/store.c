// A database from C: writes, reads back, walks, and is told of its mistakes.
//
//   cc store.c -I include -L lib -lunderpin -o store && ./store DIRECTORY
//
// Prints `ok` and the library's version, or what went wrong.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "underpin.h"

#define CHECK(condition)                                                                      \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "store.c:%d: %s (%s)\n", __LINE__, #condition, underpin_last_error()); \
            return 1;                                                                         \
        }                                                                                     \
    } while (0)

static const uint8_t *b(const char *text) { return (const uint8_t *)text; }

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: store DIRECTORY\n");
        return 2;
    }
    underpin_db *db = NULL;
    CHECK(underpin_db_open(argv[1], UNDERPIN_LEVEL_OS, &db) == UNDERPIN_OK);
    underpin_db *second = NULL;
    CHECK(underpin_db_open(argv[1], UNDERPIN_LEVEL_OS, &second) == UNDERPIN_BUSY && second == NULL);
    CHECK(strlen(underpin_last_error()) > 0);

    CHECK(underpin_db_put(db, b("apple"), 5, b("red"), 3) == UNDERPIN_OK);
    underpin_batch *batch = underpin_batch_new();
    for (int i = 0; i < 1000; i++) {
        char key[16], value[16];
        int key_len = snprintf(key, sizeof key, "n%04d", i);
        int value_len = snprintf(value, sizeof value, "%d", i * i);
        CHECK(underpin_batch_put(batch, b(key), (size_t)key_len, b(value), (size_t)value_len) == UNDERPIN_OK);
    }
    CHECK(underpin_batch_remove(batch, b("apple"), 5) == UNDERPIN_OK);
    CHECK(underpin_batch_put(batch, b("empty"), 5, NULL, 0) == UNDERPIN_OK);
    CHECK(underpin_db_write(db, batch) == UNDERPIN_OK);
    underpin_batch_free(batch);

    underpin_bytes value;
    CHECK(underpin_db_get(db, b("n0030"), 5, &value) == UNDERPIN_OK);
    CHECK(value.len == 3 && memcmp(value.data, "900", 3) == 0);
    underpin_bytes_free(value);
    CHECK(underpin_db_get(db, b("apple"), 5, &value) == UNDERPIN_NOT_FOUND && value.data == NULL);
    CHECK(underpin_db_get(db, b("empty"), 5, &value) == UNDERPIN_OK && value.len == 0);
    underpin_bytes_free(value);
    CHECK(underpin_db_get(db, NULL, 5, &value) == UNDERPIN_INVALID);
    CHECK(underpin_db_get(db, b("n0030"), 5, NULL) == UNDERPIN_INVALID);
    CHECK(underpin_db_get(NULL, b("n0030"), 5, &value) == UNDERPIN_INVALID);
    CHECK(underpin_db_sync(db, 7) == UNDERPIN_INVALID);

    underpin_cursor *cursor = NULL;
    CHECK(underpin_cursor_open(db, b("n0100"), 5, b("n0200"), 5, &cursor) == UNDERPIN_OK);
    underpin_view key, seen;
    int count = 0;
    underpin_status status;
    while ((status = underpin_cursor_next(cursor, &key, &seen)) == UNDERPIN_OK) {
        char expected[16];
        snprintf(expected, sizeof expected, "n%04d", 100 + count);
        CHECK(key.len == 5 && memcmp(key.data, expected, 5) == 0);
        count++;
    }
    CHECK(status == UNDERPIN_NOT_FOUND && count == 100);
    underpin_cursor_close(cursor);

    CHECK(underpin_db_sync(db, UNDERPIN_LEVEL_FULL) == UNDERPIN_OK);
    uint64_t entries = 0;
    CHECK(underpin_db_verify(db, &entries) == UNDERPIN_OK);
    CHECK(underpin_db_close(db) == UNDERPIN_OK);
    CHECK(underpin_db_open(argv[1], UNDERPIN_LEVEL_OS, &db) == UNDERPIN_OK);
    CHECK(underpin_db_get(db, b("n0999"), 5, &value) == UNDERPIN_OK && value.len == 6);
    underpin_bytes_free(value);
    CHECK(underpin_db_close(db) == UNDERPIN_OK);
    CHECK(underpin_db_close(NULL) == UNDERPIN_OK);
    printf("ok %s\n", underpin_version());
    return 0;
}
