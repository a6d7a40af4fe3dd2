/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two halves of `usher plan`. */
#ifndef USHER_CLI_PLAN_PRIV_H
#define USHER_CLI_PLAN_PRIV_H

#include "cli_priv.h"

#include "usher/codec.h"

/* What the command line says. */
struct plan_request {
    const char *endpoint;
    const char *class_name;
    const char *profiles; /* NULL = the directory ./profiles */
    const char *identity;
    enum lwm2m_version version; /* LWM2M_VERSION_UNKNOWN = not said */
    const char *discover;       /* link format, NULL = none */
    const char *discover_name;  /* the file it is from */
    int format;                 /* of the payloads, FORMAT_NONE = none are wanted */
    struct cli_list tags;
    bool json;
};

/* *answer is what a server answers to GET /v1/devices/{endpoint}/plan, with "text" unless JSON is
 * wanted. Gives an exit code, after a message where it is not CLI_OK. */
int plan_offline(const struct plan_request *request, json_t **answer);

#endif
