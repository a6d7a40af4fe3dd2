/* usher mint: identities and keys for a batch of devices that are to be made. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "import_priv.h"

#include "usher/enrollment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct mint {
    const char *class_name, *prefix, *batch, *output;
    int64_t count, first, digits, key_length;
    bool offline;
};

static int check(const struct mint *mint)
{
    struct err err = {0};
    char longest[ENDPOINT_MAX + 32];
    if (mint->class_name == NULL || mint->prefix == NULL || mint->output == NULL ||
        mint->count == 0) {
        cli_say("--class, --count, --prefix and -o are needed; see 'usher mint --help'");
        return CLI_USAGE;
    }
    int len = snprintf(longest, sizeof longest, "%.*s%0*" PRId64, ENDPOINT_MAX, mint->prefix,
                       (int)mint->digits, mint->first + mint->count - 1);
    enum err_code code = enrollment_check_class(bytes_of_text(mint->class_name), &err);
    if (code == ERR_OK && (len < 0 || len > IDENTITY_MAX))
        code = err_set(&err, ERR_RANGE,
                       "identities would be longer than %d bytes: take a shorter "
                       "--prefix",
                       IDENTITY_MAX);
    if (code == ERR_OK)
        code = enrollment_check_endpoint(bytes_of_text(longest), &err);
    if (code == ERR_OK && mint->batch != NULL)
        code = enrollment_check_tag("batch", mint->batch, &err);
    return code == ERR_OK ? CLI_OK : cli_fail(&err);
}

static void write_row(const struct mint *mint, int64_t number, FILE *out)
{
    char key[BYTES_HEX_SIZE(64)], endpoint[ENDPOINT_MAX + 32];
    uint8_t data[64];
    bytes_random(data, (size_t)mint->key_length);
    bytes_to_hex(bytes_of(data, (size_t)mint->key_length), key);
    snprintf(endpoint, sizeof endpoint, "%s%0*" PRId64, mint->prefix, (int)mint->digits, number);
    cli_put_csv(out, endpoint);
    fprintf(out, ",%s,", mint->class_name);
    cli_put_csv(out, endpoint);
    fprintf(out, ",%s,", key);
    cli_put_csv(out, mint->batch != NULL ? mint->batch : "");
    fputc('\n', out);
    bytes_wipe(data, sizeof data);
    bytes_wipe(key, sizeof key);
}

/* On the disk before anything is enrolled: a key that only the server has is in no device. */
static int write_file(const struct mint *mint)
{
    int fd = open(mint->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (out == NULL) {
        cli_say(errno == EEXIST
                    ? "%s exists, and may hold the only copy of keys: name another file (%s)"
                    : "cannot make %s (%s)",
                mint->output, strerror(errno));
        return CLI_FAILED;
    }
    fputs("endpoint,class,identity,key,batch\n", out);
    for (int64_t i = 0; i < mint->count; i++) {
        write_row(mint, mint->first + i, out);
        cli_progress("minting", (uint64_t)i, (uint64_t)mint->count, "devices");
    }
    cli_progress_end();
    bool good = fflush(out) == 0 && !ferror(out) && fsync(fileno(out)) == 0;
    int why = errno;
    good = fclose(out) == 0 && good;
    if (good)
        return CLI_OK;
    cli_say("cannot write %s (%s)", mint->output, strerror(why));
    return CLI_FAILED;
}

/* An endpoint that is taken must not get a second key: either all are enrolled or none. */
static int enroll(const struct mint *mint, struct import_command *import)
{
    int code = CLI_OK;
    import->name = mint->output;
    import->conflict = "fail";
    import->format = "csv";
    if (!cli_connect(&import->server, &code))
        return code;
    code = import_run(import);
    cli_disconnect(&import->server);
    if (code != CLI_OK)
        cli_say("%s stays; when the cause is gone, enrol it with: usher import %s --on-conflict "
                "fail",
                mint->output, mint->output);
    return code;
}

int cmd_mint(int argc, char **argv)
{
    struct mint mint = {.first = 1, .digits = 6, .key_length = 16};
    struct import_command import = {.fd = -1};
    const struct cli_option options[] = {
        {.name = "class",
         .letter = 'c',
         .kind = CLI_TEXT,
         .value = &mint.class_name,
         .argument = "CLASS",
         .help = "the profile that the devices follow"},
        {.name = "count",
         .letter = 'n',
         .kind = CLI_NUMBER,
         .value = &mint.count,
         .argument = "N",
         .help = "how many",
         .least = 1,
         .most = 10000000},
        {.name = "prefix",
         .letter = 'p',
         .kind = CLI_TEXT,
         .value = &mint.prefix,
         .argument = "TEXT",
         .help = "endpoints are this and a number"},
        {.name = "first",
         .kind = CLI_NUMBER,
         .value = &mint.first,
         .argument = "N",
         .help = "the first number (default: 1)",
         .least = 0,
         .most = INT64_C(1000000000000)},
        {.name = "digits",
         .kind = CLI_NUMBER,
         .value = &mint.digits,
         .argument = "N",
         .help = "that numbers have at least (default: 6)",
         .least = 1,
         .most = 15},
        {.name = "key-length",
         .kind = CLI_NUMBER,
         .value = &mint.key_length,
         .argument = "BYTES",
         .help = "of the keys (default: 16)",
         .least = 16,
         .most = 64},
        {.name = "batch",
         .letter = 'b',
         .kind = CLI_TEXT,
         .value = &mint.batch,
         .argument = "NAME",
         .help = "tag 'batch'"},
        {.name = "output",
         .letter = 'o',
         .kind = CLI_TEXT,
         .value = &mint.output,
         .argument = "FILE",
         .help = "a new file, mode 0600: the only copy of the keys that leaves"},
        {.name = "offline",
         .kind = CLI_FLAG,
         .value = &mint.offline,
         .help = "do not enrol them; 'usher import FILE' does, later"},
        CLI_SERVER_OPTIONS(&import.server),
    };
    const struct cli_usage usage = {
        .synopsis = "mint --class CLASS --count N --prefix TEXT -o FILE [OPTION..]",
        .summary = "Makes endpoints and random keys for a batch, writes them to a new file, and "
                   "enrols them:\nall of them, or none when an endpoint is taken.",
        .examples =
            "  usher mint --class street-light --count 500 --prefix urn:dev:os:0042- --batch "
            "B7 -o b7.csv\n"
            "  usher mint --class street-light --count 500 --prefix lamp- -o b8.csv "
            "--offline\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    size_t operands = 0;
    int code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    code = check(&mint);
    if (code == CLI_OK)
        code = write_file(&mint);
    if (code == CLI_OK && mint.offline)
        printf("%" PRId64 " devices in %s; they are not enrolled yet\n", mint.count, mint.output);
    else if (code == CLI_OK)
        code = enroll(&mint, &import);
    return cli_finish(code);
}
