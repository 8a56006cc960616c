/* What libunderpin_malloc.so offers beyond malloc and its kin: heaps as values, and the heap profile.
 *
 * One thread at a time uses a heap. Its blocks may be freed by free() too, on any thread. A block that realloc() moves is in no heap
 * after that; one that it can resize in place stays the heap's, and ends with it: underpin_heap_realloc() keeps blocks in their heap. */
#ifndef UNDERPIN_MALLOC_H
#define UNDERPIN_MALLOC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct underpin_heap underpin_heap;

/* A heap without blocks; NULL with ENOMEM if there is no memory for it. */
underpin_heap *underpin_heap_new(void);
/* Frees the heap and every block in it; NULL is nothing. */
void underpin_heap_destroy(underpin_heap *heap);
/* Frees the heap and lets its blocks live, each to be freed by free(). */
void underpin_heap_leave(underpin_heap *heap);

/* As the C library's functions of these names, in a heap. */
void *underpin_heap_malloc(underpin_heap *heap, size_t size);
void *underpin_heap_calloc(underpin_heap *heap, size_t count, size_t size);
void *underpin_heap_aligned_alloc(underpin_heap *heap, size_t align, size_t size);
void *underpin_heap_realloc(underpin_heap *heap, void *block, size_t size);
void underpin_heap_free(underpin_heap *heap, void *block);

/* Writes the profile of the live blocks to a file, as pprof reads it. 0, or -1 if that fails or no profile is taken (see
 * UNDERPIN_PROFILE_INTERVAL). */
int underpin_malloc_profile(const char *path);

#ifdef __cplusplus
}
#endif

#endif
