/* Writing staged rows: gathered, sorted, sealed block by block. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_priv.h"

#include "usher/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEALED_SPOOL = 5 }; /* beside the tables of the store */

struct vault_place spool_place(uint64_t salt, uint64_t offset)
{
    return (struct vault_place){.table = SEALED_SPOOL, .column = 1, .row = salt + offset};
}

int spool_compare(const struct spool_row *a, const struct spool_row *b)
{
    int order = bytes_compare(store_row_endpoint(a->packed), store_row_endpoint(b->packed));
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static enum err_code io_failed(const char *doing, struct err *err)
{
    return err_set(err, ERR_IO, "import: %s the staged rows: %s", doing,
                   errno == ENOSPC ? "the disk is full; free some space" : strerror(errno));
}

enum err_code spool_open(struct spool *spool, const char *path, uint64_t salt, struct vault *vault,
                         struct spool_map *map, struct err *err)
{
    *spool = (struct spool){.fd = -1, .salt = salt, .map = map, .sealer = sealer_new(vault)};
    if (spool->sealer == NULL)
        return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    spool->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (spool->fd < 0 || ftruncate(spool->fd, (off_t)map->size) != 0) {
        enum err_code code = io_failed("opening", err);
        spool_close(spool);
        return code;
    }
    return ERR_OK;
}

static void drop_rows(struct spool *spool)
{
    if (spool->arena != NULL)
        bytes_wipe(spool->arena, spool->used);
    spool->used = spool->row_count = 0;
}

void spool_close(struct spool *spool)
{
    drop_rows(spool);
    free(spool->arena);
    free(spool->rows);
    sealer_free(spool->sealer);
    if (spool->fd >= 0)
        close(spool->fd);
    *spool = (struct spool){.fd = -1};
}

static bool make_room(struct spool *spool)
{
    if (spool->arena == NULL && (spool->arena = malloc(SPOOL_ARENA)) == NULL)
        return false;
    if (spool->row_count < spool->row_cap)
        return true;
    size_t cap = spool->row_cap * 2 + 4096;
    uint32_t *rows = realloc(spool->rows, cap * sizeof *rows);
    if (rows == NULL)
        return false;
    spool->rows = rows;
    spool->row_cap = cap;
    return true;
}

/* A row in the arena: 8 bytes of line, 4 of length, its packed form. */
static struct bytes row_at(const struct spool *spool, uint32_t offset)
{
    struct reader reader;
    reader_init(&reader, bytes_of(spool->arena + offset, spool->used - offset));
    reader_skip(&reader, sizeof(uint64_t));
    uint32_t len = reader_u32(&reader);
    return bytes_of(spool->arena + offset, SPOOL_ROW_HEAD + len);
}

static struct spool_row parse(struct bytes row)
{
    struct reader reader;
    reader_init(&reader, row);
    uint64_t line = reader_u64(&reader);
    reader_skip(&reader, sizeof(uint32_t));
    return (struct spool_row){line, reader_take(&reader, reader_left(&reader))};
}

enum err_code spool_add(struct spool *spool, uint64_t line, struct bytes packed, struct err *err)
{
    size_t len = SPOOL_ROW_HEAD + packed.len;
    enum err_code code = ERR_OK;
    if (spool->used + len > SPOOL_ARENA)
        code = spool_flush(spool, err);
    if (code == ERR_OK && !make_room(spool))
        code = err_set(err, ERR_NO_MEMORY, "import: out of memory");
    if (code != ERR_OK)
        return code;
    struct buf out;
    buf_init_fixed(&out, spool->arena + spool->used, len);
    buf_put_u64(&out, line);
    buf_put_u32(&out, (uint32_t)packed.len);
    buf_put_bytes(&out, packed);
    spool->rows[spool->row_count++] = (uint32_t)spool->used;
    spool->used += len;
    return ERR_OK;
}

static int compare_rows(const void *a, const void *b, void *context)
{
    const struct spool *spool = context;
    struct spool_row left = parse(row_at(spool, *(const uint32_t *)a));
    struct spool_row right = parse(row_at(spool, *(const uint32_t *)b));
    return spool_compare(&left, &right);
}

static enum err_code write_all(int fd, uint64_t offset, struct bytes data, struct err *err)
{
    while (data.len > 0) {
        ssize_t wrote = pwrite(fd, data.data, data.len, (off_t)offset);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return io_failed("writing", err);
        data = bytes_of(data.data + wrote, data.len - (size_t)wrote);
        offset += (uint64_t)wrote;
    }
    return ERR_OK;
}

/* Seals the block and puts it at `offset`, which moves behind it. */
static enum err_code write_block(struct spool *spool, struct bytes plain, struct buf *sealed,
                                 uint64_t *offset, struct err *err)
{
    struct vault_place place = spool_place(spool->salt, *offset);
    uint32_t id = 0;
    size_t len = 0;
    buf_reset(sealed);
    buf_put_u64(sealed, 0); /* the head, below */
    uint8_t *room = buf_claim(sealed, plain.len + VAULT_OVERHEAD);
    if (room == NULL || !sealer_seal(spool->sealer, &place, plain, room, &len, &id))
        return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    struct buf head;
    buf_init_fixed(&head, sealed->data, SPOOL_BLOCK_HEAD);
    buf_put_u32(&head, (uint32_t)len);
    buf_put_u32(&head, id);
    enum err_code code =
        write_all(spool->fd, *offset, bytes_of(sealed->data, SPOOL_BLOCK_HEAD + len), err);
    *offset += SPOOL_BLOCK_HEAD + len;
    return code;
}

static enum err_code write_run(struct spool *spool, uint64_t *offset, struct err *err)
{
    enum { BLOCK_MAX = SPOOL_BLOCK + 2 * SPOOL_BLOCK };
    struct buf plain, sealed;
    enum err_code code = ERR_OK;
    buf_init(&plain, BLOCK_MAX);
    buf_init(&sealed, BLOCK_MAX + VAULT_OVERHEAD + SPOOL_BLOCK_HEAD);
    for (size_t i = 0; code == ERR_OK && i < spool->row_count; i++) {
        buf_put_bytes(&plain, row_at(spool, spool->rows[i]));
        if (plain.failed)
            code = err_set(err, ERR_NO_MEMORY, "import: out of memory");
        else if (plain.len >= SPOOL_BLOCK || i + 1 == spool->row_count) {
            code = write_block(spool, buf_bytes(&plain), &sealed, offset, err);
            buf_reset(&plain);
        }
    }
    buf_clear(&plain);
    buf_clear(&sealed);
    return code;
}

enum err_code spool_flush(struct spool *spool, struct err *err)
{
    struct spool_map *map = spool->map;
    uint64_t end = map->size;
    if (spool->row_count == 0)
        return ERR_OK;
    if (map->run_count == SPOOL_RUNS_MAX)
        return err_set(err, ERR_TOO_LARGE, "import: the file is too large; split it");
    qsort_r(spool->rows, spool->row_count, sizeof *spool->rows, compare_rows, spool);
    enum err_code code = write_run(spool, &end, err);
    if (code == ERR_OK && fdatasync(spool->fd) != 0)
        code = io_failed("syncing", err);
    if (code != ERR_OK)
        return code;
    map->runs[map->run_count++] = (struct spool_run){map->size, end - map->size};
    map->size = end;
    drop_rows(spool);
    return ERR_OK;
}
