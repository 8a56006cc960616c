/* Instruction counts of hot paths, for callgrind: each measurement is dumped under a label with how often the loop ran.
 * "hot" has one block of the size held and eight in turn, after a warm-up, as a program in a steady state has. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

static void *(*volatile take)(size_t) = malloc;
static void *(*volatile take_zeroed)(size_t, size_t) = calloc;
static void (*volatile give)(void *) = free;

static void *nothing(size_t size) {
    (void)size;
    return NULL;
}
static void nothing_too(void *p) {
    (void)p;
}
static void *(*volatile take_nothing)(size_t) = nothing;
static void (*volatile give_nothing)(void *) = nothing_too;

enum { HOT = 8, BLOCKS = 4000 };
static void *blocks[BLOCKS];

static void begin(void) {
    CALLGRIND_ZERO_STATS;
    CALLGRIND_TOGGLE_COLLECT;
}
static void end(const char *what, size_t size, int count) {
    CALLGRIND_TOGGLE_COLLECT;
    char label[64];
    snprintf(label, sizeof label, "%s %zu %d", what, size, count);
    CALLGRIND_DUMP_STATS_AT(label);
}
#define MEASURE(what, size, count, body)                                                               \
    do {                                                                                               \
        begin();                                                                                       \
        for (int i = 0; i < (count); i++) {                                                            \
            body;                                                                                      \
        }                                                                                              \
        end(what, size, count);                                                                        \
    } while (0)

static void hot(size_t size) {
    void *held = take(size);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < HOT; i++)
            blocks[i] = take(size);
        for (int i = 0; i < HOT; i++)
            give(blocks[i]);
    }
    MEASURE("malloc", size, HOT, blocks[i] = take(size));
    MEASURE("free", size, HOT, give(blocks[i]));
    give(held);
}

static void *make_blocks(void *unused) {
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = take(64);
    (void)unused;
    return NULL;
}

static pthread_barrier_t barrier;

static void *owner(void *unused) {
    make_blocks(unused);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

int main(void) {
    MEASURE("warm-up", 0, HOT, blocks[i] = take_nothing(64));
    MEASURE("malloc-nothing", 0, HOT, blocks[i] = take_nothing(64));
    MEASURE("free-nothing", 0, HOT, give_nothing(blocks[i]));
    static const size_t sizes[] = {8, 64, 1024, 4096, 65536, 262144, 1048576};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        hot(sizes[i]);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < HOT; i++)
            blocks[i] = take_zeroed(1, 64);
        for (int i = 0; i < HOT; i++)
            give(blocks[i]);
    }
    MEASURE("calloc", 64, HOT, blocks[i] = take_zeroed(1, 64));
    for (int i = 0; i < HOT; i++)
        give(blocks[i]);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_t thread;
    pthread_create(&thread, NULL, owner, NULL);
    pthread_barrier_wait(&barrier);
    MEASURE("free-remote", 64, BLOCKS, give(blocks[i]));
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    return 0;
}
