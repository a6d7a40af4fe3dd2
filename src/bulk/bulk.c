/* The importer: its list of imports, uploads, and the thread that merges. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "import_priv.h"

#include "usher/clock.h"
#include "usher/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_MAX = 8, REPORT_FLUSH = 65536 };

const char *bulk_phase_name(enum bulk_phase phase)
{
    static const char *const names[] = {
        [BULK_UPLOADING] = "uploading", [BULK_CHECKING] = "checking", [BULK_MERGING] = "merging",
        [BULK_DONE] = "done",           [BULK_FAILED] = "failed",     [BULK_STOPPED] = "stopped",
    };
    return phase < BULK_PHASES ? names[phase] : "unknown";
}

/* ---- the list ---- */

/* Held by the caller until import_let_go; NULL after an error. */
static struct import *find_and_hold(struct bulk *bulk, const char *id, struct err *err)
{
    pthread_mutex_lock(&bulk->lock);
    struct import *import = bulk->first;
    while (import != NULL && strcmp(import->id, id) != 0)
        import = import->next;
    if (import != NULL)
        import->holders++;
    pthread_mutex_unlock(&bulk->lock);
    if (import == NULL)
        err_set(err, ERR_NOT_FOUND,
                "there is no import '%.40s'; finished ones are kept until %d "
                "newer ones are",
                id, BULK_KEPT);
    return import;
}

static void let_go(struct bulk *bulk, struct import *import)
{
    pthread_mutex_lock(&bulk->lock);
    bool last = --import->holders == 0 && import->removed;
    pthread_mutex_unlock(&bulk->lock);
    if (last)
        import_free(import);
}

static bool is_over(struct import *import)
{
    pthread_mutex_lock(&import->lock);
    bool over = import_is_over(import);
    pthread_mutex_unlock(&import->lock);
    return over;
}

static void add_last(struct bulk *bulk, struct import *import)
{
    struct import **at = &bulk->first;
    while (*at != NULL)
        at = &(*at)->next;
    *at = import;
}

/* Takes the oldest finished import off the list, if there are too many; to be freed when nobody
 * holds it. */
static void drop_old_ones(struct bulk *bulk)
{
    char path[4096];
    struct err err = {0};
    size_t over = 0;
    pthread_mutex_lock(&bulk->lock);
    for (struct import *import = bulk->first; import != NULL; import = import->next)
        over += is_over(import);
    for (struct import **at = &bulk->first; over > BULK_KEPT && *at != NULL;) {
        struct import *import = *at;
        if (!is_over(import)) {
            at = &import->next;
            continue;
        }
        *at = import->next;
        over--;
        import_path(bulk, import, "report", path, sizeof path);
        unlink(path);
        pthread_mutex_lock(&bulk->lane_lock);
        store_bulk_save(bulk->lane, import->id, bytes_of(NULL, 0), &err);
        pthread_mutex_unlock(&bulk->lane_lock);
        import->removed = true;
        if (import->holders == 0)
            import_free(import);
    }
    pthread_mutex_unlock(&bulk->lock);
}

/* 48 bits of time, then chance: sorts by time. */
static void make_id(char out[static BULK_ID_SIZE])
{
    uint8_t id[16];
    uint64_t now = (uint64_t)clock_wall_ms();
    bytes_random(id, sizeof id);
    for (unsigned i = 0; i < 6; i++)
        id[i] = (uint8_t)(now >> (40 - 8 * i));
    bytes_to_hex(bytes_of(id, sizeof id), out);
}

/* An upload whose sender has gone, as far as anybody can tell: the oldest that nobody feeds. */
static bool give_way(struct bulk *bulk, struct import *import)
{
    struct err unused = {0};
    pthread_mutex_lock(&import->lock);
    bool idle = import->state.status.phase == BULK_UPLOADING && !import->feeding;
    if (idle) {
        import_end(bulk, import, BULK_STOPPED, "the upload was not gone on with");
        import_save(bulk, import, &unused);
    }
    pthread_mutex_unlock(&import->lock);
    return idle;
}

static enum err_code check_room(struct bulk *bulk, struct err *err)
{
    size_t open = 0;
    if (bulk->folder == NULL)
        return err_set(err, ERR_UNSUPPORTED,
                       "imports need a store on disk: store: { backend: sqlite }");
    pthread_mutex_lock(&bulk->lock);
    for (struct import *import = bulk->first; import != NULL; import = import->next)
        open += !is_over(import);
    for (struct import *import = bulk->first; open >= OPEN_MAX && import != NULL;
         import = import->next)
        open -= give_way(bulk, import);
    pthread_mutex_unlock(&bulk->lock);
    if (open >= OPEN_MAX)
        return err_set(err, ERR_BUSY,
                       "%zu imports are open; wait for them, or stop one with: usher import --stop "
                       "ID",
                       open);
    return ERR_OK;
}

enum err_code bulk_begin(struct bulk *bulk, const struct bulk_options *options,
                         char id[static BULK_ID_SIZE], struct err *err)
{
    enum err_code code = check_room(bulk, err);
    if (code != ERR_OK)
        return code;
    struct import *import = import_new();
    if (import == NULL)
        return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    struct bulk_status *status = &import->state.status;
    make_id(import->id);
    strcpy(status->id, import->id);
    status->options = *options;
    status->started_wall_ms = clock_wall_ms();
    code = import_save(bulk, import, err);
    if (code != ERR_OK) {
        import_free(import);
        return code;
    }
    strcpy(id, import->id);
    pthread_mutex_lock(&bulk->lock);
    add_last(bulk, import);
    pthread_mutex_unlock(&bulk->lock);
    drop_old_ones(bulk);
    return ERR_OK;
}

/* ---- uploading ---- */

static enum err_code open_upload(struct bulk *bulk, struct import *import, struct err *err)
{
    char path[4096];
    struct import_state *state = &import->state;
    if (import->row == NULL && (import->row = calloc(1, sizeof *import->row)) == NULL)
        return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    import->row->options = &state->status.options;
    if (state->header[0] != '\0' && import->row->column_count == 0) {
        enum err_code code = csv_header(import->row, bytes_of_text(state->header), err);
        if (code != ERR_OK)
            return code;
    }
    import_path(bulk, import, "report", path, sizeof path);
    import->report_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (import->report_fd < 0 || ftruncate(import->report_fd, (off_t)state->report_len) != 0)
        return err_set(err, ERR_IO, "import: opening the report: %s", strerror(errno));
    import_path(bulk, import, "rows", path, sizeof path);
    enum err_code code =
        spool_open(&import->spool, path, import_salt(import), bulk->config.vault, &state->map, err);
    import->feeding = code == ERR_OK;
    return code;
}

static void close_upload(struct import *import)
{
    if (import->feeding)
        spool_close(&import->spool);
    import->feeding = false;
    if (import->report_fd >= 0)
        close(import->report_fd);
    import->report_fd = -1;
    if (import->row != NULL)
        row_wipe(import->row);
}

static enum err_code flush_report(struct import *import, struct err *err)
{
    enum err_code code =
        report_write(import->report_fd, import->state.report_len, &import->report, err);
    if (code == ERR_OK)
        import->state.report_len += import->report.len;
    buf_reset(&import->report);
    return code;
}

static enum err_code take_header(struct import *import, struct bytes line, bool too_long,
                                 struct err *err)
{
    enum err_code code = ERR_OK;
    if (too_long || line.len >= HEADER_MAX)
        code = err_set(err, ERR_INVALID, "the header is longer than %d bytes", HEADER_MAX - 1);
    else
        code = csv_header(import->row, line, err);
    if (code != ERR_OK) {
        err_prefix(err, "line 1");
        return ERR_INVALID;
    }
    memcpy(import->state.header, line.data, line.len);
    import->state.header[line.len] = '\0';
    return ERR_OK;
}

static enum err_code parse_row(struct bulk *bulk, struct import *import, struct bytes line,
                               bool too_long, struct err *err)
{
    const struct bulk_config *config = &bulk->config;
    row_begin(import->row);
    if (too_long)
        return err_set(err, ERR_TOO_LARGE, "the row is longer than %d bytes", BULK_ROW_MAX);
    enum err_code code = import->state.status.options.format == BULK_CSV
                             ? csv_row(import->row, line, err)
                             : jsonl_row(import->row, line, err);
    /* Without a class the device may be there already, and keep its own; a new one gets it by
     * match. */
    if (code == ERR_OK && config->check != NULL &&
        import->row->device.enrollment.class_name[0] != '\0')
        code = config->check(config->context, &import->row->device.enrollment, err);
    return code;
}

static bool is_blank(struct bytes line, bool too_long)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t')
            return false;
    }
    return !too_long;
}

struct upload {
    struct bulk *bulk;
    struct import *import;
};

static enum err_code take_line(void *context, uint64_t number, struct bytes line, bool too_long,
                               struct err *err)
{
    struct upload *upload = context;
    struct import *import = upload->import;
    struct bulk_status *status = &import->state.status;
    struct err why = {0};
    if (status->options.format == BULK_CSV && number == 1)
        return take_header(import, line, too_long, err);
    if (is_blank(line, too_long))
        return ERR_OK;
    status->rows++;
    enum err_code code = parse_row(upload->bulk, import, line, too_long, &why);
    if (code == ERR_NO_MEMORY) {
        *err = why;
        return code;
    }
    if (code != ERR_OK) {
        status->bad++;
        report_bad_row(import, number, bytes_of_text(import->row->device.enrollment.endpoint),
                       why.text);
        return import->report.len >= REPORT_FLUSH ? flush_report(import, err) : ERR_OK;
    }
    buf_reset(&import->packed);
    if (!store_row_pack(&import->row->device, import->row->given, &import->packed))
        return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    return spool_add(&import->spool, number, buf_bytes(&import->packed), err);
}

static enum err_code check_uploading(const struct import *import, struct err *err)
{
    enum bulk_phase phase = import->state.status.phase;
    if (phase == BULK_UPLOADING && !atomic_load(&import->stopping))
        return ERR_OK;
    return err_set(err, ERR_CONFLICT, "the import is %s and takes no more rows%s%s",
                   bulk_phase_name(phase), import->state.status.error[0] != '\0' ? ": " : "",
                   import->state.status.error);
}

static enum err_code check_offset(const struct import *import, uint64_t offset, struct err *err)
{
    if (offset == import->state.status.offset)
        return ERR_OK;
    return err_set(err, ERR_CONFLICT, "the import goes on at offset %" PRIu64 ", not %" PRIu64,
                   import->state.status.offset, offset);
}

/* A wrong header ends the import at once. */
static void fail_upload(struct bulk *bulk, struct import *import, const struct err *err)
{
    struct err unused = {0};
    close_upload(import);
    import_end(bulk, import, BULK_FAILED, err->text);
    import_save(bulk, import, &unused);
}

/* Back to what is durable, as after a restart: the upload can go on from there. */
static void fall_back(struct import *import)
{
    struct import_state *state = &import->state;
    close_upload(import);
    lines_clear(&import->lines);
    lines_init(&import->lines);
    import->lines.number = state->line;
    state->status.offset = state->durable_offset;
}

enum err_code bulk_feed(struct bulk *bulk, const char *id, uint64_t offset, struct bytes data,
                        struct err *err)
{
    struct import *import = find_and_hold(bulk, id, err);
    if (import == NULL)
        return ERR_NOT_FOUND;
    struct upload upload = {bulk, import};
    pthread_mutex_lock(&import->lock);
    enum err_code code = check_uploading(import, err);
    if (code == ERR_OK)
        code = check_offset(import, offset, err);
    if (code == ERR_OK && !import->feeding)
        code = open_upload(bulk, import, err);
    if (code == ERR_OK) {
        code = lines_feed(&import->lines, data, take_line, &upload, err);
        import->state.status.offset += data.len;
        if (code == ERR_INVALID)
            fail_upload(bulk, import, err);
        else if (code != ERR_OK)
            fall_back(import);
    }
    pthread_mutex_unlock(&import->lock);
    let_go(bulk, import);
    return code;
}

static enum err_code settle(struct bulk *bulk, struct import *import, bool last, struct err *err)
{
    struct upload upload = {bulk, import};
    struct import_state *state = &import->state;
    enum err_code code = import->feeding ? ERR_OK : open_upload(bulk, import, err);
    if (code == ERR_OK && last)
        code = lines_end(&import->lines, take_line, &upload, err);
    if (code == ERR_OK && last && state->status.options.format == BULK_CSV &&
        state->header[0] == '\0')
        code = err_set(err, ERR_INVALID,
                       "line 1: the file is empty; the first line names the "
                       "columns");
    if (code == ERR_OK)
        code = spool_flush(&import->spool, err);
    if (code == ERR_OK)
        code = flush_report(import, err);
    if (code != ERR_OK)
        return code;
    close_upload(import);
    state->line = import->lines.number;
    state->durable_offset = state->status.offset - import->lines.partial.len;
    if (import->lines.too_long) /* its begin is gone: the line is read again from there */
        state->durable_offset = state->status.offset;
    if (last)
        state->status.phase = BULK_MERGING;
    return import_save(bulk, import, err);
}

enum err_code bulk_settle(struct bulk *bulk, const char *id, bool last, struct err *err)
{
    struct import *import = find_and_hold(bulk, id, err);
    if (import == NULL)
        return ERR_NOT_FOUND;
    pthread_mutex_lock(&import->lock);
    enum err_code code = check_uploading(import, err);
    if (code == ERR_OK) {
        code = settle(bulk, import, last, err);
        if (code == ERR_INVALID)
            fail_upload(bulk, import, err);
        else if (code != ERR_OK)
            fall_back(import);
    }
    pthread_mutex_unlock(&import->lock);
    let_go(bulk, import);
    pthread_mutex_lock(&bulk->lock);
    pthread_cond_signal(&bulk->wake);
    pthread_mutex_unlock(&bulk->lock);
    return code;
}

void bulk_leave(struct bulk *bulk, const char *id)
{
    struct err unused = {0};
    struct import *import = find_and_hold(bulk, id, &unused);
    if (import == NULL)
        return;
    pthread_mutex_lock(&import->lock);
    if (import->feeding)
        fall_back(import);
    pthread_mutex_unlock(&import->lock);
    let_go(bulk, import);
}

enum err_code bulk_cancel(struct bulk *bulk, const char *id, struct err *err)
{
    struct import *import = find_and_hold(bulk, id, err);
    enum err_code code = ERR_OK;
    if (import == NULL)
        return ERR_NOT_FOUND;
    pthread_mutex_lock(&import->lock);
    if (!import_is_over(import))
        atomic_store(&import->stopping, true); /* the thread sees it after its chunk */
    if (import->state.status.phase == BULK_UPLOADING) {
        close_upload(import);
        import_end(bulk, import, BULK_STOPPED, "it was stopped");
        code = import_save(bulk, import, err);
    }
    pthread_mutex_unlock(&import->lock);
    let_go(bulk, import);
    return code;
}

/* ---- asking ---- */

static void copy_status(struct import *import, struct bulk_status *out)
{
    pthread_mutex_lock(&import->lock);
    *out = import->state.status;
    pthread_mutex_unlock(&import->lock);
}

enum err_code bulk_status(struct bulk *bulk, const char *id, struct bulk_status *out,
                          struct err *err)
{
    struct import *import = find_and_hold(bulk, id, err);
    if (import == NULL)
        return ERR_NOT_FOUND;
    copy_status(import, out);
    let_go(bulk, import);
    return ERR_OK;
}

size_t bulk_list(struct bulk *bulk, struct bulk_status *out, size_t cap)
{
    size_t count = 0, skip = 0, at = 0;
    pthread_mutex_lock(&bulk->lock);
    for (const struct import *import = bulk->first; import != NULL; import = import->next)
        count++;
    skip = count > cap ? count - cap : 0;
    count -= skip;
    for (struct import *import = bulk->first; import != NULL; import = import->next, at++) {
        if (at >= skip)
            copy_status(import, &out[count - 1 - (at - skip)]);
    }
    pthread_mutex_unlock(&bulk->lock);
    return count;
}

enum err_code bulk_report(struct bulk *bulk, const char *id, int *fd, uint64_t *len,
                          struct err *err)
{
    char path[4096];
    struct import *import = find_and_hold(bulk, id, err);
    if (import == NULL)
        return ERR_NOT_FOUND;
    pthread_mutex_lock(&import->lock);
    *len = import->state.report_len;
    pthread_mutex_unlock(&import->lock);
    import_path(bulk, import, "report", path, sizeof path);
    let_go(bulk, import);
    *fd = open(path, O_RDONLY | O_CLOEXEC | (*len == 0 ? O_CREAT : 0), 0600);
    if (*fd < 0)
        return err_set(err, ERR_IO, "import: the report cannot be read: %s", strerror(errno));
    return ERR_OK;
}

/* ---- the thread ---- */

static struct import *next_to_merge(struct bulk *bulk)
{
    for (struct import *import = bulk->first; import != NULL; import = import->next) {
        pthread_mutex_lock(&import->lock);
        enum bulk_phase phase = import->state.status.phase;
        pthread_mutex_unlock(&import->lock);
        if (phase == BULK_MERGING || phase == BULK_CHECKING)
            return import;
    }
    return NULL;
}

static void *run(void *argument)
{
    struct bulk *bulk = argument;
    pthread_mutex_lock(&bulk->lock);
    while (!atomic_load(&bulk->closing)) {
        struct import *import = next_to_merge(bulk);
        if (import == NULL) {
            pthread_cond_wait(&bulk->wake, &bulk->lock);
            continue;
        }
        import->holders++;
        pthread_mutex_unlock(&bulk->lock);
        merge_import(bulk, import);
        let_go(bulk, import);
        pthread_mutex_lock(&bulk->lock);
    }
    pthread_mutex_unlock(&bulk->lock);
    return NULL;
}

static bool load_import(void *context, const char *id, struct bytes packed)
{
    struct bulk *bulk = context;
    struct import *import = import_new();
    if (import == NULL || !import_unpack(packed, &import->state) || strlen(id) >= BULK_ID_SIZE) {
        import_free(import);
        log_event(LOG_WARNING, "import.unreadable", LOG_TEXT("import", id));
        return true;
    }
    strcpy(import->id, id);
    strcpy(import->state.status.id, id);
    import->lines.number = import->state.line;
    add_last(bulk, import);
    return true;
}

static enum err_code prepare_folder(struct bulk *bulk, const char *folder, struct err *err)
{
    if (folder == NULL)
        return ERR_OK;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return err_set(err, ERR_IO, "import: cannot make the folder '%s' (%s)", folder,
                       strerror(errno));
    bulk->folder = strdup(folder);
    return bulk->folder != NULL ? ERR_OK : err_set(err, ERR_NO_MEMORY, "import: out of memory");
}

static enum err_code start_thread(struct bulk *bulk, struct err *err)
{
    sigset_t all, before; /* signals are for the program's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&bulk->thread, NULL, run, bulk);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return err_set(err, ERR_IO, "import: cannot start a thread: %s", strerror(failed));
    pthread_setname_np(bulk->thread, "usher-import");
    bulk->running = true;
    return ERR_OK;
}

enum err_code bulk_open(const struct bulk_config *config, struct bulk **out, struct err *err)
{
    struct bulk *bulk = calloc(1, sizeof *bulk);
    if (bulk == NULL)
        return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    bulk->config = *config;
    pthread_mutex_init(&bulk->lock, NULL);
    pthread_mutex_init(&bulk->lane_lock, NULL);
    pthread_cond_init(&bulk->wake, NULL);
    enum err_code code = prepare_folder(bulk, config->folder, err);
    if (code == ERR_OK)
        code = store_lane_open(config->store, &bulk->lane, err);
    if (code == ERR_OK)
        code = store_lane_open(config->store, &bulk->merge_lane, err);
    if (code == ERR_OK)
        code = store_bulk_load(bulk->lane, load_import, bulk, err);
    if (code == ERR_OK)
        code = start_thread(bulk, err);
    if (code == ERR_OK)
        *out = bulk;
    else
        bulk_close(bulk);
    return code;
}

void bulk_close(struct bulk *bulk)
{
    if (bulk == NULL)
        return;
    atomic_store(&bulk->closing, true);
    pthread_mutex_lock(&bulk->lock);
    pthread_cond_signal(&bulk->wake);
    pthread_mutex_unlock(&bulk->lock);
    if (bulk->running)
        pthread_join(bulk->thread, NULL);
    while (bulk->first != NULL) {
        struct import *import = bulk->first;
        bulk->first = import->next;
        close_upload(import);
        import_free(import);
    }
    store_lane_close(bulk->lane);
    store_lane_close(bulk->merge_lane);
    pthread_cond_destroy(&bulk->wake);
    pthread_mutex_destroy(&bulk->lane_lock);
    pthread_mutex_destroy(&bulk->lock);
    free(bulk->folder);
    free(bulk);
}
