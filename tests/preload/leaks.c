/* Leaves blocks behind for the report at exit: 3 of 1,000 bytes from one place, one of 50,000 from another; or, given a size, half of
 * 300 of that size on the main thread and half on another. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) void *leak_small(void) {
    void *volatile p = malloc(1000);
    return p;
}

__attribute__((noinline)) void *leak_large(void) {
    void *volatile p = malloc(50000);
    return p;
}

static size_t bytes;

static void *leak_half(void *unused) {
    for (int i = 0; i < 150; i++) {
        void *volatile p = malloc(bytes);
        (void)p;
    }
    return unused;
}

int main(int count, char **arguments) {
    if (count > 1) {
        bytes = strtoul(arguments[1], NULL, 10);
        pthread_t thread;
        leak_half(NULL);
        return pthread_create(&thread, NULL, leak_half, NULL) || pthread_join(thread, NULL);
    }
    for (int i = 0; i < 3000; i++) {
        void *volatile p = leak_small();
        if (i % 1000)
            free(p);
        free(malloc((size_t)i * 10));
    }
    leak_large();
    return 0;
}
