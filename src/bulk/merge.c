/* Merging staged rows into the store: sorted, a chunk a transaction. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "import_priv.h"

#include "usher/clock.h"
#include "usher/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    CHUNK_ROWS = 2048,
    CHUNK_BYTES = 1 << 20,
    REPORT_MAX = 16 << 20, /* of one chunk */
    STATE_MAX = 65536,
    RETRY_MS = 500,
};

/* A row of the chunk: one for the store, or a duplicate of the row before. */
struct chunk_row {
    uint64_t line, duplicate_of; /* 0: none */
    uint64_t same_identity;      /* of a check: the line whose identity it has; 0: none */
};

/* One pass over all rows. */
struct pass {
    struct bulk *bulk;
    struct import *import;
    bool dry_run;
    struct spool_reader *reader;
    struct identities *identities; /* of a dry run */
    struct spool_row waiting;      /* read, and not in a chunk yet */
    bool has_waiting, at_end;
    char last[ENDPOINT_MAX + 1]; /* endpoint of the row before */
    uint64_t last_line;
    struct buf packed; /* rows of the chunk */
    size_t count;
    struct chunk_row lines[CHUNK_ROWS];
    struct store_bulk_row rows[CHUNK_ROWS];
    size_t offsets[CHUNK_ROWS];
    struct import_state *after; /* as it is once the chunk is stored */
    struct buf report, state;
    int report_fd;
    struct err sum_err;
};

/* ---- gathering a chunk ---- */

static bool is_same_name(struct bytes endpoint, const char *name)
{
    return bytes_equal(endpoint, bytes_of_text(name));
}

static void note_last(struct pass *pass, const struct spool_row *row)
{
    struct bytes endpoint = store_row_endpoint(row->packed);
    memcpy(pass->last, endpoint.data, endpoint.len);
    pass->last[endpoint.len] = '\0';
    pass->last_line = row->line;
}

static bool add_row(struct pass *pass, const struct spool_row *row)
{
    size_t at = pass->count;
    bool duplicate = is_same_name(store_row_endpoint(row->packed), pass->last);
    pass->lines[at] = (struct chunk_row){row->line, duplicate ? pass->last_line : 0};
    pass->offsets[at] = pass->packed.len;
    pass->rows[at] = (struct store_bulk_row){.packed = bytes_of(NULL, row->packed.len)};
    buf_put_bytes(&pass->packed, row->packed);
    if (!duplicate)
        note_last(pass, row);
    pass->count++;
    return !pass->packed.failed;
}

/* Rows that were merged before the last process ended. */
static bool is_merged(const struct pass *pass, const struct spool_row *row)
{
    const struct import_state *state = &pass->import->state;
    struct bytes endpoint = store_row_endpoint(row->packed);
    if (pass->dry_run || state->merged_to[0] == '\0')
        return false;
    return bytes_compare(endpoint, bytes_of_text(state->merged_to)) <= 0;
}

/* The rows of an endpoint are never parted, so that a restart does not take a duplicate for new. */
static bool chunk_is_full(const struct pass *pass, const struct spool_row *next)
{
    bool enough = pass->count >= CHUNK_ROWS / 2 || pass->packed.len >= CHUNK_BYTES / 2;
    bool same = is_same_name(store_row_endpoint(next->packed), pass->last);
    return pass->count == CHUNK_ROWS || pass->packed.len + next->packed.len > CHUNK_BYTES ||
           (enough && !same);
}

static enum err_code next_row(struct pass *pass, struct err *err)
{
    enum err_code code;
    if (pass->has_waiting)
        return ERR_OK;
    do {
        code = spool_next(pass->reader, &pass->waiting, err);
    } while (code == ERR_OK && is_merged(pass, &pass->waiting));
    pass->has_waiting = code == ERR_OK;
    pass->at_end = code == ERR_NOT_FOUND;
    return code;
}

static enum err_code gather(struct pass *pass, struct err *err)
{
    enum err_code code = ERR_OK;
    pass->count = 0;
    buf_reset(&pass->packed);
    while ((code = next_row(pass, err)) == ERR_OK && !chunk_is_full(pass, &pass->waiting)) {
        if (!add_row(pass, &pass->waiting))
            return err_set(err, ERR_NO_MEMORY, "import: out of memory");
        pass->has_waiting = false;
    }
    for (size_t i = 0; i < pass->count; i++)
        pass->rows[i].packed.data = pass->packed.data + pass->offsets[i];
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

/* ---- storing it ---- */

static bool is_reported(const struct pass *pass, const struct store_bulk_row *row)
{
    const struct bulk_options *options = &pass->after->status.options;
    bool only_checking = pass->dry_run && !options->dry_run; /* the others come when it merges */
    return (options->report_all && !only_checking) || row->verdict == STORE_ROW_SKIPPED ||
           row->verdict == STORE_ROW_FAILED;
}

static bool mark_failed(struct pass *pass, size_t at, const char *what, uint64_t line)
{
    char why[64];
    struct store_bulk_row *row = &pass->rows[at];
    snprintf(why, sizeof why, "the %s is also in line %" PRIu64, what, line);
    row->verdict = STORE_ROW_FAILED;
    free(row->why);
    row->why = strdup(why);
    return row->why != NULL;
}

/* The line of a row before that would take the same identity; 0: none. Each row by itself could be
 * taken: the store finds out about two of them only when it stores them. */
static uint64_t same_identity(struct pass *pass, size_t at)
{
    const struct store_bulk_row *row = &pass->rows[at];
    bool takes_it = row->verdict == STORE_ROW_CREATED || row->verdict == STORE_ROW_CHANGED;
    struct bytes identity = store_row_identity(row->packed);
    uint64_t line = pass->identities != NULL && takes_it && identity.len > 0
                        ? identities_note(pass->identities, identity, pass->lines[at].line)
                        : 0;
    return line != pass->lines[at].line ? line : 0; /* its own, when the chunk is tried again */
}

/* Counts the verdicts and writes the report: in `after`, which takes the place of the import's
 * state when the chunk is stored. */
static bool add_up(struct pass *pass)
{
    struct bulk_status *status = &pass->after->status;
    buf_reset(&pass->report);
    for (size_t i = 0; i < pass->count; i++) {
        struct store_bulk_row *row = &pass->rows[i];
        const struct chunk_row *line = &pass->lines[i];
        if (line->duplicate_of != 0 && !mark_failed(pass, i, "endpoint", line->duplicate_of))
            return false;
        uint64_t other = line->duplicate_of == 0 ? same_identity(pass, i) : 0;
        if (other != 0 && !mark_failed(pass, i, "identity", other))
            return false;
        status->verdicts[row->verdict]++;
        if (is_reported(pass, row))
            report_row(&pass->report, pass->lines[i].line, row);
    }
    status->looked += pass->count;
    status->changed_wall_ms = clock_wall_ms();
    if (!pass->dry_run) {
        strcpy(pass->after->merged_to, pass->last);
        pass->after->merged_line = pass->last_line;
    }
    return !pass->report.failed;
}

static struct bytes sum(void *context)
{
    struct pass *pass = context;
    *pass->after = pass->import->state; /* only this thread changes it while it merges */
    buf_reset(&pass->state);
    if (!add_up(pass)) {
        err_set(&pass->sum_err, ERR_NO_MEMORY, "import: out of memory");
        return bytes_of(NULL, 0);
    }
    if (report_write(pass->report_fd, pass->after->report_len, &pass->report, &pass->sum_err) !=
        ERR_OK)
        return bytes_of(NULL, 0);
    pass->after->report_len += pass->report.len;
    if (!import_pack(pass->after, &pass->state))
        err_set(&pass->sum_err, ERR_NO_MEMORY, "import: out of memory");
    return buf_bytes(&pass->state);
}

/* Duplicates are kept from the store, which gets the others in one piece. */
static size_t without_duplicates(const struct pass *pass, struct store_bulk_row *out)
{
    size_t count = 0;
    for (size_t i = 0; i < pass->count; i++) {
        if (pass->lines[i].duplicate_of == 0)
            out[count++] = pass->rows[i];
    }
    return count;
}

static void bring_back(struct pass *pass, const struct store_bulk_row *rows)
{
    size_t at = 0;
    for (size_t i = 0; i < pass->count; i++) {
        if (pass->lines[i].duplicate_of == 0)
            pass->rows[i] = rows[at++];
    }
}

/* What the store calls: its rows' verdicts go back into the chunk first. */
struct applied {
    struct pass *pass;
    struct store_bulk *bulk;
};

static struct bytes sum_applied(void *context)
{
    struct applied *applied = context;
    bring_back(applied->pass, applied->bulk->rows);
    return sum(applied->pass);
}

static void free_reasons(struct pass *pass)
{
    for (size_t i = 0; i < pass->count; i++)
        free(pass->rows[i].why);
}

static void evict_blocked(const struct pass *pass)
{
    const struct bulk_config *config = &pass->bulk->config;
    for (size_t i = 0; config->evict != NULL && !pass->dry_run && i < pass->count; i++) {
        const struct store_bulk_row *row = &pass->rows[i];
        if (row->verdict != STORE_ROW_CHANGED || (row->changes & STORE_GIVEN_BLOCKED) == 0)
            continue;
        char endpoint[ENDPOINT_MAX + 1] = "";
        struct bytes name = store_row_endpoint(row->packed);
        memcpy(endpoint, name.data, name.len);
        config->evict(config->context, endpoint);
    }
}

static enum err_code apply(struct pass *pass, struct err *err)
{
    struct import *import = pass->import;
    struct store_bulk_row *rows = calloc(pass->count + 1, sizeof *rows);
    if (rows == NULL)
        return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    struct store_bulk bulk = {
        .id = import->id,
        .conflict = import->state.status.options.conflict,
        .dry_run = pass->dry_run,
        .count = without_duplicates(pass, rows),
        .rows = rows,
        .sum = sum_applied,
    };
    struct applied applied = {pass, &bulk};
    bulk.context = &applied;
    struct store_actor actor = {.source = "unix"};
    strcpy(actor.name, import->state.status.options.actor);
    strcpy(actor.station, import->state.status.options.station);
    store_lane_act_as(pass->bulk->merge_lane, &actor);
    pass->sum_err = (struct err){0};
    enum err_code code = store_bulk_apply(pass->bulk->merge_lane, &bulk, err);
    if (code == ERR_OK && pass->sum_err.code != ERR_OK) {
        *err = pass->sum_err;
        code = err->code;
    }
    if (code == ERR_OK) {
        pthread_mutex_lock(&import->lock);
        import->state = *pass->after;
        pthread_mutex_unlock(&import->lock);
        evict_blocked(pass);
    }
    free(rows);
    free_reasons(pass);
    return code;
}

/* ---- a pass ---- */

static bool is_asked_to_stop(const struct pass *pass)
{
    return atomic_load(&pass->bulk->closing) || atomic_load(&pass->import->stopping);
}

/* The store is in trouble: it heals by itself, and the chunk is tried again. */
static bool can_try_again(enum err_code code)
{
    return code == ERR_IO || code == ERR_UNAVAILABLE || code == ERR_BUSY || code == ERR_READ_ONLY;
}

static void wait_a_moment(void)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    nanosleep(&pause, NULL);
}

static enum err_code run_chunks(struct pass *pass, struct err *err)
{
    enum err_code code = ERR_OK;
    while (code == ERR_OK && !pass->at_end && !is_asked_to_stop(pass)) {
        code = gather(pass, err);
        if (code != ERR_OK || pass->count == 0)
            break;
        while ((code = apply(pass, err)) != ERR_OK && can_try_again(code) &&
               !is_asked_to_stop(pass))
            wait_a_moment();
    }
    return code;
}

static enum err_code open_pass(struct pass *pass, struct err *err)
{
    char path[4096];
    struct import *import = pass->import;
    buf_init(&pass->packed, CHUNK_BYTES);
    buf_init(&pass->report, REPORT_MAX);
    buf_init(&pass->state, STATE_MAX);
    pass->after = malloc(sizeof *pass->after);
    if (pass->after == NULL)
        return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    import_path(pass->bulk, import, "report", path, sizeof path);
    pass->report_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (pass->report_fd < 0 || ftruncate(pass->report_fd, (off_t)import->state.report_len) != 0)
        return err_set(err, ERR_IO, "import: opening the report: %s", strerror(errno));
    strcpy(pass->last, import->state.merged_to);
    pass->last_line = import->state.merged_line;
    import_path(pass->bulk, import, "rows", path, sizeof path);
    return spool_reader_open(path, import_salt(import), pass->bulk->config.vault,
                             &import->state.map, &pass->reader, err);
}

static enum err_code run_pass(struct bulk *bulk, struct import *import, bool dry_run,
                              struct err *err)
{
    struct pass *pass = calloc(1, sizeof *pass);
    if (pass == NULL)
        return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    pass->bulk = bulk;
    pass->import = import;
    pass->dry_run = dry_run;
    pass->report_fd = -1;
    if (dry_run)
        pass->identities = identities_new();
    enum err_code code = import->state.map.run_count > 0 ? open_pass(pass, err) : ERR_OK;
    if (code == ERR_OK && pass->reader != NULL)
        code = run_chunks(pass, err);
    spool_reader_close(pass->reader);
    identities_free(pass->identities);
    buf_clear(&pass->packed);
    buf_clear(&pass->report);
    buf_clear(&pass->state);
    if (pass->report_fd >= 0)
        close(pass->report_fd);
    free(pass->after);
    free(pass);
    return code;
}

/* ---- an import ---- */

/* A check that ended well leaves no trace in the counts. */
static void forget_check(struct import_state *state)
{
    memset(state->status.verdicts, 0, sizeof state->status.verdicts);
    state->status.looked = 0;
}

static enum err_code set_phase(struct bulk *bulk, struct import *import, enum bulk_phase phase,
                               struct err *err)
{
    pthread_mutex_lock(&import->lock);
    import->state.status.phase = phase;
    if (phase == BULK_CHECKING || import->state.merged_to[0] == '\0')
        forget_check(&import->state);
    enum err_code code = import_save(bulk, import, err);
    pthread_mutex_unlock(&import->lock);
    return code;
}

static void finish(struct bulk *bulk, struct import *import, enum bulk_phase phase,
                   const char *error)
{
    struct err err = {0};
    pthread_mutex_lock(&import->lock);
    import_end(bulk, import, phase, error);
    enum err_code code = import_save(bulk, import, &err);
    const struct bulk_status *status = &import->state.status;
    log_event(phase == BULK_DONE ? LOG_INFO : LOG_WARNING, "import.ended",
              LOG_TEXT("import", status->id), LOG_TEXT("phase", bulk_phase_name(phase)),
              LOG_NUMBER("rows", (int64_t)status->rows),
              LOG_NUMBER("created", (int64_t)status->verdicts[STORE_ROW_CREATED]),
              LOG_NUMBER("changed", (int64_t)status->verdicts[STORE_ROW_CHANGED]),
              LOG_NUMBER("failed", (int64_t)(status->bad + status->verdicts[STORE_ROW_FAILED])),
              LOG_TEXT("cause", error[0] != '\0' ? error : NULL));
    pthread_mutex_unlock(&import->lock);
    if (code != ERR_OK) /* it is merged again after a restart, which changes nothing */
        log_event(LOG_ERROR, "import.not-noted", LOG_TEXT("cause", err.text));
}

/* With `fail` every row must be good before the first is stored. False: it is over. */
static bool check_all(struct bulk *bulk, struct import *import, struct err *err,
                      enum err_code *code)
{
    char text[160];
    *code = set_phase(bulk, import, BULK_CHECKING, err);
    if (*code == ERR_OK)
        *code = run_pass(bulk, import, true, err);
    const struct bulk_status *status = &import->state.status;
    uint64_t failed = status->bad + status->verdicts[STORE_ROW_FAILED];
    if (*code != ERR_OK || atomic_load(&bulk->closing) || atomic_load(&import->stopping))
        return false;
    if (failed == 0)
        return true;
    snprintf(text, sizeof text,
             "%" PRIu64 " of %" PRIu64 " rows cannot be taken as they are; nothing was changed",
             failed, status->rows);
    finish(bulk, import, BULK_FAILED, text);
    return false;
}

void merge_import(struct bulk *bulk, struct import *import)
{
    struct err err = {0};
    enum err_code code = ERR_OK;
    const struct import_state *state = &import->state;
    bool check = state->status.options.conflict == STORE_CONFLICT_FAIL &&
                 !state->status.options.dry_run && state->merged_to[0] == '\0';
    if (check && !check_all(bulk, import, &err, &code)) {
        if (import_is_over(import))
            return;
    } else {
        code = set_phase(bulk, import, BULK_MERGING, &err);
        if (code == ERR_OK)
            code = run_pass(bulk, import, state->status.options.dry_run, &err);
    }
    if (atomic_load(&import->stopping))
        finish(bulk, import, BULK_STOPPED, "it was stopped");
    else if (atomic_load(&bulk->closing))
        return; /* goes on at the next start */
    else if (code != ERR_OK)
        finish(bulk, import, BULK_FAILED, err.text);
    else
        finish(bulk, import, BULK_DONE, "");
}
