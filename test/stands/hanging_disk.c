/* Preloaded into a process: file operations below the prefixes that a file lists block until they are no longer listed.
 * Every operation below DISK_ROOT by a process's main thread is noted in DISK_NOTES. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_below(const char *path, const char *prefix, size_t length) {
    return strncmp(path, prefix, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static int is_listed(const char *path) {
    char text[8192];
    int file = (int)syscall(SYS_openat, AT_FDCWD, getenv("DISK_HANGS"), O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    long size = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    if (size <= 0) return 0;
    text[size] = '\0';
    for (char *line = text; line && *line;) {
        char *end = strchr(line, '\n');
        size_t length = end ? (size_t)(end - line) : strlen(line);
        if (length && is_below(path, line, length)) return 1;
        line = end ? end + 1 : NULL;
    }
    return 0;
}

static void pass(const char *what, const char *path) {
    const char *root = getenv("DISK_ROOT");
    if (!root || !path || !is_below(path, root, strlen(root))) return;
    if (syscall(SYS_gettid) == syscall(SYS_getpid)) {
        char line[PATH_MAX + 128];
        int size = snprintf(line, sizeof line, "%ld %s %s\n", (long)syscall(SYS_getpid), what, path);
        int file = (int)syscall(SYS_openat, AT_FDCWD, getenv("DISK_NOTES"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (file >= 0) {
            syscall(SYS_write, file, line, size);
            syscall(SYS_close, file);
        }
    }
    while (is_listed(path)) {
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, NULL);
    }
}

static void pass_open(const char *what, int descriptor) {
    char name[64], path[PATH_MAX];
    if (descriptor < 3 || !getenv("DISK_ROOT")) return;
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    long size = syscall(SYS_readlinkat, AT_FDCWD, name, path, sizeof path - 1);
    if (size <= 0 || path[0] != '/') return;
    path[size] = '\0';
    pass(what, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define BY_PATH(result, name, declared, given) \
    result name declared { pass(#name, path); return NEXT(name) given; }
#define BY_DESCRIPTOR(result, name, declared, given) \
    result name declared { pass_open(#name, descriptor); return NEXT(name) given; }
#define OPENS(name, declared, given) \
    int name declared { \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        pass(#name, path); return NEXT(name) given; }

OPENS(open, (const char *path, int flags, ...), (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENS(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPENS(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
BY_PATH(FILE *, fopen, (const char *path, const char *mode), (path, mode))
BY_PATH(FILE *, fopen64, (const char *path, const char *mode), (path, mode))
BY_PATH(DIR *, opendir, (const char *path), (path))
BY_PATH(int, stat, (const char *path, struct stat *to), (path, to))
BY_PATH(int, stat64, (const char *path, struct stat64 *to), (path, to))
BY_PATH(int, lstat, (const char *path, struct stat *to), (path, to))
BY_PATH(int, lstat64, (const char *path, struct stat64 *to), (path, to))
BY_PATH(int, fstatat, (int folder, const char *path, struct stat *to, int flags), (folder, path, to, flags))
BY_PATH(int, fstatat64, (int folder, const char *path, struct stat64 *to, int flags), (folder, path, to, flags))
BY_PATH(int, statx, (int folder, const char *path, int flags, unsigned mask, struct statx *to), (folder, path, flags, mask, to))
BY_PATH(int, statvfs, (const char *path, struct statvfs *to), (path, to))
BY_PATH(int, statvfs64, (const char *path, struct statvfs64 *to), (path, to))
BY_PATH(int, access, (const char *path, int mode), (path, mode))
BY_PATH(int, faccessat, (int folder, const char *path, int mode, int flags), (folder, path, mode, flags))
BY_PATH(ssize_t, readlink, (const char *path, char *to, size_t size), (path, to, size))
BY_PATH(int, mkdir, (const char *path, mode_t mode), (path, mode))
BY_PATH(int, unlink, (const char *path), (path))
BY_PATH(int, rmdir, (const char *path), (path))
BY_PATH(int, rename, (const char *path, const char *to), (path, to))
BY_PATH(int, chmod, (const char *path, mode_t mode), (path, mode))
BY_PATH(int, utimensat, (int folder, const char *path, const struct timespec times[2], int flags), (folder, path, times, flags))
int inotify_add_watch(int descriptor, const char *path, unsigned mask) {
    pass("inotify_add_watch", path);
    return ((int (*)(int, const char *, unsigned))dlsym(RTLD_NEXT, "inotify_add_watch"))(descriptor, path, mask);
}
BY_DESCRIPTOR(ssize_t, read, (int descriptor, void *to, size_t size), (descriptor, to, size))
BY_DESCRIPTOR(ssize_t, pread, (int descriptor, void *to, size_t size, off_t at), (descriptor, to, size, at))
BY_DESCRIPTOR(ssize_t, pread64, (int descriptor, void *to, size_t size, off64_t at), (descriptor, to, size, at))
BY_DESCRIPTOR(ssize_t, write, (int descriptor, const void *from, size_t size), (descriptor, from, size))
BY_DESCRIPTOR(int, fsync, (int descriptor), (descriptor))
