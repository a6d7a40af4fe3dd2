/* SPDX-License-Identifier: Apache-2.0 */
/* The network: what happens when, and the parts that it joins. */
#include "net.h"
#include "usher/log.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

const char net_usual_profile[] = "class: lamp\n"
                                 "servers:\n"
                                 "  - id: 101\n"
                                 "    uri: coaps://lwm2m.city.example:5684\n"
                                 "    security: { mode: psk, credential: generate }\n"
                                 "write: { /3/0/14: \"+01:00\" }\n";

_Thread_local volatile bool net_inside;

enum { PORT_FIRST = 40000, SESSIONS = 64, BEGIN_MS = 1000000, BOOT_ROUND_TRIPS = 3 };
static const int64_t begin_wall_ms = 1790000000000;

/* ---- the wire ---- */

static void put_on_wire(struct net *net, bool to_server, unsigned device,
                        const struct net_path *path, struct bytes data)
{
    struct net_datagram datagram = {
        .to_server = to_server,
        .ordinal = ++net->sent[to_server],
        .device = device,
        .path = *path,
        .len = data.len,
    };
    struct net_fate fate = {.copies = 1, .delay_ms = net->settings.delay_ms};

    assert_true(data.len <= NET_DATAGRAM_MAX);
    memcpy(datagram.data, data.data, data.len);
    if (net->fault != NULL)
        net->fault(net, &datagram, &fate);
    datagram.due = net->now + fate.delay_ms;
    for (unsigned i = 0; i < fate.copies; i++) {
        struct net_datagram *copy = malloc(sizeof *copy);
        struct net_datagram **at = &net->wire;
        assert_non_null(copy);
        *copy = datagram;
        copy->order = net->order++;
        while (*at != NULL && (*at)->due <= copy->due)
            at = &(*at)->next;
        copy->next = *at;
        *at = copy;
    }
}

static struct net_path path_of(const struct net_device *device)
{
    return (struct net_path){
        .local = {.family = 4, .port = 5684, .ip = {192, 0, 2, 1}},
        .remote = {.family = 4, .port = device->port, .ip = {198, 51, 100, 7}},
    };
}

static bool is_down(const struct net_device *device)
{
    return device->vanished || device->boot_at != 0;
}

static void device_sends(void *context, struct bytes datagram)
{
    struct net_device *device = context;
    struct net_path path = path_of(device);

    if (!is_down(device))
        put_on_wire(device->net, true, device->index, &path, datagram);
}

static void server_sends(void *context, const struct net_path *path, struct bytes datagram)
{
    struct net *net = context;
    unsigned device = (unsigned)(path->remote.port - PORT_FIRST) % NET_DEVICES_MAX;
    bool inside = net_inside;

    net_inside = false;
    put_on_wire(net, false, device, path, datagram);
    net_inside = inside;
}

/* ---- messages between workers ---- */

static void post_supersede(void *context, const struct live_holder *holder)
{
    struct net *net = context;
    struct net_mail **at = &net->mail;
    bool inside = net_inside;

    net_inside = false;
    struct net_mail *mail = malloc(sizeof *mail);
    net_inside = inside;

    assert_non_null(mail);
    *mail = (struct net_mail){.due = net->now + net->mail_ms, .holder = *holder};
    while (*at != NULL)
        at = &(*at)->next;
    *at = mail;
}

/* ---- events ---- */

static void tell_time(struct net *net, unsigned driver)
{
    struct driver_time time = {net->now, begin_wall_ms + (int64_t)(net->now - BEGIN_MS)};

    driver_set_time(net->drivers[driver], &time);
}

/* Answers of the real store come in real time, and count as immediate. */
static void settle(struct net *net)
{
    while (net->outstanding > 0) {
        struct pollfd fds[NET_DRIVERS_MAX];
        for (unsigned i = 0; i < net->settings.drivers; i++)
            fds[i] = (struct pollfd){.fd = store_lane_fd(net->lanes[i]), .events = POLLIN};
        assert_true(poll(fds, net->settings.drivers, 10000) > 0);
        for (unsigned i = 0; i < net->settings.drivers; i++) {
            tell_time(net, i);
            net_inside = true;
            driver_expire(net->drivers[i]);
            store_lane_poll(net->lanes[i]);
            net_inside = false;
        }
    }
}

static void note_device(struct net_device *device)
{
    const struct sim_report *report = sim_device_report(device->sim);

    if (report->operation_count < device->operations)
        device->operations = 0; /* it has started anew */
    assert_true(report->operation_count <= SIM_OPERATIONS_MAX);
    for (; device->operations < report->operation_count; device->operations++) {
        const struct sim_operation *operation = &report->operations[device->operations];
        if (operation->finish && operation->code == COAP_CHANGED) {
            device->owner->finishes++;
            device->finished = true;
        }
    }
    device->state = report->state;
}

static void deliver(struct net *net)
{
    struct net_datagram *datagram = net->wire;
    struct net_device *device = &net->devices[datagram->device];

    net->wire = datagram->next;
    bool passes = net->arrives == NULL || net->arrives(net, datagram);
    /* Of the very size, so that a read past its end is caught. */
    uint8_t *exact = malloc(datagram->len);
    assert_non_null(exact);
    memcpy(exact, datagram->data, datagram->len);
    if (passes && datagram->to_server) {
        tell_time(net, device->driver);
        net_inside = true;
        driver_datagram(net->drivers[device->driver], &datagram->path,
                        bytes_of(exact, datagram->len));
        net_inside = false;
    } else if (passes && !is_down(device) && device->port == datagram->path.remote.port) {
        sim_device_receive(device->sim, bytes_of(exact, datagram->len), net->now);
        note_device(device);
    }
    free(exact);
    free(datagram);
}

static void deliver_mail(struct net *net)
{
    struct net_mail *mail = net->mail;

    net->mail = mail->next;
    tell_time(net, mail->holder.worker);
    net_inside = true;
    driver_supersede(net->drivers[mail->holder.worker], &mail->holder);
    net_inside = false;
    free(mail);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t device_next(const struct net_device *device)
{
    if (device->boot_at != 0)
        return device->boot_at;
    return device->vanished ? UINT64_MAX : sim_device_next(device->sim);
}

static uint64_t next_event(const struct net *net)
{
    uint64_t next = net_late_next(net);

    if (net->wire != NULL)
        next = least(next, net->wire->due);
    if (net->mail != NULL)
        next = least(next, net->mail->due);
    for (unsigned i = 0; i < net->settings.drivers; i++)
        next = least(next, driver_next(net->drivers[i]));
    for (unsigned i = 0; i < net->settings.devices; i++)
        next = least(next, device_next(&net->devices[i]));
    return next;
}

static void start(struct net *net, struct net_device *device)
{
    device->starts++;
    device->operations = 0;
    device->finished = false;
    sim_device_start(device->sim, net->now);
}

/* What Finish has confirmed survives a loss of power; what came before it does not. */
static void boot(struct net *net, struct net_device *device)
{
    device->boot_at = 0;
    if (device->finished)
        start(net, device);
    else
        sim_device_reboot(device->sim, net->now);
}

static void expire(struct net *net)
{
    for (unsigned i = 0; i < net->settings.drivers; i++) {
        tell_time(net, i);
        net_inside = true;
        driver_expire(net->drivers[i]);
        net_inside = false;
    }
    net_late_run(net);
    for (unsigned i = 0; i < net->settings.devices; i++) {
        struct net_device *device = &net->devices[i];
        if (device_next(device) > net->now)
            continue;
        if (device->boot_at != 0) {
            boot(net, device);
        } else {
            sim_device_expire(device->sim, net->now);
        }
        note_device(device);
    }
}

/* What has arrived comes before the timers, as in a worker. */
static void run_event(struct net *net)
{
    if (net->wire != NULL && net->wire->due <= net->now)
        deliver(net);
    else if (net->mail != NULL && net->mail->due <= net->now)
        deliver_mail(net);
    else
        expire(net);
    settle(net);
    net_check(net);
}

void net_run(struct net *net, uint64_t duration_ms)
{
    uint64_t end = net->now + duration_ms;

    for (unsigned steps = 0; next_event(net) <= end; steps++) {
        assert_true(steps < 1000000); /* else somebody spins */
        if (next_event(net) > net->now)
            net->now = next_event(net);
        run_event(net);
    }
    net->now = end;
}

void net_run_until(struct net *net, bool (*holds)(struct net *net), uint64_t limit_ms)
{
    uint64_t limit = net->now + limit_ms;

    while (!holds(net)) {
        uint64_t next = next_event(net);
        if (next > limit)
            fail_msg("not within %u s: driver sessions %zu, device 0 is %s (%s)",
                     (unsigned)(limit_ms / 1000), net_running(net),
                     sim_state_name(net->devices[0].state),
                     sim_device_report(net->devices[0].sim)->reason);
        if (next > net->now)
            net->now = next;
        run_event(net);
    }
}

static bool is_quiet(struct net *net)
{
    for (unsigned i = 0; i < net->settings.devices; i++)
        if (net->devices[i].boot_at != 0 ||
            (!net->devices[i].vanished && !sim_device_over(net->devices[i].sim)))
            return false;
    return net->wire == NULL && net->mail == NULL && net->late == NULL && net_running(net) == 0;
}

void net_finish(struct net *net, uint64_t limit_ms)
{
    net_run_until(net, is_quiet, limit_ms);
}

/* ---- life ---- */

/* With `first_mid`, short numbers are the same after each restart: message ids and tokens repeat.
 * What TLS asks for is longer. */
static void repeat_short_numbers(void *context, void *data, size_t len)
{
    if (len <= 8)
        memset(data, 0x5a, len);
    else
        bytes_random(data, len);
}

static void make_device(struct net *net, unsigned index)
{
    struct net_device *device = &net->devices[index];
    unsigned owner = net->settings.twins ? 0 : index;
    struct sim_config config;
    struct err err = {0};

    device->net = net;
    device->index = index;
    device->owner = &net->devices[owner];
    device->port = (uint16_t)(PORT_FIRST + index);
    snprintf(device->endpoint, sizeof device->endpoint, "lamp%u", owner);
    snprintf(device->key, sizeof device->key, "0123456789abcde%u", owner % 10);
    sim_config_init(&config);
    config.server_uri = "coaps://192.0.2.1:5684";
    config.endpoint = device->endpoint;
    config.identity = bytes_of_text(device->endpoint);
    config.key = bytes_of_text(device->key);
    config.bootstrap_instance = 1;
    config.cipher = SIM_CIPHER_CCM8;
    config.handshake_min_ms = net->settings.handshake_min_ms;
    config.ack_timeout_ms = net->settings.ack_timeout_ms;
    config.linger_ms = 20000;
    config.has_mid_start = net->settings.first_mid != 0;
    config.mid_start = net->settings.first_mid;
    config.random = config.has_mid_start ? repeat_short_numbers : NULL;
    if (net->settings.behave != NULL)
        net->settings.behave(&config);
    if (sim_device_new(&config, device_sends, device, &device->sim, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static void enroll(struct net *net, unsigned index)
{
    const struct net_device *device = &net->devices[index];
    struct store_device stored = {.enrollment = {.class_name = "lamp"}};
    enum store_change change;
    struct err err = {0};

    if (device->owner != device)
        return;
    snprintf(stored.enrollment.endpoint, sizeof stored.enrollment.endpoint, "%s", device->endpoint);
    assert_true(identity_set(&stored.enrollment.identity, bytes_of_text(device->endpoint)));
    assert_true(secret_set(&stored.bootstrap_key, bytes_of_text(device->key)));
    if (net->settings.enrol != NULL)
        net->settings.enrol(&stored);
    if (store_enroll(net->admin, &stored, false, &change, &err) != ERR_OK)
        fail_msg("%s", err.text);
    store_device_clear(&stored);
}

static void make_driver(struct net *net, unsigned index)
{
    const struct endpoint_listener listener = {
        .gcm = net->settings.every_cipher,
        .cbc = net->settings.every_cipher,
        .handshake_min_ms = net->settings.handshake_min_ms,
        .handshake_max_ms = 60000,
        .ack_timeout_ms = net->settings.ack_timeout_ms,
    };
    struct driver_config config = {
        .worker = index,
        .endpoint = {.listeners = &listener,
                     .listener_count = 1,
                     .half_open_max = SESSIONS,
                     .sessions_max = SESSIONS,
                     .idle_ms = 300000},
        .time = {net->now, begin_wall_ms},
        .send = server_sends,
        .send_context = net,
        .live = net->live,
        .rejects = net->rejects,
        .profiles = net->profiles,
        .decoy_secret = net->secret,
        .supersede = post_supersede,
        .context = net,
    };
    struct err err = {0};

    assert_int_equal(store_lane_open(net->store, &net->lanes[index], &err), ERR_OK);
    config.lane = net->lanes[index];
    if (driver_new(&config, &net->drivers[index], &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static void load_profiles(struct net *net)
{
    struct findings findings;

    if (net->settings.profiles != NULL) {
        net->profiles = profile_set_ref(net->settings.profiles);
        return;
    }
    findings_init(&findings);
    net->profiles =
        profile_set_load_text("lamp.yaml", bytes_of_text(net->settings.profile), &findings);
    if (net->profiles == NULL)
        fail_msg("%s", findings.first->text);
    findings_clear(&findings);
}

void net_set_profile(struct net *net, const char *profile)
{
    struct profile_set *old = net->profiles;

    net->settings.profile = profile;
    load_profiles(net);
    for (unsigned i = 0; i < net->settings.drivers; i++)
        driver_set_profiles(net->drivers[i], net->profiles);
    profile_set_unref(old);
}

static void set_default(uint32_t *value, uint32_t usual)
{
    if (*value == 0)
        *value = usual;
}

struct net *net_new(const struct net_settings *settings)
{
    const struct store_config store = {.backend = "memory", .gather_rows = 1};
    struct net *net = calloc(1, sizeof *net);
    struct err err = {0};

    assert_non_null(net);
    net_late_use(net);
    log_configure(STDERR_FILENO, LOG_ERROR, false); /* failures are what these tests are about */
    if (settings != NULL)
        net->settings = *settings;
    set_default(&net->settings.devices, 1);
    set_default(&net->settings.drivers, 1);
    set_default(&net->settings.delay_ms, 10);
    set_default(&net->settings.handshake_min_ms, 1000);
    set_default(&net->settings.ack_timeout_ms, 2000);
    if (net->settings.profile == NULL)
        net->settings.profile = net_usual_profile;
    net->now = BEGIN_MS;
    net->random = 1;
    load_profiles(net);
    net->live = live_new(SESSIONS);
    net->rejects = rejects_new(SESSIONS);
    assert_int_equal(store_open(&store, &net->store, &err), ERR_OK);
    assert_int_equal(store_lane_open(net->store, &net->admin, &err), ERR_OK);
    for (unsigned i = 0; i < net->settings.drivers; i++)
        make_driver(net, i);
    for (unsigned i = 0; i < net->settings.devices; i++) {
        make_device(net, i);
        enroll(net, i);
    }
    return net;
}

static void free_wire_and_mail(struct net *net)
{
    for (struct net_datagram *next; net->wire != NULL; net->wire = next) {
        next = net->wire->next;
        free(net->wire);
    }
    for (struct net_mail *next; net->mail != NULL; net->mail = next) {
        next = net->mail->next;
        free(net->mail);
    }
}

void net_free(struct net *net)
{
    net_check(net);
    net_late_forget(net);
    settle(net);
    for (unsigned i = 0; i < net->settings.drivers; i++) {
        store_lane_close(net->lanes[i]);
        driver_free(net->drivers[i]);
    }
    for (unsigned i = 0; i < net->settings.devices; i++)
        sim_device_free(net->devices[i].sim);
    free_wire_and_mail(net);
    store_lane_close(net->admin);
    store_close(net->store);
    live_free(net->live);
    rejects_free(net->rejects);
    profile_set_unref(net->profiles);
    free(net);
}

void net_start(struct net *net, unsigned index, bool moved, unsigned driver)
{
    struct net_device *device = &net->devices[index];

    if (moved)
        device->port = (uint16_t)(device->port + NET_DEVICES_MAX);
    device->driver = driver;
    device->vanished = false;
    start(net, device);
    note_device(device);
}

void net_restart(struct net *net, unsigned index, bool moved, unsigned driver)
{
    struct net_device *device = &net->devices[index];

    if (moved)
        device->port = (uint16_t)(device->port + NET_DEVICES_MAX);
    device->driver = driver;
    device->boot_at = net->now + (uint64_t)net->settings.delay_ms * 2 * BOOT_ROUND_TRIPS;
}

/* ---- looking ---- */

size_t net_running(const struct net *net)
{
    size_t count = 0;

    for (unsigned i = 0; i < net->settings.drivers; i++)
        count += driver_running(net->drivers[i]);
    return count;
}

/* splitmix64: the same on every machine. */
uint64_t net_random(struct net *net, uint64_t bound)
{
    uint64_t mixed = net->random += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % bound;
}

void net_get(struct net *net, unsigned device, struct store_device *out)
{
    struct err err = {0};
    struct bytes name = bytes_of_text(net->devices[device].endpoint);

    if (store_get(net->admin, name, out, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

struct endpoint_counters net_counters(const struct net *net, unsigned driver)
{
    struct endpoint_counters counters;

    endpoint_read_counters(driver_endpoint(net->drivers[driver]), &counters);
    return counters;
}

uint64_t net_generation(struct net *net, unsigned device, enum credential_status status)
{
    struct store_device stored = {0};

    net_get(net, device, &stored);
    const struct enrolled_credential *found =
        enrollment_credential(&stored.enrollment, 101, status);
    uint64_t generation = found == NULL ? 0 : found->generation;
    store_device_clear(&stored);
    return generation;
}

const struct net_outcome *net_last(const struct net *net)
{
    assert_true(net->outcome_count > 0);
    return &net->outcomes[(net->outcome_count - 1) % NET_OUTCOMES_MAX];
}

/* The key of the one account beside the bootstrap account, which is /0/1. */
static struct bytes held_key(const struct net_device *device)
{
    size_t count, accounts = 0;
    const struct record *records = sim_device_objects(device->sim, &count);
    struct bytes key = {0};

    for (size_t i = 0; i < count; i++) {
        const struct path *path = &records[i].path;
        if (path->ids[0] != 0 || path->ids[1] == 1 || path->ids[2] != 5)
            continue;
        key = records[i].value.bytes;
        accounts++;
    }
    assert_int_equal(accounts, 1);
    return key;
}

void net_assert_bootstrapped(struct net *net, unsigned index)
{
    const struct net_device *device = &net->devices[index];
    const struct sim_report *report = sim_device_report(device->sim);
    struct store_device stored = {0};

    if (report->state != SIM_BOOTSTRAPPED)
        fail_msg("%s: %s %s", sim_state_name(report->state), report->reason, report->detail);
    net_get(net, index, &stored);
    assert_int_equal(stored.state, STATE_BOOTSTRAPPED);
    assert_int_equal(stored.cause, CAUSE_NONE);
    const struct enrolled_credential *active =
        enrollment_credential(&stored.enrollment, 101, CREDENTIAL_ACTIVE);
    assert_non_null(active);
    size_t at = (size_t)(active - stored.enrollment.credentials);
    assert_true(bytes_equal(held_key(device), secret_bytes(&stored.keys[at])));
    assert_null(enrollment_credential(&stored.enrollment, 101, CREDENTIAL_PENDING));
    store_device_clear(&stored);
}
