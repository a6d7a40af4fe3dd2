/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the sockets that share a port gets a datagram (SO_ATTACH_REUSEPORT_CBPF). */
#ifndef USHER_STEERING_PRIV_H
#define USHER_STEERING_PRIV_H

#include <stdbool.h>
#include <stdint.h>

/* Each worker binds two sockets, in this order: STEERING_RECORDS, then STEERING_HELLOS; worker 0
 * first. ClientHellos have their own, so that a flood of them fills only its own buffer. */
enum steering_kind { STEERING_RECORDS, STEERING_HELLOS, STEERING_KINDS };

/* Attaches the program to a bound SO_REUSEPORT socket, and so to all that join it later. Records
 * with a Connection ID go to the worker that its first byte names, all others by source address and
 * port, under keys of chance: nobody outside can aim at one worker. False: the system cannot (then
 * bind one socket a worker, and the kernel's own hash decides). */
bool steering_attach(int fd, uint32_t workers);

#endif
