/* Rows of an import: their packed form, and what each means for the device that is stored. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bulk_priv.h"
#include "device_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- packed form: the endpoint first, by which rows are sorted ---- */

static void put_short(struct buf *out, struct bytes data)
{
    buf_put_u8(out, (uint8_t)data.len);
    buf_put_bytes(out, data);
}

static void put_secret(struct buf *out, const struct secret *key)
{
    buf_put_u16(out, key->len);
    buf_put_bytes(out, secret_bytes(key));
}

bool store_row_pack(const struct store_device *device, unsigned given, struct buf *out)
{
    const struct enrollment *enrollment = &device->enrollment;
    put_short(out, bytes_of_text(enrollment->endpoint));
    buf_put_u8(out, (uint8_t)given);
    buf_put_u8(out, enrollment->blocked);
    put_short(out, bytes_of_text(enrollment->class_name));
    put_short(out, identity_bytes(&enrollment->identity));
    put_secret(out, &device->bootstrap_key);
    buf_put_u8(out, (uint8_t)enrollment->credential_count);
    for (size_t i = 0; i < enrollment->credential_count; i++) {
        buf_put_u16(out, enrollment->credentials[i].ssid);
        buf_put_u8(out, (uint8_t)enrollment->credentials[i].kind);
        put_short(out, identity_bytes(&enrollment->credentials[i].identity));
        put_secret(out, &device->keys[i]);
    }
    tags_to_text(enrollment, out); /* to the end */
    return !out->failed;
}

struct bytes store_row_endpoint(struct bytes packed)
{
    struct reader reader;
    reader_init(&reader, packed);
    return reader_take(&reader, reader_u8(&reader));
}

struct bytes store_row_identity(struct bytes packed)
{
    struct reader reader;
    reader_init(&reader, packed);
    struct bytes endpoint = reader_take(&reader, reader_u8(&reader));
    unsigned given = reader_u8(&reader);
    reader_u8(&reader);                       /* blocked */
    reader_take(&reader, reader_u8(&reader)); /* class */
    struct bytes identity = reader_take(&reader, reader_u8(&reader));
    bool has_key = (given & STORE_GIVEN_KEY) != 0 && reader_u16(&reader) > 0;
    return identity.len > 0 || !has_key ? identity : endpoint;
}

static bool take_text(struct reader *reader, char *out, size_t size)
{
    struct bytes text = reader_take(reader, reader_u8(reader));
    if (reader->failed || text.len >= size)
        return false;
    if (text.len > 0)
        memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return true;
}

static bool take_identity(struct reader *reader, struct identity *out)
{
    struct bytes data = reader_take(reader, reader_u8(reader));
    return !reader->failed && (data.len == 0 || identity_set(out, data));
}

static bool take_secret(struct reader *reader, struct secret *out)
{
    struct bytes data = reader_take(reader, reader_u16(reader));
    return !reader->failed && secret_set(out, data);
}

static bool take_credentials(struct reader *reader, struct store_device *out)
{
    struct enrollment *enrollment = &out->enrollment;
    enrollment->credential_count = reader_u8(reader);
    if (enrollment->credential_count > SERVERS_MAX)
        return false;
    for (size_t i = 0; i < enrollment->credential_count; i++) {
        struct enrolled_credential *credential = &enrollment->credentials[i];
        credential->ssid = reader_u16(reader);
        credential->kind = (enum credential_kind)reader_u8(reader);
        credential->status = CREDENTIAL_ACTIVE;
        if (credential->kind >= CREDENTIAL_KIND_COUNT ||
            !take_identity(reader, &credential->identity) || !take_secret(reader, &out->keys[i]))
            return false;
        credential->key_len = out->keys[i].len;
    }
    return true;
}

static bool unpack(struct bytes packed, struct store_device *out, unsigned *given)
{
    struct enrollment *enrollment = &out->enrollment;
    struct reader reader;
    reader_init(&reader, packed);
    if (!take_text(&reader, enrollment->endpoint, sizeof enrollment->endpoint))
        return false;
    *given = reader_u8(&reader);
    enrollment->blocked = reader_u8(&reader) != 0;
    if (!take_text(&reader, enrollment->class_name, sizeof enrollment->class_name) ||
        !take_identity(&reader, &enrollment->identity) ||
        !take_secret(&reader, &out->bootstrap_key) || !take_credentials(&reader, out))
        return false;
    struct bytes tags = reader_take(&reader, reader_left(&reader));
    return tags_from_text((const char *)tags.data, tags.len, enrollment);
}

/* ---- deciding ---- */

struct bulk_work *bulk_work_new(void)
{
    return calloc(1, sizeof(struct bulk_work));
}

void bulk_work_reset(struct bulk_work *work)
{
    store_device_clear(&work->given);
    work->completed.enrollment.tags = NULL; /* they are ours */
    store_device_clear(&work->completed);
}

void bulk_work_free(struct bulk_work *work)
{
    if (work == NULL)
        return;
    bulk_work_reset(work);
    free(work);
}

bool bulk_fail_row(struct store_bulk_row *row, const char *why)
{
    row->verdict = STORE_ROW_FAILED;
    free(row->why);
    row->why = strdup(why);
    return row->why != NULL;
}

static void copy_tags(struct bulk_work *work, const struct enrollment *from)
{
    struct enrollment *to = &work->completed.enrollment;
    for (size_t i = 0; i < from->tag_count && i < TAGS_MAX; i++)
        work->tags[i] = from->tags[i];
    to->tags = work->tags;
    to->tag_count = from->tag_count;
}

/* False: there would be too many. */
static bool merge_tags(struct bulk_work *work, const struct enrollment *stored)
{
    struct enrollment *to = &work->completed.enrollment;
    const struct enrollment *given = &work->given.enrollment;
    copy_tags(work, stored);
    for (size_t i = 0; i < given->tag_count; i++) {
        size_t at = 0;
        while (at < to->tag_count && strcmp(work->tags[at].name, given->tags[i].name) != 0)
            at++;
        if (at == TAGS_MAX)
            return false;
        work->tags[at] = given->tags[i];
        to->tag_count += at == to->tag_count;
    }
    return true;
}

/* The row's own data; server credentials are only ever added. */
static void take_given(struct bulk_work *work)
{
    struct store_device *to = &work->completed;
    const struct store_device *from = &work->given;
    *to = *from;
    to->enrollment.tags = NULL;
    to->enrollment.tag_count = 0;
    copy_tags(work, &from->enrollment);
}

/* What the row does not say stays as it is stored; of `replace` only the key, since nobody wants a
 * device to be locked out by a file without keys. */
static bool complete(struct bulk_work *work, const struct store_device *stored, unsigned given,
                     enum store_conflict conflict)
{
    struct enrollment *to = &work->completed.enrollment;
    bool keep = conflict != STORE_CONFLICT_REPLACE;
    take_given(work);
    bool both_keyless = store_device_is_keyless(&work->given) && store_device_is_keyless(stored);
    if (!(given & STORE_GIVEN_KEY) || both_keyless) {
        work->completed.bootstrap_key = stored->bootstrap_key;
        work->completed.group_id = stored->group_id;
    }
    if (identity_is_pin(&to->identity)) { /* in place of a key */
        work->completed.bootstrap_key.len = 0;
        work->completed.group_id = 0;
    }
    if (device_keeps_key(stored, &work->completed))
        work->completed.bootstrap_key = stored->bootstrap_key;
    if (!(given & STORE_GIVEN_IDENTITY) && (keep || !(given & STORE_GIVEN_KEY)))
        to->identity = stored->enrollment.identity;
    if (!(given & STORE_GIVEN_CLASS) && keep)
        strcpy(to->class_name, stored->enrollment.class_name);
    if (!(given & STORE_GIVEN_BLOCKED))
        to->blocked = stored->enrollment.blocked;
    return !keep || merge_tags(work, &stored->enrollment);
}

static bool same_credentials(const struct store_device *given, const struct store_device *stored)
{
    for (size_t i = 0; i < given->enrollment.credential_count; i++) {
        const struct enrolled_credential *credential = &given->enrollment.credentials[i];
        const struct enrolled_credential *active =
            enrollment_credential(&stored->enrollment, credential->ssid, CREDENTIAL_ACTIVE);
        if (active == NULL || active->kind != credential->kind ||
            !bytes_equal(identity_bytes(&active->identity),
                         identity_bytes(&credential->identity)) ||
            !secret_equal(&given->keys[i], &stored->keys[active - stored->enrollment.credentials]))
            return false;
    }
    return true;
}

static unsigned find_changes(const struct store_device *wanted, const struct store_device *stored)
{
    const struct enrollment *a = &wanted->enrollment, *b = &stored->enrollment;
    unsigned changes = 0;
    if (strcmp(a->class_name, b->class_name) != 0)
        changes |= STORE_GIVEN_CLASS;
    if (!bytes_equal(identity_bytes(&a->identity), identity_bytes(&b->identity)))
        changes |= STORE_GIVEN_IDENTITY;
    if (!secret_equal(&wanted->bootstrap_key, &stored->bootstrap_key))
        changes |= STORE_GIVEN_KEY;
    if (a->blocked != b->blocked)
        changes |= STORE_GIVEN_BLOCKED;
    if (!enrollment_same_tags(a, b))
        changes |= STORE_GIVEN_TAGS;
    if (!same_credentials(wanted, stored))
        changes |= STORE_GIVEN_CREDENTIALS;
    return changes;
}

static bool decide_new(struct bulk_work *work, struct store_bulk_row *row, unsigned given)
{
    struct enrollment *to = &work->completed.enrollment;
    take_given(work);
    if (!(given & STORE_GIVEN_KEY) && !identity_is_pin(&to->identity))
        return bulk_fail_row(row, "a new device needs a key, or an identity that stands for its "
                                  "certificate; or no_key, true, if a CA names it");
    if (to->identity.len == 0 && work->completed.bootstrap_key.len > 0 &&
        !identity_set(&to->identity, bytes_of_text(to->endpoint)))
        return bulk_fail_row(row, "the endpoint is too long to serve as identity; give one");
    row->verdict = STORE_ROW_CREATED;
    row->changes = given;
    return true;
}

static bool decide_known(struct bulk_work *work, struct store_bulk_row *row,
                         const struct store_device *stored, unsigned given,
                         enum store_conflict conflict)
{
    if (!complete(work, stored, given, conflict))
        return bulk_fail_row(row, "the device would have too many tags");
    struct enrollment *to = &work->completed.enrollment;
    if (to->identity.len == 0 && work->completed.bootstrap_key.len > 0 &&
        !identity_set(&to->identity, bytes_of_text(to->endpoint)))
        return bulk_fail_row(row, "the endpoint is too long to serve as identity; give one");
    row->changes = find_changes(&work->completed, stored);
    if (row->changes == 0)
        row->verdict = STORE_ROW_UNCHANGED;
    else if (conflict == STORE_CONFLICT_FAIL)
        return bulk_fail_row(row, "it is enrolled with other data");
    else
        row->verdict = conflict == STORE_CONFLICT_SKIP ? STORE_ROW_SKIPPED : STORE_ROW_CHANGED;
    return true;
}

bool bulk_decide(struct bulk_work *work, struct store_bulk_row *row,
                 const struct store_device *stored, enum store_conflict conflict)
{
    unsigned given = 0;
    if (!unpack(row->packed, &work->given, &given))
        return bulk_fail_row(row, "the row was damaged while it waited");
    return stored == NULL ? decide_new(work, row, given)
                          : decide_known(work, row, stored, given, conflict);
}
