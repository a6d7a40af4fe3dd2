/* Command lines of usher-sim by table. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SIM_OPTIONS_PRIV_H
#define USHER_SIM_OPTIONS_PRIV_H

#include "usher/sim.h"

#include <stdio.h>

enum sim_exit {
    SIM_EXIT_OK = 0,
    SIM_EXIT_FAILED = 1,
    SIM_EXIT_USAGE = 2,
    SIM_EXIT_INVALID = 3,
    SIM_EXIT_PARTLY = 5
};

enum { OPTION_OBJECTS_MAX = 16, OPTION_FORMATS_MAX = 8, OPTION_HOLDS_MAX = 64 };

/* Everything that the commands can be told. */
struct sim_options {
    struct sim_config config; /* its lists point into this struct */
    const char *identity, *key_file, *local, *json;
    uint16_t objects[OPTION_OBJECTS_MAX];
    int formats[OPTION_FORMATS_MAX];
    struct record holds[OPTION_HOLDS_MAX];
    bool linger_set, show, reveal, quiet;
    /* fleet */
    const char *prefix, *keys, *reports;
    uint32_t devices, concurrency, threads;
    /* flood */
    bool rate_set, with_cookie;
    uint32_t rate, sources, duration_ms, await;
    uint64_t count;
};

/* Which commands take an option. */
enum { FOR_DEVICE = 1, FOR_FLEET = 2, FOR_BOTH = 3, FOR_FLOOD = 4, FOR_ALL = 7 };

/* False: the command is over with *exit_code, all said. */
bool options_parse(struct sim_options *options, int which, int argc, char **argv, int *exit_code);
void options_help(int which, FILE *out);

int cmd_device(int argc, char **argv);
int cmd_fleet(int argc, char **argv);
int cmd_flood(int argc, char **argv);

#endif
