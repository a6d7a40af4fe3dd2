/* An SQLite VFS that can lose what was not synced, and let chosen operations fail. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "power_vfs.h"

#include "store/store_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { IMAGES_MAX = 16, SECTOR = 512 };

/* A write, or a truncation to `offset`, that no sync has covered yet. */
struct unsynced {
    struct unsynced *next;
    bool truncation;
    sqlite3_int64 offset;
    size_t len;
    uint8_t data[];
};

/* One file as the disk would show it after a power cut. */
struct image {
    char path[256]; /* "" = free */
    uint8_t *synced;
    size_t synced_len, synced_cap;
    struct unsynced *first, **last;
    bool exists;         /* now */
    bool exists_on_disk; /* the directory as last synced */
};

struct power_file {
    sqlite3_file base;
    struct image *image; /* NULL: a file that is none of ours */
    sqlite3_file *real;  /* behind this struct */
};

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    struct image images[IMAGES_MAX];
    unsigned operations, cut_at, fail_at;
    enum power_fault fault;
    bool lasting, cut, failed;
    atomic_bool weaken;
} power = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- images ---- */

static void *checked(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static struct image *find_image(const char *path)
{
    for (size_t i = 0; i < IMAGES_MAX; i++) {
        if (strcmp(power.images[i].path, path) == 0)
            return &power.images[i];
    }
    return NULL;
}

static void load_image(struct image *image)
{
    struct stat status;
    int fd = open(image->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &status) != 0)
        abort();
    image->synced_len = image->synced_cap = (size_t)status.st_size;
    image->synced = checked(malloc(image->synced_len + 1));
    if (read(fd, image->synced, image->synced_len) != (ssize_t)image->synced_len)
        abort();
    close(fd);
    image->exists = image->exists_on_disk = true;
}

static struct image *open_image(const char *path)
{
    struct image *image = find_image(path);
    if (image != NULL)
        return image;
    image = find_image("");
    if (image == NULL || strlen(path) >= sizeof image->path)
        abort();
    *image = (struct image){.last = &image->first};
    strcpy(image->path, path);
    load_image(image);
    return image;
}

static void drop_unsynced(struct image *image)
{
    while (image->first != NULL) {
        struct unsynced *next = image->first->next;
        free(image->first);
        image->first = next;
    }
    image->last = &image->first;
}

static void forget_images(void)
{
    for (size_t i = 0; i < IMAGES_MAX; i++) {
        drop_unsynced(&power.images[i]);
        free(power.images[i].synced);
        power.images[i] = (struct image){0};
    }
}

static void make_room(struct image *image, size_t len)
{
    if (len > image->synced_cap) {
        image->synced_cap = len * 2;
        image->synced = checked(realloc(image->synced, image->synced_cap));
    }
    if (len > image->synced_len) {
        memset(image->synced + image->synced_len, 0, len - image->synced_len);
        image->synced_len = len;
    }
}

static void apply_bytes(struct image *image, sqlite3_int64 offset, const uint8_t *data, size_t len)
{
    make_room(image, (size_t)offset + len);
    memcpy(image->synced + offset, data, len);
}

static void apply(struct image *image, const struct unsynced *change)
{
    if (!change->truncation)
        apply_bytes(image, change->offset, change->data, change->len);
    else if ((size_t)change->offset < image->synced_len)
        image->synced_len = (size_t)change->offset;
}

static void remember(struct image *image, bool truncation, sqlite3_int64 offset, const void *data,
                     size_t len)
{
    struct unsynced *change = checked(malloc(sizeof *change + len));
    *change = (struct unsynced){.truncation = truncation, .offset = offset, .len = len};
    if (len > 0)
        memcpy(change->data, data, len);
    *image->last = change;
    image->last = &change->next;
}

static void sync_image(struct image *image)
{
    for (const struct unsynced *change = image->first; change != NULL; change = change->next)
        apply(image, change);
    drop_unsynced(image);
}

static void sync_directory(void)
{
    for (size_t i = 0; i < IMAGES_MAX; i++)
        power.images[i].exists_on_disk = power.images[i].exists;
}

/* ---- faults ---- */

/* Counts an operation; SQLITE_OK or what it shall return. Under the lock. */
static int count_operation(int failure, bool writes)
{
    unsigned number = ++power.operations;
    if (power.cut_at != 0 && number >= power.cut_at)
        power.cut = true;
    if (power.cut)
        return failure;
    bool hit = number == power.fail_at || (power.lasting && writes && number > power.fail_at);
    if (power.fault == POWER_FAULT_NONE || !hit)
        return SQLITE_OK;
    if (power.fault == POWER_FAULT_FULL && !writes) {
        power.fail_at++; /* the next one that writes */
        return SQLITE_OK;
    }
    power.failed = true;
    return power.fault == POWER_FAULT_FULL ? SQLITE_FULL : failure;
}

static struct power_file *file_of(sqlite3_file *file)
{
    return (struct power_file *)(void *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return file_of(file)->real;
}

static int power_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int power_read(sqlite3_file *file, void *out, int amount, sqlite3_int64 offset)
{
    pthread_mutex_lock(&power.lock);
    int code = count_operation(SQLITE_IOERR_READ, false);
    pthread_mutex_unlock(&power.lock);
    return code != SQLITE_OK ? code
                             : real_of(file)->pMethods->xRead(real_of(file), out, amount, offset);
}

static int power_write(sqlite3_file *file, const void *data, int amount, sqlite3_int64 offset)
{
    pthread_mutex_lock(&power.lock);
    int code = count_operation(SQLITE_IOERR_WRITE, true);
    if (code == SQLITE_OK)
        code = real_of(file)->pMethods->xWrite(real_of(file), data, amount, offset);
    if (code == SQLITE_OK && file_of(file)->image != NULL)
        remember(file_of(file)->image, false, offset, data, (size_t)amount);
    pthread_mutex_unlock(&power.lock);
    return code;
}

static int power_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    pthread_mutex_lock(&power.lock);
    int code = count_operation(SQLITE_IOERR_TRUNCATE, true);
    if (code == SQLITE_OK)
        code = real_of(file)->pMethods->xTruncate(real_of(file), size);
    if (code == SQLITE_OK && file_of(file)->image != NULL)
        remember(file_of(file)->image, true, size, NULL, 0);
    pthread_mutex_unlock(&power.lock);
    return code;
}

static int power_sync(sqlite3_file *file, int flags)
{
    struct image *image = file_of(file)->image;
    pthread_mutex_lock(&power.lock);
    int code = count_operation(SQLITE_IOERR_FSYNC, true);
    if (code == SQLITE_OK && image != NULL) {
        sync_image(image);
        /* The default VFS syncs the directory with the first sync of a new journal or log. */
        if (!image->exists_on_disk)
            sync_directory();
    }
    pthread_mutex_unlock(&power.lock);
    return code; /* the machine's own disk need not be asked */
}

static int power_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int power_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int power_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int power_check_reserved(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int power_file_control(sqlite3_file *file, int operation, void *argument)
{
    char **words = argument;
    if (operation == SQLITE_FCNTL_PRAGMA && atomic_load(&power.weaken) &&
        strcmp(words[1], "synchronous") == 0 && words[2] != NULL && strcmp(words[2], "FULL") == 0)
        strcpy(words[2], "1"); /* SQLite reads the word again after this call: NORMAL */
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int power_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int power_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int power_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}

static int power_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void power_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int power_shm_unmap(sqlite3_file *file, int delete)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete);
}

static const sqlite3_io_methods power_methods = {
    .iVersion = 2, /* no memory mapping: every read and write comes through here */
    .xClose = power_close,
    .xRead = power_read,
    .xWrite = power_write,
    .xTruncate = power_truncate,
    .xSync = power_sync,
    .xFileSize = power_file_size,
    .xLock = power_lock,
    .xUnlock = power_unlock,
    .xCheckReservedLock = power_check_reserved,
    .xFileControl = power_file_control,
    .xSectorSize = power_sector_size,
    .xDeviceCharacteristics = power_characteristics,
    .xShmMap = power_shm_map,
    .xShmLock = power_shm_lock,
    .xShmBarrier = power_shm_barrier,
    .xShmUnmap = power_shm_unmap,
};

static int power_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
    struct power_file *opened = file_of(file);
    opened->base.pMethods = NULL;
    opened->image = NULL;
    opened->real = (sqlite3_file *)(void *)(opened + 1);
    pthread_mutex_lock(&power.lock);
    int code = count_operation(SQLITE_CANTOPEN, false);
    struct image *image = code == SQLITE_OK && path != NULL ? open_image(path) : NULL;
    if (code == SQLITE_OK)
        code = power.real->xOpen(power.real, path, opened->real, flags, out);
    if (code == SQLITE_OK) {
        opened->base.pMethods = &power_methods;
        opened->image = image;
        if (image != NULL && !image->exists) {
            drop_unsynced(image);
            image->synced_len = 0;
            image->exists = true;
        }
    }
    pthread_mutex_unlock(&power.lock);
    return code;
}

static int power_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    pthread_mutex_lock(&power.lock);
    int code = count_operation(SQLITE_IOERR_DELETE, true);
    if (code == SQLITE_OK)
        code = power.real->xDelete(power.real, path, 0);
    struct image *image = find_image(path);
    if (code == SQLITE_OK && image != NULL) {
        image->exists = false;
        if (sync)
            sync_directory();
    }
    pthread_mutex_unlock(&power.lock);
    return code;
}

void power_vfs_register(void)
{
    store_test_prepare_sqlite();
    power.real = sqlite3_vfs_find(NULL);
    power.vfs = *power.real;
    power.vfs.zName = "power";
    power.vfs.szOsFile = (int)sizeof(struct power_file) + power.real->szOsFile;
    power.vfs.xOpen = power_open;
    power.vfs.xDelete = power_delete;
    assert_int_equal(sqlite3_vfs_register(&power.vfs, 0), SQLITE_OK);
}

/* ---- control ---- */

unsigned power_vfs_operations(void)
{
    pthread_mutex_lock(&power.lock);
    unsigned operations = power.operations;
    pthread_mutex_unlock(&power.lock);
    return operations;
}

void power_vfs_reset(void)
{
    pthread_mutex_lock(&power.lock);
    power.operations = power.cut_at = power.fail_at = 0;
    power.fault = POWER_FAULT_NONE;
    power.lasting = power.cut = power.failed = false;
    pthread_mutex_unlock(&power.lock);
}

void power_vfs_cut_at(unsigned operation)
{
    pthread_mutex_lock(&power.lock);
    power.cut_at = operation;
    pthread_mutex_unlock(&power.lock);
}

bool power_vfs_is_cut(void)
{
    pthread_mutex_lock(&power.lock);
    bool cut = power.cut;
    pthread_mutex_unlock(&power.lock);
    return cut;
}

void power_vfs_fail_at(enum power_fault fault, unsigned operation, bool lasting)
{
    pthread_mutex_lock(&power.lock);
    power.fault = fault;
    power.fail_at = operation;
    power.lasting = lasting;
    power.failed = false;
    pthread_mutex_unlock(&power.lock);
}

bool power_vfs_has_failed(void)
{
    pthread_mutex_lock(&power.lock);
    bool failed = power.failed;
    pthread_mutex_unlock(&power.lock);
    return failed;
}

void power_vfs_weaken(bool weaken)
{
    atomic_store(&power.weaken, weaken);
}

/* How much of what was not synced reached the disk by chance. */
enum luck { LUCK_NONE, LUCK_ALL, LUCK_PREFIX, LUCK_WRITES, LUCK_SECTORS, LUCK_COUNT };

static void apply_torn(struct image *image, const struct unsynced *change, struct random *random)
{
    for (size_t at = 0; at < change->len;) {
        size_t to_boundary = SECTOR - ((size_t)change->offset + at) % SECTOR;
        size_t len = change->len - at < to_boundary ? change->len - at : to_boundary;
        if (random_below(random, 2) == 0)
            apply_bytes(image, change->offset + (sqlite3_int64)at, change->data + at, len);
        at += len;
    }
}

static void apply_by_luck(struct image *image, struct random *random)
{
    enum luck luck = (enum luck)random_below(random, LUCK_COUNT);
    unsigned count = 0, number = 0;
    for (const struct unsynced *change = image->first; change != NULL; change = change->next)
        count++;
    unsigned prefix = random_below(random, count + 1);
    for (const struct unsynced *change = image->first; change != NULL;
         change = change->next, number++) {
        bool whole = luck == LUCK_ALL || (luck == LUCK_PREFIX && number < prefix) ||
                     (luck == LUCK_WRITES && random_below(random, 2) == 0) ||
                     (luck == LUCK_SECTORS && change->truncation);
        bool torn = luck == LUCK_SECTORS || (luck == LUCK_PREFIX && number == prefix);
        if (whole)
            apply(image, change);
        else if (torn)
            apply_torn(image, change, random);
    }
}

static void write_back(const struct image *image)
{
    int fd = open(image->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, image->synced, image->synced_len) != (ssize_t)image->synced_len)
        abort();
    close(fd);
}

void power_vfs_restore(struct random *random)
{
    char shared[272];
    pthread_mutex_lock(&power.lock);
    for (size_t i = 0; i < IMAGES_MAX; i++) {
        struct image *image = &power.images[i];
        if (image->path[0] == '\0')
            continue;
        apply_by_luck(image, random);
        /* A name that was made or dropped since the last sync may be there or not. */
        bool there =
            image->exists == image->exists_on_disk ? image->exists : random_below(random, 2) == 0;
        if (there)
            write_back(image);
        else
            unlink(image->path);
        snprintf(shared, sizeof shared, "%s-shm", image->path);
        unlink(shared);
    }
    forget_images();
    pthread_mutex_unlock(&power.lock);
    power_vfs_reset();
}

void power_vfs_forget(void)
{
    pthread_mutex_lock(&power.lock);
    forget_images();
    pthread_mutex_unlock(&power.lock);
    power_vfs_reset();
}
