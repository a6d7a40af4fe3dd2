/* What a device has been through and holds, for people and programs. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SIM_REPORT_PRIV_H
#define USHER_SIM_REPORT_PRIV_H

#include "usher/sim.h"

#include <jansson.h>
#include <stdio.h>

enum { REPORT_VALUE_SIZE = 600 };

/* A value as text; secret ones as sha256:.. unless `reveal`. */
void report_value(const struct record *record, bool reveal, char out[static REPORT_VALUE_SIZE]);
json_t *report_json(const struct sim_device *device, const char *endpoint, bool reveal);
void report_table(const struct sim_device *device, bool reveal, FILE *out);
/* The report without keys, on one line. False: it could not be written. */
bool report_write_line(const struct sim_device *device, const char *endpoint, FILE *out);
/* To a file, or standard output for "-". False: said on standard error. */
bool report_write(const json_t *report, const char *path);

#endif
