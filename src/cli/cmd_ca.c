/* usher ca: a small issuing CA for devices and servers; it needs no server. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include "usher/ca.h"
#include "usher/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REQUEST_MAX = 64 << 10, CERTIFICATE_MAX = 64 << 10 };

static int ca_fail(const struct err *err)
{
    cli_say("ca: %s", err->text);
    switch (err->code) {
    case ERR_EXISTS:
    case ERR_BUSY:
        return CLI_CONFLICT;
    case ERR_INVALID:
    case ERR_RANGE:
    case ERR_NOT_FOUND:
        return CLI_INVALID;
    case ERR_DENIED:
        return CLI_DENIED;
    default:
        return CLI_FAILED;
    }
}

static bool open_ca(const char *folder, struct ca **out, int *exit_code)
{
    struct err err = {0};
    if (ca_open(folder, out, &err) == ERR_OK)
        return true;
    *exit_code = ca_fail(&err);
    return false;
}

static json_t *entry_json(const struct ca_entry *entry)
{
    char issued[CLOCK_TEXT_SIZE], expires[CLOCK_TEXT_SIZE], revoked[CLOCK_TEXT_SIZE];
    clock_wall_text(entry->issued_ms, issued);
    clock_wall_text(entry->expires_ms, expires);
    clock_wall_text(entry->revoked_ms, revoked);
    bool good = entry->revoked_ms == 0;
    return cli_memory(
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:s?}", "serial", entry->serial, "name",
                  entry->name, "for", entry->server ? "server" : "device", "issued", issued,
                  "expires", expires, "sha256", entry->fingerprint, "revoked",
                  good ? NULL : revoked, "reason", good ? NULL : ca_reason_name(entry->reason)));
}

/* Of text that a person gave: what it reads as a file, at most `most` bytes. To be freed. */
static char *read_file(const char *path, size_t most, size_t *len, struct err *err)
{
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 ? calloc(1, most + 1) : NULL;
    ssize_t got = 1;
    *len = 0;
    while (text != NULL && *len <= most && (got = read(fd, text + *len, most + 1 - *len)) > 0)
        *len += (size_t)got;
    int why = errno;
    if (fd > STDIN_FILENO)
        close(fd);
    if (text != NULL && got == 0)
        return text;
    free(text);
    err_set(err, ERR_INVALID, "cannot read %s (%s)", path,
            got > 0 ? "it is too long" : strerror(why));
    return NULL;
}

/* ---- init ---- */

static int cmd_init(int argc, char **argv)
{
    const char *name = "Usher device CA";
    int64_t days = 7300;
    bool json = false;
    const struct cli_option options[] = {
        {.name = "name",
         .kind = CLI_TEXT,
         .value = &name,
         .argument = "TEXT",
         .help = "what it is called (default: Usher device CA)"},
        {.name = "days",
         .kind = CLI_NUMBER,
         .value = &days,
         .argument = "N",
         .help = "how long it is good (default: 7300)",
         .least = 1,
         .most = CA_DAYS_MAX},
        CLI_JSON_OPTION(&json),
    };
    const struct cli_usage usage = {
        .synopsis = "ca init FOLDER [--name TEXT] [--days N]",
        .summary =
            "Makes a CA in a new folder: ca.pem, ca.key (mode 0600; keep a copy apart from the "
            "server)\nand issued.jsonl, the register of what it issues.",
        .examples = "  usher ca init lamps-ca --name 'City lamps'\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_least = 1,
        .operands_most = 1,
    };
    struct err err = {0};
    size_t operands = 0;
    int code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if (ca_init(argv[1], name, (unsigned)days, &err) != ERR_OK)
        return ca_fail(&err);
    if (json) {
        json_t *answer = cli_memory(json_pack("{s:s, s:s}", "folder", argv[1], "name", name));
        code = cli_print_json(answer);
        json_decref(answer);
        return cli_finish(code);
    }
    printf("made %s/ca.pem; name it under x509: client-ca in usher.yaml\n", argv[1]);
    return cli_finish(CLI_OK);
}

/* ---- issue ---- */

struct issue {
    const char *folder, *output, *request;
    int64_t days;
    bool server, json;
    json_t *answer;
};

/* A name as a file's: what could lead elsewhere or surprise a shell becomes '_'. */
static char *output_path(const struct issue *issue, const char *name, const char *suffix)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s.%s", issue->output, name, suffix) < 0)
        cli_memory(NULL);
    for (char *at = path + strlen(issue->output) + 1; *at != '\0'; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                     (*at >= '0' && *at <= '9') || strchr("._-", *at) != NULL;
        if (!plain || (*at == '.' && at == path + strlen(issue->output) + 1))
            *at = '_';
    }
    return path;
}

static bool write_new(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        cli_say(errno == EEXIST ? "%s exists, and may be in use: move it away first (%s)"
                                : "cannot make %s (%s)",
                path, strerror(errno));
        return false;
    }
    size_t len = strlen(text);
    bool good = write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    if (!good)
        cli_say("cannot write %s (%s)", path, strerror(errno));
    return good;
}

/* Looked for before anything is issued: a certificate that has no place would be one to revoke. */
static bool is_free(const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0 && errno == ENOENT)
        return true;
    cli_say("%s exists, and may be in use: move it away first", path);
    return false;
}

static int write_issued(struct issue *issue, const struct ca_issued *issued,
                        const char *certificate_path, const char *key_path)
{
    /* The key first: without it the certificate is worth nothing. */
    if ((issued->key != NULL && !write_new(key_path, issued->key, 0600)) ||
        !write_new(certificate_path, issued->certificate, 0644)) {
        cli_say(
            "the certificate %s was issued and is not to be had; revoke it: usher ca revoke %s %s",
            issued->entry.serial, issue->folder, issued->entry.serial);
        return CLI_FAILED;
    }
    json_t *entry = entry_json(&issued->entry);
    json_object_set_new(entry, "certificate", cli_memory(json_string(certificate_path)));
    if (issued->key != NULL)
        json_object_set_new(entry, "key", cli_memory(json_string(key_path)));
    json_array_append_new(issue->answer, entry);
    if (!issue->json) {
        printf("%s  ", issued->entry.serial);
        cli_put_text(stdout, issued->entry.name);
        printf("  %s%s%s\n", certificate_path, issued->key != NULL ? "  " : "",
               issued->key != NULL ? key_path : "");
    }
    return CLI_OK;
}

static int issue_one(struct issue *issue, struct ca *ca, const char *name, struct bytes request)
{
    const struct ca_wish wish = {
        .name = name, .csr = request, .days = (unsigned)issue->days, .server = issue->server};
    char *certificate_path = output_path(issue, name, "pem");
    char *key_path = output_path(issue, name, "key");
    struct ca_issued issued = {0};
    struct err err = {0};
    int code = CLI_CONFLICT;
    if (is_free(certificate_path) && (request.len > 0 || is_free(key_path)))
        code = ca_issue(ca, &wish, &issued, &err) == ERR_OK
                   ? write_issued(issue, &issued, certificate_path, key_path)
                   : ca_fail(&err);
    ca_issued_clear(&issued);
    free(certificate_path);
    free(key_path);
    return code;
}

static int issue_all(struct issue *issue, char **names, size_t count, struct bytes request)
{
    struct ca *ca = NULL;
    int worst = CLI_OK;
    size_t done = 0;
    if (!open_ca(issue->folder, &ca, &worst))
        return worst;
    for (size_t i = 0; i < count; i++) {
        int code = issue_one(issue, ca, names[i], request);
        done += code == CLI_OK;
        worst = code != CLI_OK ? code : worst;
        cli_progress("issuing", i + 1, count, "certificates");
    }
    cli_progress_end();
    ca_close(ca);
    return worst != CLI_OK && done > 0 ? CLI_PARTLY : worst;
}

static int cmd_issue(int argc, char **argv)
{
    struct issue issue = {.output = ".", .days = 3650};
    const struct cli_option options[] = {
        {.name = "output",
         .letter = 'o',
         .kind = CLI_TEXT,
         .value = &issue.output,
         .argument = "FOLDER",
         .help = "where NAME.pem and NAME.key go (default: here); nothing is overwritten"},
        {.name = "csr",
         .kind = CLI_TEXT,
         .value = &issue.request,
         .argument = "FILE",
         .help = "certify the key of this request (PKCS#10) instead of making one; the name in it "
                 "does not count"},
        {.name = "server",
         .kind = CLI_FLAG,
         .value = &issue.server,
         .help = "for a server of that host name or address, such as usherd itself"},
        {.name = "days",
         .kind = CLI_NUMBER,
         .value = &issue.days,
         .argument = "N",
         .help = "how long it is good, at most as long as the CA (default: 3650)",
         .least = 1,
         .most = CA_DAYS_MAX},
        CLI_JSON_OPTION(&issue.json),
    };
    const struct cli_usage usage = {
        .synopsis = "ca issue FOLDER NAME.. [OPTION..]",
        .summary =
            "Issues a certificate to each endpoint, with a fresh key on P-256 or for the key of "
            "a request.",
        .examples = "  usher ca issue lamps-ca urn:dev:os:0042-lamp7 -o secrets\n"
                    "  usher ca issue lamps-ca meter-1 --csr meter-1.csr --days 365\n"
                    "  usher ca issue lamps-ca bs.city.example --server\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_least = 2,
        .operands_most = SIZE_MAX,
    };
    struct err err = {0};
    size_t operands = 0, len = 0;
    char *request = NULL;
    int code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if (issue.request != NULL && operands > 2) {
        cli_say("one request is for one name");
        return CLI_USAGE;
    }
    if (issue.request != NULL &&
        (request = read_file(issue.request, REQUEST_MAX, &len, &err)) == NULL)
        return ca_fail(&err);
    issue.folder = argv[1];
    issue.answer = cli_memory(json_array());
    code = issue_all(&issue, argv + 2, operands - 1, bytes_of(request, len));
    if (issue.json) {
        int printed = cli_print_json(issue.answer);
        code = code == CLI_OK ? printed : code;
    }
    json_decref(issue.answer);
    free(request);
    return cli_finish(code);
}

/* ---- revoke ---- */

static int revoke_one(struct ca *ca, const char *what, enum ca_reason reason)
{
    char serial[CA_SERIAL_SIZE];
    struct err err = {0};
    size_t revoked = 0, len = 0;
    enum err_code code = ERR_OK;
    if (access(what, F_OK) == 0) {
        char *text = read_file(what, CERTIFICATE_MAX, &len, &err);
        code = text != NULL ? ca_adopt(ca, bytes_of(text, len), serial, &err) : err.code;
        free(text);
        what = serial;
    }
    if (code == ERR_OK)
        code = ca_revoke(ca, what, reason, &revoked, &err);
    if (code != ERR_OK)
        return ca_fail(&err);
    cli_put_text(stdout, what);
    printf(revoked > 0 ? ": revoked %zu\n" : ": unchanged, it was revoked before\n", revoked);
    return CLI_OK;
}

static int cmd_revoke_certificate(int argc, char **argv)
{
    const char *reason_text = "unspecified";
    enum ca_reason reason;
    const struct cli_option options[] = {
        {.name = "reason",
         .kind = CLI_TEXT,
         .value = &reason_text,
         .argument = "REASON",
         .help = "unspecified (default), key-compromise, affiliation-changed, superseded, "
                 "cessation-of-operation"},
    };
    const struct cli_usage usage = {
        .synopsis = "ca revoke FOLDER SERIAL|NAME|CERTIFICATE-FILE.. [--reason REASON]",
        .summary =
            "Revokes certificates: by serial, all of a name, or the one in a file. Devices and "
            "servers\nlearn of it by the next 'usher ca crl'. The same command twice changes "
            "nothing.",
        .examples = "  usher ca revoke lamps-ca urn:dev:os:0042-lamp7 --reason key-compromise\n"
                    "  usher ca crl lamps-ca && systemctl reload usherd\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_least = 2,
        .operands_most = SIZE_MAX,
    };
    struct ca *ca = NULL;
    size_t operands = 0, done = 0;
    int code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if (!ca_reason_from_name(reason_text, &reason)) {
        cli_say("--reason: '%s' is none of unspecified, key-compromise, affiliation-changed, "
                "superseded, cessation-of-operation",
                reason_text);
        return CLI_USAGE;
    }
    if (!open_ca(argv[1], &ca, &code))
        return code;
    for (size_t i = 2; i <= operands; i++) {
        int one = revoke_one(ca, argv[i], reason);
        done += one == CLI_OK;
        code = one != CLI_OK ? one : code;
    }
    ca_close(ca);
    return cli_finish(code != CLI_OK && done > 0 ? CLI_PARTLY : code);
}

/* ---- crl ---- */

/* In the place of the old one at once, or not at all: a server may read it at any moment. */
static int replace_file(const char *path, const char *text)
{
    char *fresh = NULL;
    if (asprintf(&fresh, "%s.new", path) < 0)
        cli_memory(NULL);
    unlink(fresh); /* of a run that was interrupted */
    bool good = write_new(fresh, text, 0644);
    if (good && rename(fresh, path) != 0) {
        cli_say("cannot put %s in its place (%s)", path, strerror(errno));
        unlink(fresh);
        good = false;
    }
    free(fresh);
    return good ? CLI_OK : CLI_FAILED;
}

static int cmd_crl(int argc, char **argv)
{
    const char *output = NULL;
    int64_t days = 30;
    const struct cli_option options[] = {
        {.name = "output",
         .letter = 'o',
         .kind = CLI_TEXT,
         .value = &output,
         .argument = "FILE",
         .help = "default: FOLDER/crl.pem; - is standard output"},
        {.name = "days",
         .kind = CLI_NUMBER,
         .value = &days,
         .argument = "N",
         .help = "until when the next one comes, at the latest (default: 30)",
         .least = 1,
         .most = CA_DAYS_MAX},
    };
    const struct cli_usage usage = {
        .synopsis = "ca crl FOLDER [-o FILE] [--days N]",
        .summary =
            "Makes the list of what is revoked (CRL). usherd reads it at a reload; make it anew "
            "before\nit expires, also when nothing was revoked.",
        .examples = "  usher ca crl lamps-ca -o /etc/usher/lamps.crl && systemctl reload usherd\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_least = 1,
        .operands_most = 1,
    };
    struct ca *ca = NULL;
    struct err err = {0};
    size_t operands = 0;
    char *text = NULL, *usual = NULL;
    int code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &code) || !open_ca(argv[1], &ca, &code))
        return code;
    if (asprintf(&usual, "%s/crl.pem", argv[1]) < 0)
        cli_memory(NULL);
    if (ca_crl(ca, (unsigned)days, &text, &err) != ERR_OK)
        code = ca_fail(&err);
    else if (output != NULL && strcmp(output, "-") == 0)
        fputs(text, stdout);
    else
        code = replace_file(output != NULL ? output : usual, text);
    free(text);
    free(usual);
    ca_close(ca);
    return cli_finish(code);
}

/* ---- list ---- */

static void print_entries(const struct ca *ca)
{
    static const char *const titles[] = {"SERIAL", "NAME", "FOR", "EXPIRES", "REVOKED"};
    struct cli_table *table = cli_table_new(5, titles);
    for (size_t i = 0; i < ca_count(ca); i++) {
        const struct ca_entry *entry = ca_at(ca, i);
        char expires[CLOCK_TEXT_SIZE], revoked[CLOCK_TEXT_SIZE];
        clock_wall_text(entry->expires_ms, expires);
        clock_wall_text(entry->revoked_ms, revoked);
        const char *cells[] = {entry->serial, entry->name, entry->server ? "server" : "device",
                               expires, entry->revoked_ms != 0 ? revoked : NULL};
        cli_table_row(table, cells, entry->revoked_ms != 0 ? CLI_DIM : CLI_PLAIN);
    }
    cli_table_print(table, stdout);
    cli_table_free(table);
}

static int cmd_certificates(int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {CLI_JSON_OPTION(&json)};
    const struct cli_usage usage = {
        .synopsis = "ca list FOLDER [--json]",
        .summary = "Lists what the CA has issued, oldest first.",
        .examples = "  usher ca list lamps-ca\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_least = 1,
        .operands_most = 1,
    };
    struct ca *ca = NULL;
    size_t operands = 0;
    int code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &code) || !open_ca(argv[1], &ca, &code))
        return code;
    if (json) {
        json_t *list = cli_memory(json_array());
        for (size_t i = 0; i < ca_count(ca); i++)
            json_array_append_new(list, entry_json(ca_at(ca, i)));
        code = cli_print_json(list);
        json_decref(list);
    } else {
        print_entries(ca);
    }
    ca_close(ca);
    return cli_finish(code);
}

int cmd_ca(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } verbs[] = {{"init", cmd_init},
                 {"issue", cmd_issue},
                 {"revoke", cmd_revoke_certificate},
                 {"crl", cmd_crl},
                 {"list", cmd_certificates}};
    static const char help[] =
        "usage: usher ca init FOLDER [--name TEXT] [--days N]\n"
        "       usher ca issue FOLDER NAME.. [-o FOLDER] [--csr FILE] [--server] [--days N]\n"
        "       usher ca revoke FOLDER SERIAL|NAME|CERTIFICATE-FILE.. [--reason REASON]\n"
        "       usher ca crl FOLDER [-o FILE] [--days N]\n"
        "       usher ca list FOLDER [--json]\n\n"
        "A small CA for the certificates of devices and of usherd. 'usher ca issue --help' tells "
        "more.\n";

    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help, stdout);
        fputs("\nexamples:\n  usher ca init lamps-ca --name 'City lamps'\n"
              "  usher ca issue lamps-ca lamp-1 lamp-2 -o secrets\n",
              stdout);
        return cli_finish(CLI_OK);
    }
    if (argc > 1)
        cli_say("ca: '%s' is none of init, issue, revoke, crl, list", argv[1]);
    else
        fputs(help, stderr);
    return CLI_USAGE;
}
