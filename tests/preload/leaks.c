/* Leaves blocks behind for the report at exit: 3 of 1,000 bytes from one place, one of 50,000 from another. */
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

int main(void) {
    for (int i = 0; i < 3000; i++) {
        void *volatile p = leak_small();
        if (i % 1000)
            free(p);
        free(malloc((size_t)i * 10));
    }
    leak_large();
    return 0;
}
