/* SPDX-License-Identifier: Apache-2.0 */
/* One row on its way from a line of text to its packed form. */
#ifndef USHER_BULK_ROW_PRIV_H
#define USHER_BULK_ROW_PRIV_H

#include "usher/bulk.h"

enum column_kind {
    COLUMN_ENDPOINT,
    COLUMN_CLASS,
    COLUMN_IDENTITY,
    COLUMN_KEY,
    COLUMN_KEY_BASE64,
    COLUMN_NO_KEY,
    COLUMN_BLOCKED,
    COLUMN_SERVER_IDENTITY, /* server.SSID.identity */
    COLUMN_SERVER_KEY,      /* server.SSID.key, hexadecimal */
    COLUMN_TAG,             /* any other name */
};

struct column {
    enum column_kind kind;
    uint16_t ssid;
    char tag[TAG_NAME_MAX + 1];
};

enum { COLUMNS_MAX = 128 };

/* The rows of one file. */
struct row_builder {
    const struct bulk_options *options;
    char delimiter; /* of CSV */
    size_t column_count;
    struct column columns[COLUMNS_MAX];
    /* the present row */
    struct store_device device;
    struct tag tags[TAGS_MAX];
    unsigned given;
    bool no_key;
};

/* ---- columns.c ---- */
/* What a column's or member's name stands for. ERR_INVALID: it cannot be a tag either. */
enum err_code column_named(struct bytes name, struct column *out, struct err *err);
void row_begin(struct row_builder *row);
void row_wipe(struct row_builder *row);
/* An empty value says nothing. Errors name the column, never a key. */
enum err_code row_set(struct row_builder *row, const struct column *column, struct bytes value,
                      struct err *err);
/* Fills in what the options say and checks the whole. */
enum err_code row_end(struct row_builder *row, struct err *err);

/* ---- csv.c ---- */
enum err_code csv_header(struct row_builder *row, struct bytes line, struct err *err);
enum err_code csv_row(struct row_builder *row, struct bytes line, struct err *err);

/* ---- jsonl.c ---- */
enum err_code jsonl_row(struct row_builder *row, struct bytes line, struct err *err);

/* ---- lines.c ---- */
/* Cuts a stream into lines; a line that is too long is skipped and reported as such. */
struct lines {
    struct buf partial; /* begin of a line whose end has not come yet */
    bool too_long;      /* its begin was dropped */
    uint64_t number;    /* lines ended so far */
};
typedef enum err_code (*line_fn)(void *context, uint64_t number, struct bytes line, bool too_long,
                                 struct err *err);
void lines_init(struct lines *lines);
void lines_clear(struct lines *lines); /* wipes */
enum err_code lines_feed(struct lines *lines, struct bytes data, line_fn take, void *context,
                         struct err *err);
/* The last line may lack its end. */
enum err_code lines_end(struct lines *lines, line_fn take, void *context, struct err *err);

#endif
