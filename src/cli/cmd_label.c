/* usher label: labels for devices, with a QR code. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "label_priv.h"

#include "usher/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { LABELS_MAX = 10000 }; /* in one drawing */

struct labels {
    struct cli_server server;
    const char *format, *batch;
    bool reveal;
    size_t count;
    FILE *body;     /* of a drawing, in memory until the number of labels is known */
    json_t *wanted; /* endpoints that no device was found for yet */
};

/* What the code says: the endpoint alone, or with what the device needs to get in. */
static char *code_text(const struct labels *labels, const json_t *device)
{
    const char *endpoint = json_string_value(json_object_get(device, "endpoint"));
    const char *identity = json_string_value(json_object_get(device, "identity"));
    const char *key = json_string_value(json_object_get(device, "key"));
    if (!labels->reveal)
        return cli_memory(strdup(endpoint));
    json_t *all =
        cli_memory(json_pack("{s:s, s:s?, s:s?}", "ep", endpoint, "id", identity, "key", key));
    char *text = cli_memory(json_dumps(all, JSON_COMPACT | JSON_PRESERVE_ORDER));
    json_decref(all);
    return text;
}

static int put_label(struct labels *labels, const json_t *device)
{
    const char *endpoint = json_string_value(json_object_get(device, "endpoint"));
    const char *class_name = json_string_value(json_object_get(device, "class"));
    char *code = code_text(labels, device);
    int result = CLI_OK;
    class_name = class_name != NULL ? class_name : "";
    if (strcmp(labels->format, "csv") == 0) {
        cli_put_csv(stdout, endpoint);
        putchar(',');
        cli_put_csv(stdout, class_name);
        putchar(',');
        cli_put_csv(stdout, code);
        putchar('\n');
    } else if (labels->count == LABELS_MAX) {
        cli_say("more than %d labels; draw a smaller batch, or take --format csv", LABELS_MAX);
        result = CLI_INVALID;
    } else if (!label_draw(labels->body, endpoint, class_name, code,
                           (uint64_t)labels->count * LABEL_HEIGHT)) {
        cli_say("%s: its code does not fit", endpoint);
        result = CLI_FAILED;
    }
    labels->count++;
    bytes_wipe(code, strlen(code));
    free(code);
    return result;
}

/* One line of an export. */
static int take_device(struct labels *labels, const char *line, size_t len)
{
    json_t *device = json_loadb(line, len, 0, NULL);
    const char *endpoint = json_string_value(json_object_get(device, "endpoint"));
    int code = CLI_OK;
    bool is_wanted = endpoint != NULL &&
                     (labels->batch != NULL || json_object_get(labels->wanted, endpoint) != NULL);
    if (is_wanted) {
        code = put_label(labels, device);
        json_object_del(labels->wanted, endpoint);
    }
    json_decref(device);
    return code;
}

struct stream {
    struct labels *labels;
    struct buf line;
    int code;
};

static bool take(void *context, const char *data, size_t len)
{
    struct stream *stream = context;
    for (size_t i = 0; stream->code == CLI_OK && i < len; i++) {
        if (data[i] != '\n') {
            buf_put_u8(&stream->line, (uint8_t)data[i]);
            continue;
        }
        struct bytes line = buf_bytes(&stream->line);
        stream->code = take_device(stream->labels, (const char *)line.data, line.len);
        buf_reset(&stream->line);
    }
    return stream->code == CLI_OK;
}

/* Devices whose endpoint begins so, or those of the batch. */
static int fetch(struct labels *labels, const char *prefix)
{
    enum { DEVICE_MAX = 1 << 20 };
    struct stream stream = {.labels = labels};
    struct client_answer answer;
    struct err err = {0};
    struct buf path;
    char memory[CLI_PATH_MAX * 2];
    buf_init_fixed(&path, memory, sizeof memory);
    buf_printf(&path, "/v1/export?reveal=%s&%s=", labels->reveal ? "true" : "false",
               prefix != NULL ? "prefix" : "batch");
    client_put_escaped(&path, prefix != NULL ? prefix : labels->batch);
    if (buf_text(&path) == NULL) {
        cli_say("the endpoint is too long");
        return CLI_INVALID;
    }
    buf_init(&stream.line, DEVICE_MAX);
    client_answer_init(&answer);
    enum err_code code =
        client_stream(labels->server.client, buf_text(&path), NULL, take, &stream, &answer, &err);
    if (code == ERR_OK)
        code = client_problem(&answer, &err);
    if (code != ERR_OK)
        stream.code = cli_fail(&err);
    client_answer_clear(&answer);
    buf_clear(&stream.line);
    return stream.code;
}

static int tell_missing(const struct labels *labels)
{
    const char *endpoint;
    json_t *unused;
    json_object_foreach(labels->wanted, endpoint, unused)
        cli_say("endpoint '%s' is not enrolled", endpoint);
    if (labels->batch != NULL && labels->count == 0)
        cli_say("no device has the tag batch=%s", labels->batch);
    if (json_object_size(labels->wanted) == 0 && labels->count > 0)
        return CLI_OK;
    return labels->count > 0 ? CLI_PARTLY : CLI_FAILED;
}

static int fetch_all(struct labels *labels, char **endpoints, size_t count)
{
    int code = CLI_OK;
    labels->wanted = cli_memory(json_object());
    for (size_t i = 0; i < count; i++)
        json_object_set_new(labels->wanted, endpoints[i], json_true());
    if (labels->batch != NULL)
        code = fetch(labels, NULL);
    for (size_t i = 0; code == CLI_OK && i < count; i++)
        code = fetch(labels, endpoints[i]);
    if (code == CLI_OK)
        code = tell_missing(labels);
    json_decref(labels->wanted);
    return code;
}

static int run(struct labels *labels, char **endpoints, size_t count)
{
    bool is_csv = strcmp(labels->format, "csv") == 0;
    char *drawing = NULL;
    size_t len = 0;
    int code = CLI_OK;
    if (!cli_connect(&labels->server, &code))
        return code;
    labels->body = cli_memory(open_memstream(&drawing, &len));
    if (is_csv)
        puts("endpoint,class,code");
    code = fetch_all(labels, endpoints, count);
    fclose(labels->body);
    cli_memory(drawing);
    if (!is_csv && labels->count > 0) {
        label_begin(stdout, labels->count);
        fwrite(drawing, 1, len, stdout);
        label_end(stdout);
    }
    bytes_wipe_free(drawing);
    cli_disconnect(&labels->server);
    return code;
}

int cmd_label(int argc, char **argv)
{
    struct labels labels = {.format = "svg"};
    const struct cli_option options[] = {
        {.name = "format",
         .kind = CLI_TEXT,
         .value = &labels.format,
         .argument = "svg|csv",
         .help = "a drawing (default), or a table for the program of a label printer"},
        {.name = "batch",
         .letter = 'b',
         .kind = CLI_TEXT,
         .value = &labels.batch,
         .argument = "NAME",
         .help = "all devices of that batch"},
        {.name = "reveal",
         .kind = CLI_FLAG,
         .value = &labels.reveal,
         .help = "identity and key in the code as well: whoever sees the label has them"},
        CLI_SERVER_OPTIONS(&labels.server),
    };
    const struct cli_usage usage = {
        .synopsis = "label ENDPOINT..|--batch NAME [--format svg|csv] [--reveal]",
        .summary =
            "Prints labels of 62 x 29 mm, one below the other, each with endpoint, class and a "
            "QR code of\nthe endpoint.",
        .examples = "  usher label urn:dev:os:0042-lamp7 >lamp7.svg\n"
                    "  usher label --batch B7 --format csv >b7-labels.csv\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_most = SIZE_MAX,
    };
    size_t operands = 0;
    int code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if ((operands > 0) == (labels.batch != NULL)) {
        cli_say("name endpoints, or a --batch; see 'usher label --help'");
        return CLI_USAGE;
    }
    if (strcmp(labels.format, "svg") != 0 && strcmp(labels.format, "csv") != 0) {
        cli_say("--format takes svg or csv, not '%s'", labels.format);
        return CLI_USAGE;
    }
    return cli_finish(run(&labels, argv + 1, operands));
}
