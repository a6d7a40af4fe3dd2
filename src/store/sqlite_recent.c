/* Which devices have called since a time: for lists that begin there. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"

#include <stdlib.h>

enum {
    DISORDER_MS = 1000, /* outcomes that end together are not written in order */
};

/* The end of the first outcome from `seq` on; INT64_MAX: there is none. */
static int64_t end_of(sqlite3_stmt *statement, int64_t seq)
{
    int64_t end = INT64_MAX;
    sqlite3_reset(statement);
    sqlite3_bind_int64(statement, 1, seq);
    if (sqlite3_step(statement) == SQLITE_ROW)
        end = sqlite3_column_int64(statement, 0);
    return end;
}

bool sqlite_recent_find(sqlite3 *db, int64_t since_ms, struct recent_span *out)
{
    sqlite3_stmt *ends = NULL, *most = NULL;
    bool good = sqlite3_prepare_v2(db,
                                   "SELECT (SELECT max(seq) FROM outcome), (SELECT min(seq) FROM "
                                   "outcome)",
                                   -1, &most, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2(db,
                                   "SELECT started_ms + duration_ms FROM outcome WHERE seq >= ?1 "
                                   "ORDER BY seq LIMIT 1",
                                   -1, &ends, NULL) == SQLITE_OK &&
                sqlite3_step(most) == SQLITE_ROW;
    int64_t high = good ? sqlite3_column_int64(most, 0) + 1 : 0;
    int64_t oldest = good ? sqlite3_column_int64(most, 1) : 0;
    int64_t low = oldest;
    out->last = high - 1;
    while (good && low < high) {
        int64_t middle = low + (high - low) / 2;
        if (end_of(ends, middle) >= since_ms - DISORDER_MS)
            high = middle;
        else
            low = middle + 1;
    }
    out->first = low;
    sqlite3_finalize(most);
    sqlite3_finalize(ends);
    return good && out->last > 0 && (low > oldest || oldest <= 1);
}

/* ---- the devices of the last outcomes, kept from list to list ---- */

static int64_t *place_of(struct recent_calls *calls, int64_t seq)
{
    return &calls->devices[(uint64_t)seq % RECENT_CALLS_MAX];
}

/* Reads the devices of outcomes from `first` to `last` into their places. */
static bool read_calls(sqlite3 *db, struct recent_calls *calls, int64_t first, int64_t last)
{
    sqlite3_stmt *statement = NULL;
    int got = sqlite3_prepare_v2(
        db, "SELECT seq, device FROM outcome WHERE seq >= ?1 AND seq <= ?2", -1, &statement, NULL);
    /* An outcome that is not there any more names nobody. */
    for (int64_t seq = first; seq <= last; seq++)
        *place_of(calls, seq) = 0;
    if (got == SQLITE_OK) {
        sqlite3_bind_int64(statement, 1, first);
        sqlite3_bind_int64(statement, 2, last);
        while ((got = sqlite3_step(statement)) == SQLITE_ROW)
            *place_of(calls, sqlite3_column_int64(statement, 0)) =
                sqlite3_column_int64(statement, 1);
    }
    sqlite3_finalize(statement);
    return got == SQLITE_DONE;
}

/* Brings `calls` to hold the outcomes of the span, which is at most RECENT_CALLS_MAX long: only
 * what is not there yet is read. */
static bool extend(sqlite3 *db, struct recent_calls *calls, const struct recent_span *span)
{
    bool good = true;
    if (calls->devices == NULL)
        calls->devices = malloc(RECENT_CALLS_MAX * sizeof *calls->devices);
    if (calls->devices == NULL)
        return false;
    if (calls->count == 0 || calls->last < span->first - 1 || calls->last > span->last) {
        calls->count = 0;
        calls->last = span->last;
        good = read_calls(db, calls, span->first, span->last);
        calls->count = span->last - span->first + 1;
    } else {
        good = read_calls(db, calls, calls->last + 1, span->last);
        calls->count += span->last - calls->last;
        if (calls->count > RECENT_CALLS_MAX)
            calls->count = RECENT_CALLS_MAX;
        calls->last = span->last;
        int64_t begins = calls->last - calls->count + 1;
        if (good && begins > span->first) {
            good = read_calls(db, calls, span->first, begins - 1);
            calls->count = span->last - span->first + 1;
        }
    }
    if (!good)
        calls->count = 0;
    return good;
}

bool sqlite_recent_devices(struct store_reader *reader, const struct recent_span *span,
                           struct id_set *out)
{
    bool good = id_set_init(out) && extend(reader->session.db, &reader->calls, span);
    for (int64_t seq = span->first; good && seq <= span->last; seq++) {
        int64_t device = *place_of(&reader->calls, seq);
        good = device == 0 || id_set_add(out, device);
    }
    return good;
}
