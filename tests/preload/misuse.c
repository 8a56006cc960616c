/* One misuse per run, named by the argument. Each must end the process with a line on standard error and SIGABRT. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void (*volatile give)(void *) = free;
static void *(*volatile take)(size_t) = malloc;

static void *give_on_thread(void *p) {
    give(p);
    return NULL;
}

static void on_thread(void *p) {
    pthread_t thread;
    pthread_create(&thread, NULL, give_on_thread, p);
    pthread_join(thread, NULL);
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    size_t size = count > 2 ? (size_t)atol(arguments[2]) : 100;
    char *p = take(size), *q = take(size);
    memset(p, 1, size);
    char on_stack[64];
    static char in_data[64] __attribute__((aligned(64)));
    if (!strcmp(what, "twice")) {
        give(p);
        give(p);
    } else if (!strcmp(what, "twice-later")) {
        give(p);
        give(q);
        give(p);
    } else if (!strcmp(what, "twice-thread")) {
        give(p);
        on_thread(p);
    } else if (!strcmp(what, "thread-then-owner")) {
        on_thread(p);
        give(p);
    } else if (!strcmp(what, "two-threads")) {
        on_thread(p);
        on_thread(p);
    } else if (!strcmp(what, "stack")) {
        give(on_stack);
    } else if (!strcmp(what, "misaligned")) {
        give(p + 1);
    } else if (!strcmp(what, "inside-thread")) {
        on_thread(p + 16);
    } else if (!strcmp(what, "realloc-freed-inside")) {
        q = realloc(p + 16, 3 * size);
    } else if (!strcmp(what, "overflow")) {
        p[size] = 1;
        give(p);
    } else if (!strcmp(what, "write-after-free")) {
        give(p);
        p[size / 2] = 1;
        for (int i = 0; i < 100000; i++)
            q = take(size);
    } else if (!strcmp(what, "data")) {
        give(in_data);
    } else {
        return 3;
    }
    printf("survived %s %p\n", what, (void *)q);
    return 0;
}
