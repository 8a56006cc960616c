/* Heaps as values, through the C interface: contents, blocks freed from elsewhere, destroyed whole, left alive. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../std-shim/malloc/include/underpin_malloc.h"

#define CHECK(what)                                                                                    \
    do {                                                                                               \
        if (!(what)) {                                                                                 \
            fprintf(stderr, "heaps.c:%d: %s\n", __LINE__, #what);                                      \
            exit(1);                                                                                   \
        }                                                                                              \
    } while (0)

enum { BLOCKS = 3000 };
static char *blocks[BLOCKS];

static size_t size_of(int i) {
    static const size_t sizes[] = {1, 16, 100, 1000, 5000, 40000, 300000};
    return sizes[i % 7] + (size_t)i % 13;
}

static void fill(underpin_heap *heap) {
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = i % 5 ? underpin_heap_malloc(heap, size_of(i)) : underpin_heap_aligned_alloc(heap, 256, size_of(i));
        CHECK(blocks[i] && (i % 5 || (uintptr_t)blocks[i] % 256 == 0));
        memset(blocks[i], i, size_of(i));
    }
}

static int is_right(int i) {
    return blocks[i][0] == (char)i && blocks[i][size_of(i) - 1] == (char)i;
}

static void *free_thirds(void *heap) {
    for (int i = 0; i < BLOCKS; i += 3) {
        CHECK(is_right(i));
        free(blocks[i]);
    }
    return heap;
}

int main(void) {
    for (int round = 0; round < 20; round++) {
        underpin_heap *heap = underpin_heap_new(), *other = underpin_heap_new();
        CHECK(heap && other);
        char *apart = underpin_heap_calloc(other, 100, 7);
        CHECK(apart && apart[699] == 0);
        fill(heap);
        pthread_t thread;
        pthread_create(&thread, NULL, free_thirds, heap);
        pthread_join(thread, NULL);
        for (int i = 1; i < BLOCKS; i += 3) {
            CHECK(is_right(i));
            blocks[i] = underpin_heap_realloc(heap, blocks[i], 2 * size_of(i));
            CHECK(blocks[i] && is_right(i));
            if (i % 2)
                underpin_heap_free(heap, blocks[i]);
        }
        /* What was freed serves again. */
        for (int i = 0; i < BLOCKS; i += 3) {
            blocks[i] = underpin_heap_malloc(heap, size_of(i));
            CHECK(blocks[i]);
            memset(blocks[i], i, size_of(i));
        }
        for (int i = 2; i < BLOCKS; i += 3)
            CHECK(is_right(i));
        memset(apart, 9, 700);
        if (round % 2) {
            underpin_heap_destroy(heap);
        } else {
            underpin_heap_leave(heap);
            for (int i = 0; i < BLOCKS; i++)
                if (i % 3 != 1) {
                    CHECK(is_right(i));
                    free(blocks[i]);
                }
        }
        CHECK(apart[0] == 9 && apart[699] == 9);
        free(apart);
        underpin_heap_destroy(other);
    }
    CHECK(underpin_heap_malloc(underpin_heap_new(), SIZE_MAX) == NULL);
    CHECK(underpin_heap_calloc(underpin_heap_new(), SIZE_MAX / 2, 3) == NULL);
    underpin_heap_destroy(NULL);
    puts("heaps: all right");
    return 0;
}
