// Compares the numbers that platform-macos relies on (platform-macos/src/abi.rs and error.rs) with Apple's own headers.
//
//     python3 -m ziglang cc -target aarch64-macos -std=c11 -c -o target/macos-audit.o xtask/rigs/macos-audit.c
//     python3 -m ziglang cc -target x86_64-macos -std=c11 -c -o target/macos-audit.o xtask/rigs/macos-audit.c
//
// A wrong number fails the compile; success says nothing. A test of platform-macos compares the rows here with
// its own tables, so add to both.

#define _DARWIN_C_SOURCE 1

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <os/clock.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/event.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// Names that `libc` gives to types and fields that C spells in another way.
typedef struct timespec audited_timespec;
typedef struct iovec audited_iovec;
typedef struct stat audited_stat;
typedef struct dirent audited_dirent;
typedef struct statfs audited_statfs;
typedef fstore_t audited_fstore_t;
typedef fpunchhole_t audited_fpunchhole_t;
typedef struct kevent audited_kevent;
typedef struct sockaddr_in audited_sockaddr_in;
typedef struct sockaddr_in6 audited_sockaddr_in6;
typedef struct sockaddr_storage audited_sockaddr_storage;
typedef struct pollfd audited_pollfd;
typedef pthread_attr_t audited_pthread_attr_t;
typedef pthread_mutex_t audited_pthread_mutex_t;
typedef pthread_cond_t audited_pthread_cond_t;
typedef pthread_key_t audited_pthread_key_t;
typedef pthread_t audited_pthread_t;
#undef st_mtime
#define st_mtime st_mtimespec.tv_sec
#define st_mtime_nsec st_mtimespec.tv_nsec

#define CONSTANT(name, value) _Static_assert((name) == (value), #name);
#define SIZE(type, bytes) _Static_assert(sizeof(audited_##type) == (bytes), #type);
#define FIELD(type, field, at, bytes)                                       \
    _Static_assert(offsetof(audited_##type, field) == (at), #type "." #field); \
    _Static_assert(sizeof(((audited_##type *)0)->field) == (bytes), #type "." #field);
#define FUNCTION(name, type) _Static_assert(_Generic(&name, type: 1, default: 0), #name);

CONSTANT(CLOCK_REALTIME, 0)
CONSTANT(CLOCK_MONOTONIC_RAW, 4)
CONSTANT(CLOCK_UPTIME_RAW, 8)
CONSTANT(CLOCK_THREAD_CPUTIME_ID, 16)
CONSTANT(OS_CLOCK_MACH_ABSOLUTE_TIME, 32)
CONSTANT(PROT_NONE, 0)
CONSTANT(PROT_READ, 1)
CONSTANT(PROT_WRITE, 2)
CONSTANT(MAP_SHARED, 1)
CONSTANT(MAP_PRIVATE, 2)
CONSTANT(MAP_FIXED, 16)
CONSTANT(MAP_NORESERVE, 64)
CONSTANT(MAP_ANON, 4096)
CONSTANT(MS_SYNC, 16)
CONSTANT(_SC_PAGESIZE, 29)
CONSTANT(_SC_NPROCESSORS_ONLN, 58)
CONSTANT(O_RDONLY, 0)
CONSTANT(O_WRONLY, 1)
CONSTANT(O_RDWR, 2)
CONSTANT(O_APPEND, 8)
CONSTANT(O_CREAT, 512)
CONSTANT(O_TRUNC, 1024)
CONSTANT(O_EXCL, 2048)
CONSTANT(O_NOCTTY, 131072)
CONSTANT(O_DIRECTORY, 1048576)
CONSTANT(O_CLOEXEC, 16777216)
CONSTANT(F_PREALLOCATE, 42)
CONSTANT(F_FULLFSYNC, 51)
CONSTANT(F_BARRIERFSYNC, 85)
CONSTANT(F_PUNCHHOLE, 99)
CONSTANT(F_ALLOCATECONTIG, 2)
CONSTANT(F_ALLOCATEALL, 4)
CONSTANT(F_PEOFPOSMODE, 3)
CONSTANT(LOCK_SH, 1)
CONSTANT(LOCK_EX, 2)
CONSTANT(LOCK_NB, 4)
CONSTANT(LOCK_UN, 8)
CONSTANT(S_IFMT, 61440)
CONSTANT(S_IFREG, 32768)
CONSTANT(S_IFDIR, 16384)
CONSTANT(S_IFLNK, 40960)
CONSTANT(DT_DIR, 4)
CONSTANT(DT_REG, 8)
CONSTANT(DT_LNK, 10)
CONSTANT(AF_INET, 2)
CONSTANT(AF_INET6, 30)
CONSTANT(SOCK_STREAM, 1)
CONSTANT(IPPROTO_TCP, 6)
CONSTANT(SOL_SOCKET, 65535)
CONSTANT(SO_REUSEADDR, 4)
CONSTANT(SO_REUSEPORT, 512)
CONSTANT(SO_ERROR, 4103)
CONSTANT(SO_NOSIGPIPE, 4130)
CONSTANT(TCP_NODELAY, 1)
CONSTANT(SHUT_RD, 0)
CONSTANT(SHUT_WR, 1)
CONSTANT(SHUT_RDWR, 2)
CONSTANT(F_SETFD, 2)
CONSTANT(F_SETFL, 4)
CONSTANT(FD_CLOEXEC, 1)
CONSTANT(O_NONBLOCK, 4)
CONSTANT(POLLIN, 1)
CONSTANT(POLLOUT, 4)
CONSTANT(EVFILT_READ, -1)
CONSTANT(EVFILT_WRITE, -2)
CONSTANT(EVFILT_USER, -10)
CONSTANT(EV_ADD, 1)
CONSTANT(EV_CLEAR, 32)
CONSTANT(EV_EOF, 32768)
CONSTANT(EV_ERROR, 16384)
CONSTANT(NOTE_TRIGGER, 16777216)
CONSTANT(EPROTOTYPE, 41)
CONSTANT(EPROTO, 100)

CONSTANT(EPERM, 1)
CONSTANT(ENOENT, 2)
CONSTANT(ESRCH, 3)
CONSTANT(EINTR, 4)
CONSTANT(EIO, 5)
CONSTANT(ENXIO, 6)
CONSTANT(E2BIG, 7)
CONSTANT(EBADF, 9)
CONSTANT(EDEADLK, 11)
CONSTANT(ENOMEM, 12)
CONSTANT(EACCES, 13)
CONSTANT(EFAULT, 14)
CONSTANT(EBUSY, 16)
CONSTANT(EEXIST, 17)
CONSTANT(EXDEV, 18)
CONSTANT(ENODEV, 19)
CONSTANT(ENOTDIR, 20)
CONSTANT(EISDIR, 21)
CONSTANT(EINVAL, 22)
CONSTANT(ENFILE, 23)
CONSTANT(EMFILE, 24)
CONSTANT(ENOTTY, 25)
CONSTANT(ETXTBSY, 26)
CONSTANT(EFBIG, 27)
CONSTANT(ENOSPC, 28)
CONSTANT(ESPIPE, 29)
CONSTANT(EROFS, 30)
CONSTANT(EMLINK, 31)
CONSTANT(EPIPE, 32)
CONSTANT(EDOM, 33)
CONSTANT(ERANGE, 34)
CONSTANT(EAGAIN, 35)
CONSTANT(EINPROGRESS, 36)
CONSTANT(EALREADY, 37)
CONSTANT(ENOTSOCK, 38)
CONSTANT(EDESTADDRREQ, 39)
CONSTANT(EMSGSIZE, 40)
CONSTANT(ENOPROTOOPT, 42)
CONSTANT(EPROTONOSUPPORT, 43)
CONSTANT(ESOCKTNOSUPPORT, 44)
CONSTANT(ENOTSUP, 45)
CONSTANT(EPFNOSUPPORT, 46)
CONSTANT(EAFNOSUPPORT, 47)
CONSTANT(EADDRINUSE, 48)
CONSTANT(EADDRNOTAVAIL, 49)
CONSTANT(ENETDOWN, 50)
CONSTANT(ENETUNREACH, 51)
CONSTANT(ENETRESET, 52)
CONSTANT(ECONNABORTED, 53)
CONSTANT(ECONNRESET, 54)
CONSTANT(ENOBUFS, 55)
CONSTANT(EISCONN, 56)
CONSTANT(ENOTCONN, 57)
CONSTANT(ESHUTDOWN, 58)
CONSTANT(ETIMEDOUT, 60)
CONSTANT(ECONNREFUSED, 61)
CONSTANT(ELOOP, 62)
CONSTANT(ENAMETOOLONG, 63)
CONSTANT(EHOSTDOWN, 64)
CONSTANT(EHOSTUNREACH, 65)
CONSTANT(ENOTEMPTY, 66)
CONSTANT(EUSERS, 68)
CONSTANT(EDQUOT, 69)
CONSTANT(ESTALE, 70)
CONSTANT(ENOLCK, 77)
CONSTANT(ENOSYS, 78)
CONSTANT(EPWROFF, 82)
CONSTANT(EDEVERR, 83)
CONSTANT(EOVERFLOW, 84)
CONSTANT(ECANCELED, 89)
CONSTANT(EILSEQ, 92)
CONSTANT(EBADMSG, 94)
CONSTANT(EOPNOTSUPP, 102)

SIZE(timespec, 16)
FIELD(timespec, tv_sec, 0, 8)
FIELD(timespec, tv_nsec, 8, 8)
SIZE(iovec, 16)
FIELD(iovec, iov_base, 0, 8)
FIELD(iovec, iov_len, 8, 8)
SIZE(stat, 144)
FIELD(stat, st_mode, 4, 2)
FIELD(stat, st_nlink, 6, 2)
FIELD(stat, st_ino, 8, 8)
FIELD(stat, st_mtime, 48, 8)
FIELD(stat, st_mtime_nsec, 56, 8)
FIELD(stat, st_size, 96, 8)
FIELD(stat, st_blocks, 104, 8)
SIZE(dirent, 1048)
FIELD(dirent, d_reclen, 16, 2)
FIELD(dirent, d_namlen, 18, 2)
FIELD(dirent, d_type, 20, 1)
FIELD(dirent, d_name, 21, 1024)
SIZE(statfs, 2168)
FIELD(statfs, f_bsize, 0, 4)
SIZE(fstore_t, 32)
FIELD(fstore_t, fst_flags, 0, 4)
FIELD(fstore_t, fst_posmode, 4, 4)
FIELD(fstore_t, fst_offset, 8, 8)
FIELD(fstore_t, fst_length, 16, 8)
FIELD(fstore_t, fst_bytesalloc, 24, 8)
SIZE(fpunchhole_t, 24)
FIELD(fpunchhole_t, fp_flags, 0, 4)
FIELD(fpunchhole_t, reserved, 4, 4)
FIELD(fpunchhole_t, fp_offset, 8, 8)
FIELD(fpunchhole_t, fp_length, 16, 8)
SIZE(kevent, 32)
FIELD(kevent, ident, 0, 8)
FIELD(kevent, filter, 8, 2)
FIELD(kevent, flags, 10, 2)
FIELD(kevent, fflags, 12, 4)
FIELD(kevent, data, 16, 8)
FIELD(kevent, udata, 24, 8)
SIZE(sockaddr_in, 16)
FIELD(sockaddr_in, sin_len, 0, 1)
FIELD(sockaddr_in, sin_family, 1, 1)
FIELD(sockaddr_in, sin_port, 2, 2)
FIELD(sockaddr_in, sin_addr, 4, 4)
SIZE(sockaddr_in6, 28)
FIELD(sockaddr_in6, sin6_len, 0, 1)
FIELD(sockaddr_in6, sin6_family, 1, 1)
FIELD(sockaddr_in6, sin6_port, 2, 2)
FIELD(sockaddr_in6, sin6_flowinfo, 4, 4)
FIELD(sockaddr_in6, sin6_addr, 8, 16)
FIELD(sockaddr_in6, sin6_scope_id, 24, 4)
SIZE(sockaddr_storage, 128)
FIELD(sockaddr_storage, ss_len, 0, 1)
FIELD(sockaddr_storage, ss_family, 1, 1)
SIZE(pollfd, 8)
FIELD(pollfd, fd, 0, 4)
FIELD(pollfd, events, 4, 2)
FIELD(pollfd, revents, 6, 2)
SIZE(pthread_attr_t, 64)
SIZE(pthread_mutex_t, 64)
SIZE(pthread_cond_t, 48)
SIZE(pthread_key_t, 8)
SIZE(pthread_t, 8)

// Functions that are declared by hand or reached by name.
FUNCTION(clock_gettime_nsec_np, uint64_t (*)(clockid_t))
FUNCTION(preadv, ssize_t (*)(int, const struct iovec *, int, off_t))
FUNCTION(pwritev, ssize_t (*)(int, const struct iovec *, int, off_t))
_Static_assert(sizeof(clockid_t) == 4, "clockid_t");
_Static_assert(sizeof(off_t) == 8 && (off_t)-1 < 0, "off_t");
_Static_assert(sizeof(ssize_t) == 8 && (ssize_t)-1 < 0, "ssize_t");
FUNCTION(kqueue, int (*)(void))
FUNCTION(kevent, int (*)(int, const struct kevent *, int, struct kevent *, int, const struct timespec *))
