/* The library that life.c loads and unloads. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static char *held;
static _Thread_local char *own;

__attribute__((constructor)) static void come(void) {
    held = strdup("held while the library is there");
}
__attribute__((destructor)) static void go(void) {
    free(held);
}

void *make(size_t size) {
    char *block = malloc(size);
    if (block)
        memset(block, 'x', size);
    return block;
}

static void *thread(void *argument) {
    own = make(300);
    free(argument);
    void *mine = own;
    own = NULL;
    return mine;
}

/* Threads that end before the library goes; each frees what another made. */
void threads(void) {
    pthread_t ids[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&ids[i], NULL, thread, make(5000)) != 0)
            abort();
    for (int i = 0; i < 2; i++) {
        void *made;
        if (pthread_join(ids[i], &made) != 0)
            abort();
        free(made);
    }
}
