/* Reading staged rows: all runs at once, always the least row next. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_MOST = 1 << 20 };

struct source {
    uint64_t next, end; /* in the file */
    uint8_t *block;     /* opened */
    size_t len, at;
    struct spool_row row;
};

struct spool_reader {
    int fd;
    uint64_t salt;
    struct sealer *sealer;
    size_t count; /* of sources with rows left; the heap's first ones */
    size_t source_count;
    struct source *sources;
    struct source **heap; /* the least row on top */
    struct source *taken; /* whose row is out */
    struct buf sealed;
};

static enum err_code damaged(struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "import: the staged rows are damaged, or sealed under another master key; start "
                   "the import again");
}

static enum err_code read_at(const struct spool_reader *reader, uint64_t offset, uint8_t *out,
                             size_t len, struct err *err)
{
    while (len > 0) {
        ssize_t got = pread(reader->fd, out, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, ERR_IO, "import: reading the staged rows: %s", strerror(errno));
        if (got == 0)
            return damaged(err);
        out += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return ERR_OK;
}

static void drop_block(struct source *source)
{
    if (source->block != NULL)
        bytes_wipe(source->block, source->len);
    free(source->block);
    source->block = NULL;
    source->len = source->at = 0;
}

static enum err_code load_block(struct spool_reader *reader, struct source *source, struct err *err)
{
    uint8_t head[SPOOL_BLOCK_HEAD];
    struct vault_place place = spool_place(reader->salt, source->next);
    struct reader cursor;
    drop_block(source);
    enum err_code code = read_at(reader, source->next, head, sizeof head, err);
    if (code != ERR_OK)
        return code;
    reader_init(&cursor, bytes_of(head, sizeof head));
    uint32_t len = reader_u32(&cursor), id = reader_u32(&cursor);
    if (len == 0 || len > BLOCK_MOST || len > source->end - source->next - SPOOL_BLOCK_HEAD)
        return damaged(err);
    buf_reset(&reader->sealed);
    uint8_t *room = buf_claim(&reader->sealed, len);
    source->block = malloc(len);
    if (room == NULL || source->block == NULL)
        return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    code = read_at(reader, source->next + SPOOL_BLOCK_HEAD, room, len, err);
    if (code == ERR_OK && sealer_open(reader->sealer, &place, id, bytes_of(room, len),
                                      source->block, &source->len) != ERR_OK)
        code = damaged(err);
    source->next += SPOOL_BLOCK_HEAD + len;
    return code;
}

/* ERR_NOT_FOUND: the run is at its end. */
static enum err_code advance(struct spool_reader *reader, struct source *source, struct err *err)
{
    struct reader cursor;
    if (source->at == source->len) {
        if (source->next == source->end)
            return ERR_NOT_FOUND;
        enum err_code code = load_block(reader, source, err);
        if (code != ERR_OK)
            return code;
    }
    reader_init(&cursor, bytes_of(source->block + source->at, source->len - source->at));
    source->row.line = reader_u64(&cursor);
    source->row.packed = reader_take(&cursor, reader_u32(&cursor));
    if (cursor.failed)
        return damaged(err);
    source->at += SPOOL_ROW_HEAD + source->row.packed.len;
    return ERR_OK;
}

static bool is_less(const struct source *a, const struct source *b)
{
    return spool_compare(&a->row, &b->row) < 0;
}

static void sift_down(struct spool_reader *reader, size_t at)
{
    struct source *moved = reader->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= reader->count)
            break;
        if (child + 1 < reader->count && is_less(reader->heap[child + 1], reader->heap[child]))
            child++;
        if (!is_less(reader->heap[child], moved))
            break;
        reader->heap[at] = reader->heap[child];
        at = child;
    }
    reader->heap[at] = moved;
}

static enum err_code fill_heap(struct spool_reader *reader, const struct spool_map *map,
                               struct err *err)
{
    for (size_t i = 0; i < map->run_count; i++) {
        struct source *source = &reader->sources[i];
        source->next = map->runs[i].offset;
        source->end = map->runs[i].offset + map->runs[i].len;
        enum err_code code = advance(reader, source, err);
        if (code == ERR_OK)
            reader->heap[reader->count++] = source;
        else if (code != ERR_NOT_FOUND)
            return code;
    }
    for (size_t i = reader->count / 2; i-- > 0;)
        sift_down(reader, i);
    return ERR_OK;
}

enum err_code spool_reader_open(const char *path, uint64_t salt, struct vault *vault,
                                const struct spool_map *map, struct spool_reader **out,
                                struct err *err)
{
    struct spool_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    reader->salt = salt;
    buf_init(&reader->sealed, BLOCK_MOST);
    reader->source_count = map->run_count;
    reader->sealer = sealer_new(vault);
    reader->sources = calloc(map->run_count + 1, sizeof *reader->sources);
    reader->heap = calloc(map->run_count + 1, sizeof(*reader->heap));
    reader->fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err_code code = ERR_OK;
    if (reader->sealer == NULL || reader->sources == NULL || reader->heap == NULL)
        code = err_set(err, ERR_NO_MEMORY, "import: out of memory");
    else if (reader->fd < 0)
        code = err_set(err, ERR_IO, "import: the staged rows are gone (%s); start the import again",
                       strerror(errno));
    else
        code = fill_heap(reader, map, err);
    if (code == ERR_OK)
        *out = reader;
    else
        spool_reader_close(reader);
    return code;
}

void spool_reader_close(struct spool_reader *reader)
{
    if (reader == NULL)
        return;
    for (size_t i = 0; reader->sources != NULL && i < reader->source_count; i++)
        drop_block(&reader->sources[i]);
    buf_clear(&reader->sealed);
    free(reader->sources);
    free(reader->heap);
    sealer_free(reader->sealer);
    if (reader->fd >= 0)
        close(reader->fd);
    free(reader);
}

enum err_code spool_next(struct spool_reader *reader, struct spool_row *out, struct err *err)
{
    if (reader->taken != NULL) {
        enum err_code code = advance(reader, reader->taken, err);
        if (code == ERR_NOT_FOUND)
            reader->heap[0] = reader->heap[--reader->count];
        else if (code != ERR_OK)
            return code;
        if (reader->count > 0)
            sift_down(reader, 0);
    }
    reader->taken = reader->count > 0 ? reader->heap[0] : NULL;
    if (reader->taken == NULL)
        return ERR_NOT_FOUND;
    *out = reader->taken->row;
    return ERR_OK;
}
