/* Instruction counts of hot paths, for callgrind: each measurement is dumped under a label with how often the loop ran.
 * "hot" has one block of the size held and eight in turn, as a program in a steady state has: the mean of a hundred rounds, so that what
 * happens once in a few of them counts too. */
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

/* Rounds of HOT blocks, of which one half is collected. */
#define ROUNDS(what, size, collected, first, second)                                                   \
    do {                                                                                               \
        CALLGRIND_ZERO_STATS;                                                                          \
        for (int round = 0; round < 100; round++) {                                                    \
            if (collected)                                                                             \
                CALLGRIND_TOGGLE_COLLECT;                                                              \
            for (int i = 0; i < HOT; i++)                                                              \
                first;                                                                                 \
            CALLGRIND_TOGGLE_COLLECT;                                                                  \
            for (int i = 0; i < HOT; i++)                                                              \
                second;                                                                                \
            if (!(collected))                                                                          \
                CALLGRIND_TOGGLE_COLLECT;                                                              \
        }                                                                                              \
        char label[64];                                                                                \
        snprintf(label, sizeof label, "%s %zu %d", what, size, 100 * HOT);                             \
        CALLGRIND_DUMP_STATS_AT(label);                                                                \
    } while (0)

static void hot(size_t size) {
    void *held = take(size);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < HOT; i++)
            blocks[i] = take(size);
        for (int i = 0; i < HOT; i++)
            give(blocks[i]);
    }
    ROUNDS("malloc", size, 1, blocks[i] = take(size), give(blocks[i]));
    ROUNDS("free", size, 0, blocks[i] = take(size), give(blocks[i]));
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
    MEASURE("warm-up", (size_t)0, HOT, blocks[i] = take_nothing(64));
    ROUNDS("malloc-nothing", (size_t)0, 1, blocks[i] = take_nothing(64), give_nothing(blocks[i]));
    ROUNDS("free-nothing", (size_t)0, 0, blocks[i] = take_nothing(64), give_nothing(blocks[i]));
    static const size_t sizes[] = {8, 64, 1024, 4096, 65536, 262144, 1048576};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        hot(sizes[i]);
    ROUNDS("calloc", (size_t)64, 1, blocks[i] = take_zeroed(1, 64), give(blocks[i]));
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_t thread;
    pthread_create(&thread, NULL, owner, NULL);
    pthread_barrier_wait(&barrier);
    MEASURE("free-remote", 64, BLOCKS, give(blocks[i]));
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    return 0;
}
