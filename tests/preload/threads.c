/* Threads that allocate, hand blocks to each other, end with blocks alive, and processes that fork in the middle of it.
 * Every block carries its size and a pattern, checked when it is freed. Counts are fixed; nothing waits for a clock. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 512 };
static _Atomic(unsigned char *) slots[SLOTS];
static pthread_key_t key;
static atomic_int stop;

static uint64_t next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 11;
}

static unsigned char *make(uint64_t *state) {
    static const size_t limits[] = {32, 64, 200, 1000, 5000, 40000, 70000, 300000};
    size_t size = sizeof(size_t) + next(state) % limits[next(state) % 8];
    unsigned char *p = next(state) % 8 ? malloc(size) : aligned_alloc(64, size);
    if (!p)
        abort();
    memcpy(p, &size, sizeof size);
    memset(p + sizeof size, (int)(size & 255), size - sizeof size);
    return p;
}

static void drop(unsigned char *p) {
    if (!p)
        return;
    size_t size;
    memcpy(&size, p, sizeof size);
    for (size_t i = sizeof size; i < size; i += 97)
        if (p[i] != (size & 255)) {
            fprintf(stderr, "block of %zu bytes changed at %zu\n", size, i);
            abort();
        }
    free(p);
}

static void work(uint64_t seed, int steps) {
    uint64_t state = seed * 2654435761u + 1;
    for (int i = 0; i < steps; i++)
        drop(atomic_exchange(&slots[next(&state) % SLOTS], make(&state)));
}

static void at_end(void *value) {
    drop(value);
    free(malloc(100));
    /* Runs again: after the allocator's own hook, in some round. */
    static _Thread_local int rounds;
    if (rounds++ < 3)
        pthread_setspecific(key, make(&(uint64_t){rounds + 77}));
}

static void *thread(void *argument) {
    uint64_t seed = (uintptr_t)argument;
    pthread_setspecific(key, make(&(uint64_t){seed + 5}));
    work(seed, 3000);
    return make(&(uint64_t){seed + 9});
}

static void *endless(void *argument) {
    for (uint64_t seed = (uintptr_t)argument; !atomic_load(&stop); seed += 64)
        work(seed, 100);
    return NULL;
}

int main(int count, char **arguments) {
    int rounds = count > 1 ? atoi(arguments[1]) : 20, width = count > 2 ? atoi(arguments[2]) : 6;
    pthread_key_create(&key, at_end);
    for (int round = 0; round < rounds; round++) {
        pthread_t threads[64];
        for (int i = 0; i < width; i++)
            pthread_create(&threads[i], NULL, thread, (void *)(uintptr_t)(round * 64 + i + 1));
        for (int i = 0; i < width; i++) {
            void *left;
            pthread_join(threads[i], &left);
            drop(left);
        }
    }
    /* Forks while others allocate; the child goes on with everything, in threads too. */
    pthread_t busy[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&busy[i], NULL, endless, (void *)(uintptr_t)(1000 + i));
    for (int i = 0; i < rounds * 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            /* A slot may hold a block that another thread was at when the child came to be: leave those be. */
            for (int j = 0; j < SLOTS; j++)
                slots[j] = NULL;
            pthread_t threads[2];
            for (int j = 0; j < 2; j++)
                pthread_create(&threads[j], NULL, thread, (void *)(uintptr_t)(i * 8 + j + 1));
            work(i, 500);
            for (int j = 0; j < 2; j++)
                pthread_join(threads[j], NULL);
            _exit(0);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            fprintf(stderr, "child %d: status %x\n", i, status);
            return 1;
        }
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 3; i++)
        pthread_join(busy[i], NULL);
    for (int i = 0; i < SLOTS; i++)
        drop(atomic_exchange(&slots[i], NULL));
    puts("threads: all right");
    return 0;
}
