/* SPDX-License-Identifier: Apache-2.0 */
/* Everything at once, by chance: bad networks, devices that restart, move, ask twice and vanish,
 * two workers, a store that is late or fails. What must never happen is looked for after every
 * event; once the weather is fair every device is bootstrapped. The seed is printed and can be
 * given as argument; it repeats the accidents, though not the jitter of timeouts. */
#include "net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SEEDS = 120, DEVICES = 6, DRIVERS = 2, BLOWS = 150, FAIR_MS = 600000 };

static uint64_t only_seed;

static void bad_network(struct net *net, const struct net_datagram *datagram, struct net_fate *fate)
{
    uint64_t chance = net_random(net, 1000);

    if (chance < 120)
        fate->copies = 0;
    else if (chance < 220)
        fate->copies = 2;
    if (net_random(net, 1000) < 150)
        fate->delay_ms += net_random(net, 6000);
}

static void change_store(struct net *net)
{
    net->trouble.find_ms = net_random(net, 3) == 0 ? net_random(net, 4000) : 0;
    net->trouble.commit_ms = net_random(net, 3) == 0 ? net_random(net, 4000) : 0;
    net->trouble.record_ms = net_random(net, 3) == 0 ? net_random(net, 4000) : 0;
    net->trouble.find_fails = net_random(net, 10) == 0;
    net->trouble.commit_fails = net_random(net, 10) == 0;
    net->trouble.record_fails = net_random(net, 10) == 0;
    net->mail_ms = net_random(net, 300);
}

/* One accident. */
static void blow(struct net *net)
{
    unsigned index = (unsigned)net_random(net, DEVICES);
    struct net_device *device = &net->devices[index];
    unsigned driver = (unsigned)net_random(net, DRIVERS);

    switch (net_random(net, 8)) {
    case 0:
        if (device->starts > 0 && device->boot_at == 0)
            net_restart(net, index, false, device->driver);
        break;
    case 1:
        if (device->starts > 0 && device->boot_at == 0)
            net_restart(net, index, true, driver);
        break;
    case 2:
        if (device->boot_at == 0 && !device->vanished)
            sim_device_ask_again(device->sim, net->now);
        break;
    case 3:
        device->vanished = true;
        break;
    case 4:
        change_store(net);
        break;
    default:
        if (device->starts == 0 || device->vanished ||
            (device->boot_at == 0 && sim_device_over(device->sim)))
            net_start(net, index, true, driver);
    }
}

static void ride_out(uint64_t seed)
{
    const struct net_settings settings = {.devices = DEVICES, .drivers = DRIVERS, .first_mid = 9};
    struct net *net = net_new(&settings);

    print_message("seed %u\n", (unsigned)seed);
    net->random = seed;
    net->fault = bad_network;
    for (unsigned i = 0; i < BLOWS; i++) {
        net_run(net, net_random(net, 2000));
        blow(net);
    }
    net->fault = NULL;
    net->trouble = (struct net_store){0};
    net_run(net, FAIR_MS);
    for (unsigned i = 0; i < DEVICES; i++)
        net_start(net, i, true, i % DRIVERS);
    net_finish(net, FAIR_MS);
    for (unsigned i = 0; i < DEVICES; i++)
        net_assert_bootstrapped(net, i);
    net_free(net);
}

static void test_storm(void **state)
{
    if (only_seed != 0) {
        ride_out(only_seed);
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        ride_out(seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_storm)};

    if (argc > 1)
        only_seed = strtoull(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
