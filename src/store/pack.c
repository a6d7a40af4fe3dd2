/* The packed columns of an outcome. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "pack_priv.h"

#include <string.h>

enum { STEPS_VERSION = 1 };

void steps_pack(const struct outcome *outcome, struct buf *out)
{
    if (outcome->step_count == 0)
        return;
    buf_put_u8(out, STEPS_VERSION);
    for (size_t i = 0; i < outcome->step_count && i < OUTCOME_STEPS_MAX; i++) {
        const struct outcome_step *step = &outcome->steps[i];
        buf_put_u8(out, step->operation);
        buf_put_u8(out, step->code);
        buf_put_u16(out, step->attempts);
        buf_put_u32(out, step->duration_ms);
        uint8_t depth = step->path.depth < PATH_DEPTH_MAX ? step->path.depth : PATH_DEPTH_MAX;
        buf_put_u8(out, depth);
        for (size_t level = 0; level < depth; level++)
            buf_put_u16(out, step->path.ids[level]);
    }
}

static void read_step(struct reader *reader, struct outcome_step *step)
{
    step->operation = reader_u8(reader);
    step->code = reader_u8(reader);
    step->attempts = reader_u16(reader);
    step->duration_ms = reader_u32(reader);
    step->path.depth = reader_u8(reader);
    if (step->path.depth > PATH_DEPTH_MAX)
        reader->failed = true;
    for (size_t level = 0; !reader->failed && level < step->path.depth; level++)
        step->path.ids[level] = reader_u16(reader);
}

bool steps_unpack(struct bytes packed, struct outcome *outcome)
{
    outcome->step_count = 0;
    if (packed.len == 0)
        return true;
    struct reader reader;
    reader_init(&reader, packed);
    if (reader_u8(&reader) != STEPS_VERSION)
        return false;
    while (reader_left(&reader) > 0 && !reader.failed) {
        if (outcome->step_count == OUTCOME_STEPS_MAX)
            return false;
        read_step(&reader, &outcome->steps[outcome->step_count++]);
    }
    return !reader.failed;
}

void warnings_pack(const struct outcome *outcome, struct buf *out)
{
    for (size_t i = 0; i < outcome->warning_count && i < OUTCOME_WARNINGS_MAX; i++)
        buf_put(out, outcome->warnings[i], strlen(outcome->warnings[i]) + 1);
}

bool warnings_unpack(struct bytes packed, struct outcome *outcome)
{
    const uint8_t *line = packed.data, *end = packed.data + packed.len;
    outcome->warning_count = 0;
    while (line < end) {
        const uint8_t *stop = memchr(line, '\0', (size_t)(end - line));
        size_t len = stop != NULL ? (size_t)(stop - line) : SIZE_MAX;
        if (len >= sizeof outcome->warnings[0] || outcome->warning_count == OUTCOME_WARNINGS_MAX)
            return false;
        memcpy(outcome->warnings[outcome->warning_count++], line, len + 1);
        line = stop + 1;
    }
    return true;
}
