/* What the server asks of the device: bootstrap operations, blocks, and wrong answers on order. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"

#include <stdio.h>
#include <string.h>

static void say(struct device_answer *answer, uint8_t code, const char *why)
{
    answer->code = code;
    (void)snprintf(answer->text, sizeof answer->text, "%s", why);
    answer->payload = bytes_of_text(answer->text);
}

static bool has_empty_segment(const struct coap_message *request)
{
    const struct coap_option *segment = NULL;
    while ((segment = coap_next(request, COAP_OPT_URI_PATH, segment)) != NULL)
        if (segment->value.len == 0)
            return true;
    return false;
}

/* False: some segment is no id. `finish`: the path is /bs. */
static bool read_path(const struct coap_message *request, struct path *path, bool *finish)
{
    const struct coap_option *segment = NULL;
    char text[PATH_TEXT_SIZE + 8] = "/";
    size_t used = 0;
    *finish = coap_path_is(request, "/bs");
    *path = path_root();
    if (*finish)
        return true;
    while ((segment = coap_next(request, COAP_OPT_URI_PATH, segment)) != NULL) {
        if (segment->value.len == 0 || used + segment->value.len + 2 > sizeof text)
            return false;
        text[used++] = '/';
        memcpy(text + used, segment->value.data, segment->value.len);
        used += segment->value.len;
    }
    return path_parse(text, used > 0 ? used : 1, path);
}

static int read_format(const struct coap_message *request, uint16_t option)
{
    uint32_t format;
    const struct coap_option *found = coap_find(request, option);
    return found != NULL && coap_option_uint(found, &format) && format <= UINT16_MAX ? (int)format
                                                                                     : FORMAT_NONE;
}

/* Puts one block of the kept body into the answer (RFC 7959 section 2.4). */
static void answer_block(struct sim_device *device, struct coap_block block,
                         struct device_answer *answer)
{
    struct bytes body = buf_bytes(&device->body.payload);
    size_t size = COAP_BLOCK_SIZE(block.szx);
    size_t offset = (size_t)block.number * size;
    if (offset >= body.len && block.number > 0) {
        say(answer, COAP_BAD_REQUEST, "there is no such block");
        return;
    }
    size_t left = body.len - offset;
    block.more = left > size;
    answer->code = COAP_CONTENT;
    answer->format = device->body.format;
    answer->payload = bytes_of(body.data + offset, block.more ? size : left);
    answer->has_block = block.more || block.number > 0;
    answer->block_option = COAP_OPT_BLOCK2;
    answer->block = block;
}

static void serve_get(struct sim_device *device, const struct coap_message *request,
                      const struct path *path, struct device_answer *answer)
{
    struct err err = {0};
    struct coap_block block = {.szx = device->config.block_szx};
    bool present;
    uint8_t code;
    int format = read_format(request, COAP_OPT_ACCEPT);
    if (!coap_get_block(request, COAP_OPT_BLOCK2, &block, &present) && present) {
        say(answer, COAP_BAD_OPTION, "malformed Block2");
        return;
    }
    if (block.szx > device->config.block_szx)
        block.szx = device->config.block_szx;
    if (block.number > 0 && device->body.valid && path_equal(path, &device->body.path)) {
        answer_block(device, block, answer);
        return;
    }
    device->body.valid = false;
    buf_reset(&device->body.payload);
    if (format == FORMAT_LINK || (path->depth == 0 && format == FORMAT_NONE))
        code = objects_discover(&device->objects, path, &device->body.payload, &err);
    else
        code = objects_read(&device->objects, path, &format, &device->body.payload, &err);
    if (code != COAP_CONTENT) {
        say(answer, code, err.text);
        return;
    }
    device->body.valid = true;
    device->body.path = *path;
    device->body.format = format == FORMAT_NONE ? FORMAT_LINK : format;
    answer_block(device, block, answer);
}

/* True: the payload is whole. Else the answer is set. */
static bool gather(struct sim_device *device, const struct coap_message *request,
                   const struct path *path, int format, struct bytes *payload,
                   struct device_answer *answer)
{
    struct coap_block block;
    bool present;
    if (coap_find(request, COAP_OPT_BLOCK1) != NULL && device->config.quirks.no_block1) {
        say(answer, COAP_TOO_LARGE, "no Writes in blocks here");
        return false;
    }
    if (!coap_get_block(request, COAP_OPT_BLOCK1, &block, &present)) {
        *payload = request->payload;
        if (present)
            say(answer, COAP_BAD_OPTION, "malformed Block1");
        if (present || payload->len <= device->config.payload_max)
            return !present;
        if (device->config.quirks.no_block1) {
            say(answer, COAP_TOO_LARGE, "too long");
            return false;
        }
        block = (struct coap_block){.szx = device->config.block_szx};
        say(answer, COAP_TOO_LARGE, "send it in blocks");
    } else {
        answer->code = assembly_take(&device->assembly, path, format, &block,
                                     device->config.block_szx, request->payload);
    }
    answer->has_block = true;
    answer->block_option = COAP_OPT_BLOCK1;
    answer->block = block;
    *payload = present ? buf_bytes(&device->assembly.payload) : *payload;
    return answer->code == 0;
}

/* Its bootstrap account, or another one that takes its place. */
static bool writes_account(const struct sim_device *device, const struct path *path, uint8_t code)
{
    bool bootstrap = false;
    return code == COAP_CHANGED && path->depth == 2 && path->ids[0] == OBJECT_SECURITY &&
           tree_boolean(&device->objects.tree, OBJECT_SECURITY, path->ids[1], 1, &bootstrap) &&
           bootstrap;
}

static void serve_put(struct sim_device *device, const struct path *path, int format,
                      struct bytes payload, struct device_answer *answer)
{
    struct err err = {0};
    uint8_t code = objects_write(&device->objects, path, format, payload, &err);
    answer->code = code;
    if (code != COAP_CHANGED)
        say(answer, code, err.text);
    if (device->config.quirks.format_ends && !objects_takes_format(&device->objects, format))
        device->ends_with = "format-refused";
    device->account_rewritten = device->account_rewritten || writes_account(device, path, code);
}

static void serve_delete(struct sim_device *device, const struct path *path,
                         struct device_answer *answer)
{
    struct err err = {0};
    answer->code = objects_delete(&device->objects, path, &err);
    if (answer->code != COAP_DELETED)
        say(answer, answer->code, err.text);
}

static void serve_finish(struct sim_device *device, const struct coap_message *request,
                         struct device_answer *answer)
{
    struct err err = {0};
    if (request->payload.len > 0) {
        say(answer, COAP_BAD_REQUEST, "Finish has no payload");
        return;
    }
    const struct sim_quirks *quirks = &device->config.quirks;
    answer->separate = quirks->separate_finish;
    answer->code = objects_finish(&device->objects, &err);
    if (answer->code == COAP_CHANGED && quirks->account_write_loops && device->account_rewritten) {
        say(answer, COAP_CHANGED, "its bootstrap account was written: it begins anew");
        device->ends_with = "account-rewritten";
        return;
    }
    if (answer->code == COAP_CHANGED) {
        device_bootstrapped(device);
        return;
    }
    say(answer, answer->code, err.text);
    device->deaf = quirks->refused_finish == SIM_FINISH_DEAF;
    if (quirks->refused_finish == SIM_FINISH_ENDS)
        device->ends_with = "finish-refused";
    (void)snprintf(device->finish_reason, sizeof device->finish_reason, "%.*s",
                   (int)sizeof device->finish_reason - 1, err.text);
}

static void note_operation(struct sim_device *device, const struct coap_message *request,
                           const struct path *path, bool finish, size_t payload_len,
                           const struct device_answer *answer)
{
    struct sim_report *report = &device->report;
    size_t at = report->operation_count++;
    if (at >= SIM_OPERATIONS_MAX)
        return;
    int format = read_format(request, request->code == COAP_METHOD_GET ? COAP_OPT_ACCEPT
                                                                       : COAP_OPT_CONTENT_FORMAT);
    report->operations[at] = (struct sim_operation){
        .method = request->code,
        .finish = finish,
        .path = *path,
        .format = format,
        .code = answer->silent || answer->reset ? 0 : answer->code,
        .payload_len = (uint32_t)payload_len,
        .at_ms = (uint32_t)(device->now - device->started),
    };
}

/* True: a rule has answered instead. */
static bool overruled(struct sim_device *device, const struct coap_message *request,
                      const struct path *path, bool finish, struct device_answer *answer)
{
    const struct sim_faults *faults = &device->config.faults;
    const struct sim_answer_rule *rule =
        faults_match(faults, device->rules_used, device->operations, request->code, finish, path);
    if (rule == NULL)
        return false;
    answer->silent = rule->kind == SIM_ANSWER_NONE;
    answer->reset = rule->kind == SIM_ANSWER_RESET;
    answer->code = rule->code;
    if (finish && rule->kind == SIM_ANSWER_CODE && COAP_CODE_CLASS(rule->code) != 2)
        (void)snprintf(device->finish_reason, sizeof device->finish_reason, "refused on order");
    return true;
}

static void carry_out(struct sim_device *device, const struct coap_message *request,
                      const struct path *path, bool finish, struct bytes payload,
                      struct device_answer *answer)
{
    if (finish && request->code == COAP_METHOD_POST)
        serve_finish(device, request, answer);
    else if (finish || request->code == COAP_METHOD_POST)
        say(answer, COAP_METHOD_NOT_ALLOWED, "not an operation of the bootstrap interface");
    else if (request->code == COAP_METHOD_GET)
        serve_get(device, request, path, answer);
    else if (request->code == COAP_METHOD_PUT)
        serve_put(device, path, read_format(request, COAP_OPT_CONTENT_FORMAT), payload, answer);
    else if (request->code == COAP_METHOD_DELETE)
        serve_delete(device, path, answer);
    else
        say(answer, COAP_METHOD_NOT_ALLOWED, "unknown method");
}

static bool is_later_block(const struct coap_message *request)
{
    struct coap_block block;
    bool present;
    return coap_get_block(request, COAP_OPT_BLOCK2, &block, &present) && block.number > 0;
}

void device_serve(struct sim_device *device, const struct coap_message *request,
                  struct device_answer *answer)
{
    static const uint16_t known[] = {
        COAP_OPT_URI_HOST, COAP_OPT_URI_PORT, COAP_OPT_URI_PATH, COAP_OPT_URI_QUERY,
        COAP_OPT_ACCEPT,   COAP_OPT_BLOCK1,   COAP_OPT_BLOCK2,   0};
    struct path path;
    bool finish;
    struct bytes payload = request->payload;
    *answer = (struct device_answer){.format = FORMAT_NONE};
    if (coap_unknown_critical(request, known) != NULL) {
        say(answer, COAP_BAD_OPTION, "unknown critical option");
        return;
    }
    if (has_empty_segment(request)) {
        uint8_t code = device->config.quirks.empty_segment_code;
        say(answer, code != 0 ? code : COAP_BAD_REQUEST, "an empty segment");
        return;
    }
    if (!read_path(request, &path, &finish) || coap_find(request, COAP_OPT_URI_QUERY) != NULL) {
        say(answer, COAP_BAD_REQUEST, "not a path of LwM2M, or a query");
        return;
    }
    if (is_later_block(request)) {
        serve_get(device, request, &path, answer);
        return;
    }
    if (request->code == COAP_METHOD_PUT &&
        !gather(device, request, &path, read_format(request, COAP_OPT_CONTENT_FORMAT), &payload,
                answer))
        return;
    device->operations++;
    device_move_if_due(device);
    if (device->config.faults.reboot_after == device->operations && !device->rebooted_operation) {
        device->rebooted_operation = device->restart = true;
        answer->silent = true;
    } else if (device->deaf) {
        say(answer, COAP_INTERNAL_ERROR, "the bootstrap is over");
    } else if (!overruled(device, request, &path, finish, answer)) {
        carry_out(device, request, &path, finish, payload, answer);
    }
    note_operation(device, request, &path, finish, payload.len, answer);
}
