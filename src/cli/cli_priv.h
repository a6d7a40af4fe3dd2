/* What the commands of usher share: the table of commands, options, exit codes, output. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_CLI_PRIV_H
#define USHER_CLI_PRIV_H

#include "usher/client.h"
#include "usher/clock.h"
#include "usher/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Frozen: scripts depend on them. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_INVALID = 3,  /* the input was understood and is wrong */
    CLI_CHANGES = 4,  /* --dry-run --detailed-exitcode: changes pending */
    CLI_PARTLY = 5,   /* some of several succeeded */
    CLI_CONFLICT = 6, /* contradicts what is there */
    CLI_DENIED = 7,
    CLI_TIMEOUT = 8,
};

/* One function a command; argv[0] is the command's name. They return an exit code. */
int cmd_audit(int argc, char **argv);
int cmd_ca(int argc, char **argv);
int cmd_block(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_derive(int argc, char **argv);
int cmd_enroll(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_group(int argc, char **argv);
int cmd_history(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_label(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_mint(int argc, char **argv);
int cmd_pick(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_rejects(int argc, char **argv);
int cmd_rekey(int argc, char **argv);
int cmd_remove(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_accept(int argc, char **argv);
int cmd_unblock(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_wait(int argc, char **argv);

/* ---- options ---- */

enum cli_option_kind {
    CLI_FLAG,     /* bool * */
    CLI_TEXT,     /* const char ** */
    CLI_LIST,     /* struct cli_list *; may be given several times */
    CLI_NUMBER,   /* int64_t *, from `least` to `most` */
    CLI_DURATION, /* int64_t *, milliseconds: "90s" "2min"; a bare number is seconds */
    CLI_SINCE,    /* struct cli_since * */
};

enum { CLI_LIST_MAX = 64 };

struct cli_list {
    const char *items[CLI_LIST_MAX];
    size_t count;
};

/* A time as the server reads it: as it was given, or of "2h" the time that long ago. */
struct cli_since {
    const char *text; /* NULL: not given */
    char memory[CLOCK_TEXT_SIZE];
};

struct cli_option {
    const char *name; /* without the dashes */
    char letter;      /* short form, 0 = none */
    enum cli_option_kind kind;
    void *value;
    const char *argument; /* how help calls the value; NULL for a flag */
    const char *help;
    int64_t least, most; /* CLI_NUMBER, CLI_DURATION */
};

struct cli_usage {
    const char *synopsis; /* "show ENDPOINT [--json]" */
    const char *summary;  /* what it does, in one or a few lines */
    const char *examples; /* lines that can be typed */
    const struct cli_option *options;
    size_t option_count;
    size_t operands_least, operands_most; /* SIZE_MAX = any number */
};

/* Sorts the arguments: options are stored through the table, operands are moved to argv[1] and on,
 * their number goes to *operands. "--" ends the options. False: the command is over with
 * *exit_code: CLI_OK after --help (printed on stdout), CLI_USAGE after an error (said on stderr).
 */
bool cli_parse(const struct cli_usage *usage, int argc, char **argv, size_t *operands,
               int *exit_code);

/* ---- talking to the server ---- */

/* Options of every command that needs the server; put CLI_SERVER_OPTIONS(&server) in its table. */
struct cli_server {
    const char *socket;
    const char *url;
    const char *token_file, *ca_file;
    bool json;
    struct client *client; /* cli_connect opens, cli_disconnect closes */
};

#define CLI_JSON_OPTION(target)                                                                    \
    {.name = "json",                                                                               \
     .kind = CLI_FLAG,                                                                             \
     .value = (target),                                                                            \
     .help = "print JSON instead of text for people"}
#define CLI_SERVER_OPTIONS(server)                                                                 \
    CLI_JSON_OPTION(&(server)->json),                                                              \
        {.name = "socket",                                                                         \
         .kind = CLI_TEXT,                                                                         \
         .value = &(server)->socket,                                                               \
         .argument = "PATH",                                                                       \
         .help = "UNIX socket of usherd (default: $USHER_SOCKET, else the one in ./usher.yaml, "   \
                 "else /run/usher/usher.sock)"},                                                   \
        {.name = "url",                                                                            \
         .kind = CLI_TEXT,                                                                         \
         .value = &(server)->url,                                                                  \
         .argument = "URL",                                                                        \
         .help = "ask usherd over TCP instead, such as http://127.0.0.1:8080 or https://.. "       \
                 "(default: $USHER_URL)"},                                                         \
        {.name = "token-file",                                                                     \
         .kind = CLI_TEXT,                                                                         \
         .value = &(server)->token_file,                                                           \
         .argument = "FILE",                                                                       \
         .help = "file with the token to send with --url (default: $USHER_TOKEN_FILE)"},           \
        {.name = "ca-file",                                                                        \
         .kind = CLI_TEXT,                                                                         \
         .value = &(server)->ca_file,                                                              \
         .argument = "FILE",                                                                       \
         .help = "authority that vouches for an https:// server (default: $USHER_CA_FILE, "        \
                 "else the system's)"}

/* True when a server is named by options, environment or ./usher.yaml, or the usual socket is
 * there.
 */
bool cli_server_in_sight(const struct cli_server *server);
/* False after a message on stderr, with *exit_code set. */
bool cli_connect(struct cli_server *server, int *exit_code);
void cli_disconnect(struct cli_server *server);

/* One request. `body` may be NULL. On success (2xx) *answer is a new reference, or NULL when the
 * answer has no body. Else a message went to stderr and the exit code that fits is returned. */
int cli_call(struct cli_server *server, const char *method, const char *path, const json_t *body,
             json_t **answer);
/* The same without a message: err says what a person should read, *status the HTTP status (0 = no
 * answer came). */
enum err_code cli_call_quiet(struct cli_server *server, const char *method, const char *path,
                             const json_t *body, json_t **answer, int *status, struct err *err);
/* Room that the path of any device needs. */
enum { CLI_PATH_MAX = 1024 };
/* Path of a device: "/v1/devices/" and the endpoint, percent-encoded, and `tail` ("/history" or
 * ""). False after a message when it is too long. */
bool cli_device_path(const char *endpoint, const char *tail, char *out, size_t size);

/* True when `state` is one that devices have; else a message with what was probably meant. */
bool cli_check_state(const char *state);

/* A key as hexadecimal text from a file (a leading '@' is allowed), or from standard input ("-").
 * NULL: err names the file and what is wrong with it. */
struct profile_set;
/* outdated.c: what devices were given last. Each device of the server, with what its plan depends
 * on. */
int cli_each_plan(struct cli_server *server, const char *class_name, const char *prefix,
                  void (*each)(void *context, const json_t *device), void *context);
int cli_list_outdated(struct cli_server *server, const char *class_name, const char *prefix);
int cli_check_against(struct cli_server *server, struct profile_set *set);

/* The content of a file of key material: PEM as it is, DER as base64. NULL: err says why. */
json_t *cli_read_material(const char *name, struct err *err);
/* The same of a file that shall hold nothing secret: puts it into `body` as `member`. An exit code;
 * it has said what is wrong. */
int cli_add_public_material(json_t *body, const char *member, const char *name);
json_t *cli_read_key(const char *name, struct err *err);

/* "NAME=VALUE" options into the member `tags`. */
int cli_add_tags(const struct cli_list *list, json_t *body);

/* ---- output: data on stdout, messages on stderr ---- */

/* "usher: text" on stderr. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says the error and gives the exit code that goes with it. */
int cli_fail(const struct err *err);
/* Members of an object in a server's answer; "" and 0 when there is no such text or number. Numbers
 * there are not below zero. */
const char *cli_text_of(const json_t *object, const char *name);
uint64_t cli_number_of(const json_t *object, const char *name);
/* Prints JSON and a newline on stdout. CLI_FAILED when stdout cannot be written. */
int cli_print_json(const json_t *value);
/* Flushes stdout; CLI_FAILED with a message when something was lost, else `exit_code`. */
int cli_finish(int exit_code);
/* Output could not be written, as errno tells: says so, unless its reader has gone. CLI_FAILED. */
int cli_output_lost(void);
/* Gives back what it is given; ends the program with a message when that is NULL. */
void *cli_memory(void *memory);
/* Text from a server or a file, safe for a terminal: control characters become '?'. */
void cli_put_text(FILE *out, const char *text);
/* A line of stdout with a title before the text; nothing when there is no text. */
void cli_put_line(const char *title, const char *text);
/* A field of CSV, in quotes where it has to be. */
void cli_put_csv(FILE *out, const char *text);
/* Columns that it takes on a terminal, after that replacement. */
size_t cli_text_width(const char *text);
bool cli_stdout_is_terminal(void);
/* Escape sequence for stdout, or "" where colour is not wanted (no terminal, NO_COLOR). */
enum cli_colour { CLI_PLAIN, CLI_GOOD, CLI_WARN, CLI_BAD, CLI_DIM };
const char *cli_colour(enum cli_colour colour);
/* Colour that goes with a state's name. */
enum cli_colour cli_state_colour(const char *state);

/* How far a long command is, on stderr and only when that is a terminal. `whole` 0: not known. */
void cli_progress(const char *what, uint64_t done, uint64_t whole, const char *unit);
void cli_progress_end(void); /* removes the line */

/* A table with aligned columns. Cells are copied. */
struct cli_table;
struct cli_table *cli_table_new(size_t columns, const char *const *titles);
void cli_table_free(struct cli_table *table);
/* `cells` may hold NULL for an empty cell. */
void cli_table_row(struct cli_table *table, const char *const *cells, enum cli_colour colour);
/* Prints the rows since the last call, with the titles before the first: a long table is printed in
 * parts, without keeping it. */
void cli_table_print(struct cli_table *table, FILE *out);

#endif
