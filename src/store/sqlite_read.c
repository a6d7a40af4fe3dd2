/* Finding devices and their history: each lane on its own connection, never behind the writer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"

#include <stdlib.h>

enum err_code sqlite_reader_open(struct store_backend *backend, struct store_reader **out,
                                 struct err *err)
{
    struct store_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    reader->backend = backend;
    enum err_code code = sqlite_session_open(&reader->session, &backend->setup->config, err);
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
    free(reader);
}

static int64_t now_ms(const struct store_reader *reader)
{
    return atomic_load(&reader->backend->setup->wall_ms)();
}

/* One look at the rows; all statements of one transaction see the same state. */
static enum err_code read_rows(struct store_reader *reader, const struct identity *identity,
                               struct bytes endpoint, struct store_device *out,
                               struct device_keys *keys, struct err *err)
{
    struct sqlite_session *session = &reader->session;
    enum err_code code = sqlite_session_transact(session, SQL_BEGIN_READ, err);
    if (code != ERR_OK)
        return code;
    code = sqlite_read_device(session, identity, endpoint, out, keys, err);
    if (code == ERR_OK) {
        struct slot_set set;
        code = sqlite_read_slots(session, keys->id, &set, err);
        if (code == ERR_OK)
            slot_set_show(&set, now_ms(reader), out);
        slot_set_clear(&set);
    }
    sqlite_session_rollback(session);
    return code;
}

enum err_code sqlite_find(struct store_reader *reader, const struct identity *identity,
                          struct bytes endpoint, struct store_device *out, struct err *err)
{
    struct unfolded *unfolded = &reader->backend->unfolded;
    struct device_keys keys;
    for (;;) {
        uint64_t epoch = unfolded_epoch(unfolded);
        enum err_code code = read_rows(reader, identity, endpoint, out, &keys, err);
        if (code != ERR_OK || unfolded_merge(unfolded, epoch, keys.id, keys.newest_outcome, out))
            return code;
        /* A fold between the two looks moved outcomes from one place to the other: look again. */
        store_device_clear(out);
    }
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
