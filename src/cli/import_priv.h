/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of usher import share. */
#ifndef USHER_CLI_IMPORT_PRIV_H
#define USHER_CLI_IMPORT_PRIV_H

#include "cli_priv.h"

#include <stdint.h>

struct import_command {
    struct cli_server server;
    const char *format, *conflict, *class_name, *batch, *report, *id, *stop;
    bool dry_run, detailed;
    const char *name; /* of the input, for messages */
    int fd;
    bool can_seek;
    uint64_t size; /* 0: not known */
    char own_id[64];
};

/* ---- cmd_import.c ---- */
/* Reads the file, has it imported, tells the result; the server is connected. The exit code. */
int import_run(struct import_command *import);

/* ---- import_upload.c ---- */
int import_open(const char *name);
/* Sends the file; import->id is then known. Goes on after the server was away for a while. */
int import_upload(struct import_command *import);
/* Until the import is over: its status, a new reference. */
int import_await(struct import_command *import, json_t **status);

/* ---- import_report.c ---- */
/* Prints the result, writes the report; the exit code. */
int import_tell(struct import_command *import, const json_t *status);

#endif
