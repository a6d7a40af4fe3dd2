/* Finding the server and asking it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include "usher/bytes.h"
#include "usher/config.h"
#include "usher/enrollment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REQUEST_MAX = 1 << 20, TOKEN_MAX = 256 };

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static const char default_socket[] = "/run/usher/usher.sock";
static const char local_config[] = "usher.yaml";

/* The socket that ./usher.yaml names, else the usual one; the caller frees it. NULL after findings
 * on stderr. */
static char *find_socket(void)
{
    if (access(local_config, R_OK) != 0)
        return cli_memory(strdup(default_socket));
    struct findings findings;
    findings_init(&findings);
    struct config *config = config_load(local_config, &findings);
    const char *named = config != NULL ? config->http_socket : NULL;
    char *socket =
        config == NULL ? NULL : cli_memory(strdup(named != NULL ? named : default_socket));
    if (config == NULL) {
        findings_print(&findings, STDERR_FILENO);
        cli_say("./usher.yaml cannot be used to find the server; correct it, or say --socket PATH");
    }
    config_free(config);
    findings_clear(&findings);
    return socket;
}

bool cli_server_in_sight(const struct cli_server *server)
{
    return server->socket != NULL || server->url != NULL || environment("USHER_SOCKET") != NULL ||
           environment("USHER_URL") != NULL || access(local_config, F_OK) == 0 ||
           access(default_socket, F_OK) == 0;
}

/* The first line of the file; only asked for with a URL. */
static bool read_token(const struct cli_server *server, struct client_config *config,
                       char token[static TOKEN_MAX], struct err *err)
{
    const char *path =
        server->token_file != NULL ? server->token_file : environment("USHER_TOKEN_FILE");
    if (config->url == NULL || path == NULL)
        return true;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        err_set(err, ERR_INVALID, "cannot read the token file %s (%s)", path, strerror(errno));
        return false;
    }
    setvbuf(file, NULL, _IONBF, 0); /* no copy stays in a buffer */
    bool good = fgets(token, TOKEN_MAX, file) != NULL;
    fclose(file);
    token[strcspn(token, "\r\n")] = '\0';
    if (!good || token[0] == '\0' || strpbrk(token, " \t") != NULL) {
        err_set(err, ERR_INVALID, "the token file %s holds no token in its first line", path);
        return false;
    }
    config->token = token;
    return true;
}

bool cli_connect(struct cli_server *server, int *exit_code)
{
    char *found = NULL;
    struct client_config config = {.socket = server->socket, .url = server->url};
    if (config.socket != NULL && config.url != NULL) {
        cli_say("give --socket or --url, not both");
        *exit_code = CLI_USAGE;
        return false;
    }
    if (config.socket == NULL && config.url == NULL) {
        config.socket = environment("USHER_SOCKET");
        config.url = config.socket == NULL ? environment("USHER_URL") : NULL;
    }
    if (config.socket == NULL && config.url == NULL) {
        config.socket = found = find_socket();
        if (found == NULL) {
            *exit_code = CLI_INVALID;
            return false;
        }
    }
    struct err err = {0};
    char token[TOKEN_MAX] = "";
    config.ca_file = server->ca_file != NULL ? server->ca_file : environment("USHER_CA_FILE");
    bool good = read_token(server, &config, token, &err) &&
                client_new(&config, &server->client, &err) == ERR_OK;
    bytes_wipe(token, sizeof token);
    free(found); /* the client has a copy */
    if (!good)
        *exit_code = cli_fail(&err);
    return good;
}

void cli_disconnect(struct cli_server *server)
{
    client_free(server->client);
    server->client = NULL;
}

static int append(const char *data, size_t len, void *context)
{
    struct buf *out = context;
    buf_put(out, data, len);
    return out->failed ? -1 : 0;
}

static enum err_code read_answer(const struct client_answer *answer, json_t **out, struct err *err)
{
    json_t *value = NULL;
    if (answer->body.len > 0) {
        json_error_t why; /* its text may quote the answer, and so a key: only its place is told */
        value = json_loadb((const char *)answer->body.data, answer->body.len,
                           JSON_REJECT_DUPLICATES, &why);
        if (value == NULL)
            return err_set(err, ERR_IO,
                           "the server's answer is not JSON (line %d, column %d); is this usherd?",
                           why.line, why.column);
    }
    *out = value;
    return ERR_OK;
}

/* The answer of GET /readyz with 503 is data too, so the status goes to the caller. */
enum err_code cli_call_quiet(struct cli_server *server, const char *method, const char *path,
                             const json_t *body, json_t **answer, int *status, struct err *err)
{
    struct buf request;
    buf_init(&request, REQUEST_MAX);
    struct client_answer reply;
    client_answer_init(&reply);
    enum err_code code = ERR_OK;
    json_t *value = NULL;
    *status = 0;
    if (body != NULL && json_dump_callback(body, append, &request, JSON_COMPACT) != 0) {
        code = err_set(err, ERR_TOO_LARGE, "the request is larger than %d bytes", REQUEST_MAX);
        goto out;
    }
    code = client_request(server->client, method, path, buf_bytes(&request), &reply, err);
    if (code != ERR_OK)
        goto out;
    *status = reply.status;
    code = client_problem(&reply, err);
    if (code == ERR_OK)
        code = read_answer(&reply, &value, err);
    if (code == ERR_OK && answer != NULL) {
        *answer = value;
        value = NULL;
    }
out:
    json_decref(value);
    client_answer_clear(&reply);
    buf_clear(&request);
    return code;
}

int cli_call(struct cli_server *server, const char *method, const char *path, const json_t *body,
             json_t **answer)
{
    struct err err = {0};
    int status = 0;
    if (cli_call_quiet(server, method, path, body, answer, &status, &err) == ERR_OK)
        return CLI_OK;
    return cli_fail(&err);
}

bool cli_device_path(const char *endpoint, const char *tail, char *out, size_t size)
{
    struct err err = {0};
    if (enrollment_check_endpoint(bytes_of_text(endpoint), &err) != ERR_OK) {
        cli_fail(&err);
        return false;
    }
    struct buf path;
    buf_init_fixed(&path, out, size);
    buf_put_text(&path, "/v1/devices/");
    client_put_escaped(&path, endpoint);
    buf_put_text(&path, tail);
    if (buf_text(&path) != NULL)
        return true;
    cli_say("the endpoint is too long");
    return false;
}
