/* Memory that goes back while the program does nothing: blocks in many slabs, most of them freed in no order, then a wait, without
 * a call of the allocator, until the resident size has come down. The bound on the wait is for failure alone. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 100000, KEEP_PERCENT = 5, SECONDS_MAX = 120 };
static char *blocks[BLOCKS];
static const size_t sizes[] = {512, 1024, 2048};

static long resident_kib(void) {
    char text[128] = {0};
    int file = open("/proc/self/statm", O_RDONLY);
    long pages = 0;
    if (file >= 0 && read(file, text, sizeof text - 1) > 0)
        sscanf(text, "%*s %ld", &pages);
    close(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

int main(void) {
    long before = resident_kib();
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(sizes[i % 3]);
        memset(blocks[i], i, sizes[i % 3]);
    }
    long peak = resident_kib() - before;
    uint64_t state = 1;
    for (int i = 0; i < BLOCKS; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        if (state >> 33 >= (1ull << 31) / 100 * KEEP_PERCENT) {
            free(blocks[i]);
            blocks[i] = NULL;
        }
    }
    long now = 0;
    for (int tenth = 0; tenth < SECONDS_MAX * 10; tenth++) {
        usleep(100000);
        now = resident_kib() - before;
        if (now < peak * 35 / 100)
            break;
    }
    for (int i = 0; i < BLOCKS; i++)
        for (size_t at = 0; blocks[i] && at < sizes[i % 3]; at++)
            if (blocks[i][at] != (char)i) {
                fprintf(stderr, "block %d changed at %zu\n", i, at);
                return 1;
            }
    printf("idle: %ld KiB at the peak, %ld KiB now\n", peak, now);
    return now < peak * 35 / 100 ? 0 : 1;
}
