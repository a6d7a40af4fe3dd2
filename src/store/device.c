/* A device's own data: checks, comparison, and the text form of its tags. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

bool store_device_is_keyless(const struct store_device *device)
{
    return device->bootstrap_key.len == 0 && device->enrollment.identity.len == 0;
}

void store_device_clear(struct store_device *device)
{
    for (size_t i = 0; i < device->enrollment.credential_count; i++)
        blob_unref(device->publics[i]);
    enrollment_clear(&device->enrollment);
    bytes_wipe(device, sizeof *device);
}

void device_reset(struct store_device *device)
{
    struct enrollment *enrollment = &device->enrollment;
    size_t used = enrollment->credential_count;
    for (size_t i = 0; i < used; i++)
        blob_unref(device->publics[i]);
    free(enrollment->tags);
    memset(enrollment, 0, offsetof(struct enrollment, credentials));
    memset(enrollment->credentials, 0, used * sizeof enrollment->credentials[0]);
    enrollment->credential_count = enrollment->tag_count = 0;
    enrollment->tags = NULL;
    /* Its keys, and the group they are of. */
    bytes_wipe(&device->bootstrap_key,
               offsetof(struct store_device, keys) - offsetof(struct store_device, bootstrap_key));
    bytes_wipe(device->keys, used * sizeof device->keys[0]);
    memset(device->publics, 0, used * sizeof device->publics[0]);
    memset(&device->state, 0, sizeof *device - offsetof(struct store_device, state));
}

bool store_device_copy(struct store_device *to, const struct store_device *from)
{
    struct enrollment enrollment;
    if (!enrollment_copy(&enrollment, &from->enrollment)) {
        *to = (struct store_device){0};
        return false;
    }
    *to = *from;
    to->enrollment = enrollment;
    for (size_t i = 0; i < enrollment.credential_count; i++)
        blob_ref(to->publics[i]);
    return true;
}

static enum err_code check_credentials(const struct enrollment *enrollment, struct err *err)
{
    if (enrollment->credential_count > SERVERS_MAX)
        return err_set(err, ERR_RANGE, "%zu server credentials are given; at most %d are allowed",
                       enrollment->credential_count, SERVERS_MAX);
    for (size_t i = 0; i < enrollment->credential_count; i++) {
        uint16_t ssid = enrollment->credentials[i].ssid;
        if (ssid == 0 || ssid == UINT16_MAX)
            return err_set(err, ERR_RANGE, "server %u: Short Server IDs are 1 to 65534", ssid);
        if (enrollment->credentials[i].public_len > PUBLIC_PART_MAX)
            return err_set(err, ERR_RANGE, "server %u: its certificates have more than %d bytes",
                           ssid, PUBLIC_PART_MAX);
        for (size_t j = 0; j < i; j++) {
            if (enrollment->credentials[j].ssid == ssid)
                return err_set(err, ERR_INVALID, "server %u has two credentials", ssid);
        }
    }
    return ERR_OK;
}

static enum err_code check_tags(const struct enrollment *enrollment, struct err *err)
{
    if (enrollment->tag_count > TAGS_MAX)
        return err_set(err, ERR_RANGE, "%zu tags are given; at most %d are allowed",
                       enrollment->tag_count, TAGS_MAX);
    for (size_t i = 0; i < enrollment->tag_count; i++) {
        const struct tag *tag = &enrollment->tags[i];
        enum err_code code = enrollment_check_tag(tag->name, tag->value, err);
        if (code != ERR_OK)
            return code;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(enrollment->tags[j].name, tag->name) == 0)
                return err_set(err, ERR_INVALID, "tag '%s' is given twice", tag->name);
        }
    }
    return ERR_OK;
}

enum err_code store_no_credential(uint16_t ssid, struct err *err)
{
    return err_set(err, ERR_CONFLICT,
                   "the device has no credential for server %u yet; its place is picked when it "
                   "bootstraps",
                   ssid);
}

enum err_code device_check(const struct store_device *device, struct err *err)
{
    const struct enrollment *enrollment = &device->enrollment;
    enum err_code code = enrollment_check_endpoint(bytes_of_text(enrollment->endpoint), err);
    if (code == ERR_OK && enrollment->class_name[0] != '\0')
        code = enrollment_check_class(bytes_of_text(enrollment->class_name), err);
    if (code == ERR_OK && enrollment->identity.len > 0)
        code = enrollment_check_identity(identity_bytes(&enrollment->identity), err);
    bool has_key = device->bootstrap_key.len > 0, pinned = identity_is_pin(&enrollment->identity);
    bool lacks = enrollment->identity.len > 0 ? !has_key && device->group_id == 0 : has_key;
    if (code == ERR_OK && pinned && (has_key || device->group_id != 0))
        code = err_set(err, ERR_INVALID,
                       "this identity stands for a certificate: it goes without a key");
    else if (code == ERR_OK && !pinned && lacks)
        code = err_set(err, ERR_INVALID, "a bootstrap identity and its key go together");
    if (code == ERR_OK)
        code = check_credentials(enrollment, err);
    if (code == ERR_OK)
        code = check_tags(enrollment, err);
    return code;
}

void device_add_key(struct store_device *device, const struct secret *key)
{
    if (key->len == 0)
        return;
    assert(device->other_key_count < OTHER_KEYS_MAX);
    device->other_keys[device->other_key_count++] = *key;
}

bool device_was_rekeyed(const struct store_device *device)
{
    return enrollment_credential(&device->enrollment, 0, CREDENTIAL_ACTIVE) != NULL;
}

bool device_keeps_key(const struct store_device *stored, const struct store_device *given)
{
    if (stored->group_id != given->group_id)
        return false;
    bool keeps =
        secret_equal(&stored->bootstrap_key, &given->bootstrap_key) ||
        (device_was_rekeyed(stored) && secret_equal(&stored->enrolled_key, &given->bootstrap_key));
    /* Whoever read the device before its last bootstrap and changes something else now. */
    for (size_t i = 0; !keeps && i < stored->other_key_count; i++)
        keeps = secret_equal(&stored->other_keys[i], &given->bootstrap_key);
    return keeps;
}

bool device_same_data(const struct store_device *stored, const struct store_device *given)
{
    return strcmp(stored->enrollment.class_name, given->enrollment.class_name) == 0 &&
           bytes_equal(identity_bytes(&stored->enrollment.identity),
                       identity_bytes(&given->enrollment.identity)) &&
           device_keeps_key(stored, given);
}

static int compare_tags(const void *a, const void *b)
{
    const struct tag *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

void tags_to_text(const struct enrollment *enrollment, struct buf *out)
{
    const struct tag *sorted[TAGS_MAX];
    for (size_t i = 0; i < enrollment->tag_count; i++)
        sorted[i] = &enrollment->tags[i];
    qsort(sorted, enrollment->tag_count, sizeof(sorted[0]), compare_tags);
    for (size_t i = 0; i < enrollment->tag_count; i++)
        buf_printf(out, "%s=%s\n", sorted[i]->name, sorted[i]->value);
}

static bool copy_part(char *out, size_t max, const char *text, size_t len)
{
    if (len > max)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

static bool parse_tag(const char *line, size_t len, struct tag *tag)
{
    const char *equals = memchr(line, '=', len);
    if (equals == NULL)
        return false;
    size_t name_len = (size_t)(equals - line);
    return copy_part(tag->name, TAG_NAME_MAX, line, name_len) &&
           copy_part(tag->value, TAG_VALUE_MAX, equals + 1, len - name_len - 1);
}

static size_t count_lines(const char *text, size_t len)
{
    size_t lines = 0;
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    return lines;
}

bool tags_from_text(const char *text, size_t len, struct enrollment *enrollment)
{
    size_t count = count_lines(text, len);
    if (count == 0 || count > TAGS_MAX)
        return len == 0;
    struct tag *tags = calloc(count, sizeof *tags);
    if (tags == NULL)
        return false;
    const char *line = text;
    for (size_t i = 0; i < count; i++) {
        const char *end = memchr(line, '\n', len - (size_t)(line - text));
        if (!parse_tag(line, (size_t)(end - line), &tags[i])) {
            free(tags);
            return false;
        }
        line = end + 1;
    }
    enrollment->tags = tags;
    enrollment->tag_count = count;
    return true;
}

enum device_state device_shown_state(bool blocked, enum device_state state)
{
    return blocked ? STATE_BLOCKED : state;
}

struct device_status device_status_of(const struct store_device *device)
{
    return (struct device_status){.state = device->state,
                                  .cause = device->cause,
                                  .bootstraps = device->enrollment.bootstraps,
                                  .newest_outcome = device->newest_outcome,
                                  .last_wall_ms = device->last_wall_ms,
                                  .last_duration_ms = device->last_duration_ms};
}

void device_show_status(struct store_device *device, const struct device_status *status)
{
    device->state = device_shown_state(device->enrollment.blocked, status->state);
    device->cause = status->cause;
    device->enrollment.bootstraps = status->bootstraps;
    device->newest_outcome = status->newest_outcome;
    device->last_wall_ms = status->last_wall_ms;
    device->last_duration_ms = status->last_duration_ms;
}

int64_t outcome_end_ms(const struct outcome *outcome)
{
    return outcome->started_wall_ms + outcome->duration_ms;
}
