/* Command lines of usher-sim by table. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "flood_priv.h"
#include "options_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 28, DAY_MS = 86400000, LINE_MAX_THOUSANDTHS = 1000 };

/* Stores an option's value; false: it is none (the caller says so). */
typedef bool (*take_fn)(struct sim_options *options, const char *value);

static bool read_number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno != 0 || *end != '\0' || number < least ||
        number > most)
        return false;
    *out = number;
    return true;
}

/* "250ms" "30s" "2min" "1h"; a bare number is seconds. */
static bool read_duration(const char *text, uint32_t *out)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"", 1000}};
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno != 0 || number > DAY_MS)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) != 0 || number * units[i].ms > DAY_MS)
            continue;
        *out = (uint32_t)(number * units[i].ms);
        return true;
    }
    return false;
}

#define TAKE_TEXT(name, field)                                                                     \
    static bool name(struct sim_options *options, const char *value)                               \
    {                                                                                              \
        options->field = value;                                                                    \
        return value[0] != '\0';                                                                   \
    }
#define TAKE_FLAG(name, field)                                                                     \
    static bool name(struct sim_options *options, const char *value)                               \
    {                                                                                              \
        options->field = true;                                                                     \
        return value == NULL;                                                                      \
    }
#define TAKE_NUMBER(name, field, least, most)                                                      \
    static bool name(struct sim_options *options, const char *value)                               \
    {                                                                                              \
        uint64_t number;                                                                           \
        if (!read_number(value, least, most, &number))                                             \
            return false;                                                                          \
        options->field = (__typeof__(options->field))number;                                       \
        return true;                                                                               \
    }
#define TAKE_DURATION(name, field)                                                                 \
    static bool name(struct sim_options *options, const char *value)                               \
    {                                                                                              \
        return read_duration(value, &options->field);                                              \
    }

TAKE_TEXT(take_server, config.server_uri)
TAKE_TEXT(take_endpoint, config.endpoint)
TAKE_TEXT(take_identity, identity)
TAKE_TEXT(take_certificate, config.certificate)
TAKE_TEXT(take_authorities, config.authorities)
TAKE_TEXT(take_server_name, config.server_name)
TAKE_TEXT(take_local, local)
TAKE_TEXT(take_json, json)
TAKE_TEXT(take_prefix, prefix)
TAKE_TEXT(take_keys, keys)
TAKE_TEXT(take_reports, reports)
TAKE_TEXT(take_key_file, key_file)
TAKE_FLAG(take_show, show)
TAKE_FLAG(take_reveal, reveal)
TAKE_FLAG(take_quiet, quiet)
TAKE_FLAG(take_separate, config.separate)
TAKE_FLAG(take_late_mandatory, config.late_mandatory)
TAKE_FLAG(take_merge, config.merge_writes)
TAKE_FLAG(take_timeout_restarts, config.timeout_restarts)
TAKE_FLAG(take_wrong_key, config.faults.wrong_key)
TAKE_FLAG(take_reboot_in_handshake, config.faults.reboot_in_handshake)
TAKE_NUMBER(take_bootstrap_instance, config.bootstrap_instance, 0, 65534)
TAKE_NUMBER(take_identity_max, config.identity_max, 1, 65535)
TAKE_NUMBER(take_key_max, config.key_max, 1, 65535)
TAKE_NUMBER(take_payload_max, config.payload_max, 16, 65535)
TAKE_NUMBER(take_drop, config.faults.drop, 0, LINE_MAX_THOUSANDTHS)
TAKE_NUMBER(take_duplicate, config.faults.duplicate, 0, LINE_MAX_THOUSANDTHS)
TAKE_NUMBER(take_reorder, config.faults.reorder, 0, LINE_MAX_THOUSANDTHS)
TAKE_NUMBER(take_seed, config.faults.seed, 0, UINT64_MAX)
TAKE_NUMBER(take_move_after, config.faults.move_after, 1, 1000)
TAKE_NUMBER(take_reboot_after, config.faults.reboot_after, 1, 1000)
TAKE_NUMBER(take_devices, devices, 1, 10000000)
TAKE_NUMBER(take_concurrency, concurrency, 1, 100000)
TAKE_NUMBER(take_threads, threads, 1, 64)
TAKE_NUMBER(take_sources, sources, 1, FLOOD_SOURCES_MAX)
TAKE_NUMBER(take_await, await, 1, FLOOD_AWAIT_MAX)
TAKE_NUMBER(take_count, count, 1, UINT32_MAX)
TAKE_FLAG(take_with_cookie, with_cookie)
TAKE_DURATION(take_timeout, config.timeout_ms)
TAKE_DURATION(take_ack_timeout, config.ack_timeout_ms)
TAKE_DURATION(take_handshake_min, config.handshake_min_ms)
TAKE_DURATION(take_handshake_max, config.handshake_max_ms)
TAKE_DURATION(take_hold, config.hold_ms)
TAKE_DURATION(take_separate_delay, config.separate_delay_ms)

/* A number, or "max". */
static bool take_rate(struct sim_options *options, const char *value)
{
    uint64_t rate = 0;
    options->rate_set = true;
    if (strcmp(value, "max") != 0 && !read_number(value, 1, FLOOD_RATE_MAX, &rate))
        return false;
    options->rate = (uint32_t)rate;
    return true;
}

static bool take_duration(struct sim_options *options, const char *value)
{
    return read_duration(value, &options->duration_ms) && options->duration_ms > 0 &&
           options->duration_ms <= FLOOD_MS_MAX;
}

static bool take_no_endpoint(struct sim_options *options, const char *value)
{
    options->config.endpoint = NULL;
    return value == NULL;
}

/* As for `usher enroll`: a file's name behind an @. */
static bool take_key(struct sim_options *options, const char *value)
{
    options->key_file = value + 1;
    return value[0] == '@' && value[1] != '\0';
}

static bool take_version(struct sim_options *options, const char *value)
{
    static const char *const names[] = {"1.0", "1.1", "1.2"};
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(value, names[i]) == 0) {
            options->config.version = (enum lwm2m_version)(LWM2M_1_0 + i);
            return true;
        }
    }
    return false;
}

static bool read_format(const char *text, int *out)
{
    uint64_t number;
    if (read_number(text, 0, 65535, &number))
        *out = (int)number;
    else
        *out = codec_from_name(text);
    return *out != FORMAT_NONE;
}

static bool take_preferred(struct sim_options *options, const char *value)
{
    return read_format(value, &options->config.preferred_format);
}

static bool take_format(struct sim_options *options, const char *value)
{
    size_t *count = &options->config.format_count;
    if (options->config.formats != options->formats) /* those of a personality */
        *count = 0;
    options->config.formats = options->formats;
    return *count < OPTION_FORMATS_MAX && read_format(value, &options->formats[(*count)++]);
}

static bool take_cipher(struct sim_options *options, const char *value)
{
    static const struct {
        const char *name;
        uint16_t number;
    } ciphers[] = {{"ccm8", SIM_CIPHER_CCM8}, {"gcm", SIM_CIPHER_GCM}, {"cbc", SIM_CIPHER_CBC}};
    for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++) {
        if (strcmp(value, ciphers[i].name) == 0) {
            options->config.cipher = ciphers[i].number;
            return true;
        }
    }
    return false;
}

static bool take_cid(struct sim_options *options, const char *value)
{
    uint64_t len;

    if (!read_number(value, 0, SIM_CID_MAX, &len))
        return false;
    options->config.cid = true;
    options->config.cid_len = (uint8_t)len;
    return true;
}

static bool take_object(struct sim_options *options, const char *value)
{
    uint64_t number;
    size_t *count = &options->config.more_object_count;
    if (*count == OPTION_OBJECTS_MAX || !read_number(value, 0, 65534, &number))
        return false;
    options->config.more_objects = options->objects;
    options->objects[(*count)++] = (uint16_t)number;
    return true;
}

static bool hold(struct sim_options *options, uint16_t object, uint16_t instance, uint16_t resource,
                 struct value value)
{
    size_t *count = &options->config.hold_count;
    if (*count == OPTION_HOLDS_MAX)
        return false;
    options->config.holds = options->holds;
    options->holds[(*count)++] =
        (struct record){.path = path_resource(object, instance, resource), .value = value};
    return true;
}

/* "101@1": a complete account of Short Server ID 101 in /0/1 and /1/1, left from an earlier time.
 */
static bool take_old_account(struct sim_options *options, const char *value)
{
    unsigned ssid, instance;
    char rest;
    if (sscanf(value, "%5u@%5u%c", &ssid, &instance, &rest) != 2 || ssid < 1 || ssid > 65534 ||
        instance > 65534)
        return false;
    uint16_t at = (uint16_t)instance;
    struct value number = {.type = VALUE_INTEGER, .integer = ssid};
    struct value mode = {.type = VALUE_INTEGER, .integer = 3};
    struct value no = {.type = VALUE_BOOLEAN, .boolean = false};
    struct value uri = {.type = VALUE_STRING, .bytes = bytes_of_text("coap://old.example")};
    struct value binding = {.type = VALUE_STRING, .bytes = bytes_of_text("U")};
    struct value lifetime = {.type = VALUE_INTEGER, .integer = 86400};
    return hold(options, 0, at, 0, uri) && hold(options, 0, at, 1, no) &&
           hold(options, 0, at, 2, mode) && hold(options, 0, at, 10, number) &&
           hold(options, 1, at, 0, number) && hold(options, 1, at, 1, lifetime) &&
           hold(options, 1, at, 6, no) && hold(options, 1, at, 7, binding);
}

static bool take_block_size(struct sim_options *options, const char *value)
{
    uint64_t size;
    if (!read_number(value, 16, 1024, &size))
        return false;
    for (uint8_t szx = 0; szx <= 6; szx++) {
        if (size == 16u << szx) {
            options->config.block_szx = szx;
            return true;
        }
    }
    return false;
}

static bool take_linger(struct sim_options *options, const char *value)
{
    options->linger_set = true;
    return read_duration(value, &options->config.linger_ms);
}

static bool take_separate_non(struct sim_options *options, const char *value)
{
    options->config.separate = options->config.separate_non = true;
    return value == NULL;
}

static bool take_mid_start(struct sim_options *options, const char *value)
{
    uint64_t number;
    if (!read_number(value, 0, 65535, &number))
        return false;
    options->config.has_mid_start = true;
    options->config.mid_start = (uint16_t)number;
    return true;
}

static bool take_rule(struct sim_options *options, const char *value)
{
    struct err err;
    struct sim_faults *faults = &options->config.faults;
    if (faults->rule_count == SIM_RULES_MAX)
        return false;
    if (sim_rule_parse(value, &faults->rules[faults->rule_count], &err) != ERR_OK) {
        fprintf(stderr, "usher-sim: %s\n", err.text);
        return false;
    }
    faults->rule_count++;
    return true;
}

/* "50ms" or "20ms..80ms" */
static bool take_delay(struct sim_options *options, const char *value)
{
    struct sim_faults *faults = &options->config.faults;
    const char *dots = strstr(value, "..");
    char least[16];
    size_t len = dots != NULL ? (size_t)(dots - value) : strlen(value);
    if (len >= sizeof least)
        return false;
    memcpy(least, value, len);
    least[len] = '\0';
    return read_duration(least, &faults->delay_min_ms) &&
           read_duration(dots != NULL ? dots + 2 : least, &faults->delay_max_ms) &&
           faults->delay_max_ms >= faults->delay_min_ms;
}

static bool take_round_trip(struct sim_options *options, const char *value)
{
    struct sim_faults *faults = &options->config.faults;
    uint32_t whole;
    if (!read_duration(value, &whole))
        return false;
    faults->delay_min_ms = faults->delay_max_ms = whole / 2;
    return true;
}

static bool take_pack(struct sim_options *options, const char *value)
{
    options->config.pack = true;
    return strcmp(value, "any") == 0 || read_format(value, &options->config.pack_format);
}

/* Says all names: nobody knows them by heart. */
static bool take_personality(struct sim_options *options, const char *value)
{
    const struct sim_personality *personality = sim_personality_find(value);
    if (personality != NULL) {
        sim_config_as(&options->config, personality);
        return true;
    }
    fputs("usher-sim: there are", stderr);
    for (size_t i = 0; (personality = sim_personality(i)) != NULL; i++)
        fprintf(stderr, " %s", personality->name);
    fputs("\n", stderr);
    return false;
}

struct option {
    const char *name;
    const char *argument; /* NULL for a flag */
    int which;
    take_fn take;
    const char *help;
};

static const struct option table[] = {
    {"server", "URI", FOR_ALL, take_server, "coaps://HOST:PORT, or coap:// for no security"},
    {"endpoint", "NAME", FOR_DEVICE, take_endpoint, "endpoint client name to ask for (ep=)"},
    {"no-endpoint", NULL, FOR_DEVICE, take_no_endpoint, "ask without ep="},
    {"identity", "TEXT", FOR_DEVICE, take_identity, "PSK identity; default: the endpoint name"},
    {"key", "@FILE", FOR_BOTH, take_key, "PSK in hexadecimal; @- reads standard input"},
    {"key-file", "FILE", FOR_BOTH, take_key_file, "the same, - reads standard input"},
    {"cert", "FILE", FOR_DEVICE, take_certificate,
     "certificate, then its issuers, in PEM; --key is then its key"},
    {"ca", "FILE", FOR_DEVICE, take_authorities, "CAs of the server, in PEM, with certificates"},
    {"server-name", "NAME", FOR_DEVICE, take_server_name,
     "name that its certificate must have; default any"},
    {"devices", "N", FOR_FLEET, take_devices, "how many; default: all of --keys, else 1"},
    {"concurrency", "C", FOR_FLEET, take_concurrency, "at most so many at a time; default 100"},
    {"prefix", "TEXT", FOR_FLEET, take_prefix, "endpoint names are TEXT0, TEXT1 and so on"},
    {"keys", "FILE", FOR_FLEET, take_keys, "CSV lines endpoint,identity,key in hexadecimal"},
    {"reports", "FILE", FOR_FLEET, take_reports, "write a line of JSON for each device"},
    {"threads", "N", FOR_FLEET, take_threads, "default 1: a server beside it needs the cores"},
    {"as", "NAME", FOR_BOTH, take_personality,
     "behave like a client (see below); options that follow change what it does"},
    {"lwm2m", "VERSION", FOR_BOTH, take_version, "1.0, 1.1 (default) or 1.2"},
    {"pct", "FORMAT", FOR_BOTH, take_preferred,
     "format to ask for: tlv, senml-cbor, 112 ..; default none"},
    {"pack", "FORMAT", FOR_BOTH, take_pack,
     "ask for a Bootstrap-Pack first, in this format or any"},
    {"format", "FORMAT", FOR_BOTH, take_format, "take only this one; may be given several times"},
    {"cipher", "NAME", FOR_BOTH, take_cipher, "offer only ccm8, gcm or cbc"},
    {"cid", "BYTES", FOR_BOTH, take_cid, "ask for Connection IDs, its own of 0 (none) to 16 bytes"},
    {"local", "ADDRESS", FOR_BOTH, take_local, "send from this address, or ADDRESS:PORT"},
    {"object", "ID", FOR_BOTH, take_object, "know this object as well; several times"},
    {"bootstrap-instance", "N", FOR_BOTH, take_bootstrap_instance,
     "instance of its bootstrap account in /0; default 0"},
    {"old-account", "SSID@N", FOR_BOTH, take_old_account,
     "hold an account from before in /0/N and /1/N"},
    {"timeout", "TIME", FOR_BOTH, take_timeout, "for the whole bootstrap; default 247s"},
    {"timeout-restarts", NULL, FOR_BOTH, take_timeout_restarts,
     "count it anew from each operation"},
    {"ack-timeout", "TIME", FOR_BOTH, take_ack_timeout, "first CoAP retransmission; default 2s"},
    {"handshake-min", "TIME", FOR_BOTH, take_handshake_min,
     "first DTLS retransmission; default 1s"},
    {"handshake-max", "TIME", FOR_BOTH, take_handshake_max,
     "longest wait for a DTLS flight; default 60s"},
    {"hold", "TIME", FOR_BOTH, take_hold, "stay silent so long between handshake and request"},
    {"linger", "TIME", FOR_BOTH, take_linger, "stay so long after Finish to answer repeats"},
    {"block-size", "BYTES", FOR_BOTH, take_block_size, "largest block, 16 to 1024"},
    {"payload-max", "BYTES", FOR_BOTH, take_payload_max,
     "longest Write without blocks; default 1024"},
    {"identity-max", "BYTES", FOR_BOTH, take_identity_max, "longest identity it can store"},
    {"key-max", "BYTES", FOR_BOTH, take_key_max, "longest key it can store"},
    {"late-mandatory", NULL, FOR_BOTH, take_late_mandatory,
     "miss mandatory resources only at Finish"},
    {"merge", NULL, FOR_BOTH, take_merge, "a Write keeps resources that it does not name"},
    {"separate", NULL, FOR_BOTH, take_separate, "answer in messages of their own"},
    {"separate-non", NULL, FOR_BOTH, take_separate_non, "the same, non-confirmable"},
    {"separate-delay", "TIME", FOR_BOTH, take_separate_delay, "so long after the empty ACK"},
    {"mid-start", "N", FOR_BOTH, take_mid_start, "first message id, after reboots too"},
    {"rule", "RULE", FOR_BOTH, take_rule,
     "answer otherwise: PUT:/0/1=4.15, POST:/bs=4.06x1 (once), 3=none, DELETE=rst"},
    {"answer", "RULE", FOR_BOTH, take_rule, "the same"},
    {"drop", "N", FOR_BOTH, take_drop, "lose N of 1000 datagrams, each way"},
    {"duplicate", "N", FOR_BOTH, take_duplicate, "repeat N of 1000"},
    {"reorder", "N", FOR_BOTH, take_reorder, "overtake N of 1000"},
    {"delay", "TIME", FOR_BOTH, take_delay, "delay each, such as 20ms..80ms"},
    {"round-trip", "TIME", FOR_BOTH, take_round_trip,
     "the same, half of it each way: 10s on NB-IoT"},
    {"seed", "N", FOR_ALL, take_seed, "of all that is left to chance; default 0"},
    {"reboot-after", "N", FOR_BOTH, take_reboot_after, "lose power at the N-th operation, once"},
    {"move-after", "N", FOR_BOTH, take_move_after,
     "answer the N-th operation from another port (see --cid)"},
    {"reboot-in-handshake", NULL, FOR_BOTH, take_reboot_in_handshake,
     "lose power in mid-handshake, once"},
    {"wrong-key", NULL, FOR_BOTH, take_wrong_key, "use a key that differs in one bit"},
    {"rate", "N", FOR_FLOOD, take_rate, "hellos a second, or max; default 10000"},
    {"for", "TIME", FOR_FLOOD, take_duration, "how long, at most 10min; default 10s"},
    {"count", "N", FOR_FLOOD, take_count, "end after so many"},
    {"sources", "N", FOR_FLOOD, take_sources,
     "so many addresses and ports of 127.0.0.0/8; default 1000"},
    {"with-cookie", NULL, FOR_FLOOD, take_with_cookie, "give each a false cookie"},
    {"await", "N", FOR_FLOOD, take_await, "at most N unanswered at a time; counts answers"},
    {"show", NULL, FOR_DEVICE, take_show, "print what the device holds afterwards"},
    {"reveal", NULL, FOR_DEVICE, take_reveal, "print keys too, not their fingerprints"},
    {"json", "FILE", FOR_ALL, take_json, "write a report; - is standard output"},
    {"quiet", NULL, FOR_ALL, take_quiet, "no summary and no progress on standard error"},
};

static const char device_text[] =
    "usage: usher-sim device --server URI --endpoint NAME --key @FILE [OPTION..]\n\n"
    "One simulated LwM2M device that bootstraps. Exit code 0 when bootstrapped, 1 when not, 2 for\n"
    "a wrong command line, 3 for a key or file that cannot be used.\n\noptions:\n";
static const char device_examples[] =
    "\nexamples:\n"
    "  usher-sim device --server coaps://127.0.0.1:5684 --endpoint lamp7 --key @lamp7.key --show\n"
    "  usher-sim device --server coaps://[::1]:5684 --endpoint meter1 --identity m1 --key @m1.key "
    "\\\n"
    "      --lwm2m 1.0 --rule 'GET:/=4.04' --json -\n"
    "  usher-sim device --server coaps://127.0.0.1:5684 --endpoint lamp7 --cert lamp7.pem --key "
    "\\\n"
    "      @lamp7-cert.key --ca ca.pem\n"
    "  usher-sim device --as zephyr --server coaps://127.0.0.1:5684 --endpoint m1 --key @m1.key\n";
static const char fleet_text[] =
    "usage: usher-sim fleet --server URI --keys FILE [--concurrency C] [OPTION..]\n"
    "       usher-sim fleet --server URI --devices N --prefix TEXT --key @FILE [OPTION..]\n\n"
    "Many simulated devices; times, rates and failures by reason. Exit code 0 when all have been\n"
    "bootstrapped, 5 when some, 1 when none, 2 for a wrong command line, 3 for an unusable "
    "file.\n\n"
    "options:\n";
static const char fleet_examples[] =
    "\nexamples:\n"
    "  usher-sim fleet --server coaps://127.0.0.1:5684 --keys street.csv --concurrency 200\n"
    "  usher-sim fleet --server coaps://127.0.0.1:5684 --keys street.csv --devices 1000 --json -\n"
    "  usher-sim fleet --as quectel-bc66 --server coaps://127.0.0.1:5684 --keys meters.csv\n";

static const char flood_text[] =
    "usage: usher-sim flood --server coaps://127.0.0.1:PORT [OPTION..]\n\n"
    "Forged ClientHellos, to see what a server does with them. To 127.0.0.0/8 only. Exit code 0\n"
    "when they are out, 1 when they could not be sent, 2 for a wrong command line, 3 for another\n"
    "target.\n\noptions:\n";
static const char flood_examples[] =
    "\nexamples:\n"
    "  usher-sim flood --server coaps://127.0.0.1:5684 --rate 50000 --sources 20000 --for 30s\n"
    "  usher-sim flood --server coaps://127.0.0.1:5684 --rate max --count 1000000 --json -\n";

static const struct {
    int which;
    const char *name, *text, *examples;
} commands[] = {
    {FOR_DEVICE, "device", device_text, device_examples},
    {FOR_FLEET, "fleet", fleet_text, fleet_examples},
    {FOR_FLOOD, "flood", flood_text, flood_examples},
};

static size_t command_index(int which)
{
    size_t at = 0;
    while (commands[at].which != which)
        at++;
    return at;
}

static void print_personalities(FILE *out)
{
    const struct sim_personality *personality;
    fputs("\nclients for --as:\n", out);
    for (size_t i = 0; (personality = sim_personality(i)) != NULL; i++)
        fprintf(out, "  %-18s %s\n", personality->name, personality->about);
}

void options_help(int which, FILE *out)
{
    fputs(commands[command_index(which)].text, out);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char left[64];
        if ((table[i].which & which) == 0)
            continue;
        (void)snprintf(left, sizeof left, "  --%s %s", table[i].name,
                       table[i].argument != NULL ? table[i].argument : "");
        fprintf(out, "%-*s%s\n", HELP_COLUMN, left, table[i].help);
    }
    if ((which & FOR_BOTH) != 0)
        print_personalities(out);
    fputs(commands[command_index(which)].examples, out);
}

static const struct option *find_option(const char *name, size_t len, int which)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if ((table[i].which & which) != 0 && strlen(table[i].name) == len &&
            memcmp(table[i].name, name, len) == 0)
            return &table[i];
    return NULL;
}

/* One option with its value, from argv[*at] on. */
static bool take_option(struct sim_options *options, int which, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    const char *command = commands[command_index(which)].name;
    size_t len = strncmp(word, "--", 2) == 0 ? strcspn(word + 2, "=") : 0;
    const struct option *option = len > 0 ? find_option(word + 2, len, which) : NULL;
    if (option == NULL) {
        fprintf(stderr, "usher-sim: unknown argument '%s'; see 'usher-sim %s --help'\n", word,
                command);
        return false;
    }
    const char *value = word[2 + len] == '=' ? word + 3 + len : NULL;
    if (option->argument != NULL && value == NULL && *at + 1 < argc)
        value = argv[++*at];
    if (option->argument != NULL && value == NULL) {
        fprintf(stderr, "usher-sim: --%s needs %s\n", option->name, option->argument);
        return false;
    }
    if (option->take(options, value))
        return true;
    /* A key that was typed here must not be repeated. */
    if (option->take == take_key)
        fputs("usher-sim: a key stands in a file, never on the command line: --key @FILE, or @- "
              "for standard input\n",
              stderr);
    else
        fprintf(stderr, "usher-sim: --%s: '%s' is not right: %s\n", option->name,
                value != NULL ? value : "", option->help);
    return false;
}

bool options_parse(struct sim_options *options, int which, int argc, char **argv, int *exit_code)
{
    *options = (struct sim_options){0};
    sim_config_init(&options->config);
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            options_help(which, stdout);
            *exit_code = SIM_EXIT_OK;
            return false;
        }
        if (!take_option(options, which, argc, argv, &at)) {
            *exit_code = SIM_EXIT_USAGE;
            return false;
        }
    }
    if (options->config.server_uri != NULL)
        return true;
    fprintf(stderr, "usher-sim: --server is missing; see 'usher-sim %s --help'\n",
            commands[command_index(which)].name);
    *exit_code = SIM_EXIT_USAGE;
    return false;
}
