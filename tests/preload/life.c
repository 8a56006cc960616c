/* What a process does besides: libraries that come and go, signals at any moment, children by vfork and by posix_spawn. Each while
 * another thread allocates. Counts are fixed; a timer decides only where signals strike. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static atomic_int stop;
static volatile sig_atomic_t strikes;

#define CHECK(what)                                                                                    \
    do {                                                                                               \
        if (!(what)) {                                                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                                 \
            exit(1);                                                                                   \
        }                                                                                              \
    } while (0)

static size_t size_of(unsigned i) {
    static const size_t sizes[] = {8, 24, 100, 700, 3000, 20000, 70000, 400000};
    return sizes[i % 8] + i % 13;
}

/* `count` blocks, each filled with a byte of its own, freed in another order and checked. */
static void churn(unsigned seed, unsigned count) {
    enum { LIVE = 64 };
    unsigned char *blocks[LIVE] = {0};
    size_t sizes[LIVE] = {0};
    for (unsigned i = 0; i < count + LIVE; i++) {
        unsigned place = (i * 37 + seed) % LIVE;
        if (blocks[place]) {
            CHECK(blocks[place][0] == place && blocks[place][sizes[place] - 1] == place);
            free(blocks[place]);
            blocks[place] = NULL;
        }
        if (i < count) {
            sizes[place] = size_of(i + seed);
            blocks[place] = malloc(sizes[place]);
            CHECK(blocks[place]);
            blocks[place][0] = blocks[place][sizes[place] - 1] = (unsigned char)place;
        }
    }
    for (unsigned place = 0; place < LIVE; place++)
        free(blocks[place]);
}

static void *busy(void *argument) {
    for (unsigned seed = (unsigned)(uintptr_t)argument; !atomic_load(&stop); seed++)
        churn(seed, 300);
    return NULL;
}

/* A library that allocates when it is loaded, in a thread of its own, and when it goes. */
static void libraries(const char *path) {
    for (unsigned i = 0; i < 50; i++) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        CHECK(library);
        void *(*make)(size_t) = (void *(*)(size_t))dlsym(library, "make");
        void (*threads)(void) = (void (*)(void))dlsym(library, "threads");
        CHECK(make && threads);
        threads();
        char *block = make(size_of(i));
        CHECK(block && block[0] == 'x');
        CHECK(dlclose(library) == 0);
        /* Outlives the code that made it. */
        CHECK(block[0] == 'x');
        free(block);
        churn(i, 100);
    }
}

static void strike(int signal) {
    (void)signal;
    errno = 77;
    strikes++;
}

/* The handler does what a handler may; the calls that it interrupts know nothing of it. */
static void signals(void) {
    struct sigaction action = {.sa_handler = strike, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned seed = 0; strikes < 200; seed++)
        churn(seed, 300);
    setitimer(ITIMER_REAL, &never, NULL);
}

/* The child has the parent's memory and its thread's words, and the parent goes on with what it did to them. */
static void vforks(void) {
    for (unsigned i = 0; i < 200; i++) {
        char *kept = malloc(size_of(i));
        pid_t child = vfork();
        if (child == 0) {
            free(malloc(size_of(i + 1)));
            free(kept);
            if (i % 4 == 0)
                execl("/bin/true", "true", (char *)NULL);
            _exit(i % 4 == 0);
        }
        int status;
        CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
        churn(i, 50);
    }
}

static void spawns(void) {
    for (unsigned i = 0; i < 50; i++) {
        pid_t child;
        char *arguments[] = {"true", NULL};
        CHECK(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0);
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        churn(i, 50);
    }
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    pthread_t others[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&others[i], NULL, busy, (void *)(uintptr_t)(i * 1000)) == 0);
    libraries(arguments[1]);
    signals();
    vforks();
    spawns();
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(others[i], NULL) == 0);
    puts("life: all right");
    return 0;
}
