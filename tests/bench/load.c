/* The load of scripts/bench: bootstraps devices over DTLS on loopback, many at a time, or holds
 * very many sessions open and sends messages on them. One thread. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include "usher/clock.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONCURRENCY_MAX = 4096,
    SESSIONS_MAX = 1000000,
    FAILURES_MAX = 100,
    LIMIT_MS = 30000, /* for one bootstrap, handshake or answer */
    TICK_MS = 100,
    NUMBER_MAX = 100000000,
};

/* A place that runs one device after the other. */
struct place {
    struct client *client; /* being bootstrapped or opened; NULL = free */
    unsigned next_source;
    uint64_t started_ms;
};

struct load {
    struct bench_tls tls;
    struct client_world world;
    unsigned port, devices, concurrency, sessions, bootstraps;
    unsigned drawn, step, first; /* the draw of devices */
    const char *certificates;    /* folder, or NULL: keys */
    struct place *places;
    struct client *clients; /* source n is clients[n % client_count] */
    unsigned client_count;
    unsigned started, running, done, failures;
    unsigned answers;
    bool messages; /* answers to client_ask are counted, and each asks again */
    unsigned asked, to_ask;
};

/* ---- the draw: every device once in an order without order, then again ---- */

static unsigned common_factor(unsigned a, unsigned b)
{
    return b == 0 ? a : common_factor(b, a % b);
}

static void draw_init(struct load *load)
{
    if (load->step > 0) {
        load->drawn = (unsigned)((uint64_t)load->first * load->step % load->devices);
        return;
    }
    load->step = (unsigned)((uint64_t)load->devices * 618034 / 1000000) + 1;
    while (common_factor(load->step, load->devices) != 1)
        load->step++;
    load->drawn = (unsigned)(clock_monotonic_us() % load->devices);
}

static unsigned draw(struct load *load)
{
    unsigned drawn = load->drawn;

    load->drawn = (unsigned)(((uint64_t)drawn + load->step) % load->devices);
    return drawn;
}

/* ---- bootstraps and handshakes, so many at a time ---- */

static void fail(struct load *load, const struct client *client, const char *what)
{
    fprintf(stderr, "bench-load: %s %s\n", client->name, what);
    if (++load->failures == FAILURES_MAX)
        bench_die("too many failures");
}

/* Takes up the next one, if one is left. */
static void start(struct load *load, struct place *place)
{
    bool bootstraps = load->sessions == 0;

    if (load->started == (bootstraps ? load->bootstraps : load->sessions))
        return;
    /* A held session has a client for itself; those of bootstraps go round with new addresses. */
    unsigned source = bootstraps ? place->next_source : load->started;
    place->next_source =
        (source + load->concurrency) % (NET_SOURCES_MAX / load->concurrency * load->concurrency);
    load->started++;
    load->running++;
    place->client = &load->clients[source % load->client_count];
    place->started_ms = load->world.now_ms;
    client_start(place->client, &load->world, draw(load), source, bootstraps);
}

/* A held session stays as it is; a bootstrap is over. True: the place is free. */
static bool settle(struct load *load, struct place *place)
{
    struct client *client = place->client;
    bool late = load->world.now_ms - place->started_ms > LIMIT_MS;

    if (client->state == CLIENT_FAILED || late)
        fail(load, client, late ? "takes too long" : "failed");
    else if (client->state == CLIENT_DONE || (client->state == CLIENT_OPEN && !client->bootstraps))
        load->done++;
    else
        return false;
    if (client->state != CLIENT_OPEN || client->bootstraps)
        client_stop(client);
    place->client = NULL;
    load->running--;
    return true;
}

static void ask_next(struct load *load)
{
    if (load->asked == load->to_ask)
        return;
    load->asked++;
    client_ask(&load->clients[draw(load) % load->client_count]);
}

static void take_datagram(void *context, unsigned source, const unsigned char *data, size_t len)
{
    struct load *load = context;
    struct client *client = &load->clients[source % load->client_count];

    if (client->source != source || client->state == CLIENT_IDLE)
        return; /* for one that is gone */
    unsigned answers = client->answers;
    client_receive(client, data, len);
    for (; load->messages && answers < client->answers; answers++) {
        load->answers++;
        ask_next(load);
    }
}

/* One look at the network; places that became free are taken again. */
static void turn(struct load *load, uint64_t *next_tick)
{
    net_flush(load->world.net);
    net_receive(load->world.net, TICK_MS, take_datagram, load);
    load->world.now_ms = clock_monotonic_ms();
    bool tick = load->world.now_ms >= *next_tick;
    for (unsigned i = 0; i < load->concurrency; i++) {
        struct place *place = &load->places[i];
        if (place->client != NULL && tick)
            client_expire(place->client);
        while (place->client != NULL && settle(load, place))
            start(load, place);
    }
    if (tick)
        *next_tick = load->world.now_ms + TICK_MS;
}

static void run_all(struct load *load)
{
    uint64_t next_tick = 0;

    load->world.now_ms = clock_monotonic_ms();
    for (unsigned i = 0; i < load->concurrency; i++) {
        load->places[i].next_source = i;
        start(load, &load->places[i]);
    }
    while (load->running > 0)
        turn(load, &next_tick);
    net_flush(load->world.net);
}

/* ---- messages on sessions that are held open ---- */

static void exchange_messages(struct load *load, unsigned count, unsigned window)
{
    uint64_t last_ms = load->world.now_ms = clock_monotonic_ms();
    unsigned seen = 0;

    load->answers = load->asked = 0;
    load->to_ask = count;
    load->messages = true;
    for (unsigned i = 0; i < window; i++)
        ask_next(load);
    while (load->answers < count && load->world.now_ms - last_ms < LIMIT_MS) {
        net_flush(load->world.net);
        net_receive(load->world.net, TICK_MS, take_datagram, load);
        load->world.now_ms = clock_monotonic_ms();
        if (load->answers != seen)
            last_ms = load->world.now_ms;
        seen = load->answers;
    }
    load->messages = false;
}

/* How many of the held sessions still answer: each is asked once. */
static unsigned count_alive(struct load *load)
{
    enum { WINDOW = 256 };
    unsigned alive = 0;

    for (unsigned first = 0; first < load->client_count; first += WINDOW) {
        unsigned end = first + WINDOW < load->client_count ? first + WINDOW : load->client_count;
        for (unsigned i = first; i < end; i++) {
            load->clients[i].answers = 0;
            if (load->clients[i].state == CLIENT_OPEN)
                client_ask(&load->clients[i]);
        }
        net_flush(load->world.net);
        for (unsigned answered = 0, silent = 0; answered < end - first && silent < 10;) {
            unsigned before = answered;
            net_receive(load->world.net, TICK_MS, take_datagram, load);
            answered = 0;
            for (unsigned i = first; i < end; i++)
                answered += load->clients[i].answers > 0;
            silent = answered == before ? silent + 1 : 0;
        }
        for (unsigned i = first; i < end; i++)
            alive += load->clients[i].answers > 0;
    }
    return alive;
}

/* Commands on standard input, an answer in JSON for each, until its end. */
static void obey(struct load *load)
{
    char line[128];
    unsigned count, window;

    printf("{\"open\": %u}\n", load->done);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "messages %u %u", &count, &window) == 2 && window > 0) {
            exchange_messages(load, count, window);
            printf("{\"answers\": %u}\n", load->answers);
        } else if (strcmp(line, "alive\n") == 0) {
            printf("{\"alive\": %u}\n", count_alive(load));
        } else {
            bench_die("no such command: %s", line);
        }
        fflush(stdout);
    }
}

/* ---- command line ---- */

static void print_usage(FILE *file)
{
    fputs(
        "Usage: bench-load --port PORT [--devices N] [--concurrency N] [--bootstraps N]\n"
        "                  [--first N] [--stride N] [--record FILE]\n"
        "       bench-load --port PORT [--devices N] [--concurrency N] --sessions N\n"
        "With --certificates FOLDER the devices have certificates instead of keys.\n"
        "Bootstraps devices drawn from bench-000000 to N-1 at 127.0.0.1:PORT, N at a time.\n"
        "Each is drawn once before one is drawn again, beginning anywhere; --stride visits every\n"
        "N-th in turn instead, beginning with turn --first.\n"
        "--record writes each request of the server in hexadecimal, a line each.\n"
        "--sessions opens so many sessions instead, holds them, and obeys standard input:\n"
        "'messages COUNT WINDOW' asks on them and awaits the answers, 'alive' counts them.\n",
        file);
}

static unsigned parse_number(const char *name, const char *text, unsigned most)
{
    char *rest;

    errno = 0;
    unsigned long value = strtoul(text, &rest, 10);
    if (errno != 0 || rest == text || *rest != '\0' || value == 0 || value > most)
        bench_die("--%s takes a number from 1 to %u, not '%s'", name, most, text);
    return (unsigned)value;
}

static void parse_arguments(struct load *load, int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"devices", required_argument, NULL, 'd'},
        {"bootstraps", required_argument, NULL, 'b'},
        {"concurrency", required_argument, NULL, 'c'},
        {"first", required_argument, NULL, 'f'},
        {"stride", required_argument, NULL, 't'},
        {"sessions", required_argument, NULL, 's'},
        {"certificates", required_argument, NULL, 'x'},
        {"record", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p') {
            load->port = parse_number("port", optarg, UINT16_MAX);
        } else if (option == 'd') {
            load->devices = parse_number("devices", optarg, BENCH_DEVICES_MAX);
        } else if (option == 'b') {
            load->bootstraps = parse_number("bootstraps", optarg, NUMBER_MAX);
        } else if (option == 'c') {
            load->concurrency = parse_number("concurrency", optarg, CONCURRENCY_MAX);
        } else if (option == 'f') {
            load->first = parse_number("first", optarg, UINT32_MAX);
        } else if (option == 't') {
            load->step = parse_number("stride", optarg, BENCH_DEVICES_MAX);
        } else if (option == 's') {
            load->sessions = parse_number("sessions", optarg, SESSIONS_MAX);
        } else if (option == 'x') {
            load->certificates = optarg;
        } else if (option == 'r') {
            load->world.record = fopen(optarg, "w");
            if (load->world.record == NULL)
                bench_die("%s: %s", optarg, strerror(errno));
        } else {
            print_usage(option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
    if (optind != argc || load->port == 0) {
        print_usage(stderr);
        exit(2);
    }
}

static void prepare(struct load *load)
{
    load->client_count = load->sessions > 0 ? load->sessions : load->concurrency;
    load->places = calloc(load->concurrency, sizeof *load->places);
    load->clients = calloc(load->client_count, sizeof *load->clients);
    if (load->places == NULL || load->clients == NULL)
        bench_die("out of memory");
    draw_init(load);
    bench_tls_init(&load->tls);
    if (load->certificates != NULL)
        bench_tls_use_certificates(&load->tls, load->certificates, load->devices);
    load->world.tls = &load->tls;
    load->world.net = net_open((uint16_t)load->port);
}

int main(int argc, char **argv)
{
    static struct load load = {.devices = 1, .bootstraps = 1, .concurrency = 1};

    parse_arguments(&load, argc, argv);
    prepare(&load);
    run_all(&load);
    if (load.sessions > 0)
        obey(&load);
    else
        printf("{\"bootstraps\": %u, \"failures\": %u}\n", load.done, load.failures);
    if (load.world.record != NULL && fclose(load.world.record) != 0)
        bench_die("cannot write the recording");
    net_close(load.world.net);
    bench_tls_free(&load.tls);
    free(load.places);
    free(load.clients); /* what the sessions hold goes with the process */
    return load.failures == 0 ? 0 : 1;
}
