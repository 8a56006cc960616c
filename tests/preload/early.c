/* A program, and its library, whose constructor, which runs before the allocator's, starts a thread that allocates and ends: its heap must go to others as any
 * ended thread's does. The C library keeps no stack of that size, so that the thread's own storage is unmapped when the program forks, and
 * a child that still takes it for a thread's ends by a signal. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void go(void);
#ifdef PROGRAM
int main(void) {
    go();
    return 0;
}
#else
enum { COUNT = 2000, STACK = 256 << 20 };
static const size_t sizes[] = {64, 256, 1024, 4096, 8192, 100000};
static void *left[COUNT];

static void *make(void *unused) {
    for (int i = 0; i < COUNT; i++) {
        size_t size = sizes[i % 6];
        left[i] = malloc(size);
        memset(left[i], i, size);
        free(malloc(size));
    }
    return unused;
}

static void *take(void *unused) {
    for (int i = 0; i < COUNT; i++) {
        void *own = malloc(sizes[i % 6]);
        free(left[i]);
        left[i] = own;
    }
    return unused;
}

static void run(void *(*body)(void *), size_t stack) {
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) || pthread_attr_setstacksize(&attributes, stack) ||
        pthread_create(&thread, &attributes, body, NULL) || pthread_join(thread, NULL))
        abort();
    pthread_attr_destroy(&attributes);
}

__attribute__((constructor)) static void come(void) {
    run(make, STACK);
}

void go(void) {
    pid_t child = fork();
    if (child == 0) {
        take(NULL);
        _exit(0);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        abort();
    run(take, STACK);
    run(take, 1 << 20);
    static const char text[] = "early: all right\n";
    if (write(1, text, sizeof text - 1) < 0)
        abort();
}
#endif
