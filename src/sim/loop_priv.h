/* Runs devices over real sockets: one connected UDP socket a device, one thread a loop. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SIM_LOOP_PRIV_H
#define USHER_SIM_LOOP_PRIV_H

#include "usher/err.h"
#include "usher/sim.h"

#include <sys/socket.h>

struct loop;

struct loop_address {
    struct sockaddr_storage address;
    socklen_t len; /* 0 = any */
};

/* The device is over: read it now, it is freed afterwards. May add the next one. */
typedef void (*loop_done_fn)(void *context, struct loop *loop, const struct sim_device *device,
                             size_t tag);

enum err_code loop_new(size_t capacity, loop_done_fn done, void *context, struct loop **out,
                       struct err *err);
void loop_free(struct loop *loop);
/* Starts a device; `tag` names it to the owner. */
enum err_code loop_add(struct loop *loop, const struct sim_config *config,
                       const struct loop_address *server, const struct loop_address *local,
                       size_t tag, struct err *err);
/* Until all devices are over or *stop. `tick` runs every 200 ms; NULL = none. */
void loop_run(struct loop *loop, const volatile int *stop,
              void (*tick)(void *context, struct loop *loop));
size_t loop_active(const struct loop *loop);
/* The device of a slot, for reports of what was cut short; NULL past the last. */
const struct sim_device *loop_device(const struct loop *loop, size_t slot);

/* "coaps://host:port" or "host:port" to an address; numeric hosts and names. */
enum err_code loop_resolve(const char *uri, struct loop_address *out, struct err *err);
enum err_code loop_local(const char *text, struct loop_address *out, struct err *err);

#endif
