/* usher token: logins for HTTP over TCP. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include "usher/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { DAY_MS = 86400000 };

/* ---- create ---- */

struct wish {
    struct cli_server server;
    const char *scope, *out;
    int64_t expires_ms;
};

/* A new file that only its owner can read; an existing one is never overwritten. */
static int open_out(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        cli_say("cannot make %s (%s); nothing was done", path, strerror(errno));
    return fd;
}

static bool write_out(int fd, const char *text)
{
    char line[256];
    int len = snprintf(line, sizeof line, "%s\n", text);
    bool good = len > 0 && write(fd, line, (size_t)len) == len && fsync(fd) == 0;

    bytes_wipe(line, sizeof line);
    return good;
}

static int show_token(const struct wish *wish, const json_t *answer, int fd)
{
    const char *token = cli_text_of(answer, "token");

    if (fd >= 0 && !write_out(fd, token)) {
        cli_say("cannot write %s (%s); revoke the token %s", wish->out, strerror(errno),
                cli_text_of(answer, "id"));
        return CLI_FAILED;
    }
    if (fd >= 0)
        json_object_del((json_t *)(uintptr_t)answer, "token");
    if (wish->server.json)
        return cli_print_json(answer);
    if (fd < 0)
        puts(token);
    cli_say("token %s, scope %s, %s%s; %s", cli_text_of(answer, "id"), cli_text_of(answer, "scope"),
            cli_text_of(answer, "expires")[0] != '\0' ? "expires " : "never expires",
            cli_text_of(answer, "expires"),
            fd < 0 ? "it is shown this once" : "it was written to the file");
    return CLI_OK;
}

static int create(struct wish *wish, const char *name)
{
    int fd = -1, code = CLI_OK;
    json_t *answer = NULL;
    json_t *body = cli_memory(json_pack("{s:s, s:s}", "name", name, "scope", wish->scope));

    if (wish->expires_ms > 0)
        json_object_set_new(body, "expires_days",
                            json_integer((wish->expires_ms + DAY_MS - 1) / DAY_MS));
    if (wish->out != NULL && (fd = open_out(wish->out)) < 0) {
        json_decref(body);
        return CLI_FAILED;
    }
    if (cli_connect(&wish->server, &code)) {
        code = cli_call(&wish->server, "POST", "/v1/tokens", body, &answer);
        if (code == CLI_OK)
            code = show_token(wish, answer, fd);
        json_decref(answer);
        cli_disconnect(&wish->server);
    }
    json_decref(body);
    if (fd >= 0) {
        close(fd);
        if (code != CLI_OK)
            unlink(wish->out);
    }
    return code;
}

static int cmd_create(int argc, char **argv)
{
    struct wish wish = {.scope = "viewer"};
    const struct cli_option options[] = {
        {.name = "scope",
         .letter = 's',
         .kind = CLI_TEXT,
         .value = &wish.scope,
         .argument = "SCOPE",
         .help = "viewer (default), enroller, operator or admin; each includes those before it"},
        {.name = "expires",
         .kind = CLI_DURATION,
         .value = &wish.expires_ms,
         .argument = "TIME",
         .help = "valid for so long, such as 90d (whole days; default: for ever)",
         .least = DAY_MS,
         .most = (int64_t)3650 * DAY_MS},
        {.name = "out",
         .letter = 'o',
         .kind = CLI_TEXT,
         .value = &wish.out,
         .argument = "FILE",
         .help = "write the token to a new file with mode 0600 instead of showing it"},
        CLI_SERVER_OPTIONS(&wish.server),
    };
    const struct cli_usage usage = {
        .synopsis = "token create NAME [--scope SCOPE] [--expires TIME] [--out FILE]",
        .summary = "Makes a token. The server keeps its hash only: it is shown this once.",
        .examples = "  usher token create dashboard --expires 365d\n"
                    "  usher token create line-3 --scope enroller --out line-3.token\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_least = 1,
        .operands_most = 1,
    };
    size_t operands = 0;
    int code = CLI_OK;

    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    return cli_finish(create(&wish, argv[1]));
}

/* ---- list ---- */

static void print_tokens(const json_t *tokens)
{
    static const char *const titles[] = {"id", "name", "scope", "created", "expires", "last used"};
    struct cli_table *table = cli_memory(cli_table_new(6, titles));
    size_t index;
    json_t *token;

    json_array_foreach(tokens, index, token)
    {
        const char *expires = cli_text_of(token, "expires");
        const char *cells[] = {cli_text_of(token, "id"),
                               cli_text_of(token, "name"),
                               cli_text_of(token, "scope"),
                               cli_text_of(token, "created"),
                               expires[0] != '\0' ? expires : "never",
                               cli_text_of(token, "last_used")};
        cli_table_row(table, cells, CLI_PLAIN);
    }
    if (json_array_size(tokens) > 0)
        cli_table_print(table, stdout);
    else
        puts("there are no tokens");
    cli_table_free(table);
}

static int cmd_tokens(int argc, char **argv)
{
    struct cli_server server = {0};
    const struct cli_option options[] = {CLI_SERVER_OPTIONS(&server)};
    const struct cli_usage usage = {
        .synopsis = "token list [--json]",
        .summary = "Lists tokens: who has one, for what, until when.",
        .examples = "  usher token list\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    json_t *answer = NULL;
    size_t operands = 0;
    int code = CLI_OK;

    if (!cli_parse(&usage, argc, argv, &operands, &code) || !cli_connect(&server, &code))
        return code;
    code = cli_call(&server, "GET", "/v1/tokens", NULL, &answer);
    if (code == CLI_OK && server.json)
        code = cli_print_json(answer);
    else if (code == CLI_OK)
        print_tokens(json_object_get(answer, "tokens"));
    json_decref(answer);
    cli_disconnect(&server);
    return cli_finish(code);
}

/* ---- revoke ---- */

static int revoke_token(struct cli_server *server, const char *id)
{
    struct buf path;
    int code = CLI_OK;

    buf_init(&path, CLI_PATH_MAX);
    buf_put_text(&path, "/v1/tokens/");
    client_put_escaped(&path, id);
    const char *text = buf_text(&path);
    if (text == NULL || id[0] == '\0') {
        cli_say("'%.32s' is not the id of a token; see usher token list", id);
        code = CLI_INVALID;
    } else if (cli_connect(server, &code)) {
        code = cli_call(server, "DELETE", text, NULL, NULL);
        cli_disconnect(server);
    }
    buf_clear(&path);
    if (code == CLI_OK && !server->json)
        printf("%s: revoked\n", id);
    return code;
}

static int cmd_revoke(int argc, char **argv)
{
    struct cli_server server = {0};
    const struct cli_option options[] = {CLI_SERVER_OPTIONS(&server)};
    const struct cli_usage usage = {
        .synopsis = "token revoke ID",
        .summary = "Takes a token back: from now on it opens nothing.",
        .examples = "  usher token revoke 9f31c2aa07b4\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_least = 1,
        .operands_most = 1,
    };
    size_t operands = 0;
    int code = CLI_OK;

    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    return cli_finish(revoke_token(&server, argv[1]));
}

int cmd_token(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } verbs[] = {{"create", cmd_create}, {"list", cmd_tokens}, {"revoke", cmd_revoke}};
    static const char help[] =
        "usage: usher token create NAME [--scope SCOPE] [--expires TIME]\n"
        "       usher token list\n"
        "       usher token revoke ID\n\n"
        "Logins for HTTP over TCP. 'usher token create --help' tells more.\n";

    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help, stdout);
        fputs("\nexamples:\n  usher token create dashboard --expires 365d\n  usher token list\n",
              stdout);
        return cli_finish(CLI_OK);
    }
    if (argc > 1)
        cli_say("token: '%s' is none of create, list, revoke", argv[1]);
    else
        fputs(help, stderr);
    return CLI_USAGE;
}
