/* The malloc family's corners: each line of output names what was checked. Run under the preloaded library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
#define CHECK(what)                                                                                    \
    do {                                                                                               \
        if (!(what)) {                                                                                 \
            printf("FAILED line %d: %s\n", __LINE__, #what);                                           \
            failures++;                                                                                \
        }                                                                                              \
    } while (0)

/* The C library that the program is linked with may lack these. */
__attribute__((weak)) void cfree(void *);
__attribute__((weak)) void free_sized(void *, size_t);
__attribute__((weak)) void free_aligned_sized(void *, size_t, size_t);

/* Through volatile, so that the compiler does not know what it calls. */
static void *(*volatile v_malloc)(size_t) = malloc;
static void *(*volatile v_calloc)(size_t, size_t) = calloc;
static void *(*volatile v_reallocarray)(void *, size_t, size_t) = reallocarray;
static void *(*volatile v_realloc)(void *, size_t) = realloc;

int main(void) {
    void *a = v_malloc(0), *b = v_malloc(0);
    CHECK(a && b && a != b);
    free(a);
    free(b);
    free(NULL);

    errno = 0;
    CHECK(v_malloc(SIZE_MAX) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(v_malloc((size_t)PTRDIFF_MAX + 1) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(v_calloc(SIZE_MAX / 2, 3) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(v_reallocarray(NULL, SIZE_MAX / 2, 3) == NULL && errno == ENOMEM);

    for (size_t size = 1; size < 5u << 20; size += size / 3 + 1) {
        unsigned char *p = v_calloc(1, size);
        CHECK(p && (uintptr_t)p % 16 == 0 && malloc_usable_size(p) >= size);
        for (size_t i = 0; i < size; i++)
            if (p[i])
                CHECK(!"calloc is zero");
        memset(p, 0x5a, malloc_usable_size(p));
        p = v_realloc(p, size * 2 + 1);
        CHECK(p && p[0] == 0x5a && p[size - 1] == 0x5a);
        p = v_realloc(p, size / 2 + 1);
        CHECK(p && p[0] == 0x5a && p[size / 2] == 0x5a);
        errno = 7;
        free(p);
        CHECK(errno == 7);
    }
    void *r = v_malloc(10);
    memcpy(r, "unchanged", 10);
    errno = 0;
    CHECK(v_realloc(r, SIZE_MAX - 100) == NULL && errno == ENOMEM && !strcmp(r, "unchanged"));
    CHECK(v_realloc(r, 0) == NULL);
    r = v_realloc(NULL, 33);
    CHECK(r);
    cfree(r);

    for (size_t align = 8; align <= 4u << 20; align *= 2) {
        void *p = (void *)1;
        CHECK(posix_memalign(&p, align, align / 2 + 3) == 0 && (uintptr_t)p % align == 0);
        memset(p, 1, align / 2 + 3);
        free_aligned_sized(p, align, align / 2 + 3);
        p = aligned_alloc(align, 100);
        CHECK(p && (uintptr_t)p % align == 0);
        free(p);
    }
    void *kept = (void *)42;
    errno = 7;
    CHECK(posix_memalign(&kept, 0, 8) == EINVAL && kept == (void *)42);
    CHECK(posix_memalign(&kept, 3, 8) == EINVAL && posix_memalign(&kept, 4, 8) == EINVAL);
    CHECK(posix_memalign(&kept, 64, SIZE_MAX - 10) == ENOMEM && kept == (void *)42 && errno == 7);
    errno = 0;
    CHECK(aligned_alloc(3, 8) == NULL && errno == EINVAL);
    void *m = memalign(48, 8);
    CHECK(m && (uintptr_t)m % 64 == 0);
    free_sized(m, 8);
    void *v = valloc(5);
    CHECK(v && (uintptr_t)v % 4096 == 0);
    free(v);
    void *pv = pvalloc(4097);
    CHECK(pv && (uintptr_t)pv % 4096 == 0 && malloc_usable_size(pv) >= 8192);
    free(pv);
    errno = 0;
    CHECK(pvalloc(SIZE_MAX) == NULL && errno == ENOMEM);
    CHECK(malloc_usable_size(NULL) == 0);

    struct mallinfo2 before = mallinfo2();
    void *big = v_malloc(10 << 20);
    memset(big, 1, 10 << 20);
    struct mallinfo2 after = mallinfo2();
    CHECK(after.uordblks >= before.uordblks + (10 << 20) && after.hblks == before.hblks + 1);
    free(big);
    CHECK(malloc_trim(0) == 1);
    CHECK(mallopt(M_MXFAST, 64) == 1 && mallopt(12345, 1) == 0);
    char text[8192] = "";
    FILE *stream = fmemopen(text, sizeof text, "w");
    CHECK(malloc_info(0, stream) == 0);
    fclose(stream);
    CHECK(strstr(text, "<malloc version=") && strstr(text, "</malloc>"));

    /* Is it ours at all? */
    Dl_info info;
    CHECK(dladdr((void *)v_malloc, &info) && strstr(info.dli_fname, "libunderpin_malloc"));
    puts(failures ? "family: failed" : "family: all right");
    return failures != 0;
}
