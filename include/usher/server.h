/* SPDX-License-Identifier: Apache-2.0 */
/* module: server */
/* usherd: workers, store, profiles and HTTP put together; signals; reload; orderly end. */
#ifndef USHER_SERVER_H
#define USHER_SERVER_H

#include "usher/config.h"
#include "usher/err.h"

/* Reads the profiles, opens the store and checks that it answers; binds nothing (usherd -T). */
bool server_check(const struct config *config, struct findings *findings, struct err *err);

/* Serves until SIGTERM or SIGINT; SIGHUP reads configuration and profiles again. Takes the
 * configuration over. `config_path` is read again on SIGHUP. ERR_OK after an orderly end. */
enum err_code server_run(struct config *config, const char *config_path, struct err *err);

const char *server_version(void);

#endif
