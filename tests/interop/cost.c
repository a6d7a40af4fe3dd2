/* What a bootstrap costs on the wire: datagrams, bytes and round trips by way of writing, for the
 * street light of profiles/ (two servers, rights, clock, a setting). Counted on a false network
 * with the whole server, DTLS included; no datagram is lost.
 *
 *   interop_cost PROFILES             exit code 1 when there are more messages than have to be
 *   interop_cost PROFILES --table     prints them (scripts/interop-matrix)
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* One way; a bootstrap takes as many of these twice as it has round trips. */
enum { DELAY_MS = 500, LIMIT_MS = 4000000, PIECES_MAX = 64 };
/* DTLS 1.2 (RFC 6347 section 4.1, RFC 9146): what carries CoAP. */
enum { RECORD_APPLICATION_DATA = 23, RECORD_CID = 25, RECORD_ALERT = 21 };

static const struct way {
    const char *name, *client;
    int preferred_format;
    bool pack;
} ways[] = {
    {"TLV (default)", "{}", FORMAT_NONE, false},
    {"TLV, no Discover", "{ discover: never }", FORMAT_NONE, false},
    {"SenML CBOR", "{}", FORMAT_SENML_CBOR, false},
    {"SenML JSON", "{}", FORMAT_SENML_JSON, false},
    {"LwM2M CBOR", "{}", FORMAT_LWM2M_CBOR, false},
    {"Pack, SenML CBOR", "{}", FORMAT_SENML_CBOR, true},
};
enum { WAY_COUNT = sizeof ways / sizeof ways[0] };

struct count {
    unsigned datagrams[2];
    size_t bytes[2]; /* [1] = to the server */
};

struct cost {
    struct count handshake, messages, end;
    uint32_t round_trips;
    /* Each CoAP message in order, by direction. */
    size_t piece_count[2], pieces[2][PIECES_MAX];
    struct sim_report report;
};

/* For the callbacks of the network. */
static const struct way *current;
static struct cost *counting;

static void add(struct count *count, const struct net_datagram *datagram)
{
    count->datagrams[datagram->to_server]++;
    count->bytes[datagram->to_server] += datagram->len;
}

static bool arrives(struct net *net, const struct net_datagram *datagram)
{
    uint8_t kind = datagram->data[0];
    size_t *pieces = &counting->piece_count[datagram->to_server];
    if (kind == RECORD_ALERT) {
        add(&counting->end, datagram);
    } else if (kind != RECORD_APPLICATION_DATA && kind != RECORD_CID) {
        add(&counting->handshake, datagram);
    } else {
        add(&counting->messages, datagram);
        assert_true(*pieces < PIECES_MAX);
        counting->pieces[datagram->to_server][(*pieces)++] = datagram->len;
    }
    return true;
}

static void behave(struct sim_config *config)
{
    static const uint16_t light_control = 3416;
    config->version = LWM2M_1_2;
    config->bootstrap_instance = 0;
    config->preferred_format = current->preferred_format;
    config->pack = current->pack;
    config->pack_format = current->preferred_format;
    config->more_objects = &light_control;
    config->more_object_count = 1;
    config->linger_ms = 0;
}

static void enrol(struct store_device *stored)
{
    (void)snprintf(stored->enrollment.class_name, sizeof stored->enrollment.class_name, "counted");
}

static struct profile_set *load(const char *samples, const struct way *way)
{
    char name[] = "/tmp/usher-cost-XXXXXX.yaml";
    int fd = mkstemps(name, 5);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    const char *paths[] = {samples, name};
    struct findings findings;
    assert_non_null(out);
    fprintf(out, "class: counted\nextends: street-light\nclient: %s\n", way->client);
    assert_int_equal(fclose(out), 0);
    findings_init(&findings);
    struct profile_set *set = profile_set_load(paths, 2, &findings);
    (void)unlink(name);
    if (set == NULL)
        fail_msg("%s", findings.first->text);
    findings_clear(&findings);
    return set;
}

static void bootstrap(const char *samples, const struct way *way, struct cost *cost)
{
    struct net_settings settings = {
        .profiles = load(samples, way), .delay_ms = DELAY_MS, .behave = behave, .enrol = enrol};
    *cost = (struct cost){0};
    current = way;
    counting = cost;
    settings.handshake_min_ms = settings.ack_timeout_ms = 10 * DELAY_MS;
    struct net *net = net_new(&settings);
    net->arrives = arrives;
    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    cost->report = *sim_device_report(net->devices[0].sim);
    net_free(net);
    profile_set_unref(settings.profiles);
    if (cost->report.state != SIM_BOOTSTRAPPED || cost->report.packed != way->pack)
        fail_msg("%s: %s %s", way->name, cost->report.reason, cost->report.detail);
    assert_int_equal(cost->report.retransmissions, 0);
    /* Until the device has Finish, or the last block of the pack. */
    assert_int_equal(cost->report.duration_ms % (2 * DELAY_MS), 0);
    cost->round_trips = cost->report.duration_ms / (2 * DELAY_MS);
}

static void print_total(const struct way *way, const struct cost *cost)
{
    const struct count *count = &cost->messages;
    printf("| %s | %u | %zu | %u + %u | %zu + %zu | %zu |\n", way->name, cost->round_trips,
           cost->report.operation_count, count->datagrams[0], count->datagrams[1], count->bytes[0],
           count->bytes[1], count->bytes[0] + count->bytes[1]);
}

static void print_totals(const struct cost costs[static WAY_COUNT])
{
    const struct count *handshake = &costs[0].handshake, *end = &costs[0].end;
    puts("| way | round trips | operations | datagrams to + from the device | bytes to + from | "
         "bytes |\n|--|--|--|--|--|--|");
    printf("| every: the handshake | 3 | | %u + %u | %zu + %zu | %zu |\n", handshake->datagrams[0],
           handshake->datagrams[1], handshake->bytes[0], handshake->bytes[1],
           handshake->bytes[0] + handshake->bytes[1]);
    for (size_t i = 0; i < WAY_COUNT; i++)
        print_total(&ways[i], &costs[i]);
    printf("| every: the end | | | %u + %u | %zu + %zu | %zu |\n", end->datagrams[0],
           end->datagrams[1], end->bytes[0], end->bytes[1], end->bytes[0] + end->bytes[1]);
}

/* The n-th message to the device is the n-th request; the first one is the answer to its own. */
static void print_operations(const struct cost *cost)
{
    puts("\n| default way | payload | to the device | from the device |\n|--|--|--|--|");
    printf("| POST /bs | | %zu | %zu |\n", cost->pieces[0][0], cost->pieces[1][0]);
    for (size_t i = 0; i < cost->report.operation_count; i++) {
        const struct sim_operation *operation = &cost->report.operations[i];
        char path[PATH_TEXT_SIZE];
        path_text(&operation->path, path);
        printf("| %s %s | %u | %zu | %zu |\n", coap_code_name(operation->method),
               operation->finish ? "/bs" : path, operation->payload_len, cost->pieces[0][i + 1],
               cost->pieces[1][i + 1]);
    }
}

/* The handshake's three and one for each operation: the first of these goes out with the answer to
 * the request, whose round trip is thus not waited for. A pack takes one for each block. */
static unsigned check(const struct way *way, const struct cost *cost)
{
    size_t messages = way->pack ? cost->report.requests : 1 + cost->report.operation_count;
    size_t round_trips = 3 + (way->pack ? messages : messages - 1);
    if (cost->round_trips == round_trips && cost->messages.datagrams[0] == messages &&
        cost->messages.datagrams[1] == messages)
        return 0;
    fprintf(stderr, "%s: %u round trips, %u + %u messages; expected were %zu and %zu each way\n",
            way->name, cost->round_trips, cost->messages.datagrams[0], cost->messages.datagrams[1],
            round_trips, messages);
    return 1;
}

int main(int argc, char **argv)
{
    static struct cost costs[WAY_COUNT];
    unsigned wrong = 0;
    bool table = argc == 3 && strcmp(argv[2], "--table") == 0;
    if (argc != 2 && !table) {
        fputs("usage: interop_cost PROFILES [--table]\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < WAY_COUNT; i++) {
        bootstrap(argv[1], &ways[i], &costs[i]);
        wrong += check(&ways[i], &costs[i]);
    }
    if (table) {
        print_totals(costs);
        print_operations(&costs[0]);
    }
    return wrong > 0;
}
