/* LD_PRELOAD: writes down everything durable that a process does in one directory, in order.

   TRACE_DIRECTORY names the directory, TRACE_FILE the record. Each operation is a struct head, the file's name, and
   the bytes that were written or the new name. A lock makes the order of the record that of the operations. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

struct __attribute__((packed)) head { char operation; uint32_t name; uint64_t offset, size; };

static char directory[PATH_MAX];
static int record = -1;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int), (*real_fdatasync)(int), (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char *), (*real_rename)(const char *, const char *);
static int (*real_open)(const char *, int, ...);

__attribute__((constructor)) static void start(void)
{
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_open = dlsym(RTLD_NEXT, "open64");
    const char *where = getenv("TRACE_DIRECTORY"), *file = getenv("TRACE_FILE");
    if (where && file) {
        snprintf(directory, sizeof directory, "%s/", where);
        record = real_open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

/* The name within the directory; "." is the directory itself, NULL something else. */
static const char *within(const char *path)
{
    size_t length = strlen(directory);
    if (record < 0 || strncmp(path, directory, length - 1))
        return NULL;
    if (!path[length - 1])
        return ".";
    return path[length - 1] == '/' && !strchr(path + length, '/') ? path + length : NULL;
}

static const char *name_of(int file, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = record < 0 ? -1 : readlink(link, path, PATH_MAX - 1);
    if (size < 0)
        return NULL;
    path[size] = 0;
    return within(path);
}

static void note(char operation, const char *name, uint64_t offset, uint64_t size, const void *data)
{
    struct head head = {operation, strlen(name), offset, size};
    size_t length = sizeof head + head.name + (data ? size : 0);
    char *bytes = malloc(length);
    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + sizeof head, name, head.name);
    if (data)
        memcpy(bytes + sizeof head + head.name, data, size);
    real_write(record, bytes, length);
    free(bytes);
}

ssize_t pwrite64(int file, const void *data, size_t size, off_t offset)
{
    char path[PATH_MAX];
    const char *name = name_of(file, path);
    if (!name)
        return real_pwrite(file, data, size, offset);
    pthread_mutex_lock(&order);
    ssize_t done = real_pwrite(file, data, size, offset);
    if (done > 0)
        note('w', name, offset, done, data);
    pthread_mutex_unlock(&order);
    return done;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) { return pwrite64(file, data, size, offset); }

ssize_t write(int file, const void *data, size_t size)
{
    char path[PATH_MAX];
    const char *name = name_of(file, path);
    if (!name)
        return real_write(file, data, size);
    pthread_mutex_lock(&order);
    off_t offset = lseek(file, 0, SEEK_CUR);
    if (fcntl(file, F_GETFL) & O_APPEND)
        offset = lseek(file, 0, SEEK_END);
    ssize_t done = real_write(file, data, size);
    if (done > 0)
        note('w', name, offset, done, data);
    pthread_mutex_unlock(&order);
    return done;
}

static int synced(int file, int (*real)(int))
{
    char path[PATH_MAX];
    const char *name = name_of(file, path);
    if (!name)
        return real(file);
    pthread_mutex_lock(&order);
    note('s', name, 0, 0, NULL); /* not done: tests need the order, not the disk */
    pthread_mutex_unlock(&order);
    return 0;
}

int fsync(int file) { return synced(file, real_fsync); }
int fdatasync(int file) { return synced(file, real_fdatasync); }

int ftruncate64(int file, off_t size)
{
    char path[PATH_MAX];
    const char *name = name_of(file, path);
    if (!name)
        return real_ftruncate(file, size);
    pthread_mutex_lock(&order);
    int failed = real_ftruncate(file, size);
    if (!failed)
        note('t', name, size, 0, NULL);
    pthread_mutex_unlock(&order);
    return failed;
}

int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

int unlink(const char *path)
{
    const char *name = within(path);
    if (!name)
        return real_unlink(path);
    pthread_mutex_lock(&order);
    int failed = real_unlink(path);
    if (!failed)
        note('u', name, 0, 0, NULL);
    pthread_mutex_unlock(&order);
    return failed;
}

int rename(const char *old, const char *new)
{
    const char *from = within(old), *to = within(new);
    if (!from || !to)
        return real_rename(old, new);
    pthread_mutex_lock(&order);
    int failed = real_rename(old, new);
    if (!failed)
        note('r', from, 0, strlen(to), to);
    pthread_mutex_unlock(&order);
    return failed;
}

static int opened(const char *path, int flags, mode_t mode)
{
    const char *name = flags & O_CREAT ? within(path) : NULL;
    if (!name)
        return real_open(path, flags, mode);
    pthread_mutex_lock(&order);
    int there = !access(path, F_OK);
    int file = real_open(path, flags, mode);
    if (file >= 0 && !there)
        note('c', name, 0, 0, NULL);
    else if (file >= 0 && flags & O_TRUNC)
        note('t', name, 0, 0, NULL);
    pthread_mutex_unlock(&order);
    return file;
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(path, flags, mode);
}
