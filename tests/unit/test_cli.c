/* SPDX-License-Identifier: Apache-2.0 */
/* The built command `usher` against a status endpoint in this process: exit codes, which scripts
 * depend on, and output. */
#include "http_util.h"

#include "usher/log.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>

static const char *usher; /* the program */

struct result {
    int code;
    char out[262144], err[65536];
};

static struct result result;

static int set_up(void **state)
{
    struct service *service = service_start("memory");
    setenv("USHER_SOCKET", service->socket_path, 1);
    *state = service;
    return 0;
}

static int tear_down(void **state)
{
    unsetenv("USHER_SOCKET");
    service_stop(*state);
    return 0;
}

/* ---- running it ---- */

static void read_both(int out, int err)
{
    size_t out_len = 0, err_len = 0;
    struct pollfd watch[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
    while (watch[0].fd >= 0 || watch[1].fd >= 0) {
        assert_true(poll(watch, 2, 60000) > 0);
        for (int i = 0; i < 2; i++) {
            char *text = i == 0 ? result.out : result.err;
            size_t *len = i == 0 ? &out_len : &err_len;
            size_t cap = (i == 0 ? sizeof result.out : sizeof result.err) - 1;
            if (watch[i].revents == 0)
                continue;
            ssize_t got = read(watch[i].fd, text + *len, cap - *len);
            if (got <= 0)
                watch[i].fd = -1;
            else
                *len += (size_t)got;
        }
    }
    result.out[out_len] = result.err[err_len] = '\0';
}

static void start(char **argv, int in, int out, int err, const char *folder)
{
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    if (folder != NULL && chdir(folder) != 0)
        _exit(126);
    execv(usher, argv);
    _exit(127);
}

/* Words of the command line, NULL-terminated. */
static int run_in(const char *folder, const char *input, const char *const *words)
{
    char *argv[32] = {strdup("usher")};
    int in[2], out[2], err[2], status = 0;
    size_t count = 1;
    for (; words[count - 1] != NULL; count++)
        argv[count] = strdup(words[count - 1]);
    assert_int_equal(pipe2(in, O_CLOEXEC) + pipe2(out, O_CLOEXEC) + pipe2(err, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        start(argv, in[0], out[1], err[1], folder);
    close(in[0]);
    close(out[1]);
    close(err[1]);
    assert_int_equal(write(in[1], input, strlen(input)), strlen(input));
    close(in[1]);
    read_both(out[0], err[0]);
    close(out[0]);
    close(err[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    for (size_t i = 0; i < count; i++)
        free(argv[i]);
    result.code = WEXITSTATUS(status);
    return result.code;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RUN(...)   run_in(NULL, "", WORDS(__VA_ARGS__))

#define EXPECT(expected, ...)                                                                      \
    do {                                                                                           \
        if (RUN(__VA_ARGS__) != (expected))                                                        \
            fail_msg("exit code %d instead of %d: %s%s", result.code, (expected), result.out,      \
                     result.err);                                                                  \
    } while (0)

static void assert_in(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, text);
}

static json_t *output_json(void)
{
    json_error_t why;
    json_t *value = json_loads(result.out, 0, &why);
    if (value == NULL)
        fail_msg("%s: %s", why.text, result.out);
    return value;
}

static const char *write_file(const struct service *service, const char *name, const void *data,
                              size_t len)
{
    static char paths[4][96];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", service->directory, name);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
    return path;
}

static const char *key_file(const struct service *service, const char *name, const char *text)
{
    return write_file(service, name, text, strlen(text));
}

static void enrol(const char *endpoint)
{
    if (run_in(NULL, KEY_A, WORDS("enroll", endpoint, "--class", "lamp", "--key-stdin")) != 0)
        fail_msg("%s", result.err);
}

static void note_done(void *context, enum err_code code)
{
    assert_int_equal(code, ERR_OK);
    *(bool *)context = true;
}

static void record(const struct service *service, const char *endpoint, enum device_state state)
{
    static int number;
    struct outcome outcome = {.state = state,
                              .cause = state == STATE_FAILED ? CAUSE_WRITE_REJECTED : CAUSE_NONE,
                              .source = "192.0.2.1:1",
                              .started_wall_ms = 1767225600000,
                              .duration_ms = 1234,
                              .format = -1,
                              .step_count = 1,
                              .steps = {{.operation = 4,
                                         .path = {.ids = {0, 1}, .depth = 2},
                                         .code = 0x80,
                                         .attempts = 2,
                                         .duration_ms = 50}}};
    bool done = false;
    snprintf(outcome.id, sizeof outcome.id, "%032d", ++number);
    strcpy(outcome.endpoint, endpoint);
    strcpy(outcome.class_name, "lamp");
    strcpy(outcome.detail, "PUT /0/1 answered 4.00 Bad Request");
    store_record(service->lane, &outcome, NULL, 0, note_done, &done);
    while (!done) {
        struct pollfd watch = {.fd = store_lane_fd(service->lane), .events = POLLIN};
        assert_int_equal(poll(&watch, 1, 10000), 1);
        store_lane_poll(service->lane);
    }
}

/* ---- usage ---- */

static void test_help_of_every_command(void **state)
{
    static const char *const commands[] = {"check",   "plan",    "enroll", "show",    "list",
                                           "history", "wait",    "block",  "unblock", "remove",
                                           "status",  "rejects", "version"};
    (void)state;
    EXPECT(0, "help");
    char *overview = strdup(result.out);
    assert_string_equal(result.err, "");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char line[32];
        snprintf(line, sizeof line, "\n  %s ", commands[i]);
        assert_in(overview, line);
        EXPECT(0, commands[i], "--help");
        assert_in(result.out, "usage: usher ");
        assert_in(result.out, "--json");
        assert_string_equal(result.err, "");
        char *help = strdup(result.out);
        EXPECT(0, "help", commands[i]);
        assert_string_equal(result.out, help);
        free(help);
    }
    free(overview);
    EXPECT(0, "--version");
    assert_string_equal(result.out, "usher " USHER_VERSION "\n");
}

static void test_wrong_usage(void **state)
{
    (void)state;
    assert_int_equal(run_in(NULL, "", (const char *const[]){NULL}), 2);
    assert_string_equal(result.out, "");
    EXPECT(2, "enrol");
    assert_in(result.err, "unknown command 'enrol'; did you mean 'enroll'?");
    EXPECT(2, "xyzzy");
    assert_in(result.err, "see 'usher help'");
    EXPECT(2, "list", "--stat", "new");
    assert_in(result.err, "unknown option '--stat'; did you mean '--state'?");
    EXPECT(2, "list", "-z");
    assert_in(result.err, "unknown option '-z'");
    EXPECT(2, "list", "--state");
    assert_in(result.err, "a value is missing after '--state'");
    EXPECT(2, "list", "--all=yes");
    EXPECT(2, "list", "--limit", "0");
    assert_in(result.err, "between 1 and 1000");
    EXPECT(2, "list", "--limit", "ten");
    EXPECT(2, "list", "extra");
    assert_in(result.err, "unexpected argument 'extra'");
    EXPECT(2, "show");
    EXPECT(2, "show", "a", "b");
    EXPECT(2, "wait", "a", "--timeout", "5x");
    EXPECT(2, "list", "--socket", "/a", "--url", "http://127.0.0.1:1");
    EXPECT(2, "help", "nothing");
}

/* ---- enrolling ---- */

static void test_enroll(void **state)
{
    const struct service *service = *state;
    const char *key = key_file(service, "k", KEY_A "\r\n");
    EXPECT(0, "enroll", "lamp-1", "--class", "lamp", "--key-file", key, "--tag", "a=b=c");
    assert_string_equal(result.out, "lamp-1: created\n");
    assert_string_equal(result.err, "");
    EXPECT(0, "enroll", "lamp-1", "--class=lamp", "--key-file", key, "-t", "a=b=c");
    assert_string_equal(result.out, "lamp-1: unchanged\n");
    const char *other = key_file(service, "other", KEY_B);
    EXPECT(6, "enroll", "lamp-1", "--class", "lamp", "--key-file", other);
    assert_in(result.err, "--replace changes it, --if-absent leaves it");
    assert_string_equal(result.out, "");
    EXPECT(0, "enroll", "lamp-1", "--class", "lamp", "--key-file", other, "--if-absent");
    assert_string_equal(result.out, "lamp-1: unchanged\n");
    EXPECT(0, "enroll", "lamp-1", "--class", "lamp", "--key-file", other, "--replace");
    assert_string_equal(result.out, "lamp-1: changed\n");
    EXPECT(6, "enroll", "lamp-2", "--class", "lamp", "--identity", "lamp-1", "--key-file", key);
    assert_in(result.err, "lamp-1");
    EXPECT(3, "enroll", "lamp-2", "--class", "lump", "--key-file", key);
    assert_in(result.err, "classes are: lamp, meter");
    EXPECT(2, "enroll", "lamp-2", "--class", "lamp", "--key-file", key, "--generate");
    EXPECT(2, "enroll", "lamp-2", "-g", "--replace", "--if-absent");
    EXPECT(2, "enroll", "lamp-2", "--class", "lamp", "-g", "--tag", "novalue");
    EXPECT(3, "enroll", "", "--class", "lamp", "-g");
    EXPECT(3, "enroll", "lamp-2", "--class", "lamp");
    assert_in(result.err, "a new device needs");
    EXPECT(3, "enroll", "l\xff", "--class", "lamp", "-g");
    EXPECT(3, "enroll", "lamp-2", "--class", "\xff", "-g");
}

static void test_generated_keys(void **state)
{
    (void)state;
    EXPECT(0, "enroll", "lamp-1", "--class", "lamp", "--generate", "--json");
    json_t *answer = output_json();
    assert_int_equal(strlen(json_string_value(json_object_get(answer, "key"))), 32);
    json_decref(answer);
    EXPECT(0, "enroll", "lamp-1", "--class", "lamp", "--generate");
    assert_string_equal(result.out, "lamp-1: unchanged\n");
}

static void test_server_keys(void **state)
{
    struct service *service = *state;
    char first[128], second[128];
    snprintf(first, sizeof first, "301=an,id,@%s", key_file(service, "k", KEY_A));
    snprintf(second, sizeof second, "302=%s", key_file(service, "l", KEY_B));
    EXPECT(0, "enroll", "m", "-c", "meter", "-g", "--server-key", first, "--server-key", second);
    EXPECT(0, "show", "m");
    assert_in(result.out, "301");
    assert_in(result.out, "an,id");
    struct store_device device = {0};
    assert_int_equal(store_get(service->lane, bytes_of_text("m"), &device, NULL), ERR_OK);
    assert_int_equal(device.enrollment.credential_count, 2);
    assert_memory_equal(device.enrollment.credentials[1].identity.data, "m", 1);
    assert_int_equal(device.keys[1].data[0], 0xff);
    store_device_clear(&device);
    static const char *const wrong[] = {"301", "x=@k", "0=@k", "65535=@k", "=@k"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        EXPECT(2, "enroll", "n", "-c", "meter", "-g", "--server-key", wrong[i]);
}

static void test_bad_keys(void **state)
{
    const struct service *service = *state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "0 bytes"},
        {"0011", "2 bytes"},
        {KEY_A "0", "odd number"},
        {"g0112233445566778899aabbccddeeff", "not a hexadecimal digit"},
        {KEY_A "\n" KEY_A, "not a hexadecimal digit"},
        {KEY_A KEY_A KEY_A KEY_A "00", "bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT(3, "enroll", "a", "-c", "lamp", "--key-file",
               key_file(service, "bad", cases[i].text));
        assert_in(result.err, cases[i].message);
        assert_null(strcasestr(result.err, "112233"));
    }
    EXPECT(3, "enroll", "a", "-c", "lamp", "--key-file", write_file(service, "raw", "\0\1\2\3", 4));
    EXPECT(3, "enroll", "a", "-c", "lamp", "--key-file", "/nonexistent");
    assert_in(result.err, "/nonexistent");
}

/* Whatever option it was given to, a key on the command line is refused and never repeated. */
static void test_no_key_on_the_command_line(void **state)
{
    (void)state;
    EXPECT(2, "enroll", "a", "-c", "lamp", "--key", KEY_A);
    assert_null(strstr(result.err, "112233"));
    EXPECT(2, "enroll", "a", "-c", "lamp", "--key", "AAECAwQFBgcICQoLDA0ODw==");
    assert_null(strstr(result.err, "AwQF"));
    EXPECT(3, "enroll", "a", "-c", "lamp", "--key-file", KEY_A);
    assert_null(strstr(result.err, "112233"));
    EXPECT(3, "enroll", "a", "-c", "lamp", "--key-file", "AAECAwQFBgcICQoLDA0ODw==");
    assert_null(strstr(result.err, "AwQF"));
    EXPECT(3, "enroll", "a", "-c", "lamp", "--key", "@AAECAwQFBgcI/QoLDA0ODw==");
    assert_null(strstr(result.err, "AwQF"));
    EXPECT(3, "enroll", "a", "-c", "meter", "-g", "--server-key",
           "301=id,AAECAwQFBgcICQoLDA0ODw==");
    assert_null(strstr(result.err, "AwQF"));
    EXPECT(3, "enroll", "a", "-c", "lamp", "--key", "@" KEY_A);
    assert_null(strstr(result.err, "112233"));
    EXPECT(3, "enroll", "a", "-c", "meter", "-g", "--server-key", "301=id," KEY_A);
    assert_null(strstr(result.err, "112233"));
    EXPECT(1, "show", "a");
}

/* ---- looking ---- */

static void test_show_and_history(void **state)
{
    const struct service *service = *state;
    enrol("lamp-1");
    EXPECT(0, "history", "lamp-1");
    assert_in(result.out, "no bootstrap");
    record(service, "lamp-1", STATE_FAILED);
    EXPECT(0, "show", "lamp-1");
    assert_in(result.out, "failed");
    assert_in(result.out, "write-rejected");
    assert_in(result.out, "PUT /0/1 answered 4.00 Bad Request");
    assert_in(result.out, "/0/1");
    assert_in(result.out, "4.00");
    assert_null(strcasestr(result.out, KEY_A));
    assert_null(strchr(result.out, '\033'));
    EXPECT(0, "show", "lamp-1", "--json");
    json_t *device = output_json();
    assert_string_equal(json_string_value(json_object_get(device, "endpoint")), "lamp-1");
    json_decref(device);
    record(service, "lamp-1", STATE_BOOTSTRAPPED);
    EXPECT(0, "history", "lamp-1", "--limit", "1");
    assert_in(result.out, "bootstrapped");
    assert_null(strstr(result.out, "failed"));
    assert_in(result.err, "--before ");
    char before[64];
    snprintf(before, sizeof before, "%.32s", strstr(result.err, "--before ") + 9);
    EXPECT(0, "history", "lamp-1", "--before", before);
    assert_in(result.out, "failed");
    assert_null(strstr(result.out, "bootstrapped"));
    EXPECT(3, "history", "lamp-1", "--before", "x");
    EXPECT(1, "show", "nobody");
    EXPECT(1, "history", "nobody");
    EXPECT(3, "show", "");
}

static void test_list(void **state)
{
    struct service *service = *state;
    enum { COUNT = 1205 };
    EXPECT(0, "list");
    assert_string_equal(result.out, "no device matches\n");
    EXPECT(0, "list", "--json");
    json_t *list = output_json();
    assert_int_equal(json_array_size(json_object_get(list, "devices")), 0);
    assert_true(json_is_null(json_object_get(list, "next")));
    json_decref(list);
    for (int i = 0; i < COUNT; i++) {
        struct store_device device = {.enrollment = {.class_name = "lamp"}};
        enum store_change change;
        snprintf(device.enrollment.endpoint, sizeof device.enrollment.endpoint, "lamp-%04d", i);
        identity_set(&device.enrollment.identity, bytes_of_text(device.enrollment.endpoint));
        secret_random(&device.bootstrap_key, 16);
        assert_int_equal(store_enroll(service->lane, &device, false, &change, NULL), ERR_OK);
    }
    EXPECT(0, "list");
    assert_in(result.out, "lamp-0099");
    assert_null(strstr(result.out, "lamp-0100"));
    assert_in(result.err, "there are more");
    EXPECT(0, "list", "--all");
    assert_in(result.out, "lamp-1204");
    assert_string_equal(result.err, "");
    size_t lines = 0;
    for (const char *c = result.out; *c != '\0'; c++)
        lines += *c == '\n';
    assert_int_equal(lines, COUNT + 1); /* the titles once */
    EXPECT(0, "list", "--prefix", "lamp-12", "--state", "new", "--class", "lamp", "--json");
    list = output_json();
    assert_int_equal(json_array_size(json_object_get(list, "devices")), 5);
    json_decref(list);
    EXPECT(0, "list", "-n", "2", "--json");
    list = output_json();
    assert_true(json_is_string(json_object_get(list, "next")));
    json_decref(list);
    EXPECT(3, "list", "--state", "done");
    assert_in(result.err, "'done' is no state");
}

static void test_all_pages_are_one_document(void **state)
{
    struct service *service = *state;
    for (int i = 0; i < 1003; i++) {
        struct store_device device = {.enrollment = {.class_name = "lamp"}};
        enum store_change change;
        snprintf(device.enrollment.endpoint, sizeof device.enrollment.endpoint, "l%d", i);
        identity_set(&device.enrollment.identity, bytes_of_text(device.enrollment.endpoint));
        secret_random(&device.bootstrap_key, 16);
        assert_int_equal(store_enroll(service->lane, &device, false, &change, NULL), ERR_OK);
    }
    static const char command[] =
        "\"$1\" list --all --json | tr -d '\\n' | "
        "grep -o '\"endpoint\"' | wc -l | grep -qx 1003 && "
        "\"$1\" list --all --json | tail -1 | grep -qx '],\"next\":null}'";
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", command, "sh", usher, (char *)NULL);
        _exit(127);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Columns stay straight whatever the letters, and no name steers the terminal. */
static void test_names_of_all_kinds(void **state)
{
    (void)state;
    /* The title "endpoint" is the widest cell: class begins in column 10. */
    static const struct {
        const char *endpoint, *line;
    } names[] = {
        {"lampe", "\nlampe     lamp   new"},
        {"l\u00e4mpe", "\nl\u00e4mpe     lamp   new"},
        {"\u706f\u706f\u706f", "\n\u706f\u706f\u706f    lamp   new"}, /* two columns each */
        {"a\u202eb", "\na?b       lamp   new"}, /* turns the direction of writing */
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        enrol(names[i].endpoint);
    EXPECT(0, "list");
    assert_in(result.out, "endpoint  class  state");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_in(result.out, names[i].line);
    assert_null(strstr(result.out, "\u202e"));
}

static void test_status_and_rejects(void **state)
{
    struct service *service = *state;
    enrol("lamp-1");
    EXPECT(0, "status");
    assert_in(result.out, "usherd 1.2.3");
    assert_in(result.out, "1 device");
    EXPECT(0, "rejects");
    assert_in(result.out, "nobody was turned away");
    rejects_add(service->rejects, bytes_of_text("stranger"), "192.0.2.9", CAUSE_BAD_KEY, 1000);
    rejects_add(service->rejects, bytes_of_text("other"), "192.0.2.8", CAUSE_BAD_KEY, 2000);
    EXPECT(0, "rejects");
    assert_in(result.out, "stranger");
    assert_in(result.out, "bad-key");
    EXPECT(0, "rejects", "--limit", "1");
    assert_null(strstr(result.out, "stranger"));
    EXPECT(0, "rejects", "--json");
    json_decref(output_json());
    EXPECT(0, "status", "--json");
    json_decref(output_json());
    EXPECT(2, "status", "--limit", "1");
    /* It answers, and says that it cannot serve. */
    service_set_check(service, (struct http_check){.name = "store", .reason = "the disk is full"});
    EXPECT(1, "status");
    assert_in(result.out, "NOT READY");
    assert_in(result.out, "the disk is full");
    EXPECT(1, "status", "--json");
    json_decref(output_json());
}

static void test_block_and_remove(void **state)
{
    (void)state;
    enrol("lamp-1");
    EXPECT(0, "block", "lamp-1");
    assert_string_equal(result.out, "lamp-1: changed\n");
    EXPECT(0, "block", "lamp-1");
    assert_string_equal(result.out, "lamp-1: unchanged\n");
    EXPECT(0, "unblock", "lamp-1", "--json");
    json_decref(output_json());
    EXPECT(0, "remove", "lamp-1");
    EXPECT(1, "remove", "lamp-1");
    assert_in(result.err, "lamp-1");
    assert_string_equal(result.out, "");
}

/* ---- waiting ---- */

struct later {
    struct service *service;
    const char *endpoint;
    int log;
};

/* The device comes after the waiting began: the log shows the first question. */
static void *bootstrap_later(void *context)
{
    const struct later *later = context;
    FILE *log = fdopen(later->log, "r");
    char line[4096];
    while (fgets(line, sizeof line, log) != NULL && strstr(line, "\"method\":\"GET\"") == NULL)
        continue;
    record(later->service, later->endpoint, STATE_BOOTSTRAPPED);
    while (fgets(line, sizeof line, log) != NULL)
        continue;
    fclose(log);
    return NULL;
}

static void test_wait_sees_it_happen(void **state)
{
    int log[2];
    pthread_t thread;
    enrol("lamp-1");
    assert_int_equal(pipe2(log, O_CLOEXEC), 0);
    struct service *service = *state;
    struct later later = {.service = service, .endpoint = "lamp-1", .log = log[0]};
    log_configure(log[1], LOG_DEBUG, false);
    assert_int_equal(pthread_create(&thread, NULL, bootstrap_later, &later), 0);
    int code = RUN("wait", "lamp-1", "--timeout", "20");
    http_stop(service->http); /* its threads may still be writing a line */
    service->http = NULL;
    log_configure(STDERR_FILENO, LOG_WARNING, true);
    close(log[1]);
    pthread_join(thread, NULL);
    assert_int_equal(code, 0);
    assert_string_equal(result.out, "PASS lamp-1\n");
}

static void test_wait_exit_codes(void **state)
{
    const struct service *service = *state;
    enrol("good");
    enrol("bad");
    enrol("unsure");
    enrol("new");
    enrol("worse");
    record(service, "good", STATE_BOOTSTRAPPED);
    record(service, "bad", STATE_FAILED);
    record(service, "worse", STATE_FAILED);
    record(service, "unsure", STATE_UNCONFIRMED);
    EXPECT(0, "wait", "good");
    EXPECT(1, "wait", "bad");
    assert_in(result.out, "FAIL bad failed: write-rejected");
    EXPECT(1, "wait", "bad", "worse");
    EXPECT(5, "wait", "good", "bad");
    EXPECT(5, "wait", "unsure");
    assert_in(result.out, "UNCONFIRMED unsure");
    EXPECT(5, "wait", "unsure", "bad");
    EXPECT(8, "wait", "new", "--timeout", "0");
    assert_in(result.out, "TIMEOUT new");
    EXPECT(8, "wait", "new", "bad", "--timeout", "0s");
    EXPECT(5, "wait", "new", "good", "--timeout", "0s");
    EXPECT(1, "wait", "nobody");
    EXPECT(5, "wait", "good", "nobody");
    EXPECT(0, "wait", "bad", "--state", "failed");
    EXPECT(0, "wait", "unsure", "--state", "unconfirmed");
    EXPECT(2, "wait");
    EXPECT(0, "wait", "good", "--json");
    json_t *line = output_json();
    assert_string_equal(json_string_value(json_object_get(line, "result")), "PASS");
    json_decref(line);
    assert_int_equal(run_in(NULL, "good\r\n\nbad\ngood", WORDS("wait", "--stdin")), 5);
    assert_string_equal(result.out, "PASS good\nFAIL bad failed: write-rejected\nPASS good\n");
}

/* ---- finding the server ---- */

static void test_where_the_server_is(void **state)
{
    const struct service *service = *state;
    char url[64], folder[64], yaml[256];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_port(service->http));
    EXPECT(0, "status", "--url", url);
    EXPECT(7, "block", "lamp-1", "--url", url);
    assert_in(result.err, "UNIX socket");
    unsetenv("USHER_SOCKET");
    EXPECT(0, "status", "--socket", service->socket_path);
    setenv("USHER_URL", url, 1);
    EXPECT(0, "status");
    unsetenv("USHER_URL");
    snprintf(folder, sizeof folder, "%s", service->directory);
    int len = snprintf(yaml, sizeof yaml, "http: { socket: u.sock }\n");
    write_file(service, "usher.yaml", yaml, (size_t)len);
    assert_int_equal(run_in(folder, "", WORDS("status")), 0);
    write_file(service, "usher.yaml", "htp: {}\n", 8);
    assert_int_equal(run_in(folder, "", WORDS("status")), 3);
    assert_in(result.err, "usher.yaml:1:1: error: unknown key 'htp'");
    assert_int_equal(run_in(folder, "", WORDS("status", "--socket", service->socket_path)), 0);
    EXPECT(1, "status", "--socket", "/tmp/usher-nowhere.sock");
    assert_in(result.err, "start usherd");
    assert_string_equal(result.out, "");
    EXPECT(1, "status", "--url", "https://127.0.0.1");
    EXPECT(3, "status", "--url", "usher.city.example");
    EXPECT(3, "status", "--url", "http://127.0.0.1:1", "--token-file", "/nowhere");
}

/* Output that is lost must not look like success. */
static void test_output_that_cannot_be_written(void **state)
{
    (void)state;
    static const char *const commands[] = {"list --json", "status", "version", "help", "rejects"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char command[256];
        snprintf(command, sizeof command, "%s %s >/dev/full 2>/dev/null", usher, commands[i]);
        int status = system(command);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 1);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_help_of_every_command),
        TEST(test_wrong_usage),
        TEST(test_enroll),
        TEST(test_generated_keys),
        TEST(test_server_keys),
        TEST(test_bad_keys),
        TEST(test_no_key_on_the_command_line),
        TEST(test_show_and_history),
        TEST(test_list),
        TEST(test_all_pages_are_one_document),
        TEST(test_names_of_all_kinds),
        TEST(test_status_and_rejects),
        TEST(test_block_and_remove),
        TEST(test_wait_sees_it_happen),
        TEST(test_wait_exit_codes),
        TEST(test_where_the_server_is),
        TEST(test_output_that_cannot_be_written),
    };
    usher = getenv("USHER");
    if (usher == NULL) {
        fputs("USHER must name the program to test\n", stderr);
        return 1;
    }
    unsetenv("USHER_SOCKET");
    unsetenv("USHER_URL");
    log_configure(STDERR_FILENO, LOG_WARNING, true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
