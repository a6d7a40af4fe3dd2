/* SPDX-License-Identifier: Apache-2.0 */
/* Staged rows in a file: sorted runs, in sealed blocks, merged when they are read. */
#ifndef USHER_BULK_SPOOL_PRIV_H
#define USHER_BULK_SPOOL_PRIV_H

#include "usher/buf.h"
#include "usher/err.h"
#include "usher/vault.h"

enum {
    SPOOL_ARENA = 8 << 20, /* rows of one run, before they are sorted and written */
    SPOOL_BLOCK = 32768,   /* plain bytes of one block, unless a single row is larger */
    SPOOL_RUNS_MAX = 1024,
};

struct spool_run {
    uint64_t offset, len; /* in the file */
};

/* What of a spool is durable: kept with the import. */
struct spool_map {
    uint64_t size; /* of the file; what lies behind is of a process that was cut off */
    size_t run_count;
    struct spool_run runs[SPOOL_RUNS_MAX];
};

struct spool {
    int fd;
    uint64_t salt; /* of this import: blocks of another one do not open */
    struct sealer *sealer;
    struct spool_map *map;
    uint8_t *arena;
    size_t used;
    uint32_t *rows; /* where each begins */
    size_t row_count, row_cap;
};

/* One row: the line it stood in, and its packed form. */
struct spool_row {
    uint64_t line;
    struct bytes packed;
};

/* Opens the file, cutting off what is not in the map. */
enum err_code spool_open(struct spool *spool, const char *path, uint64_t salt, struct vault *vault,
                         struct spool_map *map, struct err *err);
void spool_close(struct spool *spool); /* wipes */
/* May write a run. */
enum err_code spool_add(struct spool *spool, uint64_t line, struct bytes packed, struct err *err);
/* Everything added is on the disk and in the map. */
enum err_code spool_flush(struct spool *spool, struct err *err);

/* ---- spool_reader.c ---- */
struct spool_reader;
enum err_code spool_reader_open(const char *path, uint64_t salt, struct vault *vault,
                                const struct spool_map *map, struct spool_reader **out,
                                struct err *err);
void spool_reader_close(struct spool_reader *reader); /* wipes; NULL accepted */
/* Rows in order of endpoint, then line; `out` is borrowed until the next call. ERR_NOT_FOUND: no
 * more. */
enum err_code spool_next(struct spool_reader *reader, struct spool_row *out, struct err *err);

/* Order of rows. */
int spool_compare(const struct spool_row *a, const struct spool_row *b);
/* A block in the file: how long it is sealed, under which key, then its bytes. */
enum { SPOOL_BLOCK_HEAD = 8, SPOOL_ROW_HEAD = 12 };
struct vault_place spool_place(uint64_t salt, uint64_t offset);

#endif
