/* Sending a file for import, piece by piece, and waiting for its end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "import_priv.h"

#include "usher/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    PIECE = 4 << 20,
    PATIENCE_MS = 60000, /* for a server that is restarted */
    PAUSE_LEAST_MS = 20,
    PAUSE_MOST_MS = 500,
};

struct upload {
    struct import_command *import;
    uint8_t *piece;
    size_t len;
    uint64_t begin; /* of the piece, in the file */
    bool last;
};

int import_open(const char *name)
{
    return open(name, O_RDONLY | O_CLOEXEC);
}

static void pause_ms(unsigned milliseconds)
{
    struct timespec pause = {.tv_sec = milliseconds / 1000,
                             .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

/* Fills the piece; `last` when the file ends with it. */
static int read_piece(struct upload *upload)
{
    struct import_command *import = upload->import;
    upload->len = 0;
    while (upload->len < PIECE) {
        ssize_t got = read(import->fd, upload->piece + upload->len, PIECE - upload->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            cli_say("cannot read %s (%s)", import->name, strerror(errno));
            return CLI_FAILED;
        }
        if (got == 0)
            break;
        upload->len += (size_t)got;
    }
    upload->last = upload->len < PIECE;
    return CLI_OK;
}

static void put_option(struct buf *path, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(path, "&%s=", name);
    client_put_escaped(path, value);
}

static void put_path(const struct upload *upload, uint64_t offset, struct buf *path)
{
    const struct import_command *import = upload->import;
    if (import->id != NULL) {
        buf_put_text(path, "/v1/imports/");
        client_put_escaped(path, import->id);
        buf_printf(path, "?offset=%" PRIu64 "&more=%s", offset, upload->last ? "false" : "true");
        return;
    }
    buf_printf(path, "/v1/imports?more=%s&format=%s&on-conflict=%s",
               upload->last ? "false" : "true", import->format, import->conflict);
    buf_printf(path, "&report=%s&dry-run=%s",
               import->report != NULL || import->dry_run ? "all" : "problems",
               import->dry_run ? "true" : "false");
    put_option(path, "class", import->class_name);
    put_option(path, "batch", import->batch);
}

static enum err_code send_bytes(struct upload *upload, uint64_t offset, struct bytes data,
                                json_t **status, struct err *err)
{
    struct import_command *import = upload->import;
    struct client_answer answer;
    struct buf path;
    char memory[CLI_PATH_MAX];
    buf_init_fixed(&path, memory, sizeof memory);
    put_path(upload, offset, &path);
    client_answer_init(&answer);
    enum err_code code =
        buf_text(&path) == NULL
            ? err_set(err, ERR_TOO_LARGE, "the options are too long")
            : client_request(import->server.client, "POST", buf_text(&path), data, &answer, err);
    if (code == ERR_OK)
        code = client_problem(&answer, err);
    else
        answer.status = 0;
    if (code == ERR_OK) {
        *status = json_loadb((const char *)answer.body.data, answer.body.len, 0, NULL);
        if (*status == NULL)
            code = err_set(err, ERR_IO, "the server's answer is not JSON; is this usherd?");
    }
    client_answer_clear(&answer);
    return code;
}

static bool is_absence(enum err_code code)
{
    return code == ERR_UNAVAILABLE || code == ERR_IO || code == ERR_TIMEOUT || code == ERR_BUSY;
}

static int ask_status(struct import_command *import, json_t **status, enum err_code *code,
                      struct err *err)
{
    char path[CLI_PATH_MAX];
    int http_status = 0;
    snprintf(path, sizeof path, "/v1/imports/%.64s", import->id);
    *code = cli_call_quiet(&import->server, "GET", path, NULL, status, &http_status, err);
    return http_status;
}

/* Asks until the server is there again; false after a message. */
static bool await_server(struct import_command *import, json_t **status, int *exit_code,
                         struct err *err)
{
    uint64_t limit = clock_monotonic_ms() + PATIENCE_MS;
    enum err_code code = ERR_OK;
    ask_status(import, status, &code, err);
    while (code != ERR_OK && is_absence(code) && clock_monotonic_ms() < limit) {
        pause_ms(PAUSE_MOST_MS);
        ask_status(import, status, &code, err);
    }
    if (code == ERR_OK)
        return true;
    *exit_code = cli_fail(err);
    cli_say("when the server is back, go on with: usher import --resume %s FILE", import->id);
    return false;
}

/* Goes to the place where the server wants to go on. */
static int go_to(struct upload *upload, uint64_t offset)
{
    struct import_command *import = upload->import;
    if (offset >= upload->begin && offset <= upload->begin + upload->len && upload->len > 0)
        return CLI_OK;
    if (!import->can_seek || lseek(import->fd, (off_t)offset, SEEK_SET) < 0) {
        cli_say("%s cannot be read again from byte %" PRIu64 "; start again, which changes "
                "nothing that is there already",
                import->name, offset);
        return CLI_FAILED;
    }
    upload->begin = offset;
    return read_piece(upload);
}

static void take_id(struct import_command *import, const json_t *status)
{
    const char *id = json_string_value(json_object_get(status, "id"));
    if (import->id != NULL || id == NULL)
        return;
    snprintf(import->own_id, sizeof import->own_id, "%s", id);
    import->id = import->own_id;
}

/* Sends the piece from `offset` on; *offset is then where the server goes on. */
static int send_piece(struct upload *upload, uint64_t *offset)
{
    struct import_command *import = upload->import;
    struct err err = {0};
    json_t *status = NULL;
    int code = CLI_OK;
    size_t skip = (size_t)(*offset - upload->begin);
    enum err_code sent = send_bytes(
        upload, *offset, bytes_of(upload->piece + skip, upload->len - skip), &status, &err);
    if (sent != ERR_OK && import->id != NULL && is_absence(sent)) {
        if (!await_server(import, &status, &code, &err))
            return code;
    } else if (sent != ERR_OK) {
        return cli_fail(&err);
    }
    take_id(import, status);
    *offset = cli_number_of(status, "offset");
    const char *phase = json_string_value(json_object_get(status, "phase"));
    if (sent != ERR_OK && phase != NULL && strcmp(phase, "uploading") != 0)
        *offset = upload->begin + upload->len; /* it had arrived after all */
    json_decref(status);
    return CLI_OK;
}

static int begin_at(struct upload *upload, uint64_t *offset)
{
    struct import_command *import = upload->import;
    json_t *status = NULL;
    int code = CLI_OK;
    struct err err = {0};
    if (import->id != NULL) {
        if (!await_server(import, &status, &code, &err))
            return code;
        *offset = cli_number_of(status, "offset");
        json_decref(status);
    }
    if (*offset > 0)
        return go_to(upload, *offset);
    return read_piece(upload);
}

int import_upload(struct import_command *import)
{
    struct upload upload = {.import = import, .piece = cli_memory(malloc(PIECE))};
    uint64_t offset = 0;
    int code = begin_at(&upload, &offset);
    while (code == CLI_OK) {
        uint64_t end = upload.begin + upload.len;
        cli_progress("sending", offset, import->size, "bytes");
        code = send_piece(&upload, &offset);
        if (code == CLI_OK && offset == end && upload.last)
            break;
        if (code == CLI_OK && offset == end) {
            upload.begin = end;
            code = read_piece(&upload);
        } else if (code == CLI_OK) {
            code = go_to(&upload, offset);
        }
    }
    bytes_wipe(upload.piece, PIECE);
    free(upload.piece);
    return code;
}

int import_await(struct import_command *import, json_t **status)
{
    unsigned pause = PAUSE_LEAST_MS;
    int code = CLI_OK;
    for (;;) {
        struct err err = {0};
        json_decref(*status);
        *status = NULL;
        if (!await_server(import, status, &code, &err))
            return code;
        const char *phase = json_string_value(json_object_get(*status, "phase"));
        if (phase == NULL || strcmp(phase, "done") == 0 || strcmp(phase, "failed") == 0 ||
            strcmp(phase, "stopped") == 0)
            return CLI_OK;
        cli_progress(phase, cli_number_of(*status, "merged"), cli_number_of(*status, "rows"),
                     "rows");
        pause_ms(pause);
        pause = pause * 2 > PAUSE_MOST_MS ? PAUSE_MOST_MS : pause * 2;
    }
}
