/* Finding devices and their history: each lane on its own connection, never behind the writer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"

#include "usher/clock.h"

#include <stdlib.h>

/* How long a look may last, and over how many changes: until it ends, SQLite cannot begin its log
 * anew. */
enum { LOOK_MS = 3000, LOOK_CHANGES = 64 };

enum err_code sqlite_reader_open(struct store_backend *backend, struct store_reader **out,
                                 struct err *err)
{
    struct store_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    reader->backend = backend;
    reader->session.is_reader = true;
    enum err_code code = sqlite_session_open(&reader->session, backend, err);
    if (code == ERR_OK)
        code = sqlite_configure_reader(&reader->session, err);
    if (code != ERR_OK) {
        sqlite_reader_close(reader);
        return code;
    }
    *out = reader;
    return ERR_OK;
}

void sqlite_reader_close(struct store_reader *reader)
{
    if (reader == NULL)
        return;
    sqlite_session_close(&reader->session);
    free(reader->calls.devices);
    free(reader);
}

/* ---- a look: one state of all rows ---- */

void sqlite_end_look(struct store_reader *reader)
{
    if (reader->looking)
        sqlite_session_rollback(&reader->session);
    reader->looking = false;
}

/* Finds of devices in no order meet the upper pages of the trees again, and hardly ever a leaf: a
 * small cache holds those and stays near the processor. Lists go through many leaves, and come
 * again. */
static void begin_to_share(struct store_reader *reader)
{
    struct err unused = {0};
    sqlite_session_run(&reader->session, "PRAGMA cache_size = -4096", &unused);
    reader->shares = true;
}

uint64_t sqlite_reader_rest(struct store_reader *reader)
{
    if (!reader->shares)
        begin_to_share(reader);
    if (!reader->looking)
        return UINT64_MAX;
    if (clock_monotonic_ms() < reader->until_ms)
        return reader->until_ms;
    sqlite_end_look(reader);
    return UINT64_MAX;
}

/* True while the open look serves: outcomes that are folded are missing in it, and the log cannot
 * be written back beyond it. */
static bool look_serves(const struct store_reader *reader)
{
    struct store_backend *backend = reader->backend;
    return reader->looking && reader->epoch == unfolded_epoch(&backend->unfolded) &&
           atomic_load(&backend->setup->stamps.changes) - reader->changes < LOOK_CHANGES;
}

static enum err_code begin_look(struct store_reader *reader, struct err *err)
{
    struct stamps *stamps = &reader->backend->setup->stamps;
    sqlite_end_look(reader);
    reader->commits = atomic_load(&stamps->commits);
    reader->changes = atomic_load(&stamps->changes);
    reader->epoch = unfolded_epoch(&reader->backend->unfolded);
    reader->until_ms = clock_monotonic_ms() + LOOK_MS;
    enum err_code code = sqlite_session_transact(&reader->session, SQL_BEGIN_READ, err);
    reader->looking = code == ERR_OK;
    return code;
}

/* ---- finding ---- */

static int64_t now_ms(const struct store_reader *reader)
{
    return atomic_load(&reader->backend->setup->wall_ms)();
}

static enum err_code read_rows(struct store_reader *reader, const struct identity *identity,
                               struct bytes endpoint, struct store_device *out, struct err *err)
{
    struct sqlite_session *session = &reader->session;
    struct slot_set set;
    enum err_code code = sqlite_read_device(session, identity, endpoint, out, &set, err);
    if (code == ERR_OK)
        slot_set_show(&set, now_ms(reader), out);
    slot_set_clear(&set);
    return code;
}

/* False: what the look shows is not all that has been reported by now. */
static bool still_true(struct store_reader *reader, enum err_code code, struct store_device *out)
{
    struct store_backend *backend = reader->backend;
    struct stamps *stamps = &backend->setup->stamps;
    if (code == ERR_NOT_FOUND)
        return atomic_load(&stamps->changes) == reader->changes;
    /* A fold in between moved outcomes and credentials from one place to the other. */
    return stamps_unchanged(stamps, out->enrollment.endpoint, reader->commits) &&
           unfolded_merge(&backend->unfolded, reader->epoch, out);
}

/* Can the look serve after a find that ended so? One that only would have had to wait for the disk
 * has left it as it was. */
static bool look_is_whole(const struct store_reader *reader, enum err_code code)
{
    return code == ERR_OK || code == ERR_NOT_FOUND ||
           (sqlite_would_wait() && !sqlite3_get_autocommit(reader->session.db));
}

enum err_code sqlite_find(struct store_reader *reader, const struct identity *identity,
                          struct bytes endpoint, struct store_device *out, struct err *err)
{
    struct stamps *stamps = &reader->backend->setup->stamps;
    uint64_t stamped = 0;
    enum err_code code = look_serves(reader) ? ERR_OK : begin_look(reader, err);
    while (code == ERR_OK) {
        code = read_rows(reader, identity, endpoint, out, err);
        /* What has been stamped by now either makes the rows untrue, or is an outcome that is
         * merged into them. */
        stamped = atomic_load(&stamps->stamped);
        if ((code != ERR_OK && code != ERR_NOT_FOUND) || still_true(reader, code, out))
            break;
        store_device_clear(out);
        code = begin_look(reader, err);
    }
    out->as_of = stamped > reader->commits ? stamped : reader->commits;
    if (!reader->shares || !look_is_whole(reader, code))
        sqlite_end_look(reader);
    return code;
}

/* The first outcome to show: the newest, or the one before `before`. 0 = none. */
static enum err_code find_start(struct sqlite_session *session, uint64_t newest, const char *before,
                                uint64_t *start, struct err *err)
{
    *start = newest;
    bool found = true, passed = before == NULL;
    while (!passed && found && *start != 0) {
        char id[33];
        uint64_t previous = 0;
        enum err_code code = sqlite_read_previous(session, *start, &found, &previous, id, err);
        if (code != ERR_OK)
            return code;
        passed = found && strcmp(id, before) == 0;
        *start = found ? previous : 0;
    }
    return ERR_OK;
}

static enum err_code show_outcomes(struct sqlite_session *session, uint64_t seq, size_t limit,
                                   struct outcome *outcome,
                                   const char endpoint[static ENDPOINT_MAX + 1],
                                   bool (*each)(void *context, const struct outcome *outcome),
                                   void *context, struct err *err)
{
    bool more = true;
    for (size_t i = 0; more && i < limit && seq != 0; i++) {
        memset(outcome, 0, sizeof *outcome);
        enum err_code code = sqlite_read_outcome(session, seq, outcome, &seq, err);
        if (code == ERR_NOT_FOUND)
            return ERR_OK; /* older ones are past their time and gone */
        if (code != ERR_OK)
            return code;
        memcpy(outcome->endpoint, endpoint, sizeof outcome->endpoint);
        more = each(context, outcome);
    }
    return ERR_OK;
}

enum err_code sqlite_history(struct store_reader *reader, struct bytes endpoint, const char *before,
                             size_t limit,
                             bool (*each)(void *context, const struct outcome *outcome),
                             void *context, struct err *err)
{
    struct sqlite_session *session = &reader->session;
    struct outcome *outcome = NULL;
    struct device_brief brief;
    uint64_t seq = 0;
    char name[ENDPOINT_MAX + 1] = {0};
    memcpy(name, endpoint.data, endpoint.len);
    sqlite_end_look(reader);
    enum err_code code = sqlite_session_transact(session, SQL_BEGIN_READ, err);
    if (code != ERR_OK)
        return code;
    code = sqlite_read_brief(session, endpoint, &brief, err);
    if (code == ERR_OK)
        code = find_start(session, brief.newest_outcome, before, &seq, err);
    if (code != ERR_OK)
        goto out;
    outcome = malloc(sizeof *outcome);
    if (outcome == NULL) {
        code = err_set(err, ERR_NO_MEMORY, "store: out of memory");
        goto out;
    }
    code = show_outcomes(session, seq, limit, outcome, name, each, context, err);
out:
    free(outcome);
    sqlite_session_rollback(session);
    return code;
}
