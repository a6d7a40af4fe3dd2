/* SPDX-License-Identifier: Apache-2.0 */
/* One import: what of it is durable, and what is only in memory. */
#ifndef USHER_BULK_IMPORT_PRIV_H
#define USHER_BULK_IMPORT_PRIV_H

#include "row_priv.h"
#include "spool_priv.h"

#include <pthread.h>
#include <stdatomic.h>

enum { HEADER_MAX = 8192 };

/* Kept in the store. */
struct import_state {
    struct bulk_status status;
    uint64_t durable_offset; /* end of the last line that is staged */
    uint64_t line;           /* lines before it */
    uint64_t report_len;
    char header[HEADER_MAX];          /* of CSV, as it came */
    char merged_to[ENDPOINT_MAX + 1]; /* the last endpoint that is merged */
    uint64_t merged_line;             /* and where it stood: later ones are duplicates */
    struct spool_map map;
};

struct import {
    struct import *next;   /* in order of age, oldest first */
    char id[BULK_ID_SIZE]; /* as in `state`, and never written again: whoever looks for it may */
    pthread_mutex_t lock;  /* all below */
    struct import_state state;
    bool removed; /* from the list: whoever holds it lets go */
    unsigned holders;
    atomic_bool stopping; /* asked for by a person */
    /* while a request feeds it */
    bool feeding;
    struct lines lines;
    struct row_builder *row;
    struct spool spool;
    struct buf packed, report;
    int report_fd;
};

struct bulk {
    struct bulk_config config;
    char *folder;
    pthread_mutex_t lock; /* the list, `lane`, `closing` */
    pthread_cond_t wake;  /* of the thread */
    struct import *first;
    struct store_lane *lane, *merge_lane;
    pthread_mutex_t lane_lock;
    pthread_t thread;
    bool running;
    atomic_bool closing;
};

/* ---- imports.c ---- */
struct import *import_new(void);
void import_free(struct import *import);
/* Packs what is durable. False: no memory. */
bool import_pack(const struct import_state *state, struct buf *out);
bool import_unpack(struct bytes packed, struct import_state *state);
void import_path(const struct bulk *bulk, const struct import *import, const char *suffix,
                 char *out, size_t size);
uint64_t import_salt(const struct import *import);
/* Stores the state as it is; the import's lock is held. */
enum err_code import_save(struct bulk *bulk, struct import *import, struct err *err);
bool import_is_over(const struct import *import);
/* Moves to a final phase and lets the staged rows go; saved by the caller. */
void import_end(struct bulk *bulk, struct import *import, enum bulk_phase phase, const char *error);

/* ---- report.c ---- */
void report_bad_row(struct import *import, uint64_t line, struct bytes endpoint, const char *why);
/* A line about a row that was looked at. */
void report_row(struct buf *out, uint64_t line, const struct store_bulk_row *row);
/* Appends to the file at `at`. */
enum err_code report_write(int fd, uint64_t at, const struct buf *text, struct err *err);

/* ---- merge.c ---- */
/* Checks, where that is asked for, and merges one import; returns when it is over or the bulk
 * closes. */
void merge_import(struct bulk *bulk, struct import *import);

/* ---- identities.c: what a check of a file can know before anything is stored ---- */
struct identities;
struct identities *identities_new(void); /* NULL: no memory */
void identities_free(struct identities *identities);
/* The line of an earlier row with that identity; 0: there is none. Beyond 8 million, or without
 * memory, no more are taken in. */
uint64_t identities_note(struct identities *identities, struct bytes identity, uint64_t line);

#endif
