/* Imports as they are kept in the store. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "import_priv.h"

#include "usher/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATE_VERSION = 1, STATE_MAX = 65536 };

struct import *import_new(void)
{
    struct import *import = calloc(1, sizeof *import);
    if (import == NULL)
        return NULL;
    pthread_mutex_init(&import->lock, NULL);
    lines_init(&import->lines);
    buf_init(&import->packed, 2 * BULK_ROW_MAX);
    buf_init(&import->report, 1 << 20);
    import->report_fd = import->spool.fd = -1;
    return import;
}

void import_free(struct import *import)
{
    if (import == NULL)
        return;
    lines_clear(&import->lines);
    buf_clear(&import->packed);
    buf_clear(&import->report);
    if (import->row != NULL)
        row_wipe(import->row);
    free(import->row);
    pthread_mutex_destroy(&import->lock);
    free(import);
}

static void put_text(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    buf_put_u16(out, (uint16_t)len);
    buf_put(out, text, len);
}

static bool take_text(struct reader *reader, char *out, size_t size)
{
    struct bytes text = reader_take(reader, reader_u16(reader));
    if (reader->failed || text.len >= size)
        return false;
    if (text.len > 0)
        memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return true;
}

bool import_pack(const struct import_state *state, struct buf *out)
{
    const struct bulk_status *status = &state->status;
    const struct bulk_options *options = &status->options;
    buf_put_u8(out, STATE_VERSION);
    buf_put_u8(out, (uint8_t)options->format);
    buf_put_u8(out, (uint8_t)options->conflict);
    buf_put_u8(out, options->dry_run);
    buf_put_u8(out, options->report_all);
    put_text(out, options->class_name);
    put_text(out, options->batch);
    put_text(out, options->actor);
    put_text(out, options->station);
    buf_put_u8(out, (uint8_t)status->phase);
    buf_put_u64(out, status->rows);
    buf_put_u64(out, status->bad);
    buf_put_u64(out, status->looked);
    for (size_t i = 0; i < STORE_ROW_VERDICTS; i++)
        buf_put_u64(out, status->verdicts[i]);
    buf_put_u64(out, (uint64_t)status->started_wall_ms);
    buf_put_u64(out, (uint64_t)status->changed_wall_ms);
    put_text(out, status->error);
    buf_put_u64(out, state->durable_offset);
    buf_put_u64(out, state->line);
    buf_put_u64(out, state->report_len);
    put_text(out, state->header);
    put_text(out, state->merged_to);
    buf_put_u64(out, state->merged_line);
    buf_put_u64(out, state->map.size);
    buf_put_u16(out, (uint16_t)state->map.run_count);
    for (size_t i = 0; i < state->map.run_count; i++) {
        buf_put_u64(out, state->map.runs[i].offset);
        buf_put_u64(out, state->map.runs[i].len);
    }
    return !out->failed;
}

static bool unpack_status(struct reader *reader, struct bulk_status *status)
{
    struct bulk_options *options = &status->options;
    options->format = (enum bulk_format)reader_u8(reader);
    options->conflict = (enum store_conflict)reader_u8(reader);
    options->dry_run = reader_u8(reader) != 0;
    options->report_all = reader_u8(reader) != 0;
    if (!take_text(reader, options->class_name, sizeof options->class_name) ||
        !take_text(reader, options->batch, sizeof options->batch) ||
        !take_text(reader, options->actor, sizeof options->actor) ||
        !take_text(reader, options->station, sizeof options->station))
        return false;
    status->phase = (enum bulk_phase)reader_u8(reader);
    status->rows = reader_u64(reader);
    status->bad = reader_u64(reader);
    status->looked = reader_u64(reader);
    for (size_t i = 0; i < STORE_ROW_VERDICTS; i++)
        status->verdicts[i] = reader_u64(reader);
    status->started_wall_ms = (int64_t)reader_u64(reader);
    status->changed_wall_ms = (int64_t)reader_u64(reader);
    return take_text(reader, status->error, sizeof status->error) && status->phase < BULK_PHASES &&
           options->format <= BULK_JSONL && options->conflict <= STORE_CONFLICT_FAIL;
}

bool import_unpack(struct bytes packed, struct import_state *state)
{
    struct reader reader;
    reader_init(&reader, packed);
    if (reader_u8(&reader) != STATE_VERSION || !unpack_status(&reader, &state->status))
        return false;
    state->durable_offset = state->status.offset = reader_u64(&reader);
    state->line = reader_u64(&reader);
    state->report_len = reader_u64(&reader);
    if (!take_text(&reader, state->header, sizeof state->header) ||
        !take_text(&reader, state->merged_to, sizeof state->merged_to))
        return false;
    state->merged_line = reader_u64(&reader);
    state->map.size = reader_u64(&reader);
    state->map.run_count = reader_u16(&reader);
    if (state->map.run_count > SPOOL_RUNS_MAX)
        return false;
    for (size_t i = 0; i < state->map.run_count; i++) {
        state->map.runs[i].offset = reader_u64(&reader);
        state->map.runs[i].len = reader_u64(&reader);
    }
    return !reader.failed;
}

void import_path(const struct bulk *bulk, const struct import *import, const char *suffix,
                 char *out, size_t size)
{
    snprintf(out, size, "%s/%s.%s", bulk->folder, import->id, suffix);
}

uint64_t import_salt(const struct import *import)
{
    uint8_t data[16] = {0};
    struct reader reader;
    size_t len = 0;
    /* The id's second half: chance, where the first begins with the time. */
    bytes_from_hex(import->id, strlen(import->id), data, sizeof data, &len);
    reader_init(&reader, bytes_of(data + 8, 8));
    return reader_u64(&reader);
}

enum err_code import_save(struct bulk *bulk, struct import *import, struct err *err)
{
    struct buf packed;
    buf_init(&packed, STATE_MAX);
    import->state.status.changed_wall_ms = clock_wall_ms();
    enum err_code code = ERR_NO_MEMORY;
    if (import_pack(&import->state, &packed)) {
        pthread_mutex_lock(&bulk->lane_lock);
        code = store_bulk_save(bulk->lane, import->id, buf_bytes(&packed), err);
        pthread_mutex_unlock(&bulk->lane_lock);
    } else {
        err_set(err, code, "import: out of memory");
    }
    buf_clear(&packed);
    if (code == ERR_OK && bulk->config.changed != NULL)
        bulk->config.changed(bulk->config.context, &import->state.status);
    return code;
}

bool import_is_over(const struct import *import)
{
    return import->state.status.phase >= BULK_DONE;
}

void import_end(struct bulk *bulk, struct import *import, enum bulk_phase phase, const char *error)
{
    char path[4096];
    struct bulk_status *status = &import->state.status;
    status->phase = phase;
    snprintf(status->error, sizeof status->error, "%s", error);
    import->state.map.size = 0;
    import->state.map.run_count = 0;
    import_path(bulk, import, "rows", path, sizeof path);
    unlink(path);
}
